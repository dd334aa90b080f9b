"""`bot4 risk var`: what a portfolio can lose, how surely that is known, and which positions make it."""

import time
from typing import TYPE_CHECKING, Any

import click

from engine.verbs.output import json_option, progress, table
from engine.verbs.risk.var_inputs import data_options, value_option

if TYPE_CHECKING:
    from engine.verbs.risk.var_inputs import Holding
    from models.market_risk import Measure
    from models.panel import Panel

METHODS = ("historical", "parametric", "parametric-t", "cornish-fisher", "filtered", "monte-carlo")


@click.command()
@click.option(
    "--portfolio",
    "portfolio_path",
    required=True,
    type=click.Path(dir_okay=False),
    help="instrument,quantity or weight.",
)
@data_options
@value_option
@click.option("--method", type=click.Choice(METHODS), default="filtered", show_default=True)
@click.option("--level", type=float, default=0.99, show_default=True, help="Confidence, between 0.5 and 1.")
@click.option("--horizon", type=int, default=1, show_default=True, help="Rows of the data.")
@click.option("--window", type=int, help="Estimated on the last so many returns; all by default.")
@click.option("--paths", type=int, default=100_000, show_default=True, help="Of a simulation.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--copula", type=click.Choice(["t", "gaussian"]), default="t", show_default=True, help="monte-carlo")
@click.option("--margins", type=click.Choice(["t", "empirical"]), default="t", show_default=True, help="monte-carlo")
@click.option("--jumps", is_flag=True, help="monte-carlo: Merton jumps estimated from each series.")
@click.option(
    "--gpu",
    type=click.Choice(["off", "auto", "require"]),
    default="off",
    show_default=True,
    help="Make the paths on one.",
)
@click.option(
    "--liquidity",
    "liquidity",
    multiple=True,
    metavar="[NAME=]PATH",
    help="Cost of leaving, from recorded books (recording, tape, run's folder) or CSV instrument,spread,...",
)
@click.option(
    "--depth-bps", type=float, default=10.0, show_default=True, help="Of recorded books: what rests so near the mid."
)
@json_option
def var(
    portfolio_path: str,
    data_paths: tuple[str, ...],
    are_returns: bool,
    value: float,
    method: str,
    level: float,
    horizon: int,
    window: int | None,
    report_to: str | None,
    liquidity: tuple[str, ...],
    depth_bps: float,
    as_json: bool,
    **simulation: Any,
) -> None:
    """Estimate VaR and CVaR of a portfolio, with who contributes what.

    Both are positive losses over the horizon: a fraction of the value for weights, money for quantities (or with
    --value). Contributions sum to VaR; those to CVaR stand beside them.
    """
    from engine.verbs.risk.data_faults import on
    from engine.verbs.risk.delivery import deliver, report_path
    from engine.verbs.risk.var_inputs import holding
    from engine.verbs.risk.var_report import write_report

    began = time.perf_counter()
    refuse_unused(method, level, window)
    refuse_unused_depth(liquidity, depth_bps)
    path = report_path(report_to, "var", as_json)
    held = holding(portfolio_path, data_paths, are_returns, value)
    used = windowed(held.complete(), window)
    progress(f"{len(held.names)} positions, {len(used.dates):,} returns to {used.place(len(used.dates) - 1)}", as_json)
    with on(used):
        measure = measured(method, used, held, level, horizon, simulation)
    result = result_of(measure, held, used)
    if liquidity:
        result["liquidity"], further = liquidity_of(liquidity, depth_bps, held, measure)
        result["notes"] += further
    result["seconds"] = time.perf_counter() - began
    deliver(
        result, as_json, lambda: human(result), path,
        lambda path: write_report(path, held, used, measure, method, result),
    )  # fmt: skip


