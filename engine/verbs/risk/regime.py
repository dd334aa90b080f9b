"""`bot4 risk regime`: the regimes of a series as they could be known at each date, never smoothed, never rewritten."""

import time
from typing import TYPE_CHECKING, Any

import click
import msgspec

from engine.verbs.output import json_option, progress, table

if TYPE_CHECKING:
    from models.panel import Panel
    from models.regimes import FitVersion, Published, RegimeSettings

SHOWN = 12  # changes printed for people
ALARMS = 6


@click.command()
@click.option("--data", "data_path", required=True, type=click.Path(dir_okay=False), help="CSV, Parquet or Feather.")
@click.option("--column", help="The series; needed when the file holds several.")
@click.option("--returns", "are_returns", is_flag=True, help="The values are returns, not prices.")
@click.option("--model", type=click.Choice(["hmm", "mixture"]), default="hmm", show_default=True)
@click.option("--states", type=int, default=2, show_default=True)
@click.option("--refit", type=int, default=20, show_default=True, help="A new fit after so many observations.")
@click.option("--window", type=int, default=1_000, show_default=True, help="Fitted on the last so many; 0: on all.")
@click.option("--minimum", type=int, help="Nothing is published before so many; 250, or the window if that is less.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--refit-on-change", is_flag=True, help="Also refit when the model no longer fits (CUSUM).")
@click.option("--report", "report_to", type=click.Path(dir_okay=False), help="HTML report; runs/risk by default.")
@json_option
def regime(
    data_path: str,
    column: str | None,
    are_returns: bool,
    model: str,
    states: int,
    refit: int,
    window: int,
    minimum: int | None,
    seed: int,
    refit_on_change: bool,
    report_to: str | None,
    as_json: bool,
) -> None:
    """Show the regimes of a series, as they could be known then.

    The filtered probabilities of a hidden Markov model fitted on what lay before: each value is published once and
    no later date changes it. States are ordered by volatility, 0 is the calmest.
    """
    from engine.verbs.risk.data_faults import on
    from engine.verbs.risk.delivery import deliver, report_path
    from engine.verbs.risk.regime_report import write_report
    from models.regimes import publish

    began = time.perf_counter()
    settings = settings_of(model, states, refit, window, minimum, seed, refit_on_change)
    path = report_path(report_to, "regime", as_json)
    panel, returns = series_of(data_path, column, are_returns)
    progress(f"{returns.names[0]}: {len(returns.dates):,} returns", as_json)
    published, versions = publish(returns.values[:, 0], settings)
    with on(returns):
        result = result_of(returns, settings, published, versions)
    result["seconds"] = time.perf_counter() - began
    level = level_of(panel, returns, are_returns)
    deliver(
        result, as_json, lambda: human(result), path,
        lambda path: write_report(path, level, returns, settings, published, versions, result),
    )  # fmt: skip


def settings_of(
    model: str, states: int, refit: int, window: int, minimum: int | None, seed: int, on_change: bool
) -> "RegimeSettings":
    """The settings, a mistake in them as one line."""
    from models.faults import Fault
    from models.regimes import RegimeSettings

    if minimum is None:
        minimum = min(250, window) if window else 250
    try:
        return RegimeSettings(
            kind=model,  # type: ignore[arg-type]
            states=states,
            refit=refit,
            window=window,
            minimum=minimum,
            seed=seed,
            refit_on_change=on_change,
        )
    except ValueError as error:
        raise Fault(str(error)) from None


def series_of(data_path: str, column: str | None, are_returns: bool) -> "tuple[Panel, Panel]":
    """(the series as read, its returns), one column each."""
    from models.faults import Fault
    from models.panel import read_panel, returns_of

    panel = read_panel([data_path], columns=(column,) if column else ())
    if len(panel.names) != 1:
        names = ", ".join(panel.names[:8])
        raise Fault(f"{data_path} holds {len(panel.names)} series ({names}): choose one with --column NAME")
    return panel, returns_of(panel, are_returns=are_returns)


def level_of(panel: "Panel", returns: "Panel", are_returns: bool) -> tuple[str, Any]:
    """(what it is, values (n,) at the dates of the returns): the prices, or the log returns added up."""
    import numpy as np

    if are_returns:
        return f"{returns.names[0]}, returns added up", np.cumsum(returns.values[:, 0])
    return returns.names[0], panel.values[np.searchsorted(panel.dates, returns.dates), 0]


def result_of(
    returns: "Panel", settings: "RegimeSettings", published: "Published", versions: "list[FitVersion]"
) -> dict[str, Any]:
    """What the verb shows. Raises DataFault when no fit was healthy: nothing was published."""
    from models.faults import DataFault

    used = [version for version in versions if version.used]
    if not used:
        few = f"{len(returns.dates)} returns, the first fit needs {settings.minimum}: give more, or a lower --minimum"
        why = versions[-1].fit.health.note if versions else few
        raise DataFault(f"{returns.names[0]}: no regime could be published: {why}")
    last = used[-1]
    return {
        "series": returns.names[0],
        "model": settings.kind,
        "n": len(returns.dates),
        "from": returns.place(0),
        "to": returns.place(len(returns.dates) - 1),
        "states": states_of(last, published),
        "transition": last.fit.transition.tolist(),
        "changes": changes_of(returns, published),
        "alarms": alarms_of(returns, settings, published),
        "fit_versions": [version_row(version, returns) for version in versions],
        "label_jumps": sum(version.label_jumps for version in versions),
        "published": timeline(returns, published),
        "settings": msgspec.structs.asdict(settings),
        "notes": [*returns.notes, *refused(versions), *unmoved(versions)],
    }


