"""`bot4 risk fit`: a volatility, correlation or regime model of series in a file, by maximum likelihood."""

from typing import TYPE_CHECKING, Any

import click

from engine.verbs.output import json_option, progress, table

if TYPE_CHECKING:
    from kernels.device import Mode
    from models.dependence import DependenceFit
    from models.panel import Panel
    from models.regimes import HmmFit
    from models.volatility import VolatilityFit

UNIVARIATE = ("garch", "gjr", "egarch", "aparch")
MODELS = (*UNIVARIATE, "ccc", "dcc", "hmm")


@click.command()
@click.option("--model", type=click.Choice(MODELS), required=True)
@click.option("--data", "data_path", required=True, type=click.Path(dir_okay=False), help="CSV, Parquet or Feather.")
@click.option("--column", "columns", multiple=True, metavar="NAME...", help="The series; all by default.")
@click.argument("more", nargs=-1, metavar="")
@click.option("--returns", "are_returns", is_flag=True, help="The values are returns, not prices.")
@click.option(
    "--start-variance", type=click.Choice(["benchmark", "backcast", "unconditional", "ols"]),
    help="Before the first return. benchmark: mean square at the current mean; backcast: as arch, the default.",
)  # fmt: skip
@click.option("--mean", help='zero, constant (default), var1, or equations such as "honda=L.nissan".')
@click.option("--errors", type=click.Choice(["normal", "t", "skewt"]), default="normal", show_default=True)
@click.option(
    "--estimator",
    type=click.Choice(["two-step", "joint", "composite"]),
    help="ccc: joint, dcc: two-step by default; t and skewt: two-step.",
)
@click.option("--states", type=int, default=2, show_default=True, help="Of the hidden Markov model.")
@click.option(
    "--gpu", type=click.Choice(["off", "auto", "require"]), default="off", show_default=True,
    help="dcc, two-step or composite: search its dynamics on one.",
)  # fmt: skip
@click.option("--report", "report_to", type=click.Path(dir_okay=False), help="HTML report; runs/risk by default.")
@json_option
def fit(
    model: str,
    data_path: str,
    columns: tuple[str, ...],
    more: tuple[str, ...],
    are_returns: bool,
    start_variance: str | None,
    mean: str | None,
    errors: str,
    estimator: str | None,
    states: int,
    gpu: "Mode",
    report_to: str | None,
    as_json: bool,
) -> None:
    """Fit a volatility, correlation or regime model.

    Standard errors of three kinds: hessian (inverse Hessian), opg (outer product of scores), robust (the sandwich of
    both, Bollerslev and Wooldridge 1992, right also when the density is not).
    """
    from engine.verbs.risk.data_faults import on
    from engine.verbs.risk.delivery import deliver, report_path
    from engine.verbs.risk.fit_report import write_report

    refuse(model, start_variance, mean, errors, estimator, more, columns)
    path = report_path(report_to, f"fit-{model}", as_json)
    panel = panel_of(data_path, (*columns, *more), are_returns, mean)
    progress(f"{', '.join(panel.names)}: {len(panel.dates):,} returns", as_json)
    with on(panel):
        if model in UNIVARIATE:
            fitted: VolatilityFit | DependenceFit | HmmFit
            fitted, series, expected = fit_volatility(panel, model, start_variance, mean, errors, (*columns, *more))
            result = volatility_result(fitted, model, series)
            result |= {"mean": mean or "constant", "standard_errors_expected": expected}
        elif model == "hmm":
            fitted, series = fit_regimes(panel, states), panel.names[0]
            result = regimes_result(fitted, series)
        else:
            fitted, series = fit_correlation(panel, model, mean, errors, estimator, gpu), ""
            result = correlation_result(fitted)
    result["notes"] = [*panel.notes, *result["notes"]]
    deliver(
        result, as_json, lambda: human(result), path, lambda path: write_report(path, panel, series, fitted, result)
    )


