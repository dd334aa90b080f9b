"""Loads a strategy by the path of its file or the name of a built-in one, and checks it before anything is compiled."""

import ast
import hashlib
import importlib.util
import inspect
import math
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from engine.errors import Exit
from engine.strategy.checks import check
from engine.strategy.contract import (
    ARGUMENTS,
    CALLBACKS,
    EVENTS,
    NO_FIELDS,
    Callback,
    Fields,
    StrategyError,
    fields_of,
    meant,
)

BUILT_IN = Path(__file__).resolve().parents[2] / "examples" / "strategies"
DEFAULT_TIMER_INTERVAL_MS = 1_000
_OUR_PACKAGES = ("engine", "kernels", "models", "ipc")
_VERSIONED = ("numpy", "numba", "llvmlite")  # in the cache key by version


@dataclass(frozen=True, eq=False)
class Strategy:
    """A loaded strategy: its functions as written, its records, and all it was made of."""

    name: str
    path: Path
    module: ModuleType
    callbacks: dict[str, Callback]
    arguments: dict[str, tuple[str, ...]]  # callback -> names it asks for
    functions: tuple[FunctionType, ...]  # every Python function the callbacks reach, themselves included
    state: Fields
    params: Fields
    sources: tuple[Path, ...]  # files imported, transitively
    source_digest: str  # SHA-256 over sources and the constants the functions use

    @property
    def file_names(self) -> frozenset[str]:
        """Names of the strategy's own file and the helpers beside it."""
        return frozenset(path.name for path in self.sources if path.parent == self.path.parent)

    def timer_interval_ns(self, params: Mapping[str, int | float]) -> int:
        """Time between two calls of on_timer: the field timer_interval_ms, else TIMER_INTERVAL_MS, else one second."""
        module_value = getattr(self.module, "TIMER_INTERVAL_MS", DEFAULT_TIMER_INTERVAL_MS)
        return int(params.get("timer_interval_ms", module_value)) * 1_000_000

    def params_row(self, overrides: Mapping[str, int | float]) -> "np.ndarray[Any, Any]":
        """Parameters, shape (1,): defaults with overrides. Raises StrategyError for a name that is none."""
        row = np.zeros(1, dtype=self.params.dtype)
        names = [name for name in self.params.dtype.names or () if name != NO_FIELDS]
        for name, value in {**self.params.defaults, **overrides}.items():
            if name not in names:
                raise StrategyError(f"{self.name}: {name!r} is not a parameter ({meant(name, names)})")
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise StrategyError(f"{self.name}: parameter {name} must be a finite number, not {value!r}")
            whole = self.params.dtype[name].base == np.dtype("<i8")
            if whole and int(value) != value:
                raise StrategyError(f"{self.name}: parameter {name} must be a whole number, not {value!r}")
            if whole and abs(value) >= 1 << 63:
                raise StrategyError(f"{self.name}: parameter {name} must be below 2^63, not {value!r}")
            row[name] = value
        if (
            "on_timer" in self.callbacks
            and self.timer_interval_ns(dict(zip(row.dtype.names, row[0], strict=True))) <= 0
        ):
            raise StrategyError(f"{self.name}: the timer interval must be at least 1 ms")
        return row


def built_in_names() -> list[str]:
    """Names of the strategies that come with Bot4, in alphabetical order."""
    return sorted(path.stem for path in BUILT_IN.glob("[a-z]*.py"))


def resolve(name_or_path: str) -> Path:
    """File of a strategy. Raises StrategyError naming what there is."""
    path = Path(name_or_path)
    if path.suffix == ".py" or path.parent != Path():
        if not path.is_file():
            raise StrategyError(f"{name_or_path}: no such file; `bot4 strategy new NAME` makes one")
        return path.resolve()
    built_in = BUILT_IN / f"{name_or_path}.py"
    if not built_in.is_file():
        raise StrategyError(
            f"{name_or_path!r} is neither a file nor a built-in strategy ({', '.join(built_in_names())})"
        )
    return built_in


def load(name_or_path: str) -> Strategy:
    """A strategy ready to be bound and compiled, or to run as it is. Raises StrategyError."""
    path = resolve(name_or_path)
    module, beside = _import(path)
    callbacks = {
        name: function for name in CALLBACKS if isinstance(function := getattr(module, name, None), FunctionType)
    }
    for name, value in vars(module).items():
        if hasattr(value, "py_func"):
            raise StrategyError(f"{path.name}: {name} has a decorator; Bot4 compiles it, so write a plain def")
        if name.startswith("on_") and name not in CALLBACKS and inspect.isfunction(value):
            raise StrategyError(f"{path.name}: {name} is no callback; there are {', '.join(CALLBACKS)}", Exit.FAILED)
    if not callbacks:
        raise StrategyError(f"{path.name}: no callback found; write at least one of {', '.join(CALLBACKS)}")
    arguments = {name: _arguments(path, name, function) for name, function in callbacks.items()}
    state, params = _fields(path, module, "State"), _fields(path, module, "Params")
    functions = tuple(_reachable(callbacks))
    sources = tuple(_sources(module, beside))
    strategy = Strategy(
        path.stem, path, module, dict(callbacks), arguments, functions, state, params, sources,
        _digest(sources, functions, state, params),
    )  # fmt: skip
    check(path.parent, functions, callbacks, state.dtype, params.dtype)
    return strategy


