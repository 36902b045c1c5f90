/* Counting of heap calls: a test that includes this and is linked with HEAP_WRAP of tests/module.mk
 * sees every call that the library or the test makes itself (not those inside the C library).
 */
#ifndef DLOP_TESTS_DRIVER_HEAP_H
#define DLOP_TESTS_DRIVER_HEAP_H

#include <stdatomic.h>
#include <stddef.h>

static atomic_uint n_heap_calls;

#define HEAP_WRAP(type, name, parameters, arguments)                                               \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        atomic_fetch_add(&n_heap_calls, 1);                                                        \
        return __real_##name arguments;                                                            \
    }

HEAP_WRAP(void *, malloc, (size_t size), (size))
HEAP_WRAP(void *, calloc, (size_t n, size_t size), (n, size))
HEAP_WRAP(void *, realloc, (void *memory, size_t size), (memory, size))
HEAP_WRAP(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size))
HEAP_WRAP(int, posix_memalign, (void **memory, size_t alignment, size_t size),
          (memory, alignment, size))
HEAP_WRAP(void, free, (void *memory), (memory))

#endif
