# Orders that passed, of each instrument, to find equal ones within a window: a ring in order of time, and chains of
# those whose terms fall in the same bin. A chain ends where its next order has left the ring or the window. A bin knows
# the time of its newest, so that the usual answer, none within the window, costs one line of memory.
from libc.stdint cimport int64_t, uint64_t

cdef struct PassedOrder:
    int64_t time_ns
    int64_t side
    int64_t price_ticks
    int64_t quantity_lots
    int64_t earlier            # number of the one before it in its bin, from 1; 0 for none

cdef struct RepeatBin:
    int64_t latest             # number of the newest order, from 1; 0 for none
    int64_t time_ns            # of it

cdef struct Repeats:           # one per instrument, followed in memory by its bins and its ring, `capacity` of each
    int64_t passed             # orders ever remembered: the number of the last
    int64_t capacity           # a power of two

# -- QUERIES --

cdef inline int64_t repeats_bytes(int64_t capacity) noexcept nogil:
    return sizeof(Repeats) + capacity * (sizeof(RepeatBin) + sizeof(PassedOrder))

cdef inline RepeatBin *bin_of(
    const Repeats *repeats, int64_t side, int64_t price_ticks, int64_t quantity_lots
) noexcept nogil:
    cdef uint64_t mixed = <uint64_t> price_ticks * <uint64_t> 0x9E3779B97F4A7C15
    mixed = (mixed ^ <uint64_t> quantity_lots) * <uint64_t> 0xC2B2AE3D27D4EB4F + <uint64_t> side
    return <RepeatBin *> (repeats + 1) + (<int64_t> (mixed >> 40) & (repeats.capacity - 1))

cdef inline PassedOrder *passed_order(const Repeats *repeats, int64_t number) noexcept nogil:
    cdef PassedOrder *ring = <PassedOrder *> (<RepeatBin *> (repeats + 1) + repeats.capacity)
    return ring + (number & (repeats.capacity - 1))

cdef inline int64_t count_repeats(
    const Repeats *repeats, int64_t since_ns, int64_t side, int64_t price_ticks, int64_t quantity_lots
) noexcept nogil:
    """Orders of equal terms passed after since_ns."""
    cdef const RepeatBin *found = bin_of(repeats, side, price_ticks, quantity_lots)
    cdef int64_t number = found.latest if found.time_ns > since_ns else 0, count = 0
    cdef const PassedOrder *order
    while number > 0 and number + repeats.capacity > repeats.passed:
        order = passed_order(repeats, number)
        if order.time_ns <= since_ns:
            break
        if order.price_ticks == price_ticks and order.quantity_lots == quantity_lots and order.side == side:
            count += 1
        number = order.earlier
    return count

# -- COMMANDS --

cdef inline void remember_order(
    Repeats *repeats, int64_t time_ns, int64_t side, int64_t price_ticks, int64_t quantity_lots
) noexcept nogil:
    cdef RepeatBin *found = bin_of(repeats, side, price_ticks, quantity_lots)
    cdef PassedOrder *order
    repeats.passed += 1
    order = passed_order(repeats, repeats.passed)
    order.time_ns = time_ns
    order.side = side
    order.price_ticks = price_ticks
    order.quantity_lots = quantity_lots
    order.earlier = found.latest
    found.latest = repeats.passed
    found.time_ns = time_ns
