/* Single steps of hw/core as cases over bytes: the same text is compiled for the host and, by
 * ocl_steps.cl, for OpenCL, and both must write the same bytes.
 *
 * A case takes STEP_IN_BYTES of any content (sizes in it are brought into range here) and writes up
 * to STEP_OUT_BYTES, which are zero before.
 */
#ifndef DLOP_TESTS_DRIVER_OCL_STEPS_H
#define DLOP_TESTS_DRIVER_OCL_STEPS_H

#include "hw/core/image.h"
#include "hw/top/record.h"

#define STEP_IN_BYTES  16384
#define STEP_OUT_BYTES 8192
/* Where rows of samples or pixels begin in the input, and how long they are at most. */
#define STEP_ROWS_AT 8192
#define STEP_ROW_PX  200

enum step {
    STEP_IDCT,
    STEP_DEQUANTISE,
    STEP_UPSAMPLE,
    STEP_COLOUR,
    STEP_AXIS_X,
    STEP_AXIS_Y,
    STEP_PACK,
    STEP_HUFF,
    STEP_ENTROPY,
    STEP_UNSTUFF,
    STEP_COUNT
};

DLOP_STEP void step_put(DLOP_GLOBAL u8 *out, u32 at, u32 value)
{
    u32 i;

    for (i = 0; i < 4; i++)
        out[at + i] = (u8)(value >> 8 * i);
}

DLOP_STEP s16 step_s16_at(DLOP_GLOBAL const u8 *in, u32 at)
{
    s32 x = (s32)dlop_u16_at(in, at);

    return (s16)(x < 32768 ? x : x - 65536);
}

DLOP_STEP void step_idct(DLOP_GLOBAL const u8 *in, DLOP_GLOBAL u8 *out)
{
    u32 shift = in[0] & 15, i;
    s16 coef[64];
    u8 samples[64];

    for (i = 0; i < 64; i++)
        coef[i] = (s16)(step_s16_at(in, 1 + 2 * i) >> shift);
    step_put(out, 0, (u32)dlop_idct_block(coef, samples));
    for (i = 0; i < 64; i++)
        out[4 + i] = samples[i];
}

DLOP_STEP void step_dequantise(DLOP_GLOBAL const u8 *in, DLOP_GLOBAL u8 *out)
{
    u32 shift = in[0] & 15, i;
    struct dlop_coef_block block;
    u16 quant[64];
    s16 natural[64];

    block.valid = dlop_u64_at(in, 8);
    for (i = 0; i < 64; i++) {
        block.coef[i] = (s16)(step_s16_at(in, 16 + 2 * i) >> (shift > 1 ? shift : 1));
        quant[i] = (u16)(dlop_u16_at(in, 256 + 2 * i) >> (in[1] & 15));
    }
    step_put(out, 0, (u32)dlop_dequantise_block(&block, quant, natural));
    for (i = 0; i < 64; i++)
        step_put(out, 4 + 4 * i, (u32)natural[i]);
}

DLOP_STEP void step_upsample(DLOP_GLOBAL const u8 *in, DLOP_GLOBAL u8 *out)
{
    DLOP_GLOBAL const u8 *near_row = in + STEP_ROWS_AT, *far_row = near_row + STEP_ROW_PX;
    u32 n_samples = 3 + in[0] % (STEP_ROW_PX - 3), kind = in[1] % DLOP_UPSAMPLE_KIND_COUNT;
    u32 ratio_x = kind == DLOP_UPSAMPLE_REPLICATE ? 1 + in[2] % 4u
                  : kind == DLOP_UPSAMPLE_H1V2    ? 1
                                                  : 2;
    u32 x = in[3] % (n_samples * ratio_x), n = n_samples * ratio_x - x;

    if (kind == DLOP_UPSAMPLE_H2V1)
        dlop_upsample_h2v1_row(near_row, n_samples, x, n, out);
    else if (kind == DLOP_UPSAMPLE_H2V2)
        dlop_upsample_h2v2_row(near_row, far_row, n_samples, x, n, out);
    else if (kind == DLOP_UPSAMPLE_H1V2)
        dlop_upsample_h1v2_row(near_row, far_row, in[4], x, n, out);
    else
        dlop_upsample_replicate_row(near_row, ratio_x, x, n, out);
    step_put(out, 1000, dlop_upsample_kind_of(1 + in[2] % 4u, 1 + in[4] % 4u, n_samples));
}

