"""Trains a model, scores it out of sample as it will run, and writes its folder: the work behind `bot4 model train`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.registry.export import export_model
from models.registry.onnx_read import prepare
from models.registry.onnx_write import linear_onnx, mlp_onnx, trees_onnx
from models.registry.prepared import INPUTS, PreparedModel
from models.registry.store import Manifest, load_model
from models.signals.dataset import FeatureRows, forward_returns, split_by_time
from models.signals.score import score

Kind = Literal["linear", "gbdt", "mlp"]
MINIMUM_ROWS = 1_000


class TooFewRows(ValueError):
    """Not enough data to learn from and to test on."""


@dataclass(frozen=True)
class TrainingPlan:
    """What to train. trees and depth are for "gbdt"."""

    kind: Kind
    horizons_ms: tuple[int, ...] = (1_000,)
    test_share: float = 0.3
    trees: int = 100
    depth: int = 6
    imbalance_feature: str = "imbalance_1"  # of the naive baseline; the first feature named so that exists

    def __post_init__(self) -> None:
        if self.kind not in ("linear", "gbdt", "mlp"):
            raise ValueError(f"kind must be linear, gbdt or mlp; it is {self.kind!r}")
        if not 1 <= len(self.horizons_ms) <= 4 or not all(1 <= h <= 86_400_000 for h in self.horizons_ms):
            raise ValueError(f"horizons_ms must be 1 to 4 horizons of 1 to 86400000 ms; they are {self.horizons_ms}")
        if not 1 <= self.depth <= 8 or not 1 <= self.trees <= 1_000:
            raise ValueError(f"depth must be 1 to 8 and trees 1 to 1000; they are {self.depth} and {self.trees}")


def _fit(
    plan: TrainingPlan, values_nf: NDArray[np.float64], returns_nh: NDArray[np.float64]
) -> tuple[bytes, dict[str, Any]]:
    """ONNX bytes and the parameters that the fit chose."""
    if plan.kind == "linear":
        from models.signals.ridge import fit_ridge

        weights_io, bias_o, penalty = fit_ridge(values_nf, returns_nh)
        return linear_onnx(weights_io, bias_o), {"ridge_penalty": penalty}
    if plan.kind == "mlp":
        from models.signals.perceptron import fit_perceptron

        weights, biases, epochs = fit_perceptron(values_nf, returns_nh)
        return mlp_onnx(weights, biases), {"epochs": epochs}
    from models.signals.boosting import fit_boosting, trees_of

    trees = []
    for output in range(returns_nh.shape[1]):
        trees += trees_of(fit_boosting(values_nf, returns_nh[:, output], plan.trees, plan.depth), output)
    onnx_bytes = trees_onnx(trees, [0.0] * returns_nh.shape[1], values_nf.shape[1])
    return onnx_bytes, {"trees": len(trees), "depth": plan.depth}


def forecasts(model: PreparedModel, values_nf: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the compiled evaluator says of many rows, shape (rows, horizons)."""
    rows = np.zeros((len(values_nf), INPUTS))
    rows[:, : values_nf.shape[1]] = values_nf
    return model.evaluator().evaluate(rows)[:, : len(model.horizons_ms)]


