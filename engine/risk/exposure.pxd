# What the accounts hold at the worst case and what it is worth: figures per instrument, renewed only where the account
# or the mid has changed, and their exact sums over all instruments.
from libc.stdint cimport int64_t
from libc.string cimport memcpy
from ipc.message cimport BOOK_STATE_VALID, REFUSAL_ARITHMETIC_OVERFLOW, REFUSAL_NO_REFERENCE_PRICE, REFUSAL_NONE
from engine.checked cimport add_overflows, multiply_overflows, value_overflows
from engine.stage cimport AccountView, BookView, RiskView
from engine.risk.desk cimport (
    ACCOUNT_FIELDS, Desk, InstrumentRisk, LIMIT_DAILY_LOSS_ATOMS, LIMIT_GROSS_NOTIONAL_ATOMS, LIMIT_OPEN_ORDERS,
    LIMIT_POSITION_LOTS, LIMIT_POSITION_VALUE_ATOMS, account_of, book_of,
)
from engine.risk.results cimport place_box

cdef extern from *:
    """
    #include <immintrin.h>

    /* whether two runs of eight int64 differ anywhere */
    static inline int bot4_lines_differ(const int64_t *a, const int64_t *b) {
        const __m256i *x = (const __m256i *)a, *y = (const __m256i *)b;
        __m256i d = _mm256_or_si256(
            _mm256_xor_si256(_mm256_loadu_si256(x), _mm256_loadu_si256(y)),
            _mm256_xor_si256(_mm256_loadu_si256(x + 1), _mm256_loadu_si256(y + 1)));
        return !_mm256_testz_si256(d, d);
    }
    """
    bint lines_differ "bot4_lines_differ"(const int64_t *a, const int64_t *b) noexcept nogil

# -- QUERIES --

cdef inline int64_t reference_half_ticks(const BookView *book) noexcept nogil:
    """Bid plus ask of a valid book with both sides, else twice its last trade; 0 when there is neither."""
    if book.state == BOOK_STATE_VALID and book.bid_quantity_lots[0] > 0 and book.ask_quantity_lots[0] > 0:
        return book.bid_price_ticks[0] + book.ask_price_ticks[0]
    return 2 * book.trade_price_ticks

cdef inline bint worst_overflows(
    const AccountView *account, int64_t buy_lots, int64_t sell_lots, int64_t *lots
) noexcept nogil:
    """The larger of long and short if every open order of one side, and so many lots more of it, were filled."""
    cdef int64_t highest, lowest
    lots[0] = 0
    if (add_overflows(account.open_buy_lots, buy_lots, &highest)
            or add_overflows(account.open_sell_lots, sell_lots, &lowest)
            or add_overflows(account.position_lots, highest, &highest)
            or add_overflows(account.position_lots, -lowest, &lowest)):
        return True
    if highest >= <int64_t> 1 << 62 or lowest <= -(<int64_t> 1 << 62):
        return True
    lots[0] = highest if highest > -lowest else -lowest
    return False

cdef inline bint profit_overflows(
    const AccountView *account, const InstrumentRisk *instrument, int64_t *atoms
) noexcept nogil:
    """(realised + position * mid - cost) in atoms, rounded down, minus fees."""
    cdef int64_t worth, closed, ceiling
    atoms[0] = 0
    if multiply_overflows(account.position_lots, instrument.reference_half_ticks, &worth):
        return True
    if (add_overflows(account.realised_tick_lots, -account.cost_tick_lots, &closed)
            or multiply_overflows(closed, 2, &closed) or add_overflows(worth, closed, &worth)):
        return True
    if value_overflows(worth, 1, instrument.numerator, instrument.denominator, atoms, &ceiling):
        return True
    return add_overflows(atoms[0], -account.fees_atoms, atoms)

cdef inline bint has_changed(const InstrumentRisk *instrument, const AccountView *account) noexcept nogil:
    """Whether account or price differ from those that were valued."""
    return (instrument.valued_half_ticks != instrument.reference_half_ticks
            or lines_differ(&instrument.instrument, &account.instrument))

# -- COMMANDS --

