"""`bot4 risk backtest`: what each method said the day before, against what came, and the tests of it."""

import time
from typing import TYPE_CHECKING, Any

import click

from engine.verbs.output import json_option, progress, table
from engine.verbs.risk.var_inputs import data_options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.market_risk import Forecasts
    from models.panel import Panel

    Floats = NDArray[np.float64]
    Span = tuple[str, NDArray[np.bool_]]

METHODS = ("historical", "parametric", "parametric-t", "ewma", "filtered", "filtered-evt", "monte-carlo")
DEFAULT = ("historical", "parametric", "filtered", "monte-carlo")
REFITTED = frozenset({"parametric-t", "filtered", "filtered-evt", "monte-carlo"})
LEAST_FORECASTS = 10
LEAST_DAYS = 100  # of a period that is tested on its own
SIZE = 0.05


@click.command()
@click.option(
    "--portfolio", "portfolio_path", type=click.Path(dir_okay=False), help="instrument,weight; equal weights without."
)
@data_options
@click.option("--column", "columns", multiple=True, help="Series to use; all by default. Not with --portfolio.")
@click.option("--method", "methods", type=click.Choice(METHODS), multiple=True, help="Several; four by default.")
@click.option("--level", type=float, default=0.99, show_default=True)
@click.option("--window", type=int, default=500, show_default=True, help="Returns behind every forecast.")
@click.option("--refit", type=int, default=20, show_default=True, help="Parameters anew every so many rows.")
@click.option("--from", "first", help="First forecast, as 1995-01-01; the window before it is read too.")
@click.option("--to", "last", help="Last forecast.")
@click.option("--period", "periods", multiple=True, help="2008-01-01:2009-12-31, tested on its own beside each year.")
@json_option
def backtest(
    portfolio_path: str | None,
    data_paths: tuple[str, ...],
    are_returns: bool,
    columns: tuple[str, ...],
    methods: tuple[str, ...],
    level: float,
    window: int,
    refit: int,
    first: str | None,
    last: str | None,
    periods: tuple[str, ...],
    report_to: str | None,
    as_json: bool,
) -> None:
    """Count each method's VaR exceptions, year by year, and test them.

    One step ahead, constant weights: each forecast uses only what was known the day before. A test fails when its
    p-value is below 5 %. Quantities stand for weights by their last value.
    """
    from engine.verbs.risk.backtest_report import write_report
    from engine.verbs.risk.data_faults import on, require
    from engine.verbs.risk.delivery import deliver, report_path
    from engine.verbs.risk.var_inputs import holding, sorted_notes
    from models.market_risk import forecasts
    from models.market_risk.portfolio import history_of

    began = time.perf_counter()
    chosen = methods or DEFAULT
    refuse_unused(chosen)
    path = report_path(report_to, "backtest", as_json)
    held = holding(portfolio_path, data_paths, are_returns, 1.0, columns)
    dates, gains, notes = history_of(held.returns, held.exposures)
    panel = period_of(dates, gains, held.returns, first, last, window)
    progress(f"{max(len(panel.dates) - window, 0):,} forecasts of {', '.join(chosen)}", as_json)
    with on(panel, held.names):
        found = forecasts(panel.values[:, 0], chosen, level=level, window=window, refit=refit)
    require(panel, window + LEAST_FORECASTS, f"test forecasts from a window of {window:,}", held.names)
    result = result_of(panel, found, level, window, refit, periods)
    further = [*(note for each in found for note in each.notes), *unjudged(panel, found, window)]
    result |= sorted_notes([*held.notes, *held.returns.notes, *notes, *further])
    result["seconds"] = time.perf_counter() - began
    deliver(result, as_json, lambda: human(result), path, lambda path: write_report(path, panel, found, window, result))


