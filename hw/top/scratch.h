/* How much working memory a compute unit needs: for the host, which allocates it. */
#ifndef DLOP_HW_TOP_SCRATCH_H
#define DLOP_HW_TOP_SCRATCH_H

#include "hw/core/image.h"
#include "hw/top/wave.h"

/* Bytes that a checked job takes of a wave's half. work: what dlop_image_prepare left. */
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

/* Bytes of scratch memory that one unit needs to run these jobs; jobs that are refused need none.
 * Two waves are on their way at a time (wave.h). As much as this is also enough for the reference
 * of hw/core, one job after the other, which the OpenCL entry points run. in: the launch's `in`
 * buffer as the host sees it. work: any content. */
DLOP_STEP u64 dlop_top_scratch_bytes(const struct dlop_job *jobs, u32 n_jobs, const u8 *in,
                                     const struct dlop_job_bounds *bounds,
                                     struct dlop_image_work *work)
{
    const struct dlop_image_memory memory = {.in = in, .bounds = *bounds};
    u64 most_bytes = 0, wave_bytes = 0;
    u32 i;

    for (i = 0; i < n_jobs; i++) {
        if (i % DLOP_TOP_CONTEXTS == 0)
            wave_bytes = 0;
        if (dlop_image_prepare(&jobs[i], &memory, work) != DLOP_OK)
            continue;
        wave_bytes += dlop_top_job_scratch_bytes(&jobs[i], work);
        most_bytes = dlop_max_u64(most_bytes, dlop_max_u64(2 * wave_bytes, work->scratch_bytes));
    }
    return most_bytes;
}

#endif