def refuse(
    model: str, start: str | None, mean: str | None, errors: str, estimator: str | None, more: tuple[str, ...],
    columns: tuple[str, ...],
) -> None:  # fmt: skip
    """Raises Fault for an option that the model has no use for: it is not left out silently."""
    from engine.verbs.risk.idle_options import Use, refuse_idle
    from models.faults import Fault

    refuse_idle(
        f"--model {model}", Use("states", model == "hmm", "--model hmm"), Use("gpu", model == "dcc", "--model dcc")
    )
    if more and not columns:
        raise Fault(f"{more[0]!r} is no option; name series with --column {more[0]}")
    if model in ("ccc", "dcc") and start not in (None, "benchmark"):
        raise Fault(f"--start-variance {start}: {model} knows benchmark only")
    if model in ("ccc", "dcc") and errors != "normal" and estimator == "joint":
        raise Fault(f"--errors {errors}: the joint likelihood is a normal one; use --estimator two-step")
    if model not in ("ccc", "dcc") and estimator:
        raise Fault(f"--estimator belongs to ccc and dcc, not to {model}")
    if model == "hmm" and (start or mean or errors != "normal"):
        raise Fault("--start-variance, --mean and --errors have no meaning for hmm: each state has its own mean")


def panel_of(data_path: str, columns: tuple[str, ...], are_returns: bool, mean: str | None) -> "Panel":
    """Log returns of the series asked for and of those that an equation of the mean names."""
    from models.panel import read_panel, returns_of

    named = equation_names(mean)
    wanted = dict.fromkeys((*columns, *named)) if columns or named else {}
    if named and not columns:
        wanted = {}  # every series of the file; the equations choose among them
    return returns_of(read_panel([data_path], columns=tuple(wanted)), are_returns=are_returns)


def equation_names(mean: str | None) -> tuple[str, ...]:
    """Series named by equations such as honda=L.nissan; none for a word such as zero."""
    if mean is None or "=" not in mean:
        return ()
    sides = [side.strip() for text in mean.split(",") for side in text.split("=")]
    terms = [term.strip().removeprefix("L.") for side in sides for term in side.split("+")]
    return tuple(term for term in terms if term and term != "constant")


# -- models ----------------------------------------------------------------------------------------------------------


def fit_volatility(
    panel: "Panel", model: str, start: str | None, mean: str | None, errors: str, columns: tuple[str, ...]
) -> "tuple[VolatilityFit, str, dict[str, dict[str, float]]]":
    """The fit, the name of its series, and standard errors from the expected information where errors are normal."""
    import numpy as np

    from models.dependence.means import equations_of
    from models.volatility import Spec, expected_errors
    from models.volatility import fit as maximum_likelihood

    place = place_of_series(panel, model, mean, columns)
    words: dict[str, Any] = {"process": model, "errors": errors, "start_variance": start or "backcast"}
    series, design = np.ascontiguousarray(panel.values[:, place]), None
    labels: tuple[str, ...] = ()
    if mean in (None, "zero", "constant"):
        spec = Spec(**words, mean="zero" if mean == "zero" else "constant")
    else:
        equations = equations_of(panel.values, panel.names, mean or "")
        spec = Spec(**words, mean="regressors")
        series, design = np.ascontiguousarray(equations.returns[:, place]), equations.designs[place]
        labels = equations.labels[place]
    fitted = maximum_likelihood(series, spec, regressors=design, regressor_names=labels, name=panel.names[place])
    return fitted, panel.names[place], expected_errors(fitted, series, design) if errors == "normal" else {}


def place_of_series(panel: "Panel", model: str, mean: str | None, columns: tuple[str, ...]) -> int:
    """The column a model of one series is for: the left side of the equation, or the one column. Raises Fault."""
    from models.faults import Fault

    names = equation_names(mean)
    target = names[0] if names else columns[0] if columns else panel.names[0]
    if not names and len(panel.names) > 1:
        raise Fault(
            f"{model} is a model of one series, and there are {', '.join(panel.names[:8])}: choose one, --column"
        )
    folded = [name.lower() for name in panel.names]
    if target.lower() not in folded:
        raise Fault(f"--mean {mean}: there is no series {target!r}; there are {', '.join(panel.names[:8])}")
    return folded.index(target.lower())


def fit_correlation(
    panel: "Panel", model: str, mean: str | None, errors: str, estimator: str | None, gpu: "Mode"
) -> "DependenceFit":
    """Margins with these errors and their correlation: CCC jointly where that is possible, DCC in two steps."""
    from models.dependence import fit_ccc, fit_dcc

    words: dict[str, Any] = {"names": panel.names, "mean": mean or "constant", "errors": errors}
    if model == "ccc":
        return fit_ccc(panel.values, estimator=estimator or ("joint" if errors == "normal" else "two-step"), **words)
    return fit_dcc(panel.values, estimator=estimator or "two-step", device=gpu, **words)


