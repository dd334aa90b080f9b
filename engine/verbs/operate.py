"""The operator's verbs: status, halt, resume, flatten, config, validate."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.errors import Exit, UserError
from engine.verbs.output import config_option, emit, json_option, table

if TYPE_CHECKING:
    from engine.config import Config
    from engine.verbs.living import LivingRun

SETTLE_S = 2.0  # a command reaches the core's views well within
REFUSALS_SHOWN = 8


def configuration(config_path: str | None) -> "Config":
    from engine.config import load

    return load(Path(config_path) if config_path else None)


# -- status ----------------------------------------------------------------------------------------------------------


@click.command()
@config_option
@json_option
def status(config_path: str | None, as_json: bool) -> None:
    """Show what a living run is doing."""
    from engine.verbs.living import find_living
    from engine.verbs.living import status as status_of

    result = status_of(find_living(configuration(config_path)))
    emit(result, as_json, lambda: status_text(result))


def status_text(result: dict[str, Any]) -> str:
    """What an operator wants to know first, first."""
    from engine.telemetry.sizes import sizes_text

    lines = [
        f"run {result['run']}  {result['mode'].upper()}  instance {result['instance']}  {result['seconds']:,.0f} s",
        state_line(result),
        "",
        table(
            ["instrument", "book", "bid", "ask", "gaps", "position", "open orders", "fills"],
            [
                [
                    row["name"],
                    row["book_state"] + (f" ({row['book_reason']})" if row["book_state"] != "VALID" else ""),
                    row["bid"] or "-",
                    row["ask"] or "-",
                    f"{row['gaps']:,}",
                    row["position"],
                    f"{row['open_orders']}",
                    f"{row['fills']:,}",
                ]
                for row in result["instruments"]
            ],
        ),
        "",
        f"P&L {result['pnl']:,.2f}   realised {result['realised']:,.2f}   unrealised {result['unrealised']:,.2f}   "
        f"fees {result['fees']:,.2f}   orders {result['orders']:,}   fills {result['fills']:,}   "
        f"messages {result['messages']:,}",
        "",
        table(
            ["process", "pid", "alive", "restarts"],
            [
                [row["name"], str(row["pid"]), "yes" if row["alive"] else "NO", str(row["restarts"])]
                for row in result["processes"]
            ],
        ),
        "",
        latency_text(result["latencies"]),
        "",
        "tightest limits  " + ", ".join(f"{row['name']} {row['share_left']:.0%} left" for row in tightest(result)),
        "risk results     " + risk_results_text(result["risk_results"]),
        "risk models      " + risk_models_text(result["counters"].get("risk")),
        *sizes_text(result["sizing"]),
        "refusals         " + refusals_text(result["refusals"]),
        "journal          " + journal_text(result["journal"]),
        *(f"event            {event}" for event in result["events"][-3:]),
    ]
    return "\n".join(lines)


def state_line(result: dict[str, Any]) -> str:
    if result["core_hangs"]:
        return (
            f"THE CORE HANGS: it showed itself last {result['views_age_s']:,.0f} s ago; `bot4 halt` works all the same"
        )
    if result["halted"] is None:
        return "trading"
    halted = result["halted"]
    where = [
        name for name, there in (("risk", halted["risk"]), ("the gateway's halt word", halted["halt_word"])) if there
    ]
    why = f": {halted['supervisor']}" if halted["supervisor"] else ""
    return f"HALTED {halted['reason']} by {' and '.join(where)}{why}; `bot4 resume` lets orders through again"


def latency_text(latencies: dict[str, dict[str, int]]) -> str:
    return table(
        ["latency, ns", "count", "p50", "p99", "max"],
        [
            [name, *(f"{row[key]:,}" for key in ("count", "p50_ns", "p99_ns", "max_ns"))]
            for name, row in latencies.items()
        ],
    )


def tightest(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The three limits of which least is left, those that are not judged left out."""
    judged = (row for row in result["limits"] if row["judged"])
    return sorted(judged, key=lambda row: float(row["share_left"]))[:3]


