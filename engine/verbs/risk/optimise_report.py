"""The report of `bot4 risk optimise`: the portfolio, the frontier it lies on, and where its risk comes from."""

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.replay.report_charts import BUY, GRID, INK, LOSS, MUTED, SELL, Chart, axis, figure
from engine.replay.report_page import Figure, Page, Table, write_page

if TYPE_CHECKING:
    from models.construction import Constraints, Frontier, Moments, Problem

POINTS = 15  # on the frontier between two corners
SHOWN = 40  # names in the charts, those with most weight
FRONTIER_NAMES = 150  # beyond, the frontier is not drawn: it may have hundreds of corners

Array = np.ndarray[Any, Any]


def write_report(path: Path, result: dict[str, Any], problem: "Problem", moments: "Moments", year: float) -> None:
    """One page: frontier, weights beside risk contributions, correlations, every name, what binds."""
    write_page(page_of(result, problem, moments, year), path)


def page_of(result: dict[str, Any], problem: "Problem", moments: "Moments", year: float) -> Page:
    from models.construction.mean_cvar import cvar
    from models.construction.risk_parity import contributions

    weights = np.array(list(result["weights"].values()))
    risk = contributions(weights, moments.covariance) if weights.any() else np.zeros(len(weights))
    losses = -moments.returns @ weights
    tail, _ = cvar(losses, problem.level)
    mean, deviation = result["mean_per_year"], result["volatility_per_year"]
    cash = 0.0 if problem.method == "black-litterman" else problem.rate * year
    frontier, why = frontier_of(problem, moments)
    gap = "no bound known" if result["gap"] is None else f"optimum at most {result['gap']:.2g} better"
    names = list(moments.names)
    cautions = [*result["notes"], *([why] if why else [])]
    return Page(
        title="Portfolio",
        subtitle=f"{result['method']}, {result['objective_name']}: {len(names)} names",
        badge=result["status"].replace("_", " "),
        facts=[
            ("Method", f"{result['method']}, {problem.objective}"),
            ("Returns", f"{moments.observations:,} periods, {year:g} a year"),
            ("Status", f"{result['status']} in {result['seconds'] * 1e3:.1f} ms of {result['time_limit_ms']:g} ms"),
            ("Objective", f"{result['objective']:.6g} a period; {gap}"),
            (
                "Loss of a period",
                f"CVaR {problem.level:.1%} {tail:.2%}, worst {losses.max():.2%}, these weights on the data",
            ),
            ("Binding", ", ".join(result["constraints_active"]) or "nothing but the budget"),
        ],
        cautions=cautions,
        figures=[
            Figure("Mean a year", f"{mean:+.1%}", "as estimated", int(np.sign(mean))),
            Figure("Volatility a year", f"{deviation:.1%}", "as estimated"),
            Figure("Sharpe ratio", f"{(mean - cash) / deviation:.2f}", "a year, as estimated"),
            Figure("Names held", f"{int((np.abs(weights) > 5e-5).sum())}", f"effective {effective(weights):.1f}"),
        ],
        charts=[
            *([frontier_chart(frontier, result, moments, year)] if frontier is not None else []),
            weights_chart(names, weights, risk),
            correlation_chart(moments, weights),
        ],
        tables=[names_table(problem.constraints, moments, weights, risk, year), *views_tables(problem, moments, year)],
        footer="Means are estimates with large errors: the frontier is where the data lay, not where returns will be.",
    )


def effective(weights: Array) -> float:
    """Number of equal positions with the same concentration."""
    sizes = np.abs(weights)
    return float(sizes.sum() ** 2 / (sizes @ sizes)) if sizes.any() else 0.0


def frontier_of(problem: "Problem", moments: "Moments") -> "tuple[Frontier | None, str]":
    """The efficient frontier under the problem's constraints by critical lines, or why there is none."""
    from models.construction import critical_line
    from models.faults import Fault

    if len(moments.names) > FRONTIER_NAMES:
        return None, f"FRONTIER_NOT_DRAWN: more than {FRONTIER_NAMES} names"
    try:
        return critical_line(moments.means, moments.covariance, problem.constraints), ""
    except (Fault, np.linalg.LinAlgError) as error:
        return None, f"FRONTIER_NOT_DRAWN: {error}"


