"""Price-time priority matching of one symbol, in integers, on preallocated memory.

Rules. Best price first, at a price first come first served; a trade happens at the resting order's price. LIMIT rests
what it does not trade (GTC), or loses it (IOC), or trades all or nothing (FOK). MARKET never rests. LIMIT_MAKER is
rejected when it would trade. Self-trade rule (Binance's EXPIRE_MAKER): where an order would meet a resting order of its
own owner, the resting one leaves the book untraded and matching goes on; owner 0 stands for many people and is exempt.

    bids  [ 99 | 100 | 101 ]  <- best last: what changes most lies at the end and moves little memory
    asks  [ 104 | 103 | 102 ] <- best last
    level: price, quantity, first and last order;  orders of a level: a doubly linked list of slots in one pool

An order id is serial << 24 | slot: increasing, unique, found without a map. `reference.py` is the obvious version.
"""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memmove
from ipc.message cimport (
    ORDER_TYPE_LIMIT_MAKER, ORDER_TYPE_MARKET, SIDE_ASK, SIDE_BID, TIME_IN_FORCE_FOK, TIME_IN_FORCE_GTC,
)

import numpy as np

from engine.exchange.events import EVENT, EventKind, Reject

cdef enum:
    NOTHING = -1
    SLOT_BITS = 24
    ACCEPTED = 1
    TRADE = 2
    EXPIRED = 3
    PREVENTED = 4
    CANCELLED = 5
    REJECTED = 6
    LEVEL = 7
    WOULD_TAKE = 1
    BOOK_FULL = 2

cdef struct Order:
    int64_t id               # 0: free slot
    int64_t owner
    int64_t price
    int64_t remaining
    int32_t side
    int32_t next             # towards the later; in a free slot, the next free one
    int32_t previous

cdef struct Level:
    int64_t price
    int64_t quantity
    int32_t first
    int32_t last

cdef struct Event:
    int64_t kind
    int64_t side
    int64_t order_id
    int64_t owner
    int64_t price_ticks
    int64_t quantity_lots
    int64_t remaining_lots
    int64_t maker_order_id
    int64_t maker_owner
    int64_t maker_remaining_lots
    int64_t number           # TRADE: trade id; LEVEL: update id; REJECTED: Reject

assert sizeof(Event) == EVENT.itemsize
assert [int(kind) for kind in EventKind] == [ACCEPTED, TRADE, EXPIRED, PREVENTED, CANCELLED, REJECTED, LEVEL]
assert [int(reason) for reason in Reject] == [WOULD_TAKE, BOOK_FULL]


cdef inline int64_t key_of(int side, int64_t price) noexcept nogil:
    """Grows towards the best price."""
    return price if side == SIDE_BID else -price


