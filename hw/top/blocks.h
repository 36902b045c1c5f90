/* Block hand-over, dequantisation and inverse DCT: coefficients and finished blocks of the entropy
 * stage in, samples in their planes out.
 *
 * Key idea: blocks are handed over one by one. The block buffer is declared inside the loop over
 * blocks, so that hardware makes two of it and fills one while the other is transformed. It is
 * never cleared: a mask says which coefficients are valid.
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

/* Stage: the events of one block to coefficients and mask. */
DLOP_STEP void dlop_top_collect(const struct dlop_top_block *block,
                                const u32 events[DLOP_TOP_CONTEXTS * DLOP_TOP_RING_EVENTS],
                                struct dlop_coef_block *coefs_out)
{
    u32 ring = block->context * DLOP_TOP_RING_EVENTS, i;
    u64 valid = 0;

    for (i = 0; i < 64; i++) {
        DLOP_HLS(PIPELINE II = 1)
        u32 word, position;

        if (i >= block->n_events)
            break;
        word = events[ring + (block->event + i) % DLOP_TOP_RING_EVENTS];
        position = word & 63u;
        /* A 16-bit value, sign extended without a conversion that the language leaves open. */
        coefs_out->coef[position] = (s16)((s32)(word >> 16 ^ 0x8000u) - 0x8000);
        valid |= (u64)1 << position;
    }
    coefs_out->valid = valid;
}

/* Stage: one block to samples, with factors number table of quant, which is [context][table of
 * the frame]. DLOP_OK, or DLOP_ERR_INEXACT. */
DLOP_STEP s32 dlop_top_transform(const struct dlop_coef_block *coefs,
                                 const struct dlop_top_quant quant[DLOP_TOP_QUANT_TABLES],
                                 u32 table, u8 samples_out[64])
{
    s16 natural[64];
    s32 status = dlop_dequantise_block(coefs, quant[table].factor, natural);

    if (!dlop_idct_block(natural, samples_out))
        status = DLOP_ERR_INEXACT;
    return status;
}

/* Stage: samples to their plane, unless the block was refused. */
DLOP_STEP void dlop_top_store(const struct dlop_top_block *block, s32 status, const u8 samples[64],
                              u8 *scratch, struct dlop_top_result results[DLOP_TOP_CONTEXTS])
{
    u32 context = block->context, i;

    results[context].n_coefficients += block->n_events;
    if (status == DLOP_OK) {
        results[context].n_blocks++;
        for (i = 0; i < 64; i++) {
            DLOP_HLS(PIPELINE II = 1)
            DLOP_HLS(UNROLL factor = 8)
            scratch[block->at + (u64)(i / 8) * block->pitch_samples + i % 8] = samples[i];
        }
    } else if (results[context].status == DLOP_OK) {
        results[context].status = status;
        results[context].segment = block->segment;
    }
}

/* Stages: all blocks of a step. */
DLOP_STEP void dlop_top_blocks(const struct dlop_top_block blocks[DLOP_TOP_STEP_BLOCKS],
                               u32 n_blocks,
                               const u32 events[DLOP_TOP_CONTEXTS * DLOP_TOP_RING_EVENTS],
                               const struct dlop_top_quant quant[DLOP_TOP_QUANT_TABLES],
                               u8 *scratch, struct dlop_top_result results[DLOP_TOP_CONTEXTS])
{
    u32 i;

    for (i = 0; i < n_blocks; i++) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 0 max = 1280 avg = 20)
        DLOP_HLS(DATAFLOW)
        struct dlop_coef_block coefs;
        u8 samples[64];
        s32 status;

        dlop_top_collect(&blocks[i], events, &coefs);
        status = dlop_top_transform(&coefs, quant, blocks[i].quant, samples);
        dlop_top_store(&blocks[i], status, samples, scratch, results);
    }
}

#endif
