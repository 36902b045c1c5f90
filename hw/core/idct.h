/* Inverse DCT of one 8x8 block: the integer transform that libjpeg calls "islow".
 *
 * This text is the specification; replacements in driver/cpu and every device must equal it bit for
 * bit. Role in the pipeline: dequantised coefficients in, samples out; no state between blocks;
 * each pass can be a stage of its own. Not here: dequantisation (hw/core/dequantise.h), shortcuts
 * for blocks of DC alone (exact, hence optional).
 *
 * Source: Loeffler, Ligtenberg, Moschytz, "Practical fast 1-D DCT algorithms with 11
 * multiplications", ICASSP 1989.
 */
#ifndef DLOP_HW_CORE_IDCT_H
#define DLOP_HW_CORE_IDCT_H

#include "hw/core/arith.h"

/* Constants are round(x * 2^13) of the factors in the paper's flow graph. */
#define DLOP_IDCT_FRACTION_BITS 13
/* Pass 1 keeps two fraction bits so that pass 2 rounds once. */
#define DLOP_IDCT_GUARD_BITS 2
/* Between the passes an 8-bit image stays far below this. Beyond it libjpeg-turbo's 16-bit vector
 * code wraps, so the record is refused instead of decoded differently. */
#define DLOP_IDCT_MAX_BETWEEN_PASSES 16383

/* Round to nearest, halves up: arithmetic shift of a signed value is relied on. */
DLOP_STEP s32 dlop_idct_descale(s32 x, s32 n_bits)
{
    return (x + (1 << (n_bits - 1))) >> n_bits;
}

/* One 8-point transform in place.
 *
 * In:  any s16; a pass multiplies a value by at most 7.4726 * 2^13, so no sum leaves 32 bits.
 * Out: descaled by n_bits: 13 - guard bits in pass 1; 13 + guard bits + 3 (the 2-D scale of 8) in
 *      pass 2.
 */
DLOP_STEP void dlop_idct_8_points(s32 v[8], s32 n_bits)
{
    s32 v0 = v[0], v1 = v[1], v2 = v[2], v3 = v[3], v4 = v[4], v5 = v[5], v6 = v[6], v7 = v[7];

    /* Even part: a rotation of (v2, v6) and the butterflies of (v0, v4). */
    s32 rotation = (v2 + v6) * 4433;
    s32 e2 = rotation - v6 * 15137, e3 = rotation + v2 * 6270;
    s32 e0 = (v0 + v4) * (1 << DLOP_IDCT_FRACTION_BITS),
        e1 = (v0 - v4) * (1 << DLOP_IDCT_FRACTION_BITS);

    /* Odd part: eleven-multiplication form, sums shared between the four outputs. */
    s32 all = (v7 + v3 + v5 + v1) * 9633;
    s32 s71 = (v7 + v1) * -7373, s53 = (v5 + v3) * -20995;
    s32 s73 = (v7 + v3) * -16069 + all, s51 = (v5 + v1) * -3196 + all;
    s32 o0 = v7 * 2446 + s71 + s73, o1 = v5 * 16819 + s53 + s51;
    s32 o2 = v3 * 25172 + s53 + s73, o3 = v1 * 12299 + s71 + s51;

    v[0] = dlop_idct_descale(e0 + e3 + o3, n_bits);
    v[7] = dlop_idct_descale(e0 + e3 - o3, n_bits);
    v[1] = dlop_idct_descale(e1 + e2 + o2, n_bits);
    v[6] = dlop_idct_descale(e1 + e2 - o2, n_bits);
    v[2] = dlop_idct_descale(e1 - e2 + o1, n_bits);
    v[5] = dlop_idct_descale(e1 - e2 - o1, n_bits);
    v[3] = dlop_idct_descale(e0 - e3 + o0, n_bits);
    v[4] = dlop_idct_descale(e0 - e3 - o0, n_bits);
}

/* Bring a pass-1 result back into s16 and remember in *is_exact_out whether it was small enough. */
DLOP_STEP s32 dlop_idct_between_passes(s32 x, s32 *is_exact_out)
{
    if (x > DLOP_IDCT_MAX_BETWEEN_PASSES || x < -DLOP_IDCT_MAX_BETWEEN_PASSES)
        *is_exact_out = 0;
    return x > 32767 ? 32767 : x < -32768 ? -32768 : x;
}

/* Pass 1: each column. between_out: [64] in s16, always written. Returns as dlop_idct_block. */
DLOP_STEP s32 dlop_idct_columns(const s16 coef[64], s32 between_out[64])
{
    s32 is_exact = 1, i, r;

    /* A column is one value of each row, and the other pass takes rows. */
    DLOP_HLS(ARRAY_PARTITION variable = coef type = complete)
    DLOP_HLS(ARRAY_PARTITION variable = between_out type = complete)
    for (i = 0; i < 8; i++) {
        DLOP_HLS(PIPELINE II = 1)
        s32 v[8];

        for (r = 0; r < 8; r++) {
            DLOP_HLS(UNROLL)
            v[r] = coef[8 * r + i];
        }
        dlop_idct_8_points(v, DLOP_IDCT_FRACTION_BITS - DLOP_IDCT_GUARD_BITS);
        for (r = 0; r < 8; r++) {
            DLOP_HLS(UNROLL)
            between_out[8 * r + i] = dlop_idct_between_passes(v[r], &is_exact);
        }
    }
    return is_exact;
}

/* Pass 2: each row of what pass 1 left. samples_out: [64], always written. */
DLOP_STEP void dlop_idct_rows(const s32 between[64], u8 samples_out[64])
{
    s32 i, c;

    DLOP_HLS(ARRAY_PARTITION variable = between type = complete)
    DLOP_HLS(ARRAY_PARTITION variable = samples_out type = cyclic factor = 8)
    for (i = 0; i < 8; i++) {
        DLOP_HLS(PIPELINE II = 1)
        s32 v[8];

        for (c = 0; c < 8; c++) {
            DLOP_HLS(UNROLL)
            v[c] = between[8 * i + c];
        }
        dlop_idct_8_points(v, DLOP_IDCT_FRACTION_BITS + DLOP_IDCT_GUARD_BITS + 3);
        for (c = 0; c < 8; c++) {
            DLOP_HLS(UNROLL)
            samples_out[8 * i + c] = dlop_clamp_u8(v[c] + 128);
        }
    }
}

/* Transform one block.
 *
 * coef:    [64] dequantised coefficients in natural (row-major) order; any s16 is safe, exactness
 *          needs |coef| <= DLOP_IDCT_MAX_BETWEEN_PASSES.
 * samples: [64] row-major, 0..255; always written.
 * Returns 1, or 0 where the block cannot come from an 8-bit image and the caller must refuse the
 * record. Columns go first, then rows: the order is part of the definition because each pass
 * rounds.
 */
DLOP_STEP s32 dlop_idct_block(const s16 coef[64], u8 samples[64])
{
    s32 between[64];
    s32 is_exact = dlop_idct_columns(coef, between);

    dlop_idct_rows(between, samples);
    return is_exact;
}

#endif
