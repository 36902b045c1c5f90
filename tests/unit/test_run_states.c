/* Unit test: batches in every state on a device that is busy, slow, full or gone. */
#include "run_device.h"

#include <errno.h>

#include "host/base/metrics.h"

/* The linker sends the library's thread starts through here. */
static atomic_bool may_not_start_threads;
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*function)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*function)(void *), void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*function)(void *), void *argument)
{
    if (atomic_load(&may_not_start_threads))
        return EAGAIN;
    return __real_pthread_create(thread, attributes, function, argument);
}

static void wait_returns_in_time_and_a_full_queue_is_tried_again(void **state)
{
    struct fixture *fixture = *state;
    float got[N * RECORD_FLOATS];
    struct dlop_need need;
    struct timespec begin, end;

    open_held(fixture, crop_and_flip, 2, 0, 1);
    refuse_launches(fixture, DLOP_AGAIN);
    dlop_batch *batch = submit(fixture, 0, 0, got);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    assert_int_equal(dlop_batch_wait(fixture->loader, batch, 120, &need), DLOP_AGAIN);
    clock_gettime(CLOCK_MONOTONIC, &end);
    long took_ms = (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000;
    assert_in_range(took_ms, 119, 1000);
    assert_int_equal(n_held(fixture), 0);
    refuse_launches(fixture, DLOP_OK);
    run_held(fixture, NO_RECORD, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_OK);
    close_all(fixture);
}

static void a_lost_device_fails_its_batches(void **state)
{
    struct fixture *fixture = *state;
    float got[2][N * RECORD_FLOATS];
    struct dlop_need need;

    open_held(fixture, crop_and_flip, 2, 0, 1);
    dlop_batch *batch = submit(fixture, 0, 0, got[0]);
    run_held(fixture, NO_RECORD, DLOP_ERR_DEVICE_LOST);
    refuse_launches(fixture, DLOP_ERR_DEVICE_LOST);
    dlop_batch *later = submit(fixture, 0, 1, got[1]);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_ERR_DEVICE_LOST);
    assert_int_equal(wait_long(fixture->loader, later, &need), DLOP_ERR_DEVICE_LOST);
    close_all(fixture);
}

/* A batch that finds no room for its files ends, with all behind it in its stream, and leaves the
 * stream as it was. */
static void without_memory_a_batch_fails_and_can_be_tried_again(void **state)
{
    struct fixture *fixture = *state;
    float got[3][N * RECORD_FLOATS], expected[N * RECORD_FLOATS];
    struct dlop_rng_state rng;
    struct dlop_need need;
    dlop_batch *batches[2];

    open_held(fixture, crop_and_flip, 2, 0, 2);
    atomic_store(&fixture->ctx->device->is_full, true);
    for (int b = 0; b < 2; b++)
        batches[b] = submit(fixture, 0, b, got[b]);
    assert_int_equal(wait_long(fixture->loader, batches[0], &need), DLOP_ERR_NO_MEMORY);
    dlop_status status = wait_long(fixture->loader, batches[1], &need);
    assert_true(status == DLOP_ERR_STATE || status == DLOP_ERR_NO_MEMORY);
    atomic_store(&fixture->ctx->device->is_full, false);
    for (int b = 0; b < 2; b++)
        dlop_batch_release(fixture->loader, &batches[b]);
    dlop_rng_seed(&rng, 1000);
    expect_stream(fixture, 0, &rng);
    for (int b = 0; b < 2; b++) {
        batches[b] = submit(fixture, 0, b, got[b]);
        run_held(fixture, NO_RECORD, DLOP_OK);
        assert_int_equal(wait_long(fixture->loader, batches[b], &need), DLOP_OK);
        expect_batch(fixture, b, N, &rng, expected);
        assert_memory_equal(got[b], expected, sizeof expected);
    }
    close_all(fixture);
}

