"""The feature row from the whole history at once, each feature by its formula in catalogue.py and no recursion.

Slow and obvious: every call looks at every event since the book became VALID. Agrees with the stage to rounding.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.features.catalogue import FEATURE_NAMES, HORIZON_CAP_S

MARK_NS = 10_000_000  # the mid is sampled every 10 ms, returns for the variances every 100 ms
Levels = list[tuple[int, int]]  # (price ticks, quantity lots), best first
Floats = NDArray[np.float64]


@dataclass
class History:
    """What happened to one instrument since its book became VALID; times are int64 ns and never go back."""

    bids: list[Levels] = field(default_factory=list)
    asks: list[Levels] = field(default_factory=list)
    book_times_ns: list[int] = field(default_factory=list)
    trades: list[tuple[int, int, int, bool]] = field(default_factory=list)  # time ns, ticks, lots, bought

    def add_book(self, time_ns: int, bids: Levels, asks: Levels) -> None:
        """A book after an update (the first: at the start), at most ten levels a side."""
        self.book_times_ns.append(time_ns)
        self.bids.append(bids)
        self.asks.append(asks)

    def add_trade(self, time_ns: int, price_ticks: int, lots: int, bought: bool) -> None:
        self.trades.append((time_ns, price_ticks, lots, bought))


def decayed_sum(values: Floats, times_ns: NDArray[np.int64], now_ns: int, horizon_s: float) -> float:
    """Sum of values, each times exp(-age / horizon)."""
    return float(np.sum(values * np.exp(-(now_ns - times_ns) * 1e-9 / horizon_s)))


def time_mean(values: Floats, times_ns: NDArray[np.int64], now_ns: int, horizon_s: float) -> float:
    """Mean of a piecewise constant value, its past weighted by exp(-age / horizon); the first held ever before."""
    ends_ns = np.append(times_ns[1:], now_ns)
    after = np.exp(-(now_ns - ends_ns) * 1e-9 / horizon_s)
    before = np.exp(-(now_ns - times_ns) * 1e-9 / horizon_s)
    return float(np.sum(values * (after - before)) + values[0] * before[0])


def side_flow(before: Levels, after: Levels, level: int, better_sign: int) -> float:
    """Cont, Kukanov and Stoikov's contribution of one side at one level; a missing level is infinitely bad."""
    price_before, lots_before = before[level] if level < len(before) else (-better_sign * np.inf, 0)
    price_after, lots_after = after[level] if level < len(after) else (-better_sign * np.inf, 0)
    flow = 0.0
    if better_sign * price_after >= better_sign * price_before:
        flow += lots_after
    if better_sign * price_after <= better_sign * price_before:
        flow -= lots_before
    return flow


def order_flow(history: History, levels: int) -> Floats:
    """Order flow of each update, summed over levels; 0 for the first book."""
    flows = [0.0]
    for i in range(1, len(history.bids)):
        flows.append(
            sum(
                side_flow(history.bids[i - 1], history.bids[i], level, 1)
                - side_flow(history.asks[i - 1], history.asks[i], level, -1)
                for level in range(levels)
            )
        )
    return np.array(flows)


def depth(levels: Levels, count: int) -> float:
    return float(sum(lots for _, lots in levels[:count]))


def depth_slope(levels: Levels, mid: float) -> float:
    if len(levels) < 2:
        return 0.0
    distance_bp = 1e4 * abs(levels[-1][0] - levels[0][0]) / mid
    return float(np.log(depth(levels, 10) / levels[0][1]) / distance_bp)


def book_features(bids: Levels, asks: Levels) -> dict[str, float]:
    """Features of one book alone."""
    (bid, bid_lots), (ask, ask_lots) = bids[0], asks[0]
    mid = (bid + ask) / 2
    row = {
        "spread_ticks": float(ask - bid),
        "spread_bp": 1e4 * (ask - bid) / mid,
        "microprice_offset_ticks": (bid * ask_lots + ask * bid_lots) / (ask_lots + bid_lots) - mid,
        "depth_slope_bid": depth_slope(bids, mid),
        "depth_slope_ask": depth_slope(asks, mid),
    }
    for count in (1, 5, 10):
        b, a = depth(bids, count), depth(asks, count)
        row[f"imbalance_{count}"] = (b - a) / (b + a)
    return row


def flow_features(history: History, now_ns: int) -> dict[str, float]:
    """Order flow and queue sizes, relative to their means."""
    times = np.array(history.book_times_ns)
    best_bid = np.array([levels[0][1] for levels in history.bids], dtype=np.float64)
    best_ask = np.array([levels[0][1] for levels in history.asks], dtype=np.float64)
    pairs = list(zip(history.bids, history.asks, strict=True))
    depth_5 = np.array([(depth(b, 5) + depth(a, 5)) / 2 for b, a in pairs])
    mean_depth = time_mean((best_bid + best_ask) / 2, times, now_ns, 10)
    flow, flow_5 = order_flow(history, 1), order_flow(history, 5)
    mean_depth_5 = time_mean(depth_5, times, now_ns, 10)
    best = np.array([(b[0][0], a[0][0]) for b, a in pairs])
    changed = np.flatnonzero(np.any(best[1:] != best[:-1], axis=1))
    changed_ns = times[changed[-1] + 1] if len(changed) else times[0]
    return {
        "best_bid_relative": best_bid[-1] / time_mean(best_bid, times, now_ns, 10),
        "best_ask_relative": best_ask[-1] / time_mean(best_ask, times, now_ns, 10),
        "order_flow_100ms": decayed_sum(flow, times, now_ns, 0.1) / mean_depth,
        "order_flow_1s": decayed_sum(flow, times, now_ns, 1) / mean_depth,
        "order_flow_10s": decayed_sum(flow, times, now_ns, 10) / mean_depth,
        "order_flow_5_levels_1s": decayed_sum(flow_5, times, now_ns, 1) / mean_depth_5,
        "order_flow_5_levels_10s": decayed_sum(flow_5, times, now_ns, 10) / mean_depth_5,
        "best_price_age_s": min((now_ns - changed_ns) * 1e-9, HORIZON_CAP_S),
        "book_rate_1s": rate(times[1:], times[0], now_ns, 1),
    }


