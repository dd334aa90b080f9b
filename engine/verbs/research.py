"""The quant's verbs: data, backtest, replay, verify, record."""

from pathlib import Path
from typing import Any

import click

from engine.verbs.output import config_option, emit, json_option, progress, table

CACHE = Path("build") / "tapes"
paths_argument = click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))


# -- data ------------------------------------------------------------------------------------------------------------


@click.group()
def data() -> None:
    """Check, import and list recorded market data."""


@data.command()
@paths_argument
@json_option
def check(files: tuple[Path, ...], as_json: bool) -> None:
    """Rebuild the books of recordings or tapes and hold them against the venue's own best bid and offer."""
    from engine.replay.data import check as check_files

    progress(f"checking {len(files)} files", as_json)
    result = check_files(files)
    emit(result, as_json, lambda: check_table(result))


def check_table(result: dict[str, Any]) -> str:
    rows = [
        [
            row["name"],
            f"{row['messages']:,}",
            f"{row['diffs']:,}",
            f"{row['snapshots']}",
            f"{row['gaps']}",
            f"{row['crossed']}",
            f"{row['bbo_equal']:,} of {row['bbo_compared']:,}",
            f"{row['trades']:,}",
            "-" if row["clock_offset_ms"] is None else f"{row['clock_offset_ms']:,.0f} ms",
        ]
        for row in result["instruments"]
    ]
    headers = [
        "instrument",
        "messages",
        "diffs",
        "snapshots",
        "gaps",
        "crossed",
        "best bid and offer equal",
        "trades",
        "clock",
    ]
    return table(headers, rows)


@data.command("import")
@paths_argument
@click.option("--output", required=True, type=click.Path(path_type=Path), help="The tape to write.")
@json_option
def import_(files: tuple[Path, ...], output: Path, as_json: bool) -> None:
    """Turn recordings into one tape, sorted by receive time."""
    from engine.replay.data import import_files

    progress(f"importing {len(files)} files", as_json)
    result = import_files(files, output)
    emit(result, as_json, lambda: "\n".join(f"{key}: {value}" for key, value in result.items()))


@data.command("ls")
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@json_option
def list_(folder: Path, as_json: bool) -> None:
    """List the tapes in a folder."""
    from engine.replay.data import list_tapes

    rows = list_tapes(folder)
    headers = list(rows[0]) if rows else ["no tapes"]
    emit({"tapes": rows}, as_json, lambda: table(headers, [[str(row[key]) for key in headers] for row in rows]))


# -- backtest --------------------------------------------------------------------------------------------------------


@click.command()
@click.option(
    "--data",
    "files",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Recording or tape; repeat, or give several.",
)
@click.argument("more", nargs=-1, type=click.Path(path_type=Path))
@click.option("--strategy", required=True, help="Built-in name or path of a strategy file.")
@click.option(
    "--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the strategy; repeat for more."
)
@click.option(
    "--uncompiled", is_flag=True, help="Run the strategy as plain Python: slow, for debugging, the same results."
)
@click.option(
    "--risk", is_flag=True, help="Judge orders by pre-trade CVaR, as a run does: slower, with estimates once a second."
)
@click.option("--report", "report_path", type=click.Path(path_type=Path), help="Write the HTML report here.")
@config_option
@json_option
def backtest(
    files: tuple[Path, ...],
    more: tuple[Path, ...],
    strategy: str,
    params: tuple[str, ...],
    uncompiled: bool,
    risk: bool,
    report_path: Path | None,
    config_path: str | None,
    as_json: bool,
) -> None:
    """Run a strategy over recorded market data, with stated latency, queue and fee assumptions."""
    from engine.config import load
    from engine.replay.backtest import backtest as run_backtest
    from engine.strategy.loader import load as load_strategy

    load_strategy(strategy)  # a mistake in it is told before gigabytes are read
    outcome = run_backtest(
        [*files, *more],
        strategy,
        load(Path(config_path) if config_path else None),
        compiled=not uncompiled,
        params=parse_params(params),
        cache=CACHE,
        risk=risk,
        tell=lambda text: progress(text, as_json),
    )
    if report_path is not None:
        from engine.replay.report import write_backtest_report

        write_backtest_report(outcome, report_path)
        outcome.result["report"] = str(report_path)
    emit(outcome.result, as_json, lambda: backtest_text(outcome.result))


