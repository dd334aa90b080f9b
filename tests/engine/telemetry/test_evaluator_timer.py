"""The evaluators' timer: the same answers as untimed, every row or group once, nothing to time is an error."""

import numpy as np
import pytest

from engine.telemetry.evaluator_timer import ticks_of_nothing, time_rows
from kernels.linear.cpu import Linear
from kernels.mlp.cpu import Mlp
from kernels.trees.cpu import Trees

RNG = np.random.default_rng(1)
ROWS = RNG.normal(size=(400, 32))
EVALUATORS = {
    "linear": Linear(RNG.normal(size=(32, 4)), np.zeros(4)),
    "mlp": Mlp([RNG.normal(size=(32, 64)), RNG.normal(size=(64, 3))], [np.zeros(64), np.zeros(3)]),
    "gbdt": Trees(
        features_tn=RNG.integers(0, 32, (20, 7)),
        thresholds_tn=RNG.normal(size=(20, 7)),
        nan_right_tn=np.zeros((20, 7), bool),
        leaves_tl=RNG.normal(size=(20, 8)),
        output_t=np.zeros(20, np.int64),
        base_o=np.zeros(4),
    ),
}


@pytest.mark.parametrize("kind", EVALUATORS)
@pytest.mark.parametrize("group", [1, 16])
def test_timed_answers_are_the_untimed_ones(kind, group):
    times, outputs = time_rows(EVALUATORS[kind], ROWS, 80, group)
    np.testing.assert_array_equal(outputs, EVALUATORS[kind].evaluate(ROWS))
    assert times.messages == 320
    assert len(times.ns) == 320 // group


def test_a_hundred_times_the_work_takes_longer():
    """Not a timing test: the clock must be around the evaluator, not beside it."""
    deep = Mlp(
        [RNG.normal(size=s) for s in ((32, 256), *[(256, 256)] * 4, (256, 4))], [np.zeros(256)] * 5 + [np.zeros(4)]
    )
    slow, _ = time_rows(deep, ROWS)
    fast, _ = time_rows(EVALUATORS["linear"], ROWS)
    assert np.median(slow.ns) > 10 * np.median(fast.ns)
    assert (ticks_of_nothing() > 0).all()


def test_nothing_to_time_is_an_error():
    with pytest.raises(ValueError, match="nothing to time"):
        time_rows(EVALUATORS["linear"], ROWS, 400)
    with pytest.raises(ValueError, match=r"rows must be \(n, 32\)"):
        time_rows(EVALUATORS["linear"], ROWS[:, :31])
