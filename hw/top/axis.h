/* Both resampling passes: axis tables in card memory, strips of pixels in and out.
 *
 * Key idea: a table of any size is read through two windows, one of spans and one of weights, so
 * that a table of usual size is read once and then stays on chip. Outputs may stand in any order
 * and use any pixels (flips, paddings), so both passes gather: the x pass from a row that is on
 * chip, the y pass row by row from the picture in scratch, with one set of sums for each pixel of
 * its strip. The arithmetic is that of hw/core/axis.h.
 */
#ifndef DLOP_HW_TOP_AXIS_H
#define DLOP_HW_TOP_AXIS_H

#include "hw/core/axis.h"
#include "hw/top/shape.h"

/* A checked table, and what of it is on chip. */
struct dlop_top_axis {
    u64 at; /* of the table in the launch's `in` */
    u32 n_out, n_taps, precision_bits;
    u8 fill[3];          /* colour of outputs without source */
    u64 n_multiply_adds; /* so far */
    u32 first_span, n_spans;
    u64 first_weight;
    u32 n_weights;
    u32 span_start[DLOP_TOP_SPANS], span_n[DLOP_TOP_SPANS];
    s32 weight[DLOP_TOP_WEIGHTS];
};

DLOP_STEP void dlop_top_axis_open(const u8 *in, u64 at, const u8 fill[3],
                                  struct dlop_top_axis *axis_out)
{
    u32 c;

    axis_out->at = at;
    axis_out->n_out = dlop_u32_at(in, at);
    axis_out->n_taps = dlop_u32_at(in, at + 4);
    axis_out->precision_bits = dlop_u32_at(in, at + 8);
    for (c = 0; c < 3; c++)
        axis_out->fill[c] = fill[c];
    axis_out->n_multiply_adds = 0;
    axis_out->first_span = 0;
    axis_out->n_spans = 0;
    axis_out->first_weight = 0;
    axis_out->n_weights = 0;
}

/* Make sure that output o's span is on chip. Returns its place in the window. */
DLOP_STEP u32 dlop_top_axis_span(const u8 *in, struct dlop_top_axis *axis, u32 o)
{
    u32 i;

    if (o < axis->first_span || o - axis->first_span >= axis->n_spans) {
        axis->first_span = o / DLOP_TOP_SPANS * DLOP_TOP_SPANS;
        axis->n_spans = dlop_min_u32(axis->n_out - axis->first_span, DLOP_TOP_SPANS);
        for (i = 0; i < axis->n_spans; i++) {
            DLOP_HLS(PIPELINE II = 1)
            DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = DLOP_TOP_SPANS)
            u64 at = axis->at + dlop_axis_span_at(axis->first_span + i);

            axis->span_start[i] = dlop_u32_at(in, at);
            axis->span_n[i] = dlop_u32_at(in, at + 4);
        }
    }
    return o - axis->first_span;
}

/* Make sure that weight number w of the table is on chip. Returns its place in the window; those
 * after it, up to n_weights, are there as well. */
DLOP_STEP u32 dlop_top_axis_weight(const u8 *in, struct dlop_top_axis *axis, u64 w)
{
    u64 n_all = (u64)axis->n_out * axis->n_taps;
    u32 i;

    if (w < axis->first_weight || w - axis->first_weight >= axis->n_weights) {
        axis->first_weight = w / DLOP_TOP_WEIGHTS * DLOP_TOP_WEIGHTS;
        axis->n_weights = DLOP_TOP_WEIGHTS;
        if (n_all - axis->first_weight < DLOP_TOP_WEIGHTS)
            axis->n_weights = (u32)(n_all - axis->first_weight);
        for (i = 0; i < axis->n_weights; i++) {
            DLOP_HLS(PIPELINE II = 1)
            DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = DLOP_TOP_WEIGHTS)
            u64 at = axis->at + dlop_axis_weights_at(axis->n_out, axis->n_taps, 0);

            axis->weight[i] =
                dlop_s32_at(in, at + (axis->first_weight + i) * DLOP_AXIS_WEIGHT_BYTES);
        }
    }
    return (u32)(w - axis->first_weight);
}