def refusals_text(refusals: dict[str, int]) -> str:
    top = sorted(refusals.items(), key=lambda pair: -pair[1])[:REFUSALS_SHOWN]
    return ", ".join(f"{code} {count:,}" for code, count in top) or "none"


def risk_results_text(results: dict[str, Any] | None) -> str:
    if results is None:
        return "none expected"
    if results["version"] == 0:
        return f"NONE YET, {results['age_ms'] / 1e3:,.1f} s since the start: the conservative rule holds"
    stale = ", TOO OLD: the conservative rule holds" if results["stale"] else ""
    return (
        f"version {results['version']:,}, {results['age_ms'] / 1e3:,.1f} s old{stale}, {results['method']}, "
        f"CVaR {results['cvar']:,.2f}, regime {results['regime']}, limits scaled by {results['limits_scale']:.0%}, "
        f"{results['refused']:,} refused"
    )


def risk_models_text(counters: dict[str, int] | None) -> str:
    """Which rules the risk process works by, from its counters."""
    if counters is None:
        return "no risk process"
    regime = f"hidden Markov model, version {counters['regime_version']:,}"
    failed = f", {counters['failed_refits']:,} failed" if counters["failed_refits"] else ""
    return (
        f"regime by {regime if counters['regime_version'] else 'a band of the volatility'}, correlation by "
        f"{'DCC' if counters['dependence_fitted'] else 'the joint history'}, {counters['refits']:,} refits "
        f"({counters['early_refits']:,} early{failed}) in {counters['bars']:,} bars, {counters['notes']:,} notes now"
    )


def journal_text(journal: dict[str, Any] | None) -> str:
    if journal is None:
        return "none"
    behind = journal["records"] - journal["durable_records"]
    return (
        f"{journal['state']}, {journal['records']:,} records ({behind:,} not yet on disk), "
        f"commit p99 {journal['commit_p99_ns'] / 1e6:,.1f} ms"
    )


# -- halt, resume, flatten ---------------------------------------------------------------------------------------------


@click.command()
@config_option
@json_option
def halt(config_path: str | None, as_json: bool) -> int:
    """Stop new orders; cancels still go through. Works with a core that hangs, too."""
    from engine.gateway.halt import HaltWord
    from engine.verbs.living import find_living

    living = find_living(configuration(config_path))
    HaltWord(living.files.halt).set(1)  # first: from here on the gateway sends no new order
    try:
        ask(living, "halt")
        seen = settles(living, lambda row: bool(row["halted"]))
    except UserError as error:
        print(f"bot4: the gateway is halted, but the core does not know it: {error}", file=sys.stderr)
        return int(error.exit_code)
    result = {"run": living.files.run_id, "halted": True, "core_confirmed": seen}
    emit(result, as_json, lambda: f"run {living.files.run_id}: halted; no new order goes out, cancels do")
    return int(Exit.DONE if seen else Exit.VENUE)


@click.command()
@config_option
@json_option
def resume(config_path: str | None, as_json: bool) -> int:
    """Let orders through again after a halt."""
    from engine.gateway.halt import HaltWord
    from engine.verbs.living import find_living

    living = find_living(configuration(config_path))
    ask(living, "resume")
    if not settles(living, lambda row: not row["halted"], hold_s=0.3):
        from engine.verbs.living import halted, views

        why = halted(living, views(living)["risk"]) or {"reason": "nobody knows why"}
        print(
            f"bot4: run {living.files.run_id} halted again: {why['reason']}; mend that first (`bot4 risk`)",
            file=sys.stderr,
        )
        return int(Exit.STOPPED)
    HaltWord(living.files.halt).set(0)  # last: the core decides again before the gateway sends
    result = {"run": living.files.run_id, "halted": False}
    emit(result, as_json, lambda: f"run {living.files.run_id}: orders go through again")
    return int(Exit.DONE)


