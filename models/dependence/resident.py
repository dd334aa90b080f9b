"""The likelihood of the dynamics of correlation in the GPU's memory, as a search over them takes it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kernels.dependence.gpu import DynamicsLikelihood, Kind
from kernels.device import Mode
from models.dependence.composite import CompositeLikelihood
from models.dependence.likelihood import CorrelationLikelihood
from models.device import on_gpu

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Resident:
    """`many` and `slopes` of `fit_dynamics`, `by_time` of `composite_errors`, and notes.

    None on the CPU, and for slopes where the GPU has none.
    """

    many: Callable[[Floats], Floats] | None
    slopes: Callable[[Floats], Floats] | None
    by_time: Callable[[Floats], Floats] | None
    notes: tuple[str, ...]


def resident(sample: CorrelationLikelihood | CompositeLikelihood, device: Mode) -> Resident:
    """The sample on the GPU, or nothing for the CPU: see `models.device.on_gpu`."""
    kind: Kind = "pairs" if isinstance(sample, CompositeLikelihood) else "all"
    arrays = sample.standardised, sample.target, sample.negative_target
    held, notes = on_gpu(device, partial(DynamicsLikelihood, *arrays, kind=kind, mode="require"))
    if held is None:
        return Resident(None, None, None, notes)

    def slopes(point: Floats) -> Floats:
        return held.scores(point[None])[1][0, : len(point)]

    return Resident(held.logliks, slopes if kind == "pairs" else None, held.logliks_by_time, notes)
