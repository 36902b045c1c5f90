/* Completions: what a job's counts say of where its time went.
 *
 * The engine is the stage that makes a job's data out of its bytes: the entropy stage for JPEG, the
 * source stage for others. A clock is one turn of a stage's loop, at one turn for each byte, symbol
 * and multiply-add and DLOP_TOP_BLOCK_TURNS for a block.
 *
 *     busy_ticks     turns of the engine: symbols, or source pixels
 *     starved_ticks  how many more turns the bytes take on their way to the engine
 *     blocked_ticks  how many more turns the slowest later stage takes than both
 *
 * So the sum of the three is the turns of the slowest stage, which is what the job costs in a
 * pipeline that is full, and the largest part names what binds. They follow from the job alone:
 * waits for memory, and for other jobs of the same wave, are not in them.
 */
#ifndef DLOP_HW_TOP_REPORT_H
#define DLOP_HW_TOP_REPORT_H

#include "hw/abi/status.h"
#include "hw/core/arith.h"
#include "hw/top/counts.h"
#include "hw/top/record.h"
#include "hw/top/top.h"

/* A block is transformed as eight columns and eight rows in turn, one pass beside the other. */
#define DLOP_TOP_BLOCK_TURNS 8u

/* How many more turns than the others, cut to the 32 bits of a completion. */
DLOP_STEP u32 dlop_top_excess(u64 turns, u64 others)
{
    u64 excess = turns > others ? turns - others : 0;

    return excess > 0xffffffffu ? 0xffffffffu : (u32)excess;
}

DLOP_STEP void dlop_top_ticks(const struct dlop_job *job, const struct dlop_top_counts *counts,
                              struct dlop_completion *completion_out)
{
    s32 is_jpeg = job->kind == DLOP_JOB_JPEG;
    u64 engine = is_jpeg ? counts->symbols : counts->source_px;
    u64 bytes = is_jpeg ? counts->fetched_bytes : counts->source_px * job->src_channels;
    u64 later = DLOP_TOP_BLOCK_TURNS * counts->blocks_transformed;

    later = dlop_max_u64(later, counts->source_px);
    later = dlop_max_u64(later, dlop_max_u64(counts->x_multiply_adds, counts->x_outputs));
    later = dlop_max_u64(later, dlop_max_u64(counts->y_multiply_adds, counts->y_outputs));
    later = dlop_max_u64(later, counts->packed_elements);
    completion_out->busy_ticks = engine;
    completion_out->starved_ticks = dlop_top_excess(bytes, engine);
    completion_out->blocked_ticks = dlop_top_excess(later, dlop_max_u64(engine, bytes));
}

/* Stage: job number i's completion. status: the job's; counts: as far as it came. */
DLOP_STEP void dlop_top_complete(const struct dlop_job *job, s32 status, u32 i,
                                 const struct dlop_top_counts *counts, u8 *completions)
{
    struct dlop_completion completion;
    u8 record[DLOP_TOP_COMPLETION_BYTES];
    u32 b;

    completion.record = job->record;
    completion.status = status;
    completion.bytes_written = status == DLOP_OK ? job->out_bytes : 0;
    completion.blocks_decoded = status == DLOP_OK ? (u32)counts->blocks_transformed : 0;
    dlop_top_ticks(job, counts, &completion);
    dlop_completion_write(&completion, record);
    for (b = 0; b < DLOP_TOP_COMPLETION_BYTES; b++) {
        DLOP_HLS(PIPELINE II = 1)
        completions[(u64)i * DLOP_TOP_COMPLETION_BYTES + b] = record[b];
    }
}

#endif
