/* What the test benches of the kernels share: a generator of launches, made of nothing but C.
 *
 * A bench is a program of its own that a vendor's C simulation can run as it stands: plain C, no
 * test library, no file, no argument; main returns 0 where every job's bytes and completion equal
 * the reference of hw/core. JPEG data are written by a small encoder: random coefficients in scans
 * of any sampling, with restart intervals, interleaved or not.
 */
#ifndef DLOP_TESTS_TOP_BENCH_H
#define DLOP_TESTS_TOP_BENCH_H

#include <stdio.h>
#include <string.h>

#include "hw/core/image.h"
#include "hw/top/record.h"
#include "hw/top/top.h"

#define BENCH_MAX_JOBS      16
#define BENCH_IN_BYTES      (512u << 10)
#define BENCH_OUT_BYTES     (256u << 10)
#define BENCH_TABLE_BYTES   (3u * 256u * 8u)
#define BENCH_SCRATCH_BYTES (2u << 20)
#define BENCH_CANARY        0xa5

/* The wrapper renames it. */
int main(void);

static u8 bench_in[BENCH_IN_BYTES], bench_constants[BENCH_MAX_JOBS * BENCH_TABLE_BYTES];
static u8 bench_out[BENCH_OUT_BYTES], bench_expected[BENCH_OUT_BYTES];
static u8 bench_scratch[BENCH_SCRATCH_BYTES];
static u8 bench_jobs[BENCH_MAX_JOBS * DLOP_TOP_JOB_BYTES];
static u8 bench_completions[BENCH_MAX_JOBS * DLOP_TOP_COMPLETION_BYTES];
static u32 bench_n_in, bench_n_out, bench_n_jobs, bench_random = 4242;

static inline u32 bench_u32(void)
{
    bench_random = bench_random * 1664525u + 1013904223u;
    return bench_random >> 8;
}

/* low..high, both included. */
static inline u32 bench_between(u32 low, u32 high)
{
    return low + bench_u32() % (high - low + 1);
}

static inline void bench_put(u8 *bytes, u64 value, u32 n_bytes)
{
    for (u32 i = 0; i < n_bytes; i++)
        bytes[i] = (u8)(value >> 8 * i);
}

/* ---- bits ---- */

struct bench_code {
    u16 code[256];
    u8 n_bits[256];
};

static u64 bench_bits;
static u32 bench_n_bits;

static inline void bench_byte(u8 byte)
{
    bench_in[bench_n_in++] = byte;
    if (byte == 0xff)
        bench_in[bench_n_in++] = 0;
}

static inline void bench_write(u32 value, u32 n_bits)
{
    bench_bits = bench_bits << n_bits | (value & ((1u << n_bits) - 1));
    for (bench_n_bits += n_bits; bench_n_bits >= 8; bench_n_bits -= 8)
        bench_byte((u8)(bench_bits >> (bench_n_bits - 8)));
}

/* Ones up to the next whole byte. */
static inline void bench_flush(void)
{
    if (bench_n_bits)
        bench_write(0xff, 8 - bench_n_bits);
    bench_n_bits = 0;
}

/* A canonical code in which short codes go first: the sizes of DC differences or, for AC, runs and
 * sizes; codes of 2 to 16 bits, so that the long way of the decoder is taken, too. */
static inline void bench_make_code(u32 is_ac, u8 *dht, struct bench_code *code_out)
{
    static const u8 n_codes[2][16] = {{0, 1, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0},
                                      {0, 1, 2, 3, 3, 3, 5, 4, 6, 6, 8, 10, 12, 16, 20, 63}};
    u32 code = 0, at = 0;

    memcpy(dht, n_codes[is_ac], 16);
    for (u32 bits = 1; bits <= 16; bits++, code <<= 1)
        for (u32 i = 0; i < n_codes[is_ac][bits - 1]; i++, code++, at++) {
            u32 run = at % 16, size = at / 16 + 1;
            u32 symbol = !is_ac ? at : at == 160 ? 0x00 : at == 161 ? 0xf0 : run << 4 | size;

            dht[16 + at] = (u8)symbol;
            code_out->code[symbol] = (u16)code;
            code_out->n_bits[symbol] = (u8)bits;
        }
}

static inline u32 bench_size(s32 value)
{
    u32 magnitude = (u32)(value < 0 ? -value : value), n = 0;

    for (; magnitude; magnitude >>= 1)
        n++;
    return n;
}

/* A code and the value of `size` bits after it. */
static inline void bench_symbol(const struct bench_code *code, u32 symbol, u32 size, s32 value)
{
    bench_write(code->code[symbol], code->n_bits[symbol]);
    if (size)
        bench_write((u32)(value < 0 ? value + (1 << size) - 1 : value), size);
}

