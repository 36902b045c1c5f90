/* A device that runs a launch when the test says so, and what the tests on it share.
 *
 * It keeps each launch, so every state of a batch can be held and looked at; it can refuse launches
 * or memory, and say of a record that it is damaged.
 */
#ifndef DLOP_TESTS_UNIT_RUN_DEVICE_H
#define DLOP_TESTS_UNIT_RUN_DEVICE_H

#include "run_fixture.h"

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

static dlop_status held_accepts(struct dlop_device *device, const struct dlop_job *job,
                                char *reason_out, size_t size)
{
    (void)device, (void)job, (void)reason_out, (void)size;
    return DLOP_OK;
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
    .accepts = held_accepts,
    .submit = held_submit,
    .n_units = held_n_units,
};

FIXTURE_UNUSED static void refuse_launches(struct fixture *fixture, dlop_status status)
{
    pthread_mutex_lock(&fixture->ctx->device->lock);
    fixture->ctx->device->refuse = status;
    pthread_mutex_unlock(&fixture->ctx->device->lock);
}

FIXTURE_UNUSED static uint32_t n_held(struct fixture *fixture)
{
    pthread_mutex_lock(&fixture->ctx->device->lock);
    uint32_t n = fixture->ctx->device->n_held;
    pthread_mutex_unlock(&fixture->ctx->device->lock);
    return n;
}

FIXTURE_UNUSED static void sleep_ms(long n)
{
    struct timespec pause = {.tv_sec = n / 1000, .tv_nsec = n % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

FIXTURE_UNUSED static void wait_for_held(struct fixture *fixture, uint32_t n)
{
    for (int i = 0; i < 5000 && n_held(fixture) < n; i++)
        sleep_ms(1);
    assert_in_range(n_held(fixture), n, MAX_HELD);
}

/* Run the oldest launch, with one record said to be damaged; status: of the launch. */
FIXTURE_UNUSED static void run_held(struct fixture *fixture, uint32_t damaged_record,
                                    dlop_status status)
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

FIXTURE_UNUSED static void open_held(struct fixture *fixture, const struct dlop_op *ops,
                                     uint32_t n_ops, uint64_t max_pixels, uint32_t n_streams)
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
FIXTURE_UNUSED static void expect_batch(struct fixture *fixture, int b, uint32_t hole,
                                        struct dlop_rng_state *rng, float *out)
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

FIXTURE_UNUSED static dlop_batch *submit(struct fixture *fixture, uint32_t stream, int b,
                                         float *out)
{
    dlop_batch *batch = NULL;

    memset(out, 0xff, N * RECORD_BYTES);
    assert_int_equal(dlop_loader_submit(fixture->loader, stream, batch_indices[b], N, out,
                                        N * RECORD_BYTES, &batch),
                     DLOP_OK);
    return batch;
}

FIXTURE_UNUSED static void supply(struct fixture *fixture, const struct dlop_need *need)
{
    uint8_t pixels[128 * 128 * 3];

    decode_file(fixture, need->index, pixels);
    assert_int_equal(dlop_batch_supply(fixture->loader, need->batch, need->position, pixels,
                                       file_height_px(need->index), file_width_px(need->index)),
                     DLOP_OK);
}

FIXTURE_UNUSED static void expect_stream(struct fixture *fixture, uint32_t stream,
                                         const struct dlop_rng_state *expected)
{
    struct dlop_rng_state got;

    assert_int_equal(dlop_loader_get_stream(fixture->loader, stream, &got), DLOP_OK);
    assert_memory_equal(&got, expected, sizeof got);
}

#endif
