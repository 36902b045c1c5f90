/* The whole job by the plain reference: source bytes in, elements of the tensor out.
 *
 * The slow, obviously right definition of what a device must produce: whole planes, whole
 * intermediate pictures, one step after the other, over scratch memory of the caller. driver/cpu
 * and every card are compared with it. Order of the steps:
 *
 *     check -> decode (JPEG) or copy (PIXELS) the region -> grey -> first axis -> second axis
 *         -> grey -> fill -> pack
 *
 * The intermediate picture between the axes is rounded to 8 bits. Fills come last before the pack
 * table, so grey does not change them. The output is written only where every step succeeded. A
 * TENSOR job is copy and pack alone, row by row.
 */
#ifndef DLOP_HW_CORE_IMAGE_H
#define DLOP_HW_CORE_IMAGE_H

#include "hw/core/decode.h"
#include "hw/core/job_check.h"
#include "hw/core/pack.h"
#include "hw/core/upsample.h"

/* A launch's buffers, and scratch memory. */
struct dlop_image_memory {
    DLOP_GLOBAL const u8 *in;
    DLOP_GLOBAL const u8 *constants;
    DLOP_GLOBAL u8 *out;
    DLOP_GLOBAL u8 *scratch;
    struct dlop_job_bounds bounds;
    u64 scratch_bytes;
};

/* Working state of fixed size (about 50 KB); undefined before and after. */
struct dlop_image_work {
    struct dlop_jpeg_frame frame;
    struct dlop_decode decode;
    u64 planes_at, segment_at;        /* JPEG: decoded planes, one unstuffed segment */
    u64 full_at[3];                   /* JPEG: one row of each component at full resolution */
    u64 source_at, middle_at, row_at; /* RGBX: region, picture between the axes, finished row */
    u64 scratch_bytes;
};

/* Divide the scratch memory. Needs job (checked) and, for JPEG, work->frame (checked). */
DLOP_STEP void dlop_image_place(const struct dlop_job *job, struct dlop_image_work *work)
{
    u64 at = 0, longest_scan = 0;
    u64 middle_px = job->pass_order == DLOP_PASS_X_FIRST
                        ? (u64)job->out_width_px * job->roi_height_px
                        : (u64)job->roi_width_px * job->out_height_px;
    u32 i;

    if (job->kind == DLOP_JOB_TENSOR) {
        work->source_at = work->middle_at = work->row_at = 0;
        work->scratch_bytes = (u64)job->out_width_px * DLOP_RGBX_BYTES;
        return;
    }
    if (job->kind == DLOP_JOB_JPEG) {
        dlop_geometry_of_frame(&work->frame, &work->decode.geometry);
        work->planes_at = at;
        at += dlop_decode_place_planes(&work->decode);
        for (i = 0; i < work->frame.n_scans; i++)
            longest_scan = dlop_max_u64(longest_scan, work->frame.scan[i].end_bytes -
                                                          work->frame.scan[i].begin_bytes);
        work->segment_at = at;
        at += longest_scan;
        for (i = 0; i < 3; i++) {
            work->full_at[i] = at;
            at += job->roi_width_px;
        }
    }
    work->source_at = at;
    at += (u64)job->roi_width_px * job->roi_height_px * DLOP_RGBX_BYTES;
    work->middle_at = at;
    at += middle_px * DLOP_RGBX_BYTES;
    work->row_at = at;
    at += (u64)job->out_width_px * DLOP_RGBX_BYTES;
    work->scratch_bytes = at;
}

/* Check the job and say how much scratch memory it takes (work->scratch_bytes). memory: in,
 * constants, out and bounds are used, scratch is not. Statuses of dlop_job_check and
 * dlop_job_check_frame. */
DLOP_STEP s32 dlop_image_prepare(const struct dlop_job *job, const struct dlop_image_memory *memory,
                                 struct dlop_image_work *work)
{
    s32 status = dlop_job_check(job, memory->in, &memory->bounds);

    if (status == DLOP_OK && job->kind == DLOP_JOB_JPEG) {
        dlop_frame_read(memory->in + job->in_offset, &work->frame);
        status = dlop_job_check_frame(job, &work->frame);
    }
    if (status == DLOP_OK)
        dlop_image_place(job, work);
    return status;
}

