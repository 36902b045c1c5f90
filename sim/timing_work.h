/* Counts the work of a real job by walking through it with the steps of hw/core.
 *
 * Key idea: the counts come from the job itself, not from a card's entry point, so that the two
 * can be compared: whatever hw/top counts while it runs must be what stands here. The reference's
 * entropy decoder says what is valid and where a block ends; the symbols in between are counted by
 * a second look at the same bits.
 * Not here: what the counts cost (timing.h).
 */
#ifndef DLOP_SIM_TIMING_WORK_H
#define DLOP_SIM_TIMING_WORK_H

#include "hw/core/image.h"
#include "hw/top/shape.h"
#include "sim/timing.h"

/* Ways to the same pixels. COLD: everything up to the last MCU that is needed, as hw/top does.
 * INDEXED: with the entropy decoder's state at every DLOP_TIMING_INDEX_MCUS-th MCU of each row, so
 * that each row starts at the group of its first needed MCU. COEFFICIENTS: with the coefficients of
 * the needed blocks in packed form, without entropy decoding. */
enum dlop_timing_mode {
    DLOP_TIMING_COLD,
    DLOP_TIMING_INDEXED,
    DLOP_TIMING_COEFFICIENTS,
    DLOP_TIMING_MODE_COUNT
};

#define DLOP_TIMING_INDEX_MCUS 8
/* One state: bit position in the unstuffed scan and three DC predictors. */
#define DLOP_TIMING_INDEX_BYTES 10

/* Working state of fixed size; any content before and after, but for `streams`. */
struct dlop_timing_walk {
    /* Symbols in each step (DLOP_TOP_CHUNK_BYTES unstuffed bytes), COLD and INDEXED: of at most
     * capacity steps (the last one takes the rest); symbols may be null. The caller's; n_steps is
     * set. */
    struct dlop_timing_stream streams[2];
    u32 capacity;
    struct dlop_image_work image;
    struct dlop_timing_work *work; /* [DLOP_TIMING_MODE_COUNT] */
    const u8 *segment;
    u32 segment_bytes;
    u64 piece_begin_bit; /* where the indexed reading that goes on began */
    s32 is_in_piece;
    u64 step_bits[2]; /* of the streams so far */
};

/* Count a job in every mode.
 *
 * memory:   in, constants and bounds are used. scratch: room for the longest scan of the job.
 * work_out: [DLOP_TIMING_MODE_COUNT]; the three are equal for jobs without JPEG.
 * Statuses of dlop_image_prepare; DLOP_ERR_TOO_SMALL (scratch); DLOP_ERR_BAD_DATA,
 * DLOP_ERR_TRUNCATED, DLOP_ERR_INEXACT: the scan is damaged, work_out is then of no use. A block
 * that only the inverse DCT would refuse is counted like any other. Any thread, no allocation. */
s32 dlop_timing_count(const struct dlop_job *job, const struct dlop_image_memory *memory,
                      struct dlop_timing_walk *walk,
                      struct dlop_timing_work work_out[DLOP_TIMING_MODE_COUNT]);

/* "cold", "indexed", "coefficients". */
const char *dlop_timing_mode_name(u32 mode);

#endif
