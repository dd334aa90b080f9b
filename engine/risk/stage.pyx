"""The risk stage: no order reaches the venue but through here. SIZED becomes APPROVED, or REFUSAL with what and why.

The checks stand in engine/risk/checks.pxd, their order in limits.CHECKS and below in `judge`. Cancels and queries
always pass: they only use up their bucket. engine/risk/reference.py does the same slowly in Python integers;
tests/engine/risk holds the two together.
"""

from libc.stdint cimport int64_t, uint16_t, uint64_t
from libc.string cimport memset
from ipc.message cimport (
    Message, OrderDetail, ACTION_CANCEL, ACTION_NEW, ACTION_QUERY, ACTION_REPLACE, FLAG_LAST, FLAG_MORE, KIND_APPROVED,
    KIND_COMMAND, KIND_LIMIT, KIND_REFUSAL, KIND_RING_FULL, KIND_RISK_BATCH, KIND_RISK_ROW, KIND_RISK_SCENARIOS,
    KIND_RISK_VALUE, KIND_SIZED, KIND_TIME, KIND_TRADING_STATUS, REFUSAL_NONE, REFUSAL_ORDER_UNKNOWN, SOURCE_CORE,
    SOURCE_SHIFT,
)
from engine.stage cimport AccountView, BookView, Outbox, ResultView, RiskView, Stage, View, emit, view_of
from engine.risk.checks cimport (
    check_book, check_correlation, check_cvar, check_daily_loss, check_drawdown_soft, check_exposure,
    check_gross_notional, check_instrument, check_kill_switch, check_message_rate, check_open_orders, check_order_ring,
    check_position, check_price, check_quantity, check_reduce_only, check_repeated_order, check_value, weigh_cvar,
)
from engine.risk.desk cimport (
    ACCOUNT_FIELDS, Batch, Case, Desk, InstrumentRisk, PendingRow, RiskState, LIMIT_CANCEL_BURST,
    LIMIT_CANCEL_RATE_PER_S, LIMIT_COUNT, LIMIT_CVAR_ATOMS, LIMIT_DAILY_LOSS_ATOMS, LIMIT_GROSS_NOTIONAL_ATOMS,
    LIMIT_OPEN_ORDERS, LIMIT_ORDER_BURST, LIMIT_ORDER_RATE_PER_S, LIMIT_POSITION_LOTS, LIMIT_POSITION_VALUE_ATOMS,
    LIMIT_RESULTS_AGE_NS, OWN_LIMITS, REGIMES, repeats_of,
)
from engine.risk.duties cimport (
    EVERY_INSTRUMENT, keep_time, set_limits, take_command, take_limit, take_results, watch,
)
from engine.risk.exposure cimport revalue
from engine.risk.rate cimport CREDIT_PER_MESSAGE, refill, whole_messages
from engine.risk.repeats cimport remember_order, repeats_bytes
from kernels.exposure.book cimport CvarRow, CvarState

from math import gcd

import numpy as np

from engine.risk.config import RiskSettings
from engine.risk.limits import ALL_INSTRUMENTS, BOUNDS, PER_INSTRUMENT, Limit
from engine.risk.limits import REGIMES as PYTHON_REGIMES
from engine.stage import ACCOUNT_VIEW
from ipc.instruments import ATOMS_PER_UNIT, Contract

INSTRUMENT_RISK_VIEW = np.dtype([(name, "<i8") for name in (
    "numerator", "denominator", "minimum_price_ticks", "maximum_price_ticks", "minimum_quantity_lots",
    "maximum_quantity_lots", "minimum_value_atoms", "is_spot", "order_quantity_lots_limit", "position_lots_limit",
    "position_value_atoms_limit", "value_cap_atoms", "correlated_side", "halted", "reference_half_ticks",
    "valued_half_ticks", *ACCOUNT_VIEW.names[:ACCOUNT_FIELDS], "worst_lots", "worst_value_atoms", "profit_atoms",
    "fault",
)])
assert INSTRUMENT_RISK_VIEW.itemsize == sizeof(InstrumentRisk)
assert ACCOUNT_VIEW.names[:ACCOUNT_FIELDS] == (
    "instrument", "position_lots", "cost_tick_lots", "realised_tick_lots", "fees_atoms", "open_buy_lots",
    "open_sell_lots", "open_orders")
assert len(Limit) == LIMIT_COUNT and tuple(PER_INSTRUMENT) == (0, 1, 2) and len(PER_INSTRUMENT) == OWN_LIMITS
assert (Limit.OPEN_ORDERS, Limit.CANCEL_BURST, Limit.DAILY_LOSS_ATOMS) == (
    LIMIT_OPEN_ORDERS, LIMIT_CANCEL_BURST, LIMIT_DAILY_LOSS_ATOMS)