def refuse_unused(method: str, level: float, window: int | None) -> None:
    """Raises Fault for an option that the method has no use for, and for a window that no data could make do."""
    from engine.verbs.risk.idle_options import Use, refuse_idle
    from models.faults import Fault
    from models.market_risk.order_statistics import check_level, least_scenarios

    check_level(level)
    simulated, drawn = method in ("filtered", "monte-carlo"), method == "monte-carlo"
    refuse_idle(
        f"--method {method}",
        *(Use(name, simulated, "filtered and monte-carlo") for name in ("paths", "seed", "gpu")),
        *(Use(name, drawn, "monte-carlo") for name in ("copula", "margins", "jumps")),
    )
    if method == "historical" and window is not None and window < least_scenarios(level):
        raise Fault(f"--window is {window}: a loss at level {level:g} needs {least_scenarios(level):,} returns to show")


def windowed(returns: "Panel", window: int | None) -> "Panel":
    """The last `window` rows, or all."""
    from dataclasses import replace

    from engine.verbs.risk.data_faults import require
    from models.faults import Fault

    if window is None:
        return returns
    if window < 2:
        raise Fault(f"--window is {window}: at least 2 returns")
    require(returns, window, "fill --window")
    return replace(returns, dates=returns.dates[-window:], values=returns.values[-window:])


def measured(
    method: str, returns: "Panel", held: "Holding", level: float, horizon: int, simulation: dict[str, Any]
) -> "Measure":
    """The measure by the method of that name."""
    from models.faults import Fault
    from models.market_risk import filtered_var, fit_jumps, historical_var, monte_carlo_var, parametric_var
    from models.market_risk.order_statistics import least_scenarios

    if not 1_000 <= simulation["paths"] <= 10_000_000:
        raise Fault(f"--paths is {simulation['paths']:,}: 1,000 to 10,000,000")
    if method in ("filtered", "monte-carlo") and simulation["paths"] < least_scenarios(level):
        raise Fault(f"--paths is {simulation['paths']:,}: a loss at level {level:g} needs {least_scenarios(level):,}")
    values, exposures = returns.values, held.exposures
    if method == "historical":
        return historical_var(values, exposures, level=level, horizon=horizon)
    if method in ("parametric", "parametric-t", "cornish-fisher"):
        errors: Any = {"parametric": "normal", "parametric-t": "t"}.get(method, method)
        return parametric_var(values, exposures, level=level, horizon=horizon, errors=errors)
    shared: dict[str, Any] = {"level": level, "horizon": horizon, "names": held.names}
    shared |= {"paths": simulation["paths"], "seed": simulation["seed"], "device": simulation["gpu"]}
    if method == "filtered":
        return filtered_var(values, exposures, **shared)
    jumps, notes = fit_jumps(values, held.names) if simulation["jumps"] else (None, ())
    return monte_carlo_var(
        values, exposures, copula=simulation["copula"], margins=simulation["margins"], jumps=jumps, **shared
    ).noted(*notes)


def result_of(measure: "Measure", held: "Holding", used: "Panel") -> dict[str, Any]:
    """What the verb shows."""
    from engine.verbs.risk.var_inputs import sorted_notes

    def by_name(values: Any) -> dict[str, float]:
        return dict(zip(held.names, values.tolist(), strict=True))

    var_parts, cvar_parts = measure.var_contributions, measure.cvar_contributions
    return {
        "method": measure.method,
        "level": measure.level,
        "horizon": measure.horizon,
        "observations": measure.observations,
        "returns": len(used.dates),
        "from": used.place(0),
        "to": used.place(len(used.dates) - 1),
        "unit": held.unit,
        "exposures": by_name(held.exposures),
        "var": measure.var,
        "cvar": measure.cvar,
        "standard_error": measure.standard_error,
        "standard_error_cvar": measure.standard_error_cvar,
        "marginal": by_name(var_parts.marginal),
        "component": by_name(var_parts.component),
        "incremental": by_name(var_parts.incremental),
        "marginal_cvar": by_name(cvar_parts.marginal),
        "component_cvar": by_name(cvar_parts.component),
        "incremental_cvar": by_name(cvar_parts.incremental),
    } | sorted_notes([*held.notes, *used.notes, *measure.notes])


