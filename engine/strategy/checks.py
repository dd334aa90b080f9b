"""Looks at a strategy's text before anything is compiled, so that a mistake gets one line its reader can act on.

Only functions of the strategy's own folder are read: a callback and whatever it calls there. The rules are those that
make a strategy a function of its inputs, the same compiled or not; what slips through here (an alias, a trick) is
caught by the compiler, which refuses machine code that allocates, takes the GIL or calls libm.
"""

import ast
import builtins
import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, TypeAlias

import numpy as np

from engine.errors import Exit
from engine.strategy import api
from engine.strategy.contract import EVENTS, NO_FIELDS, ORDERS, VIEWS, Callback, StrategyError, meant

DType: TypeAlias = np.dtype[Any]

_CLOCK = "the clock reaches a strategy as on_timer; {call}() is not allowed"
_CHANCE = "the same inputs must give the same orders; {call}() is not allowed"
_OUTSIDE = "a strategy reaches nothing outside; {call}() is not allowed"
_PRINT = "a strategy prints nothing; keep it as a field of State; {call}() is not allowed"
_MEMORY = "a strategy allocates nothing; keep it as a field of State; {call}() is not allowed"
_DIGITS = "{call}() differs from host to host in its last digit; take it from kernels.elementary_reference"
_RAISES = "{call}() fails on some numbers where machine code goes on; write {instead}"
_INSTEAD = {
    "sqrt": "np.sqrt()", "floor": "round_down() or np.floor()", "ceil": "round_up() or np.ceil()",
    "trunc": "np.trunc()",
}  # fmt: skip
_MODULES = {
    "time": _CLOCK, "datetime": _CLOCK, "random": _CHANCE, "secrets": _CHANCE, "uuid": _CHANCE, "os": _OUTSIDE,
    "sys": _OUTSIDE, "io": _OUTSIDE, "pathlib": _OUTSIDE, "socket": _OUTSIDE, "subprocess": _OUTSIDE,
    "threading": _OUTSIDE, "logging": _PRINT, "collections": _MEMORY,
}  # fmt: skip
_BUILTINS = {
    "print": _PRINT, "open": _OUTSIDE, "input": _OUTSIDE, "exec": _OUTSIDE, "eval": _OUTSIDE, "id": _CHANCE,
    "hash": _CHANCE, "list": _MEMORY, "dict": _MEMORY, "set": _MEMORY, "str": _MEMORY, "repr": _MEMORY,
    "sorted": _MEMORY, "bytes": _MEMORY, "bytearray": _MEMORY, "pow": _DIGITS,
}  # fmt: skip
_EXACT_MATHS = frozenset({
    "fabs", "isnan", "isinf", "isfinite", "copysign", "frexp", "ldexp", "fmod",
})  # fmt: skip
_EXACT_NUMPY = frozenset({
    "sqrt", "abs", "fabs", "floor", "ceil", "trunc", "isnan", "isinf", "isfinite", "sign", "copysign", "int64",
    "float64",
})  # fmt: skip
_NODES: dict[type[ast.AST], str] = {
    ast.List: "a list", ast.ListComp: "a list", ast.Dict: "a dict", ast.DictComp: "a dict", ast.Set: "a set",
    ast.SetComp: "a set", ast.GeneratorExp: "a generator", ast.JoinedStr: "a formatted text", ast.Lambda: "a lambda",
}  # fmt: skip
_STATEMENTS: dict[type[ast.AST], str] = {
    ast.Global: "global: what is remembered is a field of State", ast.Nonlocal: "nonlocal", ast.With: "with",
    ast.Try: "try: a failed call ends the instance", ast.Import: "import inside a function",
    ast.ImportFrom: "import inside a function", ast.ClassDef: "a class inside a function",
    ast.FunctionDef: "a function inside a function", ast.AsyncFunctionDef: "async", ast.Await: "await",
    ast.Yield: "yield", ast.YieldFrom: "yield", ast.Delete: "del",
}  # fmt: skip


