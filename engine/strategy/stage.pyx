"""Calls strategies: compiled through function pointers, or uncompiled with the GIL, over the same memory.

A group is the instances that share one strategy's functions. Its memory is arrays (instances, states, params), sorted by
instrument, so that one message runs one contiguous range; the wrapper is called with at most INSTANCES_PER_CALL of them,
then what they asked for becomes INTENT messages. An instance that fails or leaves a number that is not finite is
switched off, its requests of that call dropped, its state zeroed; the others go on.
"""

from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.pycapsule cimport PyCapsule_New
from engine.stage cimport AccountView, Outbox, Stage, View, emit, view_of
from engine.strategy.records cimport *
from ipc.message cimport *

import numpy as np

from engine.strategy.contract import (
    CALLBACKS, EVENT_BYTES, INSTANCE, INSTANCES_PER_CALL, INSTRUMENT_FACTS, ORDERS, REGIME_VALUE_NUMBER, VIEWS,
)
from engine.strategy.config import StrategySettings
from engine.strategy.plain import PlainGroup

assert CALLBACKS == (
    "on_start", "on_book", "on_trade", "on_bar", "on_timer", "on_fill", "on_order", "on_regime", "on_risk", "on_stop"
)

assert CHUNK == INSTANCES_PER_CALL and EVENT_WORDS * 8 == EVENT_BYTES

cdef int64_t REGIME_NUMBER = REGIME_VALUE_NUMBER
cdef uint64_t HASH_START = 0xCBF29CE484222325
cdef uint64_t HASH_FACTOR = 0x9E3779B97F4A7C15
cdef uint64_t NOT_FINITE = 0x7FF0000000000000

assert sizeof(Instance) == INSTANCE.itemsize and sizeof(Orders) == ORDERS.itemsize


cdef inline void *row_of(const View *view, int64_t index) noexcept nogil:
    """A row of a view; an absent view is one row of zeros."""
    return <char *> view.rows + (index if index < view.count else 0) * view.stride


# -- calling ---------------------------------------------------------------------------------------------------------

cdef void call_plain(Group *group, int callback, int64_t first, int64_t last, int64_t instrument, int64_t now_ns) noexcept with gil:
    (<object> group.plain).call(callback, first, last, instrument, now_ns)


cdef void call(Core *core, Group *group, int callback, int64_t first, int64_t last, int64_t instrument,
               const Message *cause, Outbox *outbox) noexcept nogil:
    """One callback for a range of instances of one instrument, in chunks; each chunk's requests leave before the next."""
    cdef int64_t end
    if not group.has[callback]:
        return
    while first < last:
        end = first + CHUNK if first + CHUNK < last else last
        core.orders.count = 0
        core.orders.dropped = 0
        if group.plain != NULL:
            call_plain(group, callback, first, end, instrument, core.clock.now_ns)
        else:
            group.each[callback](
                first, end, group.instances, group.states, group.params, core.accounts, row_of(&core.book, instrument),
                row_of(&core.features, instrument), row_of(&core.forecast, instrument), row_of(&core.facts, instrument),
                core.event, core.clock.now_ns, core.orders,
            )
        settle(core, group, callback, first, end, instrument, cause, outbox)
        first = end


cdef void call_instrument(Core *core, int callback, int64_t instrument, const Message *cause, Outbox *outbox) noexcept nogil:
    cdef int64_t i
    for i in range(core.group_count):
        call(core, &core.groups[i], callback, core.groups[i].first[instrument], core.groups[i].first[instrument + 1],
             instrument, cause, outbox)


cdef void call_all(Core *core, int callback, const Message *cause, Outbox *outbox) noexcept nogil:
    cdef int64_t instrument
    for instrument in range(core.instruments):
        call_instrument(core, callback, instrument, cause, outbox)


cdef void call_strategy(Core *core, int callback, int64_t strategy, const Message *cause, Outbox *outbox) noexcept nogil:
    cdef Group *group = &core.groups[core.group_of[strategy]]
    cdef int64_t slot = core.slot_of[strategy]
    call(core, group, callback, slot, slot + 1, group.instances[slot].instrument, cause, outbox)


# -- what they left behind -------------------------------------------------------------------------------------------

