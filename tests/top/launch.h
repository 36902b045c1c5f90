/* Runs a driver kit's jobs through the card entry points, on the host: image for JPEG and PIXELS
 * jobs, tensor for TENSOR jobs. */
#ifndef DLOP_TESTS_TOP_LAUNCH_H
#define DLOP_TESTS_TOP_LAUNCH_H

#include "tests/driver/kit.h"

#include "hw/top/counts.h"
#include "hw/top/scratch.h"
#include "hw/top/top.h"

/* Scratch memory of exactly the size that the jobs need, of any content. */
static inline u8 *launch_scratch(struct kit *kit, u64 *n_bytes_out)
{
    static struct dlop_image_work work;
    const struct dlop_job_bounds bounds = {kit->in.size_bytes, kit->constants.size_bytes,
                                           kit->out.size_bytes};
    u8 *scratch;

    *n_bytes_out =
        dlop_top_scratch_bytes(kit->jobs, kit->launch.n_jobs, kit->in.host, &bounds, &work);
    scratch = malloc(*n_bytes_out ? *n_bytes_out : 1);
    assert_non_null(scratch);
    memset(scratch, 0xcd, *n_bytes_out);
    return scratch;
}

/* Fill `out` with the canary and run the launch. counts_out: [KIT_MAX_JOBS]. */
static inline void launch_run(struct kit *kit, struct dlop_top_counts *counts_out)
{
    static struct dlop_completion other[KIT_MAX_JOBS];
    static struct dlop_top_counts other_counts[KIT_MAX_JOBS];
    u32 n_jobs = kit->launch.n_jobs;
    u64 scratch_bytes;
    u8 *scratch = launch_scratch(kit, &scratch_bytes);

    memset(kit->out.host, KIT_CANARY, kit->out.size_bytes);
    memset(kit->completions, 0xff, sizeof kit->completions);
    dlop_image_counted(kit->in.host, kit->constants.host, kit->out.host, scratch,
                       (const u8 *)kit->jobs, (u8 *)kit->completions, kit->in.size_bytes,
                       kit->constants.size_bytes, kit->out.size_bytes, scratch_bytes, n_jobs,
                       counts_out);
    dlop_tensor_counted(kit->in.host, kit->constants.host, kit->out.host, scratch,
                        (const u8 *)kit->jobs, (u8 *)other, kit->in.size_bytes,
                        kit->constants.size_bytes, kit->out.size_bytes, scratch_bytes, n_jobs,
                        other_counts);
    free(scratch);
    for (u32 i = 0; i < n_jobs; i++) {
        int is_tensor = kit->jobs[i].kind == DLOP_JOB_TENSOR;

        /* The kernel of another kind refuses the job. */
        assert_int_equal((is_tensor ? kit->completions[i] : other[i]).status, DLOP_ERR_UNSUPPORTED);
        if (is_tensor) {
            kit->completions[i] = other[i];
            counts_out[i] = other_counts[i];
        }
    }
    atomic_store(&kit->status, DLOP_OK);
}

/* Spoil the source or a table of a job: a bit of it; of a JPEG, also a marker where none is,
 * another end of a scan, another restart interval. */
static inline void launch_spoil(struct kit *kit, struct random_state *random,
                                const struct dlop_job *job)
{
    u8 *source = (u8 *)kit->in.host + job->in_offset, bit = (u8)(1u << random_u32(random) % 8);
    u32 n_bytes = (u32)job->in_bytes, frame_bytes = (u32)sizeof(struct dlop_jpeg_frame);
    struct dlop_jpeg_frame *frame = (struct dlop_jpeg_frame *)(void *)source;
    u32 what = random_u32(random) % 24, scan = random_u32(random) % 3, at;

    if (what == 0) {
        ((u8 *)kit->in.host)[job->x_axis_offset + random_u32(random) % 64] ^= bit;
    } else if (what == 1) {
        ((u8 *)kit->in.host)[job->y_axis_offset + random_u32(random) % 64] ^= bit;
    } else if (job->kind != DLOP_JOB_JPEG || what == 2) {
        source[random_u32(random) % (what == 2 ? frame_bytes : n_bytes)] ^= bit;
    } else if (what == 3) {
        frame->scan[scan].end_bytes -= random_u32(random) % 100;
    } else if (what == 4 || what == 5) {
        frame->scan[scan].restart_interval = random_u32(random) % 30;
    } else {
        at = frame_bytes + random_u32(random) % (n_bytes - frame_bytes - 1);
        source[at] = what == 6 ? 0xff : source[at] ^ bit;
        if (what == 6)
            source[at + 1] = (u8)(0xd0 + random_u32(random) % 8);
    }
}

#endif
