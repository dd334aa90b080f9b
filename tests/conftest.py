"""Where recorded data and reference vectors lie: BOT4_DATA and BOT4_VECTORS, by default in ../shared."""

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of recorded market data; the test is skipped, saying so, when it is absent."""
    folder = Path(os.environ.get("BOT4_DATA", SHARED / "data"))
    if not folder.is_dir():
        pytest.skip(f"recorded market data absent: {folder} (set BOT4_DATA)")
    return folder


@pytest.fixture(scope="session")
def vectors() -> Path:
    """Folder of published reference values; the test is skipped, saying so, when it is absent."""
    folder = Path(os.environ.get("BOT4_VECTORS", SHARED / "vectors"))
    if not folder.is_dir():
        pytest.skip(f"reference vectors absent: {folder} (set BOT4_VECTORS)")
    return folder