def refuse_unused(methods: tuple[str, ...]) -> None:
    """Raises Fault for --refit when no method chosen has parameters that are fitted on a schedule."""
    from engine.verbs.risk.idle_options import Use, refuse_idle
    from models.faults import Fault

    twice = [method for method in methods if methods.count(method) > 1]
    if twice:
        raise Fault(f"--method {twice[0]} is named twice: name each method once")
    scheduled = bool(REFITTED & set(methods))
    refuse_idle(f"--method {' '.join(methods)}", Use("refit", scheduled, ", ".join(sorted(REFITTED))))


def period_of(
    dates: "NDArray[Any]", gains: "Floats", returns: "Panel", first: str | None, last: str | None, window: int
) -> "Panel":
    """The portfolio's returns as a panel of one series, from `window` rows before `first` to `last`."""
    import numpy as np

    from models.faults import DataFault, Fault
    from models.panel import Panel

    whole = Panel(("portfolio",), dates, gains[:, None], returns.dated)
    if first is None and last is None:
        return whole
    wanted = whole.between(first, last)
    if len(wanted.dates) == 0:
        raise Fault(f"there is no return from {first or 'the beginning'} to {last or 'the end'}")
    start, stop = np.searchsorted(dates, wanted.dates[[0, -1]])
    if first is not None and start < window:
        raise DataFault(
            f"{', '.join(returns.names[:6])}: only {start:,} returns lie before --from {first}, the first on "
            f"{whole.place(0)}; the window needs {window:,}"
        )
    kept = slice(max(0, start - window), stop + 1)
    return Panel(("portfolio",), dates[kept], gains[kept, None], returns.dated)


def result_of(
    panel: "Panel", found: "list[Forecasts]", level: float, window: int, refit: int, periods: tuple[str, ...]
) -> dict[str, Any]:
    """What the verb shows: every method over the whole span, by year and by the periods asked for."""
    losses, rows = -panel.values[window:, 0], panel.dates[window:]
    named = spans(panel, window, periods)
    methods = {}
    for each in found:
        row = coverage_of(losses, each, level)
        hits = losses > each.var
        row["exception_dates"] = places(panel, window, hits)
        row["periods"] = {
            name: coverage_of(losses[inside], each, level, inside)
            | {"exception_dates": places(panel, window, hits & inside)}
            for name, inside in named
        }
        row["shortfall"] = shortfall_of(losses, each, level)
        methods[each.method] = {"method": each.method} | row | {"refits": each.refits}
    return {
        "level": level,
        "window": window,
        "refit": refit,
        "from": panel.place(window),
        "to": panel.place(window + len(rows) - 1),
        "methods": methods,
        "comparisons": comparisons(losses, found, level),
    }


def places(panel: "Panel", window: int, hits: "NDArray[np.bool_]") -> list[str]:
    """The dates of the forecasts that are marked."""
    return [panel.place(window + row) for row in hits.nonzero()[0].tolist()]


def spans(panel: "Panel", window: int, periods: tuple[str, ...]) -> "list[Span]":
    """Named rows of the forecasts: periods first, then calendar years of at least `LEAST_DAYS` rows."""
    import numpy as np

    from models.faults import Fault

    dates = panel.dates[window:]
    found: list[Any] = []
    for period in periods:
        first, colon, last = period.partition(":")
        if not colon:
            raise Fault(f"--period {period!r}: written FROM:TO, like 2008-01-01:2009-12-31")
        chosen = panel.between(first, last).dates
        inside = np.isin(dates, chosen)
        if not inside.any():
            raise Fault(f"--period {period}: no forecast lies in it")
        found.append((period, inside))
    if panel.dated:
        years = dates.astype("datetime64[Y]")
        found += [(str(year), years == year) for year in np.unique(years) if np.sum(years == year) >= LEAST_DAYS]
    return found


