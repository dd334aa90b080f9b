"""The page of `bot4 risk fit`: what was estimated, how sure that is, and what it left unexplained."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.replay.report_page import Figure, Page, Table, write_page
from engine.verbs.risk import fit_charts

if TYPE_CHECKING:
    from models.dependence import DependenceFit
    from models.panel import Panel
    from models.regimes import HmmFit
    from models.volatility import VolatilityFit

NAMES = {
    "garch": "GARCH(1,1)",
    "gjr": "GJR-GARCH(1,1)",
    "egarch": "EGARCH(1,1)",
    "aparch": "APARCH(1,1)",
    "ccc": "Constant conditional correlation",
    "dcc": "Dynamic conditional correlation",
    "hmm": "Hidden Markov model",
}
PARAMETERS_SHOWN = 200
FOOTER = (
    "Maximum likelihood. hessian: inverse Hessian; opg: outer product of scores; robust: the sandwich of both "
    "(Bollerslev and Wooldridge 1992)."
)
LAGS = 20


def write_report(
    path: Path, panel: "Panel", series: str, fitted: "VolatilityFit | DependenceFit | HmmFit", result: dict[str, Any]
) -> None:
    """Writes the page. Raises UserError when that cannot be done."""
    model = result["model"]
    names = result["series"] if isinstance(result["series"], str) else ", ".join(result["series"])
    page = Page(
        title=f"{NAMES[model]}: {names}",
        subtitle=f"{panel.place(0)} to {panel.place(len(panel.dates) - 1)}, {result['n']:,} returns",
        badge="fit",
        facts=facts(result),
        alarm=None if result["health"]["ok"] else (result["health"]["code"], [result["health"]["note"]]),
        cautions=list(result["notes"]),
        tables=[parameter_table(result)],
        footer=FOOTER,
    )
    if model in ("ccc", "dcc"):
        correlation_page(page, panel, fitted, result)  # type: ignore[arg-type]
    elif model == "hmm":
        regimes_page(page, panel, fitted)  # type: ignore[arg-type]
    else:
        volatility_page(page, panel, series, fitted)  # type: ignore[arg-type]
    write_page(page, path)


def facts(result: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("errors", str(result["errors"])),
        ("mean", str(result["mean"])),
        ("start variance", str(result["start_variance"] or "none")),
        ("estimator", str(result.get("estimator", "maximum likelihood"))),
        ("converged", "yes" if result["converged"] else "no"),
        ("took", f"{result['seconds'] * 1e3:,.1f} ms"),
    ]
    return [(name, value) for name, value in rows if value != "none"]


def parameter_table(result: dict[str, Any]) -> Table:
    """Estimates with their standard errors and the robust t ratio."""
    errors = result["standard_errors"]
    kinds = [kind for kind in ("hessian", "opg", "robust") if kind in errors]
    rows = []
    for name, value in list(result["parameters"].items())[:PARAMETERS_SHOWN]:
        own = [errors[kind].get(name, float("nan")) for kind in kinds]
        ratio = value / own[-1] if own and own[-1] > 0 else float("nan")
        rows.append([name, f"{value:.6g}", *(f"{each:.4g}" for each in own), f"{ratio:.2f}"])
    more = len(result["parameters"]) - len(rows)
    return Table(
        "Parameters",
        ["parameter", "estimate", *(f"s.e. {kind}" for kind in kinds), "t, robust"],
        rows,
        frozenset(["parameter"]),
        f"{more:,} more are in the JSON." if more else "nan: not defined, as on a bound.",
    )


# -- one series ------------------------------------------------------------------------------------------------------


def volatility_page(page: Page, panel: "Panel", series: str, fitted: "VolatilityFit") -> None:
    import math

    persistence = fitted.persistence
    half_life = math.log(0.5) / math.log(persistence) if 0.0 < persistence < 1.0 else math.inf
    page.figures = [
        Figure("log-likelihood", f"{fitted.loglik:,.2f}", f"{len(fitted.parameters)} parameters"),
        Figure("next volatility", f"{fitted.next_variance**0.5:.4g}", "per observation, in the unit of the returns"),
        Figure("persistence", f"{persistence:.4f}", "of a shock to the variance"),
        Figure("half-life", f"{half_life:,.0f}" if math.isfinite(half_life) else "none", "observations"),
        Figure("health", fitted.health.code, "the model's variances" if fitted.health.ok else "EWMA takes its place"),
    ]
    page.charts = [
        fit_charts.band_chart(panel, series, fitted),
        fit_charts.quantile_chart(fitted),
        fit_charts.news_chart(fitted),
        fit_charts.memory_chart(fitted, LAGS),
    ]
    page.tables.append(left_over_table(fitted))


def left_over_table(fitted: "VolatilityFit") -> Table:
    """What is left in the standardised residuals; nothing should be."""
    import numpy as np

    from models.volatility.diagnostics import ljung_box

    z = fitted.standardised
    centred = z - z.mean()
    moments = [float(np.mean(centred**power)) for power in (2, 3, 4)]
    plain, squared = ljung_box(z, LAGS), ljung_box(z**2, LAGS)
    rows = [
        ["mean", f"{z.mean():+.4f}", ""],
        ["standard deviation", f"{moments[0] ** 0.5:.4f}", ""],
        ["skewness", f"{moments[1] / moments[0] ** 1.5:+.3f}", ""],
        ["kurtosis", f"{moments[2] / moments[0] ** 2:.3f}", ""],
        [f"Ljung-Box of z, {LAGS} lags", f"{plain[0]:.2f}", f"{plain[1]:.3f}"],
        [f"Ljung-Box of z squared, {LAGS} lags", f"{squared[0]:.2f}", f"{squared[1]:.3f}"],
    ]
    note = "z: residual over its conditional standard deviation. A small p-value: the model has left something."
    return Table("What is left", ["figure", "value", "p-value"], rows, frozenset(["figure"]), note)


# -- several series, regimes -----------------------------------------------------------------------------------------


def correlation_page(page: Page, panel: "Panel", fitted: "DependenceFit", result: dict[str, Any]) -> None:
    page.figures = [
        Figure("log-likelihood", f"{fitted.loglik:,.2f}", fitted.estimator),
        Figure("persistence", f"{fitted.persistence:.4f}", "of correlation" if fitted.model == "dcc" else "largest"),
        Figure("health", fitted.health.code, fitted.health.note),
    ]
    if fitted.two_step_loglik is not None:
        page.figures.insert(1, Figure("log-likelihood, two-step", f"{fitted.two_step_loglik:,.2f}", "for comparison"))
    page.charts = [
        fit_charts.correlation_chart(fitted),
        *([fit_charts.paths_chart(panel, fitted)] if fitted.model == "dcc" else []),
        fit_charts.volatilities_chart(panel, fitted),
    ]


def regimes_page(page: Page, panel: "Panel", fitted: "HmmFit") -> None:
    page.figures = [
        Figure("log-likelihood", f"{fitted.loglik:,.2f}", f"{fitted.states} states"),
        *(
            Figure(f"state {i}", f"{fitted.volatilities[i]:.4g}", f"volatility; {fitted.last_probabilities[i]:.1%} now")
            for i in range(fitted.states)
        ),
        Figure("health", fitted.health.code, fitted.health.note),
    ]
    page.charts = [fit_charts.states_chart(panel, fitted)]
    page.tables.append(
        Table(
            "Transition, from the row to the column",
            ["from", *(str(j) for j in range(fitted.states))],
            [[str(i), *(f"{value:.4f}" for value in row)] for i, row in enumerate(fitted.transition.tolist())],
        )
    )
