"""Price levels of one side: what is rare (moving the window, the overflow) and a class for Python.

The picture and the hot half stand in levels.pxd; `reference.py` is the obvious twin that the tests compare with.
Costs: a level in the window is a load and a store; the next best is found by two words of bits; a level outside the
window is a binary search and a move of the overflow's tail; moving the window touches only the levels that cross its
edge, at most `window + overflow_levels` of them.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memmove, memset
from ipc.message cimport SIDE_BID, SIDE_ASK

import numpy as np


cdef int64_t _groups(int64_t window) noexcept nogil:
    """Words of `summary`: one bit for each 64 slots."""
    return (window + 4095) >> 12


cdef int64_t levels_bytes(int64_t window, int64_t overflow_capacity) noexcept nogil:
    """Bytes that one side needs, a multiple of 64."""
    cdef int64_t size = sizeof(SideState) + 8 * (_groups(window) + (window >> 6) + window + 2 * overflow_capacity)
    return (size + 63) & ~(<int64_t> 63)


cdef void bind_levels(Levels *side, void *memory, int64_t window, int64_t overflow_capacity) noexcept nogil:
    """Lays one side out in zeroed memory of levels_bytes(...); window a power of two, at least 64."""
    cdef char *start = <char *> memory
    side.window = window
    side.overflow_capacity = overflow_capacity
    side.state = <SideState *> start
    side.summary = <uint64_t *> (start + sizeof(SideState))
    side.words = side.summary + _groups(window)
    side.quantities = <int64_t *> (side.words + (window >> 6))
    side.overflow_keys = side.quantities + window
    side.overflow_quantities = side.overflow_keys + overflow_capacity
    if level_count(side) == 0:
        side.state.best = EMPTY


# -- QUERIES --

cdef int64_t _overflow_place(const Levels *side, int64_t key) noexcept nogil:
    """First place of the overflow whose key is not below `key`."""
    cdef int64_t low = 0, high = side.state.overflow_count, middle
    while low < high:
        middle = (low + high) >> 1
        if side.overflow_keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


cdef int64_t quantity_at(const Levels *side, int64_t key) noexcept nogil:
    """Lots at a key, 0 where there is no level."""
    cdef int64_t place
    if <uint64_t> key - <uint64_t> side.state.low < <uint64_t> side.window:
        return side.quantities[key & (side.window - 1)]
    place = _overflow_place(side, key)
    if place < side.state.overflow_count and side.overflow_keys[place] == key:
        return side.overflow_quantities[place]
    return 0


cdef int64_t best_levels(
    const Levels *side, int64_t sign, int64_t depth, int64_t *prices, int64_t *quantities
) noexcept nogil:
    """Writes the best `depth` levels, best first, then zeros. `sign` is 1 for bids, -1 for asks. Returns how many."""
    cdef int64_t found = 0, place = side.state.overflow_count, key = side.state.best
    cdef int64_t in_window = side.state.window_count if side.state.window_count < depth else depth
    while found < in_window:
        prices[found] = sign * key
        quantities[found] = side.quantities[key & (side.window - 1)]
        found += 1
        if found < in_window:
            key = next_worse(side, key)
    while found < depth and place > 0:
        place -= 1
        prices[found] = sign * side.overflow_keys[place]
        quantities[found] = side.overflow_quantities[place]
        found += 1
    for place in range(found, depth):
        prices[place] = 0
        quantities[place] = 0
    return found


# -- COMMANDS --

cdef void clear_levels(Levels *side) noexcept nogil:
    """Removes every level; the window stays where it is."""
    cdef int64_t word
    for word in range(side.window >> 6):
        if side.words[word] != 0:
            memset(side.quantities + (word << 6), 0, 64 * sizeof(int64_t))
            side.words[word] = 0
    memset(side.summary, 0, _groups(side.window) * sizeof(uint64_t))
    side.state.best = EMPTY
    side.state.window_count = 0
    side.state.overflow_count = 0
    side.state.refused = 0


cdef int _evict(Levels *side, int64_t end) noexcept nogil:
    """Moves the levels of the window below key `end` to the overflow, worst first. LEVEL_REFUSED if some were lost."""
    cdef int64_t mask = side.window - 1, key = side.state.low, slot, step
    cdef uint64_t bits
    cdef int answer = LEVEL_SET
    while key < end and side.state.window_count > 0:
        slot = key & mask
        bits = side.words[slot >> 6] >> (slot & 63)
        if bits == 0:
            key += 64 - (slot & 63)
            continue
        step = trailing_zeros(bits)
        key += step
        slot += step
        if key >= end:
            break
        if side.state.overflow_count < side.overflow_capacity:
            side.overflow_keys[side.state.overflow_count] = key
            side.overflow_quantities[side.state.overflow_count] = side.quantities[slot]
            side.state.overflow_count += 1
        else:
            side.state.refused += 1
            answer = LEVEL_REFUSED
        side.quantities[slot] = 0
        vacate_slot(side, slot)
        key += 1
    return answer


cdef int _move_window(Levels *side, int64_t best) noexcept nogil:
    """Puts the window where `best` lies at three quarters of it, and the levels where they belong then."""
    cdef int64_t low = best - (side.window >> 2) * 3, last, end
    cdef int answer = LEVEL_SET
    side.state.moves += 1
    if low > side.state.low:
        end = side.state.low + side.window
        answer = _evict(side, low if low < end else end)
    side.state.low = low
    while side.state.overflow_count > 0 and side.overflow_keys[side.state.overflow_count - 1] >= low:
        side.state.overflow_count -= 1
        last = side.state.overflow_count
        side.quantities[side.overflow_keys[last] & (side.window - 1)] = side.overflow_quantities[last]
        occupy(side, side.overflow_keys[last])
    return answer


cdef void restore_window(Levels *side) noexcept nogil:
    """After the best level went: if what is left lies low in the window or below it, move the window down."""
    if side.state.window_count == 0:
        side.state.best = EMPTY
    if side.state.overflow_count > 0:
        if side.state.window_count > 0:
            _move_window(side, side.state.best)
        else:
            _move_window(side, side.overflow_keys[side.state.overflow_count - 1])


cdef int _set_overflow(Levels *side, int64_t key, int64_t quantity) noexcept nogil:
    cdef int64_t place = _overflow_place(side, key)
    cdef int64_t tail = side.state.overflow_count - place
    cdef bint exists = tail > 0 and side.overflow_keys[place] == key
    if exists and quantity != 0:
        side.overflow_quantities[place] = quantity
    elif exists:
        memmove(side.overflow_keys + place, side.overflow_keys + place + 1, (tail - 1) * sizeof(int64_t))
        memmove(side.overflow_quantities + place, side.overflow_quantities + place + 1, (tail - 1) * sizeof(int64_t))
        side.state.overflow_count -= 1
    elif quantity != 0:
        if side.state.overflow_count == side.overflow_capacity:
            side.state.refused += 1
            return LEVEL_REFUSED
        memmove(side.overflow_keys + place + 1, side.overflow_keys + place, tail * sizeof(int64_t))
        memmove(side.overflow_quantities + place + 1, side.overflow_quantities + place, tail * sizeof(int64_t))
        side.overflow_keys[place] = key
        side.overflow_quantities[place] = quantity
        side.state.overflow_count += 1
    return LEVEL_SET


cdef int set_far_level(Levels *side, int64_t key, int64_t quantity) noexcept nogil:
    """A level outside the window: to the overflow if it is worse; if better, or the first, the window moves to it."""
    cdef int answer = LEVEL_SET
    if quantity < 0 or key >= PRICE_LIMIT or key <= -PRICE_LIMIT:
        side.state.refused += 1
        return LEVEL_REFUSED
    if key < side.state.low and level_count(side) > 0:
        return _set_overflow(side, key, quantity)
    if quantity == 0:
        return LEVEL_SET
    answer = _move_window(side, key)
    side.quantities[key & (side.window - 1)] = quantity
    occupy(side, key)
    return answer


cdef class PriceLevels:
    """One side of a book for Python: the same structure as in the core, for tests and tools.

    `side` is Side.BID or Side.ASK; `window_ticks` a power of two of at least 64; prices in ticks, quantities in lots.
    """
    cdef Levels levels
    cdef object memory
    cdef readonly int64_t side

    def __init__(self, int64_t side, int64_t window_ticks=1 << 15, int64_t overflow_levels=1 << 14):
        if side not in (SIDE_BID, SIDE_ASK):
            raise ValueError(f"side must be BID (1) or ASK (2), not {side}")
        check_capacity(window_ticks, overflow_levels)
        self.side = side
        self.memory = np.zeros(levels_bytes(window_ticks, overflow_levels) // 8, dtype=np.int64)
        cdef int64_t[::1] raw = self.memory
        bind_levels(&self.levels, &raw[0], window_ticks, overflow_levels)

    # -- QUERIES --

    def __len__(self):
        return level_count(&self.levels)

    @property
    def window_moves(self):
        """How often the window was moved."""
        return self.levels.state.moves

    @property
    def overflow_count(self):
        """Levels outside the window now."""
        return self.levels.state.overflow_count

    def best(self):
        """(price, quantity) of the best level, or None."""
        found = self.best_levels(1)
        return found[0] if found else None

    def quantity(self, int64_t price_ticks):
        """Lots at a price, 0 where there is no level."""
        return quantity_at(&self.levels, level_key(price_ticks, self.side))

    def best_levels(self, int64_t depth):
        """[(price, quantity)] of the best levels, best first, at most `depth`."""
        cdef int64_t[:, ::1] out = np.zeros((2, max(depth, 1)), dtype=np.int64)
        cdef int64_t sign = 1 if self.side == SIDE_BID else -1
        cdef int64_t found = best_levels(&self.levels, sign, depth, &out[0, 0], &out[1, 0])
        return [(out[0, i], out[1, i]) for i in range(found)]

    # -- COMMANDS --

    def set(self, int64_t price_ticks, int64_t quantity_lots):
        """Sets a level; quantity 0 deletes it. False when there was no room or no such price or quantity can be."""
        return set_level(&self.levels, level_key(price_ticks, self.side), quantity_lots) == LEVEL_SET

    def set_all(self, prices_ticks, quantities_lots):
        """Sets levels in order, without Python in between: int64, shape (n,) each. Returns how many were refused."""
        cdef const int64_t[::1] prices = prices_ticks
        cdef const int64_t[::1] quantities = quantities_lots
        cdef int64_t i, refused = 0
        if prices.shape[0] != quantities.shape[0]:
            raise ValueError(f"{prices.shape[0]} prices, {quantities.shape[0]} quantities")
        with nogil:
            for i in range(prices.shape[0]):
                refused += set_level(&self.levels, level_key(prices[i], self.side), quantities[i])
        return refused

    def clear(self):
        """Removes every level."""
        clear_levels(&self.levels)


def check_capacity(window_ticks, overflow_levels):
    """Raises ValueError, naming field and limit, for capacities that cannot be."""
    if window_ticks < 64 or window_ticks > 1 << 24 or window_ticks & (window_ticks - 1):
        raise ValueError(f"window_ticks must be a power of two from 64 to {1 << 24}, not {window_ticks}")
    if overflow_levels < 1 or overflow_levels > 1 << 24:
        raise ValueError(f"overflow_levels must be from 1 to {1 << 24}, not {overflow_levels}")
