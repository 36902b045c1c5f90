/* Card entry point of TENSOR jobs: the plain reference, one job after the other. */
#include "hw/top/top.h"

#include "hw/core/image.h"
#include "hw/top/record.h"

void dlop_tensor(const u8 *in, const u8 *constants, u8 *out, u8 *scratch, const u8 *jobs,
                 u8 *completions, u64 in_bytes, u64 constants_bytes, u64 out_bytes,
                 u64 scratch_bytes, u32 n_jobs)
{
    const struct dlop_image_memory memory = {
        in, constants, out, scratch, {in_bytes, constants_bytes, out_bytes}, scratch_bytes};
    struct dlop_image_work work;
    u32 i;

    for (i = 0; i < n_jobs; i++) {
        struct dlop_completion completion = {0};
        struct dlop_job job;

        dlop_job_read(jobs + (u64)i * DLOP_TOP_JOB_BYTES, &job);
        completion.record = job.record;
        completion.status = DLOP_ERR_UNSUPPORTED;
        if (job.kind == DLOP_JOB_TENSOR)
            dlop_image_run(&job, &memory, &work, &completion);
        dlop_completion_write(&completion, completions + (u64)i * DLOP_TOP_COMPLETION_BYTES);
    }
}
