"""Filtering under given parameters looks back only: what was said of a bar stands, however many bars follow."""

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.faults import DataFault, Fault
from models.volatility import Spec, filter_batch, fit_batch, step
from models.volatility.spec import Process, StartVariance
from tests.kernels.volatility.cases import simulated

PARAMETERS = {
    "garch": [0.02, 0.08, 0.9],
    "gjr": [0.02, 0.04, 0.07, 0.9],
    "egarch": [0.01, 0.15, -0.06, 0.97],
    "aparch": [0.02, 0.07, 0.4, 0.9, 1.3],
}
MEANS = {"zero": [], "constant": [0.03], "var1": [0.04]}
PROCESSES, STARTS = get_args(Process), get_args(StartVariance)
SERIES = simulated(5, 900, 1, 1)


def theta(process: str, mean: str, scale: float = 1.0) -> np.ndarray[Any, Any]:
    """Parameters in the units of returns that are `scale` times percent."""
    own = np.array(PARAMETERS[process])
    if process == "egarch":
        own[0] += (1.0 - own[3]) * 2.0 * np.log(scale)
    else:
        own[0] *= scale ** (own[4] if process == "aparch" else 2.0)
    level = np.array(MEANS[mean]) * (scale if mean == "constant" else 1.0)
    return np.concatenate([level, own])[None]


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("mean", MEANS)
def test_later_returns_change_no_variance_once_the_first_is_given(process: Any, start: Any, mean: Any) -> None:
    spec, scale = Spec(process=process, mean=mean, start_variance=start), 0.01
    late = scale * SERIES.copy()
    late[300:] *= 40.0  # what a crash after the fact would do to any quantity of the whole sample
    whole = filter_batch(late, spec, theta(process, mean, scale), first_variances=np.array([1.2e-4]))
    for end in (3, 59, 60, 61, 62, 63, 64, 65, 66, 67, 299, 640, 641, 893):
        early = filter_batch(late[:end], spec, theta(process, mean, scale), first_variances=np.array([1.2e-4]))
        np.testing.assert_array_equal(early[0], whole[0, : early.shape[1]])


@pytest.mark.parametrize("process", PROCESSES)
def test_the_unconditional_start_looks_ahead_as_little(process: Any) -> None:
    spec = Spec(process=process, mean="constant", start_variance="unconditional")
    whole = filter_batch(SERIES, spec, theta(process, "constant"))
    early = filter_batch(SERIES[:333], spec, theta(process, "constant"))
    np.testing.assert_array_equal(early, whole[:, :333])


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("start", ["benchmark", "ols"])
def test_the_starts_of_the_whole_sample_do_move_with_later_returns(process: Any, start: Any) -> None:
    spec = Spec(process=process, mean="zero", start_variance=start)
    whole, early = (filter_batch(part, spec, theta(process, "zero")) for part in (SERIES, SERIES[:333]))
    assert whole[0, 0] != early[0, 0]


@settings(max_examples=40, deadline=None)
@given(process=st.sampled_from(PROCESSES), cut=st.integers(1, 899), seed=st.integers(0, 2**32 - 1))
def test_a_stretch_filtered_in_two_parts_is_the_whole(process: Any, cut: int, seed: int) -> None:
    random = np.random.Generator(np.random.PCG64(seed))
    series, spec = SERIES * random.choice([1e-4, 1.0, 1e3]), Spec(process=process, mean="zero")
    parameters = theta(process, "zero", series[0] / SERIES[0])
    whole = filter_batch(series, spec, parameters, first_variances=np.array([np.var(series)]))
    words = dict(zip(spec.names(), parameters[0].tolist(), strict=True))
    first = step(float(whole[0, cut - 1]), spec, words, float(series[cut - 1]))
    rest = filter_batch(series[cut:], spec, parameters, first_variances=np.array([first]))
    np.testing.assert_allclose(rest[0], whole[0, cut:], rtol=1e-12)


@pytest.mark.parametrize("process", PROCESSES)
def test_a_fit_goes_on_from_the_variance_it_ends_with(process: Any) -> None:
    spec = Spec(process=process, errors="t")
    panel = np.stack([simulated(seed, 700, 1, 1) for seed in (3, 4)])
    fitted = fit_batch(panel[:, :600], spec, standard_errors=False)
    own = fitted.parameters.shape[1] - 1
    found = filter_batch(panel[:, 600:], spec, fitted.parameters, first_variances=fitted.next_variance)
    for i in range(2):
        variance = fitted.next_variance[i]
        words = dict(zip(spec.names()[1:own], fitted.parameters[i, 1:own].tolist(), strict=True))
        for t in range(100):
            assert found[i, t] == pytest.approx(variance, rel=1e-10)
            variance = step(variance, spec, words, panel[i, 600 + t] - fitted.parameters[i, 0])


def test_short_and_constant_stretches_are_filtered_when_their_start_is_given() -> None:
    found = filter_batch(np.zeros((2, 3)), Spec(mean="zero"), np.tile(theta("garch", "zero"), (2, 1)),
                         first_variances=np.array([1.0, 2.0]))  # fmt: skip
    np.testing.assert_allclose(found[1], [2.0, 1.82, 1.658])


def test_what_cannot_be_filtered_is_named() -> None:
    spec, parameters = Spec(mean="zero"), theta("garch", "zero")
    with pytest.raises(DataFault, match="nan at position 7"):
        filter_batch(np.where(np.arange(60) == 7, np.nan, 1.0), spec, parameters)
    with pytest.raises(DataFault, match=r"no backcast start variance: 0\.0"):
        filter_batch(np.zeros(60), spec, parameters)
    with pytest.raises(Fault, match=r"parameters have shape \(1, 4\); they need one row per series, \(1, 3\)"):
        filter_batch(SERIES, spec, theta("gjr", "zero"))
    with pytest.raises(Fault, match=r"first_variances have shape \(2,\)"):
        filter_batch(SERIES, spec, parameters, first_variances=np.ones(2))
    for wrong in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(Fault, match=f"first_variances: {wrong} at series 0"):
            filter_batch(SERIES, spec, parameters, first_variances=np.array([wrong]))
