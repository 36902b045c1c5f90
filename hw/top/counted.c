/* The kernels with the counts of each job: for the host, which compares the cycle model with them.
 */
#include "hw/top/counts.h"
#include "hw/top/image_wave.h"
#include "hw/top/tensor_job.h"

void dlop_image_counted(const u8 *in, const u8 *constants, u8 *out, u8 *scratch, const u8 *jobs,
                        u8 *completions, u64 in_bytes, u64 constants_bytes, u64 out_bytes,
                        u64 scratch_bytes, u32 n_jobs, struct dlop_top_counts *counts_out)
{
    struct dlop_top_launch launch = {
        {in_bytes, constants_bytes, out_bytes}, scratch_bytes, n_jobs, 0};
    u32 first, i;

    for (first = 0; first < n_jobs; first += DLOP_TOP_CONTEXTS) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = 1024)
        struct dlop_top_counts counts[DLOP_TOP_CONTEXTS];

        launch.first_wave = first / DLOP_TOP_CONTEXTS;
        dlop_top_image_waves(in, constants, out, scratch, jobs, completions, &launch, 1, counts);
        for (i = 0; i < DLOP_TOP_CONTEXTS && i < n_jobs - first; i++)
            counts_out[first + i] = counts[i];
    }
}

void dlop_tensor_counted(const u8 *in, const u8 *constants, u8 *out, u8 *scratch, const u8 *jobs,
                         u8 *completions, u64 in_bytes, u64 constants_bytes, u64 out_bytes,
                         u64 scratch_bytes, u32 n_jobs, struct dlop_top_counts *counts_out)
{
    const struct dlop_job_bounds bounds = {in_bytes, constants_bytes, out_bytes};
    u32 i;

    (void)scratch;
    (void)scratch_bytes;
    for (i = 0; i < n_jobs; i++) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = 4096)
        dlop_top_tensor_job(in, constants, out, jobs, completions, &bounds, i, &counts_out[i]);
    }
}