def rate(times_ns: NDArray[np.int64], start_ns: int, now_ns: int, horizon_s: float) -> float:
    """Events a second with exponential weights, unbiased for a short history but the very shortest."""
    weight_s = horizon_s * max(1.0 - float(np.exp(-(now_ns - start_ns) * 1e-9 / horizon_s)), 0.1)
    return decayed_sum(np.ones(len(times_ns)), times_ns, now_ns, horizon_s) / weight_s


def trade_features(history: History, mid: float, now_ns: int) -> dict[str, float]:
    start_ns = history.book_times_ns[0]
    times = np.array([trade[0] for trade in history.trades], dtype=np.int64)
    prices = np.array([trade[1] for trade in history.trades], dtype=np.float64)
    lots = np.array([trade[2] for trade in history.trades], dtype=np.float64)
    bought = np.array([trade[3] for trade in history.trades], dtype=bool)
    n = len(lots)
    # the newest of n trades weighs 1/16, the one before it 1/16 of what is left, ...; the first takes the rest
    weights = np.append((15 / 16) ** (n - 1), (15 / 16) ** np.arange(n - 2, -1, -1.0) / 16) if n else np.zeros(0)
    mean_trade = float(np.sum(weights * lots))
    row = {
        "buy_rate_10s": rate(times[bought], start_ns, now_ns, 10),
        "sell_rate_10s": rate(times[~bought], start_ns, now_ns, 10),
        "trade_rate_1s": rate(times, start_ns, now_ns, 1),
        "last_trade_size": (lots[-1] if bought[-1] else -lots[-1]) / mean_trade if n else 0.0,
        "time_since_trade_s": min((now_ns - (times[-1] if n else start_ns)) * 1e-9, HORIZON_CAP_S),
        "vwap_distance_bp": 0.0,
    }
    for horizon_s in (1, 10, 60):
        buys = decayed_sum(lots[bought], times[bought], now_ns, horizon_s)
        sells = decayed_sum(lots[~bought], times[~bought], now_ns, horizon_s)
        row[f"trade_imbalance_{horizon_s}s"] = (buys - sells) / (buys + sells + mean_trade) if n else 0.0
    if n:
        distance = decayed_sum((mid - prices) * lots, times, now_ns, 60) / decayed_sum(lots, times, now_ns, 60)
        row["vwap_distance_bp"] = 1e4 * distance / mid
    return row


def mid_features(history: History, now_ns: int) -> dict[str, float]:
    """Returns and realised variances of the mid."""
    times = np.array(history.book_times_ns)
    pairs = zip(history.bids, history.asks, strict=True)
    log_mid = np.log(np.array([(b[0][0] + a[0][0]) / 2 for b, a in pairs]))
    first_mark, last_mark = int(times[0] // MARK_NS), now_ns // MARK_NS

    def at_mark(mark: int) -> float:
        """Logarithm of the mid that held just before a mark; at the first mark the one at the start."""
        before = int(np.searchsorted(times, mark * MARK_NS, side="left"))
        return float(log_mid[max(before - 1, 0)])

    row = {}
    for name, horizon_ns in (("100ms", 10**8), ("1s", 10**9), ("10s", 10**10)):
        mark = max((now_ns - horizon_ns) // MARK_NS, first_mark)
        row[f"return_{name}_bp"] = 1e4 * (log_mid[-1] - at_mark(mark))
    marks = [m for m in range(first_mark + 1, last_mark + 1) if m % 10 == 0]
    returns = np.diff([float(log_mid[0]), *map(at_mark, marks)])
    for horizon_s in (1, 10, 60):
        weights = np.exp(-0.1 / horizon_s * np.arange(len(marks) - 1, -1, -1.0))
        total = float(np.sum(weights)) * 0.1
        row[f"realised_variance_{horizon_s}s"] = 1e8 * float(np.sum(weights * returns**2)) / total if marks else 0.0
    return row


def feature_row(history: History, now_ns: int) -> Floats:
    """All 32 features now, in the order of FEATURE_NAMES; shape (32,)."""
    bids, asks = history.bids[-1], history.asks[-1]
    row = {
        **book_features(bids, asks),
        **flow_features(history, now_ns),
        **trade_features(history, (bids[0][0] + asks[0][0]) / 2, now_ns),
        **mid_features(history, now_ns),
    }
    return np.array([row[name] for name in FEATURE_NAMES])
