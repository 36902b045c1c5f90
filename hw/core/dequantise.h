/* Dequantisation: quantised coefficients in zigzag order in, the natural (row-major) block that the
 * inverse DCT takes out.
 *
 * Formula: out[natural(i)] = coef[i] * quant[i], 0 where coef[i] is not valid. A block is refused
 * where a product leaves +-DLOP_DEQUANTISE_MAX: beyond it decoders with 16-bit arithmetic wrap and
 * others do not.
 */
#ifndef DLOP_HW_CORE_DEQUANTISE_H
#define DLOP_HW_CORE_DEQUANTISE_H

#include "hw/abi/status.h"
#include "hw/core/entropy.h"

#define DLOP_DEQUANTISE_MAX 16383

/* Row-major position of the i-th coefficient in zigzag order. */
DLOP_TABLE u8 dlop_natural_order[64] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48,
    41, 34, 27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
    30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
};

/* block: |coef| <= 16383. quant: [64], zigzag order, any u16. natural_out: always written.
 * DLOP_OK; DLOP_ERR_INEXACT: the record must be refused. */
DLOP_STEP s32 dlop_dequantise_block(const struct dlop_coef_block *block, const u16 quant[64],
                                    s16 natural_out[64])
{
    s32 status = DLOP_OK;
    u32 i;

    DLOP_HLS(ARRAY_PARTITION variable = quant type = cyclic factor = 8)
    DLOP_HLS(ARRAY_PARTITION variable = natural_out type = complete)
    for (i = 0; i < 64; i++) {
        DLOP_HLS(PIPELINE II = 1)
        DLOP_HLS(UNROLL factor = 8)
        s32 is_valid = (block->valid >> i & 1) != 0;
        s32 product = is_valid ? block->coef[i] * (s32)quant[i] : 0;

        if (product > DLOP_DEQUANTISE_MAX || product < -DLOP_DEQUANTISE_MAX) {
            status = DLOP_ERR_INEXACT;
            product = 0;
        }
        natural_out[dlop_natural_order[i]] = (s16)product;
    }
    return status;
}

#endif