/* One block of random coefficients, few or many. */
static inline void bench_block(const struct bench_code code[2], s32 *prediction)
{
    s32 dc = (s32)bench_between(0, 1000) - 500;
    u32 size = bench_size(dc - *prediction), run = 0, one_in = 1u << bench_between(1, 6);

    bench_symbol(&code[0], size, size, dc - *prediction);
    *prediction = dc;
    for (u32 k = 1; k < 64; k++) {
        s32 value = (s32)bench_between(0, 24) - 12;

        if (bench_u32() % one_in || value == 0) {
            run++;
            continue;
        }
        for (; run > 15; run -= 16)
            bench_symbol(&code[1], 0xf0, 0, 0);
        bench_symbol(&code[1], run << 4 | bench_size(value), bench_size(value), value);
        run = 0;
    }
    if (run)
        bench_symbol(&code[1], 0, 0, 0);
}

/* ---- frames ---- */

struct bench_picture {
    u32 width, height, n_components, h, v; /* sampling of the first; 1x1 for the others */
    u32 restart_interval, is_multi_scan;
};

/* MCUs of scan s, and blocks in one MCU for each of its components. */
static inline u32 bench_mcus(const struct bench_picture *picture, u32 s, u32 n_blocks_out[3])
{
    u32 is_single = picture->n_components == 1 || picture->is_multi_scan;
    u32 h = picture->n_components == 1 ? 1 : picture->h;
    u32 v = picture->n_components == 1 ? 1 : picture->v;
    u32 ratio_x = is_single && s > 0 ? h : 1, ratio_y = is_single && s > 0 ? v : 1;
    u32 side_x = is_single ? 8 * ratio_x : 8 * h, side_y = is_single ? 8 * ratio_y : 8 * v;

    n_blocks_out[0] = is_single ? 1 : h * v;
    n_blocks_out[1] = n_blocks_out[2] = 1;
    if (is_single) { /* of the component's own samples, rounded up twice */
        u32 width = (picture->width + ratio_x - 1) / ratio_x;
        u32 height = (picture->height + ratio_y - 1) / ratio_y;
        return (width + 7) / 8 * ((height + 7) / 8);
    }
    return (picture->width + side_x - 1) / side_x * ((picture->height + side_y - 1) / side_y);
}

/* The entropy-coded bytes of scan s. */
static inline void bench_scan(const struct bench_picture *picture, u32 s,
                              const struct bench_code code[2])
{
    u32 n_blocks[3], n_mcus = bench_mcus(picture, s, n_blocks), rst = 0;
    u32 n_entries = picture->is_multi_scan ? 1 : picture->n_components;
    s32 prediction[3] = {0};

    for (u32 mcu = 0; mcu < n_mcus; mcu++) {
        if (picture->restart_interval && mcu && mcu % picture->restart_interval == 0) {
            bench_flush();
            bench_in[bench_n_in++] = 0xff;
            bench_in[bench_n_in++] = (u8)(0xd0 + rst++ % 8);
            memset(prediction, 0, sizeof prediction);
        }
        for (u32 i = 0; i < n_entries; i++)
            for (u32 b = 0; b < n_blocks[i]; b++)
                bench_block(code, &prediction[i]);
    }
    bench_flush();
}

static inline void bench_put_scans(const struct bench_picture *picture, u8 *frame,
                                   const struct bench_code code[2])
{
    u32 n_scans = picture->is_multi_scan ? picture->n_components : 1;

    for (u32 s = 0; s < n_scans; s++) {
        u8 *scan = frame + DLOP_FRAME_SCAN_AT + s * DLOP_FRAME_SCAN_BYTES;

        bench_put(scan, bench_n_in - (u32)(frame - bench_in), 4);
        bench_scan(picture, s, code);
        bench_put(scan + 4, bench_n_in - (u32)(frame - bench_in), 4);
        bench_put(scan + 8, picture->restart_interval, 4);
        scan[12] = (u8)(picture->is_multi_scan ? 1 : picture->n_components);
        for (u32 i = 0; i < 3; i++) {
            scan[13 + i] = (u8)(picture->is_multi_scan ? s : i);
            scan[19 + i] = 1;
        }
    }
}

/* Frame, scans and padding to the end of `in`. Returns where. */
static inline u32 bench_jpeg(const struct bench_picture *picture)
{
    u32 at = bench_n_in = (bench_n_in + 3) / 4 * 4;
    u8 *frame = bench_in + at;
    struct bench_code code[2];

    bench_put(frame, picture->width, 4);
    bench_put(frame + 4, picture->height, 4);
    frame[8] = (u8)picture->n_components;
    frame[9] = picture->n_components == 1 ? DLOP_JPEG_GREY : DLOP_JPEG_YCC;
    frame[10] = (u8)picture->h;
    frame[11] = (u8)picture->v;
    frame[12] = (u8)(picture->is_multi_scan ? picture->n_components : 1);
    frame[13] = 2;
    for (u32 i = 0; i < 3; i++) {
        frame[DLOP_FRAME_COMPONENT_AT + 4 * i] = (u8)(i ? 1 : picture->h);
        frame[DLOP_FRAME_COMPONENT_AT + 4 * i + 1] = (u8)(i ? 1 : picture->v);
    }
    for (u32 k = 0; k < 64; k++)
        bench_put(frame + DLOP_FRAME_QUANT_AT + 2 * k, bench_between(1, 4), 2);
    for (u32 i = 0; i < 2; i++)
        bench_make_code(i, frame + DLOP_FRAME_HUFF_AT + i * DLOP_FRAME_HUFF_BYTES, &code[i]);
    bench_n_in += DLOP_FRAME_BYTES;
    bench_put_scans(picture, frame, code);
    bench_n_in += DLOP_JPEG_PADDING_BYTES;
    return at;
}

