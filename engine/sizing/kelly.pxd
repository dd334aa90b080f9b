# Kelly's position from a forecast and the volatility that the risk process published, term by term as models/sizing has
# them, in the core's own arithmetic; engine/sizing/reference.py says the same slowly.
#
#   lots = raw x fraction x correlation x costs x volatility_target x drawdown x data_quality x capital_cap, toward zero
#   raw  = edge / variance of the horizon * equity / value of a lot        Kelly (1956), continuous: Thorp (2006), eq. 7
from libc.math cimport sqrt
from libc.stdint cimport int64_t
from engine.stage cimport AccountView, ResultView, RiskView
from ipc.message cimport SIDE_BID

cdef enum:
    LIMIT_DRAWDOWN_SOFT_BP = 18    # places in RiskView.limit: tests/engine/sizing/test_kelly.py compares them
    LIMIT_DRAWDOWN_HARD_BP = 19

cdef struct KellyRule:
    double fraction
    double cost                    # of the position, both ways, as a share of its value
    double horizon_s               # of the forecast
    double capital_share           # of the equity that one position may be worth
    double target_risk_atoms       # standard deviation over a second; 0: none
    double minimum_variance_per_s
    int64_t horizon                # its place in the forecast

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

cdef inline double kelly_lots(
    const KellyRule *rule, double side, double forecast_bp, const ResultView *result, const RiskView *risk,
    double lot_atoms
) noexcept nogil:
    """The position on the order's side, in lots, not rounded; 0 without an edge that pays, never below."""
    cdef double edge = side * forecast_bp * 1e-4, variance = result.volatility * result.volatility, lots, cap
    cdef double equity = <double> risk.equity_atoms
    if not edge - rule.cost > 0.0 or not lot_atoms > 0.0 or not equity > 0.0:
        return 0.0
    if risk.results_version == 0 or risk.results_stale or not variance >= 0.0:
        return 0.0
    if not result.correlation <= 1.000001 or not result.correlation >= -1.000001:
        return 0.0
    if variance < rule.minimum_variance_per_s:
        variance = rule.minimum_variance_per_s
    lots = edge / (variance * rule.horizon_s) * (equity / lot_atoms)
    lots = lots * rule.fraction
    lots = lots * (1.0 - side * result.correlation if side * result.correlation > 0.0 else 1.0)
    lots = lots * ((edge - rule.cost) / edge)
    if rule.target_risk_atoms > 0.0 and lots > 0.0:
        lots = lots * at_most_one(rule.target_risk_atoms / (sqrt(variance) * (lots * lot_atoms)))
    lots = lots * drawdown_term(risk)
    lots = lots * (<double> risk.quality_e6 / 1_000_000.0)
    if lots - lots != 0.0:
        return 0.0  # not a number, or too large to be one
    cap = rule.capital_share * equity / lot_atoms
    return lots if lots < cap else cap

cdef inline int64_t room_in_lots(double target, const AccountView *account, int64_t side, int64_t bound) noexcept nogil:
    """What is missing to the target on this side, all that is open there filled; whole lots, not below 0."""
    cdef int64_t whole, held
    if not target >= 1.0:
        whole = 0
    else:
        whole = <int64_t> target if target < <double> bound else bound
    held = account.position_lots + account.open_buy_lots if side == SIDE_BID else (
        account.open_sell_lots - account.position_lots)
    return whole - held if whole > held else 0
