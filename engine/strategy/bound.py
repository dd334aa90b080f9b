"""A strategy bound to one instrument with its parameters: what the stage is given, in the pipeline's order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.strategy.loader import Strategy
from engine.strategy.machine_code import Compiled, compile_strategy


@dataclass(frozen=True, eq=False)
class BoundStrategy:
    """One instance. Its place in the list given to the stage is its strategy index in every order."""

    strategy: Strategy
    instrument: int  # row of the instrument table
    params: dict[str, int | float] = field(default_factory=dict)  # beside the strategy's own defaults
    compiled: Compiled | None = None  # None: runs uncompiled, with the same results


def bind(
    strategies: Sequence[tuple[Strategy, int, dict[str, int | float]]], cache_folder: Path | None
) -> list[BoundStrategy]:
    """Binds (strategy, instrument row, params) in order; compiles each strategy once, none without a cache folder."""
    compiled: dict[int, Compiled] = {}
    bound = []
    for strategy, instrument, params in strategies:
        if cache_folder is not None and id(strategy) not in compiled:
            compiled[id(strategy)] = compile_strategy(strategy, cache_folder)
        bound.append(BoundStrategy(strategy, instrument, params, compiled.get(id(strategy))))
    return bound
