"""What lies behind `bot4 model train|ls|check`: recordings into a model folder, and what is known of a model folder."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from engine.assembly import SHIPPED_MODELS, model_folder
from engine.errors import Exit, IntegrityError, UserError
from engine.features.catalogue import FEATURE_NAMES
from engine.replay.dataset import dataset
from models.extras import ExtraMissing
from models.registry.store import MANIFEST, ModelCorrupt, ModelMissing, load_manifest, load_model
from models.signals.train import Kind, TooFewRows, TrainingPlan
from models.signals.train import train_model as train

CREATED_BY = "bot4 model train"
# Features with a direction: up and down are mirror images. A linear model sees only these: what has no sign (a spread,
# a variance, a rate) cannot tell a direction by itself, and would carry a market with other levels far off.
DIRECTIONAL = (
    "microprice_offset_ticks",
    "imbalance_1",
    "imbalance_5",
    "imbalance_10",
    "order_flow_100ms",
    "order_flow_1s",
    "order_flow_10s",
    "order_flow_5_levels_1s",
    "order_flow_5_levels_10s",
    "trade_imbalance_1s",
    "trade_imbalance_10s",
    "trade_imbalance_60s",
    "last_trade_size",
    "vwap_distance_bp",
    "return_100ms_bp",
    "return_1s_bp",
    "return_10s_bp",
)


def train_model(
    paths: Sequence[Path],
    kind: str,
    horizon_ms: int,
    output: Path,
    cache: Path,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Trains on recordings or one tape, scores out of sample, writes the folder `output`; the keys of `model train`.

    A row at most every tenth of the horizon (10 to 100 ms). The last 30 % of the time is the test, one horizon after
    the last training target. Raises UserError for wrong arguments, a missing extra, too little data or a taken output.
    """
    try:
        plan = TrainingPlan(kind=cast(Kind, kind), horizons_ms=(horizon_ms,))
    except ValueError as error:
        raise UserError(str(error)) from None
    if (output / MANIFEST).exists():
        raise UserError(f"{output} already holds a model: name another folder with --output")
    tell("reading market data")
    rows = dataset(
        paths, cache, min(100, max(10, horizon_ms // 10)), DIRECTIONAL if kind == "linear" else FEATURE_NAMES
    )
    tell(f"training {kind} on {len(rows.mid_n):,} rows")
    try:
        return train(rows, plan, output, CREATED_BY)
    except ExtraMissing as error:
        raise UserError(str(error), Exit.FAILED) from None
    except TooFewRows as error:
        raise UserError(str(error)) from None
    except OSError as error:
        raise UserError(f"{output}: {error.strerror or error}") from None


def list_models(folder: Path = SHIPPED_MODELS) -> list[dict[str, Any]]:
    """The models of a folder by name, each as `describe` says; one that is damaged has the key "error" instead."""
    found: list[dict[str, Any]] = []
    for path in sorted(folder.glob(f"*/{MANIFEST}")):
        try:
            found.append(describe(path.parent))
        except ModelCorrupt as error:
            found.append({"model": path.parent.name, "path": str(path.parent), "error": str(error)})
    return found


def check_model(path: str | Path) -> dict[str, Any]:
    """What a model is, every byte of it checked and its evaluator built. `path`: a folder, or a shipped model's name.

    Raises UserError (exit 2) where there is none, IntegrityError (exit 3) for one that is not what its hash says or
    that this build's feature row cannot feed.
    """
    folder = model_folder(str(path))
    try:
        model = load_model(folder)
        if model.compiled:
            model.evaluator()
        model.columns(FEATURE_NAMES)
        return {**describe(folder), "whole": True}
    except ModelMissing as error:
        raise UserError(f"{error}; `bot4 model ls` lists those there are") from None
    except (ModelCorrupt, ValueError) as error:
        raise IntegrityError(str(error)) from None


def describe(folder: Path) -> dict[str, Any]:
    """What the manifest says. Raises ModelMissing or ModelCorrupt."""
    manifest = load_manifest(folder)
    return {
        "model": manifest.name,
        "kind": manifest.kind,
        "role": manifest.role,
        "horizons_ms": list(manifest.horizons_ms),
        "features": len(manifest.features),
        "rows_train": manifest.training.get("rows_train"),
        "rows_test": manifest.training.get("rows_test"),
        "score": manifest.score,
        "baseline": manifest.baseline,
        "sha256": manifest.sha256,
        "path": str(folder),
    }
