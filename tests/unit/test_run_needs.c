/* Unit test: records that the caller must answer for, and batches that end early, on a device that
 * runs when told.
 *
 * The device keeps each launch until the test runs it, so every state of a batch can be held and
 * looked at.
 */
#include "run_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "driver/cpu/cpu.h"
#include "host/run/ctx.h"

#define N             4
#define MAX_HELD      8
#define NO_RECORD     UINT32_MAX
#define POSITION_HOLE 2

/* ---- the device ---- */

struct dlop_device {
    struct dlop_cpu_worker *worker;
    pthread_mutex_t lock;
    struct dlop_launch *held[MAX_HELD];
    uint32_t n_held;
    dlop_status refuse;  /* what submit says, DLOP_OK: takes the launch */
    atomic_bool is_full; /* no memory is left */
};

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

static dlop_status held_alloc(struct dlop_device *device, size_t size_bytes,
                              struct dlop_buffer *buffer_out)
{
    size_t rounded = (size_bytes + 63) & ~(size_t)63;
    if (atomic_load(&device->is_full))
        return DLOP_ERR_NO_MEMORY;
    void *memory = aligned_alloc(64, rounded);
    if (!memory)
        return DLOP_ERR_NO_MEMORY;
    memset(memory, 0, rounded);
    *buffer_out = (struct dlop_buffer){memory, size_bytes, memory};
    return DLOP_OK;
}

static dlop_status held_wrap(struct dlop_device *device, void *host, size_t size_bytes,
                             struct dlop_buffer *buffer_out)
{
    (void)device;
    *buffer_out = (struct dlop_buffer){host, size_bytes, NULL};
    return DLOP_OK;
}

static void held_free(struct dlop_device *device, struct dlop_buffer *buffer)
{
    (void)device;
    free(buffer->driver_data);
    *buffer = (struct dlop_buffer){0};
}

static dlop_status held_transfer(struct dlop_device *device, struct dlop_buffer *buffer,
                                 size_t offset, size_t n_bytes)
{
    (void)device;
    return offset + n_bytes <= buffer->size_bytes ? DLOP_OK : DLOP_ERR_ARGUMENT;
}

static dlop_status held_submit(struct dlop_device *device, struct dlop_launch *launch)
{
    pthread_mutex_lock(&device->lock);
    dlop_status status = device->refuse;
    if (status == DLOP_OK && device->n_held == MAX_HELD)
        status = DLOP_AGAIN;
    if (status == DLOP_OK)
        device->held[device->n_held++] = launch;
    pthread_mutex_unlock(&device->lock);
    return status;
}

static void held_close(struct dlop_device **device)
{
    dlop_cpu_worker_close(&(*device)->worker);
    pthread_mutex_destroy(&(*device)->lock);
    free(*device);
    *device = NULL;
}

static uint32_t held_n_units(const struct dlop_device *device)
{
    (void)device;
    return 1;
}

static const struct dlop_driver held_driver = {
    .name = "held",
    .memory = {held_alloc, held_wrap, held_free, held_transfer, held_transfer},
    .close = held_close,
    .submit = held_submit,
    .n_units = held_n_units,
};

static void refuse_launches(struct fixture *fixture, dlop_status status)
{
    pthread_mutex_lock(&fixture->ctx->device->lock);
    fixture->ctx->device->refuse = status;
    pthread_mutex_unlock(&fixture->ctx->device->lock);
}

static uint32_t n_held(struct fixture *fixture)
{
    pthread_mutex_lock(&fixture->ctx->device->lock);
    uint32_t n = fixture->ctx->device->n_held;
    pthread_mutex_unlock(&fixture->ctx->device->lock);
    return n;
}

