/* Unit test: after the first batches nothing on the data path touches the heap.
 *
 * The linker sends every heap call of the library and of this test through the counters below (-Wl,
 * --wrap).
 */
#include <stdatomic.h>

#include "run_fixture.h"

#define N           8
#define MAX_BATCHES 3
#define MAX_TRIES   20

static atomic_uint n_heap_calls;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void **memory_out, size_t alignment, size_t size);
void __real_free(void *memory);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void **memory_out, size_t alignment, size_t size);
void __wrap_free(void *memory);

void *__wrap_malloc(size_t size)
{
    atomic_fetch_add(&n_heap_calls, 1);
    return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    atomic_fetch_add(&n_heap_calls, 1);
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    atomic_fetch_add(&n_heap_calls, 1);
    return __real_realloc(memory, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    atomic_fetch_add(&n_heap_calls, 1);
    return __real_aligned_alloc(alignment, size);
}

int __wrap_posix_memalign(void **memory_out, size_t alignment, size_t size)
{
    atomic_fetch_add(&n_heap_calls, 1);
    return __real_posix_memalign(memory_out, alignment, size);
}

void __wrap_free(void *memory)
{
    if (memory)
        atomic_fetch_add(&n_heap_calls, 1);
    __real_free(memory);
}

static void run_rounds(struct fixture *fixture, int n_rounds, float *out)
{
    dlop_batch *batches[MAX_BATCHES] = {0};
    struct dlop_need need;

    for (int round = 0; round < n_rounds; round++) {
        for (uint64_t b = 0; b < MAX_BATCHES; b++) {
            uint64_t indices[N];
            for (uint64_t i = 0; i < N; i++)
                indices[i] = b * N + i;
            assert_int_equal(dlop_loader_submit(fixture->loader, (uint32_t)b, indices, N,
                                                out + b * N * RECORD_FLOATS, N * RECORD_BYTES,
                                                &batches[b]),
                             DLOP_OK);
        }
        for (uint64_t b = 0; b < MAX_BATCHES; b++) {
            assert_int_equal(wait_long(fixture->loader, batches[b], &need), DLOP_OK);
            dlop_batch_release(fixture->loader, &batches[b]);
        }
    }
}

static void the_data_path_does_not_touch_the_heap(void **state)
{
    static const uint32_t n_threads[] = {1, 3};
    struct fixture *fixture = *state;
    float *out = malloc(MAX_BATCHES * N * RECORD_BYTES);

    assert_non_null(out);
    for (int t = 0; t < 2; t++) {
        unsigned n_before = 0;
        int n_tries = 0;
        open_all(fixture, n_threads[t], MAX_BATCHES, MAX_BATCHES, N);
        /* Each slot and each thread must first have met the largest crop of the largest file; which
         * thread meets what, and when, is chance. */
        do {
            assert_true(n_tries++ < MAX_TRIES);
            n_before = atomic_load(&n_heap_calls);
            run_rounds(fixture, 40, out);
        } while (atomic_load(&n_heap_calls) != n_before);
        assert_true(n_before > 0);
        close_all(fixture);
    }
    free(out);
}

/* Files a hundred times larger than those before only cost some growth. */
static void larger_files_make_the_memory_grow(void **state)
{
    enum { SIDE_PX = 1500 };
    struct fixture *fixture = *state;
    uint8_t *pixels = malloc(3 * SIDE_PX * SIDE_PX);
    float *out = malloc(MAX_BATCHES * N * RECORD_BYTES),
          *large_out = malloc(MAX_BATCHES * N * RECORD_BYTES);
    char path[128];

    open_all(fixture, 2, MAX_BATCHES, MAX_BATCHES, N);
    run_rounds(fixture, 2, out);
    draw_scene(1, SIDE_PX, SIDE_PX, pixels);
    for (uint64_t i = 0; i < N_FILES; i += 5) {
        file_path(fixture, i, path);
        write_jpeg(path, pixels, SIDE_PX, SIDE_PX, 0);
    }
    run_rounds(fixture, 1, out);
    close_all(fixture);

    /* The same from the start, so nothing was mixed up while memory moved. */
    open_all(fixture, 1, MAX_BATCHES, MAX_BATCHES, N);
    for (uint64_t i = 0; i < N_FILES; i++)
        write_file(fixture, i, 0);
    run_rounds(fixture, 2, large_out);
    for (uint64_t i = 0; i < N_FILES; i += 5) {
        file_path(fixture, i, path);
        write_jpeg(path, pixels, SIDE_PX, SIDE_PX, 0);
    }
    run_rounds(fixture, 1, large_out);
    assert_memory_equal(out, large_out, MAX_BATCHES * N * RECORD_BYTES);
    close_all(fixture);
    for (uint64_t i = 0; i < N_FILES; i++)
        write_file(fixture, i, 0);
    free(pixels);
    free(out);
    free(large_out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_data_path_does_not_touch_the_heap),
        cmocka_unit_test(larger_files_make_the_memory_grow),
    };
    return cmocka_run_group_tests_name("unit/run_heap", tests, setup_folder, teardown_folder);
}