static void without_memory_for_an_answer_the_stream_is_rewound(void **state)
{
    struct fixture *fixture = *state;
    float got[2][N * RECORD_FLOATS];
    uint8_t *pixels = calloc(3, 2000 * 2000);
    struct dlop_rng_state rng;
    struct dlop_need need;
    char path[128];

    /* A large record that a kernel refuses: its pixels do not fit into the arena. */
    file_path(fixture, batch_indices[0][POSITION_HOLE], path);
    write_jpeg(path, pixels, 2000, 2000, 0);
    open_held(fixture, crop_and_flip, 2, 0, 1);
    dlop_batch *batch = submit(fixture, 0, 0, got[0]), *later = submit(fixture, 0, 1, got[1]);
    wait_for_held(fixture, 2);
    run_held(fixture, POSITION_HOLE, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    atomic_store(&fixture->ctx->device->is_full, true);
    assert_int_equal(dlop_batch_supply(fixture->loader, batch, POSITION_HOLE, pixels, 2000, 2000),
                     DLOP_ERR_NO_MEMORY);
    atomic_store(&fixture->ctx->device->is_full, false);
    assert_int_equal(dlop_batch_wait(fixture->loader, batch, 0, &need), DLOP_ERR_NO_MEMORY);
    assert_int_equal(dlop_batch_wait(fixture->loader, later, 0, &need), DLOP_ERR_STATE);
    dlop_rng_seed(&rng, 1000);
    expect_stream(fixture, 0, &rng);
    run_held(fixture, NO_RECORD, DLOP_OK);
    close_all(fixture);
    write_file(fixture, batch_indices[0][POSITION_HOLE], 0);
    free(pixels);
}

/* Time at work of one batch that the device holds for 30 ms. */
static uint64_t busy_ns_of_a_held_batch(struct fixture *fixture, bool is_group)
{
    float got[N * RECORD_FLOATS];
    struct dlop_need need;

    open_held(fixture, crop_and_flip, 2, 0, 1);
    fixture->ctx->is_group = is_group;
    dlop_metrics_reset();
    dlop_batch *batch = submit(fixture, 0, 0, got);
    wait_for_held(fixture, 1);
    sleep_ms(30);
    run_held(fixture, NO_RECORD, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_OK);
    uint64_t busy_ns = dlop_metric_get(DLOP_STAGE_DEVICE, DLOP_METRIC_BUSY_NS);
    close_all(fixture);
    return busy_ns;
}

/* The CPU's ticks are ns; those of other devices are no time, so the launch is timed. */
static void time_at_work_is_measured_where_ticks_are_not_time(void **state)
{
    assert_in_range(busy_ns_of_a_held_batch(*state, false), 1, 29999999);
    assert_in_range(busy_ns_of_a_held_batch(*state, true), 30000000, 60000000000);
}

static void without_threads_submit_says_so_and_works_later(void **state)
{
    struct fixture *fixture = *state;
    float got[N * RECORD_FLOATS];
    struct dlop_need need;
    dlop_batch *batch = NULL;

    open_held(fixture, crop_and_flip, 2, 0, 1);
    atomic_store(&may_not_start_threads, true);
    assert_int_equal(
        dlop_loader_submit(fixture->loader, 0, batch_indices[0], N, got, sizeof got, &batch),
        DLOP_ERR_THREAD);
    assert_null(batch);
    atomic_store(&may_not_start_threads, false);
    batch = submit(fixture, 0, 0, got);
    run_held(fixture, NO_RECORD, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_OK);
    close_all(fixture);
}

/* Release in every state in which a batch can be held. */
static void release_works_in_every_state(void **state)
{
    struct fixture *fixture = *state;
    float got[3][N * RECORD_FLOATS];
    struct dlop_need need;

    write_file(fixture, batch_indices[0][POSITION_HOLE], 1);
    open_held(fixture, crop_and_flip, 2, 0, 2);
    /* NEEDS, and READ behind it in the same stream */
    dlop_batch *needy = submit(fixture, 0, 0, got[0]), *behind = submit(fixture, 0, 1, got[1]);
    assert_int_equal(wait_long(fixture->loader, needy, &need), DLOP_NEED_PIXELS);
    dlop_batch_release(fixture->loader, &behind);
    dlop_batch_release(fixture->loader, &needy);
    /* READY */
    refuse_launches(fixture, DLOP_AGAIN);
    dlop_batch *ready = submit(fixture, 0, 1, got[1]);
    assert_int_equal(dlop_batch_wait(fixture->loader, ready, 50, &need), DLOP_AGAIN);
    dlop_batch_release(fixture->loader, &ready);
    refuse_launches(fixture, DLOP_OK);
    /* DONE without a wait, ENDED */
    dlop_batch *done = submit(fixture, 0, 1, got[1]), *ended = submit(fixture, 1, 2, got[2]);
    wait_for_held(fixture, 2);
    run_held(fixture, NO_RECORD, DLOP_OK);
    run_held(fixture, NO_RECORD, DLOP_ERR_DEVICE_FAULT);
    assert_int_equal(dlop_batch_wait(fixture->loader, ended, 0, &need) == DLOP_ERR_DEVICE_FAULT ||
                         dlop_batch_wait(fixture->loader, done, 0, &need) == DLOP_ERR_DEVICE_FAULT,
                     1);
    dlop_batch_release(fixture->loader, &ended);
    dlop_batch_release(fixture->loader, &done);
    /* all slots are free again, and batches that are done make room for those behind them */
    dlop_batch *all[MAX_HELD];
    for (int i = 0; i < MAX_HELD; i++)
        all[i] = submit(fixture, 1, 1, got[1]);
    for (int i = 0; i < MAX_HELD; i++)
        run_held(fixture, NO_RECORD, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, all[0], &need), DLOP_OK);
    close_all(fixture);
    write_file(fixture, batch_indices[0][POSITION_HOLE], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wait_returns_in_time_and_a_full_queue_is_tried_again),
        cmocka_unit_test(a_lost_device_fails_its_batches),
        cmocka_unit_test(without_memory_a_batch_fails_and_can_be_tried_again),
        cmocka_unit_test(without_memory_for_an_answer_the_stream_is_rewound),
        cmocka_unit_test(time_at_work_is_measured_where_ticks_are_not_time),
        cmocka_unit_test(without_threads_submit_says_so_and_works_later),
        cmocka_unit_test(release_works_in_every_state),
    };
    return cmocka_run_group_tests_name("unit/run_states", tests, setup_folder, teardown_folder);
}
