# Kelly's position from a forecast and the volatility that the risk process published, term by term as models/sizing has
# them, in the core's own arithmetic; engine/sizing/reference.py says the same slowly.
#
#   lots = raw x estimation x fraction x correlation x costs x volatility_target x drawdown x data_quality
#              x venue_cap x gross_cap x capital_cap x rounding
#   raw  = edge / variance of the horizon * equity / value of a lot        Kelly (1956), continuous: Thorp (2006), eq. 7
from libc.math cimport fabs, sqrt
from libc.stdint cimport int64_t
from engine.sizing.chain cimport (
    TERM_CAPITAL_CAP, TERM_CORRELATION, TERM_COSTS, TERM_DATA_QUALITY, TERM_DRAWDOWN, TERM_ESTIMATION, TERM_FRACTION,
    TERM_GROSS_CAP, TERM_VENUE_CAP, TERM_VOLATILITY_TARGET, put, put_nothing, put_rounding,
)
from engine.stage cimport AccountView, ResultView, RiskView, SizingView
from ipc.message cimport SIDE_BID

cdef enum:
    LIMIT_GROSS_NOTIONAL_ATOMS = 5  # places in RiskView.limit: tests/engine/sizing/test_kelly.py compares them
    LIMIT_DRAWDOWN_SOFT_BP = 18
    LIMIT_DRAWDOWN_HARD_BP = 19

cdef struct KellyRule:
    double fraction
    double cost                    # of the position, both ways, as a share of its value
    double horizon_s               # of the forecast
    double venue_share             # of the equity that all positions at the venue may be worth
    double gross_share             # and all positions
    double capital_share           # and this one
    double target_risk_atoms       # standard deviation over a second; 0: none
    double minimum_variance_per_s
    int64_t horizon                # its place in the forecast
    int64_t horizon_ns
    int64_t funding_interval_ns

cdef struct Funding:               # of one instrument, as the venue said last
    int64_t rate_e8                # a long pays so much of its value, a short receives it
    int64_t next_time_ns           # 0: not known, then whole intervals since 1970, which is when venues ask for it

cdef struct Bet:                   # what one order's size is decided from
    double side                    # 1 to buy, -1 to sell
    double forecast_bp
    double belief                  # Kan and Zhou's factor of the model that made the forecast
    double funding                 # what a long pays over the horizon, as a share of its value
    double lot_atoms
    double venue_atoms             # what all else at the venue, and everywhere, may be worth at its worst
    double gross_atoms
    double rest_lots               # of this instrument, that all else amounts to: below 0 is short

# -- QUERIES --

cdef inline double at_most_one(double value) noexcept nogil:
    return value if value < 1.0 else 1.0

cdef inline double drawdown_term(const RiskView *risk) noexcept nogil:
    """1 up to the soft limit, falling to 0 at the hard one; 1 where either is off."""
    cdef double soft = <double> risk.limit[LIMIT_DRAWDOWN_SOFT_BP], hard = <double> risk.limit[LIMIT_DRAWDOWN_HARD_BP]
    cdef double lost
    if soft <= 0.0 or hard <= soft or risk.peak_equity_atoms <= 0:
        return 1.0
    lost = <double> (risk.peak_equity_atoms - risk.equity_atoms) / <double> risk.peak_equity_atoms * 10_000.0
    return 1.0 if lost <= soft else 0.0 if lost >= hard else (hard - lost) / (hard - soft)

