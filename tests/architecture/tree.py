"""Reads the project's own sources: every import, in Python and in Cython, and every function's length."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = ("ipc", "kernels", "models", "engine")
SUFFIXES = (".py", ".pyx", ".pxd", ".pyi")
_CIMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+c?import\s+\(?([^#]*)|c?import\s+([\w., ]+))")
_DEFINITION = re.compile(r"^(\s*)(?:cdef|cpdef|def)\b(?! class)[^=]*\(")


@cache
def sources(*folders: str) -> tuple[Path, ...]:
    """Files of ours below the folders, relative to the project."""
    return tuple(
        sorted(
            path.relative_to(PROJECT)
            for folder in folders or PACKAGES
            for path in (PROJECT / folder).rglob("*")
            if path.suffix in SUFFIXES and "__pycache__" not in path.parts
        )
    )


@cache
def imports(path: Path) -> frozenset[str]:
    """Dotted names that a file imports or cimports; `from a.b import c` gives a.b and a.b.c."""
    text = (PROJECT / path).read_text()
    found: set[str] = set()
    if path.suffix in (".py", ".pyi"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                found.update(name.name for name in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
                found.update(f"{node.module}.{name.name}" for name in node.names)
    else:
        for line in text.splitlines():
            match = _CIMPORT.match(line)
            if match and match.group(1):
                found.add(match.group(1))
                found.update(f"{match.group(1)}.{name.strip()}" for name in match.group(2).split(","))
            elif match:
                found.update(name.split(" as ")[0].strip() for name in match.group(3).split(","))
    return frozenset(name for name in found if name.split(".")[0] in (*PACKAGES, "tests", "benchmarks", "examples"))


def functions(path: Path) -> Iterator[tuple[str, int, int]]:
    """(name, line, lines) of every function of a file."""
    text = (PROJECT / path).read_text()
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                yield node.name, node.lineno, node.end_lineno - node.lineno + 1
        return
    lines = text.splitlines()
    for number, line in enumerate(lines):
        match = _DEFINITION.match(line)
        if not match:
            continue
        end = number
        closed = False
        for after in range(number, len(lines)):
            closed = closed or lines[after].rstrip().endswith(":")
            if after > number and closed and lines[after].strip():
                indent = len(lines[after]) - len(lines[after].lstrip())
                if indent <= len(match.group(1)) and not lines[after].lstrip().startswith(")"):
                    break
            if not closed and after > number + 12:
                break
            if lines[after].strip():
                end = after
        if closed:
            yield line.strip(), number + 1, end - number + 1
