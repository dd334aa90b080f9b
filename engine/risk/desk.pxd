# What the risk stage works on: its own state, the limits (in the RiskView itself), and the views it reads.
from libc.stdint cimport int64_t
from ipc.message cimport Message, OrderDetail
from engine.stage cimport AccountView, BookView, ResultView, RiskView, View
from kernels.exposure.book cimport CvarBook
from engine.risk.rate cimport Bucket
from engine.risk.repeats cimport Repeats

cdef enum:  # Limit; engine.risk.stage compares them at import
    LIMIT_ORDER_QUANTITY_LOTS = 0
    LIMIT_POSITION_LOTS = 1
    LIMIT_POSITION_VALUE_ATOMS = 2
    LIMIT_ORDER_VALUE_ATOMS = 3
    LIMIT_ORDER_VALUE_MINIMUM_ATOMS = 4
    LIMIT_GROSS_NOTIONAL_ATOMS = 5
    LIMIT_OPEN_ORDERS = 6
    LIMIT_PRICE_COLLAR_BP = 7
    LIMIT_STALE_DATA_NS = 8
    LIMIT_ORDER_RATE_PER_S = 9
    LIMIT_ORDER_BURST = 10
    LIMIT_CANCEL_RATE_PER_S = 11
    LIMIT_CANCEL_BURST = 12
    LIMIT_REPEATED_ORDERS = 13
    LIMIT_REPEAT_WINDOW_NS = 14
    LIMIT_DAILY_LOSS_ATOMS = 15
    LIMIT_CVAR_ATOMS = 16      # from here on 0 switches a limit off
    LIMIT_DAILY_LOSS_BP = 17
    LIMIT_DRAWDOWN_SOFT_BP = 18
    LIMIT_DRAWDOWN_HARD_BP = 19
    LIMIT_LEVERAGE_BP = 20
    LIMIT_CONCENTRATION_BP = 21
    LIMIT_CORRELATION_BP = 22
    LIMIT_RESULTS_AGE_NS = 23
    LIMIT_COUNT = 24
    OWN_LIMITS = 3             # the first three are kept per instrument
    ACCOUNT_FIELDS = 8         # of an account: all that its worst case and its profit follow from
    REGIMES = 8                # states that have a scale of their own
    RISK_VALUES = 8

cdef struct InstrumentRisk:
    int64_t numerator          # atoms of half a tick times a lot, a reduced fraction; denominator 0: not to be valued
    int64_t denominator
    int64_t minimum_price_ticks
    int64_t maximum_price_ticks
    int64_t minimum_quantity_lots
    int64_t maximum_quantity_lots
    int64_t minimum_value_atoms
    int64_t is_spot
    int64_t limit[OWN_LIMITS]
    int64_t value_cap_atoms    # POSITION_VALUE_ATOMS, scaled
    int64_t correlated_side    # SIDE_BID, SIDE_ASK: adding on that side is refused as CORRELATION; 0: neither
    int64_t halted             # TRADING_STATUS
    int64_t reference_half_ticks  # the last valid mid, or the last trade; 0: none yet
    int64_t valued_half_ticks  # at which the figures below were had
    # the account as it was then: the first fields of AccountView, in their order
    int64_t instrument
    int64_t position_lots
    int64_t cost_tick_lots
    int64_t realised_tick_lots
    int64_t fees_atoms
    int64_t open_buy_lots
    int64_t open_sell_lots
    int64_t open_orders
    # the figures
    int64_t worst_lots         # the larger side, everything open on it filled
    int64_t worst_value_atoms
    int64_t profit_atoms       # realised and unrealised, fees paid
    int64_t fault              # Refusal that made it impossible to value, 0 for none