cdef inline int64_t payments(const Funding *funding, int64_t now_ns, const KellyRule *rule) noexcept nogil:
    """How often funding is paid while a position opened now is held for the horizon."""
    cdef int64_t due = funding.next_time_ns if funding.next_time_ns > 0 else 0
    if due <= now_ns:
        due += ((now_ns - due) // rule.funding_interval_ns + 1) * rule.funding_interval_ns
    if due > now_ns + rule.horizon_ns:
        return 0
    return 1 + (now_ns + rule.horizon_ns - due) // rule.funding_interval_ns

cdef inline double cost_of(const KellyRule *rule, const Bet *bet) noexcept nogil:
    """Of the position, with the funding it pays; what it would receive makes it cheaper but is no edge of its own."""
    cdef double cost = rule.cost + bet.side * bet.funding
    return cost if cost > 0.0 else 0.0

cdef inline double room(double cap_atoms, double taken_atoms, double lots, double lot_atoms) noexcept nogil:
    """Share of the lots that a cap leaves, when so much of it is taken."""
    cdef double left = cap_atoms - taken_atoms
    if lots <= 0.0:
        return 1.0
    return at_most_one(left / (lots * lot_atoms)) if left > 0.0 else 0.0

cdef inline double beside(double alone_lots, double rest_lots) noexcept nogil:
    """Joint over stand-alone Kelly, the rest of the book as it is: (alone - rest) / alone. A rest that would hedge the
    position makes it no larger, for it may be gone before."""
    if alone_lots <= 0.0 or rest_lots <= 0.0:
        return 1.0
    return (alone_lots - rest_lots) / alone_lots if rest_lots < alone_lots else 0.0

cdef inline double gross_cap_atoms(const KellyRule *rule, const RiskView *risk, double equity) noexcept nogil:
    """The rule's own, or what risk has left of its gross limit, leverage and caution, if that is less."""
    cdef double own = rule.gross_share * equity
    cdef double risks = <double> risk.gross_notional_atoms + <double> risk.headroom[LIMIT_GROSS_NOTIONAL_ATOMS]
    return own if own < risks else risks

# -- COMMANDS --

cdef inline void size_bet(
    const KellyRule *rule, const Bet *bet, const ResultView *result, const RiskView *risk, SizingView *row
) noexcept nogil:
    """The position on the order's side into the row: raw, every term, target_lots; 0 without an edge that pays."""
    cdef double edge = bet.side * bet.forecast_bp * 1e-4, cost = cost_of(rule, bet), lot = bet.lot_atoms, lots
    cdef double variance = result.volatility * result.volatility, equity = <double> risk.equity_atoms
    cdef double surviving = (edge - cost) / edge if edge > cost else 0.0
    if not lot > 0.0 or not equity > 0.0 or not variance >= 0.0 or not fabs(bet.rest_lots) < 1e18:
        put_nothing(row)
        return
    if variance < rule.minimum_variance_per_s:
        variance = rule.minimum_variance_per_s
    row.raw = lots = edge / (variance * rule.horizon_s) * (equity / lot)
    lots = put(row, TERM_ESTIMATION, bet.belief, lots)
    lots = put(row, TERM_FRACTION, rule.fraction, lots)
    lots = put(row, TERM_CORRELATION, beside(lots * surviving, bet.side * bet.rest_lots), lots)
    lots = put(row, TERM_COSTS, surviving, lots)
    lots = put(row, TERM_VOLATILITY_TARGET, at_most_one(rule.target_risk_atoms / (sqrt(variance) * (lots * lot)))
               if rule.target_risk_atoms > 0.0 and lots > 0.0 else 1.0, lots)
    lots = put(row, TERM_DRAWDOWN, drawdown_term(risk), lots)
    lots = put(row, TERM_DATA_QUALITY, <double> risk.quality_e6 / 1_000_000.0, lots)
    lots = put(row, TERM_VENUE_CAP, room(rule.venue_share * equity, bet.venue_atoms, lots, lot), lots)
    lots = put(row, TERM_GROSS_CAP, room(gross_cap_atoms(rule, risk, equity), bet.gross_atoms, lots, lot), lots)
    lots = put(row, TERM_CAPITAL_CAP, room(rule.capital_share * equity, 0.0, lots, lot), lots)
    put_rounding(row, lots)

cdef inline int64_t held_toward(const AccountView *account, int64_t side) noexcept nogil:
    """What is held on a side, all that is open on it filled; below 0 where the other side is."""
    if side == SIDE_BID:
        return account.position_lots + account.open_buy_lots
    return account.open_sell_lots - account.position_lots
