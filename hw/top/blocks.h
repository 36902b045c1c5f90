/* Block hand-over, dequantisation and inverse DCT: coefficients and finished blocks of the entropy
 * stage in, samples in their planes out.
 *
 * Key idea: blocks are handed over one by one, and what a stage must know of a block goes with it
 * from stage to stage. The buffers between them are declared inside the loop over blocks, so that
 * hardware makes two of each and fills one while the other is read. None is ever cleared: a mask
 * says which coefficients are valid.
 */
#ifndef DLOP_HW_TOP_BLOCKS_H
#define DLOP_HW_TOP_BLOCKS_H

#include "hw/core/dequantise.h"
#include "hw/core/idct.h"
#include "hw/top/symbols.h"

/* What became of a stream's blocks so far; the first one that was refused, and its segment. */
struct dlop_top_result {
    s32 status;
    u32 segment; /* where status is not DLOP_OK */
    u32 n_blocks, n_coefficients;
};

/* One table of factors, in zigzag order. */
struct dlop_top_quant {
    u16 factor[64];
};

/* First events of the blocks that are open between two steps: [context][in order]. */
#define DLOP_TOP_KEPT_EVENTS (DLOP_TOP_CONTEXTS * 64u)

/* A block on its way. */
struct dlop_top_passed {
    u64 at;
    u32 pitch_samples, context, segment, quant, n_events; /* as in dlop_top_block */
    s32 status;                                           /* so far */
};

/* Stage: the events of block i to coefficients and mask. */
DLOP_STEP void dlop_top_collect(const struct dlop_top_handed *handed, u32 i,
                                const u32 events[DLOP_TOP_CONTEXTS * DLOP_TOP_STEP_EVENTS],
                                const u32 kept[DLOP_TOP_KEPT_EVENTS],
                                struct dlop_top_passed *passed_out,
                                struct dlop_coef_block *coefs_out)
{
    struct dlop_top_block block = handed->blocks[i];
    u32 from = block.context * DLOP_TOP_STEP_EVENTS + block.first_event, e;
    u64 valid = 0;

    for (e = 0; e < 64; e++) {
        DLOP_HLS(PIPELINE II = 1)
        u32 word, position;

        if (e >= block.n_events)
            break;
        word = e < block.n_kept_events ? kept[block.context * 64 + e]
                                       : events[from + (e - block.n_kept_events)];
        position = word & 63u;
        /* A 16-bit value, sign extended without a conversion that the language leaves open. */
        coefs_out->coef[position] = (s16)((s32)(word >> 16 ^ 0x8000u) - 0x8000);
        valid |= (u64)1 << position;
    }
    coefs_out->valid = valid;
    passed_out->at = block.at;
    passed_out->pitch_samples = block.pitch_samples;
    passed_out->context = block.context;
    passed_out->segment = block.segment;
    passed_out->quant = block.quant;
    passed_out->n_events = block.n_events;
    passed_out->status = DLOP_OK;
}

/* Stage: times the factors. quant: [context][table of the frame]. */
DLOP_STEP void dlop_top_dequantise(const struct dlop_top_passed *passed,
                                   const struct dlop_coef_block *coefs,
                                   const struct dlop_top_quant quant[DLOP_TOP_QUANT_TABLES],
                                   struct dlop_top_passed *passed_out, s16 natural_out[64])
{
    *passed_out = *passed;
    passed_out->status = dlop_dequantise_block(coefs, quant[passed->quant].factor, natural_out);
}

/* Stage: pass 1 of the inverse DCT. */
DLOP_STEP void dlop_top_columns(const struct dlop_top_passed *passed, const s16 natural[64],
                                struct dlop_top_passed *passed_out, s32 between_out[64])
{
    *passed_out = *passed;
    if (!dlop_idct_columns(natural, between_out))
        passed_out->status = DLOP_ERR_INEXACT;
}

