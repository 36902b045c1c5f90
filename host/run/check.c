/* The self-test of a device: see check.h.
 *
 * One launch of CHECK_JOBS jobs, a third each of a small colour JPEG, of pixels and of a plain
 * conversion, with averaging, mirroring and filled axes; what must come out is what the CPU's
 * reference steps (vector mask 0) make of the same launch. The launch's memory is freed after the
 * device is closed where it did not end in time, because until then the device may still use it.
 */
#include "host/run/check.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driver/cpu/cpu.h"
#include "host/base/log.h"
#include "host/base/metrics.h"
#include "host/format/jpeg.h"

enum {
    CHECK_JOBS = 24,
    SRC_WIDTH_PX = 40,
    SRC_HEIGHT_PX = 24,
    OUT_WIDTH_PX = 18,
    OUT_HEIGHT_PX = 13,
    TAPS = 3,
    OUT_STRIDE_BYTES = 4 * 3 * SRC_WIDTH_PX * SRC_HEIGHT_PX, /* room for any of the jobs */
    PACK_BYTES = 4 * 3 * 256,
    /* Places in `in`. */
    JPEG_AT = 0,
    PIXELS_AT = 8192,
    X_AXIS_AT = 12288,
    Y_AXIS_AT = 13312,
    IN_BYTES = 14336,
};

/* A photograph of 40 x 24 pixels, 4:2:0. */
static const uint8_t check_jpeg[] = {
    0xff, 0xd8, 0xff, 0xe0, 0x00, 0x10, 0x4a, 0x46, 0x49, 0x46, 0x00, 0x01, 0x01, 0x00, 0x00, 0x01,
    0x00, 0x01, 0x00, 0x00, 0xff, 0xdb, 0x00, 0x43, 0x00, 0x0d, 0x09, 0x0a, 0x0b, 0x0a, 0x08, 0x0d,
    0x0b, 0x0a, 0x0b, 0x0e, 0x0e, 0x0d, 0x0f, 0x13, 0x20, 0x15, 0x13, 0x12, 0x12, 0x13, 0x27, 0x1c,
    0x1e, 0x17, 0x20, 0x2e, 0x29, 0x31, 0x30, 0x2e, 0x29, 0x2d, 0x2c, 0x33, 0x3a, 0x4a, 0x3e, 0x33,
    0x36, 0x46, 0x37, 0x2c, 0x2d, 0x40, 0x57, 0x41, 0x46, 0x4c, 0x4e, 0x52, 0x53, 0x52, 0x32, 0x3e,
    0x5a, 0x61, 0x5a, 0x50, 0x60, 0x4a, 0x51, 0x52, 0x4f, 0xff, 0xdb, 0x00, 0x43, 0x01, 0x0e, 0x0e,
    0x0e, 0x13, 0x11, 0x13, 0x26, 0x15, 0x15, 0x26, 0x4f, 0x35, 0x2d, 0x35, 0x4f, 0x4f, 0x4f, 0x4f,
    0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f,
    0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f,
    0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0xff, 0xc0,
    0x00, 0x11, 0x08, 0x00, 0x18, 0x00, 0x28, 0x03, 0x01, 0x22, 0x00, 0x02, 0x11, 0x01, 0x03, 0x11,
    0x01, 0xff, 0xc4, 0x00, 0x18, 0x00, 0x00, 0x03, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x05, 0x03, 0x01, 0xff, 0xc4, 0x00, 0x25, 0x10,
    0x00, 0x02, 0x02, 0x02, 0x00, 0x06, 0x03, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x01, 0x02, 0x03, 0x11, 0x00, 0x04, 0x12, 0x21, 0x22, 0x31, 0x41, 0x51, 0x05, 0x13, 0x14, 0x71,
    0x81, 0xc1, 0xff, 0xc4, 0x00, 0x18, 0x01, 0x01, 0x00, 0x03, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x02, 0x04, 0x03, 0xff, 0xc4, 0x00, 0x18,
    0x11, 0x01, 0x01, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x01, 0x00, 0x02, 0x11, 0x21, 0xff, 0xda, 0x00, 0x0c, 0x03, 0x01, 0x00, 0x02, 0x11, 0x03,
    0x11, 0x00, 0x3f, 0x00, 0xce, 0x69, 0xa4, 0x71, 0xc3, 0xdc, 0xfa, 0xec, 0x06, 0x27, 0x2b, 0x00,
    0x48, 0x6e, 0xa2, 0x3b, 0xf8, 0x03, 0x1d, 0xd4, 0x49, 0x5d, 0xc8, 0x93, 0xeb, 0x0e, 0x3b, 0x81,
    0x62, 0xf2, 0x76, 0xd7, 0xc8, 0xc9, 0x1e, 0xa7, 0xe9, 0x68, 0x75, 0xd1, 0x09, 0xe1, 0x55, 0x24,
    0x92, 0x79, 0xf9, 0xcc, 0x43, 0xd6, 0xd8, 0xf8, 0x7b, 0x30, 0x94, 0x90, 0xfd, 0x84, 0x8e, 0x02,
    0x28, 0x80, 0x33, 0x09, 0xa0, 0x0b, 0x02, 0x46, 0x47, 0x5c, 0x6a, 0x28, 0x0b, 0x21, 0x81, 0x39,
    0xdd, 0x2d, 0xb4, 0xde, 0x8a, 0x3d, 0x76, 0x8f, 0xe9, 0x76, 0xa7, 0x02, 0xec, 0x32, 0x8f, 0x47,
    0x29, 0xec, 0x45, 0x1c, 0xf2, 0x0a, 0xe9, 0x60, 0xbc, 0x03, 0xf8, 0xbb, 0xff, 0x00, 0x31, 0xeb,
    0x4e, 0x09, 0xda, 0x5c, 0x08, 0xf1, 0x9e, 0x08, 0x99, 0x9b, 0xb3, 0x1f, 0x56, 0x7c, 0x61, 0x95,
    0x25, 0xd7, 0x8a, 0x28, 0x65, 0xe1, 0x34, 0xc5, 0x54, 0xf3, 0xf0, 0x46, 0x18, 0x74, 0x9e, 0x4a,
    0x4d, 0x34, 0x66, 0x7b, 0x8a, 0x63, 0x63, 0x98, 0x20, 0xe6, 0x53, 0x6b, 0xc5, 0xb5, 0x19, 0x49,
    0x02, 0x75, 0x1e, 0x22, 0x19, 0x6d, 0x6f, 0xdf, 0x23, 0x63, 0x0c, 0x32, 0xb5, 0x90, 0x94, 0x78,
    0xa4, 0xd3, 0xf9, 0x2d, 0x69, 0xda, 0x58, 0xda, 0x38, 0xcd, 0x52, 0x2d, 0x00, 0x3f, 0xbc, 0xbe,
    0xc5, 0x25, 0x90, 0x49, 0x17, 0x3f, 0x38, 0x61, 0x83, 0xb7, 0x92, 0x64, 0xa7, 0x7c, 0xd2, 0x49,
    0xb4, 0x9f, 0x96, 0x32, 0xe2, 0x42, 0x4b, 0x10, 0xab, 0x74, 0x05, 0x55, 0x8c, 0x30, 0xc3, 0x2f,
    0x9d, 0xe8, 0x3c, 0xb9, 0xeb, 0x02, 0xdf, 0xff, 0xd9,
};

