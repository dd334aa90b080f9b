"""Pre-trade CVaR of one order: the bounds alone, and the exact pass over 1,000 stored scenarios.

Ten instruments held, orders open on both sides of each; the box of the instrument changes after every order, as a fill
or a price changes it, so that the next exact pass first brings the scenario-wise worst up to date.

    pretrade_cvar_bounds    the limit is far off: the upper bound accepts
    pretrade_cvar_exact     the limit lies between the bounds: one box redrawn, one pass over the scenarios
    mixes                   refused_by_bound; near_the_limit: some refused, after a selection of the tail; prices_moved:
                            all ten by a basis point since the last pass; all_moved: all ten boxes by much more

    python -m benchmarks.bench_exposure
"""

import json
from typing import Any

import numpy as np

from engine.telemetry.exposure_timer import time_orders
from kernels.exposure.cpu import VERDICTS, ExposureBook

INSTRUMENTS = 10
SCENARIOS = 1_000
LEVEL = 0.99
ORDERS = 40_000
WARMUP = 4_000
ROUNDS = 5
HELD_ATOMS = 1e12  # 10,000 of the quote currency


def losses(random: np.random.Generator) -> np.ndarray:
    """Shares lost over a day, correlated and fat-tailed, shape (INSTRUMENTS, SCENARIOS)."""
    common = random.standard_t(4, SCENARIOS)
    own = random.standard_t(4, (INSTRUMENTS, SCENARIOS))
    return np.asarray(0.02 * (0.7 * common + 0.7 * own))


def orders(random: np.random.Generator, held: np.ndarray, mix: str) -> np.ndarray:
    """Value added and the box afterwards, shape (ORDERS, 3)."""
    rows = np.empty((ORDERS, 3))
    rows[:, 0] = random.uniform(0.001, 0.02, ORDERS) * HELD_ATOMS * random.choice([-1.0, 1.0], ORDERS)
    middle = held[np.arange(ORDERS) % INSTRUMENTS] * random.uniform(0.999, 1.001, ORDERS)
    if mix == "prices_moved":
        middle = held[np.arange(ORDERS) % INSTRUMENTS] * random.uniform(0.9999, 1.0001, ORDERS)
        rows[:, 1], rows[:, 2] = middle - 0.01 * HELD_ATOMS, middle + 0.01 * HELD_ATOMS
        return rows
    rows[:, 1] = middle - random.uniform(0.0, 0.02, ORDERS) * HELD_ATOMS
    rows[:, 2] = middle + random.uniform(0.0, 0.02, ORDERS) * HELD_ATOMS
    return rows


def time_mix(mix: str) -> dict[str, Any]:
    """The round with the least median."""
    best: dict[str, Any] = {}
    for number in range(ROUNDS):
        random = np.random.default_rng(number)
        held = random.uniform(-1.0, 1.0, INSTRUMENTS) * HELD_ATOMS
        book, rows = ExposureBook(losses(random), held, LEVEL), orders(random, held, mix)
        for index in range(INSTRUMENTS):
            book.place(index, *rows[index, 1:])
        lower, upper = book.bounds()
        worst = book.worst()
        limit = {
            "bounds": 2.0 * upper,
            "refused_by_bound": 0.5 * lower,
            "near_the_limit": (worst + 0.2 * (upper - worst)),
        }.get(mix, (worst + upper) / 2)
        group = 16 if mix in ("bounds", "refused_by_bound") else 1
        moves = INSTRUMENTS if mix in ("all_moved", "prices_moved") else 1
        times, verdicts = time_orders(book, rows, limit, True, WARMUP, group, moves)
        row = times.row(f"pretrade_cvar_{mix}")
        if not best or row["p50_ns"] < best["p50_ns"]:
            counts = {name: int(count) for name, count in zip(VERDICTS, verdicts, strict=True) if count}
            best = row | {"verdicts": counts, "group": group, "clock_overhead_ns": times.overhead_ns}
    return best


def pretrade_cvar_bounds() -> dict[str, Any]:
    """The row `pretrade_cvar_bounds`: one order judged by the two bounds; means of 16."""
    row = time_mix("bounds")
    return row | {"instruments": INSTRUMENTS, "mixes": {"refused_by_bound": time_mix("refused_by_bound")}}


def pretrade_cvar_exact() -> dict[str, Any]:
    """The row `pretrade_cvar_exact`: one order judged over the stored scenarios; single readings."""
    row = time_mix("exact")
    mixes = {mix: time_mix(mix) for mix in ("near_the_limit", "prices_moved", "all_moved")}
    return row | {"instruments": INSTRUMENTS, "scenarios": SCENARIOS, "level": LEVEL, "mixes": mixes}


if __name__ == "__main__":
    print(json.dumps([pretrade_cvar_bounds(), pretrade_cvar_exact()], indent=2))
