"""The halt word: one int64 in shared memory that the gateway reads before each send, for when the core hangs.

Anybody with the right to the run's shared memory may set it; 0 is "go on", anything else stops new orders.
"""

import mmap
import os
from pathlib import Path

import numpy as np

HALT_BYTES = 4096


class HaltWord:
    def __init__(self, path: Path, *, create: bool = False) -> None:
        """Maps the word; `create` makes the file when it is absent and keeps its value when not. Raises OSError."""
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
        try:
            if create:
                os.posix_fallocate(descriptor, 0, HALT_BYTES)
            memory = mmap.mmap(descriptor, HALT_BYTES)
        finally:
            os.close(descriptor)
        self._word = np.frombuffer(memory, dtype="<i8", count=1)

    @property
    def halted(self) -> bool:
        return bool(self._word[0])

    @property
    def word(self) -> np.ndarray:
        """The word itself, shape (1,), int64."""
        return self._word

    def set(self, value: int) -> None:
        self._word[0] = value
