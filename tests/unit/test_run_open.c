/* Unit test: a loader that cannot be opened leaves neither locks nor memory behind.
 *
 * The linker sends the library's calls through the functions below (-Wl,--wrap), of which the k-th
 * fails.
 */
#include <errno.h>
#include <pthread.h>

#include "run_fixture.h"

#define N_CALLS_LIMIT 200

static int n_live;       /* locks and blocks of memory that are not given back */
static int n_calls;      /* of functions that may fail */
static int failing_call; /* 0: none */
static int is_counting;

int __real_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attributes);
int __real_pthread_mutex_destroy(pthread_mutex_t *lock);
int __real_pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes);
int __real_pthread_cond_destroy(pthread_cond_t *condition);
int __real_pthread_condattr_init(pthread_condattr_t *attributes);
int __real_pthread_condattr_destroy(pthread_condattr_t *attributes);
void *__real_calloc(size_t n, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *memory);

int __wrap_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attributes);
int __wrap_pthread_mutex_destroy(pthread_mutex_t *lock);
int __wrap_pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes);
int __wrap_pthread_cond_destroy(pthread_cond_t *condition);
int __wrap_pthread_condattr_init(pthread_condattr_t *attributes);
int __wrap_pthread_condattr_destroy(pthread_condattr_t *attributes);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *memory);

/* Whether this call is the one that fails; others count as made. */
static int must_fail(void)
{
    if (!is_counting)
        return 0;
    if (++n_calls == failing_call)
        return 1;
    n_live++;
    return 0;
}

static void give_back(void)
{
    n_live -= is_counting;
}

int __wrap_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attributes)
{
    return must_fail() ? EAGAIN : __real_pthread_mutex_init(lock, attributes);
}

int __wrap_pthread_mutex_destroy(pthread_mutex_t *lock)
{
    give_back();
    return __real_pthread_mutex_destroy(lock);
}

int __wrap_pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes)
{
    return must_fail() ? EAGAIN : __real_pthread_cond_init(condition, attributes);
}

int __wrap_pthread_cond_destroy(pthread_cond_t *condition)
{
    give_back();
    return __real_pthread_cond_destroy(condition);
}

int __wrap_pthread_condattr_init(pthread_condattr_t *attributes)
{
    return must_fail() ? ENOMEM : __real_pthread_condattr_init(attributes);
}

int __wrap_pthread_condattr_destroy(pthread_condattr_t *attributes)
{
    give_back();
    return __real_pthread_condattr_destroy(attributes);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return must_fail() ? NULL : __real_calloc(n, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return must_fail() ? NULL : __real_aligned_alloc(alignment, size);
}

void __wrap_free(void *memory)
{
    if (memory)
        give_back();
    __real_free(memory);
}

static void whatever_fails_nothing_is_left(void **state)
{
    struct fixture *fixture = *state;
    struct dlop_loader_cfg cfg;
    dlop_status status = DLOP_ERR_NO_MEMORY;

    open_cpu(fixture, 1);
    open_source(fixture);
    open_plan(fixture, crop_and_flip, 2, 0);
    dlop_loader_cfg_init(&cfg);
    cfg.max_batches = 3;
    for (failing_call = 1; status != DLOP_OK && failing_call < N_CALLS_LIMIT; failing_call++) {
        dlop_loader *loader = NULL;
        n_calls = n_live = 0;
        is_counting = 1;
        status = dlop_loader_open(fixture->plan, fixture->source, &cfg, &loader);
        if (status == DLOP_OK)
            dlop_loader_close(&loader);
        else
            assert_int_equal(status, DLOP_ERR_NO_MEMORY);
        is_counting = 0;
        assert_null(loader);
        if (n_live != 0)
            fail_msg("%d left where call %d failed", n_live, failing_call);
    }
    assert_int_equal(status, DLOP_OK);
    assert_in_range(failing_call, 12, N_CALLS_LIMIT - 1); /* they did fail before */
    close_all(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_fails_nothing_is_left),
    };
    return cmocka_run_group_tests_name("unit/run_open", tests, setup_folder, teardown_folder);
}
