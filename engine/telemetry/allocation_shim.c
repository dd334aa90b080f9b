/* Counts what the C library's allocator is asked for, per thread. Preloaded with PYTHONMALLOC=malloc, so that Python's own
 * objects come through here too: nothing else sees a malloc in code that runs without the GIL.
 *
 *     cc -O2 -shared -fPIC -o allocation_shim.so allocation_shim.c
 *     LD_PRELOAD=./allocation_shim.so PYTHONMALLOC=malloc python ...
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static __thread long long counted __attribute__((tls_model("initial-exec")));

long long bot4_allocation_count(void) { return counted; }

void *malloc(size_t size) { counted++; return __libc_malloc(size); }
void *calloc(size_t count, size_t size) { counted++; return __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { counted++; return __libc_realloc(old, size); }
void *memalign(size_t alignment, size_t size) { counted++; return __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { counted++; return __libc_memalign(alignment, size); }

int posix_memalign(void **out, size_t alignment, size_t size) {
    counted++;
    *out = __libc_memalign(alignment, size);
    return *out == NULL ? ENOMEM : 0;
}