struct check {
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool is_done;
    dlop_status status;
    struct dlop_buffer in, constants, out;
    struct dlop_job jobs[CHECK_JOBS];
    struct dlop_completion completions[CHECK_JOBS];
    struct dlop_launch launch;
};

/* ---- the jobs ---- */

/* n_out outputs of three taps over n_in positions; every seventh is filled; mirrored or not. */
static void put_axis(uint8_t *at, uint32_t n_in, uint32_t n_out, bool is_mirrored)
{
    static const int32_t weights[TAPS] = {60, 130, 66};
    const struct dlop_axis axis = {.n_out = n_out, .n_taps = TAPS, .precision_bits = 8};

    memcpy(at, &axis, sizeof axis);
    at += sizeof axis;
    for (uint32_t o = 0; o < n_out; o++) {
        uint32_t from = (is_mirrored ? n_out - 1 - o : o) * (n_in - TAPS) / (n_out - 1);
        const struct dlop_span span = {.start = (int32_t)from, .n = o % 7 == 6 ? 0 : TAPS};

        memcpy(at + o * sizeof span, &span, sizeof span);
        memcpy(at + n_out * sizeof span + o * sizeof weights, weights, sizeof weights);
    }
}

static dlop_status fill_buffers(struct check *check)
{
    uint8_t *in = check->in.host, *constants = check->constants.host;
    struct dlop_jpeg_frame *frame = (struct dlop_jpeg_frame *)(void *)(in + JPEG_AT);
    char reason[DLOP_REASON_BYTES];

    _Static_assert(sizeof *frame + sizeof check_jpeg + DLOP_JPEG_PADDING_BYTES <= PIXELS_AT,
                   "room for the file");
    memcpy(in + JPEG_AT + sizeof *frame, check_jpeg, sizeof check_jpeg);
    for (uint32_t i = 0; i < SRC_WIDTH_PX * SRC_HEIGHT_PX * 3; i++)
        in[PIXELS_AT + i] = (uint8_t)(i * i / 7 + i);
    for (uint32_t i = 0; i < PACK_BYTES; i++)
        constants[i] = (uint8_t)(i * 37 + i / 256);
    put_axis(in + X_AXIS_AT, SRC_WIDTH_PX, OUT_WIDTH_PX, true);
    put_axis(in + Y_AXIS_AT, SRC_HEIGHT_PX, OUT_HEIGHT_PX, false);
    return dlop_jpeg_parse(in + JPEG_AT + sizeof *frame, sizeof check_jpeg, sizeof *frame, frame,
                           reason);
}