def check(
    folder: Path,
    functions: tuple[FunctionType, ...],
    callbacks: Mapping[str, Callback],
    state: DType,
    params: DType,
) -> None:
    """Raises StrategyError for the first mistake, in the order of the text."""
    found: list[tuple[str, int, StrategyError]] = []
    for function in functions:
        path = Path(function.__code__.co_filename)
        if folder in path.parents:
            records = _records(function, callbacks, state, params)
            mistakes = _Checker(path.name, function, records).mistakes(_definition(path, function))
            found.extend((path.name, line, error) for line, error in mistakes)
    if found:
        raise min(found, key=lambda mistake: mistake[:2])[2]


def _records(
    function: FunctionType, callbacks: Mapping[str, Callback], state: DType, params: DType
) -> dict[str, DType]:
    """What the names of a function's arguments stand for."""
    known: dict[str, DType] = {"state": state, "params": params, "orders": ORDERS, **VIEWS}
    name = function.__name__
    event = EVENTS[name] if callbacks.get(name) == function else None
    if event is not None:
        known[event[0]] = event[1]
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    return {name: known[name] for name in names if name in known}


def _definition(path: Path, function: FunctionType) -> ast.FunctionDef:
    first = function.__code__.co_firstlineno
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.FunctionDef) and node.name == function.__code__.co_name:
            lines = (node.lineno, *(decorator.lineno for decorator in node.decorator_list))
            if first in lines:
                return node
    raise StrategyError(f"{path.name}:{first}: {function.__name__} must be written with def, at the top of the file")


