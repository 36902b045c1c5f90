/* Decoded pixels as the source of a job: only the region that the job's axes name is taken.
 *
 * Static functions in a header, because the loader and the single-picture decoder share them and
 * nobody else needs them.
 */
#ifndef DLOP_HOST_RUN_PIXELS_H
#define DLOP_HOST_RUN_PIXELS_H

#include <string.h>

#include "hw/abi/abi.h"

/* Bytes that dlop_pixels_take writes for a bound job. */
static inline size_t dlop_pixels_bytes(const struct dlop_job *job, size_t channels)
{
    return (size_t)job->roi_width_px * job->roi_height_px * channels;
}

/* Copy the job's region of pixels [any][width_px][channels] to `to`, which is at in_offset of
 * the launch's `in`, and make the job read that. The region must lie inside the pixels, as
 * dlop_plan_bind leaves it. */
static inline void dlop_pixels_take(struct dlop_job *job, const uint8_t *pixels, uint32_t width_px,
                                    size_t channels, uint8_t *to, uint64_t in_offset)
{
    size_t row_bytes = job->roi_width_px * channels;
    const uint8_t *from = pixels + ((size_t)job->roi_y_px * width_px + job->roi_x_px) * channels;

    for (size_t row = 0; row < job->roi_height_px; row++)
        memcpy(to + row * row_bytes, from + row * width_px * channels, row_bytes);
    job->kind = DLOP_JOB_PIXELS;
    job->src_channels = (u8)channels;
    job->in_offset = in_offset;
    job->in_bytes = dlop_pixels_bytes(job, channels);
    job->src_width_px = job->roi_width_px;
    job->src_height_px = job->roi_height_px;
    job->roi_x_px = job->roi_y_px = 0;
    if (channels == 1) /* grey of grey is the same */
        job->grey = DLOP_GREY_NONE;
}

#endif
