"""Log-likelihoods of dynamic correlation on a GPU: kernels.cu by CuPy, many points (a, b, g) in one call.

CuPy is imported only once a GPU was asked for and found. The sample stays in device memory; a call brings points there
and sums back. A search asks for the same number of points again and again, so from the second time on the launches for
that number are one CUDA graph.

Sums are added in another order than the CPU's, and logarithms are those of kernels/elementary.cuh: a log-likelihood is
the CPU's within 1e-12 of the sum of the sizes of its terms, and the same to the bit whatever the grid.
"""

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kernels import cuda
from kernels.device import Mode

SOURCE = Path(__file__).with_name("kernels.cu")
THREADS, SEGMENT = 128, 64  # as in kernels.cu
MOST_POINTS = 32  # in one go
WORK_BYTES = 1 << 30  # most, unless one point needs more
FIELDS = 4  # of a pair's score: its log-likelihood, and the slopes by a, b, g

Kind = Literal["all", "pairs"]
What = Literal["logliks", "scores", "times"]
Key = tuple[What, int]  # what is asked for, and of how many points
Array = Any  # numpy.ndarray or cupy.ndarray of float64
Floats = NDArray[np.float64]
library = partial(cuda.library, SOURCE)


@dataclass(frozen=True)
class Launch:
    """One kernel over `items` units of work; arguments are numpy scalars and arrays."""

    kernel: str
    items: int
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Sample:
    """What a likelihood is of, in device memory: (rows, assets), (assets, assets), (assets, assets)."""

    standardised: Array
    target: Array
    negative_target: Array

    @property
    def rows(self) -> int:
        return int(self.standardised.shape[0])

    @property
    def assets(self) -> int:
        return int(self.standardised.shape[1])

    @property
    def pairs(self) -> int:
        return self.assets * (self.assets - 1) // 2

    def sizes(self, count: int) -> tuple[Any, ...]:
        return np.int32(count), np.int32(self.rows), np.int32(self.assets)

    @property
    def arrays(self) -> tuple[Array, Array, Array]:
        return self.standardised, self.target, self.negative_target


@dataclass(frozen=True)
class Memory:
    """Device memory for `capacity` points: see `memory_sizes`."""

    points: Array
    paths: Array
    slopes: Array
    values: Array
    sums: tuple[Array, Array]
    quasi: Array  # of each pair, between two stretches of times
    by_time: Array  # log-likelihoods, (rows,)
    capacity: int


def memory_sizes(kind: Kind, rows: int, assets: int) -> dict[str, int]:
    """Doubles a point needs. paths: q_ii, or all of Q and w; slopes: of q_ii; values: of times or pairs."""
    pairs, packed = assets * (assets - 1) // 2, assets * (assets + 1) // 2
    if kind == "pairs":
        return {"paths": rows * assets, "slopes": 3 * rows * assets, "values": FIELDS * pairs}
    return {"paths": rows * (packed + assets), "slopes": 0, "values": rows}


