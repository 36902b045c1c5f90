/* Resampling of a wave: planes or pixels in, elements of the tensors out. Two halves, since an axis
 * table may name its rows in any order: the first fills the picture between the passes in scratch,
 * the second reads it.
 *
 *     paint    source strip -> grey -> row on chip -> x pass (x first) -> picture
 *     finish   picture -> y pass -> row on chip -> x pass (y first) -> grey -> fill -> pack -> out
 *
 * One row of the widest picture is on chip in each half, for the x pass, which may use any of it.
 */
#ifndef DLOP_HW_TOP_RENDER_H
#define DLOP_HW_TOP_RENDER_H

#include "hw/top/axis.h"
#include "hw/top/emit.h"
#include "hw/top/report.h"
#include "hw/top/source.h"

#define DLOP_TOP_ROW_BYTES   (DLOP_MAX_SIDE_PX * DLOP_RGBX_BYTES)
#define DLOP_TOP_STRIP_BYTES (DLOP_TOP_STRIP_PX * DLOP_RGBX_BYTES)

/* Stage: a strip of pixels to bytes `at` on of bytes_out: a row on chip, or scratch. */
DLOP_STEP void dlop_top_put(const u8 rgbx[DLOP_TOP_STRIP_BYTES], u32 n_px, u64 at, u8 *bytes_out)
{
    u32 i;

    for (i = 0; i < DLOP_TOP_STRIP_BYTES; i++) {
        DLOP_HLS(PIPELINE II = 1)
        if (i >= n_px * DLOP_RGBX_BYTES)
            break;
        bytes_out[at + i] = rgbx[i];
    }
}

/* Row y of the region to the row on chip (x first) or to the picture. */
DLOP_STEP void dlop_top_paint_source(const u8 *in, const struct dlop_top_job *slot, u32 y,
                                     u8 *scratch, u8 row_out[DLOP_TOP_ROW_BYTES])
{
    const struct dlop_job *job = &slot->job;
    u64 row_at = slot->picture_at + (u64)y * job->roi_width_px * DLOP_RGBX_BYTES;
    u32 x;

    for (x = 0; x < job->roi_width_px; x += DLOP_TOP_STRIP_PX) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 0 max = 256 avg = 2)
        struct dlop_top_strip strip;
        u8 rgbx[DLOP_TOP_STRIP_BYTES];

        strip.x_px = job->roi_x_px + x;
        strip.y_px = job->roi_y_px + y;
        strip.n_px = dlop_min_u32(job->roi_width_px - x, DLOP_TOP_STRIP_PX);
        dlop_top_source(in, scratch, slot, &strip, rgbx);
        if (job->pass_order == DLOP_PASS_X_FIRST)
            dlop_top_put(rgbx, strip.n_px, (u64)x * DLOP_RGBX_BYTES, row_out);
        else
            dlop_top_put(rgbx, strip.n_px, row_at + (u64)x * DLOP_RGBX_BYTES, scratch);
    }
}

/* x first: the x pass over region row y, from the row on chip to the picture. */
DLOP_STEP void dlop_top_paint_x(const u8 *in, const struct dlop_top_job *slot, u32 y,
                                struct dlop_top_axis *x_axis, const u8 row[DLOP_TOP_ROW_BYTES],
                                u8 *scratch)
{
    u32 width = slot->job.out_width_px, x;
    u64 row_at = slot->picture_at + (u64)y * width * DLOP_RGBX_BYTES;

    for (x = 0; x < width; x += DLOP_TOP_STRIP_PX) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = 256 avg = 1)
        DLOP_HLS(DATAFLOW)
        u32 n = dlop_min_u32(width - x, DLOP_TOP_STRIP_PX);
        u8 rgbx[DLOP_TOP_STRIP_BYTES];

        dlop_top_x_pass(in, x_axis, row, x, n, rgbx);
        dlop_top_put(rgbx, n, row_at + (u64)x * DLOP_RGBX_BYTES, scratch);
    }
}

