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

    for (i = 0; i < n_px * DLOP_RGBX_BYTES; i++) {
        DLOP_HLS(PIPELINE II = 1)
        DLOP_HLS(LOOP_TRIPCOUNT min = 4 max = DLOP_TOP_STRIP_BYTES)
        bytes_out[at + i] = rgbx[i];
    }
}

/* Strips of a row of so many pixels, and the pixels of strip s. */
DLOP_STEP u32 dlop_top_n_strips(u32 width_px)
{
    return dlop_ceil_div(width_px, DLOP_TOP_STRIP_PX);
}

/* Where strip s begins, in bytes of its row. */
DLOP_STEP u64 dlop_top_strip_at(u32 s)
{
    return (u64)s * DLOP_TOP_STRIP_PX * DLOP_RGBX_BYTES;
}

DLOP_STEP u32 dlop_top_strip_n_px(u32 width_px, u32 s)
{
    return dlop_min_u32(width_px - s * DLOP_TOP_STRIP_PX, DLOP_TOP_STRIP_PX);
}

/* Stage: row y of the region to the row on chip. */
DLOP_STEP void dlop_top_source_row(const u8 *in, const struct dlop_top_job *slot, u32 y,
                                   const u8 *scratch, u8 row_out[DLOP_TOP_ROW_BYTES])
{
    u32 width = slot->job.roi_width_px, n_strips = dlop_top_n_strips(width), s;

    for (s = 0; s < n_strips; s++) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 0 max = 256 avg = 2)
        struct dlop_top_strip strip;
        u8 rgbx[DLOP_TOP_STRIP_BYTES];

        strip.x_px = slot->job.roi_x_px + s * DLOP_TOP_STRIP_PX;
        strip.y_px = slot->job.roi_y_px + y;
        strip.n_px = dlop_top_strip_n_px(width, s);
        dlop_top_source(in, scratch, slot, &strip, rgbx);
        dlop_top_put(rgbx, strip.n_px, dlop_top_strip_at(s), row_out);
    }
}

/* Stage: strip s of the picture from the row on chip: x first, through the x pass, else as it is.
 */
DLOP_STEP void dlop_top_first_pass(const u8 *in, const struct dlop_top_job *slot,
                                   struct dlop_top_axis *x_axis, const u8 row[DLOP_TOP_ROW_BYTES],
                                   u32 s, u8 rgbx_out[DLOP_TOP_STRIP_BYTES])
{
    u32 n = dlop_top_strip_n_px(slot->picture_width_px, s), i;

    if (slot->job.pass_order == DLOP_PASS_X_FIRST) {
        dlop_top_x_pass(in, x_axis, row, s * DLOP_TOP_STRIP_PX, n, rgbx_out);
        return;
    }
    for (i = 0; i < n * DLOP_RGBX_BYTES; i++) {
        DLOP_HLS(PIPELINE II = 1)
        DLOP_HLS(LOOP_TRIPCOUNT min = 4 max = DLOP_TOP_STRIP_BYTES)
        rgbx_out[i] = row[dlop_top_strip_at(s) + i];
    }
}

/* Stage: strip s of row y of the picture to scratch. */
DLOP_STEP void dlop_top_put_picture(const struct dlop_top_job *slot, u32 y, u32 s,
                                    const u8 rgbx[DLOP_TOP_STRIP_BYTES], u8 *scratch)
{
    u64 row_at = slot->picture_at + (u64)y * slot->picture_width_px * DLOP_RGBX_BYTES;

    dlop_top_put(rgbx, dlop_top_strip_n_px(slot->picture_width_px, s),
                 row_at + dlop_top_strip_at(s), scratch);
}

/* Stages: row y of the picture from the row on chip. */
DLOP_STEP void dlop_top_paint_row(const u8 *in, const struct dlop_top_job *slot, u32 y,
                                  struct dlop_top_axis *x_axis, const u8 row[DLOP_TOP_ROW_BYTES],
                                  u8 *scratch)
{
    u32 n_strips = dlop_top_n_strips(slot->picture_width_px), s;

    for (s = 0; s < n_strips; s++) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 0 max = 256 avg = 1)
        DLOP_HLS(DATAFLOW)
        u8 rgbx[DLOP_TOP_STRIP_BYTES];

        dlop_top_first_pass(in, slot, x_axis, row, s, rgbx);
        dlop_top_put_picture(slot, y, s, rgbx, scratch);
    }
}

/* Stages: all rows. The row is there twice, 525 KB. */
DLOP_STEP void dlop_top_paint_rows(const u8 *in, const struct dlop_top_job *slot,
                                   struct dlop_top_axis *x_axis, u8 *scratch)
{
    u32 n_rows = slot->job.roi_height_px, y;

    for (y = 0; y < n_rows; y++) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 0 max = 65500 avg = 270)
        DLOP_HLS(DATAFLOW)
        u8 row[DLOP_TOP_ROW_BYTES];

        dlop_top_source_row(in, slot, y, scratch, row);
        dlop_top_paint_row(in, slot, y, x_axis, row, scratch);
    }
}