/* One row of one component at full resolution: region columns of source row y. */
DLOP_STEP void dlop_image_full_row(const struct dlop_job *job, const struct dlop_image_work *work,
                                   u32 component, u32 y, DLOP_GLOBAL u8 *scratch)
{
    const struct dlop_component_geometry *c = &work->decode.geometry.component[component];
    u32 kind = dlop_upsample_kind_of(c->ratio_x, c->ratio_y, c->width_samples);
    u64 plane_at = work->planes_at + work->decode.plane_at[component];
    u64 near_at = plane_at + (u64)(y / c->ratio_y) * c->pitch_samples;
    u64 far_at = plane_at + (u64)dlop_upsample_beside(y, c->height_samples) * c->pitch_samples;
    u32 x = job->roi_x_px, n = job->roi_width_px;
    DLOP_GLOBAL u8 *out = scratch + work->full_at[component];

    if (kind == DLOP_UPSAMPLE_H2V1)
        dlop_upsample_h2v1_row(scratch + near_at, c->width_samples, x, n, out);
    else if (kind == DLOP_UPSAMPLE_H2V2)
        dlop_upsample_h2v2_row(scratch + near_at, scratch + far_at, c->width_samples, x, n, out);
    else if (kind == DLOP_UPSAMPLE_H1V2)
        dlop_upsample_h1v2_row(scratch + near_at, scratch + far_at, y, x, n, out);
    else
        dlop_upsample_replicate_row(scratch + near_at, c->ratio_x, x, n, out);
}

/* JPEG: all scans to planes, then the region's rows to RGBX. */
DLOP_STEP s32 dlop_image_decode(const struct dlop_job *job, const struct dlop_image_memory *memory,
                                struct dlop_image_work *work)
{
    DLOP_GLOBAL u8 *scratch = memory->scratch;
    u32 n = job->roi_width_px, y, i, rect[4];
    s32 status = DLOP_OK;

    rect[0] = job->roi_x_px;
    rect[1] = job->roi_y_px;
    rect[2] = job->roi_width_px;
    rect[3] = job->roi_height_px;
    dlop_region_mcus(&work->decode.geometry, rect, &work->decode.range);
    for (i = 0; i < work->frame.n_scans && status == DLOP_OK; i++)
        status =
            dlop_decode_scan(&work->frame, &work->frame.scan[i], memory->in + job->in_offset,
                             &work->decode, scratch + work->segment_at, scratch + work->planes_at);
    for (y = 0; y < job->roi_height_px && status == DLOP_OK; y++) {
        DLOP_GLOBAL u8 *rgbx = scratch + work->source_at + (u64)y * n * DLOP_RGBX_BYTES;

        for (i = 0; i < work->frame.n_components; i++)
            dlop_image_full_row(job, work, i, job->roi_y_px + y, scratch);
        if (work->frame.colour == DLOP_JPEG_YCC)
            dlop_colour_ycc_row(scratch + work->full_at[0], scratch + work->full_at[1],
                                scratch + work->full_at[2], n, rgbx);
        else if (work->frame.colour == DLOP_JPEG_RGB)
            dlop_colour_rgb_row(scratch + work->full_at[0], scratch + work->full_at[1],
                                scratch + work->full_at[2], n, rgbx);
        else
            dlop_colour_grey_row(scratch + work->full_at[0], n, rgbx);
    }
    return status;
}

/* PIXELS and TENSOR: row y of the region to RGBX, at scratch + out_at. */
DLOP_STEP void dlop_image_copy_row(const struct dlop_job *job,
                                   const struct dlop_image_memory *memory, u32 y, u64 out_at)
{
    u64 first_px = (u64)(job->roi_y_px + y) * job->src_width_px + job->roi_x_px;

    dlop_colour_pixels_row(memory->in + job->in_offset + first_px * job->src_channels,
                           job->src_channels, job->roi_width_px, memory->scratch + out_at);
}

/* The first axis over the whole region. */
DLOP_STEP void dlop_image_first_axis(const struct dlop_job *job,
                                     const struct dlop_image_memory *memory,
                                     const struct dlop_image_work *work)
{
    DLOP_GLOBAL const u8 *source = memory->scratch + work->source_at;
    DLOP_GLOBAL u8 *middle = memory->scratch + work->middle_at;
    u32 i;

    if (job->pass_order == DLOP_PASS_X_FIRST) {
        for (i = 0; i < job->roi_height_px; i++)
            dlop_axis_x_row(memory->in + job->x_axis_offset,
                            source + (u64)i * job->roi_width_px * DLOP_RGBX_BYTES, job->fill,
                            middle + (u64)i * job->out_width_px * DLOP_RGBX_BYTES);
    } else {
        for (i = 0; i < job->out_height_px; i++)
            dlop_axis_y_row(memory->in + job->y_axis_offset, i, source, job->roi_width_px,
                            job->fill, middle + (u64)i * job->roi_width_px * DLOP_RGBX_BYTES);
    }
}

