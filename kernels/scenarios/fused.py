"""a * b + c rounded once, as IEEE 754 defines it: one instruction on a CPU with FMA and on every GPU, the same bits."""

from typing import Any

from numba import types
from numba.extending import intrinsic


@intrinsic
def _fused(_context: Any, a: Any, b: Any, c: Any) -> Any:
    """fma(a, b, c), all float64. Written out wherever speed matters, so that no compiler is left a choice."""

    def generate(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), generate


fma: Any = _fused