/* Stage: paint one job, if it is well so far. */
DLOP_STEP void dlop_top_paint_job(const u8 *in, const struct dlop_top_job *slot, u8 *scratch,
                                  struct dlop_top_job *slot_out)
{
    const struct dlop_job *job = &slot->job;
    struct dlop_top_axis x_axis;

    *slot_out = *slot;
    if (slot->status != DLOP_OK)
        return;
    dlop_top_axis_open(in, job->x_axis_offset, job->fill, &x_axis);
    dlop_top_paint_rows(in, slot, &x_axis, scratch);
    slot_out->counts.source_px = (u64)job->roi_width_px * job->roi_height_px;
    if (job->kind == DLOP_JOB_JPEG)
        slot_out->counts.upsampled_samples = slot_out->counts.source_px * slot->frame.n_components;
    if (job->pass_order == DLOP_PASS_X_FIRST) {
        slot_out->counts.x_multiply_adds = x_axis.n_multiply_adds;
        slot_out->counts.x_outputs = (u64)job->out_width_px * job->roi_height_px;
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

/* Stage: the last word on fills, for outputs first .. first + n - 1 of a finished row, which lie in
 * one window of spans: first is a multiple of DLOP_TOP_STRIP_PX. */
DLOP_STEP void dlop_top_fill(const u8 *in, struct dlop_top_axis *x_axis, s32 is_row_fill, u32 first,
                             u32 n, u8 rgbx[DLOP_TOP_STRIP_BYTES])
{
    u32 place = dlop_top_axis_span(in, x_axis, first), i;

    for (i = 0; i < n; i++) {
        DLOP_HLS(PIPELINE II = 1)
        DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = DLOP_TOP_STRIP_PX)
        if (is_row_fill || x_axis->span_n[place + i] == 0)
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

/* All output rows. */
DLOP_STEP void dlop_top_finish_rows(const u8 *in, const struct dlop_top_job *slot,
                                    struct dlop_top_held *held, const u8 *scratch, u8 *out)
{
    u32 n_rows = slot->job.out_height_px, y;

    for (y = 0; y < n_rows; y++) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = 65500 avg = 224)
        dlop_top_finish_row(in, slot, y, held, scratch, out);
    }
}

/* Stage: finish one job, if it is well so far. */
DLOP_STEP void dlop_top_finish_job(const u8 *in, const u8 *constants,
                                   const struct dlop_top_job *slot, const u8 *scratch, u8 *out,
                                   struct dlop_top_job *slot_out)
{
    const struct dlop_job *job = &slot->job;
    u64 out_px = (u64)job->out_width_px * job->out_height_px;
    struct dlop_top_held held;

    *slot_out = *slot;
    if (slot->status != DLOP_OK)
        return;
    dlop_top_axis_open(in, job->x_axis_offset, job->fill, &held.x);
    dlop_top_axis_open(in, job->y_axis_offset, job->fill, &held.y);
    dlop_top_load_table(constants, job, held.table);
    dlop_top_finish_rows(in, slot, &held, scratch, out);
    slot_out->counts.y_multiply_adds = held.y.n_multiply_adds;
    slot_out->counts.y_outputs = (u64)slot->picture_width_px * job->out_height_px;
    if (job->pass_order == DLOP_PASS_Y_FIRST) {
        slot_out->counts.x_multiply_adds = held.x.n_multiply_adds;
        slot_out->counts.x_outputs = out_px;
    }
    slot_out->counts.packed_elements = out_px * job->out_channels;
    slot_out->counts.written_bytes = job->out_bytes;
}

/* Stage: a job's completion, and its counts. */
DLOP_STEP void dlop_top_report(const struct dlop_top_job *slot, u8 *completions,
                               struct dlop_top_counts *counts_out)
{
    if (slot->status != DLOP_END)
        dlop_top_complete(&slot->job, slot->status, slot->number, &slot->counts, completions);
    *counts_out = slot->counts;
}

/* Stages: resample the jobs of a wave that are well so far, and report all. One job is painted
 * while the one before it is finished. */
DLOP_STEP void dlop_top_resample(const u8 *in, const u8 *constants,
                                 const struct dlop_top_job wave[DLOP_TOP_CONTEXTS], u8 *scratch,
                                 u8 *out, u8 *completions,
                                 struct dlop_top_counts counts_out[DLOP_TOP_CONTEXTS])
{
    u32 i;

    for (i = 0; i < DLOP_TOP_CONTEXTS; i++) {
        DLOP_HLS(DATAFLOW)
        struct dlop_top_job painted, finished;

        dlop_top_paint_job(in, &wave[i], scratch, &painted);
        dlop_top_finish_job(in, constants, &painted, scratch, out, &finished);
        dlop_top_report(&finished, completions, &counts_out[i]);
    }
}

#endif