static void sleep_ms(long n)
{
    struct timespec pause = {.tv_sec = n / 1000, .tv_nsec = n % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static void wait_for_held(struct fixture *fixture, uint32_t n)
{
    for (int i = 0; i < 5000 && n_held(fixture) < n; i++)
        sleep_ms(1);
    assert_in_range(n_held(fixture), n, MAX_HELD);
}

/* Run the oldest launch, with one record said to be damaged; status: of the launch. */
static void run_held(struct fixture *fixture, uint32_t damaged_record, dlop_status status)
{
    struct dlop_device *device = fixture->ctx->device;

    wait_for_held(fixture, 1);
    pthread_mutex_lock(&device->lock);
    struct dlop_launch *launch = device->held[0];
    device->n_held--;
    memmove(device->held, device->held + 1, device->n_held * sizeof *device->held);
    pthread_mutex_unlock(&device->lock);
    for (uint32_t i = 0; i < launch->n_jobs; i++) {
        dlop_cpu_run_job(device->worker, &launch->jobs[i], launch, &launch->completions[i]);
        assert_int_equal(launch->completions[i].status, DLOP_OK);
        if (launch->jobs[i].record == damaged_record)
            launch->completions[i].status = DLOP_ERR_BAD_DATA;
    }
    launch->done(launch, status);
}

static void open_held(struct fixture *fixture, const struct dlop_op *ops, uint32_t n_ops,
                      uint64_t max_pixels, uint32_t n_streams)
{
    fixture->ctx = calloc(1, sizeof *fixture->ctx);
    fixture->ctx->driver = &held_driver;
    fixture->ctx->device = calloc(1, sizeof *fixture->ctx->device);
    pthread_mutex_init(&fixture->ctx->device->lock, NULL);
    assert_int_equal(dlop_cpu_worker_open(0, &fixture->ctx->device->worker), DLOP_OK);
    open_source(fixture);
    open_plan(fixture, ops, n_ops, max_pixels);
    open_loader(fixture, n_streams, MAX_HELD, N);
}

/* ---- what is expected ---- */

static const uint64_t batch_indices[3][N] = {{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9, 10, 11}};

/* Records of a batch made one by one, drawing from *rng; without the hole (N: all). */
static void expect_batch(struct fixture *fixture, int b, uint32_t hole, struct dlop_rng_state *rng,
                         float *out)
{
    dlop_decoder *decoder = NULL;

    assert_int_equal(dlop_decoder_open(0, &decoder), DLOP_OK);
    for (uint32_t i = 0; i < N; i++) {
        memset(out + i * RECORD_FLOATS, 0, RECORD_BYTES);
        if (i != hole)
            expect_record(fixture, decoder, batch_indices[b][i], rng, out + i * RECORD_FLOATS);
    }
    dlop_decoder_close(&decoder);
}

static dlop_batch *submit(struct fixture *fixture, uint32_t stream, int b, float *out)
{
    dlop_batch *batch = NULL;

    memset(out, 0xff, N * RECORD_BYTES);
    assert_int_equal(dlop_loader_submit(fixture->loader, stream, batch_indices[b], N, out,
                                        N * RECORD_BYTES, &batch),
                     DLOP_OK);
    return batch;
}

static void supply(struct fixture *fixture, const struct dlop_need *need)
{
    uint8_t pixels[128 * 128 * 3];

    decode_file(fixture, need->index, pixels);
    assert_int_equal(dlop_batch_supply(fixture->loader, need->batch, need->position, pixels,
                                       file_height_px(need->index), file_width_px(need->index)),
                     DLOP_OK);
}

static void expect_stream(struct fixture *fixture, uint32_t stream,
                          const struct dlop_rng_state *expected)
{
    struct dlop_rng_state got;

    assert_int_equal(dlop_loader_get_stream(fixture->loader, stream, &got), DLOP_OK);
    assert_memory_equal(&got, expected, sizeof got);
}

/* ---- files that are not ours ---- */

static void caller_supplies_a_progressive_file(void **state)
{
    struct fixture *fixture = *state;
    float expected[N * RECORD_FLOATS], got[N * RECORD_FLOATS];
    struct dlop_rng_state rng;
    struct dlop_need need, again;

    write_file(fixture, batch_indices[0][POSITION_HOLE], 1);
    open_held(fixture, crop_and_flip, 2, 0, 1);
    dlop_rng_seed(&rng, 1000);
    expect_batch(fixture, 0, N, &rng, expected);
    dlop_batch *batch = submit(fixture, 0, 0, got);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    assert_int_equal(need.position, POSITION_HOLE);
    assert_int_equal(need.index, batch_indices[0][POSITION_HOLE]);
    assert_int_equal(need.status, DLOP_ERR_UNSUPPORTED);
    assert_non_null(strstr(need.reason, "progressive"));
    assert_ptr_equal(need.batch, batch);
    assert_int_equal(dlop_batch_wait(fixture->loader, batch, 0, &again), DLOP_NEED_PIXELS);
    assert_memory_equal(&again, &need, sizeof need);
    assert_int_equal(n_held(fixture), 0);
    supply(fixture, &need);
    run_held(fixture, NO_RECORD, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_OK);
    assert_memory_equal(got, expected, sizeof got);
    expect_stream(fixture, 0, &rng);
    close_all(fixture);
    write_file(fixture, batch_indices[0][POSITION_HOLE], 0);
}

static void caller_leaves_a_missing_file_out(void **state)
{
    struct fixture *fixture = *state;
    float expected[N * RECORD_FLOATS], got[N * RECORD_FLOATS];
    struct dlop_rng_state rng;
    struct dlop_need need;
    char path[128];

    open_held(fixture, crop_and_flip, 2, 0, 1);
    dlop_rng_seed(&rng, 1000);
    expect_batch(fixture, 0, POSITION_HOLE, &rng, expected);
    file_path(fixture, batch_indices[0][POSITION_HOLE], path);
    assert_int_equal(unlink(path), 0);
    dlop_batch *batch = submit(fixture, 0, 0, got);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    assert_int_equal(need.position, POSITION_HOLE);
    assert_int_equal(need.status, DLOP_ERR_READ);
    assert_int_equal(dlop_batch_skip(fixture->loader, batch, 0), DLOP_ERR_STATE);
    assert_int_equal(dlop_batch_skip(fixture->loader, batch, POSITION_HOLE), DLOP_OK);
    run_held(fixture, NO_RECORD, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_OK);
    assert_memory_equal(got, expected, sizeof got);
    expect_stream(fixture, 0, &rng);
    close_all(fixture);
    write_file(fixture, batch_indices[0][POSITION_HOLE], 0);
}

static void a_batch_of_nothing_but_holes_is_done_without_the_device(void **state)
{
    struct fixture *fixture = *state;
    float got[N * RECORD_FLOATS], zeros[N * RECORD_FLOATS] = {0};
    struct dlop_need need;
    struct dlop_rng_state rng;

    open_held(fixture, crop_and_flip, 2, 1, 1); /* everything is over one pixel */
    dlop_batch *batch = submit(fixture, 0, 0, got);
    for (uint32_t i = 0; i < N; i++) {
        assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
        assert_int_equal(need.position, i);
        assert_int_equal(need.status, DLOP_ERR_LIMIT);
        assert_non_null(strstr(need.reason, "over the limit of 1"));
        assert_int_equal(dlop_batch_skip(fixture->loader, batch, i), DLOP_OK);
    }
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_OK);
    assert_memory_equal(got, zeros, sizeof got);
    dlop_rng_seed(&rng, 1000);
    expect_stream(fixture, 0, &rng);
    assert_int_equal(n_held(fixture), 0);
    close_all(fixture);
}

static void an_image_at_the_limit_is_not_over_it(void **state)
{
    struct fixture *fixture = *state;
    float got[RECORD_FLOATS];
    uint64_t index = 9;
    struct dlop_need need;
    dlop_batch *batch = NULL;

    open_held(fixture, crop_and_flip, 2, (uint64_t)file_width_px(index) * file_height_px(index), 1);
    assert_int_equal(dlop_loader_submit(fixture->loader, 0, &index, 1, got, sizeof got, &batch),
                     DLOP_OK);
    run_held(fixture, NO_RECORD, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_OK);
    close_all(fixture);
}

static void fail_before_the_draws_leaves_the_stream_behind_earlier_records(void **state)
{
    struct fixture *fixture = *state;
    float got[2][N * RECORD_FLOATS], expected[N * RECORD_FLOATS];
    struct dlop_rng_state rng;
    struct dlop_need need;
    dlop_decoder *decoder = NULL;
    char path[128];

    open_held(fixture, crop_and_flip, 2, 0, 1);
    assert_int_equal(dlop_decoder_open(0, &decoder), DLOP_OK);
    dlop_rng_seed(&rng, 1000);
    for (uint32_t i = 0; i < POSITION_HOLE; i++)
        expect_record(fixture, decoder, batch_indices[0][i], &rng, expected);
    file_path(fixture, batch_indices[0][POSITION_HOLE], path);
    assert_int_equal(unlink(path), 0);
    dlop_batch *batch = submit(fixture, 0, 0, got[0]), *later = submit(fixture, 0, 1, got[1]);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    assert_int_equal(dlop_batch_fail(fixture->loader, batch, POSITION_HOLE + 1), DLOP_ERR_STATE);
    assert_int_equal(dlop_batch_fail(fixture->loader, batch, POSITION_HOLE), DLOP_OK);
    assert_int_equal(dlop_batch_wait(fixture->loader, batch, 0, &need), DLOP_ERR_STATE);
    dlop_batch_release(fixture->loader, &batch);

    expect_batch(fixture, 1, N, &rng, expected);
    run_held(fixture, NO_RECORD, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, later, &need), DLOP_OK);
    assert_memory_equal(got[1], expected, sizeof expected);
    expect_stream(fixture, 0, &rng);
    dlop_decoder_close(&decoder);
    close_all(fixture);
    write_file(fixture, batch_indices[0][POSITION_HOLE], 0);
}