static struct dlop_job make_job(uint32_t i)
{
    bool is_tensor = i % DLOP_JOB_KIND_COUNT == DLOP_JOB_TENSOR;
    bool is_jpeg = i % DLOP_JOB_KIND_COUNT == DLOP_JOB_JPEG;
    struct dlop_job job = {
        .abi_version = DLOP_ABI_VERSION,
        .kind = (u8)(i % DLOP_JOB_KIND_COUNT),
        .pass_order = (u8)(is_tensor ? 0 : i / 3 % DLOP_PASS_ORDER_COUNT),
        .grey = (u8)(is_tensor ? 0 : i / 6 % DLOP_GREY_COUNT),
        .layout = (u8)(i / 2 % DLOP_LAYOUT_COUNT),
        .src_channels = 3,
        .out_channels = 3,
        .element_bytes = (u8)(i % 2 ? 4 : 1),
        .fill = {10, 200, 77},
        .record = i,
        .in_offset = is_jpeg ? JPEG_AT : PIXELS_AT,
        .in_bytes =
            is_jpeg ? sizeof(struct dlop_jpeg_frame) + sizeof check_jpeg + DLOP_JPEG_PADDING_BYTES
                    : (u64)SRC_WIDTH_PX * SRC_HEIGHT_PX * 3,
        .x_axis_offset = is_tensor ? 0 : X_AXIS_AT,
        .y_axis_offset = is_tensor ? 0 : Y_AXIS_AT,
        .out_offset = (u64)i * OUT_STRIDE_BYTES,
        .src_width_px = SRC_WIDTH_PX,
        .src_height_px = SRC_HEIGHT_PX,
        .roi_width_px = SRC_WIDTH_PX,
        .roi_height_px = SRC_HEIGHT_PX,
        .out_width_px = is_tensor ? SRC_WIDTH_PX : OUT_WIDTH_PX,
        .out_height_px = is_tensor ? SRC_HEIGHT_PX : OUT_HEIGHT_PX,
    };

    job.out_bytes = job.out_width_px * job.out_height_px * 3 * job.element_bytes;
    return job;
}

/* ---- one run ---- */

static void check_done(struct dlop_launch *launch, dlop_status status)
{
    struct check *check = launch->cookie;

    pthread_mutex_lock(&check->lock);
    check->is_done = true;
    check->status = status;
    pthread_cond_signal(&check->change);
    pthread_mutex_unlock(&check->lock);
}

static dlop_status wait_done(struct check *check, uint32_t timeout_ms)
{
    uint64_t until_ns = dlop_clock_ns() + (uint64_t)timeout_ms * 1000000u;
    struct timespec until = {(time_t)(until_ns / 1000000000u), (long)(until_ns % 1000000000u)};
    int error = 0;

    pthread_mutex_lock(&check->lock);
    while (!check->is_done && !error)
        error = pthread_cond_timedwait(&check->change, &check->lock, &until);
    dlop_status status = check->is_done ? check->status : DLOP_ERR_TIMEOUT;
    pthread_mutex_unlock(&check->lock);
    return status;
}

static dlop_status alloc_buffers(struct check *check, const struct dlop_driver *driver,
                                 struct dlop_device *device)
{
    const struct dlop_memory_ops *memory = &driver->memory;
    dlop_status status = memory->alloc(device, IN_BYTES, &check->in);

    if (status == DLOP_OK)
        status = memory->alloc(device, PACK_BYTES, &check->constants);
    if (status == DLOP_OK)
        status = memory->alloc(device, (size_t)CHECK_JOBS * OUT_STRIDE_BYTES, &check->out);
    return status;
}

/* Run the launch; its results are in check->out.host. */
static dlop_status run(struct check *check, const struct dlop_driver *driver,
                       struct dlop_device *device, uint32_t timeout_ms)
{
    const struct dlop_memory_ops *memory = &driver->memory;
    dlop_status status = alloc_buffers(check, driver, device);