/* Paint one job. */
DLOP_STEP void dlop_top_paint_job(const u8 *in, const struct dlop_top_job *slot, u8 *scratch,
                                  struct dlop_top_counts *counts)
{
    const struct dlop_job *job = &slot->job;
    s32 is_x_first = job->pass_order == DLOP_PASS_X_FIRST;
    struct dlop_top_axis x_axis;
    u32 y;

    dlop_top_axis_open(in, job->x_axis_offset, job->fill, &x_axis);
    for (y = 0; y < job->roi_height_px; y++) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 0 max = 65500 avg = 270)
        DLOP_HLS(DATAFLOW)
        u8 row[DLOP_TOP_ROW_BYTES];

        dlop_top_paint_source(in, slot, y, scratch, row);
        if (is_x_first)
            dlop_top_paint_x(in, slot, y, &x_axis, row, scratch);
    }
    counts->source_px = (u64)job->roi_width_px * job->roi_height_px;
    if (job->kind == DLOP_JOB_JPEG)
        counts->upsampled_samples = counts->source_px * slot->frame.n_components;
    if (is_x_first) {
        counts->x_multiply_adds = x_axis.n_multiply_adds;
        counts->x_outputs = (u64)job->out_width_px * job->roi_height_px;
    }
}

/* What the second half holds on chip of one job. */
struct dlop_top_held {
    struct dlop_top_axis x, y;
    u8 table[DLOP_TOP_TABLE_BYTES];
};

/* y first: the y pass for output row y, from the picture to the row on chip. */
DLOP_STEP void dlop_top_finish_y(const u8 *in, const struct dlop_top_job *slot, u32 y,
                                 struct dlop_top_axis *y_axis, const u8 *scratch,
                                 u8 row_out[DLOP_TOP_ROW_BYTES])
{
    struct dlop_top_columns columns;
    u32 x;

    columns.picture_at = slot->picture_at;
    columns.width_px = slot->picture_width_px;
    for (x = 0; x < slot->picture_width_px; x += DLOP_TOP_STRIP_PX) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 0 max = 256 avg = 2)
        u8 rgbx[DLOP_TOP_STRIP_BYTES];

        columns.first_px = x;
        columns.n_px = dlop_min_u32(slot->picture_width_px - x, DLOP_TOP_STRIP_PX);
        dlop_top_y_pass(in, y_axis, y, scratch, &columns, rgbx);
        dlop_top_put(rgbx, columns.n_px, (u64)x * DLOP_RGBX_BYTES, row_out);
    }
}

/* Stage: the last word on fills, for outputs first .. first + n - 1 of a finished row. */
DLOP_STEP void dlop_top_fill(const u8 *in, struct dlop_top_axis *x_axis, s32 is_row_fill, u32 first,
                             u32 n, u8 rgbx[DLOP_TOP_STRIP_BYTES])
{
    u32 i;

    for (i = 0; i < DLOP_TOP_STRIP_PX; i++) {
        DLOP_HLS(PIPELINE II = 1)
        if (i >= n)
            break;
        if (is_row_fill || x_axis->span_n[dlop_top_axis_span(in, x_axis, first + i)] == 0)
            dlop_axis_fill_px(x_axis->fill, rgbx, i);
    }
}

/* Output row y: second pass, grey, fill, pack, write. */
DLOP_STEP void dlop_top_finish_row(const u8 *in, const struct dlop_top_job *slot, u32 y,
                                   struct dlop_top_held *held, const u8 *scratch, u8 *out)
{
    const struct dlop_job *job = &slot->job;
    s32 is_x_first = job->pass_order == DLOP_PASS_X_FIRST;
    s32 is_row_fill = held->y.span_n[dlop_top_axis_span(in, &held->y, y)] == 0;
    struct dlop_top_columns columns;
    u8 row[DLOP_TOP_ROW_BYTES];
    u32 x;

