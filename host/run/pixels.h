/* Decoded pixels as the source of a job: only the region that the job's axes name is taken.
 *
 * Static functions in a header, because the loader and the single-picture decoder share them and
 * nobody else needs them.
 */
#ifndef DLOP_HOST_RUN_PIXELS_H
#define DLOP_HOST_RUN_PIXELS_H

#include <string.h>

#include "hw/abi/abi.h"

/* Sizes of the source that dlop_pixels_take makes: of the region, but never empty, although a
 * job whose outputs are all fill names no source pixel. */
static inline uint32_t dlop_pixels_width(const struct dlop_job *job)
{
    return job->roi_width_px > 0 ? job->roi_width_px : 1;
}

static inline uint32_t dlop_pixels_height(const struct dlop_job *job)
{
    return job->roi_height_px > 0 ? job->roi_height_px : 1;
}

static inline size_t dlop_pixels_bytes(const struct dlop_job *job, size_t channels)
{
    return (size_t)dlop_pixels_width(job) * dlop_pixels_height(job) * channels;
}

/* Copy the bound job's region of pixels [any][width_px][channels] to `to`, which is at in_offset
 * of the launch's `in` and has room for dlop_pixels_bytes, and make the job read that. The
 * region must lie inside the pixels, as dlop_plan_bind leaves it. A TENSOR job stays one. */
static inline void dlop_pixels_take(struct dlop_job *job, const uint8_t *pixels, uint32_t width_px,
                                    size_t channels, uint8_t *to, uint64_t in_offset)
{
    size_t row_bytes = job->roi_width_px * channels, pitch_bytes = width_px * channels;
    const uint8_t *from = pixels + job->roi_y_px * pitch_bytes + job->roi_x_px * channels;

    if (job->kind != DLOP_JOB_TENSOR)
        job->kind = DLOP_JOB_PIXELS;
    job->src_channels = (u8)channels;
    job->in_offset = in_offset;
    job->in_bytes = dlop_pixels_bytes(job, channels);
    job->src_width_px = dlop_pixels_width(job);
    job->src_height_px = dlop_pixels_height(job);
    job->roi_x_px = job->roi_y_px = 0;
    if (channels == 1) /* grey of grey is the same */
        job->grey = DLOP_GREY_NONE;
    if (row_bytes == 0)
        return;
    for (size_t row = 0; row < job->roi_height_px; row++)
        memcpy(to + row * row_bytes, from + row * pitch_bytes, row_bytes);
}

#endif