def capacity_of(kind: Kind, rows: int, assets: int) -> int:
    """Points taken in one go."""
    return max(1, min(MOST_POINTS, WORK_BYTES // (8 * sum(memory_sizes(kind, rows, assets).values()))))


def memory_for(cupy: Any, kind: Kind, sample: Sample) -> Memory:
    """Raises GpuMissing when the GPU has too little memory for a single point."""
    sizes, capacity = memory_sizes(kind, sample.rows, sample.assets), capacity_of(kind, sample.rows, sample.assets)
    cuda.room_for(cupy, capacity * sum(sizes.values()), f"{sample.assets} series of {sample.rows:,} rows")
    paths, slopes, values = (cupy.empty(capacity * size) for size in sizes.values())
    most = capacity * (FIELDS if kind == "pairs" else 1) * segments(max(sample.pairs, sample.rows))
    sums = cupy.empty(most), cupy.empty(most)
    own = cupy.empty(sample.pairs), cupy.empty(sample.rows)
    return Memory(cupy.zeros((capacity, 3)), paths, slopes, values, sums, *own, capacity)


def segments(length: int) -> int:
    return -(-length // SEGMENT)


def likelihood_launches(kind: Kind, sample: Sample, count: int, memory: Memory) -> list[Launch]:
    """Kernels that leave log-likelihoods (count, pairs or rows) in `memory.values`."""
    sizes, e = sample.sizes(count), sample.standardised
    if kind == "pairs":
        nothing = np.uint64(0)  # a null pointer
        return [
            Launch(
                "diagonal_paths", count * sample.assets, (*sizes, *sample.arrays, memory.points, memory.paths, nothing)
            ),
            Launch("diagonal_roots", count * e.size, (*sizes, memory.paths, nothing)),
            Launch(
                "pair_logliks",
                count * sample.pairs,
                (*sizes, *sample.arrays, memory.points, memory.paths, memory.values),
            ),
        ]
    packed = sample.assets * (sample.assets + 1) // 2
    return [
        Launch("quasi_paths", count * packed, (*sizes, *sample.arrays, memory.points, memory.paths)),
        Launch("dcc_logliks", count * sample.rows, (*sizes, e, memory.paths, memory.values)),
    ]


def score_launches(sample: Sample, count: int, memory: Memory) -> list[Launch]:
    """Kernels that leave log-likelihoods of pairs and their slopes (count, FIELDS, pairs) in `memory.values`."""
    sizes, paths = sample.sizes(count), (memory.paths, memory.slopes)
    return [
        Launch("diagonal_paths", count * sample.assets, (*sizes, *sample.arrays, memory.points, *paths)),
        Launch("diagonal_roots", count * sample.standardised.size, (*sizes, *paths)),
        Launch("pair_scores", count * sample.pairs, (*sizes, *sample.arrays, memory.points, *paths, memory.values)),
    ]


def time_launches(sample: Sample, memory: Memory) -> list[Launch]:
    """Kernels that leave the sum over pairs of each time's log-likelihood, at the first point, in `memory.by_time`.

    Pairs are taken through one stretch of times after the other: as many as `memory.values` holds.
    """
    done, most = likelihood_launches("pairs", sample, 1, memory)[:2], memory.capacity * FIELDS
    for first in range(0, sample.rows, most):
        times = min(most, sample.rows - first)
        sizes = np.int32(first), np.int32(times), np.int32(sample.assets)
        arrays = *sample.arrays, memory.points, memory.paths, memory.quasi, memory.values
        done.append(Launch("pair_times", sample.pairs, (*sizes, *arrays)))
        done += sum_launches(times, sample.pairs, memory, memory.by_time[first : first + times])[0]
    return done


def sum_launches(lists: int, length: int, memory: Memory, into: Array = None) -> tuple[list[Launch], Array]:
    """Kernels that add up `memory.values` (lists, length), and where the sums (lists,) are: `into`, if given."""
    done: list[Launch] = []
    values = memory.values
    while length > 1 or not done:
        sums = memory.sums[len(done) % 2] if into is None or length > SEGMENT else into
        arguments = np.int32(lists), np.int64(length), values, sums
        done.append(Launch("segment_sums", lists * segments(length), arguments))
        values, length = sums, segments(length)
    return done, values


class DynamicsLikelihood:
    """Log-likelihoods of the dynamics of correlation on one sample, which stays in device memory.

    kind    all: `likelihood.dcc_loglik`, of all series at once; pairs: `pairs.composite_logliks`, the sum over pairs
    stream  a cupy stream that is not the default one (that cannot be captured), or None: one of its own

    Raises GpuMissing when there is no GPU, `mode` is "off", or the sample is too large for it. One thread at a time.
    """

    def __init__(
        self,
        standardised: Array,
        target: Array,
        negative_target: Array,
        *,
        kind: Kind,
        mode: Mode = "auto",
        stream: Any = None,
    ) -> None:
        cupy, module = library(mode)
        self._stream = stream or cupy.cuda.Stream(non_blocking=True)
        self._multiprocessors = cuda.multiprocessors(cupy)
        self._kind = kind
        with self._stream:
            self._sample = Sample(*(cuda.on_device(cupy, each) for each in (standardised, target, negative_target)))
            self._memory = memory_for(cupy, kind, self._sample)
            self._stream.synchronize()
        self._function = cache(module.get_function)  # kept: a capture looks nothing up
        self._plans: dict[Key, tuple[list[Launch], Array]] = {}
        self._graphs: dict[Key, Any] = {}
        self._points = np.zeros((self._memory.capacity, 3))

    def logliks(self, points: Floats) -> Floats:
        """(m,) of points (m, 2 or 3) of a, b (and g); nan where a Q is not positive definite."""
        return self._run("logliks", points)[:, 0]

    def scores(self, points: Floats) -> tuple[Floats, Floats]:
        """Log-likelihoods (m,) and their slopes (m, 3) by a, b, g at points (m, 2 or 3); of pairs only."""
        if self._kind != "pairs":
            raise ValueError("the GPU has scores of pairs only")
        found = self._run("scores", points)
        return found[:, 0], found[:, 1:]

    def logliks_by_time(self, point: Floats) -> Floats:
        """(rows,) log-likelihoods of each time at a point (2 or 3,): what `logliks` adds up."""
        self._set(point[None])
        return self._found(("times", 1), self._sample.rows)

    def _run(self, what: What, points: Floats) -> Floats:
        """(m, FIELDS or 1) sums."""
        fields, step = FIELDS if what == "scores" else 1, self._memory.capacity
        out = np.empty((len(points), fields))
        for first in range(0, len(points), step):
            part = points[first : first + step]
            self._set(part)
            found = self._found((what, len(part)), len(part) * fields)
            out[first : first + step] = found.reshape(-1, fields)
        return out

    def _set(self, points: Floats) -> None:
        self._points[: len(points), : points.shape[1]] = points
        self._points[: len(points), points.shape[1] :] = 0.0

    def _found(self, key: Key, length: int) -> Floats:
        """What the kernels give, (length,): by launches the first time, by a graph after that."""
        with self._stream:
            self._memory.points.set(self._points)
            if key not in self._plans:
                self._plans[key] = self._plan(*key)
                self._launch(self._plans[key][0])
            else:
                if key not in self._graphs:
                    self._stream.begin_capture()
                    self._launch(self._plans[key][0])
                    self._graphs[key] = self._stream.end_capture()
                self._graphs[key].launch(self._stream)
            found = np.empty(length)
            self._plans[key][1][:length].get(out=found)
        return found

    def _plan(self, what: What, count: int) -> tuple[list[Launch], Array]:
        """Launches, and where their answer is."""
        sample, memory, pairs = self._sample, self._memory, self._kind == "pairs"
        if what == "times" and pairs:
            return time_launches(sample, memory), memory.by_time
        if what == "scores":
            launches = score_launches(sample, count, memory)
        else:
            launches = likelihood_launches(self._kind, sample, count, memory)
        if what == "times":
            return launches, memory.values
        fields = FIELDS if what == "scores" else 1
        sums, where = sum_launches(count * fields, sample.pairs if pairs else sample.rows, memory)
        return [*launches, *sums], where

    def _launch(self, launches: list[Launch]) -> None:
        for each in launches:
            blocks, threads = cuda.shape_for(each.items, THREADS, self._multiprocessors)
            self._function(each.kernel)((blocks,), (threads,), each.arguments)
