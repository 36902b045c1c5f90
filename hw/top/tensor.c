/* Card entry point of TENSOR jobs. scratch is not used: nothing of a job is stored on the way. */
#include "hw/top/ports.h"
#include "hw/top/tensor_job.h"
#include "hw/top/top.h"

void dlop_tensor(const u8 *in, const u8 *constants, u8 *out, u8 *scratch, const u8 *jobs,
                 u8 *completions, u64 in_bytes, u64 constants_bytes, u64 out_bytes,
                 u64 scratch_bytes, u32 n_jobs)
{
    DLOP_TOP_PORTS
    const struct dlop_job_bounds bounds = {in_bytes, constants_bytes, out_bytes};
    u32 i;

    (void)scratch;
    (void)scratch_bytes;
    for (i = 0; i < n_jobs; i++) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = 4096 avg = 64)
        struct dlop_top_counts counts;

        dlop_top_tensor_job(in, constants, out, jobs, completions, &bounds, i, &counts);
    }
}