def fit_regimes(panel: "Panel", states: int) -> "HmmFit":
    from math import isfinite

    from models.faults import DataFault, Fault
    from models.regimes import fit_hmm

    if len(panel.names) > 1:
        raise Fault(f"hmm is a model of one series, and there are {', '.join(panel.names[:8])}: choose one, --column")
    found = fit_hmm(panel.values[:, 0], states)
    if not isfinite(found.loglik):
        raise DataFault(f"{panel.names[0]}: {found.health.note}")
    return found


# -- results ---------------------------------------------------------------------------------------------------------


def volatility_result(fitted: "VolatilityFit", model: str, series: str) -> dict[str, Any]:
    return {
        "model": model,
        "series": series,
        "parameters": fitted.parameters,
        "standard_errors": fitted.standard_errors,
        "loglik": fitted.loglik,
        "converged": fitted.converged,
        "persistence": fitted.persistence,
        "health": {"ok": fitted.health.ok, "code": fitted.health.code, "note": fitted.health.note},
        "start_variance": fitted.spec.start_variance,
        "start_variance_value": fitted.start_variance,
        "errors": fitted.spec.errors,
        "next_volatility": fitted.next_variance**0.5,
        "evaluations": fitted.evaluations,
        "n": fitted.n,
        "seconds": fitted.seconds,
        "notes": list(fitted.notes),
    }


def correlation_result(fitted: "DependenceFit") -> dict[str, Any]:
    return {
        "model": fitted.model,
        "series": list(fitted.names),
        "parameters": fitted.parameters,
        "standard_errors": fitted.standard_errors,
        "loglik": fitted.loglik,
        "two_step_loglik": fitted.two_step_loglik,
        "converged": fitted.converged,
        "persistence": fitted.persistence,
        "health": {"ok": fitted.health.ok, "code": fitted.health.code, "note": fitted.health.note},
        "start_variance": fitted.start_variance,
        "mean": fitted.mean,
        "errors": fitted.errors,
        "estimator": fitted.estimator,
        "correlation": fitted.correlation.tolist(),
        "next_volatilities": (fitted.next_variances**0.5).tolist(),
        "n": fitted.n,
        "seconds": fitted.seconds,
        "notes": list(fitted.notes),
    }


def regimes_result(fitted: "HmmFit", series: str) -> dict[str, Any]:
    return {
        "model": "hmm",
        "series": series,
        "parameters": fitted.parameters,
        "standard_errors": fitted.standard_errors,
        "loglik": fitted.loglik,
        "converged": fitted.converged,
        "persistence": list(fitted.persistence),
        "health": {"ok": fitted.health.ok, "code": fitted.health.code, "note": fitted.health.note},
        "start_variance": None,
        "mean": "constant",
        "errors": "normal",
        "states": fitted.states,
        "transition": fitted.transition.tolist(),
        "stationary": fitted.stationary.tolist(),
        "last_probabilities": fitted.last_probabilities.tolist(),
        "n": fitted.n,
        "seconds": fitted.seconds,
        "notes": list(fitted.notes),
    }


def human(result: dict[str, Any]) -> str:
    """The result for people."""
    kinds = [kind for kind in ("hessian", "opg", "robust") if kind in result["standard_errors"]]
    rows = [
        [name, f"{value:.7g}", *(f"{result['standard_errors'][kind].get(name, float('nan')):.4g}" for kind in kinds)]
        for name, value in result["parameters"].items()
    ]
    series = result["series"] if isinstance(result["series"], str) else ", ".join(result["series"])
    persistence = result["persistence"]
    lasting = " / ".join(f"{value:.4f}" for value in (persistence if isinstance(persistence, list) else [persistence]))
    lines = [
        f"{series}: {result['model']}, {result['n']:,} returns, log-likelihood {result['loglik']:,.4f}",
        "",
        table(["parameter", "estimate", *(f"s.e. {kind}" for kind in kinds)], rows),
        "",
        f"persistence {lasting}; health {result['health']['code']}; {result['seconds'] * 1e3:,.1f} ms",
    ]
    if result.get("two_step_loglik") is not None:
        lines.append(f"log-likelihood of the two-step estimate {result['two_step_loglik']:,.4f}")
    return "\n".join([*lines, *result["notes"], f"report: {result['report']}"])