cdef struct RiskState:
    int64_t core_time_ns
    int64_t next_day_ns        # 00:00 UTC after core time
    int64_t day_start_atoms    # profit_atoms of all instruments when the day began
    int64_t flattening         # FLATTEN: halted, but reduce-only orders pass
    int64_t order_ring_full    # RING_FULL of the order ring, until it has room again
    int64_t gross_atoms        # sums over instruments of their figures
    int64_t profit_atoms
    int64_t open_orders
    int64_t faults             # instruments that cannot be valued
    int64_t limits_changed
    int64_t start_time_ns      # first core time seen
    int64_t peak_profit_atoms
    int64_t seen_profit_atoms  # of which the caps and what is left are
    int64_t seen_gross_atoms
    int64_t capital_seen       # 0: they are to be renewed whatever was seen
    int64_t daily_floor_atoms  # profit below which the day's loss is reached, by either limit
    int64_t hard_floor_atoms   # profit below which the hard drawdown is reached
    int64_t soft_floor_atoms
    int64_t gross_cap_atoms    # the least of the gross limit scaled, leverage and, without fresh results, caution
    int64_t leverage_cap_atoms
    int64_t caution_cap_atoms
    int64_t concentration_cap_atoms
    int64_t stale_told         # the refusal that says so was said
    int64_t judges_cvar        # 1: results are fresh and there is a limit
    double cvar_limit_atoms    # scaled
    Bucket orders
    Bucket cancels

cdef struct Desk
cdef struct Case

cdef struct PendingRow:        # of one instrument in a batch that comes
    ResultView values
    double largest             # absolute loss in any scenario
    double long_loss           # stand-alone CVaR of its scenarios, as the core finds it
    double short_loss
    int64_t present            # bit RiskRow
    int64_t scenarios          # received, in order

cdef struct Batch:
    int64_t active             # which of the two scenario memories counts
    int64_t is_open
    int64_t version
    int64_t time_ns
    int64_t records            # announced
    int64_t received
    int64_t method
    int64_t wrong              # ResultFault, 0 while all is well
    int64_t present            # bit RiskValue
    double values[2 * RISK_VALUES]  # by RiskValue: of the batch that counts, then of the one that comes

ctypedef int64_t (*weigh_t)(Desk *desk, Case *case) noexcept nogil
ctypedef void (*revalue_t)(Desk *desk, int64_t index) noexcept nogil

cdef struct Desk:
    RiskState *state
    RiskView *view
    InstrumentRisk *instruments
    char *repeats              # per instrument: Repeats, then its bins and its ring
    int64_t repeats_stride
    const BookView *books      # row per instrument
    const AccountView *accounts
    const AccountView *strategies  # row per strategy
    int64_t instrument_count
    int64_t strategy_count
    const int64_t *bounds      # (limit, lowest and highest)
    int64_t capital_atoms
    int64_t conservative_loss_bp
    int64_t results_expected   # 1: without fresh results the conservative rule holds
    int64_t decides_exactly    # cvar_between
    int64_t volatility_ratio_limit_e6
    int64_t regimes
    int64_t regime_scale_e6[REGIMES]
    weigh_t weigh_cvar         # called by address: folded into the checks they would slow those who need neither
    revalue_t revalue
    CvarBook cvar
    ResultView *results        # row per instrument
    Batch *batch               # of results, until its end has come
    PendingRow *pending        # row per instrument
    double *largest            # per instrument: absolute loss in any scenario that counts
    double *scenarios[2]       # (instrument, scenario): of the batch that counts, and of the one that comes

cdef struct Case:              # one order under judgement
    const Message *order
    const OrderDetail *detail
    InstrumentRisk *instrument
    const BookView *book
    const AccountView *account
    int64_t value_atoms        # of the order, rounded up
    int64_t worst_lots         # of the instrument with this order open, the larger side
    int64_t worst_value_atoms
    int64_t gross_atoms
    bint adds                  # the larger side of the instrument grows
    int64_t open_orders        # over all instruments, without this order
    int64_t observed           # what the refusal says
    int64_t limit

# -- QUERIES --

cdef inline const BookView *book_of(const Desk *desk, int64_t instrument) noexcept nogil:
    return desk.books + instrument

cdef inline const AccountView *account_of(const Desk *desk, int64_t instrument) noexcept nogil:
    return desk.accounts + instrument

cdef inline const AccountView *strategy_of(const Desk *desk, int64_t strategy) noexcept nogil:
    return desk.strategies + strategy

cdef inline Repeats *repeats_of(const Desk *desk, int64_t instrument) noexcept nogil:
    return <Repeats *> (desk.repeats + instrument * desk.repeats_stride)
