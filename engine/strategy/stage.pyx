"""Calls strategies: compiled through function pointers, or uncompiled with the GIL, over the same memory.

A group is the instances that share one strategy's functions. Its memory is arrays (instances, states, params), sorted
by instrument, so that one message runs one contiguous range; the wrapper is called with at most INSTANCES_PER_CALL of
them, then what they asked for becomes INTENT messages. An instance that fails or leaves a number that is not finite is
switched off, its requests of that call dropped, its state zeroed, its working orders cancelled; the others go on.
"""

from libc.stdint cimport int64_t, uint64_t, uintptr_t
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.pycapsule cimport PyCapsule_New
from engine.stage cimport AccountView, Outbox, ReportView, Stage, View, ends_batch, view_of
from engine.strategy.calling cimport call_all, call_instrument, call_strategy, withdraw, withdraw_all
from engine.strategy.records cimport (
    Activity, Bar, CHUNK, Clock, Core, EVENT_WORDS, Group, Instance, ON_BOOK, ON_FILL, ON_ORDER, ON_REGIME, ON_RISK,
    ON_STOP, ON_TRADE, Orders, each_t,
)
from engine.strategy.timing cimport add_to_bar, close_bars, run_timers, start
from ipc.message cimport (
    COMMAND_STOP, FLAG_MORE, KIND_BOOK_STATE, KIND_COMMAND, KIND_FUNDING, KIND_LAPPED, KIND_LEVEL, KIND_QUOTE,
    KIND_REPORT, KIND_RISK_VALUE, KIND_TICK_CHANGE, KIND_TIME, KIND_TRADE, KIND_TRADING_STATUS, Message,
    REPORT_KIND_CANCEL_REJECTED, REPORT_KIND_FILL, ReportDetail,
)

import numpy as np

from engine.strategy.contract import (
    CALLBACKS, EVENT_BYTES, INSTANCE, INSTANCES_PER_CALL, INSTRUMENT_FACTS, ORDERS, REGIME_VALUE_NUMBER, VIEWS,
)
from engine.strategy.config import StrategySettings
from engine.strategy.plain import PlainGroup

cdef int64_t EXPONENT_BITS = 0x7FF0000000000000  # all set in a float64 that is not finite

assert CALLBACKS == (
    "on_start", "on_book", "on_trade", "on_bar", "on_timer", "on_fill", "on_order", "on_regime", "on_risk", "on_stop"
)

assert CHUNK == INSTANCES_PER_CALL and EVENT_WORDS * 8 == EVENT_BYTES

cdef int64_t REGIME_NUMBER = REGIME_VALUE_NUMBER
assert sizeof(Instance) == INSTANCE.itemsize and sizeof(Orders) == ORDERS.itemsize


cdef void call_plain(
    void *plain, int callback, int64_t first, int64_t last, int64_t instrument, int64_t now_ns
) noexcept with gil:
    (<object> plain).call(callback, first, last, instrument, now_ns)


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
    if ends_batch(message) and core.book_changed[instrument]:
        core.book_changed[instrument] = 0
        call_instrument(core, ON_BOOK, instrument, message, outbox)


cdef void on_report(Core *core, const Message *message, Outbox *outbox) noexcept nogil:
    """Tells the owner what execution made of the report: a fill as on_fill, then every one, fills too, as on_order."""
    cdef const ReportDetail *detail = <const ReportDetail *> (message + 1)
    cdef const ReportView *report = core.report
    cdef int64_t *event = core.event
    cdef const Instance *instance
    if report == NULL or not report.applied or not 0 <= report.strategy < core.strategies:
        return
    instance = &core.groups[core.group_of[report.strategy]].instances[core.slot_of[report.strategy]]
    if not instance.enabled:
        if report.event != REPORT_KIND_CANCEL_REJECTED:  # else asked again at the end of the bar, not at once
            withdraw(core, instance, message, outbox)
        return
    event[0] = report.order_id
    event[2] = report.side
    event[3] = report.price_ticks
    event[4] = report.quantity_lots
    event[5] = report.remaining_lots
    event[6] = report.tag
    event[7] = message.event_time_ns
    event[8] = message.receive_time_ns
    if report.event == REPORT_KIND_FILL and message.flags & FLAG_MORE:
        event[1] = detail.trade_id
        event[9] = detail.liquidity
        event[10] = report.fee_atoms
        call_strategy(core, ON_FILL, report.strategy, message, outbox)
    event[1] = report.event
    event[9] = report.state
    event[10] = report.code
    call_strategy(core, ON_ORDER, report.strategy, message, outbox)


