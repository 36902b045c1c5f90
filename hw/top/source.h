/* Source strips: planes of samples or a job's own pixels in, RGBX pixels of a part of a row out.
 *
 * A strip is at most DLOP_TOP_STRIP_PX pixels of one row, in the source's coordinates. The stage
 * copies the samples that a strip needs to local rows, in bursts, and lets the steps of hw/core run
 * over those. Positions in a local row count from its first sample; the copy begins one sample
 * before the first one that is nearest, so the filters clamp at the component's real edges only.
 */
#ifndef DLOP_HW_TOP_SOURCE_H
#define DLOP_HW_TOP_SOURCE_H

#include "hw/core/upsample.h"
#include "hw/top/wave.h"

struct dlop_top_strip {
    u32 x_px, y_px, n_px; /* n_px: at most DLOP_TOP_STRIP_PX */
};

/* Samples of a local row: those nearest to a strip's pixels, and two beside them. */
#define DLOP_TOP_STRIP_SAMPLES (DLOP_TOP_STRIP_PX + 3u)

/* A part of a plane's row to a local one. */
DLOP_STEP void dlop_top_copy_samples(const u8 *scratch, u64 at, u32 n_samples,
                                     u8 row_out[DLOP_TOP_STRIP_SAMPLES])
{
    u32 i;

    for (i = 0; i < n_samples; i++) {
        DLOP_HLS(PIPELINE II = 1)
        DLOP_HLS(LOOP_TRIPCOUNT min = 0 max = DLOP_TOP_STRIP_SAMPLES)
        row_out[i] = scratch[at + i];
    }
}

/* What one component's part of a strip is made of. */
struct dlop_top_rows {
    u32 kind, ratio_x;    /* see hw/core/upsample.h */
    u32 width_samples;    /* from the first local one to the component's end */
    u32 x_px, y_px, n_px; /* x_px: in the local row; n_px 0: no such component */
    u8 near_row[DLOP_TOP_STRIP_SAMPLES], far_row[DLOP_TOP_STRIP_SAMPLES];
};

/* The samples of one component of a strip to the chip. geometry, plane: of the component. */
DLOP_STEP void dlop_top_load_rows(const u8 *scratch, const struct dlop_component_geometry *geometry,
                                  const struct dlop_top_plane *plane,
                                  const struct dlop_top_strip *strip,
                                  struct dlop_top_rows *rows_out)
{
    u32 kind = dlop_upsample_kind_of(geometry->ratio_x, geometry->ratio_y, geometry->width_samples);
    u32 support = geometry->ratio_x == 2, y = strip->y_px / geometry->ratio_y;
    u32 first = strip->x_px / geometry->ratio_x;
    u32 last = (strip->x_px + strip->n_px - 1) / geometry->ratio_x;
    u32 far_y = y, n_far = 0;
    u64 column;

    first -= first < support ? 0 : support;
    last = dlop_min_u32(last + support, geometry->width_samples - 1);
    column = plane->at + (first - plane->first_x);
    if (kind == DLOP_UPSAMPLE_H2V2 || kind == DLOP_UPSAMPLE_H1V2) {
        far_y = dlop_upsample_beside(strip->y_px, geometry->height_samples);
        n_far = last - first + 1;
    }
    dlop_top_copy_samples(scratch, column + (u64)(y - plane->first_y) * plane->pitch_samples,
                          last - first + 1, rows_out->near_row);
    dlop_top_copy_samples(scratch, column + (u64)(far_y - plane->first_y) * plane->pitch_samples,
                          n_far, rows_out->far_row);
    rows_out->kind = kind;
    rows_out->ratio_x = geometry->ratio_x;
    rows_out->width_samples = geometry->width_samples - first;
    rows_out->x_px = strip->x_px - first * geometry->ratio_x;
    rows_out->y_px = strip->y_px;
    rows_out->n_px = strip->n_px;
}

/* Stage: all samples of a strip, in one place, so that scratch has one reader. */
DLOP_STEP void dlop_top_load_strip(const u8 *scratch, const struct dlop_top_job *slot,
                                   const struct dlop_top_strip *strip,
                                   struct dlop_top_rows *first_out,
                                   struct dlop_top_rows *second_out,
                                   struct dlop_top_rows *third_out)
{
    second_out->n_px = 0;
    third_out->n_px = 0;
    dlop_top_load_rows(scratch, &slot->geometry.component[0], &slot->plane[0], strip, first_out);
    if (slot->frame.colour == DLOP_JPEG_GREY)
        return;
    dlop_top_load_rows(scratch, &slot->geometry.component[1], &slot->plane[1], strip, second_out);
    dlop_top_load_rows(scratch, &slot->geometry.component[2], &slot->plane[2], strip, third_out);
}

