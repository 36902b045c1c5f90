/* Job check: every offset, size and enumerator of a job against the buffers that it names.
 *
 * Every device runs this (or its equal) before it touches a buffer; afterwards the steps use the
 * job's fields without a test. Besides what hw/abi/abi.h says of each field: axis tables and frames
 * stand at multiples of 4, pack tables and outputs at multiples of the element size, so that a
 * device may read and write them in place as words.
 */
#ifndef DLOP_HW_CORE_JOB_CHECK_H
#define DLOP_HW_CORE_JOB_CHECK_H

#include "hw/core/axis.h"
#include "hw/core/frame.h"

/* Sizes of a launch's three buffers. */
struct dlop_job_bounds {
    u64 in_bytes, constants_bytes, out_bytes;
};

/* Enumerators, channel counts and reserved fields. */
DLOP_STEP s32 dlop_job_check_kinds(const struct dlop_job *job)
{
    u32 i;

    if (job->abi_version != DLOP_ABI_VERSION)
        return DLOP_ERR_ABI;
    if (job->kind >= DLOP_JOB_KIND_COUNT || job->pass_order >= DLOP_PASS_ORDER_COUNT ||
        job->grey >= DLOP_GREY_COUNT || job->layout >= DLOP_LAYOUT_COUNT)
        return DLOP_ERR_ARGUMENT;
    if ((job->src_channels != 1 && job->src_channels != 3) ||
        (job->out_channels != 1 && job->out_channels != 3))
        return DLOP_ERR_ARGUMENT;
    if (job->element_bytes != 1 && job->element_bytes != 2 && job->element_bytes != 4 &&
        job->element_bytes != 8)
        return DLOP_ERR_ARGUMENT;
    for (i = 0; i < 7; i++) {
        if (job->reserved[i] != 0)
            return DLOP_ERR_ARGUMENT;
    }
    return DLOP_OK;
}

/* Source, region of it, and output: sizes in pixels. */
DLOP_STEP s32 dlop_job_check_sizes(const struct dlop_job *job)
{
    if (job->src_width_px > DLOP_MAX_SIDE_PX || job->src_height_px > DLOP_MAX_SIDE_PX ||
        job->out_width_px > DLOP_MAX_SIDE_PX || job->out_height_px > DLOP_MAX_SIDE_PX)
        return DLOP_ERR_LIMIT;
    if (job->src_width_px == 0 || job->src_height_px == 0 || job->out_width_px == 0 ||
        job->out_height_px == 0)
        return DLOP_ERR_ARGUMENT;
    if (!dlop_is_within(job->roi_x_px, job->roi_width_px, job->src_width_px) ||
        !dlop_is_within(job->roi_y_px, job->roi_height_px, job->src_height_px))
        return DLOP_ERR_ARGUMENT;
    return DLOP_OK;
}

/* Source bytes, pack table and output: where they stand. */
DLOP_STEP s32 dlop_job_check_places(const struct dlop_job *job,
                                    const struct dlop_job_bounds *bounds)
{
    u64 pack_bytes = (u64)job->out_channels * 256 * job->element_bytes;
    u64 pixels_bytes = (u64)job->src_width_px * job->src_height_px * job->src_channels;
    u64 out_bytes =
        (u64)job->out_width_px * job->out_height_px * job->out_channels * job->element_bytes;
    u64 least_bytes = job->kind == DLOP_JOB_JPEG ? DLOP_FRAME_BYTES : pixels_bytes;

    if (!dlop_is_within(job->in_offset, job->in_bytes, bounds->in_bytes) ||
        job->in_bytes < least_bytes)
        return DLOP_ERR_ARGUMENT;
    if (job->kind == DLOP_JOB_JPEG && job->in_offset % 4 != 0)
        return DLOP_ERR_ARGUMENT;
    if (!dlop_is_within(job->pack_offset, pack_bytes, bounds->constants_bytes) ||
        job->pack_offset % job->element_bytes != 0)
        return DLOP_ERR_ARGUMENT;
    if (!dlop_is_within(job->out_offset, job->out_bytes, bounds->out_bytes) ||
        job->out_offset % job->element_bytes != 0 || job->out_bytes != out_bytes)
        return DLOP_ERR_ARGUMENT;
    return DLOP_OK;
}

/* One axis table at its place in the `in` buffer. */
DLOP_STEP s32 dlop_job_check_axis(DLOP_GLOBAL const u8 *in, u64 in_bytes, u64 offset, u32 n_out,
                                  u32 region_size)
{
    if (offset % 4 != 0 || !dlop_is_within(offset, DLOP_AXIS_HEADER_BYTES, in_bytes))
        return DLOP_ERR_ARGUMENT;
    return dlop_axis_check(in + offset, in_bytes - offset, n_out, region_size);
}

/* What a TENSOR job must not ask for: another size than the source's, a part of it, grey, axes. */
DLOP_STEP s32 dlop_job_check_tensor(const struct dlop_job *job)
{
    if (job->roi_x_px != 0 || job->roi_y_px != 0 || job->roi_width_px != job->src_width_px ||
        job->roi_height_px != job->src_height_px || job->out_width_px != job->src_width_px ||
        job->out_height_px != job->src_height_px)
        return DLOP_ERR_ARGUMENT;
    if (job->grey != DLOP_GREY_NONE || job->pass_order != 0 || job->x_axis_offset != 0 ||
        job->y_axis_offset != 0)
        return DLOP_ERR_ARGUMENT;
    return DLOP_OK;
}

/* Both axis tables, or their absence. */
DLOP_STEP s32 dlop_job_check_axes(const struct dlop_job *job, DLOP_GLOBAL const u8 *in,
                                  u64 in_bytes)
{
    s32 status;

    if (job->kind == DLOP_JOB_TENSOR)
        return dlop_job_check_tensor(job);
    status =
        dlop_job_check_axis(in, in_bytes, job->x_axis_offset, job->out_width_px, job->roi_width_px);
    if (status == DLOP_OK)
        status = dlop_job_check_axis(in, in_bytes, job->y_axis_offset, job->out_height_px,
                                     job->roi_height_px);
    return status;
}

/* Check a job but for what its frame says. in: the launch's `in` buffer, for the axis tables.
 * DLOP_OK, DLOP_ERR_ABI, DLOP_ERR_ARGUMENT, DLOP_ERR_LIMIT. */
DLOP_STEP s32 dlop_job_check(const struct dlop_job *job, DLOP_GLOBAL const u8 *in,
                             const struct dlop_job_bounds *bounds)
{
    s32 status = dlop_job_check_kinds(job);

    if (status == DLOP_OK)
        status = dlop_job_check_sizes(job);
    if (status == DLOP_OK)
        status = dlop_job_check_places(job, bounds);
    if (status == DLOP_OK)
        status = dlop_job_check_axes(job, in, bounds->in_bytes);
    return status;
}

/* Check a JPEG job's frame, in itself and against the job. DLOP_OK, DLOP_ERR_BAD_DATA,
 * DLOP_ERR_LIMIT, DLOP_ERR_ARGUMENT. */
DLOP_STEP s32 dlop_job_check_frame(const struct dlop_job *job, const struct dlop_jpeg_frame *frame)
{
    s32 status = dlop_frame_check(frame, job->in_bytes);

    if (status != DLOP_OK)
        return status;
    if (frame->width_px != job->src_width_px || frame->height_px != job->src_height_px ||
        frame->n_components != job->src_channels)
        return DLOP_ERR_ARGUMENT;
    return DLOP_OK;
}

#endif
