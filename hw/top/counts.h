/* What the stages of a card did for one job, in iterations of their loops: for the cycle model,
 * which must predict them, and for a completion's ticks.
 *
 * Each field counts one loop's useful turns, whatever the loop's width in hardware is: a stage that
 * does P of them in a cycle needs counts / P cycles. All are 0 where a job never came to a stage. A
 * job that is refused while it is decoded has counts of the work until then; how much that is, is
 * not part of the contract.
 */
#ifndef DLOP_HW_TOP_COUNTS_H
#define DLOP_HW_TOP_COUNTS_H

#include "hw/abi/port.h"

struct dlop_top_counts {
    /* JPEG, all scans together. Only the restart segments up to the one with the last MCU that the
     * region needs are read, these to their end. */
    u64 fetched_bytes;      /* bytes that the unstuffer took: stuffing and RSTn included */
    u64 unstuffed_bytes;    /* bytes that it gave on */
    u64 table_entries;      /* entries of Huffman lookups written: 1024 for each table built */
    u64 symbols;            /* Huffman symbols of all blocks parsed: one turn each; EOB is one */
    u64 long_symbols;       /* of these, codes longer than the lookup (DLOP_HUFF_LOOKUP_BITS) */
    u64 coefficients;       /* handed over: DC and non-zero AC of the blocks that are needed */
    u64 blocks_parsed;      /* up to and including those of the last MCU needed */
    u64 blocks_transformed; /* of these, those inside the needed MCUs: dequantised, IDCT, stored */

    u64 upsampled_samples; /* JPEG: samples at full resolution: components x region pixels */
    u64 source_px;         /* pixels of the region through colour (JPEG) or copied (others) */

    /* A multiply-add is one weight times one pixel, three channels at once. Outputs are pixels
     * that a pass rounded or filled: x first, the x pass makes out_width x region height of them
     * and the y pass out_width x out_height; y first, region width x out_height, then out_width x
     * out_height. Multiply-adds of fills are 0. */
    u64 x_multiply_adds, x_outputs;
    u64 y_multiply_adds, y_outputs;

    u64 packed_elements; /* out_width x out_height x out_channels */
    u64 written_bytes;   /* the completion's bytes_written */
};

/* dlop_image and dlop_tensor with what each job took: counts_out [n_jobs]. For the host: not a
 * kernel of a card. Otherwise as in top.h. */
void dlop_image_counted(const u8 *in, const u8 *constants, u8 *out, u8 *scratch, const u8 *jobs,
                        u8 *completions, u64 in_bytes, u64 constants_bytes, u64 out_bytes,
                        u64 scratch_bytes, u32 n_jobs, struct dlop_top_counts *counts_out);
void dlop_tensor_counted(const u8 *in, const u8 *constants, u8 *out, u8 *scratch, const u8 *jobs,
                         u8 *completions, u64 in_bytes, u64 constants_bytes, u64 out_bytes,
                         u64 scratch_bytes, u32 n_jobs, struct dlop_top_counts *counts_out);

#endif
