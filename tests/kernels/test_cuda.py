"""What every gpu.py shares."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kernels import cuda
from kernels.dependence import gpu as dependence
from kernels.device import GpuMissing


def test_an_included_source_of_ours_stands_in_the_text_that_is_compiled(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "shared.cuh").write_text("int shared;\n")
    (tmp_path / "one" / "kernels.cu").write_text('int before;\n#include "../shared.cuh"\nint after; // "\n')
    assert cuda.text_of(tmp_path / "one" / "kernels.cu").splitlines() == [
        "int before;",
        "int shared;",
        "",
        'int after; // "',
    ]
    assert "#include" not in cuda.text_of(dependence.SOURCE)


def test_a_gpu_that_is_switched_off_is_named_with_what_it_would_have_computed() -> None:
    with pytest.raises(GpuMissing, match="switched off: dependence"):
        cuda.library(dependence.SOURCE, "off")


def with_cupy(monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
    """A GPU, and this in the place of cupy.RawModule."""
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(RawModule=module))
    monkeypatch.setattr(cuda, "gpu", lambda mode: "a GPU")
    cuda.library.cache_clear()


@pytest.fixture
def afterwards() -> Iterator[None]:
    yield
    cuda.library.cache_clear()


def test_a_gpu_that_cupy_cannot_use_is_none_and_says_why(monkeypatch: pytest.MonkeyPatch, afterwards: None) -> None:
    def compile_nothing() -> None:
        raise RuntimeError("the driver is too old")

    with_cupy(monkeypatch, lambda **_: SimpleNamespace(compile=compile_nothing))
    with pytest.raises(GpuMissing, match="CuPy cannot use it: the driver is too old"):
        cuda.library(dependence.SOURCE, "auto")


def test_the_source_is_compiled_once_without_fusing_what_is_not_written_fused(
    monkeypatch: pytest.MonkeyPatch, afterwards: None
) -> None:
    compiled: list[dict[str, Any]] = []

    def module(**words: Any) -> Any:
        return SimpleNamespace(compile=lambda: compiled.append(words))

    with_cupy(monkeypatch, module)
    assert cuda.library(dependence.SOURCE, "auto") is cuda.library(dependence.SOURCE, "auto")
    assert len(compiled) == 1
    assert compiled[0]["code"] == cuda.text_of(dependence.SOURCE)
    assert "--fmad=false" in compiled[0]["options"]


def test_a_machine_without_cupy_is_told_which_extra_it_lacks(monkeypatch: pytest.MonkeyPatch, afterwards: None) -> None:
    with_cupy(monkeypatch, None)
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(GpuMissing, match="install the extra gpu"):
        cuda.library(dependence.SOURCE, "auto")


def test_little_work_is_spread_over_the_multiprocessors_by_warps() -> None:
    assert cuda.shape_for(2_500, 128, 132) == (79, 32)
    assert cuda.shape_for(128 * 132, 128, 132) == (528, 32)
    assert cuda.shape_for(128 * 132 + 1, 128, 132) == (133, 128)


def test_threads_take_several_items_where_there_are_more_than_keep_the_gpu_busy() -> None:
    assert [cuda.blocks_for(items, 128, 2) for items in (0, 1, 128, 129, 10**9)] == [1, 1, 1, 2, 2 * cuda.BLOCKS_AN_SM]
