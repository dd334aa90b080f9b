"""What the tables of CPU against GPU share: how the two are timed, and where the GPU begins to win."""

import time
from collections.abc import Callable, Iterable

ROUNDS = 3
LONG_CPU_S = 10.0  # one round is enough


def seconds(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def in_turns(on_cpu: Callable[[], None], on_gpu: Callable[[], None]) -> tuple[float, float]:
    """Seconds of both, interleaved, the least of up to ROUNDS. What is to be compiled was called before."""
    both = [(seconds(on_cpu), seconds(on_gpu))]
    while len(both) < ROUNDS and both[0][0] < LONG_CPU_S:
        both.append((seconds(on_cpu), seconds(on_gpu)))
    return min(cpu for cpu, _ in both), min(of for _, of in both)


def smallest_won(ratios: Iterable[tuple[int, float]]) -> int | None:
    """Of (size, CPU/GPU): the smallest size from which on the GPU is faster at all larger ones too; None: at none."""
    found = None
    for size, ratio in sorted(ratios, reverse=True):
        if ratio <= 1.0:
            break
        found = size
    return found
