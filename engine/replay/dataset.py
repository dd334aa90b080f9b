"""Recordings and tapes as the feature rows that the core would compute: what `bot4 model train` learns from."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import UserError
from engine.features.catalogue import FEATURE_NAMES
from engine.replay.data import imported
from engine.replay.feature_rows import FEATURE_ROW, FeatureRowCollector
from engine.replay.tape import Tape
from models.signals.dataset import FeatureRows

CHUNK_ROWS = 1 << 16

Array = np.ndarray[Any, Any]


def feature_rows_of(tape: Tape, interval_ms: int) -> Array:
    """FEATURE_ROW rows of a tape, shape (n,), in its order; of one instrument at least `interval_ms` apart."""
    instruments = np.array(tape.instruments)
    collector = FeatureRowCollector(instruments, interval_ms * 1_000_000)
    records, taken = tape.records, 0
    kept: list[Array] = []
    while taken < len(records):
        rows = np.zeros(CHUNK_ROWS, dtype=FEATURE_ROW)
        step, count = collector.take(records[taken:], rows)
        taken += step
        kept.append(rows[:count])
    return np.concatenate(kept) if kept else np.zeros(0, dtype=FEATURE_ROW)


def dataset(
    paths: Sequence[str | Path], cache: str | Path, interval_ms: int, features: Sequence[str] = FEATURE_NAMES
) -> FeatureRows:
    """Feature rows of recordings or one tape, instrument by instrument, each of its unbroken stretches a segment.

    features: which columns, in this order. cache: folder of imported tapes. Raises UserError or IntegrityError for
    files that cannot be read, UserError when no feature row became ready.
    """
    tape = imported(paths, cache)
    rows = feature_rows_of(tape, interval_ms)
    if len(rows) == 0:
        raise UserError(
            f"{', '.join(Path(path).name for path in paths)}: no feature row became ready: the books need a snapshot, "
            "both sides and 10 s without a gap"
        )
    rows = rows[np.lexsort((rows["time_ns"], rows["segment"], rows["instrument"]))]
    _, segment_n = np.unique(rows[["instrument", "segment"]], return_inverse=True)
    columns = [FEATURE_NAMES.index(name) for name in features]
    return FeatureRows(
        values_nf=np.ascontiguousarray(rows["values"][:, columns]),
        mid_n=np.ascontiguousarray(rows["mid_ticks"]),
        time_ns_n=np.ascontiguousarray(rows["time_ns"]),
        segment_n=np.asarray(segment_n.reshape(-1), dtype=np.int64),
        names=tuple(features),
        sources={Path(path).name: _sha256(Path(path)) for path in paths},
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