cdef void on_risk_value(Core *core, const Message *message, Outbox *outbox) noexcept nogil:
    if (message.extra & EXPONENT_BITS) == EXPONENT_BITS:    # NaN or infinite: risk refuses the batch, with a code
        return
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
        withdraw_all(core, message, outbox)
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
    strategy index of every order. `book`, `features`, `forecast`: view capsules, row per instrument. `accounts`: row
    per strategy index. `report`: execution's word on the report at hand; without it reports reach nobody. None stands
    for a view of zeros. Raises ValueError when rows or sizes do not fit.
    """
    cdef Core core
    cdef list plain_groups
    cdef list alive
    cdef readonly int64_t bytes_per_instance   # state, params and the stage's own row, of the first strategy

    def __init__(self, instruments, strategies, book=None, features=None, forecast=None, accounts=None,
                 report=None, settings=None):
        settings = settings or StrategySettings()
        strategies = list(strategies)
        self.alive = [strategies]
        self.plain_groups = []
        cdef Core *core = &self.core
        core.instruments = len(instruments)
        core.strategies = len(strategies)
        core.bar_interval_ns = settings.bar_interval_ms * 1_000_000
        for bound in strategies:
            if not 0 <= bound.instrument < len(instruments):
                raise ValueError(f"{bound.strategy.name}: there is no instrument row {bound.instrument}")
        core.call_plain = call_plain
        core.clock = <Clock *> self.block("clock", sizeof(Clock))
        core.bars = <Bar *> self.block("bars", len(instruments) * sizeof(Bar))
        core.book_changed = <int64_t *> self.block("book_changed", len(instruments) * 8)
        core.activity = <Activity *> self.block("activity", len(instruments) * sizeof(Activity))
        core.orders = <Orders *> self._array(np.zeros(1, ORDERS))
        core.event = <int64_t *> self._array(np.zeros(EVENT_WORDS, np.int64))
        core.group_of = <int64_t *> self._array(np.zeros(len(strategies) + 1, np.int64))
        core.slot_of = <int64_t *> self._array(np.zeros(len(strategies) + 1, np.int64))
        self._take_views(instruments, book, features, forecast, accounts, report)
        self._take_groups(strategies)
        self.add_step("step", strategy_step, KINDS, False)
        self.add_view("view", core.activity, sizeof(Activity), len(instruments))

    def __dealloc__(self):
        PyMem_Free(self.core.groups)

    cdef void *_array(self, array) except NULL:
        """Memory of an array kept alive with this stage: what does not change, or means nothing between messages."""
        self.alive.append(array)
        return <void *> <uintptr_t> array.ctypes.data

    cdef int _take_view(self, View *view, capsule, dtype, int64_t rows) except -1:
        """A view, or zeros in its place: one row where a row is an instrument, `rows` otherwise."""
        if capsule is not None:
            view[0] = view_of(capsule)[0]
            if view.stride != dtype.itemsize or view.count < rows:
                raise ValueError(
                    f"view of {view.count} rows of {view.stride} bytes where {rows} of {dtype.itemsize} are read")
        else:
            view.rows = self._array(np.zeros(max(rows, 1), dtype))
            view.stride = dtype.itemsize
            view.count = max(rows, 1)
        return 0

    cdef int _take_views(self, instruments, book, features, forecast, accounts, report) except -1:
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
        core.report = NULL
        if report is not None:
            if view_of(report).stride != sizeof(ReportView):
                raise ValueError("the view of the report is not execution's REPORT_VIEW")
            core.report = <const ReportView *> view_of(report).rows
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
