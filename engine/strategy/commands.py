"""What `bot4 strategy new | ls | check | compile` do, without the terminal: each returns what to show."""

import ast
import keyword
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.strategy.contract import NO_FIELDS, StrategyError
from engine.strategy.loader import BUILT_IN, Strategy, built_in_names, load
from engine.strategy.machine_code import Compiled, compile_strategy
from engine.strategy.rehearsal import rehearse

TEMPLATE = BUILT_IN / "hello.py"


def new(name: str, folder: Path) -> dict[str, Any]:
    """Writes `<folder>/<name>.py`, a small strategy that trades; never over a file that is there."""
    if not name.isidentifier() or keyword.iskeyword(name) or name != name.lower():
        raise StrategyError(f"{name!r} is no name for a strategy; use small letters, digits and _, as in my_strategy")
    if name in built_in_names():
        raise StrategyError(f"{name!r} is a built-in strategy; choose another name")
    path = folder / f"{name}.py"
    text = TEMPLATE.read_text().replace('"""Hello: the', f'"""{name.replace("_", " ").capitalize()}: the', 1)
    try:
        with path.open("x") as file:
            file.write(text)
    except FileExistsError:
        raise StrategyError(f"{path} is there already; choose another name") from None
    except OSError as error:
        raise StrategyError(f"{path}: {error.strerror}") from None
    return {"name": name, "file": str(path), "next": [f"bot4 strategy check {path}", f"bot4 run --strategy {path}"]}


def ls(files: Sequence[Path] = ()) -> dict[str, Any]:
    """The built-in strategies, and files named; one that cannot be loaded is listed with its error."""
    rows = []
    for source in (*built_in_names(), *map(str, files)):
        try:
            rows.append({**_facts(load(source)), "error": None})
        except StrategyError as error:
            rows.append({"name": Path(source).stem, "file": source, "error": str(error)})
    return {"strategies": rows}


def check(name_or_path: str, cache_folder: Path) -> dict[str, Any]:
    """Loads, reads, compiles and rehearses a strategy: what the core would do with it, and that both ways agree.

    Raises StrategyError for the first mistake.
    """
    strategy = load(name_or_path)
    compiled, facts = _compiled(strategy, cache_folder)
    return {**facts, "rehearsal": rehearse(strategy, compiled), "agree": True}


def compile_all(cache_folder: Path) -> dict[str, Any]:
    """Compiles the built-in strategies, so that a run starts at once."""
    return {"strategies": [_compiled(load(name), cache_folder)[1] for name in built_in_names()]}


def _compiled(strategy: Strategy, cache_folder: Path) -> tuple[Compiled, dict[str, Any]]:
    started = time.perf_counter()
    compiled = compile_strategy(strategy, cache_folder)
    return compiled, {
        **_facts(strategy),
        "sources": [str(path) for path in strategy.sources],
        "source_sha256": strategy.source_digest,
        "compiled_key": compiled.key,
        "from_cache": compiled.from_cache,
        "seconds": round(time.perf_counter() - started, 3),
    }


def _facts(strategy: Strategy) -> dict[str, Any]:
    about = (ast.get_docstring(ast.parse(strategy.path.read_text())) or "").partition("\n")[0]
    names = strategy.params.dtype.names or ()
    return {
        "name": strategy.name,
        "file": str(strategy.path),
        "about": about,
        "callbacks": list(strategy.callbacks),
        "params": {name: strategy.params.defaults.get(name, 0) for name in names if name != NO_FIELDS},
        "state_bytes": strategy.state.dtype.itemsize,
    }
