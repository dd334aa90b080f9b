"""Dynamic correlation: stepped as fitted, whitened and coloured, and what is in force when it cannot be fitted."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.risk_models import dependence
from engine.risk_models.correlation import FLOOR, REPAIRED, repaired, root_of, sample_correlation
from engine.risk_models.dependence import Dependence, fit_dependence
from models.dependence import fit_correlation
from models.dependence.two_step import DynamicsEstimate

Array = NDArray[np.float64]


def changing(bars: int = 1_500, instruments: int = 3) -> Array:
    """Standardised returns, their correlation going between 0.1 and 0.9."""
    random = np.random.default_rng(11)
    rho = (0.5 + 0.4 * np.sin(np.arange(bars) / 60.0))[:, None]
    common, own = random.standard_normal((bars, 1)), random.standard_normal((bars, instruments))
    shocks: Array = np.sqrt(rho) * common + np.sqrt(1.0 - rho) * own
    return shocks


def fitted(rows: Array, before: Dependence | None = None) -> Dependence:
    found = fit_dependence(rows, before, 400)
    assert found.dependence is not None
    return found.dependence


def test_dynamics_and_correlation_of_now_are_those_of_the_model() -> None:
    rows = changing()
    ours, theirs = fitted(rows), fit_correlation(rows)
    assert ours.dynamics.a == pytest.approx(theirs.dynamics.a, rel=1e-6)
    assert ours.dynamics.b == pytest.approx(theirs.dynamics.b, rel=1e-6)
    assert ours.correlation == pytest.approx(theirs.correlation, abs=1e-6)
    assert ours.repair is None


def test_more_instruments_than_fit_together_are_fitted_by_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependence, "MOST_TOGETHER", 2)
    rows = changing()
    ours, theirs = fitted(rows), fit_correlation(rows, estimator="composite")
    assert ours.dynamics.a == pytest.approx(theirs.dynamics.a, rel=1e-6)
    assert ours.correlation == pytest.approx(theirs.correlation, abs=1e-6)


def test_stepping_is_filtering_the_longer_history() -> None:
    rows = changing()
    stepped = fitted(rows[:1_200])
    whitened = [stepped.step(row) for row in rows[1_200:]]
    longer = Dependence(stepped.dynamics, stepped.moves, rows, 400)
    assert np.array_equal(stepped.correlation, longer.correlation)
    assert np.array_equal(np.array(whitened), longer.whitened[-300:])


def test_whitened_returns_are_uncorrelated_and_coloured_ones_have_the_correlation_of_now() -> None:
    found = fitted(changing(4_000))
    whitened = Dependence(found.dynamics, found.moves, changing(4_000), 4_000).whitened
    assert np.corrcoef(whitened.T) == pytest.approx(np.eye(3), abs=0.1)
    assert np.corrcoef(found.coloured(whitened).T) == pytest.approx(found.correlation, abs=0.1)


def test_the_past_of_the_same_correlation_comes_back_as_it_was() -> None:
    rows = changing()
    found = fitted(rows[:-1])
    z = rows[-1].copy()
    root = root_of(found.correlation)
    assert root @ found.step(z) == pytest.approx(z, rel=1e-9)


def test_the_order_of_instruments_is_of_no_account() -> None:
    rows, order = changing(), [2, 0, 1]
    one, other = fitted(rows), fitted(rows[:, order])
    assert other.correlation == pytest.approx(one.correlation[np.ix_(order, order)], abs=1e-6)
    assert other.whitened == pytest.approx(one.whitened[:, order], abs=1e-5)


def test_an_instrument_that_stands_still_is_correlated_with_nothing() -> None:
    rows = np.insert(changing(), 1, 0.0, axis=1)
    found = fitted(rows)
    assert found.correlation[1].tolist() == [0.0, 1.0, 0.0, 0.0]
    assert found.correlation[np.ix_([0, 2, 3], [0, 2, 3])] == pytest.approx(fitted(changing()).correlation)
    assert (found.whitened[:, 1] == 0.0).all()


def test_twins_are_repaired_and_said() -> None:
    rows = changing()[:, [0, 1, 1]]
    found = fit_dependence(rows, None, 400)
    assert REPAIRED in found.notes
    assert found.dependence is not None
    assert np.linalg.eigvalsh(found.dependence.correlation)[0] > 0.0
    assert np.abs(found.dependence.whitened).max() < 50.0


def test_a_fit_that_fails_leaves_the_one_before_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = changing()
    before = fitted(rows[:1_200])

    def failing(*_: Any, **__: Any) -> DynamicsEstimate:
        return DynamicsEstimate(np.array([0.1, 0.8]), 1.0, False, 0.0)

    monkeypatch.setattr(dependence, "fit_dynamics", failing)
    kept = fit_dependence(rows, before, 400)
    assert kept.dependence is not None
    assert kept.dependence.dynamics is before.dynamics
    assert [note.partition(":")[0] for note in kept.notes] == ["DEPENDENCE_KEPT"]
    first = fit_dependence(rows, None, 400)
    assert first.dependence is None
    assert [note.partition(":")[0] for note in first.notes] == ["DEPENDENCE_JOINT_HISTORY"]


@pytest.mark.parametrize(("instruments", "said"), [(1, []), (2, ["DEPENDENCE_JOINT_HISTORY"])])
def test_fewer_than_two_that_move_have_no_dependence(instruments: int, said: list[str]) -> None:
    rows = np.zeros((500, instruments))
    rows[:, 0] = changing(500)[:, 0]
    found = fit_dependence(rows, None, 400)
    assert found.dependence is None
    assert [note.partition(":")[0] for note in found.notes] == said


def test_a_matrix_is_repaired_no_more_than_needed() -> None:
    good = np.array([[1.0, 0.9], [0.9, 1.0]])
    assert repaired(good) == (good, None)
    mended, note = repaired(np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]]))
    assert note == REPAIRED
    assert np.linalg.eigvalsh(mended)[0] == pytest.approx(FLOOR)
    assert mended.diagonal().tolist() == [1.0, 1.0, 1.0]


def test_a_history_shorter_than_the_number_of_instruments_is_repaired() -> None:
    found, note = sample_correlation(np.random.default_rng(1).standard_normal((10, 20)))
    assert note == REPAIRED
    assert np.linalg.eigvalsh(found)[0] == pytest.approx(FLOOR)
