"""Waiting strategies: spin, yield or block, chosen by the cores there are and never assumed."""

from libc.stdint cimport int64_t, uint32_t
from ipc.atomics cimport exchange, fence_full, load_acquire, load_u32

import os

SPIN = WAIT_SPIN
YIELD = WAIT_YIELD
BLOCK = WAIT_BLOCK
NAMES = {SPIN: "spin", YIELD: "yield", BLOCK: "block"}

cdef extern from *:
    """
    #include <linux/futex.h>
    #include <sched.h>
    #include <sys/syscall.h>
    #include <time.h>
    #include <unistd.h>
    static inline void bot4_pause(void) { __builtin_ia32_pause(); }
    static inline struct timespec bot4_timespec(int64_t ns) {
        struct timespec span = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
        return span;
    }
    /* not FUTEX_PRIVATE: the word is shared between processes */
    static inline void bot4_futex_wait(uint32_t *word, uint32_t value, int64_t timeout_ns) {
        struct timespec span = bot4_timespec(timeout_ns);
        syscall(SYS_futex, word, FUTEX_WAIT, value, &span, NULL, 0);
    }
    static inline void bot4_futex_wake(uint32_t *word) {
        syscall(SYS_futex, word, FUTEX_WAKE, 0x7fffffff, NULL, NULL, 0);
    }
    static inline void bot4_sleep(int64_t ns) { struct timespec span = bot4_timespec(ns); nanosleep(&span, NULL); }
    """
    void pause "bot4_pause"() noexcept nogil
    void futex_wait "bot4_futex_wait"(uint32_t *word, uint32_t value, int64_t timeout_ns) noexcept nogil
    void futex_wake "bot4_futex_wake"(uint32_t *word) noexcept nogil
    void sleep_ns "bot4_sleep"(int64_t ns) noexcept nogil
    int sched_yield() noexcept nogil


cdef void wait(
    int strategy, const int64_t *watched, int64_t seen, uint32_t *sleeping, int64_t timeout_ns
) noexcept nogil:
    if strategy == WAIT_SPIN:
        pause()
    elif strategy == WAIT_YIELD:
        sched_yield()
    elif sleeping == NULL:
        sleep_ns(timeout_ns)
    else:
        # The flag is up before the last look, and a producer looks at the flag after its store: one of the two sees.
        exchange(sleeping, 1)
        fence_full()
        if load_acquire(watched) == seen:
            futex_wait(sleeping, 1, timeout_ns)


cdef void wake(uint32_t *sleeping) noexcept nogil:
    # Lowered here and not by the sleeper, so one that was killed asleep costs one needless wake-up, not many.
    fence_full()
    if load_u32(sleeping) != 0 and exchange(sleeping, 0) != 0:
        futex_wake(sleeping)


def choose(int spinners):
    """SPIN if this process may use at least `spinners` + 2 cores, else YIELD. Cold consumers always use BLOCK."""
    if spinners < 1:
        raise ValueError(f"spinners is {spinners}: count at least the asker")
    return SPIN if len(os.sched_getaffinity(0)) >= spinners + 2 else YIELD
