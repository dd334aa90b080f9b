"""A doorbell: wakes a process that sleeps in its event loop, where no futex reaches it.

A word in shared memory says that somebody sleeps, and a FIFO beside it ends the sleep. The sleeper raises the word
before its last look at what it waits for, and whoever has something to say looks at the word after saying it: one of
the two sees. Nobody pays for a system call while the sleeper is awake. A bell that nobody hears (the sleeper was killed)
costs one write, not many, and is heard by the sleeper's successor.
"""

from libc.stdint cimport uint32_t
from posix.unistd cimport read, write
from ipc.atomics cimport exchange, fence_full, load_u32

import mmap
import os
from pathlib import Path

WORD_BYTES = 4096


def _map(path, flags):
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
    try:
        if flags:
            os.posix_fallocate(descriptor, 0, WORD_BYTES)
        return mmap.mmap(descriptor, WORD_BYTES)
    finally:
        os.close(descriptor)


cdef class Doorbell:
    """The sleeper's end: makes the bell, or takes over that of a dead one."""

    def __init__(self, path):
        cdef char[::1] raw
        fifo = Path(f"{path}.fifo")
        if not fifo.exists():
            os.mkfifo(fifo, 0o600)
        self._owner = _map(path, os.O_CREAT)
        raw = self._owner
        self._word = <uint32_t *> &raw[0]
        self._descriptor = os.open(fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)  # both ends: it never ends

    def fileno(self):
        """To be watched for reading."""
        return self._descriptor

    def arm(self):
        """From here on the bell rings. Look once more at what you wait for, then sleep."""
        exchange(self._word, 1)
        fence_full()

    def answer(self):
        """Awake: it need not ring, and what it rang is forgotten."""
        cdef char rung[64]
        exchange(self._word, 0)
        while read(self._descriptor, rung, sizeof(rung)) > 0:
            pass

    def close(self):
        os.close(self._descriptor)


cdef class BellRope:
    """The other end. Raises OSError when there is no such bell yet, or nobody has its FIFO open."""

    def __init__(self, path):
        cdef char[::1] raw
        self._owner = _map(path, 0)
        raw = self._owner
        self._word = <uint32_t *> &raw[0]
        self._descriptor = os.open(f"{path}.fifo", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    cdef void pull(self) noexcept nogil:
        fence_full()
        if load_u32(self._word) != 0 and exchange(self._word, 0) != 0:
            write(self._descriptor, b"!", 1)  # a full FIFO has rung already

    def ring(self):
        """Wakes the sleeper, if it sleeps. Call it after publishing what it waits for."""
        self.pull()

    def close(self):
        os.close(self._descriptor)
