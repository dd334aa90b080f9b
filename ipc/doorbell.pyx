"""A doorbell: wakes a process that sleeps in its event loop, where no futex reaches it.

A word in shared memory says that somebody sleeps, and a FIFO beside it ends the sleep. The sleeper raises the word
before its last look at what it waits for, and whoever has something to say looks at the word after saying it: one of
the two sees. Nobody pays for a system call while the sleeper is awake. A bell that nobody hears (the sleeper was
killed) costs one write, not many, and is heard by the sleeper's successor.
"""

from libc.stdint cimport int64_t, uint32_t
from posix.unistd cimport read, write
from ipc.atomics cimport exchange, fence_full, load_u32

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <poll.h>
    #include <stddef.h>
    #include <sys/prctl.h>
    #include <time.h>
    int ppoll(struct pollfd *, nfds_t, const struct timespec *, const __sigset_t *);
    static int bot4_poll_until(struct pollfd *watched, int count, int64_t timeout_ns) {
        static __thread int punctual; /* by default a sleep may end 50 us late, to save wake-ups */
        struct timespec span = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
        if (!punctual) punctual = prctl(PR_SET_TIMERSLACK, 1UL) == 0;
        return ppoll(watched, count, &span, NULL);
    }
    """
    cdef struct pollfd:
        int fd
        short events
        short revents
    enum: POLLIN
    int poll_until "bot4_poll_until"(pollfd *watched, int count, int64_t timeout_ns) noexcept nogil

import mmap
import os
from pathlib import Path

WORD_BYTES = 4096


def _map(path, flags):
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
    try:
        if flags:
            os.posix_fallocate(descriptor, 0, WORD_BYTES)
        elif os.fstat(descriptor).st_size < WORD_BYTES:
            raise FileNotFoundError(f"{path}: its word is not there yet")  # the sleeper is about to write it
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

    cdef void raise_word(self) noexcept nogil:
        exchange(self._word, 1)
        fence_full()

    cdef void lower_word(self) noexcept nogil:
        exchange(self._word, 0)

    cdef bint sleep(self, int other, int64_t timeout_ns) noexcept nogil:
        cdef pollfd watched[2]
        cdef char rung[64]
        watched[0].fd, watched[0].events, watched[0].revents = self._descriptor, POLLIN, 0
        watched[1].fd, watched[1].events, watched[1].revents = other, POLLIN, 0
        if poll_until(watched, 2, timeout_ns) <= 0 or watched[0].revents == 0:
            return False
        while read(self._descriptor, rung, sizeof(rung)) == sizeof(rung):
            pass
        return True

    def wait(self, double timeout_seconds):
        """Sleeps until it rings or the time is over. True when it rang."""
        cdef int64_t timeout_ns = <int64_t> (timeout_seconds * 1e9)
        cdef bint rang
        with nogil:
            self.raise_word()
            rang = self.sleep(-1, timeout_ns)
            self.lower_word()
        return rang

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