/* Stage: one component of a strip at full resolution. */
DLOP_STEP void dlop_top_upsample(const struct dlop_top_rows *rows,
                                 u8 samples_out[DLOP_TOP_STRIP_PX])
{
    u32 n = rows->n_px;

    if (n == 0)
        return;
    if (rows->kind == DLOP_UPSAMPLE_H2V1)
        dlop_upsample_h2v1_row(rows->near_row, rows->width_samples, rows->x_px, n, samples_out);
    else if (rows->kind == DLOP_UPSAMPLE_H2V2)
        dlop_upsample_h2v2_row(rows->near_row, rows->far_row, rows->width_samples, rows->x_px, n,
                               samples_out);
    else if (rows->kind == DLOP_UPSAMPLE_H1V2)
        dlop_upsample_h1v2_row(rows->near_row, rows->far_row, rows->y_px, rows->x_px, n,
                               samples_out);
    else
        dlop_upsample_replicate_row(rows->near_row, rows->ratio_x, rows->x_px, n, samples_out);
}

/* Stage: component rows of a strip to pixels. colour: enum dlop_jpeg_colour; grey: first only. */
DLOP_STEP void dlop_top_colour(u32 colour, const u8 first[DLOP_TOP_STRIP_PX],
                               const u8 second[DLOP_TOP_STRIP_PX],
                               const u8 third[DLOP_TOP_STRIP_PX], u32 n_px,
                               u8 rgbx_out[DLOP_TOP_STRIP_PX * DLOP_RGBX_BYTES])
{
    if (colour == DLOP_JPEG_YCC)
        dlop_colour_ycc_row(first, second, third, n_px, rgbx_out);
    else if (colour == DLOP_JPEG_RGB)
        dlop_colour_rgb_row(first, second, third, n_px, rgbx_out);
    else
        dlop_colour_grey_row(first, n_px, rgbx_out);
}

/* Stages: a strip of a JPEG job. */
DLOP_STEP void dlop_top_jpeg_strip(const u8 *scratch, const struct dlop_top_job *slot,
                                   const struct dlop_top_strip *strip,
                                   u8 rgbx_out[DLOP_TOP_STRIP_PX * DLOP_RGBX_BYTES])
{
    DLOP_HLS(DATAFLOW)
    struct dlop_top_rows first_rows, second_rows, third_rows;
    u8 first[DLOP_TOP_STRIP_PX], second[DLOP_TOP_STRIP_PX], third[DLOP_TOP_STRIP_PX];

    dlop_top_load_strip(scratch, slot, strip, &first_rows, &second_rows, &third_rows);
    dlop_top_upsample(&first_rows, first);
    dlop_top_upsample(&second_rows, second);
    dlop_top_upsample(&third_rows, third);
    dlop_top_colour(slot->frame.colour, first, second, third, strip->n_px, rgbx_out);
}

/* Stage: n_px interleaved pixels of n_channels from byte `at` of in. */
DLOP_STEP void dlop_top_pixels(const u8 *in, u64 at, u32 n_channels, u32 n_px,
                               u8 rgbx_out[DLOP_TOP_STRIP_PX * DLOP_RGBX_BYTES])
{
    u8 pixels[DLOP_TOP_STRIP_PX * DLOP_MAX_CHANNELS];
    u32 i, c;

    for (i = 0; i < n_px; i++) {
        DLOP_HLS(PIPELINE II = 1)
        DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = DLOP_TOP_STRIP_PX)
        u64 from = (u64)i * n_channels;

        for (c = 0; c < DLOP_MAX_CHANNELS; c++) {
            DLOP_HLS(UNROLL)
            if (c == 0 || n_channels == DLOP_MAX_CHANNELS)
                pixels[from + c] = in[at + from + c];
        }
    }
    dlop_colour_pixels_row(pixels, n_channels, n_px, rgbx_out);
}

/* Stages: a strip of a JPEG or PIXELS job, grey where the job wants it before the axes. */
DLOP_STEP void dlop_top_source(const u8 *in, const u8 *scratch, const struct dlop_top_job *slot,
                               const struct dlop_top_strip *strip,
                               u8 rgbx_out[DLOP_TOP_STRIP_PX * DLOP_RGBX_BYTES])
{
    const struct dlop_job *job = &slot->job;
    u64 px = (u64)strip->y_px * job->src_width_px + strip->x_px;

    if (job->kind == DLOP_JOB_JPEG)
        dlop_top_jpeg_strip(scratch, slot, strip, rgbx_out);
    else
        dlop_top_pixels(in, job->in_offset + px * job->src_channels, job->src_channels, strip->n_px,
                        rgbx_out);
    if (job->grey == DLOP_GREY_BEFORE_AXES)
        dlop_colour_to_grey_row(rgbx_out, strip->n_px);
}

#endif
