/* Resampling along one axis by a table (struct dlop_axis in hw/abi/abi.h): crop, resize, flip and
 * every padding are such tables.
 *
 * Formula per channel: out[o] = clamp((half + sum over t < n of in[start + t] * weight[t]) >>
 * precision_bits), half = 1 << (precision_bits - 1). dlop_axis_check makes sure that the sum fits
 * in s32 for any pixels. An output with n = 0 is the fill; since the other axis' pass would
 * resample a fill as if it were a pixel, dlop_axis_fill_row puts it back after both passes. Tables
 * are read where they stand, as little-endian bytes. Rows are RGBX. Not here: how weights come
 * about (host/plan, in floating point, on the host).
 */
#ifndef DLOP_HW_CORE_AXIS_H
#define DLOP_HW_CORE_AXIS_H

#include "hw/abi/abi.h"
#include "hw/abi/status.h"
#include "hw/core/arith.h"
#include "hw/core/colour.h"

#define DLOP_AXIS_HEADER_BYTES 16u
#define DLOP_AXIS_SPAN_BYTES   8u
#define DLOP_AXIS_WEIGHT_BYTES 4u

/* The header and the places of one output's span and weights within the table. */
DLOP_STEP u32 dlop_axis_n_out(DLOP_GLOBAL const u8 *table)
{
    return dlop_u32_at(table, 0);
}

DLOP_STEP u32 dlop_axis_n_taps(DLOP_GLOBAL const u8 *table)
{
    return dlop_u32_at(table, 4);
}

DLOP_STEP u32 dlop_axis_precision_bits(DLOP_GLOBAL const u8 *table)
{
    return dlop_u32_at(table, 8);
}

DLOP_STEP u32 dlop_axis_is_gather(DLOP_GLOBAL const u8 *table)
{
    return dlop_u32_at(table, 12);
}

DLOP_STEP u64 dlop_axis_span_at(u32 o)
{
    return DLOP_AXIS_HEADER_BYTES + (u64)DLOP_AXIS_SPAN_BYTES * o;
}

DLOP_STEP u64 dlop_axis_weights_at(u32 n_out, u32 n_taps, u32 o)
{
    return dlop_axis_span_at(n_out) + (u64)DLOP_AXIS_WEIGHT_BYTES * n_taps * o;
}

/* Check one output: span inside the region, and no sum of 255 * |weight| past s32. */
DLOP_STEP s32 dlop_axis_check_output(DLOP_GLOBAL const u8 *table, u32 o, u32 region_size)
{
    u32 n_taps = dlop_axis_n_taps(table), precision_bits = dlop_axis_precision_bits(table), t;
    u64 span = dlop_axis_span_at(o);
    u64 weights = dlop_axis_weights_at(dlop_axis_n_out(table), n_taps, o);
    u32 start = dlop_u32_at(table, span), n = dlop_u32_at(table, span + 4);
    u64 magnitude = 0;

    if (n == 0)
        return DLOP_OK;
    /* A negative start is far beyond any region when read as unsigned. */
    if (n > n_taps || !dlop_is_within(start, n, region_size))
        return DLOP_ERR_ARGUMENT;
    for (t = 0; t < n; t++) {
        DLOP_HLS(PIPELINE II = 1)
        s64 weight = dlop_s32_at(table, weights + (u64)DLOP_AXIS_WEIGHT_BYTES * t);

        magnitude += (u64)(weight < 0 ? -weight : weight);
    }
    if (magnitude > (0x7fffffffu - (1u << (precision_bits - 1))) / 255)
        return DLOP_ERR_ARGUMENT;
    if (dlop_axis_is_gather(table) &&
        (n != 1 || dlop_s32_at(table, weights) != (s32)(1u << precision_bits)))
        return DLOP_ERR_ARGUMENT;
    return DLOP_OK;
}

/* Check a table of n_bytes readable bytes for n_out outputs over region_size source positions (0
 * where no source pixel is used). DLOP_OK, or DLOP_ERR_ARGUMENT. */
DLOP_STEP s32 dlop_axis_check(DLOP_GLOBAL const u8 *table, u64 n_bytes, u32 n_out, u32 region_size)
{
    u32 o;

    if (n_bytes < DLOP_AXIS_HEADER_BYTES || dlop_axis_n_out(table) != n_out ||
        dlop_axis_precision_bits(table) < 1 || dlop_axis_precision_bits(table) > 22 ||
        dlop_axis_is_gather(table) > 1)
        return DLOP_ERR_ARGUMENT;
    if (n_out > DLOP_MAX_SIDE_PX || DLOP_AXIS_BYTES(n_out, dlop_axis_n_taps(table)) > n_bytes)
        return DLOP_ERR_ARGUMENT;
    for (o = 0; o < n_out; o++) {
        if (dlop_axis_check_output(table, o, region_size) != DLOP_OK)
            return DLOP_ERR_ARGUMENT;
    }
    return DLOP_OK;
}

/* Whether output o takes the fill whatever the other axis says. */
DLOP_STEP s32 dlop_axis_is_fill(DLOP_GLOBAL const u8 *table, u32 o)
{
    return dlop_u32_at(table, dlop_axis_span_at(o) + 4) == 0;
}

