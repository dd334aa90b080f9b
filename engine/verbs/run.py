"""`bot4 run`: starts a run, shows it, stops it, proves that it replays, and writes its report."""

import os
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from engine.errors import Exit, UserError
from engine.verbs.output import config_option, emit, json_option, progress


@click.command()
@click.option("--seconds", type=float, help="End by itself after so long.")
@click.option("--strategy", help="Built-in name or path of a strategy file, on every instrument.")
@click.option("--live", is_flag=True, help="Send orders to the venue with real money. Needs credentials.")
@click.option("--resume", "resume_id", metavar="RUN", help="Go on with a run that was killed whole.")
@click.option("--seed", type=int, help="Seed of the built-in exchange's order flow.")
@click.option("--no-replay", is_flag=True, help="Do not replay the journal at the end.")
@config_option
@json_option
def run(
    seconds: float | None,
    strategy: str | None,
    live: bool,
    resume_id: str | None,
    seed: int | None,
    no_replay: bool,
    config_path: str | None,
    as_json: bool,
) -> int:
    """Trade: on paper by default, against the built-in exchange on this machine."""
    from engine.config import load
    from engine.run import Run
    from engine.telemetry.screen import Screen

    config = chosen(load(Path(config_path) if config_path else None), seconds, strategy, seed, live)
    if len(os.sched_getaffinity(0)) == 1:
        progress("1 core: every process shares it, so latencies will be poor (`bot4 doctor` says more)", as_json)
    active = Run(config, live=live, resume=resume_id)
    screen = Screen(active, show=not as_json)
    try:
        with screen:
            active.start()
            active.watch(config.run.seconds, screen.look)
    finally:
        screen.remember()
        active.finish()
        screen.remember()
    result = screen.result()
    if not no_replay:
        result["replay"] = replayed(active.files.directory)
    result["report"] = str(write_report(active.files.directory, result))
    emit(result, as_json, lambda: screen.closing(result))
    return exit_code(result, active.supervisor.halted, active.supervisor.ended, left_open(result, active.config.run))


def chosen(config: Any, seconds: float | None, strategy: str | None, seed: int | None, live: bool) -> Any:
    """The configuration with what the command line says. Raises UserError for a live run without what it needs."""
    from engine.config import StrategyChoice

    replace = msgspec.structs.replace
    settings = config.run
    if seconds is not None:
        try:
            settings = replace(settings, seconds=seconds)
        except ValueError as error:
            raise UserError(f"--seconds: {error}") from None
    if seed is not None:
        settings = replace(settings, seed=seed)
    if live:
        settings = replace(settings, market="binance", orders="binance")
        from engine.gateway.credentials import load as load_credentials

        load_credentials(config.gateway.credential_file)
    elif settings.orders == "binance":
        raise UserError('run.orders = "binance" sends real orders: say --live too, or set run.orders = "paper"')
    elif settings.market == "binance":
        settings = replace(settings, orders="paper")
    config = replace(config, run=settings)
    if strategy is not None:
        choices = tuple(StrategyChoice(name=strategy, instrument=name) for name in config.instruments)
        config = replace(config, strategies=choices)
    return config


def replayed(folder: Path) -> dict[str, Any]:
    """The replay of the run that has just ended."""
    from engine.replay.replay import replay

    return replay(folder)


def write_report(folder: Path, result: dict[str, Any]) -> Path:
    """The HTML report of the run."""
    from engine.replay.report import write_run_report

    path = folder / "report.html"
    write_run_report(folder, result, path)
    return path


def left_open(result: dict[str, Any], settings: Any) -> str | None:
    """What is to be told of orders that a venue which outlives the run still has: it did not hear of a cancel."""
    outlives = settings.orders == "binance" or (settings.orders == "exchange" and settings.exchange_address)
    if not result["open_orders"] or not outlives:
        return None
    return (
        f"{result['open_orders']} orders were open when the run ended, and may still fill: cancel those whose client "
        f"order id begins with {result['run']}- at the venue"
    )


def exit_code(result: dict[str, Any], halted: str | None, ended: str | None, left: str | None = None) -> int:
    """0 when all went well; what went wrong otherwise."""
    if left is not None:
        print(f"bot4: {left}", file=sys.stderr)
    if halted is not None:
        print(f"bot4: halted: {halted}", file=sys.stderr)
        return int(Exit.STOPPED)
    if ended is not None:
        print(f"bot4: {ended}", file=sys.stderr)
        return int(Exit.FAILED)
    if result.get("replay") and not result["replay"]["identical"]:
        return int(Exit.INTEGRITY)
    if left is not None:
        return int(Exit.VENUE)
    return int(Exit.DONE)