DLOP_STEP void step_colour(DLOP_GLOBAL const u8 *in, DLOP_GLOBAL u8 *out)
{
    DLOP_GLOBAL const u8 *row = in + STEP_ROWS_AT;
    u32 n_px = in[0] % (STEP_ROW_PX + 1), kind = in[1] % 5;

    if (kind == 0)
        dlop_colour_ycc_row(row, row + STEP_ROW_PX, row + 2 * STEP_ROW_PX, n_px, out);
    else if (kind == 1)
        dlop_colour_rgb_row(row, row + STEP_ROW_PX, row + 2 * STEP_ROW_PX, n_px, out);
    else if (kind == 2)
        dlop_colour_grey_row(row, n_px, out);
    else
        dlop_colour_pixels_row(row, in[2] % 2 ? 3 : 1, n_px, out);
    if (kind == 4)
        dlop_colour_to_grey_row(out, n_px);
}

/* A table at the start of the input, whole or damaged; its region is the rows. */
DLOP_STEP void step_axis(DLOP_GLOBAL const u8 *in, u32 is_y, DLOP_GLOBAL u8 *out)
{
    DLOP_GLOBAL const u8 *rows = in + STEP_ROWS_AT;
    u32 n_px = 1 + in[STEP_ROWS_AT] % 10u, n_out = dlop_axis_n_out(in), o, i;
    u32 region_size = is_y ? STEP_ROW_PX / n_px : STEP_ROW_PX;
    s32 status = dlop_axis_check(in, STEP_ROWS_AT, n_out, region_size);
    u8 fill[3];

    step_put(out, 0, (u32)status);
    for (i = 0; i < 3; i++)
        fill[i] = in[STEP_IN_BYTES - 1 - i];
    if (status != DLOP_OK || n_out > STEP_ROW_PX)
        return;
    if (is_y) {
        for (o = 0; o < n_out; o++)
            dlop_axis_y_row(in, o, rows, n_px, fill, out + 8 + DLOP_RGBX_BYTES * n_px * o);
        return;
    }
    dlop_axis_x_row(in, rows, fill, out + 8);
    dlop_axis_fill_row(in, 0, fill, out + 8);
    dlop_axis_fill_row(in, 1, fill, out + 8 + DLOP_RGBX_BYTES * STEP_ROW_PX);
}

DLOP_STEP void step_pack(DLOP_GLOBAL const u8 *in, DLOP_GLOBAL u8 *out)
{
    struct dlop_job job;
    u32 y;

    dlop_job_read(in, &job);
    job.out_width_px = 1 + in[0] % 16u;
    job.out_height_px = 1 + in[1] % 16u;
    job.out_channels = in[2] % 2 ? 3 : 1;
    job.element_bytes = (u8)(1u << in[3] % 4);
    job.layout = in[4] % DLOP_LAYOUT_COUNT;
    for (y = 0; y < job.out_height_px; y++)
        dlop_pack_row(&job, in + 1024, in + STEP_ROWS_AT + DLOP_RGBX_BYTES * 16 * y, y, out);
}

/* DHT table at `at`. */
DLOP_STEP void step_read_dht(DLOP_GLOBAL const u8 *in, u32 at, struct dlop_jpeg_huff *dht_out)
{
    u32 i;

    for (i = 0; i < 16; i++)
        dht_out->n_codes[i] = in[at + i];
    for (i = 0; i < 256; i++)
        dht_out->symbols[i] = in[at + 16 + i];
}