/* ---- axes ---- */

/* A linear blend of two neighbours for each output, flipped or not, some outputs without source.
 * Returns where in `in`. */
static inline u32 bench_axis(u32 n_in, u32 n_out)
{
    u32 at = bench_n_in = (bench_n_in + 3) / 4 * 4, is_flipped = bench_u32() % 2;
    u8 *table = bench_in + at, *spans = table + 16, *weights = spans + 8 * n_out;

    bench_put(table, n_out, 4);
    bench_put(table + 4, 2, 4);
    bench_put(table + 8, 16, 4);
    bench_put(table + 12, 0, 4);
    for (u32 o = 0; o < n_out; o++) {
        u32 place = is_flipped ? n_out - 1 - o : o;
        u64 from = ((u64)place * n_in << 16) / n_out;
        u32 start = (u32)(from >> 16), part = (u32)(from & 0xffff);
        u32 n = bench_u32() % 16 == 0 ? 0 : start + 1 < n_in ? 2 : 1;

        bench_put(spans + 8 * o, start, 4);
        bench_put(spans + 8 * o + 4, n, 4);
        bench_put(weights + 8 * o, n == 2 ? 65536 - part : 65536, 4);
        bench_put(weights + 8 * o + 4, part, 4);
    }
    bench_n_in += 16 + 16 * n_out;
    return at;
}

/* ---- launches ---- */

static inline void bench_start(void)
{
    memset(bench_in, 0, sizeof bench_in);
    bench_n_in = bench_n_out = bench_n_jobs = 0;
    for (u32 i = 0; i < sizeof bench_constants; i++)
        bench_constants[i] = (u8)bench_u32();
}

/* A job of random form over a source of this size, to be completed by the caller. */
static inline struct dlop_job bench_job(u32 kind, u32 width, u32 height, u32 n_channels)
{
    struct dlop_job job;

    memset(&job, 0, sizeof job);
    job.abi_version = DLOP_ABI_VERSION;
    job.kind = (u8)kind;
    job.layout = (u8)(bench_u32() % 2);
    job.src_channels = (u8)n_channels;
    job.out_channels = bench_u32() % 2 ? 3 : 1;
    job.element_bytes = (u8)(1u << bench_between(0, 3));
    job.record = bench_u32();
    job.pack_offset = bench_n_jobs * BENCH_TABLE_BYTES;
    job.src_width_px = job.roi_width_px = job.out_width_px = width;
    job.src_height_px = job.roi_height_px = job.out_height_px = height;
    return job;
}

/* Give the job its place in `out` and in the launch. */
static inline void bench_add(struct dlop_job *job)
{
    u8 *record = bench_jobs + bench_n_jobs++ * DLOP_TOP_JOB_BYTES;

    job->out_offset = bench_n_out;
    job->out_bytes =
        job->out_width_px * job->out_height_px * job->out_channels * job->element_bytes;
    bench_n_out = (bench_n_out + job->out_bytes + 15) / 8 * 8;
    memcpy(record, job, sizeof *job);
}

/* Compare what the kernel left in `out` and the completions with what the reference makes of the
 * jobs. *n_done: counts jobs that were well. Returns the number of differences. */
static inline u32 bench_compare(u32 round, u32 *n_done)
{
    static struct dlop_image_work work;
    struct dlop_image_memory memory = {bench_in,      bench_constants, bench_expected,
                                       bench_scratch, {0, 0, 0},       BENCH_SCRATCH_BYTES};
    u32 n_wrong = 0;

    memory.bounds.in_bytes = BENCH_IN_BYTES;
    memory.bounds.constants_bytes = sizeof bench_constants;
    memory.bounds.out_bytes = BENCH_OUT_BYTES;
    memset(bench_expected, BENCH_CANARY, sizeof bench_expected);
    for (u32 i = 0; i < bench_n_jobs; i++) {
        struct dlop_completion completion;
        struct dlop_job job;
        u8 record[DLOP_TOP_COMPLETION_BYTES];

        dlop_job_read(bench_jobs + i * DLOP_TOP_JOB_BYTES, &job);
        dlop_image_run(&job, &memory, &work, &completion);
        dlop_completion_write(&completion, record);
        *n_done += completion.status == DLOP_OK;
        /* Up to the ticks, which the reference has not. */
        if (memcmp(record, bench_completions + i * DLOP_TOP_COMPLETION_BYTES, 16)) {
            printf("round %u, job %u: completion differs, status should be %d\n", round, i,
                   completion.status);
            n_wrong++;
        }
    }
    if (memcmp(bench_out, bench_expected, sizeof bench_out)) {
        printf("round %u: output differs\n", round);
        n_wrong++;
    }
    return n_wrong;
}

#endif
