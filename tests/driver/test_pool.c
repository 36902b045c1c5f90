/* Driver test: the CPU's threads. Thread creation goes through a wrapper that can fail
 * (-Wl,--wrap).
 */
#include "tests/driver/kit.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "driver/cpu/pool.h"

static int n_creations_left; /* before they fail */

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *argument)
{
    if (n_creations_left-- <= 0)
        return EAGAIN;
    return __real_pthread_create(thread, attributes, start, argument);
}

struct waiting {
    struct dlop_launch launch;
    struct dlop_job job;
    struct dlop_completion completion;
    struct dlop_buffer buffer; /* stands for all three */
    atomic_int n_done;
    pthread_t done_by;
};

static void note_done(struct dlop_launch *launch, dlop_status status)
{
    struct waiting *waiting = launch->cookie;

    (void)status;
    waiting->done_by = pthread_self();
    atomic_fetch_add(&waiting->n_done, 1);
}

/* A launch of one job, which is refused: enough to see the threads. */
static void waiting_init(struct waiting *waiting)
{
    memset(waiting, 0, sizeof *waiting);
    waiting->launch = (struct dlop_launch){.jobs = &waiting->job,
                                           .completions = &waiting->completion,
                                           .n_jobs = 1,
                                           .in = &waiting->buffer,
                                           .constants = &waiting->buffer,
                                           .out = &waiting->buffer,
                                           .done = note_done,
                                           .cookie = waiting};
}

static void wait_for(struct waiting *waiting)
{
    for (u32 ms = 0; ms < 20000 && !atomic_load(&waiting->n_done); ms++)
        usleep(1000);
    assert_int_equal(atomic_load(&waiting->n_done), 1);
}

static void run_one(struct dlop_cpu_pool *pool)
{
    struct waiting waiting;

    waiting_init(&waiting);
    assert_int_equal(dlop_cpu_pool_submit(pool, &waiting.launch), DLOP_OK);
    wait_for(&waiting);
    assert_int_equal(waiting.completion.status, DLOP_ERR_ABI);
    assert_false(pthread_equal(waiting.done_by, pthread_self()));
}

static void threads_start_at_the_first_submit(void **state)
{
    (void)state;
    struct dlop_cpu_pool *pool;
    u32 n_before = kit_count_proc("task");

    n_creations_left = 100;
    assert_int_equal(dlop_cpu_pool_open(5, UINT32_MAX, &pool), DLOP_OK);
    assert_int_equal(dlop_cpu_pool_n_threads(pool), 5);
    assert_int_equal(kit_count_proc("task"), n_before);
    run_one(pool);
    assert_int_equal(kit_count_proc("task"), n_before + 5);
    run_one(pool);
    assert_int_equal(kit_count_proc("task"), n_before + 5);
    dlop_cpu_pool_close(&pool);
    assert_null(pool);
    assert_int_equal(kit_count_proc("task"), n_before);
    dlop_cpu_pool_close(&pool);
}

/* Names and blocked signals, read where the kernel shows them. */
static void threads_have_names_and_take_no_signals(void **state)
{
    (void)state;
    struct dlop_cpu_pool *pool;
    struct dirent *entry;
    sigset_t before, after;
    u32 n_named = 0;
    DIR *tasks;

    n_creations_left = 100;
    memset(&before, 0, sizeof before); /* the kernel's set is smaller than the type */
    memset(&after, 0, sizeof after);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(dlop_cpu_pool_open(3, UINT32_MAX, &pool), DLOP_OK);
    run_one(pool);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_memory_equal(&before, &after, sizeof before);
    tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    while ((entry = readdir(tasks))) {
        char path[300], line[128];
        unsigned long long blocked = 0;
        FILE *status;
        u32 is_ours = 0;

        snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        status = fopen(path, "r");
        while (status && fgets(line, sizeof line, status)) {
            is_ours |= !strncmp(line, "Name:\tdlop-cpu-", 15);
            sscanf(line, "SigBlk: %llx", &blocked);
        }
        if (status)
            fclose(status);
        n_named += is_ours;
        if (is_ours) {
            assert_true(blocked >> (SIGINT - 1) & 1);
            assert_true(blocked >> (SIGTERM - 1) & 1);
            assert_true(blocked >> (SIGCHLD - 1) & 1);
        }
    }
    closedir(tasks);
    assert_int_equal(n_named, 3);
    dlop_cpu_pool_close(&pool);
}

