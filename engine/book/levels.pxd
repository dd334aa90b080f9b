# One side of a book: price levels of any depth and range. The hot half is here, inline; the rare half is in levels.pyx.
#
#     worse                                                              better
#     overflow (sorted, best last)  | window of `window` ticks, from low                |
#     key key key key key key key   | . . q . q q . q q q q q . q [best] . . . . . . .  |
#
# A level is known by its key: the price for bids, minus the price for asks, so that the better price is always the
# larger key. The window is a ring: key k lies in slot k mod window, so moving the window moves no level that stays in
# it. One bit a slot says occupied, one bit in `summary` says that a word of 64 slots is not empty. Every level of the
# overflow is worse than every slot of the window; an occupied book has its best level in the window.
from libc.stdint cimport int64_t, uint64_t
from ipc.message cimport SIDE_BID

cdef extern from *:
    """
    #define BOT4_LIKELY(x) __builtin_expect(!!(x), 1)
    #define BOT4_PRICE_LIMIT (((int64_t)1) << 61)
    #define BOT4_EMPTY (-(((int64_t)1) << 62))
    """
    int trailing_zeros "__builtin_ctzll"(unsigned long long) noexcept nogil
    int leading_zeros "__builtin_clzll"(unsigned long long) noexcept nogil
    bint likely "BOT4_LIKELY"(bint) noexcept nogil
    const int64_t PRICE_LIMIT "BOT4_PRICE_LIMIT"  # ticks; prices lie strictly between minus and plus this
    const int64_t EMPTY "BOT4_EMPTY"              # `best` of a side without levels: worse than any key

cdef enum:  # what set_level answers
    LEVEL_SET = 0
    LEVEL_REFUSED = 1            # no room in the overflow, or a price or quantity outside what is countable

cdef struct SideState:           # lies in the stage's block: no pointers
    int64_t low                  # key of the window's worst slot
    int64_t best                 # best key, EMPTY when there is none
    int64_t window_count         # levels in the window
    int64_t overflow_count       # levels in the overflow
    int64_t moves                # times the window was moved
    int64_t refused              # levels that found no room since the last clear
    int64_t reserved0
    int64_t reserved1

cdef struct Levels:              # where the parts lie; made at construction, never part of a snapshot
    SideState *state
    uint64_t *summary
    uint64_t *words
    int64_t *quantities
    int64_t *overflow_keys
    int64_t *overflow_quantities
    int64_t window
    int64_t overflow_capacity

cdef int64_t levels_bytes(int64_t window, int64_t overflow_capacity) noexcept nogil
cdef void bind_levels(Levels *side, void *memory, int64_t window, int64_t overflow_capacity) noexcept nogil

# -- QUERIES --

cdef inline int64_t level_key(int64_t price_ticks, int64_t side) noexcept nogil:
    """Key of a price, and price of a key."""
    return price_ticks if side == SIDE_BID else -price_ticks

cdef inline int64_t level_count(const Levels *side) noexcept nogil:
    return side.state.window_count + side.state.overflow_count

cdef inline int64_t next_worse(const Levels *side, int64_t key) noexcept nogil:
    """The best occupied key below `key`; the caller knows that the window holds one."""
    cdef int64_t mask = side.window - 1
    cdef int64_t slot = key & mask
    cdef int64_t word = slot >> 6
    cdef int64_t group, last_group
    cdef uint64_t bits = side.words[word] & ((<uint64_t> 1 << (slot & 63)) - 1)
    if bits == 0:
        group = word >> 6
        bits = side.summary[group] & ((<uint64_t> 1 << (word & 63)) - 1)
        if bits == 0:
            last_group = ((side.window >> 12) if side.window >= 4096 else 1) - 1
            while bits == 0:
                group = group - 1 if group > 0 else last_group
                bits = side.summary[group]
        word = (group << 6) + 63 - leading_zeros(bits)
        bits = side.words[word]
    return key - ((slot - ((word << 6) + 63 - leading_zeros(bits))) & mask)

cdef int64_t quantity_at(const Levels *side, int64_t key) noexcept nogil
cdef int64_t best_levels(
    const Levels *side, int64_t sign, int64_t depth, int64_t *prices, int64_t *quantities
) noexcept nogil

# -- COMMANDS --

cdef void clear_levels(Levels *side) noexcept nogil
cdef int set_far_level(Levels *side, int64_t key, int64_t quantity) noexcept nogil
cdef void restore_window(Levels *side) noexcept nogil

cdef inline void occupy(Levels *side, int64_t key) noexcept nogil:
    cdef int64_t slot = key & (side.window - 1)
    side.words[slot >> 6] |= <uint64_t> 1 << (slot & 63)
    side.summary[slot >> 12] |= <uint64_t> 1 << ((slot >> 6) & 63)
    side.state.window_count += 1
    if key > side.state.best:
        side.state.best = key

cdef inline void vacate_slot(Levels *side, int64_t slot) noexcept nogil:
    side.words[slot >> 6] &= ~(<uint64_t> 1 << (slot & 63))
    if side.words[slot >> 6] == 0:
        side.summary[slot >> 12] &= ~(<uint64_t> 1 << ((slot >> 6) & 63))
    side.state.window_count -= 1

cdef inline void best_changed(Levels *side, int64_t key, bint wanted) noexcept nogil:
    """After a level at or beyond the best was set or deleted."""
    if wanted:
        side.state.best = key
    elif key == side.state.best:
        if likely(side.state.window_count > 0):
            side.state.best = next_worse(side, key)
        if side.state.window_count == 0 or side.state.best < side.state.low + (side.window >> 2):
            restore_window(side)

cdef inline int set_level(Levels *side, int64_t key, int64_t quantity) noexcept nogil:
    """Sets the quantity at a key; 0 deletes, and deleting what is not there does nothing.

    Whether a level comes, stays or goes is a coin toss on real data, so the bits are kept without a branch.
    """
    cdef int64_t slot, word
    cdef uint64_t occupied, wanted, bits
    if not likely(<uint64_t> key - <uint64_t> side.state.low < <uint64_t> side.window and quantity >= 0):
        return set_far_level(side, key, quantity)
    slot = key & (side.window - 1)
    word = slot >> 6
    occupied = side.quantities[slot] != 0
    wanted = quantity != 0
    side.quantities[slot] = quantity
    bits = side.words[word] ^ ((occupied ^ wanted) << (slot & 63))
    side.words[word] = bits
    side.summary[word >> 6] = (
        side.summary[word >> 6] & ~(<uint64_t> 1 << (word & 63)) | <uint64_t> (bits != 0) << (word & 63)
    )
    side.state.window_count += <int64_t> wanted - <int64_t> occupied
    if not likely(key < side.state.best):
        best_changed(side, key, wanted)
    return LEVEL_SET
