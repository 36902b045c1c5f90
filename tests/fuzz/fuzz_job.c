/* Fuzz target: a job record, its frame and its axis tables, as a device gets them.
 *
 * Input: struct dlop_job, then the launch's `in` buffer. Whatever they say, the device must stay
 * within the three buffers, write its output only on success, and give the same pixels with and
 * without vector replacements.
 */
#include <string.h>

#include "driver/cpu/cpu.h"
#include "host/format/jpeg.h"
#include "tests/fuzz/fuzz.h"

#define CONSTANTS_BYTES (3 * 256 * 8)
#define OUT_BYTES       (1u << 13)
#define N_SEEDS         24

static size_t make_seed(uint32_t index, uint8_t *bytes_out);

const struct fuzz_target fuzz_target = {.name = "fuzz_job", .make_seed = make_seed};
FUZZ_COUNTS;

/* ---- seeds: small jobs of both kinds that succeed ---- */

enum { SRC_WIDTH = 17, SRC_HEIGHT = 19 };

#define EIGHT(x) x x x x x x x x
#define ZEROS    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

/* 17 x 19 pixels, 4:2:0; each block is two zero bits. */
static const char jpeg[] = "\xFF\xD8\xFF\xDB\0\x43\0" EIGHT(
    EIGHT("\2")) "\xFF\xC0\0\x11\x08\0\x13\0\x11\3\1\x22\0\2\x11\0\3\x11\0"
                 "\xFF\xC4\0\x14\0\1" ZEROS "\0\xFF\xC4\0\x14\x10\1" ZEROS "\0"
                 "\xFF\xDA\0\x0C\3\1\0\2\0\3\0\0\x3F\0\0\0\0\0\0\0\xFF\xD9";

static size_t put_source(enum dlop_job_kind kind, uint8_t channels, uint8_t *bytes_out)
{
    char reason[DLOP_REASON_BYTES];
    struct dlop_jpeg_frame frame;
    size_t n = (size_t)SRC_WIDTH * SRC_HEIGHT * channels;

    if (kind == DLOP_JOB_PIXELS) {
        for (size_t i = 0; i < n; i++)
            bytes_out[i] = (uint8_t)(i * 7);
        return n;
    }
    fuzz_require(dlop_jpeg_parse((const uint8_t *)jpeg, sizeof(jpeg) - 1, sizeof(frame), &frame,
                                 reason) == DLOP_OK,
                 "%s", reason);
    n = sizeof(frame) + sizeof(jpeg) - 1;
    memcpy(bytes_out, &frame, sizeof(frame));
    memcpy(bytes_out + sizeof(frame), jpeg, sizeof(jpeg) - 1);
    memset(bytes_out + n, 0, DLOP_JPEG_PADDING_BYTES);
    return n + DLOP_JPEG_PADDING_BYTES;
}

/* A table of n_out outputs over n_src positions: a copy with a border of fill, or a filter of
 * n_taps equal weights. */
static size_t put_axis(uint32_t n_out, uint32_t n_src, uint32_t n_taps, uint8_t *bytes_out)
{
    const struct dlop_axis axis = {n_out, n_taps, 10, n_taps == 1};
    const int32_t weight = (1 << 10) / (int32_t)n_taps;
    size_t span_at = sizeof(axis), weight_at = span_at + 8 * (size_t)n_out;

    memcpy(bytes_out, &axis, sizeof(axis));
    for (uint32_t i = 0; i < n_out; i++) {
        uint32_t start = i * (n_src - n_taps + 1) / n_out;
        struct dlop_span span = {(int32_t)start, n_taps == 1 && i % 5 == 4 ? 0 : n_taps};
        memcpy(bytes_out + span_at + 8 * i, &span, 8);
        for (uint32_t t = 0; t < n_taps; t++)
            memcpy(bytes_out + weight_at + 4 * ((size_t)i * n_taps + t), &weight, 4);
    }
    return DLOP_AXIS_BYTES(n_out, n_taps);
}