def coverage_of(
    losses: "Floats", each: "Forecasts", level: float, inside: "NDArray[np.bool_] | None" = None
) -> dict[str, Any]:
    """Exceptions and their tests on the losses of one span."""
    from models.market_risk import christoffersen, kupiec, tick_loss, traffic_light

    var = each.var if inside is None else each.var[inside]
    hits = losses > var
    count, n = int(hits.sum()), len(losses)
    pairs = christoffersen(hits, level)
    light = traffic_light(n, count, level)
    return {
        "observations": n,
        "exceptions": count,
        "exception_dates": [],
        "expected": n * (1.0 - level),
        "kupiec": ratio_row(kupiec(n, count, level)),
        "independence": ratio_row(pairs.independence),
        "conditional": ratio_row(pairs.conditional),
        "traffic_light": {"zone": light.zone, "probability": light.probability, "multiplier": light.multiplier},
        "tick_loss": float(tick_loss(losses, var, level).mean()),
    }


def ratio_row(ratio: Any) -> dict[str, Any]:
    return {"statistic": ratio.statistic, "p_value": ratio.p_value, "passes": ratio.passes(SIZE)}


def shortfall_of(losses: "Floats", each: "Forecasts", level: float) -> dict[str, Any]:
    """Acerbi and Szekely's tests of the CVaR forecasts; None where a CVaR is no loss, for then losses over it say
    nothing."""
    from models.market_risk import acerbi_szekely

    if not (each.cvar > 0.0).all():
        return dict.fromkeys(("z1", "z1_p_value", "z2", "z2_p_value"))
    found = acerbi_szekely(losses, each.var, each.cvar, level)
    return {"z1": found.z1, "z1_p_value": found.z1_p_value, "z2": found.z2, "z2_p_value": found.z2_p_value}


def unjudged(panel: "Panel", found: "list[Forecasts]", window: int) -> list[str]:
    """Notes for methods whose CVaR was no loss on some day: the tests of shortfall are left out."""
    notes = []
    for each in found:
        gains = (each.cvar <= 0.0).nonzero()[0]
        if len(gains):
            notes.append(
                f"SHORTFALL_NOT_JUDGED: the CVaR of {each.method} is a gain on {len(gains):,} of {len(each.cvar):,} "
                f"days, the first {panel.place(window + int(gains[0]))}"
            )
    return notes


def comparisons(losses: "Floats", found: "list[Forecasts]", level: float) -> list[dict[str, Any]]:
    """Every method's tick loss against the first one's: t above 2, it is better; below -2, worse."""
    from models.market_risk import diebold_mariano, tick_loss

    first = tick_loss(losses, found[0].var, level)
    rows = []
    for each in found[1:]:
        test = diebold_mariano(first, tick_loss(losses, each.var, level))
        rows.append(
            {
                "method": each.method,
                "against": found[0].method,
                "mean": test.mean,
                "statistic": test.statistic,
                "p_value": test.p_value,
                "lags": test.lags,
            }
        )
    return rows


def human(result: dict[str, Any]) -> str:
    rows = []
    for name, method in result["methods"].items():
        rows.append([name, "all", *row_text(method)])
        rows += [["", period, *row_text(row)] for period, row in method["periods"].items() if ":" in period]
    headers = [
        "method",
        "period",
        "n",
        "expected",
        "exceptions",
        "Kupiec p",
        "indep. p",
        "cond. p",
        "zone",
        "tick loss",
    ]
    lines = [
        f"{result['from']} to {result['to']}, {result['level']:.4g}, window {result['window']}",
        table(headers, rows),
    ]
    lines += [
        f"{row['method']} against {row['against']}: tick loss lower by {row['mean']:.3g}, t = {row['statistic']:.2f}"
        for row in result["comparisons"]
    ]
    lines += ["", "a p-value below 0.05 fails (marked !)", *result["excluded"], *result["repairs"], *result["notes"]]
    return "\n".join([*lines, f"report: {result['report']}"])


def row_text(row: dict[str, Any]) -> list[str]:
    """Cells of one span."""
    tests = [
        f"{row[key]['p_value']:.3f}{' ' if row[key]['passes'] else '!'}"
        for key in ("kupiec", "independence", "conditional")
    ]
    numbers = [f"{row['observations']:,}", f"{row['expected']:.1f}", str(row["exceptions"])]
    return [*numbers, *tests, row["traffic_light"]["zone"], f"{row['tick_loss']:.3e}"]
