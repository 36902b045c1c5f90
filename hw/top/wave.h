/* A wave: the jobs that pass through the stages together, with what each stage must know of them.
 *
 * First stage of the image kernel: read the jobs of a wave, check them as the reference does and
 * divide the wave's scratch memory. Plain records of numbers: later stages get all that they need
 * from here. Each stage passes the records on with status and counts brought up to date, so that
 * every array has one writer and one reader.
 *
 * Scratch holds, for each job of the wave one after the other, the planes of decoded samples (JPEG;
 * needed MCUs only) and the picture between the two passes, RGBX: x first, [region height][output
 * width]; y first, [region height][region width].
 */
#ifndef DLOP_HW_TOP_WAVE_H
#define DLOP_HW_TOP_WAVE_H

#include "hw/core/decode.h"
#include "hw/core/job_check.h"
#include "hw/top/counts.h"
#include "hw/top/record.h"
#include "hw/top/shape.h"
#include "hw/top/top.h"

/* Planes and pictures begin at multiples of this. */
#define DLOP_TOP_ALIGN_BYTES 64u

/* Samples of one component in scratch: rows of pitch_samples from (first_x, first_y) on. */
struct dlop_top_plane {
    u64 at;
    u32 pitch_samples, first_x, first_y;
};

struct dlop_top_job {
    struct dlop_job job;
    u32 number; /* in the launch */
    s32 status; /* DLOP_OK: go on; DLOP_END: there is no such job */
    struct dlop_top_counts counts;
    u32 picture_width_px;
    u64 picture_at;
    struct dlop_jpeg_frame frame; /* from here on: JPEG only */
    struct dlop_geometry geometry;
    struct dlop_mcu_range range;
    struct dlop_top_plane plane[DLOP_JPEG_MAX_COMPONENTS];
};

/* A launch, as numbers. */
struct dlop_top_launch {
    struct dlop_job_bounds bounds;
    u64 scratch_bytes;
    u32 n_jobs;
    u32 first_wave; /* number of the first one to run */
};

DLOP_STEP u64 dlop_top_aligned(u64 at)
{
    return (at + DLOP_TOP_ALIGN_BYTES - 1) / DLOP_TOP_ALIGN_BYTES * DLOP_TOP_ALIGN_BYTES;
}

/* Place the planes of a checked JPEG job from scratch byte `at` on. Returns the first byte after
 * them. */
DLOP_STEP u64 dlop_top_place_planes(struct dlop_top_job *slot, u64 at)
{
    const struct dlop_job *job = &slot->job;
    const struct dlop_mcu_range *range = &slot->range;
    u32 rect[4] = {job->roi_x_px, job->roi_y_px, job->roi_width_px, job->roi_height_px};
    u32 i;

    dlop_geometry_of_frame(&slot->frame, &slot->geometry);
    dlop_region_mcus(&slot->geometry, rect, &slot->range);
    if (range->x_end == 0 || range->y_end == 0)
        return at;
    for (i = 0; i < slot->geometry.n_components; i++) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = 3)
        u32 width = slot->geometry.component[i].blocks_x * DLOP_BLOCK_SIDE;
        u32 height = slot->geometry.component[i].blocks_y * DLOP_BLOCK_SIDE;

        slot->plane[i].at = at;
        slot->plane[i].pitch_samples = (range->x_end - range->x_begin) * width;
        slot->plane[i].first_x = range->x_begin * width;
        slot->plane[i].first_y = range->y_begin * height;
        at += (u64)slot->plane[i].pitch_samples * (range->y_end - range->y_begin) * height;
        at = dlop_top_aligned(at);
    }
    return at;
}

/* Place a checked job from scratch byte `at` on. Returns the first byte after it. */
DLOP_STEP u64 dlop_top_place(struct dlop_top_job *slot, u64 at)
{
    const struct dlop_job *job = &slot->job;

    if (job->kind == DLOP_JOB_JPEG)
        at = dlop_top_place_planes(slot, at);
    slot->picture_at = at;
    slot->picture_width_px =
        job->pass_order == DLOP_PASS_X_FIRST ? job->out_width_px : job->roi_width_px;
    return dlop_top_aligned(at +
                            (u64)slot->picture_width_px * job->roi_height_px * DLOP_RGBX_BYTES);
}

DLOP_STEP void dlop_top_read_job(const u8 *jobs, u32 i, struct dlop_job *job_out)
{
    u8 record[DLOP_TOP_JOB_BYTES];
    u32 b;

    for (b = 0; b < DLOP_TOP_JOB_BYTES; b++) {
        DLOP_HLS(PIPELINE II = 1)
        record[b] = jobs[(u64)i * DLOP_TOP_JOB_BYTES + b];
    }
    dlop_job_read(record, job_out);
}

DLOP_STEP void dlop_top_read_frame(const u8 *in, u64 at, struct dlop_jpeg_frame *frame_out)
{
    u8 record[DLOP_FRAME_BYTES];
    u32 b;

    for (b = 0; b < DLOP_FRAME_BYTES; b++) {
        DLOP_HLS(PIPELINE II = 1)
        record[b] = in[at + b];
    }
    dlop_frame_read(record, frame_out);
}

/* Check slot->job for the image kernel; reads the frame of a JPEG job. Statuses of
 * dlop_image_prepare; DLOP_ERR_UNSUPPORTED: not of this kernel. */
DLOP_STEP s32 dlop_top_check(const u8 *in, const struct dlop_job_bounds *bounds,
                             struct dlop_top_job *slot)
{
    s32 status;

    if (slot->job.kind == DLOP_JOB_TENSOR)
        return DLOP_ERR_UNSUPPORTED;
    status = dlop_job_check(&slot->job, in, bounds);
    if (status == DLOP_OK && slot->job.kind == DLOP_JOB_JPEG) {
        dlop_top_read_frame(in, slot->job.in_offset, &slot->frame);
        status = dlop_job_check_frame(&slot->job, &slot->frame);
    }
    return status;
}

/* Stage: jobs become wave number i after the first one. Waves take turns with three parts of
 * scratch, so that one may be decoded while those before it are painted and finished
 * (image_wave.h). A job that does not fit gets DLOP_ERR_TOO_SMALL. */
DLOP_STEP void dlop_top_prepare(const u8 *in, const u8 *jobs, const struct dlop_top_launch *launch,
                                u32 i, struct dlop_top_job wave_out[DLOP_TOP_CONTEXTS])
{
    const struct dlop_top_counts no_counts = {0};
    u64 part_bytes = launch->scratch_bytes / DLOP_TOP_SCRATCH_PARTS / DLOP_TOP_ALIGN_BYTES *
                     DLOP_TOP_ALIGN_BYTES;
    u32 wave = launch->first_wave + i, number = wave * DLOP_TOP_CONTEXTS, k;
    u64 begin = wave % DLOP_TOP_SCRATCH_PARTS * part_bytes, at = begin;

    for (k = 0; k < DLOP_TOP_CONTEXTS; k++, number++) {
        u64 end;

        wave_out[k].number = number;
        wave_out[k].counts = no_counts;
        wave_out[k].status = DLOP_END;
        if (number >= launch->n_jobs)
            continue;
        dlop_top_read_job(jobs, number, &wave_out[k].job);
        wave_out[k].status = dlop_top_check(in, &launch->bounds, &wave_out[k]);
        if (wave_out[k].status != DLOP_OK)
            continue;
        end = dlop_top_place(&wave_out[k], at);
        if (end - begin > part_bytes)
            wave_out[k].status = DLOP_ERR_TOO_SMALL;
        else
            at = end;
    }
}

#endif