/* One output of the x pass, from a row of any width. */
DLOP_STEP void dlop_top_x_output(const u8 *in, struct dlop_top_axis *axis, u32 o, const u8 *rgbx,
                                 u8 pixel_out[3])
{
    u32 place = dlop_top_axis_span(in, axis, o);
    u32 start = axis->span_start[place], n = axis->span_n[place], n_here, t, i;
    s32 sum[3];

    dlop_axis_start(axis->precision_bits, sum);
    for (t = 0; t < n; t += n_here) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 0 max = 9 avg = 1)
        u32 weight = dlop_top_axis_weight(in, axis, (u64)o * axis->n_taps + t);

        n_here = dlop_min_u32(axis->n_weights - weight, n - t);
        for (i = 0; i < n_here; i++) {
            DLOP_HLS(PIPELINE II = 1)
            DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = 8192 avg = 4)
            dlop_axis_add(axis->weight[weight + i], rgbx, (u64)start + t + i, sum);
        }
    }
    dlop_axis_round(sum, axis->precision_bits, pixel_out);
    if (n == 0) {
        for (i = 0; i < 3; i++)
            pixel_out[i] = axis->fill[i];
    }
    axis->n_multiply_adds += n;
}

/* Stage: the x pass for outputs first .. first + n - 1 from a row on chip: [any][4].
 * rgbx_out: [n][4], n at most DLOP_TOP_STRIP_PX. */
DLOP_STEP void dlop_top_x_pass(const u8 *in, struct dlop_top_axis *axis, const u8 *row_rgbx,
                               u32 first, u32 n, u8 rgbx_out[DLOP_TOP_STRIP_PX * DLOP_RGBX_BYTES])
{
    u32 i;

    for (i = 0; i < DLOP_TOP_STRIP_PX; i++) {
        u8 pixel[3];

        if (i >= n)
            break;
        dlop_top_x_output(in, axis, first + i, row_rgbx, pixel);
        dlop_axis_fill_px(pixel, rgbx_out, i);
    }
}

/* A part of the picture's columns in scratch. */
struct dlop_top_columns {
    u64 picture_at;     /* its first byte */
    u32 width_px;       /* of the picture */
    u32 first_px, n_px; /* n_px: at most DLOP_TOP_STRIP_PX */
};

/* Sums of one output pixel's channels. */
struct dlop_top_sum {
    s32 channel[3];
};

/* One row of the picture, times one weight, to the sums of these columns. */
DLOP_STEP void dlop_top_y_add(const u8 *scratch, u64 at, s32 weight, u32 n_px,
                              struct dlop_top_sum sums[DLOP_TOP_STRIP_PX])
{
    u8 rgbx[DLOP_TOP_STRIP_PX * DLOP_RGBX_BYTES];
    u32 x;

    for (x = 0; x < n_px * DLOP_RGBX_BYTES; x++) {
        DLOP_HLS(PIPELINE II = 1)
        DLOP_HLS(LOOP_TRIPCOUNT min = 4 max = 1024)
        rgbx[x] = scratch[at + x];
    }
    for (x = 0; x < n_px; x++) {
        DLOP_HLS(PIPELINE II = 1)
        DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = DLOP_TOP_STRIP_PX)
        dlop_axis_add(weight, rgbx, x, sums[x].channel);
    }
}

/* Stage: the y pass for output row o of some columns. rgbx_out: [n_px][4]. */
DLOP_STEP void dlop_top_y_pass(const u8 *in, struct dlop_top_axis *axis, u32 o, const u8 *scratch,
                               const struct dlop_top_columns *columns,
                               u8 rgbx_out[DLOP_TOP_STRIP_PX * DLOP_RGBX_BYTES])
{
    u32 place = dlop_top_axis_span(in, axis, o);
    u32 start = axis->span_start[place], n = axis->span_n[place], t, x;
    struct dlop_top_sum sums[DLOP_TOP_STRIP_PX];

    for (x = 0; x < DLOP_TOP_STRIP_PX; x++) {
        DLOP_HLS(PIPELINE II = 1)
        dlop_axis_start(axis->precision_bits, sums[x].channel);
    }
    for (t = 0; t < n; t++) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 0 max = 65500 avg = 4)
        u32 weight = dlop_top_axis_weight(in, axis, (u64)o * axis->n_taps + t);
        u64 px = ((u64)start + t) * columns->width_px + columns->first_px;

        dlop_top_y_add(scratch, columns->picture_at + px * DLOP_RGBX_BYTES, axis->weight[weight],
                       columns->n_px, sums);
    }
    for (x = 0; x < DLOP_TOP_STRIP_PX; x++) {
        DLOP_HLS(PIPELINE II = 1)
        u8 pixel[3];

        if (x >= columns->n_px)
            break;
        dlop_axis_round(sums[x].channel, axis->precision_bits, pixel);
        dlop_axis_fill_px(pixel, rgbx_out, x);
    }
    axis->n_multiply_adds += (u64)n * columns->n_px;
}

#endif
