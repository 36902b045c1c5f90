/* Inverse DCT in plain C, written for compilers that vectorise: eight columns side by side in both
 * passes, with a transposition between them. Same arithmetic as hw/core/idct.h. */
#include "driver/cpu/idct.h"

#include "hw/core/dequantise.h"
#include "hw/core/idct.h"

#define PLACES(first)                                                                              \
    [first] = 0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41,  \
    34, 27, 20, 13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44,  \
    51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63

/* Natural order: index - 1 is the coefficient's number in zigzag order. */
const u8 dlop_cpu_coef_position_plain[DLOP_CPU_N_INDICES] = {
    [0] = DLOP_CPU_COEF_DUMMY,
    PLACES(1),
    [65 ... DLOP_CPU_END_ADVANCE] = DLOP_CPU_COEF_DUMMY,
    PLACES(DLOP_CPU_END_ADVANCE + 1),
    [DLOP_CPU_END_ADVANCE + 65 ... DLOP_CPU_N_INDICES - 1] = DLOP_CPU_COEF_DUMMY,
};

/* One pass over eight columns: v[row][column] in and out, descaled by n_bits. */
static inline void transform_columns(s32 v[8][8], s32 n_bits)
{
    const s32 half = 1 << (n_bits - 1);

    for (u32 x = 0; x < 8; x++) {
        s32 v1 = v[1][x], v3 = v[3][x], v5 = v[5][x], v7 = v[7][x];
        s32 rotation = (v[2][x] + v[6][x]) * 4433;
        s32 e2 = rotation - v[6][x] * 15137, e3 = rotation + v[2][x] * 6270;
        s32 e0 = (v[0][x] + v[4][x]) * (1 << DLOP_IDCT_FRACTION_BITS) + half;
        s32 e1 = (v[0][x] - v[4][x]) * (1 << DLOP_IDCT_FRACTION_BITS) + half;
        s32 all = (v7 + v3 + v5 + v1) * 9633;
        s32 s71 = (v7 + v1) * -7373, s53 = (v5 + v3) * -20995;
        s32 s73 = (v7 + v3) * -16069 + all, s51 = (v5 + v1) * -3196 + all;
        s32 o0 = v7 * 2446 + s71 + s73, o1 = v5 * 16819 + s53 + s51;
        s32 o2 = v3 * 25172 + s53 + s73, o3 = v1 * 12299 + s71 + s51;

        v[0][x] = (e0 + e3 + o3) >> n_bits;
        v[7][x] = (e0 + e3 - o3) >> n_bits;
        v[1][x] = (e1 + e2 + o2) >> n_bits;
        v[6][x] = (e1 + e2 - o2) >> n_bits;
        v[2][x] = (e1 - e2 + o1) >> n_bits;
        v[5][x] = (e1 - e2 - o1) >> n_bits;
        v[3][x] = (e0 - e3 + o0) >> n_bits;
        v[4][x] = (e0 - e3 - o0) >> n_bits;
    }
}

u32 dlop_cpu_idct_plain(const s16 *coef, const struct dlop_cpu_quant *quant, u8 *samples,
                        size_t stride_bytes)
{
    s32 work[8][8], turned[8][8];
    u32 outside = 0;

    for (u32 i = 0; i < 64; i++) {
        s32 product = coef[i] * (s32)quant->factor[i];

        outside |= product > DLOP_DEQUANTISE_MAX || product < -DLOP_DEQUANTISE_MAX;
        work[i / 8][i % 8] = (s16)product;
    }
    transform_columns(work, DLOP_IDCT_FRACTION_BITS - DLOP_IDCT_GUARD_BITS);
    for (u32 y = 0; y < 8; y++) {
        for (u32 x = 0; x < 8; x++) {
            s32 value = work[y][x];

            outside |=
                value > DLOP_IDCT_MAX_BETWEEN_PASSES || value < -DLOP_IDCT_MAX_BETWEEN_PASSES;
            turned[x][y] = (s16)value;
        }
    }
    transform_columns(turned, DLOP_IDCT_FRACTION_BITS + DLOP_IDCT_GUARD_BITS + 3);
    for (u32 y = 0; y < 8; y++) {
        for (u32 x = 0; x < 8; x++)
            samples[y * stride_bytes + x] = dlop_clamp_u8(turned[x][y] + 128);
    }
    return outside;
}