cdef inline void value_instrument(InstrumentRisk *instrument, const AccountView *account) noexcept nogil:
    """Renews the figures of one instrument; `fault` says why they could not be had (they are 0 then)."""
    cdef int64_t floor
    memcpy(&instrument.instrument, &account.instrument, ACCOUNT_FIELDS * sizeof(int64_t))
    instrument.valued_half_ticks = instrument.reference_half_ticks
    instrument.worst_value_atoms = instrument.profit_atoms = 0
    instrument.fault = REFUSAL_NONE
    if worst_overflows(account, 0, 0, &instrument.worst_lots):
        instrument.fault = REFUSAL_ARITHMETIC_OVERFLOW
        return
    if instrument.denominator == 0 and account.sent == 0:
        return  # cannot be valued, and never traded
    if instrument.worst_lots != 0 and instrument.reference_half_ticks <= 0:
        instrument.fault = REFUSAL_NO_REFERENCE_PRICE
        return
    if (profit_overflows(account, instrument, &instrument.profit_atoms)
            or value_overflows(instrument.worst_lots, instrument.reference_half_ticks, instrument.numerator,
                               instrument.denominator, &floor, &instrument.worst_value_atoms)):
        instrument.fault = REFUSAL_ARITHMETIC_OVERFLOW
        instrument.worst_value_atoms = instrument.profit_atoms = 0

cdef inline bint add_figures(Desk *desk, const InstrumentRisk *instrument, int64_t sign) noexcept nogil:
    """Adds or takes away one instrument's figures. True: a sum would pass 2**61; it is then left as it was."""
    cdef int64_t gross, profit
    if instrument.fault != REFUSAL_NONE:
        desk.state.faults += sign
        return False
    if add_overflows(desk.state.gross_atoms, sign * instrument.worst_value_atoms, &gross):
        return True
    if add_overflows(desk.state.profit_atoms, sign * instrument.profit_atoms, &profit):
        return True
    if gross >= <int64_t> 1 << 61 or not -(<int64_t> 1 << 61) < profit < <int64_t> 1 << 61:
        return True
    desk.state.gross_atoms = gross
    desk.state.profit_atoms = profit
    return False

cdef inline void revalue(Desk *desk, int64_t index) noexcept nogil:
    """Brings one instrument's figures, the sums and the CVaR book to the account and the mid of now."""
    cdef InstrumentRisk *instrument = desk.instruments + index
    cdef const AccountView *account = account_of(desk, index)
    add_figures(desk, instrument, -1)
    desk.state.open_orders += account.open_orders - instrument.open_orders
    value_instrument(instrument, account)
    if add_figures(desk, instrument, 1):
        instrument.fault = REFUSAL_ARITHMETIC_OVERFLOW
        instrument.worst_value_atoms = instrument.profit_atoms = 0
        add_figures(desk, instrument, 1)
    if desk.view.results_version:
        place_box(desk, index)

cdef inline void renew(Desk *desk, InstrumentRisk *instrument, int64_t index) noexcept nogil:
    """Values one instrument again if its account or its mid has changed."""
    cdef const AccountView *account = account_of(desk, index)
    cdef int64_t reference
    if account.position_lots | account.open_buy_lots | account.open_sell_lots:
        reference = reference_half_ticks(book_of(desk, index))
        if reference > 0:
            instrument.reference_half_ticks = reference
    if has_changed(instrument, account):
        desk.revalue(desk, index)

cdef inline int64_t measure(Desk *desk) noexcept nogil:
    """Renews every instrument and writes what is used of each limit into the view. Returns the open orders of all."""
    cdef RiskView *view = desk.view
    cdef InstrumentRisk *instrument
    cdef int64_t index, left, least_lots = <int64_t> 1 << 62, least_value = <int64_t> 1 << 62
    for index in range(desk.instrument_count):
        instrument = desk.instruments + index
        renew(desk, instrument, index)
        left = instrument.limit[LIMIT_POSITION_LOTS] - instrument.worst_lots
        if left < least_lots:
            least_lots = left
            view.limit[LIMIT_POSITION_LOTS] = instrument.limit[LIMIT_POSITION_LOTS]
        left = instrument.value_cap_atoms - instrument.worst_value_atoms
        if left < least_value:
            least_value = left
            view.limit[LIMIT_POSITION_VALUE_ATOMS] = instrument.limit[LIMIT_POSITION_VALUE_ATOMS]
    view.headroom[LIMIT_POSITION_LOTS] = least_lots
    view.headroom[LIMIT_POSITION_VALUE_ATOMS] = least_value
    view.gross_notional_atoms = desk.state.gross_atoms
    view.headroom[LIMIT_GROSS_NOTIONAL_ATOMS] = desk.state.gross_cap_atoms - desk.state.gross_atoms
    view.headroom[LIMIT_OPEN_ORDERS] = view.limit[LIMIT_OPEN_ORDERS] - desk.state.open_orders
    view.daily_pnl_atoms = desk.state.profit_atoms - desk.state.day_start_atoms
    view.headroom[LIMIT_DAILY_LOSS_ATOMS] = view.limit[LIMIT_DAILY_LOSS_ATOMS] + view.daily_pnl_atoms
    return desk.state.open_orders
