/* How much working memory a compute unit needs: for the host, which allocates it. */
#ifndef DLOP_HW_TOP_SCRATCH_H
#define DLOP_HW_TOP_SCRATCH_H

#include "hw/core/image.h"
#include "hw/top/wave.h"

/* Bytes that a checked job takes of a wave's part. work: what dlop_image_prepare left. */
DLOP_STEP u64 dlop_top_job_scratch_bytes(const struct dlop_job *job,
                                         const struct dlop_image_work *work)
{
    struct dlop_top_job slot;

    slot.job = *job;
    if (job->kind == DLOP_JOB_TENSOR)
        return 0;
    if (job->kind == DLOP_JOB_JPEG)
        slot.frame = work->frame;
    return dlop_top_place(&slot, 0);
}

/* Keep the largest sizes, the largest first. */
DLOP_STEP void dlop_top_keep_largest(u64 n_bytes, u64 largest[DLOP_TOP_CONTEXTS])
{
    u32 i;

    for (i = 0; i < DLOP_TOP_CONTEXTS; i++) {
        u64 smaller = largest[i] < n_bytes ? largest[i] : n_bytes;

        largest[i] = dlop_max_u64(largest[i], n_bytes);
        n_bytes = smaller;
    }
}

/* Bytes of scratch memory that one unit needs to run these jobs, or any of them, in any order; jobs
 * that are refused need none. Three waves are there at a time (wave.h), and any jobs may meet in
 * one. As much as this is also enough for the reference of hw/core, one job after the other,
 * which the OpenCL entry points run. in: the launch's `in` buffer as the host sees it. work: any
 * content. */
DLOP_STEP u64 dlop_top_scratch_bytes(const struct dlop_job *jobs, u32 n_jobs, const u8 *in,
                                     const struct dlop_job_bounds *bounds,
                                     struct dlop_image_work *work)
{
    const struct dlop_image_memory memory = {.in = in, .bounds = *bounds};
    u64 largest[DLOP_TOP_CONTEXTS] = {0}, reference_bytes = 0, wave_bytes = 0;
    u32 i;

    for (i = 0; i < n_jobs; i++) {
        if (dlop_image_prepare(&jobs[i], &memory, work) != DLOP_OK)
            continue;
        reference_bytes = dlop_max_u64(reference_bytes, work->scratch_bytes);
        dlop_top_keep_largest(dlop_top_job_scratch_bytes(&jobs[i], work), largest);
    }
    for (i = 0; i < DLOP_TOP_CONTEXTS; i++)
        wave_bytes += largest[i];
    return dlop_max_u64(DLOP_TOP_SCRATCH_PARTS * wave_bytes, reference_bytes);
}

#endif