static void a_thread_that_cannot_start_is_an_error(void **state)
{
    (void)state;
    struct dlop_cpu_pool *pool;
    struct waiting waiting;
    u32 n_before = kit_count_proc("task");

    assert_int_equal(dlop_cpu_pool_open(4, UINT32_MAX, &pool), DLOP_OK);
    waiting_init(&waiting);
    for (n_creations_left = 0; n_creations_left < 2;) {
        int n_left = n_creations_left;

        assert_int_equal(dlop_cpu_pool_submit(pool, &waiting.launch), DLOP_ERR_THREAD);
        n_creations_left = n_left + 1;
    }
    usleep(50000);
    assert_int_equal(atomic_load(&waiting.n_done), 0); /* nothing was taken */
    n_creations_left = 100;
    run_one(pool);
    dlop_cpu_pool_close(&pool);
    assert_int_equal(kit_count_proc("task"), n_before);
    /* Closing a pool whose threads never came must not hang either. */
    assert_int_equal(dlop_cpu_pool_open(4, UINT32_MAX, &pool), DLOP_OK);
    n_creations_left = 0;
    assert_int_equal(dlop_cpu_pool_submit(pool, &waiting.launch), DLOP_ERR_THREAD);
    dlop_cpu_pool_close(&pool);
}

static void bad_numbers_of_threads_are_refused(void **state)
{
    (void)state;
    struct dlop_cpu_pool *pool = NULL;

    assert_int_equal(dlop_cpu_pool_open(0, UINT32_MAX, &pool), DLOP_ERR_ARGUMENT);
    assert_int_equal(dlop_cpu_pool_open(UINT32_MAX, UINT32_MAX, &pool), DLOP_ERR_ARGUMENT);
    assert_null(pool);
}

/* While one long job of a launch runs, the other thread goes on with the next launches. */
static atomic_int is_gate_open;

static void wait_at_gate(struct dlop_launch *launch, dlop_status status)
{
    for (u32 ms = 0; ms < 20000 && !atomic_load(&is_gate_open); ms++)
        usleep(1000);
    note_done(launch, status);
}

static void later_launches_pass_a_thread_that_is_busy(void **state)
{
    (void)state;
    struct dlop_cpu_pool *pool;
    struct waiting first, later[20];

    n_creations_left = 100;
    atomic_store(&is_gate_open, 0);
    assert_int_equal(dlop_cpu_pool_open(2, UINT32_MAX, &pool), DLOP_OK);
    waiting_init(&first);
    first.launch.done = wait_at_gate;
    assert_int_equal(dlop_cpu_pool_submit(pool, &first.launch), DLOP_OK);
    for (u32 i = 0; i < 20; i++) {
        waiting_init(&later[i]);
        assert_int_equal(dlop_cpu_pool_submit(pool, &later[i].launch), DLOP_OK);
    }
    for (u32 i = 0; i < 20; i++)
        wait_for(&later[i]);
    assert_int_equal(atomic_load(&first.n_done), 0);
    atomic_store(&is_gate_open, 1);
    wait_for(&first);
    dlop_cpu_pool_close(&pool);
}

static void a_full_queue_says_again(void **state)
{
    (void)state;
    static struct waiting waiting[DLOP_CPU_MAX_LAUNCHES + 2];
    struct dlop_cpu_pool *pool;
    u32 n_taken = 0;

    n_creations_left = 100;
    atomic_store(&is_gate_open, 0);
    assert_int_equal(dlop_cpu_pool_open(1, UINT32_MAX, &pool), DLOP_OK);
    for (u32 i = 0; i < DLOP_CPU_MAX_LAUNCHES + 2; i++) {
        dlop_status status;

        waiting_init(&waiting[i]);
        waiting[i].launch.done = wait_at_gate;
        status = dlop_cpu_pool_submit(pool, &waiting[i].launch);
        if (i < DLOP_CPU_MAX_LAUNCHES)
            assert_int_equal(status, DLOP_OK);
        n_taken += status == DLOP_OK;
        usleep(i ? 0 : 20000); /* the first is at the gate: it has left the count */
    }
    assert_in_range(n_taken, DLOP_CPU_MAX_LAUNCHES, DLOP_CPU_MAX_LAUNCHES + 1);
    assert_int_equal(dlop_cpu_pool_submit(pool, &waiting[DLOP_CPU_MAX_LAUNCHES + 1].launch),
                     DLOP_AGAIN);
    atomic_store(&is_gate_open, 1);
    for (u32 i = 0; i < n_taken; i++)
        wait_for(&waiting[i]);
    dlop_cpu_pool_close(&pool);
}

/* A thread sanitizer starts a thread of its own beside the first: before anything is counted. */
static void *nothing(void *argument)
{
    return argument;
}

static int start_a_first_thread(void **state)
{
    pthread_t thread;

    (void)state;
    return __real_pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_start_at_the_first_submit),
        cmocka_unit_test(threads_have_names_and_take_no_signals),
        cmocka_unit_test(a_thread_that_cannot_start_is_an_error),
        cmocka_unit_test(bad_numbers_of_threads_are_refused),
        cmocka_unit_test(later_launches_pass_a_thread_that_is_busy),
        cmocka_unit_test(a_full_queue_says_again),
    };
    return cmocka_run_group_tests_name("driver/pool", tests, start_a_first_thread, NULL);
}