def parse_params(params: tuple[str, ...]) -> dict[str, int | float]:
    """NAME=VALUE pairs. Raises click.UsageError."""
    values: dict[str, int | float] = {}
    for pair in params:
        name, equals, text = pair.partition("=")
        try:
            values[name] = int(text) if text.lstrip("+-").isdigit() else float(text)
        except ValueError:
            equals = ""
        if not equals:
            raise click.UsageError(f"--param {pair}: write NAME=NUMBER")
    return values


def backtest_text(result: dict[str, Any]) -> str:
    """What a quant reads first: the assumptions, then the money, then why it did not trade more."""
    refusals = sorted(result["refusals"].items(), key=lambda pair: -pair[1])
    lines = [
        f"assumed   {result['assumptions']}",
        f"risk      {result['risk_results']['sentence']}",
        f"messages  {result['messages']:,} in {result['seconds']:.2f} s ({result['messages_per_s']:,.0f} a second)",
        f"orders    {result['orders']:,}   fills {result['fills']:,}",
        f"profit    {result['pnl']:,.4f} after fees of {result['fees']:,.4f}; "
        f"largest drawdown {result['max_drawdown']:,.4f}",
    ]
    if refusals:
        lines.append("refused   " + ", ".join(f"{count:,} {code}" for code, count in refusals[:6]))
    if not result["fills"]:
        why = (
            f"{refusals[0][1]:,} refusals {refusals[0][0]}"
            if refusals
            else "the strategy sent no order that met the market"
        )
        lines.append(f"it never traded: {why}")
    for index, why in result["strategies_failed"].items():
        lines.append(f"failed    strategy {index} was switched off: {why or 'run it with --uncompiled to see why'}")
    lines.append(f"outputs   {result['outputs_sha256']}")
    if "report" in result:
        lines.append(f"report    {result['report']}")
    return "\n".join(lines)


# -- replay, verify ----------------------------------------------------------------------------------------------------


@click.command()
@click.argument("run", required=False)
@click.option("--latest", is_flag=True, help="The newest run.")
@config_option
@json_option
def replay(run: str | None, latest: bool, config_path: str | None, as_json: bool) -> int:
    """Run a journal again and compare every output, bit for bit."""
    from engine.config import load
    from engine.errors import Exit
    from engine.replay.replay import replay as replay_run
    from engine.run_files import find_run

    if run is None and not latest:
        raise click.UsageError("name a run, or say --latest")
    folder = find_run(run, load(Path(config_path) if config_path else None).run.directory)
    result = replay_run(folder, lambda text: progress(text, as_json))
    emit(result, as_json, lambda: replay_text(result))
    return int(Exit.DONE if result["identical"] else Exit.INTEGRITY)


def replay_text(result: dict[str, Any]) -> str:
    build = "" if result["same_build"] else " (by another build than the one that ran)"
    if result["identical"]:
        return f"replay: identical ({result['messages']:,} messages, {result['outputs']:,} outputs){build}"
    place = result["first_divergence"]
    return (
        f"replay: DIVERGED in block {place['block']}, record {place['record']}, stage {place['stage']}{build}\n"
        f"  journal   {place['journaled']}\n  computed  {place['computed']}"
    )


@click.command()
@click.argument("run", required=False)
@click.option("--latest", is_flag=True, help="The newest run.")
@config_option
@json_option
def verify(run: str | None, latest: bool, config_path: str | None, as_json: bool) -> None:
    """Check every hash of a run's journal."""
    from engine.config import load
    from engine.journal.reader import Journal
    from engine.run_files import find_run

    folder = find_run(run, load(Path(config_path) if config_path else None).run.directory)
    journal = Journal.open(folder)
    last = journal.last_block()
    result = {
        "run": journal.manifest.run_id,
        "whole": True,
        "closed": journal.manifest.closed,
        "segments": len(journal.segments),
        "records": last.end_position if last else 0,
        "orders": last.orders if last else 0,
    }
    emit(result, as_json, lambda: f"{folder}: whole: {result['records']:,} records in {result['segments']} segments")


# -- record ------------------------------------------------------------------------------------------------------------


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="How long to record.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="The tape to write.")
@config_option
@json_option
def record(seconds: float, output: Path, config_path: str | None, as_json: bool) -> None:
    """Record live market data to a tape, exactly as the core would see it."""
    from engine.config import load
    from engine.replay.record import record as record_tape

    config = load(Path(config_path) if config_path else None)
    result = record_tape(config, seconds, output, lambda text: progress(text, as_json))
    emit(result, as_json, lambda: f"{output}: {result['records']:,} records of {', '.join(result['instruments'])}")