cdef class MatchingEngine:
    """One symbol's book. At most `order_capacity` resting orders and `level_capacity` prices a side."""

    cdef Order *orders
    cdef Level *levels[3]            # by Side
    cdef int64_t level_count[3]
    cdef int64_t order_capacity, level_capacity, event_capacity
    cdef int32_t free_slot
    cdef int64_t serial
    cdef readonly int64_t resting    # orders in the book
    cdef readonly int64_t update_id  # of the last level change
    cdef readonly int64_t trade_id   # of the last trade
    cdef object event_array
    cdef Event *event
    cdef int64_t event_count

    def __cinit__(self, int64_t order_capacity=65_536, int64_t level_capacity=16_384, int64_t event_capacity=65_536,
                  int64_t first_update_id=0, int64_t first_trade_id=0):
        cdef int64_t slot
        cdef char[::1] raw
        if not 1 <= order_capacity <= 1 << SLOT_BITS:
            raise ValueError(f"order_capacity must be 1 to {1 << SLOT_BITS}, got {order_capacity}")
        self.orders = <Order *> calloc(order_capacity, sizeof(Order))
        self.levels[SIDE_BID] = <Level *> calloc(level_capacity, sizeof(Level))
        self.levels[SIDE_ASK] = <Level *> calloc(level_capacity, sizeof(Level))
        if self.orders == NULL or self.levels[SIDE_BID] == NULL or self.levels[SIDE_ASK] == NULL:
            raise MemoryError("matching engine")
        for slot in range(order_capacity):
            self.orders[slot].next = slot + 1 if slot + 1 < order_capacity else NOTHING
        self.order_capacity = order_capacity
        self.level_capacity = level_capacity
        self.event_capacity = event_capacity
        self.update_id = first_update_id
        self.trade_id = first_trade_id
        self.event_array = np.zeros(event_capacity, dtype=EVENT)
        raw = self.event_array.view(np.int8)
        self.event = <Event *> &raw[0]

    def __dealloc__(self):
        free(self.orders)
        free(self.levels[SIDE_BID])
        free(self.levels[SIDE_ASK])

    # -- QUERIES --

    def events(self):
        """What the last command caused, in order: list of tuples in the field order of EVENT."""
        return self.event_array[: self.event_count].tolist()

    def best(self, int side):
        """(price_ticks, quantity_lots) of the best level, (0, 0) when the side is empty."""
        cdef Level *level
        if self.level_count[side] == 0:
            return 0, 0
        level = &self.levels[side][self.level_count[side] - 1]
        return level.price, level.quantity

    def depth(self, int side, int64_t limit):
        """Up to `limit` levels, best first: list of (price_ticks, quantity_lots)."""
        cdef int64_t i, count = self.level_count[side]
        cdef Level *levels = self.levels[side]
        return [(levels[i].price, levels[i].quantity) for i in range(count - 1, max(count - 1 - limit, -1), -1)]

    def quantity_at(self, int side, int64_t price_ticks):
        """Lots resting at a price."""
        cdef int64_t i = self.find(side, price_ticks)
        if i < self.level_count[side] and self.levels[side][i].price == price_ticks:
            return self.levels[side][i].quantity
        return 0

    def remaining(self, int64_t order_id):
        """Lots of an order still in the book, 0 when it is not there."""
        cdef Order *order = self.resting_order(order_id)
        return order.remaining if order != NULL else 0

    # -- COMMANDS: each replaces events() --

    def submit(self, int64_t owner, int side, int order_type, int time_in_force, int64_t price_ticks,
               int64_t quantity_lots):
        """Takes an order in; returns its id. Raises ValueError on a side, price or quantity that is none."""
        if side != SIDE_BID and side != SIDE_ASK:
            raise ValueError(f"side must be BID or ASK, got {side}")
        if quantity_lots <= 0 or (price_ticks <= 0 and order_type != ORDER_TYPE_MARKET):
            raise ValueError(f"quantity {quantity_lots} and price {price_ticks} must be positive")
        self.event_count = 0
        return self.enter(owner, side, order_type, time_in_force, price_ticks, quantity_lots)

    def cancel(self, int64_t order_id):
        """Takes an order out; returns the lots it still had, 0 when it is not in the book."""
        self.event_count = 0
        return self.withdraw(order_id, CANCELLED)

    def replace(self, int64_t order_id, int64_t owner, int side, int order_type, int time_in_force,
                int64_t price_ticks, int64_t quantity_lots):
        """Cancels one order and enters another, priority lost; returns the new id, 0 (and does nothing) when the old
        one is not in the book."""
        if self.resting_order(order_id) == NULL:
            self.event_count = 0
            return 0
        if quantity_lots <= 0 or (price_ticks <= 0 and order_type != ORDER_TYPE_MARKET):
            raise ValueError(f"quantity {quantity_lots} and price {price_ticks} must be positive")
        self.event_count = 0
        self.withdraw(order_id, CANCELLED)
        return self.enter(owner, side, order_type, time_in_force, price_ticks, quantity_lots)

    # -- the pieces --

    cdef Event *say(self, int64_t kind, int side, int64_t order_id, int64_t owner, int64_t price, int64_t quantity,
                    int64_t remaining) noexcept nogil:
        cdef Event *event = &self.event[self.event_count]
        self.event_count += 1
        event.kind = kind
        event.side = side
        event.order_id = order_id
        event.owner = owner
        event.price_ticks = price
        event.quantity_lots = quantity
        event.remaining_lots = remaining
        event.maker_order_id = 0
        event.maker_owner = 0
        event.maker_remaining_lots = 0
        event.number = 0
        return event

    cdef void say_level(self, int side, int64_t price, int64_t quantity) noexcept nogil:
        self.update_id += 1
        self.say(LEVEL, side, 0, 0, price, quantity, 0).number = self.update_id

    cdef Order *resting_order(self, int64_t order_id) noexcept nogil:
        cdef int64_t slot = order_id & ((1 << SLOT_BITS) - 1)
        if order_id <= 0 or slot >= self.order_capacity or self.orders[slot].id != order_id:
            return NULL
        return &self.orders[slot]

    cdef int64_t find(self, int side, int64_t price) noexcept nogil:
        """Index of the price's level, or where it would be inserted."""
        cdef int64_t low = 0, high = self.level_count[side], middle
        cdef int64_t key = key_of(side, price)
        while low < high:
            middle = (low + high) >> 1
            if key_of(side, self.levels[side][middle].price) < key:
                low = middle + 1
            else:
                high = middle
        return low

    cdef void remove_level(self, int side, int64_t index) noexcept nogil:
        cdef Level *levels = self.levels[side]
        self.level_count[side] -= 1
        memmove(&levels[index], &levels[index + 1], (self.level_count[side] - index) * sizeof(Level))

    cdef void unlink(self, Level *level, Order *order) noexcept nogil:
        """Takes an order out of its level and frees its slot."""
        cdef int32_t slot = <int32_t> (order - self.orders)
        if order.previous != NOTHING:
            self.orders[order.previous].next = order.next
        else:
            level.first = order.next
        if order.next != NOTHING:
            self.orders[order.next].previous = order.previous
        else:
            level.last = order.previous
        level.quantity -= order.remaining
        order.id = 0
        order.next = self.free_slot
        self.free_slot = slot
        self.resting -= 1

    cdef int64_t withdraw(self, int64_t order_id, int64_t kind) noexcept nogil:
        cdef Order *order = self.resting_order(order_id)
        cdef int64_t index, remaining, quantity, price
        cdef int side
        if order == NULL:
            return 0
        side = order.side
        price = order.price
        remaining = order.remaining
        self.say(kind, side, order_id, order.owner, price, remaining, 0)
        index = self.find(side, price)
        self.unlink(&self.levels[side][index], order)
        quantity = self.levels[side][index].quantity
        if self.levels[side][index].first == NOTHING:
            self.remove_level(side, index)
        self.say_level(side, price, quantity)
        return remaining

    cdef bint reaches(self, int side, int order_type, int64_t price, int64_t maker_price) noexcept nogil:
        return order_type == ORDER_TYPE_MARKET or (price >= maker_price if side == SIDE_BID else price <= maker_price)

    cdef bint crosses(self, int side, int order_type, int64_t price) noexcept nogil:
        cdef int other = SIDE_ASK if side == SIDE_BID else SIDE_BID
        cdef int64_t count = self.level_count[other]
        return count > 0 and self.reaches(side, order_type, price, self.levels[other][count - 1].price)

    cdef bint can_fill(self, int64_t owner, int side, int order_type, int64_t price, int64_t wanted) noexcept nogil:
        """Whether the whole quantity would trade now: own resting orders do not count."""
        cdef int other = SIDE_ASK if side == SIDE_BID else SIDE_BID
        cdef int64_t index = self.level_count[other] - 1
        cdef int32_t slot
        while index >= 0 and self.reaches(side, order_type, price, self.levels[other][index].price):
            slot = self.levels[other][index].first
            while slot != NOTHING:
                if owner == 0 or self.orders[slot].owner != owner:
                    wanted -= self.orders[slot].remaining
                    if wanted <= 0:
                        return True
                slot = self.orders[slot].next
            index -= 1
        return False

    cdef int64_t enter(self, int64_t owner, int side, int order_type, int time_in_force, int64_t price,
                       int64_t quantity) noexcept nogil:
        cdef int32_t slot = self.free_slot
        cdef int64_t order_id, remaining, index, found
        cdef bint rests = order_type != ORDER_TYPE_MARKET and (
            time_in_force == TIME_IN_FORCE_GTC or order_type == ORDER_TYPE_LIMIT_MAKER
        )
        self.serial += 1
        order_id = (self.serial << SLOT_BITS) | (slot if slot != NOTHING else 0)
        if order_type == ORDER_TYPE_LIMIT_MAKER and self.crosses(side, order_type, price):
            self.say(REJECTED, side, order_id, owner, price, quantity, quantity).number = WOULD_TAKE
            return order_id
        index = self.find(side, price)
        found = index < self.level_count[side] and self.levels[side][index].price == price
        if rests and (slot == NOTHING or (not found and self.level_count[side] >= self.level_capacity)):
            self.say(REJECTED, side, order_id, owner, price, quantity, quantity).number = BOOK_FULL
            return order_id
        self.say(ACCEPTED, side, order_id, owner, price, quantity, quantity)
        if time_in_force == TIME_IN_FORCE_FOK and order_type != ORDER_TYPE_LIMIT_MAKER and not self.can_fill(
            owner, side, order_type, price, quantity
        ):
            self.say(EXPIRED, side, order_id, owner, price, quantity, 0)
            return order_id
        if rests:
            self.free_slot = self.orders[slot].next  # kept for this order: the id names it
        remaining = self.match(order_id, owner, side, order_type, price, quantity)
        if rests and remaining > 0 and not self.crosses(side, order_type, price):
            self.rest(slot, order_id, owner, side, price, remaining)
            return order_id
        if rests:
            self.orders[slot].next = self.free_slot
            self.free_slot = slot
        if remaining > 0:
            self.say(EXPIRED, side, order_id, owner, price, remaining, 0)
        return order_id

    cdef int64_t match(self, int64_t order_id, int64_t owner, int side, int order_type, int64_t price,
                       int64_t remaining) noexcept nogil:
        """Trades with the other side, best level first; returns what is left."""
        cdef int other = SIDE_ASK if side == SIDE_BID else SIDE_BID
        cdef Level *level
        cdef int64_t maker_price
        while remaining > 0 and self.level_count[other] > 0:
            level = &self.levels[other][self.level_count[other] - 1]
            maker_price = level.price
            if not self.reaches(side, order_type, price, maker_price):
                break
            if self.event_count + 4 >= self.event_capacity:
                break  # an order that meets more orders than events() can tell stops here; the rest does not trade
            remaining = self.match_level(level, order_id, owner, side, remaining)
            if level.first == NOTHING:
                self.remove_level(other, self.level_count[other] - 1)
                self.say_level(other, maker_price, 0)
            else:
                self.say_level(other, maker_price, level.quantity)
        return remaining

    cdef int64_t match_level(self, Level *level, int64_t order_id, int64_t owner, int side,
                             int64_t remaining) noexcept nogil:
        cdef Order *maker
        cdef int64_t traded
        cdef Event *event
        while remaining > 0 and level.first != NOTHING and self.event_count + 4 < self.event_capacity:
            maker = &self.orders[level.first]
            if owner != 0 and maker.owner == owner:
                self.say(PREVENTED, maker.side, maker.id, owner, maker.price, maker.remaining, 0)
                self.unlink(level, maker)
                continue
            traded = remaining if remaining < maker.remaining else maker.remaining
            remaining -= traded
            maker.remaining -= traded
            level.quantity -= traded
            self.trade_id += 1
            event = self.say(TRADE, side, order_id, owner, maker.price, traded, remaining)
            event.maker_order_id = maker.id
            event.maker_owner = maker.owner
            event.maker_remaining_lots = maker.remaining
            event.number = self.trade_id
            if maker.remaining == 0:
                self.unlink(level, maker)
        return remaining

    cdef void rest(self, int32_t slot, int64_t order_id, int64_t owner, int side, int64_t price,
                   int64_t remaining) noexcept nogil:
        cdef Order *order = &self.orders[<int64_t> slot]
        cdef int64_t index = self.find(side, price)
        cdef Level *level = &self.levels[side][index]
        if index == self.level_count[side] or level.price != price:
            memmove(level + 1, level, (self.level_count[side] - index) * sizeof(Level))
            self.level_count[side] += 1
            level.price = price
            level.quantity = 0
            level.first = level.last = NOTHING
        order.id = order_id
        order.owner = owner
        order.price = price
        order.remaining = remaining
        order.side = side
        order.next = NOTHING
        order.previous = level.last
        if level.last != NOTHING:
            self.orders[level.last].next = slot
        else:
            level.first = slot
        level.last = slot
        level.quantity += remaining
        self.resting += 1
        self.say_level(side, price, level.quantity)
