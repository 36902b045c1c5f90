/* One wave of the image kernel: its stages in order. Shared by the kernel (image.c) and by the host
 * function that wants the counts (counted.c).
 */
#ifndef DLOP_HW_TOP_IMAGE_WAVE_H
#define DLOP_HW_TOP_IMAGE_WAVE_H

#include "hw/top/decode.h"
#include "hw/top/render.h"

/* Run jobs first_job .. first_job + DLOP_TOP_CONTEXTS - 1 of a launch, as far as there are so many.
 * counts_out: for each of them. In hardware each line is a process, and the calls of several waves
 * overlap: scratch has room for two (wave.h). */
DLOP_STEP void dlop_top_image_wave(const u8 *in, const u8 *constants, u8 *out, u8 *scratch,
                                   const u8 *jobs, u8 *completions,
                                   const struct dlop_top_launch *launch, u32 first_job,
                                   struct dlop_top_counts counts_out[DLOP_TOP_CONTEXTS])
{
    DLOP_HLS(DATAFLOW)
    struct dlop_top_job wave[DLOP_TOP_CONTEXTS];

    dlop_top_prepare(in, jobs, launch, first_job, wave, counts_out);
    dlop_top_decode(in, wave, scratch, counts_out);
    dlop_top_paint(in, wave, scratch, counts_out);
    dlop_top_finish(in, constants, wave, scratch, out, counts_out);
    dlop_top_report(wave, first_job, counts_out, completions);
}

#endif