assert (Limit.CVAR_ATOMS, Limit.RESULTS_AGE_NS, PYTHON_REGIMES) == (LIMIT_CVAR_ATOMS, LIMIT_RESULTS_AGE_NS, REGIMES)

assert EVERY_INSTRUMENT == ALL_INSTRUMENTS

# -- SIZED ---------------------------------------------------------------------------------------------------------

cdef int64_t judge(Desk *desk, Case *case) noexcept nogil:
    """The checks of limits.CHECKS, in its order: the first refusal, or 0."""
    return (
        check_kill_switch(desk, case)
        or check_order_ring(desk, case)
        or check_instrument(desk, case)
        or check_book(desk, case)
        or check_quantity(desk, case)
        or check_price(desk, case)
        or check_value(desk, case)
        or check_reduce_only(desk, case)
        or check_exposure(desk, case)
        or check_position(desk, case)
        or check_gross_notional(desk, case)
        or check_correlation(desk, case)
        or check_drawdown_soft(desk, case)
        or check_open_orders(desk, case)
        or check_daily_loss(desk, case)
        or check_repeated_order(desk, case)
        or check_cvar(desk, case)
        or check_message_rate(desk, case)
    )


cdef void count_in(Desk *desk, const Case *case) noexcept nogil:
    """An approved order is part of the headroom at once; the account shows it when execution has taken it."""
    cdef int64_t left
    remember_order(
        repeats_of(desk, case.order.instrument), desk.state.core_time_ns, case.order.side, case.order.price_ticks,
        case.order.quantity_lots)
    desk.view.gross_notional_atoms = case.gross_atoms
    desk.view.headroom[LIMIT_GROSS_NOTIONAL_ATOMS] = desk.state.gross_cap_atoms - case.gross_atoms
    desk.view.headroom[LIMIT_OPEN_ORDERS] -= 1
    left = case.instrument.limit[LIMIT_POSITION_LOTS] - case.worst_lots
    if left < desk.view.headroom[LIMIT_POSITION_LOTS]:
        desk.view.headroom[LIMIT_POSITION_LOTS] = left
        desk.view.limit[LIMIT_POSITION_LOTS] = case.instrument.limit[LIMIT_POSITION_LOTS]
    left = case.instrument.value_cap_atoms - case.worst_value_atoms
    if left < desk.view.headroom[LIMIT_POSITION_VALUE_ATOMS]:
        desk.view.headroom[LIMIT_POSITION_VALUE_ATOMS] = left
        desk.view.limit[LIMIT_POSITION_VALUE_ATOMS] = case.instrument.limit[LIMIT_POSITION_VALUE_ATOMS]
    left = whole_messages(&desk.state.orders)
    desk.view.headroom[LIMIT_ORDER_RATE_PER_S] = desk.view.headroom[LIMIT_ORDER_BURST] = left


cdef void use_cancel(Desk *desk) noexcept nogil:
    """A cancel or a query: counted, never refused."""
    refill(&desk.state.cancels, desk.state.core_time_ns, desk.view.limit[LIMIT_CANCEL_RATE_PER_S],
           desk.view.limit[LIMIT_CANCEL_BURST])
    if desk.state.cancels.credit >= CREDIT_PER_MESSAGE:
        desk.state.cancels.credit -= CREDIT_PER_MESSAGE
    else:
        desk.state.cancels.over += 1
    desk.view.headroom[LIMIT_CANCEL_RATE_PER_S] = whole_messages(&desk.state.cancels)
    desk.view.headroom[LIMIT_CANCEL_BURST] = desk.view.headroom[LIMIT_CANCEL_RATE_PER_S]


cdef void take_sized(Desk *desk, const Message *order, Outbox *outbox) noexcept nogil:
    cdef Case case
    cdef Message *verdict = emit(outbox, 2)
    cdef int64_t code = REFUSAL_NONE, action
    if verdict == NULL:
        return
    memset(&case, 0, sizeof(Case))
    case.order = order
    case.detail = <const OrderDetail *> (order + 1)
    action = case.detail.action
    if action == ACTION_NEW or action == ACTION_REPLACE:
        code = judge(desk, &case)
        if code == REFUSAL_NONE:
            count_in(desk, &case)
    elif action == ACTION_CANCEL or action == ACTION_QUERY:
        use_cancel(desk)
    else:
        code = REFUSAL_ORDER_UNKNOWN
    verdict[0] = order[0]
    verdict[1] = order[1]
    verdict.flags = <uint16_t> (FLAG_MORE | (SOURCE_CORE << SOURCE_SHIFT))
    if code == REFUSAL_NONE:
        desk.view.orders_passed += 1
        verdict.kind = KIND_APPROVED
        return
    desk.view.orders_refused += 1
    desk.view.refused[code] += 1
    verdict.kind = KIND_REFUSAL
    verdict.order_id = case.detail.tag
    verdict.quantity_lots = case.observed
    verdict.price_ticks = case.limit
    verdict.extra = code