/* Output row y: second axis, grey, fill, pack. */
DLOP_STEP void dlop_image_finish_row(const struct dlop_job *job,
                                     const struct dlop_image_memory *memory,
                                     const struct dlop_image_work *work, u32 y)
{
    DLOP_GLOBAL const u8 *middle = memory->scratch + work->middle_at;
    DLOP_GLOBAL u8 *row = memory->scratch + work->row_at;

    if (job->pass_order == DLOP_PASS_X_FIRST)
        dlop_axis_y_row(memory->in + job->y_axis_offset, y, middle, job->out_width_px, job->fill,
                        row);
    else
        dlop_axis_x_row(memory->in + job->x_axis_offset,
                        middle + (u64)y * job->roi_width_px * DLOP_RGBX_BYTES, job->fill, row);
    if (job->grey == DLOP_GREY_AFTER_AXES)
        dlop_colour_to_grey_row(row, job->out_width_px);
    dlop_axis_fill_row(memory->in + job->x_axis_offset,
                       dlop_axis_is_fill(memory->in + job->y_axis_offset, y), job->fill, row);
    dlop_pack_row(job, memory->constants + job->pack_offset, row, y, memory->out + job->out_offset);
}

/* JPEG and PIXELS: source, axes, output. */
DLOP_STEP s32 dlop_image_resample(const struct dlop_job *job,
                                  const struct dlop_image_memory *memory,
                                  struct dlop_image_work *work)
{
    u64 row_bytes = (u64)job->roi_width_px * DLOP_RGBX_BYTES;
    s32 status = DLOP_OK;
    u32 y;

    if (job->kind == DLOP_JOB_JPEG)
        status = dlop_image_decode(job, memory, work);
    for (y = 0; y < job->roi_height_px && status == DLOP_OK; y++) {
        if (job->kind == DLOP_JOB_PIXELS)
            dlop_image_copy_row(job, memory, y, work->source_at + y * row_bytes);
        if (job->grey == DLOP_GREY_BEFORE_AXES)
            dlop_colour_to_grey_row(memory->scratch + work->source_at + y * row_bytes,
                                    job->roi_width_px);
    }
    if (status != DLOP_OK)
        return status;
    dlop_image_first_axis(job, memory, work);
    for (y = 0; y < job->out_height_px; y++)
        dlop_image_finish_row(job, memory, work, y);
    return DLOP_OK;
}

/* TENSOR: source to output. */
DLOP_STEP void dlop_image_convert(const struct dlop_job *job,
                                  const struct dlop_image_memory *memory,
                                  const struct dlop_image_work *work)
{
    u32 y;

    for (y = 0; y < job->out_height_px; y++) {
        dlop_image_copy_row(job, memory, y, work->row_at);
        dlop_pack_row(job, memory->constants + job->pack_offset, memory->scratch + work->row_at, y,
                      memory->out + job->out_offset);
    }
}

/* Run one job.
 *
 * work:               any content.
 * completion_out:     record, status, bytes_written and blocks_decoded are set, the rest is 0.
 * Returns the completion's status: those of dlop_image_prepare; DLOP_ERR_TOO_SMALL (scratch
 * memory); DLOP_ERR_BAD_DATA, DLOP_ERR_TRUNCATED, DLOP_ERR_INEXACT of the record.
 */
DLOP_STEP s32 dlop_image_run(const struct dlop_job *job, const struct dlop_image_memory *memory,
                             struct dlop_image_work *work, struct dlop_completion *completion_out)
{
    s32 status = dlop_image_prepare(job, memory, work);

    work->decode.n_blocks = 0;
    if (status == DLOP_OK && memory->scratch_bytes < work->scratch_bytes)
        status = DLOP_ERR_TOO_SMALL;
    if (status == DLOP_OK && job->kind == DLOP_JOB_TENSOR)
        dlop_image_convert(job, memory, work);
    else if (status == DLOP_OK)
        status = dlop_image_resample(job, memory, work);
    completion_out->record = job->record;
    completion_out->status = status;
    completion_out->bytes_written = status == DLOP_OK ? job->out_bytes : 0;
    completion_out->blocks_decoded = status == DLOP_OK ? work->decode.n_blocks : 0;
    completion_out->busy_ticks = 0;
    completion_out->starved_ticks = 0;
    completion_out->blocked_ticks = 0;
    return status;
}

#endif