    if (status == DLOP_OK)
        status = fill_buffers(check);
    if (status != DLOP_OK)
        return status;
    for (uint32_t i = 0; i < CHECK_JOBS; i++)
        check->jobs[i] = make_job(i);
    check->launch = (struct dlop_launch){.jobs = check->jobs,
                                         .completions = check->completions,
                                         .n_jobs = CHECK_JOBS,
                                         .in = &check->in,
                                         .constants = &check->constants,
                                         .out = &check->out,
                                         .done = check_done,
                                         .cookie = check};
    memset(check->out.host, 0, check->out.size_bytes);
    status = memory->to_device(device, &check->in, 0, check->in.size_bytes);
    if (status == DLOP_OK)
        status = memory->to_device(device, &check->constants, 0, check->constants.size_bytes);
    if (status == DLOP_OK)
        status = memory->to_device(device, &check->out, 0, check->out.size_bytes);
    if (status == DLOP_OK)
        status = driver->submit(device, &check->launch);
    if (status == DLOP_OK)
        status = wait_done(check, timeout_ms);
    if (status == DLOP_OK)
        status = memory->from_device(device, &check->out, 0, check->out.size_bytes);
    return status;
}

static struct check *make_check(void)
{
    struct check *check = calloc(1, sizeof *check);
    pthread_condattr_t attributes;

    if (!check || pthread_condattr_init(&attributes)) {
        free(check);
        return NULL;
    }
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    int error = pthread_mutex_init(&check->lock, NULL);
    error = error ? error : pthread_cond_init(&check->change, &attributes);
    pthread_condattr_destroy(&attributes);
    if (!error)
        return check;
    free(check);
    return NULL;
}

/* device: null where it is closed already. */
static void free_check(struct check *check, const struct dlop_driver *driver,
                       struct dlop_device *device)
{
    if (!check)
        return;
    driver->memory.free(device, &check->in);
    driver->memory.free(device, &check->constants);
    driver->memory.free(device, &check->out);
    pthread_cond_destroy(&check->change);
    pthread_mutex_destroy(&check->lock);
    free(check);
}

/* ---- comparison ---- */

static bool are_equal(const struct check *got, const struct check *want)
{
    bool is_equal = !memcmp(got->out.host, want->out.host, want->out.size_bytes);

    for (uint32_t i = 0; i < CHECK_JOBS; i++)
        is_equal &= want->completions[i].status == DLOP_OK &&
                    got->completions[i].status == DLOP_OK &&
                    got->completions[i].record == want->completions[i].record &&
                    got->completions[i].bytes_written == want->completions[i].bytes_written;
    return is_equal;
}

/* What the reference makes of the launch, into *want. */
static dlop_status run_reference(struct check *want, uint32_t timeout_ms)
{
    const struct dlop_driver *cpu = dlop_driver_get(dlop_cpu_driver.name);
    const struct dlop_device_cfg cfg = {.n_threads = 1, .vector_level = 0};
    struct dlop_device *device = NULL;
    dlop_status status = cpu->open(&cfg, &device);

    if (status == DLOP_OK)
        status = run(want, cpu, device, timeout_ms);
    cpu->close(&device);
    return status;
}

dlop_status dlop_check_open(const struct dlop_driver *driver, const struct dlop_device_cfg *cfg,
                            uint32_t timeout_ms, struct dlop_device **device_out,
                            double *rate_hz_out)
{
    const struct dlop_driver *cpu = dlop_driver_get(dlop_cpu_driver.name);
    struct check *want = make_check(), *got = make_check();
    struct dlop_device *device = NULL;
    dlop_status status = want && got ? DLOP_OK : DLOP_ERR_NO_MEMORY;

    if (status == DLOP_OK)
        status = run_reference(want, timeout_ms);
    if (status == DLOP_OK)
        status = driver->open(cfg, &device);
    if (status == DLOP_OK) {
        uint64_t begin_ns = dlop_clock_ns();
        status = run(got, driver, device, timeout_ms);
        *rate_hz_out = 1e9 * CHECK_JOBS / (double)(dlop_clock_ns() - begin_ns + 1);
        if (status == DLOP_OK && !are_equal(got, want)) {
            dlop_log_error("run", "device \"%s\" fails its self-test: other bytes than the CPU's",
                           driver->name);
            status = DLOP_ERR_DEVICE_FAULT;
        }
    }
    if (status != DLOP_OK)
        driver->close(&device);
    else
        *device_out = device;
    free_check(got, driver, device);
    free_check(want, cpu, NULL);
    return status;
}