def _imbalance_baseline(
    rows: FeatureRows, feature: str, train: NDArray[np.bool_], test: NDArray[np.bool_], returns_n: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """The sign of the last imbalance times its mean effect in the training rows; None without such a feature."""
    name = next((n for n in rows.names if n == feature), next((n for n in rows.names if "imbalance" in n), None))
    if name is None:
        return None
    sign_n = np.sign(np.nan_to_num(rows.values_nf[:, rows.names.index(name)]))
    used = train & (sign_n != 0.0)
    effect = float((returns_n[used] * sign_n[used]).mean()) if used.any() else 0.0
    return np.asarray(effect * sign_n[test])


def train_model(rows: FeatureRows, plan: TrainingPlan, output: Path, created_by: str = "") -> dict[str, Any]:
    """Trains, scores, writes the folder `output`; returns what `bot4 model train --json` prints.

    The score is of the first horizon, on the test rows, by the compiled evaluator. The zero forecast has r2 = 0 by
    definition. Raises TooFewRows; FileExistsError when `output` holds a model.
    """
    returns_nh = np.column_stack([forward_returns(rows, horizon_ms) for horizon_ms in plan.horizons_ms])
    usable = np.isfinite(returns_nh).all(axis=1)
    if plan.kind != "gbdt":
        usable &= np.isfinite(rows.values_nf).all(axis=1)
    if int(usable.sum()) < MINIMUM_ROWS:
        raise TooFewRows(
            f"{int(usable.sum())} usable feature rows; {MINIMUM_ROWS} are needed: give more data or a shorter horizon"
        )
    longest_ms = max(plan.horizons_ms)
    before, after = split_by_time(rows.time_ns_n[usable], longest_ms, plan.test_share)
    train, test = np.zeros_like(usable), np.zeros_like(usable)
    train[np.flatnonzero(usable)[before]], test[np.flatnonzero(usable)[after]] = True, True
    if min(int(train.sum()), int(test.sum())) < MINIMUM_ROWS // 10:
        raise TooFewRows(
            f"a horizon of {longest_ms} ms leaves {int(train.sum())} training and {int(test.sum())} test rows"
        )
    learnt = np.flatnonzero(train)
    learnt = learnt[np.argsort(rows.time_ns_n[learnt], kind="stable")]  # of several instruments: one order of time
    onnx_bytes, chosen = _fit(plan, rows.values_nf[learnt], returns_nh[learnt])
    manifest = Manifest(
        name=output.name,
        kind=plan.kind,
        features=rows.names,
        horizons_ms=plan.horizons_ms,
        training=_training(rows, train, test, chosen),
        created_by=created_by,
    )
    measured = _measure(rows, plan, (train, test), returns_nh, _prepared(manifest, onnx_bytes))
    saved = export_model(output, msgspec.structs.replace(manifest, **measured), onnx_bytes)
    model = load_model(output)
    return {
        "model": saved.name,
        "kind": saved.kind,
        "rows_train": int(train.sum()),
        "rows_test": int(test.sum()),
        "horizon_ms": plan.horizons_ms[0],
        **measured,
        "sha256": model.sha256,
        "path": str(output),
    }


def _prepared(manifest: Manifest, onnx_bytes: bytes) -> PreparedModel:
    """The model as it will be loaded, for scoring before its manifest is written."""
    kind, arrays = prepare(onnx_bytes)
    return PreparedModel(manifest.name, kind, "0" * 64, manifest.features, manifest.horizons_ms, arrays)


def _training(
    rows: FeatureRows, train: NDArray[np.bool_], test: NDArray[np.bool_], chosen: dict[str, Any]
) -> dict[str, Any]:
    return {
        "data_sha256": rows.digest(),
        "sources": rows.sources,
        "rows_train": int(train.sum()),
        "rows_test": int(test.sum()),
        "first_time_ns": int(rows.time_ns_n[train].min()),
        "test_from_ns": int(rows.time_ns_n[test].min()),
        "last_time_ns": int(rows.time_ns_n[test].max()),
        **chosen,
    }


def _measure(
    rows: FeatureRows,
    plan: TrainingPlan,
    masks: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    returns_nh: NDArray[np.float64],
    model: PreparedModel,
) -> dict[str, dict[str, float | None]]:
    """Score of the model and of the naive baseline on the same test rows, first horizon."""
    train, test = masks
    horizon_ms, returns_n = plan.horizons_ms[0], returns_nh[:, 0]
    time_ns_n = rows.time_ns_n[test]
    forecast_n = forecasts(model, rows.values_nf[test])[:, 0]
    baseline: dict[str, float | None] = {"zero_r2": 0.0}
    naive_n = _imbalance_baseline(rows, plan.imbalance_feature, train, test, returns_n)
    if naive_n is not None:
        measured = score(returns_n[test], naive_n, time_ns_n, horizon_ms)
        baseline |= {f"imbalance_sign_{name}": value for name, value in measured.items() if name != "blocks"}
    return {"score": score(returns_n[test], forecast_n, time_ns_n, horizon_ms), "baseline": baseline}
