"""`bot4 strategy`: make, list, check and compile strategies."""

from pathlib import Path
from typing import Any

import click

from engine.verbs.output import emit, json_option, progress, table


@click.group()
def strategy() -> None:
    """Make, list, check and compile strategies."""


@strategy.command("new")
@click.argument("name")
@click.option("--folder", default=".", type=click.Path(path_type=Path), help="Where to write NAME.py.")
@json_option
def new_(name: str, folder: Path, as_json: bool) -> None:
    """Write a small strategy that trades, to be changed."""
    from engine.strategy.commands import new

    result = new(name, folder)
    emit(
        result,
        as_json,
        lambda: "\n".join([f"wrote {result['file']}", "next:", *(f"  {line}" for line in result["next"])]),
    )


@strategy.command("ls")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@json_option
def ls_(files: tuple[Path, ...], as_json: bool) -> None:
    """List the built-in strategies, and FILES."""
    from engine.strategy.commands import ls

    result = ls(files)
    emit(result, as_json, lambda: "\n\n".join(map(strategy_text, result["strategies"])))


def strategy_text(row: dict[str, Any]) -> str:
    """Name, what it is, what it can be told."""
    if row["error"]:
        return f"{row['name']}  cannot be loaded: {row['error']}"
    params = "  ".join(f"{name}={value}" for name, value in row["params"].items()) or "none"
    return f"{row['name']}  {row['about']}\n  callbacks  {', '.join(row['callbacks'])}\n  params     {params}"


@strategy.command("check")
@click.argument("file")
@json_option
def check_(file: str, as_json: bool) -> None:
    """Read, compile and rehearse a strategy; name the first mistake."""
    from engine.assembly import cache_folder
    from engine.strategy.commands import check

    result = check(file, cache_folder())
    how = "compiled before" if result["from_cache"] else f"compiled in {result['seconds']:.1f} s"
    emit(
        result,
        as_json,
        lambda: (
            f"{result['file']}: good; {how}\n{strategy_text({**result, 'error': None})}\n"
            f"  state      {result['state_bytes']} bytes an instance\n"
            f"  rehearsal  {result['rehearsal']['messages']:,} messages of a made-up market, "
            f"{result['rehearsal']['intents']:,} requests: the same compiled and uncompiled"
        ),
    )


@strategy.command("compile")
@click.option("--quiet", is_flag=True, help="Say nothing unless something is wrong.")
@json_option
def compile_(quiet: bool, as_json: bool) -> None:
    """Compile every built-in strategy, so that a run starts at once."""
    from engine.assembly import cache_folder
    from engine.strategy.commands import compile_all

    progress("compiling the built-in strategies", as_json or quiet)
    result = compile_all(cache_folder())
    if quiet and not as_json:
        return
    rows = [
        [row["name"], "yes" if row["from_cache"] else "no", f"{row['seconds']:.2f}"] for row in result["strategies"]
    ]
    emit(result, as_json, lambda: table(["strategy", "from cache", "seconds"], rows))