/* Write the fill over one pixel. */
DLOP_STEP void dlop_axis_fill_px(const u8 fill[3], DLOP_GLOBAL u8 *rgbx_out, u64 px)
{
    u32 c;

    for (c = 0; c < 3; c++) {
        DLOP_HLS(UNROLL)
        rgbx_out[px * DLOP_RGBX_BYTES + c] = fill[c];
    }
    rgbx_out[px * DLOP_RGBX_BYTES + 3] = DLOP_RGBX_UNUSED;
}

/* One output's sums, and what they become: start, one multiply-add for each source pixel, round. */
DLOP_STEP void dlop_axis_start(u32 precision_bits, s32 sum_out[3])
{
    u32 c;

    for (c = 0; c < 3; c++) {
        DLOP_HLS(UNROLL)
        sum_out[c] = (s32)(1u << (precision_bits - 1));
    }
}

/* rgbx: pixel px counts. */
DLOP_STEP void dlop_axis_add(s32 weight, DLOP_GLOBAL const u8 *rgbx, u64 px, s32 sum[3])
{
    u32 c;

    for (c = 0; c < 3; c++) {
        DLOP_HLS(UNROLL)
        sum[c] += rgbx[px * DLOP_RGBX_BYTES + c] * weight;
    }
}

DLOP_STEP void dlop_axis_round(const s32 sum[3], u32 precision_bits, u8 pixel_out[3])
{
    u32 c;

    for (c = 0; c < 3; c++) {
        DLOP_HLS(UNROLL)
        pixel_out[c] = dlop_clamp_u8(sum[c] >> precision_bits);
    }
}

/* One output pixel: output o of the table over source pixels first_px, first_px + step_px, ... of
 * in. Shared by both passes: on x pixels follow each other, on y they are a row apart. */
DLOP_STEP void dlop_axis_pixel(DLOP_GLOBAL const u8 *table, u32 o, DLOP_GLOBAL const u8 *in_rgbx,
                               u64 step_px, u64 first_px, u8 pixel_out[3])
{
    u32 n_taps = dlop_axis_n_taps(table), precision_bits = dlop_axis_precision_bits(table);
    u64 span = dlop_axis_span_at(o);
    u64 weights = dlop_axis_weights_at(dlop_axis_n_out(table), n_taps, o);
    u32 start = dlop_u32_at(table, span), n = dlop_u32_at(table, span + 4), t;
    s32 sum[3];

    dlop_axis_start(precision_bits, sum);
    for (t = 0; t < n; t++) {
        DLOP_HLS(PIPELINE II = 1)
        s32 weight = dlop_s32_at(table, weights + (u64)DLOP_AXIS_WEIGHT_BYTES * t);

        dlop_axis_add(weight, in_rgbx, first_px + step_px * ((u64)start + t), sum);
    }
    dlop_axis_round(sum, precision_bits, pixel_out);
}

/* The x pass over one row: [region width][4] in, [n_out][4] out. table: checked. */
DLOP_STEP void dlop_axis_x_row(DLOP_GLOBAL const u8 *table, DLOP_GLOBAL const u8 *in_rgbx,
                               const u8 fill[3], DLOP_GLOBAL u8 *rgbx_out)
{
    u32 n_out = dlop_axis_n_out(table), o;

    for (o = 0; o < n_out; o++) {
        u8 pixel[3];

        if (dlop_axis_is_fill(table, o)) {
            dlop_axis_fill_px(fill, rgbx_out, o);
        } else {
            dlop_axis_pixel(table, o, in_rgbx, 1, 0, pixel);
            dlop_axis_fill_px(pixel, rgbx_out, o);
        }
    }
}

/* The y pass for output row o: rows [region height][n_px][4] in, [n_px][4] out. table: checked. */
DLOP_STEP void dlop_axis_y_row(DLOP_GLOBAL const u8 *table, u32 o, DLOP_GLOBAL const u8 *rows_rgbx,
                               u32 n_px, const u8 fill[3], DLOP_GLOBAL u8 *rgbx_out)
{
    u32 x;

    for (x = 0; x < n_px; x++) {
        u8 pixel[3];

        if (dlop_axis_is_fill(table, o)) {
            dlop_axis_fill_px(fill, rgbx_out, x);
        } else {
            dlop_axis_pixel(table, o, rows_rgbx, n_px, x, pixel);
            dlop_axis_fill_px(pixel, rgbx_out, x);
        }
    }
}

/* Last word on fills, for one finished output row: all of it where is_row_fill, else the pixels
 * that the x table leaves without source. */
DLOP_STEP void dlop_axis_fill_row(DLOP_GLOBAL const u8 *x_table, s32 is_row_fill, const u8 fill[3],
                                  DLOP_GLOBAL u8 *rgbx)
{
    u32 n_out = dlop_axis_n_out(x_table), o;

    for (o = 0; o < n_out; o++) {
        if (is_row_fill || dlop_axis_is_fill(x_table, o))
            dlop_axis_fill_px(fill, rgbx, o);
    }
}

#endif