def _fields(path: Path, module: ModuleType, name: str) -> Fields:
    try:
        return fields_of(getattr(module, name, None), getattr(module, f"{name.upper()}_DEFAULTS", None))
    except ValueError as error:
        raise StrategyError(f"{path.name}: {name} {error}", Exit.FAILED) from None


def _arguments(path: Path, callback: str, function: FunctionType) -> tuple[str, ...]:
    event = EVENTS[callback]
    known = ARGUMENTS if event is None else (*ARGUMENTS, event[0])
    names = tuple(inspect.signature(function).parameters)
    for name in names:
        if name not in known:
            line = function.__code__.co_firstlineno
            raise StrategyError(
                f"{path.name}:{line} {callback}: it cannot be given {name!r} ({meant(name, known)})",
                Exit.FAILED,
            )
    return names


# -- importing, with the helpers that lie beside the file --------------------------------------------------------------


def _import(path: Path) -> tuple[ModuleType, dict[str, ModuleType]]:
    """The module, and the modules of its own folder that it imported. None of them stays in sys.modules.

    Two strategies may each have a `helper.py`; and a helper changed since the last load is read anew.
    """
    before = set(sys.modules)
    spec = importlib.util.spec_from_file_location(f"bot4_strategy_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    write_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        importlib.invalidate_caches()
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except SyntaxError as error:
        raise StrategyError(f"{Path(error.filename or path).name}:{error.lineno}: {error.msg}", Exit.FAILED) from None
    except (Exception, SystemExit) as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise StrategyError(f"{path.name}:{_line_of(error, path)}: {said}", Exit.FAILED) from error
    finally:
        sys.path.remove(str(path.parent))
        sys.dont_write_bytecode = write_bytecode
        new = {name: sys.modules[name] for name in set(sys.modules) - before}
        beside = {name: found for name, found in new.items() if _file(found) and path.parent in _file(found).parents}
        for name in beside:
            del sys.modules[name]
    return module, beside


def _line_of(error: BaseException, path: Path) -> int:
    traceback, line = error.__traceback__, 0
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == str(path):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def _file(module: ModuleType) -> Path:
    return Path(getattr(module, "__file__", None) or "")


# -- what it is made of ------------------------------------------------------------------------------------------------


def _reachable(callbacks: Mapping[str, Callback]) -> Iterator[FunctionType]:
    """Every Python function that the callbacks can reach through globals and module attributes, each once."""
    seen: set[int] = set()
    waiting: list[Any] = list(callbacks.values())
    while waiting:
        function = waiting.pop()
        if id(function) in seen:
            continue
        seen.add(id(function))
        yield function
        waiting.extend(value for _, value in _names_used(function) if _translatable(value))


def _translatable(value: object) -> bool:
    """A plain Python function of the user's or of Bot4's, not one that numba already knows how to compile."""
    return isinstance(value, FunctionType) and value.__module__.partition(".")[0] not in (*_VERSIONED, "math")


def _names_used(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Globals that a function's code names, and `module.name` attributes among them."""
    for name in _code_names(function.__code__):
        if name not in function.__globals__:
            continue
        value = function.__globals__[name]
        yield name, value
        if isinstance(value, ModuleType):
            for attribute in _code_names(function.__code__):
                if attribute in vars(value):
                    yield f"{name}.{attribute}", vars(value)[attribute]


def _code_names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code_names(constant)


def _sources(module: ModuleType, beside: Mapping[str, ModuleType]) -> Iterator[Path]:
    """Files a module imports, transitively, but for the standard library and what is keyed by version."""
    standard = Path(sysconfig.get_path("stdlib"))
    module.__file__ = module.__file__ or ""
    seen: set[Path] = set()
    waiting = [module]
    while waiting:
        current = waiting.pop()
        path = _file(current)
        if not path.is_file() or path in seen or (standard in path.parents and "site-packages" not in path.parts):
            continue
        seen.add(path)
        if path.suffix == ".py":  # an extension's layouts are in the cache key, its build in the run's manifest
            yield path
            for name in _imported_names(path):
                found = beside.get(name) or sys.modules.get(name)
                if found is not None and name.partition(".")[0] not in _VERSIONED:
                    waiting.append(found)


def _imported_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            full = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            full = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in full:
            parts = name.split(".")
            yield from (".".join(parts[: i + 1]) for i in range(len(parts)))


def _digest(sources: tuple[Path, ...], functions: tuple[FunctionType, ...], state: Fields, params: Fields) -> str:
    digest = hashlib.sha256()
    files = sorted((path.name, hashlib.sha256(path.read_bytes()).digest()) for path in sources)
    for name, content in files:  # by name: where the files lie is no matter
        digest.update(name.encode() + b"\0" + content)
    for dtype in (state.dtype, params.dtype):
        digest.update(repr(dtype.descr).encode())
    for function in functions:  # constants may come from anywhere: a file read at import, the environment
        for name, value in _names_used(function):
            if isinstance(value, bool | int | float | tuple):
                digest.update(f"{function.__qualname__} {name} {value!r}\0".encode())
            elif isinstance(value, np.ndarray):
                digest.update(f"{function.__qualname__} {name} {value.dtype} {value.shape}".encode() + value.tobytes())
    return digest.hexdigest()
