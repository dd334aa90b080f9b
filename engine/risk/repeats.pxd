# The last orders of each instrument, to find equal ones within a window: a ring in order of time, and chains of those
# whose terms fall in the same bin. A chain ends where its next order has left the ring or the window.
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    REPEAT_BINS = 64

cdef struct PassedOrder:
    int64_t time_ns
    int64_t side
    int64_t price_ticks
    int64_t quantity_lots
    int64_t earlier            # number of the one before it in its bin, from 1; 0 for none

cdef struct Repeats:           # one per instrument, followed in memory by its ring
    int64_t passed             # orders ever remembered: the number of the last
    int64_t latest[REPEAT_BINS]

# -- QUERIES --

cdef inline int64_t repeat_bin(int64_t side, int64_t price_ticks, int64_t quantity_lots) noexcept nogil:
    cdef uint64_t mixed = <uint64_t> price_ticks * <uint64_t> 0x9E3779B97F4A7C15
    mixed = (mixed ^ <uint64_t> quantity_lots) * <uint64_t> 0xC2B2AE3D27D4EB4F + <uint64_t> side
    return <int64_t> (mixed >> 58)

cdef inline int64_t count_repeats(
    const Repeats *repeats, const PassedOrder *ring, int64_t mask, int64_t since_ns, int64_t side, int64_t price_ticks,
    int64_t quantity_lots,
) noexcept nogil:
    """Orders of equal terms passed after since_ns."""
    cdef int64_t number = repeats.latest[repeat_bin(side, price_ticks, quantity_lots)], count = 0
    cdef const PassedOrder *order
    while number > 0 and number + mask >= repeats.passed:
        order = ring + (number & mask)
        if order.time_ns <= since_ns:
            break
        if order.price_ticks == price_ticks and order.quantity_lots == quantity_lots and order.side == side:
            count += 1
        number = order.earlier
    return count

# -- COMMANDS --

cdef inline void remember_order(
    Repeats *repeats, PassedOrder *ring, int64_t mask, int64_t time_ns, int64_t side, int64_t price_ticks,
    int64_t quantity_lots,
) noexcept nogil:
    cdef int64_t place = repeat_bin(side, price_ticks, quantity_lots)
    cdef PassedOrder *order
    repeats.passed += 1
    order = ring + (repeats.passed & mask)
    order.time_ns = time_ns
    order.side = side
    order.price_ticks = price_ticks
    order.quantity_lots = quantity_lots
    order.earlier = repeats.latest[place]
    repeats.latest[place] = repeats.passed