class _Checker:
    """Walks one function. `records` holds what its arguments, and names assigned from them, stand for."""

    def __init__(self, file: str, function: FunctionType, records: dict[str, DType]) -> None:
        self.file, self.function, self.records = file, function, records
        self.arguments = frozenset(records)

    def mistakes(self, definition: ast.FunctionDef) -> Iterator[tuple[int, StrategyError]]:
        for statement in definition.body:
            for node in ast.walk(statement):
                if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                    found = self._record(node.value)
                    if found is not None and node.targets[0].id not in self.records:
                        self.records[node.targets[0].id] = found
        for statement in definition.body:
            for node in ast.walk(statement):
                line = getattr(node, "lineno", 0)
                for error in self._look(node, line):
                    yield line, error

    def _look(self, node: ast.AST, line: int) -> Iterator[StrategyError]:
        if isinstance(node, ast.Attribute):
            yield from self._field(node, line)
        if isinstance(node, ast.Call):
            yield from self._call(node, line)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield from self._name(node.id, line)
        if isinstance(node, ast.Attribute | ast.Subscript | ast.Name) and isinstance(node.ctx, ast.Store):
            yield from self._store(node, line)
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Pow):
            yield self._refuse(line, "** differs from host to host in its last digit; write x * x")
        for kind, what in _NODES.items():
            if type(node) is kind and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
                yield self._refuse(line, f"a strategy allocates nothing; {what} is not allowed; keep it in State")
        if type(node) in _STATEMENTS:
            yield self._refuse(line, f"a strategy has no {_STATEMENTS[type(node)]}")

    def _refuse(self, line: int, reason: str) -> StrategyError:
        return StrategyError(f"{self.file}:{line}: {reason}")

    def _name(self, name: str, line: int) -> Iterator[StrategyError]:
        here, scope = self.function.__code__.co_varnames, self.function.__globals__
        if name not in here and name not in scope and not hasattr(builtins, name):
            where = f"{self.file}:{line} {self.function.__name__}"
            near = difflib.get_close_matches(name, [*here, *(key for key in scope if key[0] != "_")], 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield StrategyError(f"{where}: '{name}' is not defined{hint}", Exit.FAILED)

    # -- fields --

    def _record(self, node: ast.AST) -> DType | None:
        """The record, or array of records or numbers, that an expression stands for; None where that is not known."""
        if isinstance(node, ast.Name):
            return self.records.get(node.id)
        if isinstance(node, ast.Attribute):
            owner = self._record(node.value)
            return owner[node.attr] if owner is not None and owner.names and node.attr in owner.names else None
        if isinstance(node, ast.Subscript):
            rows = self._record(node.value)
            return rows.base if rows is not None and rows.shape else None
        return None

    def _field(self, node: ast.Attribute, line: int) -> Iterator[StrategyError]:
        owner = self._record(node.value)
        if owner is None or not owner.names or node.attr in owner.names:
            return
        text = ast.unparse(node.value)
        record = {"state": "State", "params": "Params"}.get(text, text)
        if owner.names == (NO_FIELDS,):
            hint = f"the file has no class {record}; give it {node.attr}: int or float"
        else:
            hint = meant(node.attr, owner.names)
        where = f"{self.file}:{line} {self.function.__name__}"
        yield StrategyError(f"{where}: '{text}.{node.attr}' is not a field of {record} ({hint})", Exit.FAILED)

    def _store(self, node: ast.Attribute | ast.Subscript | ast.Name, line: int) -> Iterator[StrategyError]:
        root: ast.AST = node
        while isinstance(root, ast.Attribute | ast.Subscript):
            root = root.value
        name = root.id if isinstance(root, ast.Name) else ast.unparse(root)
        if isinstance(node, ast.Name):
            if name in self.arguments:
                yield self._refuse(line, f"'{name}' is given to the function and cannot be replaced")
        elif name != "state":
            yield self._refuse(line, f"'{ast.unparse(node)}' cannot be written; only fields of state can")

    # -- calls --

    def _call(self, node: ast.Call, line: int) -> Iterator[StrategyError]:
        text = ast.unparse(node.func)
        root, _, rest = text.partition(".")
        scope = self.function.__globals__
        if root not in scope:
            if root in _BUILTINS and root not in self.function.__code__.co_varnames:
                yield self._refuse(line, _BUILTINS[root].format(call=text))
            elif rest:
                yield self._refuse(
                    line, f"{text}() is a method, which adds in another order when compiled; write a loop"
                )
            return
        value: Any = scope[root]
        for name in rest.split(".") if rest else ():
            value = getattr(value, name, None)
        module = _module_of(scope[root], value)
        reason = _reason(module, text.rpartition(".")[2])
        if reason:
            yield self._refuse(line, reason.format(call=text))
        if value is api.place or value is api.replace:
            yield from self._price(node, line)

    def _price(self, node: ast.Call, line: int) -> Iterator[StrategyError]:
        """A price written as a number with a fraction."""
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        price = given.get("price_ticks", node.args[2] if len(node.args) > 2 else None)
        if isinstance(price, ast.Constant) and isinstance(price.value, float) and not price.value.is_integer():
            use = "use whole ticks, as in book.bid_price_ticks[0], or round_down(...)"
            yield self._refuse(line, f"price {price.value} is not a tick; {use}")


def _module_of(root: object, value: object) -> str:
    """Name of the module that a called object is of: `time`, `numpy.random`, `math`."""
    if isinstance(root, ModuleType) and not getattr(value, "__module__", None):
        return root.__name__
    owner = getattr(value, "__self__", None)
    return str(getattr(value, "__module__", None) or getattr(owner, "__module__", None) or "")


def _reason(module: str, name: str) -> str:
    package = module.partition(".")[0]
    if module.startswith("numpy.random"):
        return _CHANCE
    if package == "math":
        if name in _INSTEAD:
            return _RAISES.replace("{instead}", _INSTEAD[name])
        return "" if name in _EXACT_MATHS else _DIGITS
    if package == "numpy":
        return "" if name in _EXACT_NUMPY else _MEMORY
    return _MODULES.get(package, "")