    if (!is_x_first)
        dlop_top_finish_y(in, slot, y, &held->y, scratch, row);
    columns.picture_at = slot->picture_at;
    columns.width_px = job->out_width_px;
    for (x = 0; x < job->out_width_px; x += DLOP_TOP_STRIP_PX) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = 256 avg = 1)
        u32 n = dlop_min_u32(job->out_width_px - x, DLOP_TOP_STRIP_PX);
        u8 rgbx[DLOP_TOP_STRIP_BYTES];

        columns.first_px = x;
        columns.n_px = n;
        if (is_x_first)
            dlop_top_y_pass(in, &held->y, y, scratch, &columns, rgbx);
        else
            dlop_top_x_pass(in, &held->x, row, x, n, rgbx);
        if (job->grey == DLOP_GREY_AFTER_AXES)
            dlop_colour_to_grey_row(rgbx, n);
        dlop_top_fill(in, &held->x, is_row_fill, x, n, rgbx);
        dlop_top_emit(job, held->table, rgbx, (u64)y * job->out_width_px + x, n, out);
    }
}

/* Finish one job. */
DLOP_STEP void dlop_top_finish_job(const u8 *in, const u8 *constants,
                                   const struct dlop_top_job *slot, const u8 *scratch, u8 *out,
                                   struct dlop_top_counts *counts)
{
    const struct dlop_job *job = &slot->job;
    u64 out_px = (u64)job->out_width_px * job->out_height_px;
    struct dlop_top_held held;
    u32 y;

    dlop_top_axis_open(in, job->x_axis_offset, job->fill, &held.x);
    dlop_top_axis_open(in, job->y_axis_offset, job->fill, &held.y);
    dlop_top_load_table(constants, job, held.table);
    for (y = 0; y < job->out_height_px; y++) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = 65500 avg = 224)
        dlop_top_finish_row(in, slot, y, &held, scratch, out);
    }
    counts->y_multiply_adds = held.y.n_multiply_adds;
    counts->y_outputs = (u64)slot->picture_width_px * job->out_height_px;
    if (job->pass_order == DLOP_PASS_Y_FIRST) {
        counts->x_multiply_adds = held.x.n_multiply_adds;
        counts->x_outputs = out_px;
    }
    counts->packed_elements = out_px * job->out_channels;
    counts->written_bytes = job->out_bytes;
}

/* Stage: paint the jobs of a wave that are well so far. */
DLOP_STEP void dlop_top_paint(const u8 *in, const struct dlop_top_job wave[DLOP_TOP_CONTEXTS],
                              u8 *scratch, struct dlop_top_counts counts[DLOP_TOP_CONTEXTS])
{
    u32 i;

    for (i = 0; i < DLOP_TOP_CONTEXTS; i++) {
        if (wave[i].status == DLOP_OK)
            dlop_top_paint_job(in, &wave[i], scratch, &counts[i]);
    }
}

/* Stage: finish them. */
DLOP_STEP void dlop_top_finish(const u8 *in, const u8 *constants,
                               const struct dlop_top_job wave[DLOP_TOP_CONTEXTS], const u8 *scratch,
                               u8 *out, struct dlop_top_counts counts[DLOP_TOP_CONTEXTS])
{
    u32 i;

    for (i = 0; i < DLOP_TOP_CONTEXTS; i++) {
        if (wave[i].status == DLOP_OK)
            dlop_top_finish_job(in, constants, &wave[i], scratch, out, &counts[i]);
    }
}

/* Stage: completions of the wave whose first job is number first_job. */
DLOP_STEP void dlop_top_report(const struct dlop_top_job wave[DLOP_TOP_CONTEXTS], u32 first_job,
                               const struct dlop_top_counts counts[DLOP_TOP_CONTEXTS],
                               u8 *completions)
{
    u32 i;

    for (i = 0; i < DLOP_TOP_CONTEXTS; i++) {
        if (wave[i].status != DLOP_END)
            dlop_top_complete(&wave[i].job, wave[i].status, first_job + i, &counts[i], completions);
    }
}

#endif