cdef inline uint64_t state_hash(const uint64_t *words, const int64_t *is_float, int64_t count, int64_t *failed) noexcept nogil:
    """Hash of one state; sets `failed` when a float64 field is not finite."""
    cdef uint64_t value = HASH_START
    cdef int64_t i
    for i in range(count):
        failed[0] |= is_float[i] & ((words[i] & NOT_FINITE) == NOT_FINITE)
        value = (value ^ words[i]) * HASH_FACTOR
    return value ^ (value >> 29)


cdef void settle(Core *core, Group *group, int callback, int64_t first, int64_t last, int64_t instrument,
                 const Message *cause, Outbox *outbox) noexcept nogil:
    cdef Activity *activity = &core.activity[instrument]
    cdef Instance *instance
    cdef uint64_t *words
    cdef uint64_t value
    cdef int64_t i
    for i in range(first, last):
        instance = &group.instances[i]
        if not instance.enabled:
            continue
        words = <uint64_t *> group.states + i * group.state_words
        value = state_hash(words, group.is_float, group.state_words, &instance.failed)
        instance.calls += 1
        activity.calls += 1
        if instance.failed:
            instance.enabled = 0
            memset(words, 0, group.state_words * 8)
            value = ~HASH_START
            activity.faults += 1
            refuse(REFUSAL_STRATEGY_FAILED, instrument, 0, instance.strategy, callback, cause, outbox)
        activity.digest = (activity.digest ^ value) * HASH_FACTOR
    for i in range(core.orders.count):
        instance = &group.instances[core.orders.requests[i].instance]
        if instance.enabled:
            request(&core.orders.requests[i], instance, activity, cause, outbox)
    if core.orders.dropped:
        refuse(REFUSAL_OUTBOX_FULL, instrument, 0, core.orders.dropped, REQUESTS // CHUNK, cause, outbox)


cdef void refuse(int64_t code, int64_t instrument, int64_t tag, int64_t observed, int64_t limit, const Message *cause,
                 Outbox *outbox) noexcept nogil:
    cdef Message *refusal = emit(outbox, 1)
    if refusal == NULL:
        return
    memset(refusal, 0, sizeof(Message))
    refusal.event_time_ns = cause.event_time_ns
    refusal.receive_time_ns = cause.receive_time_ns
    refusal.instrument = instrument
    refusal.kind = KIND_REFUSAL
    refusal.flags = FLAG_LAST | (SOURCE_CORE << SOURCE_SHIFT)
    refusal.price_ticks = limit
    refusal.quantity_lots = observed
    refusal.order_id = tag
    refusal.extra = code


cdef void request(const Request *asked, Instance *instance, Activity *activity, const Message *cause,
                  Outbox *outbox) noexcept nogil:
    """One request as an INTENT of two records, or the refusal that is known already."""
    cdef Message *intent
    cdef OrderDetail *detail
    if asked.refusal:
        refuse(asked.refusal, instance.instrument, asked.tag, 0, 0, cause, outbox)
        return
    intent = emit(outbox, 2)
    if intent == NULL:
        return
    memset(intent, 0, 2 * sizeof(Message))
    detail = <OrderDetail *> (intent + 1)
    intent.event_time_ns = cause.event_time_ns
    intent.receive_time_ns = cause.receive_time_ns
    intent.instrument = instance.instrument
    intent.kind = KIND_INTENT
    intent.side = asked.side
    intent.flags = FLAG_MORE | (SOURCE_CORE << SOURCE_SHIFT)
    intent.price_ticks = asked.price_ticks
    intent.quantity_lots = asked.quantity_lots
    detail.event_time_ns = cause.event_time_ns
    detail.receive_time_ns = cause.receive_time_ns
    detail.instrument = instance.instrument
    detail.kind = KIND_DETAIL
    detail.action = asked.action
    detail.flags = FLAG_LAST | (SOURCE_CORE << SOURCE_SHIFT)
    detail.cause_sequence = cause.sequence
    detail.strategy = instance.strategy
    detail.order_type = asked.order_type
    detail.time_in_force = asked.time_in_force
    detail.reduce_only = asked.reduce_only
    detail.cause_source = cause.flags >> SOURCE_SHIFT
    detail.target_order_id = asked.target_order_id
    detail.tag = asked.tag
    instance.intents += 1
    activity.intents += 1


# -- time ------------------------------------------------------------------------------------------------------------

cdef void close_bars(Core *core, const Message *cause, Outbox *outbox) noexcept nogil:
    """Ends the interval at hand for every instrument that has traded, then opens the one that contains now."""
    cdef int64_t instrument, interval = core.bar_interval_ns
    cdef Bar *bar
    for instrument in range(core.instruments):
        bar = &core.bars[instrument]
        if bar.close_price_ticks == 0:
            continue
        bar.start_time_ns = core.clock.bar_end_ns - interval
        bar.end_time_ns = core.clock.bar_end_ns
        memcpy(core.event, bar, sizeof(Bar))
        bar.open_price_ticks = bar.high_price_ticks = bar.low_price_ticks = bar.close_price_ticks
        bar.volume_lots = bar.buy_lots = bar.trades = 0
        call_instrument(core, ON_BAR, instrument, cause, outbox)
    core.clock.bar_end_ns = core.clock.now_ns - core.clock.now_ns % interval + interval


cdef void add_to_bar(Bar *bar, const Message *trade) noexcept nogil:
    if bar.trades == 0:
        bar.open_price_ticks = bar.high_price_ticks = bar.low_price_ticks = trade.price_ticks
    if trade.price_ticks > bar.high_price_ticks:
        bar.high_price_ticks = trade.price_ticks
    if trade.price_ticks < bar.low_price_ticks:
        bar.low_price_ticks = trade.price_ticks
    bar.close_price_ticks = trade.price_ticks
    bar.volume_lots += trade.quantity_lots
    if trade.side == SIDE_BID:
        bar.buy_lots += trade.quantity_lots
    bar.trades += 1


cdef void run_timers(Core *core, const Message *cause, Outbox *outbox) noexcept nogil:
    """Calls on_timer where it is due; the next time is a multiple of the interval, and lost ones are not made up."""
    cdef int64_t g, i, first, last, now = core.clock.now_ns, soonest = 0x7FFFFFFFFFFFFFFF
    cdef Group *group
    for g in range(core.group_count):
        group = &core.groups[g]
        if not group.has[ON_TIMER]:
            continue
        first = 0
        while first < group.count:
            last = first
            while (last < group.count and group.instances[last].next_timer_ns <= now
                    and group.instances[last].instrument == group.instances[first].instrument):
                last += 1
            if first < last:
                call(core, group, ON_TIMER, first, last, group.instances[first].instrument, cause, outbox)
                for i in range(first, last):
                    group.instances[i].next_timer_ns = next_multiple(now, group.timer_interval_ns[i])
                first = last
            else:
                first += 1
        for i in range(group.count):
            if group.instances[i].next_timer_ns < soonest:
                soonest = group.instances[i].next_timer_ns
    core.clock.next_timer_ns = soonest


cdef inline int64_t next_multiple(int64_t now_ns, int64_t interval_ns) noexcept nogil:
    return now_ns - now_ns % interval_ns + interval_ns


cdef void start(Core *core, const Message *cause, Outbox *outbox) noexcept nogil:
    """The first message sets every clock going and calls on_start."""
    cdef int64_t g, i
    core.clock.started = 1
    core.clock.bar_end_ns = next_multiple(core.clock.now_ns, core.bar_interval_ns)
    for g in range(core.group_count):
        for i in range(core.groups[g].count):
            core.groups[g].instances[i].next_timer_ns = next_multiple(
                core.clock.now_ns, core.groups[g].timer_interval_ns[i])
    call_all(core, ON_START, cause, outbox)


# -- what happened ---------------------------------------------------------------------------------------------------

cdef void on_market(Core *core, const Message *message, Outbox *outbox) noexcept nogil:
    """Every trade is told; the book once, by the record that ends its batch."""
    cdef int64_t *event = core.event
    cdef int64_t instrument = message.instrument
    if instrument >= core.instruments:
        return
    if message.kind == KIND_TRADE:
        add_to_bar(&core.bars[instrument], message)
        event[0] = message.price_ticks
        event[1] = message.quantity_lots
        event[2] = message.side
        event[3] = message.order_id
        event[4] = message.event_time_ns
        event[5] = message.receive_time_ns
        call_instrument(core, ON_TRADE, instrument, message, outbox)
    else:
        core.book_changed[instrument] = 1
    if message.flags & FLAG_LAST and core.book_changed[instrument]:
        core.book_changed[instrument] = 0
        call_instrument(core, ON_BOOK, instrument, message, outbox)


cdef void on_report(Core *core, const Message *message, Outbox *outbox) noexcept nogil:
    """A fill is told as on_fill; every report, fills too, as on_order."""
    cdef const ReportDetail *detail = <const ReportDetail *> (message + 1)
    cdef int64_t strategy = owner_of(core, message.order_id)
    cdef int64_t *event = core.event
    if strategy < 0:
        return
    if message.extra & 0xFF == REPORT_KIND_FILL:
        event[0] = message.order_id
        event[1] = message.side
        event[2] = message.price_ticks
        event[3] = message.quantity_lots
        event[4] = detail.cumulative_lots
        event[5] = detail.fee_atoms
        event[6] = detail.liquidity
        event[7] = detail.trade_id
        event[8] = message.event_time_ns
        event[9] = message.receive_time_ns
        call_strategy(core, ON_FILL, strategy, message, outbox)
    event[0] = message.order_id
    event[1] = message.extra & 0xFF
    event[2] = message.extra >> 8
    event[3] = message.side
    event[4] = message.price_ticks
    event[5] = message.quantity_lots
    event[6] = message.event_time_ns
    event[7] = message.receive_time_ns
    call_strategy(core, ON_ORDER, strategy, message, outbox)


cdef int64_t owner_of(Core *core, int64_t order_id) noexcept nogil:
    """Strategy index of an order, or -1: not one of ours, or its row has been taken by a later one."""
    cdef const Owner *owner
    if core.owners.count == 0:
        return -1
    owner = <const Owner *> row_of(&core.owners, order_id & (core.owners.count - 1))
    if owner.order_id != order_id or not 0 <= owner.strategy < core.strategies:
        return -1
    return owner.strategy


cdef void on_risk_value(Core *core, const Message *message, Outbox *outbox) noexcept nogil:
    core.event[0] = message.order_id
    core.event[1] = message.extra                # the bits of a float64
    core.event[2] = message.receive_time_ns
    call_all(core, ON_REGIME if message.order_id == REGIME_NUMBER else ON_RISK, message, outbox)


cdef int strategy_step(void *self, const Message *message, Outbox *outbox) noexcept nogil:
    cdef Core *core = &(<StrategyStage> self).core
    if message.receive_time_ns > core.clock.now_ns:
        core.clock.now_ns = message.receive_time_ns
    if not core.clock.started:
        start(core, message, outbox)
    if core.clock.now_ns >= core.clock.bar_end_ns:
        close_bars(core, message, outbox)
    if message.kind == KIND_TIME:
        if core.clock.now_ns >= core.clock.next_timer_ns:
            run_timers(core, message, outbox)
    elif message.kind <= KIND_FUNDING:
        on_market(core, message, outbox)
    elif message.kind == KIND_REPORT:
        on_report(core, message, outbox)
    elif message.kind == KIND_RISK_VALUE:
        on_risk_value(core, message, outbox)
    elif message.kind == KIND_LAPPED:            # every book it fed is invalid now
        call_all(core, ON_BOOK, message, outbox)
    elif message.kind == KIND_COMMAND and message.extra == COMMAND_STOP:
        call_all(core, ON_STOP, message, outbox)
    return 0


cdef uint64_t KINDS = (
    (1 << KIND_LEVEL) | (1 << KIND_TRADE) | (1 << KIND_QUOTE) | (1 << KIND_BOOK_STATE) | (1 << KIND_TICK_CHANGE)
    | (1 << KIND_TRADING_STATUS) | (1 << KIND_FUNDING) | (1 << KIND_TIME) | (1 << KIND_LAPPED) | (1 << KIND_COMMAND)
    | (1 << KIND_RISK_VALUE) | (1 << KIND_REPORT)
)


# -- the stage -------------------------------------------------------------------------------------------------------

cdef class StrategyStage(Stage):
    """The strategies of a pipeline. Step "step"; view "view": ACTIVITY_VIEW, row per instrument.

    `instruments`: the table, shape (n,), dtype INSTRUMENT. `strategies`: list of BoundStrategy; an index in it is the
    strategy index of every order. `book`, `features`, `forecast`: view capsules, row per instrument. `accounts`: row per
    strategy index. `owners`: row per order slot (int64 order_id, int64 strategy), a power of two of them; without it
    reports reach nobody. None stands for a view of zeros. Raises ValueError when rows or sizes do not fit.
    """
    cdef Core core
    cdef list plain_groups
    cdef list alive
    cdef readonly int64_t bytes_per_instance   # state, params and the stage's own row, of the first strategy

    def __init__(self, instruments, list strategies, book=None, features=None, forecast=None, accounts=None,
                 owners=None, settings=None):
        settings = settings or StrategySettings()
        self.alive = [strategies]
        self.plain_groups = []
        cdef Core *core = &self.core
        core.instruments = len(instruments)
        core.strategies = len(strategies)
        core.bar_interval_ns = settings.bar_interval_ms * 1_000_000
        for bound in strategies:
            if not 0 <= bound.instrument < len(instruments):
                raise ValueError(f"{bound.strategy.name}: there is no instrument row {bound.instrument}")
        core.clock = <Clock *> self.block("clock", sizeof(Clock))
        core.bars = <Bar *> self.block("bars", len(instruments) * sizeof(Bar))
        core.book_changed = <int64_t *> self.block("book_changed", len(instruments) * 8)
        core.activity = <Activity *> self.block("activity", len(instruments) * sizeof(Activity))
        core.orders = <Orders *> self._array(np.zeros(1, ORDERS))
        core.event = <int64_t *> self._array(np.zeros(EVENT_WORDS, np.int64))
        core.group_of = <int64_t *> self._array(np.zeros(len(strategies) + 1, np.int64))
        core.slot_of = <int64_t *> self._array(np.zeros(len(strategies) + 1, np.int64))
        self._take_views(instruments, book, features, forecast, accounts, owners)
        self._take_groups(strategies)
        self.add_step("step", strategy_step, KINDS, False)
        self.add_view("view", core.activity, sizeof(Activity), len(instruments))

    def __dealloc__(self):
        PyMem_Free(self.core.groups)

    cdef void *_array(self, array) except NULL:
        """Memory of a numpy array kept alive with this stage: what does not change, or means nothing between messages."""
        self.alive.append(array)
        return <void *> <uintptr_t> array.ctypes.data

    cdef int _take_view(self, View *view, capsule, dtype, int64_t rows) except -1:
        """A view, or zeros in its place: one row where a row is an instrument, `rows` otherwise."""
        if capsule is not None:
            view[0] = view_of(capsule)[0]
            if view.stride != dtype.itemsize or view.count < rows:
                raise ValueError(f"view of {view.count} rows of {view.stride} bytes where {rows} of {dtype.itemsize} are read")
        else:
            view.rows = self._array(np.zeros(max(rows, 1), dtype))
            view.stride = dtype.itemsize
            view.count = max(rows, 1)
        return 0

    cdef int _take_views(self, instruments, book, features, forecast, accounts, owners) except -1:
        cdef Core *core = &self.core
        cdef View account_rows
        facts = np.zeros(len(instruments), INSTRUMENT_FACTS)
        facts["row"] = np.arange(len(instruments))
        for name in INSTRUMENT_FACTS.names[1:]:
            facts[name] = instruments[name]
        core.facts.rows = self._array(facts)
        core.facts.stride = INSTRUMENT_FACTS.itemsize
        core.facts.count = len(instruments)
        self._take_view(&core.book, book, VIEWS["book"], core.instruments)
        self._take_view(&core.features, features, VIEWS["features"], core.instruments)
        self._take_view(&core.forecast, forecast, VIEWS["forecast"], core.instruments)
        self._take_view(&account_rows, accounts, VIEWS["account"], core.strategies)
        core.accounts = <AccountView *> account_rows.rows
        core.owners.count = 0
        if owners is not None:
            core.owners = view_of(owners)[0]
            if core.owners.stride < <int64_t> sizeof(Owner) or core.owners.count & (core.owners.count - 1):
                raise ValueError("the view of owners needs int64 order_id and strategy, and a power of two of rows")
        return 0

    cdef int _take_groups(self, list strategies) except -1:
        by_strategy = {}
        for index, bound in enumerate(strategies):
            key = (id(bound.strategy), bound.compiled is None)
            by_strategy.setdefault(key, []).append((bound.instrument, index, bound))
        self.core.group_count = len(by_strategy)
        self.core.groups = <Group *> PyMem_Calloc(len(by_strategy) + 1, sizeof(Group))
        if self.core.groups == NULL:
            raise MemoryError
        for number, members in enumerate(by_strategy.values()):
            self._take_group(number, sorted(members, key=lambda member: member[:2]))
        return 0

    cdef int _take_group(self, int64_t number, list members) except -1:
        cdef Group *group = &self.core.groups[number]
        cdef int64_t slot, index
        first = members[0][2]
        strategy = first.strategy
        state = strategy.state.dtype
        group.count = len(members)
        group.state_words = state.itemsize // 8
        group.params_bytes = strategy.params.dtype.itemsize
        group.instances = <Instance *> self.block(f"instances{number}", len(members) * sizeof(Instance))
        group.states = <char *> self.block(f"states{number}", len(members) * state.itemsize)
        params = np.concatenate([strategy.params_row(member[2].params) for member in members])
        group.params = <char *> self._array(params)
        intervals = [strategy.timer_interval_ns(dict(zip(params.dtype.names, row.item()))) for row in params]
        if min(intervals) <= 0:
            raise ValueError(f"{strategy.name}: the timer interval must be at least 1 ms")
        group.timer_interval_ns = <int64_t *> self._array(np.array(intervals, np.int64))
        bounds = np.searchsorted([member[0] for member in members], np.arange(self.core.instruments + 1))
        group.first = <int64_t *> self._array(bounds.astype(np.int64))
        group.is_float = <int64_t *> self._array(np.concatenate([
            np.full(state[name].itemsize // 8, state[name].base == np.dtype("<f8"), np.int64) for name in state.names
        ]))
        for slot in range(group.count):
            index = members[slot][1]
            group.instances[slot].strategy = index
            group.instances[slot].instrument = members[slot][0]
            group.instances[slot].enabled = 1
            self.core.group_of[index] = number
            self.core.slot_of[index] = slot
        for callback, name in enumerate(CALLBACKS):
            group.has[callback] = name in strategy.callbacks
            if first.compiled is not None and group.has[callback]:
                group.each[callback] = <each_t> <uintptr_t> first.compiled.addresses[name]
        if number == 0:
            self.bytes_per_instance = state.itemsize + group.params_bytes + sizeof(Instance)
        if first.compiled is None:
            self._take_plain(group, strategy)
        return 0

    cdef int _take_plain(self, Group *group, strategy) except -1:
        cdef Core *core = &self.core
        memory = {
            "instances": (<uintptr_t> group.instances, group.count),
            "states": (<uintptr_t> group.states, group.count),
            "params": (<uintptr_t> group.params, group.count),
            "orders": (<uintptr_t> core.orders, 1),
            "event": (<uintptr_t> core.event, 1),
        }
        views = {
            "book": (<uintptr_t> core.book.rows, core.book.count),
            "features": (<uintptr_t> core.features.rows, core.features.count),
            "forecast": (<uintptr_t> core.forecast.rows, core.forecast.count),
            "instrument": (<uintptr_t> core.facts.rows, core.facts.count),
            "account": (<uintptr_t> core.accounts, core.strategies),
        }
        plain = PlainGroup(strategy, memory, views)
        self.plain_groups.append(plain)
        group.plain = <void *> plain
        return 0

    # -- QUERIES --

    def state(self, int64_t strategy):
        """A copy of one instance's state, shape (1,), dtype of its State."""
        if not 0 <= strategy < self.core.strategies:
            raise IndexError(f"there is no strategy {strategy}")
        cdef Group *group = &self.core.groups[self.core.group_of[strategy]]
        dtype = self.alive[0][strategy].strategy.state.dtype
        cdef char *row = group.states + self.core.slot_of[strategy] * group.state_words * 8
        return np.frombuffer(row[:group.state_words * 8], dtype=dtype).copy()

    def failed(self):
        """{strategy index: why} of the instances switched off; the reason is known of uncompiled ones only."""
        said = {}
        for plain in self.plain_groups:
            said |= plain.errors
        return {
            index: said.get(index, "")
            for index in range(self.core.strategies)
            if not self.core.groups[self.core.group_of[index]].instances[self.core.slot_of[index]].enabled
        }


cdef bytes VIEW_NAME = b"bot4.view"


cdef class FixedView:
    """A view over a numpy array of rows: for running strategies without the stages that fill it (checks, tests)."""
    cdef View value
    cdef object rows

    def __init__(self, rows):
        self.rows = np.ascontiguousarray(rows)
        self.value.rows = <void *> <uintptr_t> self.rows.ctypes.data
        self.value.stride = self.rows.dtype.itemsize
        self.value.count = len(self.rows)

    def capsule(self):
        """Valid while this object lives."""
        return PyCapsule_New(&self.value, VIEW_NAME, NULL)


ACTIVITY_VIEW = np.dtype([(name, "<i8") for name in ("calls", "intents", "faults", "digest")])
assert ACTIVITY_VIEW.itemsize == sizeof(Activity)
