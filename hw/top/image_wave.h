/* The waves of the image kernel: their stages in order. Shared by the kernel (image.c) and by the
 * host function that wants the counts (counted.c).
 */
#ifndef DLOP_HW_TOP_IMAGE_WAVE_H
#define DLOP_HW_TOP_IMAGE_WAVE_H

#include "hw/top/decode.h"
#include "hw/top/render.h"

/* Run n_waves waves of a launch from its first one on. counts_out: for the jobs of the last one.
 *
 * In hardware each line is a process, and so are painting and finishing. Three parts of scratch are
 * enough: `decoded` is there twice, so wave i + 3 is not decoded before wave i + 1 is painted; and
 * the records between painting and finishing are there twice, so by then wave i is finished. */
DLOP_STEP void dlop_top_image_waves(const u8 *in, const u8 *constants, u8 *out, u8 *scratch,
                                    const u8 *jobs, u8 *completions,
                                    const struct dlop_top_launch *launch, u32 n_waves,
                                    struct dlop_top_counts counts_out[DLOP_TOP_CONTEXTS])
{
    u32 i;

    for (i = 0; i < n_waves; i++) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = 1024 avg = 16)
        DLOP_HLS(DATAFLOW)
        struct dlop_top_job prepared[DLOP_TOP_CONTEXTS], decoded[DLOP_TOP_CONTEXTS];

        dlop_top_prepare(in, jobs, launch, i, prepared);
        dlop_top_decode(in, prepared, scratch, decoded);
        dlop_top_resample(in, constants, decoded, scratch, out, completions, counts_out);
    }
}

#endif