def human(result: dict[str, Any]) -> str:
    from engine.verbs.risk.var_inputs import money

    unit = result["unit"]
    lines = [
        f"{result['method']}, {result['level']:.4g} over {result['horizon']} step(s), "
        f"{result['observations']:,} observations, returns {result['from']} to {result['to']}",
        f"VaR   {money(result['var'], unit)}  ± {money(result['standard_error'], unit)}",
        f"CVaR  {money(result['cvar'], unit)}  ± {money(result['standard_error_cvar'], unit)}",
        "",
    ]
    largest = max(map(abs, result["exposures"].values()))

    def amount(value: float) -> str:
        return money(value, unit, largest)

    rows = [
        [
            name,
            amount(result["exposures"][name]),
            amount(result["component"][name]),
            f"{result['component'][name] / result['var']:.1%}" if result["var"] else "",
            f"{result['marginal'][name]:.4f}",
            amount(result["incremental"][name]),
            amount(result["component_cvar"][name]),
        ]
        for name in sorted(result["component"], key=lambda name: -float(result["component"][name]))
    ]
    headers = ["instrument", "exposure", "component", "share", "marginal", "incremental", "of CVaR"]
    lines.append(table(headers, rows))
    if "liquidity" in result:
        adjusted = result["liquidity"]
        lines += ["", f"with the cost of leaving: {money(adjusted['total'], unit)}"]
    lines += ["", *result["excluded"], *result["repairs"], *result["notes"], f"report: {result['report']}"]
    return "\n".join(lines)


def refuse_unused_depth(liquidity: tuple[str, ...], depth_bps: float) -> None:
    """Raises Fault for --depth-bps without a book, for several tables, and for a distance that cannot be one."""
    from engine.verbs.risk.idle_options import Use, refuse_idle
    from engine.verbs.risk.recorded_books import is_book
    from models.faults import Fault

    books = [text for text in liquidity if is_book(text)]
    refuse_idle("no recorded book", Use("depth_bps", bool(books), "--liquidity of recordings, tapes and runs"))
    if len(liquidity) > 1 and len(books) < len(liquidity):
        raise Fault("--liquidity: give one CSV of terms, or recorded books, one for each position; not both")
    if not 0.0 < depth_bps < 1e4:
        raise Fault(f"--depth-bps is {depth_bps:g}: above 0 and below 10,000, like 10")


def liquidity_of(
    given: tuple[str, ...], depth_bps: float, held: "Holding", measure: "Measure"
) -> tuple[dict[str, Any], list[str]]:
    """VaR with the cost of leaving, the seconds in which each position can be left, what that rests on; and notes."""
    from dataclasses import asdict

    from engine.errors import UserError
    from engine.verbs.risk.recorded_books import is_book, terms_from_books
    from models.faults import Fault
    from models.market_risk.liquidity import leaving, read_liquidity

    step_s = measure.horizon * held.step_s if held.step_s else None
    if not is_book(given[0]):
        try:
            terms = read_liquidity(given[0], held.names)
        except OSError as error:
            raise UserError(f"{given[0]}: cannot be read: {error.strerror}") from None
        found = leaving(measure.var, held.names, held.exposures, terms, step_s=step_s)
        return found, never_left(found)
    if held.unit == "fraction":
        raise Fault("--liquidity: a book's depth is money; give quantities, or the portfolio's --value")
    terms, facts, notes = terms_from_books(given, held, depth_bps)
    found = leaving(measure.var, held.names, held.exposures, terms, step_s=step_s)
    each = {name: asdict(terms[name]) | facts[name] for name in held.names}
    return found | {"depth_bps": depth_bps, "books": each}, [*notes, *never_left(found)]


def never_left(found: dict[str, Any]) -> list[str]:
    """A note on positions without any depth: the total holds neither their depth cost nor their time."""
    stuck = [name for name, seconds in found["seconds_to_liquidate"].items() if seconds == float("inf")]
    if not stuck:
        return []
    return [f"NO_DEPTH: {', '.join(stuck)} cannot be left, for nothing rests there; the total counts the spread alone"]
