"""The 32 features: what each is called, its formula, its unit and where it comes from. The order is the row's order.

Symbols: Pb, Pa best bid and ask price, Qb, Qa the quantities there, M = (Pb + Pa) / 2, B_n, A_n the quantities of the
first n levels together, T now, t_i the time of event i (receive time; core time never goes back). decay(x, s) is the
sum over events of x_i exp(-(T - t_i) / s): what happened s seconds ago counts 1/e. mean(x, s) is the average of x over
time with the same weights. age is the time since the book became VALID: everything begins anew then.
"""

from typing import NamedTuple

CONT = "Cont, Kukanov and Stoikov (2014), The price impact of order book events"
XU = "Xu, Gould and Howison (2018), Multi-level order-flow imbalance in a limit order book"
STOIKOV = "Gatheral and Oomen (2010), Zero-intelligence realized variance estimation; Stoikov (2018), The micro-price"
CAO = "Cao, Hansch and Wang (2009), The information content of an open limit-order book"
SLOPE = "after Naes and Skjeltorp (2006), Order book characteristics and the volume-volatility relation"
ROLL = "Roll (1984), A simple implicit measure of the effective bid-ask spread"
LEE = "Lee and Ready (1991), Inferring trade direction; here the venue names the aggressor"
HAWKES = "Bacry, Mastromatteo and Muzy (2015), Hawkes processes in finance: exponential kernel intensity"
REALISED = "Andersen, Bollerslev, Diebold and Labys (2003), Modeling and forecasting realized volatility"
BERKOWITZ = "Berkowitz, Logue and Noser (1988), The total cost of transactions on the NYSE"
AVERAGE = "time-weighted exponential average: Eckner (2014), Algorithms for unevenly spaced time series"
DURATION = "Engle and Russell (1998), Autoregressive conditional duration"

HORIZON_CAP_S = 60.0  # ages are not told beyond


class Feature(NamedTuple):
    """One column of a feature row."""

    name: str
    formula: str
    unit: str
    source: str


CATALOGUE: tuple[Feature, ...] = (
    Feature("spread_ticks", "Pa - Pb", "ticks", ROLL),
    Feature("spread_bp", "1e4 (Pa - Pb) / M", "bp", ROLL),
    Feature("microprice_offset_ticks", "(Pb Qa + Pa Qb) / (Qa + Qb) - M", "ticks", STOIKOV),
    Feature("imbalance_1", "(Qb - Qa) / (Qb + Qa)", "1", CAO),
    Feature("imbalance_5", "(B_5 - A_5) / (B_5 + A_5)", "1", CAO),
    Feature("imbalance_10", "(B_10 - A_10) / (B_10 + A_10)", "1", CAO),
    Feature("depth_slope_bid", "log(B_n / Qb) / (1e4 (Pb - P_n) / M), n <= 10 the last; 0 if n = 1", "1/bp", SLOPE),
    Feature("depth_slope_ask", "log(A_n / Qa) / (1e4 (P_n - Pa) / M), n <= 10 the last; 0 if n = 1", "1/bp", SLOPE),
    Feature("best_bid_relative", "Qb / mean(Qb, 10)", "1", AVERAGE),
    Feature("best_ask_relative", "Qa / mean(Qa, 10)", "1", AVERAGE),
    Feature(
        "order_flow_100ms",
        "decay(e, 0.1) / D; e = [Pb >= Pb'] Qb - [Pb <= Pb'] Qb' - [Pa <= Pa'] Qa "
        "+ [Pa >= Pa'] Qa' of each update, ' before it; D = mean((Qb + Qa) / 2, 10)",
        "1",
        CONT,
    ),
    Feature("order_flow_1s", "decay(e, 1) / D", "1", CONT),
    Feature("order_flow_10s", "decay(e, 10) / D", "1", CONT),
    Feature("order_flow_5_levels_1s", "decay(sum of e at levels 1 to 5, 1) / mean((B_5 + A_5) / 2, 10)", "1", XU),
    Feature("order_flow_5_levels_10s", "decay(sum of e at levels 1 to 5, 10) / mean((B_5 + A_5) / 2, 10)", "1", XU),
    Feature(
        "trade_imbalance_1s",
        "(b - s) / (b + s + q); b, s = decay(lots bought, sold by takers, 1); q the mean trade, weight 1/16 the newest",
        "1",
        LEE,
    ),
    Feature("trade_imbalance_10s", "the same over 10 s", "1", LEE),
    Feature("trade_imbalance_60s", "the same over 60 s", "1", LEE),
    Feature("buy_rate_10s", "decay(1 each trade that bought, 10) / (10 max(0.1, 1 - exp(-age / 10)))", "1/s", HAWKES),
    Feature("sell_rate_10s", "decay(1 each trade that sold, 10) / (10 max(0.1, 1 - exp(-age / 10)))", "1/s", HAWKES),
    Feature("trade_rate_1s", "decay(1 each trade, 1) / max(0.1, 1 - exp(-age))", "1/s", HAWKES),
    Feature("last_trade_size", "last trade's lots / q, positive if it bought", "1", LEE),
    Feature("time_since_trade_s", "T - time of the last trade, or of the start; at most 60", "s", DURATION),
    Feature("vwap_distance_bp", "1e4 (M - decay(price lots, 60) / decay(lots, 60)) / M; else 0", "bp", BERKOWITZ),
    Feature("return_100ms_bp", "1e4 log(M / M(T - 0.1 s)); the mid before the last 10 ms mark then", "bp", REALISED),
    Feature("return_1s_bp", "1e4 log(M / M(T - 1 s))", "bp", REALISED),
    Feature("return_10s_bp", "1e4 log(M / M(T - 10 s))", "bp", REALISED),
    Feature(
        "realised_variance_1s",
        "1e8 sum(w r^2) / sum(w 0.1 s); r log returns over each 100 ms mark to mark, w = exp(-marks since / 10)",
        "bp^2/s",
        REALISED,
    ),
    Feature("realised_variance_10s", "the same with w = exp(-marks since / 100)", "bp^2/s", REALISED),
    Feature("realised_variance_60s", "the same with w = exp(-marks since / 600)", "bp^2/s", REALISED),
    Feature("best_price_age_s", "T - time when Pb or Pa last changed, at most 60", "s", DURATION),
    Feature("book_rate_1s", "decay(1 each update, 1) / max(0.1, 1 - exp(-age))", "1/s", HAWKES),
)

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in CATALOGUE)
assert len(CATALOGUE) == len(set(FEATURE_NAMES)) == 32