/* Stage: pass 2. */
DLOP_STEP void dlop_top_rows(const struct dlop_top_passed *passed, const s32 between[64],
                             struct dlop_top_passed *passed_out, u8 samples_out[64])
{
    *passed_out = *passed;
    dlop_idct_rows(between, samples_out);
}

/* Stage: samples to their plane, unless the block was refused. */
DLOP_STEP void dlop_top_store(const struct dlop_top_passed *passed, const u8 samples[64],
                              u8 *scratch, struct dlop_top_result results[DLOP_TOP_CONTEXTS])
{
    u32 context = passed->context, i;

    results[context].n_coefficients += passed->n_events;
    if (passed->status == DLOP_OK) {
        results[context].n_blocks++;
        for (i = 0; i < 64; i++) {
            DLOP_HLS(PIPELINE II = 1)
            DLOP_HLS(UNROLL factor = 8)
            scratch[passed->at + (u64)(i / 8) * passed->pitch_samples + i % 8] = samples[i];
        }
    } else if (results[context].status == DLOP_OK) {
        results[context].status = passed->status;
        results[context].segment = passed->segment;
    }
}

/* Stages: the finished blocks of a step. */
DLOP_STEP void dlop_top_block_stages(const struct dlop_top_handed *handed,
                                     const u32 events[DLOP_TOP_CONTEXTS * DLOP_TOP_STEP_EVENTS],
                                     const u32 kept[DLOP_TOP_KEPT_EVENTS],
                                     const struct dlop_top_quant quant[DLOP_TOP_QUANT_TABLES],
                                     u8 *scratch, struct dlop_top_result results[DLOP_TOP_CONTEXTS])
{
    u32 n_blocks = handed->n_blocks, i;

    for (i = 0; i < n_blocks; i++) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 0 max = 1280 avg = 20)
        DLOP_HLS(DATAFLOW)
        struct dlop_top_passed collected, dequantised, half_done, done;
        struct dlop_coef_block coefs;
        s16 natural[64];
        s32 between[64];
        u8 samples[64];

        dlop_top_collect(handed, i, events, kept, &collected, &coefs);
        dlop_top_dequantise(&collected, &coefs, quant, &dequantised, natural);
        dlop_top_columns(&dequantised, natural, &half_done, between);
        dlop_top_rows(&half_done, between, &done, samples);
        dlop_top_store(&done, samples, scratch, results);
    }
}

/* Keep the events of the blocks that a step leaves open. */
DLOP_STEP void dlop_top_keep(const struct dlop_top_open open[DLOP_TOP_CONTEXTS],
                             const u32 events[DLOP_TOP_CONTEXTS * DLOP_TOP_STEP_EVENTS],
                             u32 kept[DLOP_TOP_KEPT_EVENTS])
{
    u32 i, e;

    for (i = 0; i < DLOP_TOP_CONTEXTS; i++) {
        u32 from = i * DLOP_TOP_STEP_EVENTS + open[i].first_event;

        for (e = open[i].n_kept_events; e < open[i].n_events; e++) {
            DLOP_HLS(PIPELINE II = 1)
            DLOP_HLS(LOOP_TRIPCOUNT min = 0 max = 64 avg = 5)
            kept[i * 64 + e] = events[from + (e - open[i].n_kept_events)];
        }
    }
}

/* Stage: all blocks of a step. kept: stays between the steps; any content at first. */
DLOP_STEP void dlop_top_blocks(const struct dlop_top_handed *handed,
                               const u32 events[DLOP_TOP_CONTEXTS * DLOP_TOP_STEP_EVENTS],
                               const struct dlop_top_quant quant[DLOP_TOP_QUANT_TABLES],
                               u32 kept[DLOP_TOP_KEPT_EVENTS], u8 *scratch,
                               struct dlop_top_result results[DLOP_TOP_CONTEXTS])
{
    dlop_top_block_stages(handed, events, kept, quant, scratch, results);
    dlop_top_keep(handed->open, events, kept);
}

#endif