def changes_of(returns: "Panel", published: "Published") -> list[dict[str, Any]]:
    """Where the likeliest state became another, as could be seen on that date."""
    from models.regimes import changes

    return [
        {
            "date": returns.place(change.index),
            "index": change.index,
            "from": change.before,
            "to": change.after,
            "probability": change.probability,
            "fit_version": change.version,
        }
        for change in changes(published)
    ]


def alarms_of(returns: "Panel", settings: "RegimeSettings", published: "Published") -> list[dict[str, Any]]:
    """What CUSUM (the model no longer fits) and the Bayesian detection (a new run began) announced, oldest first."""
    from models.regimes import BayesianSettings, bayesian_alarms, cusum_alarms

    found = cusum_alarms(published.scores, settings.cusum)
    found += bayesian_alarms(returns.values[:, 0], BayesianSettings())[0]
    return [
        {
            "date": returns.place(alarm.index),
            "index": alarm.index,
            "kind": alarm.kind,
            "side": alarm.side,
            "since": returns.place(alarm.since),
        }
        for alarm in sorted(found, key=lambda alarm: alarm.index)
    ]


def states_of(last: "FitVersion", published: "Published") -> list[dict[str, Any]]:
    """Each state under the version in use at the end; the share counts what was published."""
    labels = published.labels[published.labels >= 0]
    fit = last.fit
    return [
        {
            "state": i,
            "mean": float(fit.means[i]),
            "volatility": float(fit.volatilities[i]),
            "persistence": float(fit.transition[i, i]),
            "expected_duration": duration(float(fit.transition[i, i])),
            "stationary": float(fit.stationary[i]),
            "published_share": float((labels == i).mean()),
            "probability": float(published.probabilities[-1, i]),
        }
        for i in range(fit.states)
    ]


def duration(persistence: float) -> float | None:
    """Observations a state lasts on average; None for one that is never left."""
    return 1.0 / (1.0 - persistence) if persistence < 1.0 - 1e-9 else None


def bars(count: float | None) -> str:
    return "for good" if count is None else f"{count:,.1f}"


def version_row(version: "FitVersion", returns: "Panel") -> dict[str, Any]:
    fit = version.fit
    return {
        "version": version.version,
        "fitted_from": returns.place(version.first),
        "fitted_to": returns.place(version.last),
        "n": fit.n,
        "used": version.used,
        "code": fit.health.code,
        "note": fit.health.note,
        "loglik": fit.loglik,
        "iterations": fit.iterations,
        "volatilities": fit.volatilities.tolist(),
        "means": fit.means.tolist(),
        "transition": fit.transition.tolist(),
        "unmoved": list(fit.unmoved) if fit.unmoved else None,
        "label_jumps": version.label_jumps,
        "relabelled": version.relabelled,
    }


def timeline(returns: "Panel", published: "Published") -> dict[str, Any]:
    """The published values, column by column, from the first one on."""
    first = int((published.versions < 0).sum())
    return {
        "date": [returns.place(row) for row in range(first, len(returns.dates))],
        "state": published.labels[first:].tolist(),
        "probabilities": published.probabilities[first:].tolist(),
        "fit_version": published.versions[first:].tolist(),
    }


def refused(versions: "list[FitVersion]") -> list[str]:
    """A note when fits were not used."""
    bad = [version for version in versions if not version.used]
    if not bad:
        return []
    codes = ", ".join(sorted({version.fit.health.code for version in bad}))
    return [
        f"REFITS_REFUSED: {len(bad)} of {len(versions)} fits were not healthy ({codes}); the version before went on"
    ]


def unmoved(versions: "list[FitVersion]") -> list[str]:
    """A note when fits took returns of prices that did not move as missing."""
    count = sum(version.used and version.fit.unmoved is not None for version in versions)
    if not count:
        return []
    return [
        f"UNMOVED_PRICES: in {count} of {len(versions)} fits a state had collapsed on prices that did not move; those "
        f"take such returns as missing, and so do the probabilities under them"
    ]


def human(result: dict[str, Any]) -> str:
    """The result for people."""
    rows = [
        [
            f"{state['state']}",
            f"{state['mean']:+.4%}",
            f"{state['volatility']:.3%}",
            f"{state['persistence']:.4f}",
            bars(state["expected_duration"]),
            f"{state['published_share']:.1%}",
            f"{state['probability']:.1%}",
        ]
        for state in result["states"]
    ]
    headings = ["state", "mean", "volatility", "persistence", "expected bars", "share of time", "now"]
    versions, shifts = result["fit_versions"], result["changes"]
    recent = [
        f"  {change['date']}  {change['from']} -> {change['to']}  ({change['probability']:.0%})"
        for change in shifts[-SHOWN:]
    ]
    lines = [
        f"{result['series']}: {result['n']:,} returns, {result['from']} to {result['to']}, {result['model']}",
        "",
        table(headings, rows),
        "",
        f"{len(versions)} fits, {sum(version['used'] for version in versions)} used; "
        f"{result['label_jumps']} label jumps; {len(shifts)} changes of regime" + (", the last:" if recent else ""),
        *recent,
        f"{len(result['alarms'])} alarms of change detection" + (", the last:" if result["alarms"] else ""),
        *(f"  {row['date']}  {row['kind']}, {row['side']} since {row['since']}" for row in result["alarms"][-ALARMS:]),
        *result["notes"],
        f"report: {result['report']}",
    ]
    return "\n".join(lines)
