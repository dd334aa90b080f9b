"""A strategy's machine code: from the cache when nothing it depends on has changed, else from the compiler.

numba's own cache key misses helpers in other files, so the key here is the hash of everything that can change the code:
every source the strategy imports, transitively, and its constants; the layout of the records; versions and CPU. What
the compiler accepts calls nothing from outside, so its object code is stored as it is and loaded with llvmlite alone:
numba is not even imported.

    <cache folder>/<strategy>-<key>/{<callback>.o, manifest.json, wrapper.py}
"""

import ctypes
import ctypes.util
import hashlib
import importlib.metadata
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite  # type: ignore[import-untyped]
import llvmlite.binding as llvm  # type: ignore[import-untyped]
import numpy as np

from engine.strategy.contract import BAR, EVENTS, INSTANCE, ORDERS, VIEWS
from engine.strategy.loader import Strategy
from engine.strategy.wrapper import CALLBACK_OPTIONS, WRAPPER_OPTIONS, wrapper_source

# Functions of libm that are exact by definition (sqrt by IEEE 754), so the same on every host: numba's name -> libm's.
EXACT = {"fmod": "fmod", "numba_frexp": "frexp", "numba_ldexp": "ldexp", "sqrt": "sqrt"}


class Compiled(NamedTuple):
    """Entry points of one strategy: callback name -> address. `owners` keep the machine code alive."""

    addresses: dict[str, int]
    owners: tuple[Any, ...]
    key: str
    from_cache: bool


def compile_strategy(strategy: Strategy, cache_folder: Path) -> Compiled:
    """Machine code of a loaded strategy. Raises StrategyError when it cannot be compiled or may not run in the core."""
    key = cache_key(strategy)
    folder = cache_folder / f"{strategy.name}-{key[:32]}"
    objects = _read(folder, key)
    from_cache = objects is not None
    if objects is None:
        from engine.strategy.compiler import object_code  # numba: half a second that a warm start does not pay

        folder.mkdir(parents=True, exist_ok=True)
        objects = object_code(strategy, folder)
        _write(folder, key, objects)
    loaded = {callback: _load(symbol, code) for callback, (symbol, code) in objects.items()}
    addresses = {callback: address for callback, (address, _) in loaded.items()}
    return Compiled(addresses, tuple(owner for _, owner in loaded.values()), key, from_cache)


def cache_key(strategy: Strategy) -> str:
    """SHA-256 over the strategy's sources and constants, the wrapper, record layouts, versions and CPU."""
    records = (strategy.state.dtype, strategy.params.dtype, BAR, INSTANCE, ORDERS, *VIEWS.values())
    digest = hashlib.sha256()
    for part in (
        strategy.source_digest,
        wrapper_source(strategy),
        repr((sorted(CALLBACK_OPTIONS.items()), sorted(WRAPPER_OPTIONS.items()))),
        repr([dtype.descr for dtype in records]),
        repr([(name, event[1].descr if event else None) for name, event in EVENTS.items()]),
        importlib.metadata.version("numba"),
        llvmlite.__version__,
        np.__version__,
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
    ):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


# -- the cache ---------------------------------------------------------------------------------------------------------


def _read(folder: Path, key: str) -> dict[str, tuple[str, bytes]] | None:
    """Object code by callback, or None when there is none or it is not whole."""
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        objects = {
            name: (entry["symbol"], (folder / f"{name}.o").read_bytes()) for name, entry in manifest["objects"].items()
        }
    except (OSError, ValueError, KeyError):
        return None
    whole = all(
        hashlib.sha256(code).hexdigest() == manifest["objects"][name]["sha256"] for name, (_, code) in objects.items()
    )
    return objects if whole and manifest["key"] == key else None


def _write(folder: Path, key: str, objects: Mapping[str, tuple[str, bytes]]) -> None:
    for name, (_, code) in objects.items():
        _replace(folder / f"{name}.o", code)
    entries = {
        name: {"symbol": symbol, "sha256": hashlib.sha256(code).hexdigest()} for name, (symbol, code) in objects.items()
    }
    _replace(folder / "manifest.json", json.dumps({"key": key, "objects": entries}, indent=1).encode())


def _replace(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all: two processes may compile the same strategy at once."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    os.replace(file.name, path)


# -- llvmlite ----------------------------------------------------------------------------------------------------------


def _machine() -> llvm.TargetMachine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3, jit=True
    )


def emit_object(text: str) -> bytes:
    """Relocatable object code of an optimised LLVM module given as text."""
    code: bytes = _machine().emit_object(llvm.parse_assembly(text))
    return code


def _load(symbol: str, code: bytes) -> tuple[int, Any]:
    """Address of a symbol in object code now in memory, and what keeps it there."""
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    for name, function in EXACT.items():
        llvm.add_symbol(name, ctypes.cast(getattr(libm, function), ctypes.c_void_p).value)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return int(engine.get_function_address(symbol)), engine
