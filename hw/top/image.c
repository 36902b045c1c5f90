/* Card entry point of JPEG and PIXELS jobs: waves of jobs through the stages. */
#include "hw/top/image_wave.h"
#include "hw/top/ports.h"
#include "hw/top/top.h"

void dlop_image(const u8 *in, const u8 *constants, u8 *out, u8 *scratch, const u8 *jobs,
                u8 *completions, u64 in_bytes, u64 constants_bytes, u64 out_bytes,
                u64 scratch_bytes, u32 n_jobs)
{
    DLOP_TOP_PORTS
    const struct dlop_top_launch launch = {
        {in_bytes, constants_bytes, out_bytes}, scratch_bytes, n_jobs, 0};
    u32 n_waves = n_jobs / DLOP_TOP_CONTEXTS + (n_jobs % DLOP_TOP_CONTEXTS != 0);
    struct dlop_top_counts counts[DLOP_TOP_CONTEXTS];

    dlop_top_image_waves(in, constants, out, scratch, jobs, completions, &launch, n_waves, counts);
}
