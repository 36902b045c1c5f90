/* Whether a completion can be right: for the host, which must not believe everything that comes
 * from a card. */
#ifndef DLOP_HW_TOP_VERIFY_H
#define DLOP_HW_TOP_VERIFY_H

#include "hw/core/image.h"

/* Statuses that a kernel gives to a record. */
DLOP_STEP s32 dlop_top_is_status(s32 status)
{
    return status == DLOP_OK || status == DLOP_ERR_BAD_DATA || status == DLOP_ERR_TRUNCATED ||
           status == DLOP_ERR_UNSUPPORTED || status == DLOP_ERR_LIMIT ||
           status == DLOP_ERR_INEXACT || status == DLOP_ERR_ARGUMENT ||
           status == DLOP_ERR_TOO_SMALL || status == DLOP_ERR_ABI;
}

/* Blocks of one scan that the region needs. */
DLOP_STEP u32 dlop_top_scan_blocks(const struct dlop_jpeg_scan *scan,
                                   const struct dlop_decode *decode)
{
    const struct dlop_mcu_range *range = &decode->range;
    u32 n_blocks = 0, i;

    for (i = 0; i < scan->n_components; i++) {
        const struct dlop_component_geometry *c = &decode->geometry.component[scan->component[i]];
        u32 x_end = range->x_end * c->blocks_x, y_end = range->y_end * c->blocks_y;

        if (scan->n_components == 1) {
            x_end = dlop_min_u32(x_end, c->width_blocks);
            y_end = dlop_min_u32(y_end, c->height_blocks);
        }
        n_blocks += (x_end - range->x_begin * c->blocks_x) * (y_end - range->y_begin * c->blocks_y);
    }
    return n_blocks;
}

/* Check a completion against its job and the host's view of the launch's `in` buffer.
 *
 * A record is done only where the job passes every check of sizes, all its bytes are written and
 * the blocks are exactly those that its region needs; a refused one has a status that kernels give
 * and no bytes. work: any content. DLOP_OK or DLOP_ERR_DEVICE_FAULT. */
DLOP_STEP s32 dlop_top_verify(const struct dlop_job *job, const struct dlop_completion *completion,
                              const DLOP_GLOBAL u8 *in, const struct dlop_job_bounds *bounds,
                              struct dlop_image_work *work)
{
    struct dlop_image_memory memory;
    u32 n_blocks = 0, rect[4], i;

    if (completion->record != job->record || !dlop_top_is_status(completion->status))
        return DLOP_ERR_DEVICE_FAULT;
    if (completion->status != DLOP_OK)
        return completion->bytes_written == 0 && completion->blocks_decoded == 0
                   ? DLOP_OK
                   : DLOP_ERR_DEVICE_FAULT;
    memory.in = in;
    memory.bounds = *bounds;
    if (dlop_image_prepare(job, &memory, work) != DLOP_OK)
        return DLOP_ERR_DEVICE_FAULT;
    if (job->kind == DLOP_JOB_JPEG) {
        rect[0] = job->roi_x_px;
        rect[1] = job->roi_y_px;
        rect[2] = job->roi_width_px;
        rect[3] = job->roi_height_px;
        dlop_region_mcus(&work->decode.geometry, rect, &work->decode.range);
        for (i = 0; i < work->frame.n_scans; i++)
            n_blocks += dlop_top_scan_blocks(&work->frame.scan[i], &work->decode);
    }
    return completion->bytes_written == job->out_bytes && completion->blocks_decoded == n_blocks
               ? DLOP_OK
               : DLOP_ERR_DEVICE_FAULT;
}

#endif
