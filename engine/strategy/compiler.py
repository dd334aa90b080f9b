"""Compiles a strategy's callbacks with numba to object code that the core calls without the GIL.

Every Python function a callback reaches is offered to numba as it stands, so a strategy needs no decorators and runs
uncompiled from the same text. Division by zero and integer overflow are numpy's; an index out of range ends the call.
Accepted only if the optimised module calls nothing from outside: no allocation, no GIL, no libm.
"""

import importlib.util
import re
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core.errors import NumbaError
from numba.extending import intrinsic, register_jitable
from numba.np.numpy_support import from_dtype

from engine.errors import Exit
from engine.strategy.contract import EVENTS, INSTANCE, ORDERS, VIEWS, StrategyError
from engine.strategy.loader import Strategy
from engine.strategy.machine_code import EXACT, emit_object
from engine.strategy.wrapper import CALLBACK_OPTIONS, WRAPPER_OPTIONS, wrapper_source

LIBM = "acos|asin|atan|atan2|cos|cosh|exp|exp2|exp10|fma|fmuladd|log|log2|log10|pow|powi|sin|sincos|sinh|tan|tanh"
ALLOWED_EXTERNALS = re.compile(rf"llvm\.(?!({LIBM})\.)[\w.]+|{'|'.join(EXACT)}")  # llvm: single instructions

_OFFERED: set[FunctionType] = set()  # functions that numba knows already: a second offer would be ambiguous
_pointer: Any = types.CPointer


@intrinsic
def record_at(_context: Any, pointer: Any, _index: Any) -> Any:
    """The record at a place of an array given by its address; no bounds, no reference count."""

    def codegen(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        address, place = arguments
        byte = context.get_value_type(_pointer(types.int8))
        offset = builder.mul(place, place.type(pointer.dtype.size))
        found = builder.gep(builder.bitcast(address, byte), [offset])
        return builder.bitcast(found, context.get_value_type(pointer.dtype))

    return pointer.dtype(pointer, types.int64), codegen


def object_code(strategy: Strategy, folder: Path) -> dict[str, tuple[str, bytes]]:
    """Callback -> (symbol of its wrapper, relocatable object code). The wrapper's text is left in `folder`.

    Raises StrategyError: a typing error (exit code 1), or code that allocates, takes the GIL or calls libm (2).
    """
    for function in strategy.functions:
        if function not in _OFFERED:
            register_jitable(**CALLBACK_OPTIONS)(function)
            _OFFERED.add(function)
    path = folder / "wrapper.py"
    path.write_text(wrapper_source(strategy))
    wrapper = _import_wrapper(path, strategy)
    objects = {}
    for callback in strategy.callbacks:
        compiled = _compile(strategy, callback, wrapper)
        llvm = compiled.inspect_llvm()
        _refuse_outside_calls(strategy, callback, llvm)
        objects[callback] = (compiled.native_name, emit_object(llvm))
    return objects


def _import_wrapper(path: Path, strategy: Strategy) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"bot4_wrapper_{strategy.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, function in strategy.callbacks.items():
        setattr(module, name, function)
    return module


def _compile(strategy: Strategy, callback: str, wrapper: ModuleType) -> Any:
    event = EVENTS[callback]
    pointers: list[np.dtype[Any]] = [INSTANCE, strategy.state.dtype, strategy.params.dtype, VIEWS["account"]]
    pointers += [VIEWS[name] for name in ("book", "features", "forecast", "instrument")]
    pointers.append(event[1] if event is not None else INSTANCE)
    *rows, orders = (_pointer(from_dtype(dtype)) for dtype in (*pointers, ORDERS))
    signature = types.void(types.int64, types.int64, *rows, types.int64, orders)
    cfunc: Any = numba.cfunc
    try:
        return cfunc(signature, **WRAPPER_OPTIONS)(getattr(wrapper, f"{callback}_each"))
    except NumbaError as error:
        raise _typing_error(strategy, callback, error) from error


def _typing_error(strategy: Strategy, callback: str, error: NumbaError) -> StrategyError:
    """numba's pages as one line: the first line of the strategy's own files that they name, and what they say of it."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [
        (Path(match[1]).name, int(match[2]))
        for match in re.finditer(r'(?:File "|at )([^"\s]+\.py)"?,? (?:line |\()(\d+)', text)
        if Path(match[1]).name in strategy.file_names
    ]
    file, line = lines[0] if lines else (strategy.path.name, strategy.callbacks[callback].__code__.co_firstlineno)
    reason = _reason(text, f"{callback}(")
    return StrategyError(f"{file}:{line} {callback}: numba cannot compile this: {reason}", Exit.FAILED, details=text)


def _reason(text: str, outermost: str) -> str:
    """What numba minds most, in one line: records by that word, and the deepest call rather than the callback's own."""
    short, longer = text, ""
    while short != longer:  # records in records: the innermost first
        longer, short = short, re.sub(r"Record\((?:(?!Record\().)*?;(?:True|False)\)", "record", short)
    short = re.sub(r"Literal\[\w+\]\(([^)]*)\)", r"\1", short)
    calls = [call for call in re.findall(r">>> (.+)", short) if not call.startswith(outermost)]
    unbound = re.search(r"due to \"TypeError: ([^\"]+)\"", short)
    if calls and unbound:
        return f"{calls[-1]}: {unbound[1]}"
    unequal = re.search(r"Cannot unify (.+) and (.+?) for '", short)
    if unequal:
        return "one name stands for both " + " and ".join(sorted(unequal.groups()))
    for phrase in ("Unknown attribute", "is not defined", "Invalid use of", "No conversion", "annot "):
        row = next((row.strip() for row in short.splitlines() if phrase in row), None)
        if row:
            return row.partition(", defined at")[0]
    return f"{calls[-1]} is not possible" if calls else short.strip().partition("\n")[0]


def _refuse_outside_calls(strategy: Strategy, callback: str, llvm: str) -> None:
    """Looks at the declarations of the optimised module: what is declared but not defined is called from outside."""
    names = re.findall(r'^declare [^@]*@"?([\w.$]+)"?\(', llvm, re.MULTILINE)
    outside = sorted({name for name in names if not ALLOWED_EXTERNALS.fullmatch(name)})
    if not outside:
        return
    where = f"{strategy.path.name}:{strategy.callbacks[callback].__code__.co_firstlineno} {callback}"
    listed = f"(calls {', '.join(outside[:3])})"
    if any(name.startswith(("NRT_", "malloc", "calloc", "realloc")) for name in outside):
        reason = f"allocates memory {listed}; keep arrays as fields of State"
    elif any(name.startswith(("Py", "_Py", "numba_")) for name in outside):
        reason = f"takes the GIL {listed}; use only numbers, records and functions of engine.strategy.api"
    else:
        reason = f"calls a library function {listed}, whose last digit differs from host to host"
    raise StrategyError(f"{where}: {reason}")
