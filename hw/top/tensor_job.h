/* One TENSOR job: pixels in, elements out, without anything between. */
#ifndef DLOP_HW_TOP_TENSOR_JOB_H
#define DLOP_HW_TOP_TENSOR_JOB_H

#include "hw/top/emit.h"
#include "hw/top/report.h"
#include "hw/top/source.h"

/* Stages: a checked job, as one long row of pixels. */
DLOP_STEP void dlop_top_convert(const u8 *in, const u8 *constants, const struct dlop_job *job,
                                u8 *out)
{
    u64 n_all = (u64)job->out_width_px * job->out_height_px, px;
    u8 table[DLOP_TOP_TABLE_BYTES];

    dlop_top_load_table(constants, job, table);
    for (px = 0; px < n_all; px += DLOP_TOP_STRIP_PX) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = 16758790 avg = 196)
        DLOP_HLS(DATAFLOW)
        u32 n = n_all - px < DLOP_TOP_STRIP_PX ? (u32)(n_all - px) : DLOP_TOP_STRIP_PX;
        u8 rgbx[DLOP_TOP_STRIP_PX * DLOP_RGBX_BYTES];

        dlop_top_pixels(in, job->in_offset + px * job->src_channels, job->src_channels, n, rgbx);
        dlop_top_emit(job, table, rgbx, px, n, out);
    }
}

/* Run job number i of a launch and write its completion. */
DLOP_STEP void dlop_top_tensor_job(const u8 *in, const u8 *constants, u8 *out, const u8 *jobs,
                                   u8 *completions, const struct dlop_job_bounds *bounds, u32 i,
                                   struct dlop_top_counts *counts_out)
{
    const struct dlop_top_counts no_counts = {0};
    struct dlop_job job;
    s32 status = DLOP_ERR_UNSUPPORTED;

    *counts_out = no_counts;
    dlop_top_read_job(jobs, i, &job);
    if (job.kind == DLOP_JOB_TENSOR)
        status = dlop_job_check(&job, in, bounds);
    if (status == DLOP_OK) {
        dlop_top_convert(in, constants, &job, out);
        counts_out->source_px = (u64)job.out_width_px * job.out_height_px;
        counts_out->packed_elements = counts_out->source_px * job.out_channels;
        counts_out->written_bytes = job.out_bytes;
    }
    dlop_top_complete(&job, status, i, counts_out, completions);
}

#endif