# -- all it takes ---------------------------------------------------------------------------------------------------

cdef int step_risk(void *stage, const Message *message, Outbox *outbox) noexcept nogil:
    cdef Desk *desk = &(<RiskStage> stage).desk
    if message.kind == KIND_SIZED:
        keep_time(desk, message.receive_time_ns)
        if message.flags & FLAG_MORE:
            take_sized(desk, message, outbox)
        return 0
    if message.kind in (KIND_RISK_BATCH, KIND_RISK_VALUE, KIND_RISK_ROW, KIND_RISK_SCENARIOS):
        take_results(desk, message, outbox)  # and no time from them: a wrong clock there must not stop trading here
        if message.kind == KIND_RISK_BATCH and message.flags & FLAG_LAST:
            watch(desk, message, outbox)
        return 0
    keep_time(desk, message.receive_time_ns)
    if message.kind == KIND_TRADING_STATUS:
        if message.instrument < desk.instrument_count:
            desk.instruments[message.instrument].halted = message.extra == 0
        return 0
    if message.kind == KIND_RING_FULL:
        desk.state.order_ring_full = message.quantity_lots
        return 0
    if message.kind == KIND_COMMAND:
        take_command(desk, message)
    elif message.kind == KIND_LIMIT:
        take_limit(desk, message, outbox)
    watch(desk, message, outbox)
    return 0


