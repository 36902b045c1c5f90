/* OpenCL entry points: the kernels of hw/top/top.h, with its arguments, over the plain reference of
 * hw/core.
 *
 * Each work-item takes jobs on its own, in turns: item i of n runs jobs i, i + n, i + 2n, ... with
 * the i-th of n equal shares of scratch. So the host chooses how many work-items there are by how
 * much scratch memory it gives, and the result does not depend on it. What is left of the fixed
 * working state (struct dlop_image_work) is private memory.
 */
#include "hw/core/image.h"
#include "hw/top/record.h"

/* Shares begin at multiples of this. */
#define ITEM_SHARE_BYTES 64u

/* The jobs of one work-item. memory: scratch is that of all items. */
static void run_item(struct dlop_image_memory *memory, DLOP_GLOBAL const u8 *jobs, u32 n_jobs,
                     s32 is_tensor, DLOP_GLOBAL u8 *completions)
{
    u32 n_items = (u32)get_global_size(0), item = (u32)get_global_id(0), i;
    struct dlop_image_work work;

    memory->scratch_bytes = memory->scratch_bytes / n_items / ITEM_SHARE_BYTES * ITEM_SHARE_BYTES;
    memory->scratch += memory->scratch_bytes * item;
    for (i = item; i < n_jobs; i += n_items) {
        struct dlop_completion completion = {0};
        struct dlop_job job;

        dlop_job_read(jobs + (u64)i * sizeof job, &job);
        completion.record = job.record;
        completion.status = DLOP_ERR_UNSUPPORTED;
        if ((job.kind == DLOP_JOB_TENSOR) == is_tensor)
            dlop_image_run(&job, memory, &work, &completion);
        dlop_completion_write(&completion, completions + (u64)i * sizeof completion);
    }
}

#define KERNEL(name, is_tensor)                                                                    \
    __kernel __attribute__((reqd_work_group_size(1, 1, 1))) void name(                             \
        DLOP_GLOBAL const u8 *in, DLOP_GLOBAL const u8 *constants, DLOP_GLOBAL u8 *out,            \
        DLOP_GLOBAL u8 *scratch, DLOP_GLOBAL const u8 *jobs, DLOP_GLOBAL u8 *completions,          \
        u64 in_bytes, u64 constants_bytes, u64 out_bytes, u64 scratch_bytes, u32 n_jobs)           \
    {                                                                                              \
        struct dlop_image_memory memory;                                                           \
                                                                                                   \
        memory.in = in;                                                                            \
        memory.constants = constants;                                                              \
        memory.out = out;                                                                          \
        memory.scratch = scratch;                                                                  \
        memory.bounds.in_bytes = in_bytes;                                                         \
        memory.bounds.constants_bytes = constants_bytes;                                           \
        memory.bounds.out_bytes = out_bytes;                                                       \
        memory.scratch_bytes = scratch_bytes;                                                      \
        run_item(&memory, jobs, n_jobs, is_tensor, completions);                                   \
    }

KERNEL(dlop_image, 0)
KERNEL(dlop_tensor, 1)
