# The last trade ids of an instrument, so that a fill delivered twice is booked once: an open-addressed set of
# 2 * capacity cells (linear probing, backward shift on removal) and a ring that says which id is the oldest.
#
# A cell holds trade_id * 2 + 1 for a sale, + 2 for a purchase (both sides of a trade with ourselves are news), or 0.
from libc.stdint cimport int64_t, uint64_t
from ipc.message cimport SIDE_ASK

cdef struct TradeMemory:
    int64_t *cells             # 2 * capacity
    int64_t *oldest            # capacity, ring
    int64_t *count             # ids ever remembered
    int64_t capacity           # power of two

# -- QUERIES --

cdef inline int64_t trade_key(int64_t trade_id, int64_t side) noexcept nogil:
    return trade_id * 2 + (1 if side == SIDE_ASK else 2)

cdef inline int64_t home_cell(const TradeMemory *memory, int64_t key) noexcept nogil:
    cdef uint64_t mixed = <uint64_t> key * <uint64_t> 0x9E3779B97F4A7C15
    return <int64_t> (mixed >> 32) & (2 * memory.capacity - 1)

cdef inline int64_t find_cell(const TradeMemory *memory, int64_t key) noexcept nogil:
    """The cell of a key, or the empty one where it would go."""
    cdef int64_t mask = 2 * memory.capacity - 1, cell = home_cell(memory, key)
    while memory.cells[cell] != 0 and memory.cells[cell] != key:
        cell = (cell + 1) & mask
    return cell

cdef inline bint remembers(const TradeMemory *memory, int64_t key) noexcept nogil:
    return memory.cells[find_cell(memory, key)] == key

# -- COMMANDS --

cdef inline void forget(TradeMemory *memory, int64_t key) noexcept nogil:
    cdef int64_t mask = 2 * memory.capacity - 1, hole = find_cell(memory, key), cell, home
    if memory.cells[hole] == 0:
        return
    cell = hole
    while True:
        cell = (cell + 1) & mask
        if memory.cells[cell] == 0:
            break
        home = home_cell(memory, memory.cells[cell])
        if ((cell - home) & mask) >= ((cell - hole) & mask):  # it may move back into the hole without passing its home
            memory.cells[hole] = memory.cells[cell]
            hole = cell
    memory.cells[hole] = 0

cdef inline void remember(TradeMemory *memory, int64_t key) noexcept nogil:
    """Remembers a key that is not there, forgetting the oldest when full."""
    cdef int64_t place = memory.count[0] & (memory.capacity - 1)
    if memory.count[0] >= memory.capacity:
        forget(memory, memory.oldest[place])
    memory.oldest[place] = key
    memory.cells[find_cell(memory, key)] = key
    memory.count[0] += 1
