"""Waiting strategies: spin, yield or block, chosen by the cores there are and never assumed.

On shared cores a hot process does not yield for long: what it would yield to is the process that it waits for. It looks
for some microseconds (WAIT_BRIEF) and then sleeps for a bounded time until it is woken (`wait_any`, ipc/doorbell.pyx):
on the development machine a futex wakes a sleeper in 4 us, and the shortest nap takes 30.

Yield is 15 pauses to one sched_yield (a system call each time would be most of a hop). When a yield comes back late, or
half a millisecond has gone between two of them, somebody else needed the core and had it for a whole time slice;
yielding on would lose that again and again, for a scheduler favours who slept over who yielded. So the next 300
rounds are naps of 20 us (about 33 us with the wake-up), and twice as many each time that it is late again afterwards,
until nothing was late for a second. A nap must be long enough to be one: on a virtual machine a timer of 2 to 5 us has
run out before the kernel has put the thread to sleep, which then burns its slice without ever giving the core away
(measured with 4 busy processes on 2 cores: 0.93 s of each second lost with 2 us, 0.43 s with 20 us).
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t, uintptr_t
from ipc.atomics cimport exchange, fence_full, load_acquire, load_u32

import os

SPIN = WAIT_SPIN
YIELD = WAIT_YIELD
BLOCK = WAIT_BLOCK
BRIEF = WAIT_BRIEF
NAMES = {SPIN: "spin", YIELD: "yield", BLOCK: "block", BRIEF: "brief"}

cdef extern from *:
    """
    #include <errno.h>
    #include <linux/futex.h>
    #include <sched.h>
    #include <sys/prctl.h>
    #include <sys/syscall.h>
    #include <time.h>
    #include <unistd.h>
    static inline void bot4_pause(void) { __builtin_ia32_pause(); }
    static inline struct timespec bot4_timespec(int64_t ns) {
        struct timespec span = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
        return span;
    }
    #ifndef SYS_futex_waitv
    #define SYS_futex_waitv 449 /* since Linux 5.16; older headers do not know it */
    #endif
    struct bot4_futex_waitv { uint64_t value, address; uint32_t flags, reserved; };
    enum { BOT4_FUTEX_32_BITS = 2 };
    /* -1 where this kernel does not offer it, or a container forbids it */
    static inline int bot4_futex_wait_any(struct bot4_futex_waitv *waits, int count, int64_t until_ns) {
        struct timespec until = bot4_timespec(until_ns);
        long done = syscall(SYS_futex_waitv, waits, (unsigned) count, 0U, &until, CLOCK_MONOTONIC);
        return done < 0 && (errno == ENOSYS || errno == EPERM || errno == EINVAL) ? -1 : 0;
    }
    /* not FUTEX_PRIVATE: the word is shared between processes */
    static inline void bot4_futex_wait(uint32_t *word, uint32_t value, int64_t timeout_ns) {
        struct timespec span = bot4_timespec(timeout_ns);
        syscall(SYS_futex, word, FUTEX_WAIT, value, &span, NULL, 0);
    }
    static inline void bot4_futex_wake(uint32_t *word) {
        syscall(SYS_futex, word, FUTEX_WAKE, 0x7fffffff, NULL, NULL, 0);
    }
    static void bot4_sleep(int64_t ns) {
        static __thread int punctual; /* by default a sleep may end 50 us late, to save wake-ups */
        struct timespec span = bot4_timespec(ns);
        if (!punctual) punctual = prctl(PR_SET_TIMERSLACK, 1UL) == 0;
        nanosleep(&span, NULL);
    }

    enum { ROUNDS_A_YIELD = 16, CONTENDED_NS = 50000, LOST_NS = 500000, CALM_NS = 1000000000 };
    enum { NAP_NS = 20000, NAPS = 300, NAPS_MAXIMUM = 9600 };

    static inline int64_t bot4_now_ns(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
    }

    static inline void bot4_yield_briefly(void) {
        static __thread unsigned rounds;
        if (++rounds % ROUNDS_A_YIELD) bot4_pause(); else sched_yield();
    }

    static void bot4_yield(void) {
        static __thread unsigned rounds;
        static __thread int naps, naps_next = NAPS;
        static __thread int64_t yielded_ns, late_ns; /* the last yield's end, the last time that one was late */
        int64_t before_ns, lost_ns;
        if (naps > 0) {
            naps--;
            bot4_sleep(NAP_NS);
            yielded_ns = 0;
            return;
        }
        if (++rounds % ROUNDS_A_YIELD) {
            bot4_pause();
            return;
        }
        before_ns = bot4_now_ns();
        lost_ns = yielded_ns ? before_ns - yielded_ns : 0; /* preempted, or at work: the latter is never so long */
        sched_yield();
        yielded_ns = bot4_now_ns();
        if (yielded_ns - before_ns >= CONTENDED_NS || lost_ns >= LOST_NS) {
            naps = naps_next;
            naps_next = naps_next < NAPS_MAXIMUM ? 2 * naps_next : NAPS_MAXIMUM;
            late_ns = yielded_ns;
        } else if (yielded_ns - late_ns >= CALM_NS) {
            naps_next = NAPS;
        }
    }
    """
    void pause "bot4_pause"() noexcept nogil
    void futex_wait "bot4_futex_wait"(uint32_t *word, uint32_t value, int64_t timeout_ns) noexcept nogil
    void futex_wake "bot4_futex_wake"(uint32_t *word) noexcept nogil
    void sleep_ns "bot4_sleep"(int64_t ns) noexcept nogil
    void yield_core "bot4_yield"() noexcept nogil
    void yield_briefly "bot4_yield_briefly"() noexcept nogil
    int64_t monotonic_ns "bot4_now_ns"() noexcept nogil
    enum: NAP_NS
    enum: BOT4_FUTEX_32_BITS
    ctypedef struct FutexWait "struct bot4_futex_waitv":
        uint64_t value
        uint64_t address
        uint32_t flags
        uint32_t reserved
    int futex_wait_any "bot4_futex_wait_any"(FutexWait *waits, int count, int64_t until_ns) noexcept nogil


cdef void wait(
    int strategy, const int64_t *watched, int64_t seen, uint32_t *sleeping, int64_t timeout_ns
) noexcept nogil:
    if strategy == WAIT_SPIN:
        pause()
    elif strategy == WAIT_YIELD:
        yield_core()
    elif strategy == WAIT_BRIEF:
        yield_briefly()
    elif sleeping == NULL:
        sleep_ns(timeout_ns)
    else:
        # The flag is up before the last look, and a producer looks at the flag after its store: one of the two sees.
        exchange(sleeping, 1)
        fence_full()
        if load_acquire(watched) == seen:
            futex_wait(sleeping, 1, timeout_ns)


cdef void wait_any(const Watch *watches, int count, int64_t timeout_ns) noexcept nogil:
    cdef FutexWait waits[WATCHES]
    cdef int64_t until_ns = monotonic_ns() + timeout_ns
    cdef bint found = False
    cdef int i
    if count > WATCHES:
        count = WATCHES
    for i in range(count):
        exchange(watches[i].sleeping, 1)
    fence_full()
    for i in range(count):
        if load_acquire(watches[i].word) != watches[i].seen:
            found = True
        waits[i].value = 1
        waits[i].address = <uintptr_t> watches[i].sleeping
        waits[i].flags = BOT4_FUTEX_32_BITS
        waits[i].reserved = 0
    if not found and futex_wait_any(waits, count, until_ns) < 0:
        sleep_ns(timeout_ns if timeout_ns < NAP_NS else NAP_NS)
    for i in range(count):  # who is awake needs no wake-up call
        exchange(watches[i].sleeping, 0)


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