DLOP_STEP void step_huff(DLOP_GLOBAL const u8 *in, DLOP_GLOBAL u8 *out)
{
    struct dlop_huff_table table;
    struct dlop_jpeg_huff dht;
    s32 status;
    u32 i;

    step_read_dht(in, 16, &dht);
    status = dlop_huff_build(&dht, in[0] & 1, &table);
    step_put(out, 0, (u32)status);
    for (i = 0; i < DLOP_HUFF_LOOKUP_ENTRIES && status == DLOP_OK; i++)
        step_put(out, 4 + 4 * i, table.lookup[i]);
    for (i = 0; i < 256 && status == DLOP_OK; i++)
        step_put(out, 5000 + 4 * i, dlop_huff_find(&table, dlop_u16_at(in, STEP_ROWS_AT + 2 * i)));
}

/* DC table at 16, AC table at 512; blocks of a segment in the rows until one is refused. */
DLOP_STEP void step_entropy(DLOP_GLOBAL const u8 *in, DLOP_GLOBAL u8 *out)
{
    struct dlop_huff_table dc, ac;
    struct dlop_entropy state;
    struct dlop_coef_block block;
    struct dlop_jpeg_huff dht;
    s32 status;
    u32 b, i;

    step_read_dht(in, 16, &dht);
    status = dlop_huff_build(&dht, DLOP_HUFF_DC, &dc);
    step_read_dht(in, 512, &dht);
    if (status == DLOP_OK)
        status = dlop_huff_build(&dht, DLOP_HUFF_AC, &ac);
    dlop_entropy_init(&state, dlop_u16_at(in, 4) % 4096);
    for (b = 0; b < 24 && status == DLOP_OK; b++) {
        u32 at = 8 + 300 * b;

        status = dlop_entropy_block(in + STEP_ROWS_AT, &dc, &ac, b % 3, &state, &block);
        for (i = 0; i < 64 && status == DLOP_OK; i++)
            if (block.valid >> i & 1)
                step_put(out, at + 4 * i, 0x10000u + (u32)block.coef[i]);
        step_put(out, at + 256, (u32)dlop_entropy_bits_left(&state));
    }
    step_put(out, 0, (u32)status);
    step_put(out, 4, b);
}

DLOP_STEP void step_unstuff(DLOP_GLOBAL const u8 *in, DLOP_GLOBAL u8 *out)
{
    u32 n_bytes = dlop_u16_at(in, 0) % 4000, position = 0, next_rst = in[2] & 7, n_out = 0, at, i;
    s32 status = DLOP_OK;

    for (i = 0, at = 64; i < 8 && status == DLOP_OK; i++, at += n_out) {
        status = dlop_unstuff_segment(in + STEP_ROWS_AT, n_bytes, &position, &next_rst, out + at,
                                      &n_out);
        step_put(out, 4 * i, n_out);
    }
    step_put(out, 32, (u32)status);
    step_put(out, 36, position);
    step_put(out, 40, next_rst);
}

DLOP_STEP void step_run(u32 step, DLOP_GLOBAL const u8 *in, DLOP_GLOBAL u8 *out)
{
    if (step == STEP_IDCT)
        step_idct(in, out);
    else if (step == STEP_DEQUANTISE)
        step_dequantise(in, out);
    else if (step == STEP_UPSAMPLE)
        step_upsample(in, out);
    else if (step == STEP_COLOUR)
        step_colour(in, out);
    else if (step == STEP_AXIS_X || step == STEP_AXIS_Y)
        step_axis(in, step == STEP_AXIS_Y, out);
    else if (step == STEP_PACK)
        step_pack(in, out);
    else if (step == STEP_HUFF)
        step_huff(in, out);
    else if (step == STEP_ENTROPY)
        step_entropy(in, out);
    else
        step_unstuff(in, out);
}

#endif