static size_t make_seed(uint32_t index, uint8_t *bytes_out)
{
    static const uint8_t element_bytes[] = {1, 2, 4, 8};
    enum dlop_job_kind kind = index % 2 ? DLOP_JOB_PIXELS : DLOP_JOB_JPEG;
    uint32_t width = 5 + index % 11, height = 4 + index % 7;
    struct dlop_job job = {.abi_version = DLOP_ABI_VERSION,
                           .kind = (uint8_t)kind,
                           .pass_order = (uint8_t)(index / 2 % 2),
                           .grey = (uint8_t)(index / 3 % DLOP_GREY_COUNT),
                           .layout = (uint8_t)(index / 4 % 2),
                           .src_channels = kind == DLOP_JOB_JPEG || index % 3 ? 3 : 1,
                           .out_channels = index % 5 ? 3 : 1,
                           .element_bytes = element_bytes[index / 2 % 4],
                           .fill = {1, 2, 3},
                           .record = index,
                           .src_width_px = SRC_WIDTH,
                           .src_height_px = SRC_HEIGHT,
                           .roi_x_px = 2,
                           .roi_y_px = 3,
                           .roi_width_px = SRC_WIDTH - 3,
                           .roi_height_px = SRC_HEIGHT - 5,
                           .out_width_px = width,
                           .out_height_px = height};
    uint8_t *in = bytes_out + sizeof(job);

    if (index >= N_SEEDS)
        return 0;
    job.in_bytes = put_source(kind, job.src_channels, in);
    job.x_axis_offset = (job.in_bytes + 3) & ~(uint64_t)3;
    memset(in + job.in_bytes, 0, job.x_axis_offset - job.in_bytes);
    size_t n = put_axis(width, job.roi_width_px, 1 + index % 4, in + job.x_axis_offset);
    job.y_axis_offset = job.x_axis_offset + n;
    n = put_axis(height, job.roi_height_px, 1 + index / 4 % 3, in + job.y_axis_offset);
    job.out_bytes = width * height * job.out_channels * job.element_bytes;
    memcpy(bytes_out, &job, sizeof(job));
    return sizeof(job) + job.y_axis_offset + n;
}

/* ---- running ---- */

#define UNTOUCHED 0xA5

static int is_untouched(const uint8_t *bytes, uint64_t n)
{
    return n == 0 || (bytes[0] == UNTOUCHED && memcmp(bytes, bytes + 1, n - 1) == 0);
}

static dlop_status run(uint32_t vector_mask, const struct dlop_job *job,
                       struct dlop_launch *buffers)
{
    static struct dlop_cpu_worker *workers[2];
    struct dlop_cpu_worker **worker = &workers[vector_mask != 0];
    struct dlop_completion completion = {0};

    if (*worker == NULL)
        fuzz_require(dlop_cpu_worker_open(vector_mask, worker) == DLOP_OK, "worker");
    uint8_t *out = buffers->out->host;
    memset(out, UNTOUCHED, OUT_BYTES);
    dlop_cpu_run_job(*worker, job, buffers, &completion);

    int is_done = completion.status == DLOP_OK;
    fuzz_require(completion.status <= 0 && completion.status > -90, "status %d", completion.status);
    fuzz_require(completion.record == job->record, "record %u", completion.record);
    fuzz_require(completion.bytes_written == (is_done ? job->out_bytes : 0), "bytes %u",
                 completion.bytes_written);
    uint64_t begin = is_done ? job->out_offset : OUT_BYTES;
    uint64_t end = is_done ? job->out_offset + job->out_bytes : OUT_BYTES;
    fuzz_require(is_untouched(out, begin) && is_untouched(out + end, OUT_BYTES - end),
                 "status %d, written outside of the output", completion.status);
    return completion.status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t constants_bytes[CONSTANTS_BYTES], first_out[OUT_BYTES];
    struct dlop_job job;

    if (size < sizeof(job))
        return 0;
    memcpy(&job, data, sizeof(job));
    for (size_t i = 0; i < CONSTANTS_BYTES; i++)
        constants_bytes[i] = (uint8_t)(i * 13 >> 2);
    /* A block of exactly this size; malloc aligns it well enough for words. */
    struct dlop_buffer in = {.size_bytes = size - sizeof(job), .host = malloc(size - sizeof(job))};
    struct dlop_buffer constants = {.host = constants_bytes, .size_bytes = CONSTANTS_BYTES};
    struct dlop_buffer out = {.size_bytes = OUT_BYTES};
    struct dlop_launch buffers = {.in = &in, .constants = &constants, .out = &out};
    out.host = aligned_alloc(64, OUT_BYTES);
    fuzz_require(in.host != NULL && out.host != NULL, "memory");
    memcpy(in.host, data + sizeof(job), in.size_bytes);

    dlop_status with = run(UINT32_MAX, &job, &buffers);
    memcpy(first_out, out.host, OUT_BYTES);
    dlop_status without = run(0, &job, &buffers);
    if (with == DLOP_OK) {
        fuzz_counts[FUZZ_ACCEPTED]++;
        fuzz_counts[FUZZ_DECODED] += job.kind == DLOP_JOB_JPEG;
    }
    /* A replacement may be more careful about coefficients than the reference, or less. */
    if (job.kind != DLOP_JOB_JPEG)
        fuzz_require(with == without, "status %d with replacements, %d without", with, without);
    if (with == DLOP_OK && without == DLOP_OK)
        fuzz_require(memcmp(first_out, out.host, OUT_BYTES) == 0, "replacements differ");
    free(in.host);
    free(out.host);
    return 0;
}
