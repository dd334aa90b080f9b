"""LANES doubles side by side as one value of the processor's vector unit.

numba vectorises long loops, but not the short fixed ones of which the factorisation of many small matrices is made, so
its few operations are given to LLVM as vectors. `rows` is always (m, LANES) float64, C-ordered; places are rows of it.
Every lane computes what a plain loop would, in the same order and without fused operations: same bits on any machine.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils as untyped
from numba.extending import intrinsic

LANES = 8
cgutils: Any = untyped
VECTOR = ir.VectorType(ir.DoubleType(), LANES)


def lane_operation(function: Callable[..., Any]) -> Any:
    """`numba.extending.intrinsic` without its types: what it gives is called without the typing context."""
    return intrinsic(function)


class _Rows:
    """Loads and stores of whole rows while code is generated."""

    def __init__(self, context: Any, builder: Any, signature: Any, array: Any) -> None:
        data = context.make_array(signature.args[0])(context, builder, array).data
        self._builder = builder
        self._base = builder.bitcast(data, VECTOR.as_pointer())

    def load(self, place: Any) -> Any:
        value = self._builder.load(self._builder.gep(self._base, [place]))
        value.align = 8
        return value

    def store(self, value: Any, place: Any) -> None:
        self._builder.store(value, self._builder.gep(self._base, [place])).align = 8

    def root(self, value: Any) -> Any:
        kind = ir.FunctionType(VECTOR, [VECTOR])
        root = cgutils.get_or_insert_function(self._builder.module, kind, f"llvm.sqrt.v{LANES}f64")
        return self._builder.call(root, [value])


def _operation(rows: Any, places: int, emit: Callable[[Any, _Rows, Any], None]) -> tuple[Any, Any]:
    """The numba signature and code generator of an operation on rows at `places` given places."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit(builder, _Rows(context, builder, signature, arguments[0]), arguments[1:])
        return context.get_dummy_value()

    return types.void(rows, *[types.intp] * places), generate


@lane_operation
def subtract_products(_: Any, rows: Any, target: Any, left: Any, right: Any, count: Any) -> tuple[Any, Any]:
    """rows[target] -= sum over k < count of rows[left + k] * rows[right + k]."""

    def emit(builder: Any, at: _Rows, places: Any) -> None:
        total = cgutils.alloca_once(builder, VECTOR)
        builder.store(at.load(places[0]), total)
        with cgutils.for_range(builder, places[3]) as loop:
            product = builder.fmul(
                at.load(builder.add(places[1], loop.index)), at.load(builder.add(places[2], loop.index))
            )
            builder.store(builder.fsub(builder.load(total), product), total)
        at.store(builder.load(total), places[0])

    return _operation(rows, 4, emit)


@lane_operation
def subtract_products_twice(
    _: Any, rows: Any, target: Any, other_target: Any, left: Any, other_left: Any, right: Any, count: Any
) -> tuple[Any, Any]:
    """`subtract_products` for two targets with a common right side: neither chain of sums waits for the other."""

    def emit(builder: Any, at: _Rows, places: Any) -> None:
        totals = [cgutils.alloca_once(builder, VECTOR) for _ in range(2)]
        for total, place in zip(totals, places[:2], strict=True):
            builder.store(at.load(place), total)
        with cgutils.for_range(builder, places[5]) as loop:
            common = at.load(builder.add(places[4], loop.index))
            for total, place in zip(totals, places[2:4], strict=True):
                product = builder.fmul(at.load(builder.add(place, loop.index)), common)
                builder.store(builder.fsub(builder.load(total), product), total)
        for total, place in zip(totals, places[:2], strict=True):
            at.store(builder.load(total), place)

    return _operation(rows, 6, emit)


@lane_operation
def multiply(_: Any, rows: Any, target: Any, factor: Any) -> tuple[Any, Any]:
    """rows[target] *= rows[factor]."""
    return _operation(
        rows, 2, lambda builder, at, places: at.store(builder.fmul(at.load(places[0]), at.load(places[1])), places[0])
    )


@lane_operation
def multiply_by_root(_: Any, rows: Any, target: Any, square: Any) -> tuple[Any, Any]:
    """rows[target] *= sqrt(rows[square])."""

    def emit(builder: Any, at: _Rows, places: Any) -> None:
        at.store(builder.fmul(at.load(places[0]), at.root(at.load(places[1]))), places[0])

    return _operation(rows, 2, emit)


@lane_operation
def reciprocal_root(_: Any, rows: Any, target: Any) -> tuple[Any, Any]:
    """rows[target] = 1 / sqrt(rows[target]); nan for a negative, inf for zero."""

    def emit(builder: Any, at: _Rows, places: Any) -> None:
        one = ir.Constant(VECTOR, [1.0] * LANES)
        at.store(builder.fdiv(one, at.root(at.load(places[0]))), places[0])

    return _operation(rows, 1, emit)
