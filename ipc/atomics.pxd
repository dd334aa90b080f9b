# Loads, stores and fences of shared memory: C11's, through gcc's builtins. Words are naturally aligned.
from libc.stdint cimport int64_t, uint32_t

cdef extern from *:
    """
    #include <stdint.h>
    static inline int64_t bot4_load_acquire(const int64_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
    static inline int64_t bot4_load_relaxed(const int64_t *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }
    static inline void bot4_store_release(int64_t *word, int64_t to) { __atomic_store_n(word, to, __ATOMIC_RELEASE); }
    static inline void bot4_store_relaxed(int64_t *word, int64_t to) { __atomic_store_n(word, to, __ATOMIC_RELAXED); }
    static inline uint32_t bot4_exchange(uint32_t *word, uint32_t to) {
        return __atomic_exchange_n(word, to, __ATOMIC_SEQ_CST);
    }
    static inline uint32_t bot4_load_u32(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
    static inline void bot4_fence_acquire(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }
    static inline void bot4_fence_release(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }
    static inline void bot4_fence_full(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
    """
    int64_t load_acquire "bot4_load_acquire"(const int64_t *word) noexcept nogil
    int64_t load_relaxed "bot4_load_relaxed"(const int64_t *word) noexcept nogil
    void store_release "bot4_store_release"(int64_t *word, int64_t value) noexcept nogil
    void store_relaxed "bot4_store_relaxed"(int64_t *word, int64_t value) noexcept nogil
    uint32_t exchange "bot4_exchange"(uint32_t *word, uint32_t value) noexcept nogil
    uint32_t load_u32 "bot4_load_u32"(const uint32_t *word) noexcept nogil
    void fence_acquire "bot4_fence_acquire"() noexcept nogil
    void fence_release "bot4_fence_release"() noexcept nogil
    void fence_full "bot4_fence_full"() noexcept nogil
