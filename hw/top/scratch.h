/* How much working memory a compute unit needs: for the host, which allocates it. */
#ifndef DLOP_HW_TOP_SCRATCH_H
#define DLOP_HW_TOP_SCRATCH_H

#include "hw/core/image.h"

/* Bytes of scratch memory that one unit needs to run these jobs one after the other; jobs that are
 * refused need none. in: the launch's `in` buffer as the host sees it. work: any content. */
DLOP_STEP u64 dlop_top_scratch_bytes(const struct dlop_job *jobs, u32 n_jobs, const u8 *in,
                                     const struct dlop_job_bounds *bounds,
                                     struct dlop_image_work *work)
{
    struct dlop_image_memory memory;
    u64 most_bytes = 0;
    u32 i;

    memory.in = in;
    memory.bounds = *bounds;
    for (i = 0; i < n_jobs; i++) {
        if (dlop_image_prepare(&jobs[i], &memory, work) == DLOP_OK)
            most_bytes = dlop_max_u64(most_bytes, work->scratch_bytes);
    }
    return most_bytes;
}

#endif