def frontier_chart(frontier: "Frontier", result: dict[str, Any], moments: "Moments", year: float) -> Chart:
    lambdas = frontier.lambdas[1:]
    dense = np.concatenate([np.linspace(a, b, POINTS) for a, b in pairwise(lambdas)] or [lambdas])
    held = np.array([frontier.at_lambda(float(value)) for value in dense])
    risk = np.sqrt(np.einsum("ki,ij,kj->k", held, moments.covariance, held) * year)
    corners = np.sqrt(year) * frontier.deviations
    traces = [
        points(risk, held @ moments.means * year, "efficient frontier", INK, mode="lines"),
        points(corners, frontier.means * year, "corner portfolios", INK, size=6),
        points(np.sqrt(np.diag(moments.covariance) * year), moments.means * year, "single names", MUTED, moments.names),
        points([result["volatility_per_year"]], [result["mean_per_year"]], "this portfolio", LOSS, size=13),
    ]
    drawn = figure(traces, "mean a year", ".0%")
    drawn["layout"]["xaxis"] = axis("volatility a year", ".0%") | {"rangemode": "tozero"}
    drawn["layout"]["margin"]["b"] = 52
    note = f"under the same bounds, budget and groups; {len(corners) - 1} corners, exact between them"
    return Chart("Efficient frontier", drawn, note, 420)


def points(x: Any, y: Any, name: str, colour: str, text: Any = None, *, mode: str = "markers", size: int = 7) -> Any:
    trace: dict[str, Any] = {
        "type": "scatter", "mode": mode, "x": np.asarray(x).tolist(), "y": np.asarray(y).tolist(), "name": name,
        "line": {"color": colour, "width": 1.8}, "marker": {"color": colour, "size": size},
    }  # fmt: skip
    if text is not None:
        trace |= {"mode": "markers+text", "text": list(text), "textposition": "top center", "textfont": {"size": 10}}
    return trace


def weights_chart(names: list[str], weights: Array, risk: Array) -> Chart:
    order = np.argsort(-np.abs(weights))[:SHOWN]
    labels = [names[i] for i in order]
    traces = [
        {"type": "bar", "x": labels, "y": weights[order].tolist(), "name": "weight", "marker": {"color": BUY}},
        {"type": "bar", "x": labels, "y": risk[order].tolist(), "name": "share of variance", "marker": {"color": SELL}},
    ]
    drawn = figure(traces, "share", ".0%")
    drawn["layout"]["xaxis"] = {"type": "category", "gridcolor": GRID}
    drawn["layout"]["barmode"] = "group"
    note = "where a bar of risk is taller than its weight, the name brings more risk than money"
    return Chart("Weights and contributions to risk", drawn, note, 340)


def correlation_chart(moments: "Moments", weights: Array) -> Chart:
    from models.construction.hierarchical import cluster_order

    held = np.argsort(-np.abs(weights), kind="stable")[:SHOWN]
    block = moments.covariance[np.ix_(held, held)]
    order = held[np.asarray(cluster_order(block), dtype=np.intp)]
    deviations = np.sqrt(np.diag(moments.covariance))[order]
    values = moments.covariance[np.ix_(order, order)] / np.outer(deviations, deviations)
    labels = [moments.names[i] for i in order]
    trace = {
        "type": "heatmap", "x": labels, "y": labels, "z": np.round(values, 4).tolist(), "zmin": -1, "zmax": 1,
        "colorscale": [[0, LOSS], [0.5, "#ffffff"], [1, BUY]], "colorbar": {"thickness": 12},
    }  # fmt: skip
    drawn = figure([trace], "")
    drawn["layout"]["xaxis"] = {"type": "category", "tickangle": -60}
    drawn["layout"]["yaxis"] = {"type": "category", "autorange": "reversed"}
    drawn["layout"]["margin"]["b"] = 70
    return Chart("Correlations", drawn, "neighbours are alike: ordered by single-linkage clusters", 460)


def names_table(constraints: "Constraints", moments: "Moments", weights: Array, risk: Array, year: float) -> Table:
    order = np.argsort(-np.abs(weights), kind="stable")
    rows = [
        [
            moments.names[i], f"{weights[i]:.2%}", f"{risk[i]:.2%}", f"{moments.means[i] * year:+.1%}",
            f"{np.sqrt(moments.covariance[i, i] * year):.1%}",
            f"{constraints.lower[i]:.0%} to {constraints.upper[i]:.0%}",
        ]
        for i in order
    ]  # fmt: skip
    rows.append(["Sum", f"{weights.sum():.2%}", f"{risk.sum():.2%}", "", "", ""])
    headings = ["Name", "Weight", "Share of variance", "Mean a year", "Volatility a year", "Bounds"]
    return Table("Names", headings, rows, frozenset({"Name"}), total=True)


def views_tables(problem: "Problem", moments: "Moments", year: float) -> list[Table]:
    """For Black-Litterman: what the market implies and what the views make of it, a year."""
    from models.construction.answer import posterior_of

    if problem.method != "black-litterman":
        return []
    found = posterior_of(problem)
    rows = [
        [name, f"{found.implied[i] * year:+.2%}", f"{found.means[i] * year:+.2%}"]
        for i, name in enumerate(moments.names)
    ]
    note = f"{len(problem.views)} views; tau {problem.tau:g}, risk aversion {problem.risk_aversion:g}"
    headings = ["Name", "Implied by the market", "After the views"]
    return [Table("Expected returns a year", headings, rows, frozenset({"Name"}), note)]