/* ---- transforms that refuse ---- */

static void a_transform_that_would_raise_is_a_need(void **state)
{
    static const struct dlop_op too_large = {.kind = DLOP_OP_RANDOM_CROP, .i = {70, 70}};
    struct fixture *fixture = *state;
    float got[CHANNELS * 70 * 70];
    uint8_t pixels[128 * 128 * 3] = {0};
    uint64_t index = 0; /* 40 x 40 pixels */
    struct dlop_need need;
    dlop_batch *batch = NULL;

    open_held(fixture, &too_large, 1, 0, 1);
    assert_int_equal(dlop_loader_submit(fixture->loader, 0, &index, 1, got, sizeof got, &batch),
                     DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    assert_int_equal(need.status, DLOP_ERR_ARGUMENT);
    assert_non_null(strstr(need.reason, "40 x 40"));
    assert_int_equal(dlop_batch_supply(fixture->loader, batch, 0, pixels, 40, 40),
                     DLOP_ERR_ARGUMENT);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    assert_int_equal(dlop_batch_supply(fixture->loader, batch, 0, pixels, 71, 0),
                     DLOP_ERR_ARGUMENT);
    assert_int_equal(dlop_batch_supply(fixture->loader, batch, 0, pixels, 71, 72), DLOP_OK);
    run_held(fixture, NO_RECORD, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_OK);
    close_all(fixture);
}

/* ---- records that a kernel refuses ---- */

static void caller_supplies_what_a_kernel_refused(void **state)
{
    struct fixture *fixture = *state;
    float got[N * RECORD_FLOATS], expected[N * RECORD_FLOATS];
    uint8_t pixels[128 * 128 * 3] = {0};
    struct dlop_rng_state rng;
    struct dlop_need need;

    open_held(fixture, crop_and_flip, 2, 0, 1);
    dlop_rng_seed(&rng, 1000);
    expect_batch(fixture, 0, N, &rng, expected);
    dlop_batch *batch = submit(fixture, 0, 0, got);
    run_held(fixture, POSITION_HOLE, DLOP_OK);
    memset(got + POSITION_HOLE * RECORD_FLOATS, 0xff, RECORD_BYTES);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    assert_int_equal(need.position, POSITION_HOLE);
    assert_int_equal(need.status, DLOP_ERR_BAD_DATA);
    assert_int_equal(dlop_batch_supply(fixture->loader, batch, POSITION_HOLE, pixels, 10, 10),
                     DLOP_ERR_ARGUMENT);
    supply(fixture, &need);
    wait_for_held(fixture, 1);
    assert_int_equal(fixture->ctx->device->held[0]->n_jobs, 1);
    run_held(fixture, NO_RECORD, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_OK);
    assert_memory_equal(got, expected, sizeof got);
    expect_stream(fixture, 0, &rng);
    close_all(fixture);
}

static void a_hole_after_execution_keeps_its_draws(void **state)
{
    struct fixture *fixture = *state;
    float got[N * RECORD_FLOATS], expected[N * RECORD_FLOATS];
    struct dlop_rng_state rng;
    struct dlop_need need;

    open_held(fixture, crop_and_flip, 2, 0, 1);
    dlop_rng_seed(&rng, 1000);
    expect_batch(fixture, 0, N, &rng, expected);
    memset(expected + POSITION_HOLE * RECORD_FLOATS, 0, RECORD_BYTES);
    dlop_batch *batch = submit(fixture, 0, 0, got);
    run_held(fixture, POSITION_HOLE, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    assert_int_equal(dlop_batch_skip(fixture->loader, batch, POSITION_HOLE), DLOP_OK);
    assert_int_equal(dlop_batch_wait(fixture->loader, batch, 0, &need), DLOP_OK);
    assert_memory_equal(got, expected, sizeof got);
    expect_stream(fixture, 0, &rng);
    close_all(fixture);
}

static void fail_after_execution_rewinds_the_stream_and_cancels_later_batches(void **state)
{
    struct fixture *fixture = *state;
    float got[4][N * RECORD_FLOATS], expected[N * RECORD_FLOATS];
    struct dlop_rng_state rng, other_stream;
    struct dlop_need need;
    dlop_decoder *decoder = NULL;

    open_held(fixture, crop_and_flip, 2, 0, 2);
    dlop_batch *batch = submit(fixture, 0, 0, got[0]), *later = submit(fixture, 0, 1, got[1]);
    dlop_batch *other = submit(fixture, 1, 2, got[2]), *last = submit(fixture, 0, 2, got[3]);
    wait_for_held(fixture, 4);
    run_held(fixture, POSITION_HOLE, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    assert_int_equal(dlop_batch_fail(fixture->loader, batch, need.position), DLOP_OK);
    assert_int_equal(dlop_batch_wait(fixture->loader, later, 0, &need), DLOP_ERR_STATE);
    assert_int_equal(dlop_batch_wait(fixture->loader, last, 0, &need), DLOP_ERR_STATE);
    assert_int_equal(dlop_batch_wait(fixture->loader, other, 0, &need), DLOP_AGAIN);

    assert_int_equal(dlop_decoder_open(0, &decoder), DLOP_OK);
    dlop_rng_seed(&rng, 1000);
    for (uint32_t i = 0; i < POSITION_HOLE; i++)
        expect_record(fixture, decoder, batch_indices[0][i], &rng, expected);
    dlop_decoder_close(&decoder);
    expect_stream(fixture, 0, &rng);
    for (int i = 0; i < 3; i++)
        run_held(fixture, NO_RECORD, DLOP_OK); /* cancelled ones still hold their memory */
    assert_int_equal(wait_long(fixture->loader, other, &need), DLOP_OK);
    dlop_rng_seed(&other_stream, 1001);
    expect_batch(fixture, 2, N, &other_stream, expected);
    assert_memory_equal(got[2], expected, sizeof expected);

    dlop_batch_release(fixture->loader, &batch);
    dlop_batch_release(fixture->loader, &later);
    later = submit(fixture, 0, 1, got[1]);
    expect_batch(fixture, 1, N, &rng, expected);
    run_held(fixture, NO_RECORD, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, later, &need), DLOP_OK);
    assert_memory_equal(got[1], expected, sizeof expected);
    expect_stream(fixture, 0, &rng);
    close_all(fixture);
}

static void needs_of_later_batches_are_told_oldest_first(void **state)
{
    struct fixture *fixture = *state;
    float got[3][N * RECORD_FLOATS], expected[N * RECORD_FLOATS];
    dlop_batch *batches[3];
    struct dlop_need need;
    struct dlop_rng_state rng;

    write_file(fixture, batch_indices[1][0], 1);
    write_file(fixture, batch_indices[2][N - 1], 1);
    open_held(fixture, crop_and_flip, 2, 0, 3);
    for (int b = 0; b < 3; b++)
        batches[b] = submit(fixture, (uint32_t)b, b, got[b]);
    for (int b = 1; b < 3; b++) {
        assert_int_equal(wait_long(fixture->loader, batches[0], &need), DLOP_NEED_PIXELS);
        if (need.batch == batches[2] && b == 1) /* it was read first */
            sleep_ms(100);
        assert_int_equal(dlop_batch_wait(fixture->loader, batches[0], 0, &need), DLOP_NEED_PIXELS);
        assert_ptr_equal(need.batch, batches[b]);
        supply(fixture, &need);
    }
    for (int b = 0; b < 3; b++)
        run_held(fixture, NO_RECORD, DLOP_OK);
    for (int b = 0; b < 3; b++) {
        assert_int_equal(wait_long(fixture->loader, batches[b], &need), DLOP_OK);
        dlop_rng_seed(&rng, 1000 + (uint64_t)b);
        expect_batch(fixture, b, N, &rng, expected);
        assert_memory_equal(got[b], expected, sizeof expected);
    }
    close_all(fixture);
    write_file(fixture, batch_indices[1][0], 0);
    write_file(fixture, batch_indices[2][N - 1], 0);
}

/* ---- devices that are busy, slow or gone ---- */

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
        cmocka_unit_test(caller_supplies_a_progressive_file),
        cmocka_unit_test(caller_leaves_a_missing_file_out),
        cmocka_unit_test(a_batch_of_nothing_but_holes_is_done_without_the_device),
        cmocka_unit_test(an_image_at_the_limit_is_not_over_it),
        cmocka_unit_test(fail_before_the_draws_leaves_the_stream_behind_earlier_records),
        cmocka_unit_test(a_transform_that_would_raise_is_a_need),
        cmocka_unit_test(caller_supplies_what_a_kernel_refused),
        cmocka_unit_test(a_hole_after_execution_keeps_its_draws),
        cmocka_unit_test(fail_after_execution_rewinds_the_stream_and_cancels_later_batches),
        cmocka_unit_test(needs_of_later_batches_are_told_oldest_first),
        cmocka_unit_test(wait_returns_in_time_and_a_full_queue_is_tried_again),
        cmocka_unit_test(a_lost_device_fails_its_batches),
        cmocka_unit_test(without_memory_a_batch_fails_and_can_be_tried_again),
        cmocka_unit_test(without_memory_for_an_answer_the_stream_is_rewound),
        cmocka_unit_test(without_threads_submit_says_so_and_works_later),
        cmocka_unit_test(release_works_in_every_state),
    };
    return cmocka_run_group_tests_name("unit/run_needs", tests, setup_folder, teardown_folder);
}
