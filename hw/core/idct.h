/* Inverse DCT of one 8x8 block: the integer transform that libjpeg calls "islow".
 *
 * This text is the specification; replacements in driver/cpu and every device must equal it bit for
 * bit. Role in the pipeline: dequantised coefficients in, samples out; one call per block, no
 * state. Not here: dequantisation (hw/core/dequantise.h), DC-only shortcuts (exact, hence
 * optional).
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

/* One 8-point transform over v[0], v[stride], ..., v[7 * stride], in place.
 *
 * In:  any s16; a pass multiplies a value by at most 7.4726 * 2^13, so no sum leaves 32 bits.
 * Out: descaled by n_bits: 13 - guard bits in pass 1; 13 + guard bits + 3 (the 2-D scale of 8) in
 *      pass 2.
 */
DLOP_STEP void dlop_idct_8_points(s32 v[64], s32 first, s32 stride, s32 n_bits)
{
    s32 v0 = v[first + 0 * stride], v1 = v[first + 1 * stride], v2 = v[first + 2 * stride],
        v3 = v[first + 3 * stride];
    s32 v4 = v[first + 4 * stride], v5 = v[first + 5 * stride], v6 = v[first + 6 * stride],
        v7 = v[first + 7 * stride];

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

    v[first + 0 * stride] = dlop_idct_descale(e0 + e3 + o3, n_bits);
    v[first + 7 * stride] = dlop_idct_descale(e0 + e3 - o3, n_bits);
    v[first + 1 * stride] = dlop_idct_descale(e1 + e2 + o2, n_bits);
    v[first + 6 * stride] = dlop_idct_descale(e1 + e2 - o2, n_bits);
    v[first + 2 * stride] = dlop_idct_descale(e1 - e2 + o1, n_bits);
    v[first + 5 * stride] = dlop_idct_descale(e1 - e2 - o1, n_bits);
    v[first + 3 * stride] = dlop_idct_descale(e0 - e3 + o0, n_bits);
    v[first + 4 * stride] = dlop_idct_descale(e0 - e3 - o0, n_bits);
}

/* Bring a pass-1 result back into s16 and remember in *is_exact_out whether it was small enough. */
DLOP_STEP s32 dlop_idct_between_passes(s32 x, s32 *is_exact_out)
{
    if (x > DLOP_IDCT_MAX_BETWEEN_PASSES || x < -DLOP_IDCT_MAX_BETWEEN_PASSES)
        *is_exact_out = 0;
    return x > 32767 ? 32767 : x < -32768 ? -32768 : x;
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
    s32 work[64];
    s32 is_exact = 1;
    s32 i;

    /* Eight samples in each clock, as the passes have them. */
    DLOP_HLS(ARRAY_PARTITION variable = work type = complete)
    DLOP_HLS(ARRAY_PARTITION variable = coef type = cyclic factor = 8)
    DLOP_HLS(ARRAY_PARTITION variable = samples type = cyclic factor = 8)
    for (i = 0; i < 64; i++) {
        DLOP_HLS(PIPELINE II = 1)
        DLOP_HLS(UNROLL factor = 8)
        work[i] = coef[i];
    }
    for (i = 0; i < 8; i++) {
        DLOP_HLS(PIPELINE II = 1)
        dlop_idct_8_points(work, i, 8, DLOP_IDCT_FRACTION_BITS - DLOP_IDCT_GUARD_BITS);
    }
    for (i = 0; i < 64; i++) {
        DLOP_HLS(PIPELINE II = 1)
        DLOP_HLS(UNROLL factor = 8)
        work[i] = dlop_idct_between_passes(work[i], &is_exact);
    }
    for (i = 0; i < 8; i++) {
        DLOP_HLS(PIPELINE II = 1)
        dlop_idct_8_points(work, 8 * i, 1, DLOP_IDCT_FRACTION_BITS + DLOP_IDCT_GUARD_BITS + 3);
    }
    for (i = 0; i < 64; i++) {
        DLOP_HLS(PIPELINE II = 1)
        DLOP_HLS(UNROLL factor = 8)
        samples[i] = dlop_clamp_u8(work[i] + 128);
    }
    return is_exact;
}

#endif
