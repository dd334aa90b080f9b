"""Stress tests: what past episodes, found in the data, would do to today's positions, and shocks not seen yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.dependence import nearest_correlation
from models.faults import Fault
from models.market_risk.euler import euler_elliptical
from models.market_risk.order_statistics import Floats, check_level
from models.market_risk.portfolio import history_of
from models.panel import Panel

WINDOWS = (1, 5, 10, 20, 60)  # rows
EPISODES = 2  # of each length
DRAWDOWNS = 3
TOWARDS_ONE = 0.75
LARGEST_SHOCK = 100.0  # 10,000 %


@dataclass(frozen=True)
class Stress:
    """kind: episode, drawdown, shock, correlation, volatility. first and last: dates as text, None without.

    loss: positive, in the unit of the exposures; contributions (assets,) sum to it.
    """

    name: str
    kind: str
    first: str | None
    last: str | None
    loss: float
    contributions: Floats
    notes: tuple[str, ...] = ()


# -- history ---------------------------------------------------------------------------------------------------------


def historical_episodes(
    returns: Panel,
    exposures: Floats,
    *,
    windows: Sequence[int] = WINDOWS,
    each: int = EPISODES,
    drawdowns: int = DRAWDOWNS,
) -> list[Stress]:
    """The worst windows of each length that do not overlap, and the deepest drawdowns, of positions held constant.

    Returns are simple, NaN where a series has none. Such a series is stood in for by its beta to the mean of the others
    (all its own history), with a note. The loss compounds each asset over the episode: positions bought before it and
    kept.
    """
    filled, proxies = with_proxies(returns)
    _, gains, _ = history_of(filled, exposures)
    index = np.concatenate([[0.0], np.cumsum(np.log1p(np.maximum(gains, -0.999999)))])
    found = []
    for length in windows:
        name = f"worst {length} step{'s' if length > 1 else ''}"
        for start in worst_windows(index, length, each):
            found.append(episode(filled, proxies, exposures, start, start + length, name))
    found += [
        episode(filled, proxies, exposures, start, stop, f"drawdown {rank}", "drawdown")
        for rank, (start, stop) in enumerate(deepest_drawdowns(index, drawdowns), 1)
    ]
    return found


def episode(
    returns: Panel,
    proxies: Mapping[int, tuple[int, str]],
    exposures: Floats,
    start: int,
    stop: int,
    name: str,
    kind: str = "episode",
) -> Stress:
    """What rows start ... stop - 1 of the returns cost."""
    gain = np.prod(1.0 + returns.values[start:stop], axis=0) - 1.0
    contributions = -exposures * gain
    last = returns.place(stop - 1)
    notes = tuple(
        f"PROXIED: {returns.names[i]} {text}"
        for i, (begins, text) in proxies.items()
        if exposures[i] != 0.0 and start < begins
    )
    return Stress(
        f"{name} to {last}", kind, returns.place(start), last, float(contributions.sum()), contributions, notes
    )


def with_proxies(returns: Panel) -> tuple[Panel, dict[int, tuple[int, str]]]:
    """The panel without holes, and for each series with holes where its own history begins and a sentence.

    A missing return is beta times the mean of the series present, beta by least squares through the origin; on a day
    without any it is 0.
    """
    values = returns.values.copy()
    absent = np.isnan(values)
    counts = (~absent).sum(axis=1)
    market = np.divide(np.nansum(values, axis=1), counts, out=np.zeros(len(values)), where=counts > 0)
    proxies = {}
    for i in np.flatnonzero(absent.any(axis=0)).tolist():
        own = ~absent[:, i] & (counts > 1)
        others = (market[own] * counts[own] - values[own, i]) / (counts[own] - 1)
        beta = float(values[own, i] @ others / (others @ others)) if own.any() and np.any(others) else 1.0
        values[absent[:, i], i] = beta * market[absent[:, i]]
        first = int(np.argmin(absent[:, i]))
        proxies[i] = (first, f"by {beta:.2f} times the mean of the others before {returns.place(first)}")
    return Panel(returns.names, returns.dates, values, returns.dated, returns.notes), proxies


def worst_windows(index: Floats, length: int, count: int) -> list[int]:
    """First rows of the worst windows of that length that do not overlap, worst first; index: cumulated log return."""
    if len(index) <= length:
        return []
    change = index[length:] - index[:-length]
    free = np.ones(len(change), dtype=bool)
    found: list[int] = []
    for start in np.argsort(change, kind="stable").tolist():
        if len(found) == count or change[start] >= 0.0:
            break
        if free[start]:
            found.append(start)
            free[max(0, start - length + 1) : start + length] = False
    return found


def deepest_drawdowns(index: Floats, count: int) -> list[tuple[int, int]]:
    """(first row of the fall, row after its trough) of the deepest falls from a high, one a high, deepest first."""
    high = np.maximum.accumulate(index)
    peak_rows = np.flatnonzero(np.concatenate([[True], high[1:] > high[:-1]]))
    ends = np.concatenate([peak_rows[1:], [len(index)]])
    troughs = [int(start + np.argmin(index[start:end])) for start, end in zip(peak_rows, ends, strict=True)]
    falls = sorted(
        (float(index[trough] - index[start]), int(start), trough)
        for start, trough in zip(peak_rows, troughs, strict=True)
    )
    return [(start, trough) for fall, start, trough in falls[:count] if fall < 0.0]


# -- shocks ----------------------------------------------------------------------------------------------------------


def shock(
    names: Sequence[str],
    exposures: Floats,
    shocks: Mapping[str, float],
    *,
    covariance: Floats | None = None,
    name: str | None = None,
) -> Stress:
    """Simple returns given by name; the others stay, or with a covariance move as they are expected to, given these.

    E[r_u | r_s] = C_us C_ss^-1 r_s (Kupiec 1998, "Stress testing in a value at risk framework").
    """
    unknown = [each for each in shocks if each not in names]
    if unknown:
        raise Fault(f"{unknown[0]!r} is not in the portfolio; there are {', '.join(names)}")
    below = [each for each, size in shocks.items() if not -1.0 <= size <= LARGEST_SHOCK]
    if below:
        raise Fault(f"shock {shocks[below[0]]:g} of {below[0]}: a return from -1 to {LARGEST_SHOCK:g}, like -0.2")
    moved = np.zeros(len(names))
    hit = np.array([each in shocks for each in names])
    moved[hit] = [shocks[each] for each in names if each in shocks]
    if covariance is not None and not hit.all():
        moved[~hit] = covariance[np.ix_(~hit, hit)] @ np.linalg.solve(covariance[np.ix_(hit, hit)], moved[hit])
    contributions = -exposures * np.maximum(moved, -1.0)
    text = name or ", ".join(f"{each} {size:+.0%}" for each, size in shocks.items())
    suffix = ", the others as expected" if covariance is not None and not hit.all() else ""
    return Stress(text + suffix, "shock", None, None, float(contributions.sum()), contributions)


def standard_shocks(names: Sequence[str], exposures: Floats, covariance: Floats) -> list[Stress]:
    """All against the portfolio by 10 %, all by three standard deviations, and the position that hurts most by 25 %."""
    against = -np.sign(exposures)
    deviations = np.sqrt(np.diag(covariance))
    parts = [
        (f"every position {10:.0f} % against it", 0.10 * against),
        ("every instrument 10 % down", np.full(len(names), -0.10)),
        ("every position three standard deviations against it", 3.0 * deviations * against),
    ]
    found = []
    for text, moved in parts:
        contributions = -exposures * moved
        found.append(Stress(text, "shock", None, None, float(contributions.sum()), contributions))
    largest = int(np.argmax(np.abs(exposures) * deviations))
    size = 0.25 * float(against[largest])
    found.append(
        shock(names, exposures, {names[largest]: size}, covariance=covariance, name=f"{names[largest]} {size:+.0%}")
    )
    return found


# -- correlations ----------------------------------------------------------------------------------------------------


def correlation_breakdown(exposures: Floats, covariance: Floats, *, level: float = 0.99) -> list[Stress]:
    """Normal VaR of one step when correlations go where they hurt, and when volatility doubles.

    Towards one: three quarters of the way for all pairs. Gone: diversification by hedges lost, all zero. Against:
    towards +1 for pairs whose positions have one sign and -1 for the others, three quarters of the way, the worst there
    is. Mixtures of correlation matrices are correlation matrices; a repair for rounding is noted.
    """
    check_level(level)
    deviations = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(deviations, deviations)
    signs = np.where(exposures < 0.0, -1.0, 1.0)
    ones, apart = np.ones_like(correlation), np.eye(len(signs))

    def worst(share: float) -> Floats:
        found: Floats = (1.0 - share) * correlation + share * np.outer(signs, signs)
        return found

    cases = (
        (
            "correlations three quarters of the way to one",
            "correlation",
            (1.0 - TOWARDS_ONE) * correlation + TOWARDS_ONE * ones,
            1.0,
        ),
        ("correlations gone", "correlation", apart, 1.0),
        (
            "correlations three quarters of the way to the worst case",
            "correlation",
            worst(TOWARDS_ONE),
            1.0,
        ),
        ("volatility doubled", "volatility", correlation, 2.0),
        ("volatility doubled, correlations nine tenths of the way there", "volatility", worst(0.9), 2.0),
    )
    found = []
    for name, kind, target, factor in cases:
        np.fill_diagonal(target, 1.0)
        repaired, note = nearest_correlation(target)
        stressed = factor**2 * repaired * np.outer(deviations, deviations)
        var = euler_elliptical(exposures, stressed, level=level).var
        notes = (note,) if note else ()
        found.append(Stress(f"{name}, VaR {level:.4g}", kind, None, None, var.total, var.component, notes))
    return found
