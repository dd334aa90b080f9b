"""A row of the table of scenarios on CPU and GPU, run with numpy in CuPy's place."""

from pathlib import Path

import pytest

from benchmarks.gpu_scenarios import timed
from kernels.scenarios import gpu
from tests.kernels.compiled import HOST_COMPILER, host_library
from tests.kernels.scenarios.test_gpu import KERNELS
from tests.kernels.stand_in import stand_in


@pytest.mark.skipif(HOST_COMPILER is None, reason="no C++ compiler (g++): the kernels' source was not run")
def test_a_row_is_timed_and_is_the_same_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = stand_in(host_library(gpu.SOURCE, KERNELS, tmp_path))
    monkeypatch.setattr(gpu, "library", lambda mode: made)
    row = timed(600, 3)
    assert row.same
    assert row.cpu_s > 0.0 < row.gpu_s
