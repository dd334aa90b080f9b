"""A folder in memory, as the run directory would be: tmpfs where the machine has it, else an ordinary one."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

TMPFS = Path("/dev/shm")


@pytest.fixture
def memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bot4-", dir=TMPFS if TMPFS.is_dir() else None) as folder:
        yield Path(folder)
