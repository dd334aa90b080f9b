"""One cache of compiled strategies for all tests of this folder, and a way to write a strategy in a test."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from engine.strategy.loader import Strategy, load


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("strategies")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """write(text, name="mine"): a strategy's file."""

    def _write(text: str, name: str = "mine") -> Path:
        path = tmp_path / f"{name}.py"
        path.write_text(dedent(text))
        return path

    return _write


@pytest.fixture
def strategy_of(write: Callable[..., Path]) -> Callable[..., Strategy]:
    """strategy_of(text): loaded."""
    return lambda text, name="mine": load(str(write(text, name)))