cdef class RiskStage(Stage):
    """Pre-trade risk of one core.

    instruments: INSTRUMENT rows, shape (n,). book_view, account_view, strategy_account_view: view capsules of the book
    stage and of the execution stage ("instruments", "strategies"); a row per instrument, or per strategy. Raises
    ValueError where they do not fit, or where the settings name an instrument that is not in the table.

    Step: "step". Views: "view" (RISK_VIEW, one row; limit[n] and headroom[n] are named by limits.LIMITS[n]),
    "instruments" (INSTRUMENT_RISK_VIEW, row per instrument). Inverse contracts are refused as INSTRUMENT_UNKNOWN.
    """
    cdef Desk desk
    cdef object _wired           # keeps the capsules and the bounds alive

    def __init__(self, instruments, book_view, account_view, strategy_account_view, settings=None):
        settings = settings or RiskSettings()
        self.desk.instrument_count = len(instruments)
        self.desk.repeats_stride = repeats_bytes(settings.repeat_memory)
        self._wire(book_view, account_view, strategy_account_view)
        self._take_memory()
        self._take_result_memory(settings.scenarios)
        self._set_instruments(instruments, settings)
        cdef int64_t number
        for number, value in enumerate(settings.values()):
            self.desk.view.limit[number] = value
            if number >= OWN_LIMITS:
                self.desk.view.headroom[number] = value
        bounds = np.array([BOUNDS[limit] for limit in Limit], dtype=np.int64)
        cdef int64_t[:, ::1] rows = bounds
        self.desk.bounds = &rows[0, 0]
        self._wired = (book_view, account_view, strategy_account_view, bounds)
        self.desk.state.orders.credit = settings.order_burst * CREDIT_PER_MESSAGE
        self.desk.state.cancels.credit = settings.cancel_burst * CREDIT_PER_MESSAGE
        self._set_results(settings)
        set_limits(&self.desk)
        self.add_step("step", step_risk, (
            <uint64_t> 1 << KIND_SIZED | <uint64_t> 1 << KIND_TIME | <uint64_t> 1 << KIND_COMMAND
            | <uint64_t> 1 << KIND_LIMIT | <uint64_t> 1 << KIND_TRADING_STATUS | <uint64_t> 1 << KIND_RING_FULL
            | <uint64_t> 1 << KIND_RISK_BATCH | <uint64_t> 1 << KIND_RISK_VALUE | <uint64_t> 1 << KIND_RISK_ROW
            | <uint64_t> 1 << KIND_RISK_SCENARIOS), False)
        self.add_view("view", self.desk.view, sizeof(RiskView), 1)
        self.add_view("instruments", self.desk.instruments, sizeof(InstrumentRisk), self.desk.instrument_count)
        self.add_view("results", self.desk.results, sizeof(ResultView), self.desk.instrument_count)

    def restore(self, dict blocks):
        Stage.restore(self, blocks)
        self.desk.cvar.losses = self.desk.scenarios[self.desk.batch.active]  # which of the two lies in the blocks

    cdef int _set_results(self, settings) except -1:
        cdef int64_t index
        cdef Desk *desk = &self.desk
        desk.capital_atoms = settings.capital_quote * ATOMS_PER_UNIT
        desk.view.equity_atoms = desk.view.peak_equity_atoms = desk.capital_atoms
        desk.view.scale_e6 = 1_000_000
        desk.view.worst_cvar_atoms = -1
        desk.view.results_stale = desk.results_expected = settings.results_expected
        desk.conservative_loss_bp = settings.conservative_loss_bp
        desk.decides_exactly = settings.cvar_between == "exact"
        desk.volatility_ratio_limit_e6 = settings.volatility_ratio_limit_bp * 100
        desk.regimes = len(settings.regime_scale_bp)
        for index, scale in enumerate(settings.regime_scale_bp):
            desk.regime_scale_e6[index] = scale * 100
        desk.cvar.tail = settings.tail_scenarios
        desk.weigh_cvar = weigh_cvar
        desk.revalue = revalue
        return 0

    cdef int _wire(self, book_view, account_view, strategy_account_view) except -1:
        cdef View *book = view_of(book_view)
        cdef View *accounts = view_of(account_view)
        cdef View *strategies = view_of(strategy_account_view)
        if book.count != self.desk.instrument_count or accounts.count != self.desk.instrument_count:
            raise ValueError(
                f"{self.desk.instrument_count} instruments, {book.count} book rows, {accounts.count} account rows:"
                " there must be as many of each")
        if (book.stride != sizeof(BookView) or accounts.stride != sizeof(AccountView)
                or strategies.stride != sizeof(AccountView)):
            raise ValueError("risk reads one BookView and two AccountViews: a capsule of another kind was given")
        self.desk.strategy_count = strategies.count
        self.desk.books, self.desk.accounts = <const BookView *> book.rows, <const AccountView *> accounts.rows
        self.desk.strategies = <const AccountView *> strategies.rows
        return 0

    cdef int _take_memory(self) except -1:
        self.desk.state = <RiskState *> self.block("state", sizeof(RiskState))
        self.desk.view = <RiskView *> self.block("view", sizeof(RiskView))
        self.desk.instruments = <InstrumentRisk *> self.block(
            "instruments", self.desk.instrument_count * sizeof(InstrumentRisk))
        self.desk.repeats = <char *> self.block("repeats", self.desk.instrument_count * self.desk.repeats_stride)
        return 0

    cdef int _take_result_memory(self, int64_t scenarios) except -1:
        """Of the results and the CVaR book; the scenarios twice, for the batch that counts and the one that comes."""
        cdef Desk *desk = &self.desk
        cdef int64_t count = desk.instrument_count
        desk.results = <ResultView *> self.block("results", count * sizeof(ResultView))
        desk.batch = <Batch *> self.block("batch", sizeof(Batch))
        desk.pending = <PendingRow *> self.block("pending", count * sizeof(PendingRow))
        desk.largest = <double *> self.block("largest", count * sizeof(double))
        desk.scenarios[0] = <double *> self.block("scenarios", count * scenarios * sizeof(double))
        desk.scenarios[1] = <double *> self.block("next_scenarios", count * scenarios * sizeof(double))
        desk.cvar.state = <CvarState *> self.block("cvar", sizeof(CvarState))
        desk.cvar.rows = <CvarRow *> self.block("cvar_rows", count * sizeof(CvarRow))
        desk.cvar.worst = <double *> self.block("worst", scenarios * sizeof(double))
        desk.cvar.candidates = <double *> self.block("candidates", scenarios * sizeof(double))
        desk.cvar.losses = desk.scenarios[0]
        desk.cvar.instruments, desk.cvar.scenarios = count, scenarios
        return 0

    cdef int _set_instruments(self, instruments, settings) except -1:
        cdef InstrumentRisk *row
        cdef int64_t index, number
        names = [name.decode() for name in instruments["name"]]
        for name in settings.instruments:
            if name not in names:
                raise ValueError(f"instruments.{name}: no such instrument, the table has {', '.join(names)}")
        for index, given in enumerate(instruments):
            row = self.desk.instruments + index
            if given["contract"] != Contract.INVERSE:
                numerator, denominator = int(given["atoms_numerator"]), 2 * int(given["atoms_denominator"])
                divisor = gcd(numerator, denominator)
                row.numerator, row.denominator = numerator // divisor, denominator // divisor
            row.minimum_price_ticks = given["minimum_price_ticks"]
            row.maximum_price_ticks = min(int(given["maximum_price_ticks"]), 1 << 60)  # twice a price always fits
            row.minimum_quantity_lots = given["minimum_quantity_lots"]
            row.maximum_quantity_lots = given["maximum_quantity_lots"]
            row.minimum_value_atoms = given["minimum_notional_atoms"]
            row.is_spot = given["contract"] == Contract.SPOT
            repeats_of(&self.desk, index).capacity = settings.repeat_memory
            for number, value in enumerate(settings.instrument_values(names[index])):
                row.limit[number] = value
        return 0
