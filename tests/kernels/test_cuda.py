"""What every gpu.py shares."""

from pathlib import Path

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


def test_threads_take_several_items_where_there_are_more_than_keep_the_gpu_busy() -> None:
    assert [cuda.blocks_for(items, 128, 2) for items in (0, 1, 128, 129, 10**9)] == [1, 1, 1, 2, 2 * cuda.BLOCKS_AN_SM]
