"""Refits aside: the process goes on while one is made, and outlives one that fails."""

import threading
import time

import numpy as np
import pytest

from engine.risk_models.config import RiskProcessConfig
from engine.risk_models.estimate import Estimator
from engine.risk_models.refit import Refit, refit
from engine.risk_models.refitter import Refitter, Snapshot, due

SETTINGS = RiskProcessConfig(minimum_bars=20, fit_bars=300, history_bars=400)


def filled() -> Estimator:
    estimator = Estimator(2, 80, SETTINGS)
    for row in 1e-4 * np.random.default_rng(5).standard_normal((300, 2)):
        estimator.add(row)
    return estimator


def snapshot_of(estimator: Estimator) -> Snapshot:
    found = estimator.snapshot()
    assert found is not None
    return found


def result_of(refitter: Refitter) -> Refit | None:
    until = time.monotonic() + 60.0
    while time.monotonic() < until and refitter.busy:
        found = refitter.finished()
        if found is not None or not refitter.busy:
            return found
        time.sleep(0.005)
    raise AssertionError("the refit did not end")


@pytest.mark.parametrize(
    ("on_change", "since_s", "changed", "expected"),
    [
        (True, 59.0, False, False),
        (True, 60.0, False, True),
        (True, 4.9, True, False),  # a change is answered no more often than this
        (True, 5.0, True, True),
        (False, 59.0, True, False),
    ],
)
def test_refits_are_due_on_schedule_and_on_change_but_apart(
    on_change: bool, since_s: float, changed: bool, expected: bool
) -> None:
    assert due(RiskProcessConfig(refit_on_change=on_change), since_s, changed) == expected


def test_results_go_out_by_the_last_parameters_while_a_refit_is_made() -> None:
    gate, estimator = threading.Event(), filled()

    def slow(snapshot: Snapshot) -> Refit:
        gate.wait(60.0)
        return refit(snapshot, SETTINGS, 80)

    refitter = Refitter(slow)
    refitter.begin(snapshot_of(estimator))
    try:
        for number in range(20):
            assert refitter.busy
            assert refitter.finished() is None
            estimator.add(np.full(2, 1e-4))
            assert estimator.estimate(number, 1.0).newest_time_ns == number
    finally:
        gate.set()
    found = result_of(refitter)
    assert found is not None
    assert (found.last, estimator.bars) == (300, 320)
    estimator.adopt(found)
    assert not refitter.busy


def test_the_snapshot_is_not_the_window_that_goes_on() -> None:
    estimator = filled()
    snapshot = snapshot_of(estimator)
    before = snapshot.returns.copy()
    for _ in range(900):
        estimator.add(np.full(2, 1e-4))
    assert np.array_equal(snapshot.returns, before)


def test_a_refit_that_fails_is_counted_and_the_next_one_can_begin(capfd: pytest.CaptureFixture[str]) -> None:
    estimator, calls = filled(), iter([True, False])

    def once(snapshot: Snapshot) -> Refit:
        if next(calls):
            raise np.linalg.LinAlgError("eigenvalues did not converge")
        return refit(snapshot, SETTINGS, 80)

    refitter = Refitter(once)
    refitter.begin(snapshot_of(estimator))
    assert result_of(refitter) is None
    assert refitter.failed == 1
    assert "eigenvalues did not converge" in capfd.readouterr().err
    refitter.begin(snapshot_of(estimator))
    assert result_of(refitter) is not None
    assert refitter.failed == 1
