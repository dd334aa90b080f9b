"""Paths: the compiled blocks against the reference, and against themselves in other blocks, batches and orders."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.scenarios import cpu, reference, tables
from kernels.scenarios.cpu import Draws, Process

ASSETS, DAYS = 3, 40
NOTHING, NO_TABLE = np.zeros((0, 0)), np.zeros((0, 0, 0))
MARGINS = np.array([4.5, 8.0, np.inf])
OBSERVED = np.random.default_rng(8).standard_normal((ASSETS, DAYS))
LOWER = np.linalg.cholesky(np.array([[1.0, 0.6, 0.2], [0.6, 1.0, -0.3], [0.2, -0.3, 1.0]]))
KINDS = {
    "scores": cpu.SCORES,
    "t margins": cpu.T_MARGINS,
    "empirical": cpu.EMPIRICAL_MARGINS,
    "resampled": cpu.RESAMPLED,
}


def process(*, jumping: bool, floor: float = -1.0) -> Process:
    return Process(
        mean=np.array([1e-4, 0.0, -2e-4]),
        variance=np.array([1e-4, 4e-4, 2e-4]),
        omega=np.array([2e-6, 1e-6, 0.0]),
        alpha=np.array([0.03, 0.06, 0.0]),
        gamma=np.array([0.08, 0.0, 0.0]),
        beta=np.array([0.9, 0.94, 1.0]),
        jump_odds=np.array([[0.9, 0.99, 1.0], [0.5, 0.9, 0.97], [1.0, 1.0, 1.0]]) if jumping else NOTHING,
        jump_mean=np.array([-0.02, 0.01, 0.0]),
        jump_sd=np.array([0.03, 0.02, 0.0]),
        floor=floor,
    )


def draws(kind: int, dof: float) -> Draws:
    margins, observed = NO_TABLE, NOTHING
    if kind == cpu.T_MARGINS:
        shapes = [tables.t_margin_table(dof, float(margin)) for margin in MARGINS]
        margins = np.stack(shapes)
    if kind == cpu.EMPIRICAL_MARGINS:
        margins, observed = tables.probability_table(dof)[None], np.sort(OBSERVED, axis=1)
    if kind == cpu.RESAMPLED:
        observed = OBSERVED
    mixing = NO_TABLE if np.isinf(dof) else tables.mixing_table(dof)
    return Draws(kind, LOWER, tables.normal_table(), mixing, margins, observed)


def recipe(kind: int, dof: float) -> reference.Recipe:
    observed = np.sort(OBSERVED, axis=1) if kind == cpu.EMPIRICAL_MARGINS else OBSERVED
    return reference.Recipe(kind, LOWER, dof, MARGINS, observed)


def returns(made: Draws, by: Process, steps: int, paths: np.ndarray, seed: int, block: int = 64) -> np.ndarray:
    found = np.empty((len(paths), ASSETS))
    memory = np.empty((3, block), np.uint64), np.empty((2 * ASSETS + 4, block)), np.empty((ASSETS, block))
    cpu.path_returns(made, by, steps, paths.astype(np.int64), np.uint64(seed), found, *memory)
    return found


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(("dof", "jumping", "steps"), [(5.0, True, 3), (np.inf, False, 1)])
def test_paths_are_the_references(name: str, dof: float, jumping: bool, steps: int) -> None:
    kind, by = KINDS[name], process(jumping=jumping)
    paths = np.array([0, 1, 77, (1 << 40) + 3])
    found = returns(draws(kind, dof), by, steps, paths, 9)
    for row, path in zip(found, paths.tolist(), strict=True):
        expected = reference.path_return(recipe(kind, dof), by, steps, path, 9)
        assert np.abs(row - expected).max() < 1e-12


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS.values())),
    seed=st.integers(0, (1 << 64) - 1),
    first=st.integers(0, 1 << 50),
    cuts=st.lists(st.integers(1, 199), max_size=4),
    block=st.integers(1, 150),
)
def test_a_path_is_the_same_in_any_batch_block_and_order(
    kind: int, seed: int, first: int, cuts: list[int], block: int
) -> None:
    made, by, paths = draws(kind, 5.0), process(jumping=True), first + np.arange(200)
    whole = returns(made, by, 2, paths, seed)
    pieces = [returns(made, by, 2, part, seed, block) for part in np.split(paths, sorted(set(cuts)))]
    assert np.array_equal(np.concatenate(pieces), whole)
    assert np.array_equal(returns(made, by, 2, paths[::-1], seed, block)[::-1], whole)


def test_losses_are_the_exposures_times_the_returns() -> None:
    made, by = draws(cpu.T_MARGINS, 5.0), process(jumping=True)
    exposures, losses = np.array([2.0, -1.0, 0.5]), np.empty(300)
    memory = np.empty((3, 64), np.uint64), np.empty((2 * ASSETS + 4, 64)), np.empty((ASSETS, 64))
    cpu.path_losses(made, by, 2, exposures, 10, np.uint64(3), losses, *memory)
    expected = -returns(made, by, 2, 10 + np.arange(300), 3) @ exposures
    assert np.abs(losses - expected).max() < 1e-15


def test_the_shortcut_for_linear_portfolios_makes_the_same_losses() -> None:
    made, by = draws(cpu.SCORES, 5.0), process(jumping=False, floor=-np.inf)
    exposures, losses = np.array([2.0, -1.0, 0.5]), np.empty(300)
    direction = made.lower.T @ (exposures * np.sqrt(by.variance))
    memory = np.empty((3, 64), np.uint64), np.empty((2 * ASSETS + 4, 64))
    cpu.linear_losses(made, direction, float(exposures @ by.mean), 10, np.uint64(3), losses, *memory)
    expected = -returns(made, by, 1, 10 + np.arange(300), 3) @ exposures
    assert np.abs(losses - expected).max() < 1e-15


def test_nothing_loses_more_than_its_price() -> None:
    by = process(jumping=True)._replace(jump_mean=np.array([-3.0, -3.0, -3.0]))
    found = returns(draws(cpu.SCORES, 5.0), by, 5, np.arange(500), 1)
    assert found.min() == -1.0


def test_moments_of_many_paths_are_those_of_the_process() -> None:
    by = process(jumping=False, floor=-np.inf)
    unit = np.sqrt(3.0 / 5.0)
    made = draws(cpu.SCORES, 5.0)
    found = returns(made._replace(lower=unit * made.lower), by, 1, np.arange(200_000), 4)
    deviations = found.std(axis=0) / np.sqrt(by.variance)
    assert np.abs(deviations - 1.0).max() < 0.02
    assert np.abs(np.corrcoef(found.T) - LOWER @ LOWER.T).max() < 0.02
    assert np.abs(found.mean(axis=0) - by.mean).max() < 5.0 * np.sqrt(by.variance / 200_000).max()


def test_jumps_have_the_poisson_mean_and_variance() -> None:
    rate, mean, sd = 0.4, -0.01, 0.02
    counts = np.arange(12)
    odds = np.cumsum(np.exp(-rate) * rate**counts / np.cumprod(np.maximum(counts, 1)))
    by = process(jumping=True, floor=-np.inf)._replace(
        variance=np.zeros(ASSETS),
        mean=np.zeros(ASSETS),
        jump_odds=np.tile(odds, (ASSETS, 1)),
        jump_mean=np.full(ASSETS, mean),
        jump_sd=np.full(ASSETS, sd),
    )
    found = returns(draws(cpu.SCORES, np.inf), by, 1, np.arange(100_000), 4)
    assert np.abs(found.mean(axis=0) - rate * mean).max() < 3e-4
    assert np.abs(found.var(axis=0) / (rate * (mean**2 + sd**2)) - 1.0).max() < 0.03
    assert np.abs(np.corrcoef(found.T) - np.eye(ASSETS)).max() < 0.02


def test_days_are_drawn_evenly_and_all_assets_of_one_together() -> None:
    by = process(jumping=False, floor=-np.inf)._replace(mean=np.zeros(ASSETS), variance=np.ones(ASSETS))
    found = returns(draws(cpu.RESAMPLED, 5.0), by, 1, np.arange(40_000), 4)
    days = np.argmin(np.abs(found[:, :1] - OBSERVED[0]), axis=1)
    assert np.array_equal(found, OBSERVED[:, days].T)
    counts = np.bincount(days, minlength=DAYS)
    assert np.sum((counts - 1_000.0) ** 2 / 1_000.0) < 80.0  # chi-square with 39: 99.99 % lies below