@click.command()
@click.option("--timeout", "timeout_s", default=10.0, show_default=True, help="Seconds to wait until all is flat.")
@config_option
@json_option
def flatten(timeout_s: float, config_path: str | None, as_json: bool) -> int:
    """Cancel all orders and close all positions; the run stays halted afterwards."""
    from engine.gateway.halt import HaltWord
    from engine.verbs.living import find_living, instrument_status, views

    living = find_living(configuration(config_path))
    ask(living, "halt")  # risk lets nothing but closing orders through from here on,
    HaltWord(living.files.halt).set(0)  # so the gateway may send again: the closing orders have to go out
    ask(living, "flatten")
    flat = waits(lambda: is_flat(views(living)), timeout_s)
    row = views(living)
    import numpy as np

    rows = zip(np.load(living.files.instruments), row["book"], row["instruments"], strict=True)
    left = [instrument_status(*each) for each in rows]
    result = {
        "run": living.files.run_id,
        "flat": flat,
        "positions": {each["name"]: each["position"] for each in left},
        "open_orders": sum(each["open_orders"] for each in left),
    }
    if not flat:
        where = ", ".join(f"{name} {position}" for name, position in result["positions"].items())
        print(
            f"bot4: run {living.files.run_id} is not flat after {timeout_s:g} s: {where}, {result['open_orders']} "
            "orders open; it goes on trying, ask `bot4 status`",
            file=sys.stderr,
        )
    if flat or as_json:
        emit(result, as_json, lambda: f"run {living.files.run_id}: flat, no order open, halted; `bot4 resume` goes on")
    return int(Exit.DONE if flat else Exit.VENUE)


def ask(living: "LivingRun", verb: str) -> Any:
    """The core's answer. Raises UserError: exit code 5 when none comes in time, 1 when it says no."""
    from ipc.bus import BusError, BusTimeout, CommandClient

    try:
        with CommandClient(living.files.core_socket) as client:
            return client.ask(verb)
    except BusTimeout:
        raise UserError(
            f"run {living.files.run_id}: the core did not answer {verb!r} in 3 s; see logs/core.log", Exit.VENUE
        ) from None
    except BusError as error:
        raise UserError(f"run {living.files.run_id}: {error}", Exit.FAILED) from None


def settles(living: "LivingRun", condition: Callable[[Any], bool], hold_s: float = 0.0) -> bool:
    """Whether the core's risk view comes to satisfy a condition, and still does so a moment later."""
    from engine.verbs.living import views

    def satisfied() -> bool:
        return condition(views(living)["risk"])

    if not waits(satisfied, SETTLE_S):
        return False
    time.sleep(hold_s)
    return satisfied()


def waits(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def is_flat(row: Any) -> bool:
    accounts = row["instruments"]
    return not (accounts["position_lots"].any() or accounts["open_orders"].any())


# -- config, validate --------------------------------------------------------------------------------------------------


@click.command()
@config_option
@json_option
def config(config_path: str | None, as_json: bool) -> None:
    """Show the configuration, all defaults included, as TOML that `--config` reads."""
    import msgspec

    from engine.config import as_toml

    loaded = configuration(config_path)
    emit(msgspec.to_builtins(loaded, enc_hook=str), as_json, lambda: as_toml(loaded).rstrip())


@click.command()
@config_option
@json_option
def validate(config_path: str | None, as_json: bool) -> None:
    """Check a configuration without running it: keys, instruments, strategies with their parameters, models."""
    from engine.assembly import check_sizing, models_of, strategies_of
    from engine.run import instruments_of

    loaded = configuration(config_path)
    instruments = instruments_of(loaded)
    strategies = strategies_of(loaded, instruments, compiled=loaded.run.compiled)
    for bound in strategies:
        bound.strategy.params_row(bound.params)
    models = models_of(loaded)
    check_sizing(loaded, models)
    result = {
        "valid": True,
        "config_sha256": loaded.sha256(),
        "instruments": [row["name"].decode() for row in instruments],
        "strategies": list(dict.fromkeys(bound.strategy.name for bound in strategies)),
        "copies": len(strategies),
        "models": [model.name for model in models],
    }
    emit(result, as_json, lambda: validate_text(result))


def validate_text(result: dict[str, Any]) -> str:
    return (
        f"valid: instruments {', '.join(result['instruments'])}; strategies {', '.join(result['strategies'])} "
        f"({result['copies']} in all); models {', '.join(result['models']) or 'none'}"
    )
