"""`bot4 risk optimise`: a portfolio from data, under constraints, by a deadline."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from engine.verbs.output import json_option, progress, table

if TYPE_CHECKING:
    from models.construction import Answer, Constraints, Moments, Objective, Problem
    from models.construction.black_litterman import View


@click.command()
@click.option(
    "--data",
    multiple=True,
    required=True,
    type=click.Path(dir_okay=False),
    help="Prices: CSV, Parquet or Feather; several files with the same dates may be given.",
)
@click.option("--column", multiple=True, help="The series to hold; all by default.")
@click.option("--returns", "are_returns", is_flag=True, help="The values are simple returns, not prices.")
@click.option(
    "--method",
    default="markowitz",
    show_default=True,
    type=click.Choice(["markowitz", "black-litterman", "risk-parity", "hrp", "mean-cvar"]),
)
@click.option(
    "--objective",
    type=click.Choice(["max-sharpe", "min-variance", "utility", "target-return"]),
    help="max-sharpe by default; mean-cvar: min-variance, which there is least CVaR.",
)
@click.option("--risk-aversion", type=float, default=2.5, show_default=True, help="Of utility and Black-Litterman.")
@click.option("--target-return", type=float, help="A year; for the objective target-return.")
@click.option("--rate", type=float, default=0.0, show_default=True, help="Return of cash, a year.")
@click.option("--periods-per-year", type=float, default=252.0, show_default=True)
@click.option("--covariance", type=click.Choice(["sample", "ledoit-wolf"]), default="ledoit-wolf", show_default=True)
@click.option("--bounds", nargs=2, type=float, default=(0.0, 1.0), show_default=True, help="LOW HIGH of every weight.")
@click.option("--min-weight", multiple=True, help="[NAME=]least weight.")
@click.option("--max-weight", multiple=True, help="[NAME=]largest weight.")
@click.option("--budget", type=float, default=1.0, show_default=True, help="Sum of the weights.")
@click.option("--gross-cap", type=float, help="Largest sum of the weights' sizes.")
@click.option("--group", multiple=True, help="LABEL=NAME,NAME,...:LOW:HIGH, limits on a sum of weights.")
@click.option("--market", multiple=True, help="NAME=weight, the market of Black-Litterman; equal by default.")
@click.option("--view", multiple=True, help="NAME=r or NAME-NAME=r, a return a year that is expected.")
@click.option("--tau", type=float, default=0.05, show_default=True, help="Of Black-Litterman.")
@click.option("--level", type=float, default=0.95, show_default=True, help="Of CVaR.")
@click.option("--time-limit-ms", type=float, default=1000.0, show_default=True, help="For the answer, data excluded.")
@click.option("--report", type=click.Path(dir_okay=False), help="HTML report; runs/risk by default.")
@json_option
def optimise(as_json: bool, **options: Any) -> None:
    """Build a portfolio.

    The best portfolio within the constraints, or, when the time limit comes first, the best one found, with how much
    better the optimum can be at most (the gap). Constraints that contradict each other are named.
    """
    from engine.errors import Exit, UserError
    from engine.verbs.risk.data_faults import on
    from engine.verbs.risk.delivery import deliver, report_path
    from engine.verbs.risk.optimise_report import write_report
    from engine.verbs.risk.per_name import simple_returns
    from models.construction import moments_of
    from models.construction import optimise as answer_to

    refuse_unused(options["method"], objective_of(options))
    path = report_path(options["report"], "optimise", as_json)
    progress("reading the data", as_json)
    _, returns = simple_returns(options["data"], options["column"], options["are_returns"])
    with on(returns):
        moments = moments_of(returns.values, returns.names, options["covariance"])
    problem = problem_of(options, moments, constraints_of(options, returns.names))
    answer = answer_to(problem, time_limit_s=options["time_limit_ms"] * 1e-3)
    if answer.weights is None:
        raise UserError(refusal(answer), Exit.USAGE if answer.status in ("refused", "infeasible") else Exit.FAILED)
    moments = believed(problem, moments)
    result = result_of(answer, problem, moments, options, [*returns.notes, *moments.notes, *answer.notes])
    year = options["periods_per_year"]
    deliver(
        result, as_json, lambda: human(result), path, lambda path: write_report(path, result, problem, moments, year)
    )


def objective_of(options: dict[str, Any]) -> "Objective":
    """As asked, or what the method is for: least CVaR, else the highest Sharpe ratio."""
    found: Objective = options["objective"] or ("min-variance" if options["method"] == "mean-cvar" else "max-sharpe")
    return found


def refuse_unused(method: str, objective: "Objective") -> None:
    """Raises Fault for an option that the method, or its objective, has no use for."""
    from engine.verbs.risk.idle_options import Use, refuse_idle

    believed, split = method == "black-litterman", method in ("risk-parity", "hrp")
    refuse_idle(
        f"--method {method}",
        Use("objective", not split, "markowitz, black-litterman and mean-cvar"),
        Use("risk_aversion", not split, "--objective utility and black-litterman"),
        Use("target_return", not split, "--objective target-return"),
        Use("rate", not believed, "the other methods: implied returns are over cash already"),
        Use("level", method == "mean-cvar", "--method mean-cvar"),
        *(Use(name, believed, "--method black-litterman") for name in ("market", "view", "tau")),
    )
    refuse_idle(
        f"--objective {objective}",
        Use("risk_aversion", believed or objective == "utility", "--objective utility and black-litterman"),
        Use("target_return", objective == "target-return", "--objective target-return"),
    )


def constraints_of(options: dict[str, Any], names: tuple[str, ...]) -> "Constraints":
    """Bounds, budget, groups. Raises Fault on what cannot be read."""
    from engine.verbs.risk.per_name import per_name
    from models.construction import Constraints

    low, high = options["bounds"]
    return Constraints(
        names,
        per_name(options["min_weight"], names, "--min-weight", low),
        per_name(options["max_weight"], names, "--max-weight", high),
        options["budget"],
        tuple(group_of(text, names) for text in options["group"]),
        options["gross_cap"],
    )


def group_of(text: str, names: tuple[str, ...]) -> Any:
    """LABEL=NAME,NAME:LOW:HIGH as a row; an empty side has no limit."""
    import numpy as np

    from engine.verbs.risk.per_name import member, number
    from models.construction import Row
    from models.faults import Fault

    label, sign, rest = text.partition("=")
    parts = rest.split(":")
    if not sign or len(parts) != 3 or not label.strip():
        raise Fault(f"--group: {text!r} is not LABEL=NAME,NAME:LOW:HIGH, like tech=AAPL,GOOG:0.1:0.4")
    coefficients = np.zeros(len(names))
    for name in parts[0].split(","):
        coefficients[member(name.strip(), names, "--group")] = 1.0
    low = number(parts[1], "--group") if parts[1].strip() else -np.inf
    high = number(parts[2], "--group") if parts[2].strip() else np.inf
    if low > high:
        raise Fault(f"--group {label}: its lower limit {low:g} lies above its upper limit {high:g}")
    return Row(f"group {label.strip()}", coefficients, low, high)


def problem_of(options: dict[str, Any], moments: "Moments", constraints: "Constraints") -> "Problem":
    from models.construction import Problem
    from models.faults import Fault

    method = options["method"]
    objective = objective_of(options)
    year = options["periods_per_year"]
    if not 0.0 < year < float("inf"):
        raise Fault(f"--periods-per-year must be above 0 and finite, is {year}")
    for name in ("rate", "target_return"):
        if not abs(options[name] or 0.0) < float("inf"):
            raise Fault(f"--{name.replace('_', '-')} must be finite, is {options[name]}")
    if objective == "target-return" and options["target_return"] is None:
        raise Fault("--objective target-return needs --target-return, a return a year")
    bl = method == "black-litterman"
    return Problem(
        method, constraints, moments.means, moments.covariance, objective,
        options["risk_aversion"], (options["target_return"] or 0.0) / year, options["rate"] / year,
        scenarios=moments.returns, level=options["level"], tau=options["tau"],
        market_weights=market_of(options["market"], moments.names) if bl else None,
        views=tuple(view_of(text, moments.names, year) for text in options["view"]),
    )  # fmt: skip


def market_of(given: Sequence[str], names: tuple[str, ...]) -> Any:
    """Weights of the market, scaled to sum to 1; None without any."""
    from engine.verbs.risk.per_name import per_name
    from models.faults import Fault

    if not given:
        return None
    weights = per_name(given, names, "--market", 0.0)
    if (weights < 0.0).any() or weights.sum() <= 0.0:
        raise Fault("--market: weights must not be negative and some must be above 0")
    return weights / weights.sum()


def view_of(text: str, names: tuple[str, ...], periods_per_year: float) -> "View":
    """NAME=r (it returns r a year) or NAME-OTHER=r (it returns r more than the other)."""
    import numpy as np

    from engine.verbs.risk.per_name import member, number
    from models.construction import View
    from models.faults import Fault

    about, sign, value = text.rpartition("=")
    if not sign or not about.strip():
        raise Fault(f"--view: {text!r} is not NAME=r or NAME-OTHER=r")
    exposures = np.zeros(len(names))
    folded = {name.lower() for name in names}
    sides = [about.strip()]
    if about.strip().lower() not in folded:  # a hyphen may be part of a name
        cuts = [i for i, letter in enumerate(about) if letter == "-"]
        split = [(about[:i].strip(), about[i + 1 :].strip()) for i in cuts]
        sides = next((list(pair) for pair in split if all(side.lower() in folded for side in pair)), sides)
    for side, exposure in zip(sides, (1.0, -1.0), strict=False):
        exposures[member(side, names, "--view")] += exposure
    return View(exposures, number(value, "--view") / periods_per_year)


def believed(problem: "Problem", moments: "Moments") -> "Moments":
    """The moments that the answer rests on: for Black-Litterman those after the views."""
    from dataclasses import replace

    from models.construction.answer import posterior_of

    if problem.method != "black-litterman":
        return moments
    found = posterior_of(problem)
    return replace(moments, means=found.means, covariance=found.covariance)


def refusal(answer: "Answer") -> str:
    """One line; the nearest weights are told only as information."""
    line = answer.notes[0] if answer.notes else f"no portfolio was found: {answer.status}"
    missed = ", ".join(f"{name} by {gap:.4g}" for name, gap in answer.missed[:3])
    return line + (f" (the nearest weights miss {missed})" if missed else "")


def result_of(
    answer: "Answer", problem: "Problem", moments: "Moments", options: dict[str, Any], notes: list[str]
) -> dict[str, Any]:
    weights = answer.weights
    assert weights is not None
    year = options["periods_per_year"]
    variance = float(weights @ moments.covariance @ weights)
    return {
        "weights": dict(zip(moments.names, weights.tolist(), strict=True)),
        "objective": answer.objective,
        "objective_name": objective_name(problem),
        "status": answer.status,
        "gap": answer.gap,
        "seconds": answer.seconds,
        "constraints_active": list(answer.constraints_active),
        "method": problem.method,
        "mean_per_year": float(weights @ moments.means) * year,
        "volatility_per_year": (variance * year) ** 0.5,
        "sharpe_ratio_per_year": sharpe_ratio(float(weights @ moments.means) - problem.rate, variance, year),
        "observations": moments.observations,
        "time_limit_ms": options["time_limit_ms"],
        "notes": notes,
    }


def sharpe_ratio(excess: float, variance: float, periods_per_year: float) -> float | None:
    """Of a year, from the excess return and the variance of a period; None where nothing moves."""
    return float((periods_per_year / variance) ** 0.5 * excess) if variance > 0.0 else None


def objective_name(problem: "Problem") -> str:
    """What the number called objective is; all of one period."""
    if problem.method == "risk-parity":
        return "largest miss of a risk budget"
    if problem.method == "hrp":
        return "variance"
    if problem.method == "mean-cvar":
        return "CVaR" if problem.objective != "utility" else "CVaR less mean / risk aversion"
    return {"max-sharpe": "Sharpe ratio", "utility": "mean less risk aversion x variance / 2"}.get(
        problem.objective, "variance"
    )


def human(result: dict[str, Any]) -> str:
    held = sorted(result["weights"].items(), key=lambda item: -abs(item[1]))
    rows = [[name, f"{weight:.2%}"] for name, weight in held if abs(weight) >= 5e-5]
    gap = "unknown" if result["gap"] is None else f"{result['gap']:.2g}"
    lines = [
        table(["", "weight"], rows),
        f"{result['method']}: {result['status']} in {result['seconds'] * 1e3:.1f} ms, {result['objective_name']} "
        f"{result['objective']:.6g} a period, gap {gap}",
        f"mean {result['mean_per_year']:+.2%} and volatility {result['volatility_per_year']:.2%} a year, from "
        f"{result['observations']:,} returns",
        f"binding: {', '.join(result['constraints_active']) or 'nothing but the budget'}",
    ]
    return "\n".join([*lines, *result["notes"], f"report: {result['report']}"])
