"""`bot4 model`: train, list and check forecast models."""

from pathlib import Path
from typing import Any

import click

from engine.verbs.output import emit, json_option, progress, table

CACHE = Path("build") / "tapes"
KINDS = ("linear", "gbdt", "mlp")


@click.group()
def model() -> None:
    """Train, list and check forecast models."""


@model.command("train")
@click.option(
    "--data",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Recording or tape; repeat, or give several.",
)
@click.argument("more", nargs=-1, type=click.Path(path_type=Path))
@click.option("--kind", type=click.Choice(KINDS), default="linear", show_default=True, help="What to train.")
@click.option("--horizon-ms", default=1_000, show_default=True, help="How far ahead it forecasts.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder of the new model.")
@json_option
def train_(
    files: tuple[Path, ...], more: tuple[Path, ...], kind: str, horizon_ms: int, output: Path, as_json: bool
) -> None:
    """Train on recordings or a tape, and score on time the model never saw."""
    from engine.replay.training import train_model

    result = train_model([*files, *more], kind, horizon_ms, output, CACHE, lambda text: progress(text, as_json))
    emit(result, as_json, lambda: trained_text(result))


def trained_text(result: dict[str, Any]) -> str:
    """The score beside the baseline: a model that does not beat it is worth nothing."""
    lines = [
        f"{result['path']}: {result['kind']}, {result['horizon_ms']} ms ahead, learnt from {result['rows_train']:,} "
        f"rows, tested on {result['rows_test']:,}",
        f"score     {numbers(result['score'])}",
        f"baseline  {numbers(result['baseline'])}",
        f"sha256    {result['sha256']}",
        f'next: models = ["{result["path"]}"] in bot4.toml, then bot4 validate',
    ]
    return "\n".join(lines)


def numbers(values: dict[str, Any]) -> str:
    return "  ".join(f"{name} {'-' if value is None else format(value, '.4g')}" for name, value in values.items())


@model.command("ls")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@json_option
def ls_(folder: Path | None, as_json: bool) -> None:
    """List the models that ship with Bot4, or those of FOLDER."""
    from engine.assembly import SHIPPED_MODELS
    from engine.replay.training import list_models

    rows = list_models(folder or SHIPPED_MODELS)
    emit({"models": rows}, as_json, lambda: models_table(rows))


def models_table(rows: list[dict[str, Any]]) -> str:
    headings = ["model", "kind", "horizons", "features", "learnt from", "tested on", "r2", "sha256"]
    lines = [
        [
            row["model"],
            row["kind"],
            ", ".join(f"{horizon} ms" for horizon in row["horizons_ms"]),
            str(row["features"]),
            f"{row['rows_train'] or 0:,} rows",
            f"{row['rows_test'] or 0:,} rows",
            f"{row['score'].get('r2') or 0.0:.4f}",
            row["sha256"][:12],
        ]
        for row in rows
        if "error" not in row
    ]
    broken = [f"{row['model']}: {row['error']}" for row in rows if "error" in row]
    return "\n".join([table(headings, lines), *broken]) if rows else "no models"


@model.command("check")
@click.argument("path")
@json_option
def check_(path: str, as_json: bool) -> None:
    """Check every byte of a model against its hashes, and that this build can run it."""
    from engine.replay.training import check_model

    result = check_model(path)
    emit(
        result,
        as_json,
        lambda: (
            f"{result['path']}: whole, {result['kind']} of {result['features']} features\n"
            f"score     {numbers(result['score'])}\nbaseline  {numbers(result['baseline'])}\n"
            f"sha256    {result['sha256']}"
        ),
    )
