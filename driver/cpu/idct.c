/* Inverse DCT in plain C: column by column, since most columns of most blocks have no AC
 * coefficient, and everything that a transform needs in registers. Same arithmetic as
 * hw/core/idct.h. */
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

/* Eight results of one 8-point transform, not yet descaled, but with half of the divisor added. */
static inline void transform(const s32 v[8], s32 half, s32 out[8])
{
    s32 rotation = (v[2] + v[6]) * 4433;
    s32 e2 = rotation - v[6] * 15137, e3 = rotation + v[2] * 6270;
    s32 e0 = (v[0] + v[4]) * (1 << DLOP_IDCT_FRACTION_BITS) + half;
    s32 e1 = (v[0] - v[4]) * (1 << DLOP_IDCT_FRACTION_BITS) + half;
    s32 all = (v[7] + v[3] + v[5] + v[1]) * 9633;
    s32 s71 = (v[7] + v[1]) * -7373, s53 = (v[5] + v[3]) * -20995;
    s32 s73 = (v[7] + v[3]) * -16069 + all, s51 = (v[5] + v[1]) * -3196 + all;
    s32 o0 = v[7] * 2446 + s71 + s73, o1 = v[5] * 16819 + s53 + s51;
    s32 o2 = v[3] * 25172 + s53 + s73, o3 = v[1] * 12299 + s71 + s51;

    out[0] = e0 + e3 + o3;
    out[7] = e0 + e3 - o3;
    out[1] = e1 + e2 + o2;
    out[6] = e1 + e2 - o2;
    out[2] = e1 - e2 + o1;
    out[5] = e1 - e2 - o1;
    out[3] = e0 - e3 + o0;
    out[4] = e0 - e3 - o0;
}

/* Negative where x leaves -limit..limit. */
static inline s32 beyond(s32 x, s32 limit)
{
    return (limit - x) | (limit + x);
}

/* Column x of pass 1 into row x of the turned block. Returns a negative value where one of both is
 * not in the range in which decoders agree. */
static inline s32 transform_column(const s16 *coef, const u16 *factor, s16 turned[8])
{
    const s32 n_bits = DLOP_IDCT_FRACTION_BITS - DLOP_IDCT_GUARD_BITS;
    s32 v[8], out[8], outside = 0;

    for (u32 y = 0; y < 8; y++) {
        v[y] = coef[8 * (size_t)y] * (s32)factor[8 * (size_t)y];
        outside |= beyond(v[y], DLOP_DEQUANTISE_MAX);
        v[y] = (s16)v[y];
    }
    transform(v, 1 << (n_bits - 1), out);
    for (u32 y = 0; y < 8; y++) {
        s32 value = out[y] >> n_bits;

        outside |= beyond(value, DLOP_IDCT_MAX_BETWEEN_PASSES);
        turned[y] = (s16)value;
    }
    return outside;
}

u32 dlop_cpu_idct_plain(const s16 *coef, const struct dlop_cpu_quant *quant, u8 *samples,
                        size_t stride_bytes)
{
    const s32 n_bits = DLOP_IDCT_FRACTION_BITS + DLOP_IDCT_GUARD_BITS + 3;
    s16 turned[8][8];
    s32 outside = 0;

    for (u32 x = 0; x < 8; x++) {
        s32 dc = coef[x] * (s32)quant->factor[x];
        u32 ac = 0;

        for (u32 y = 1; y < 8; y++)
            ac |= (u16)coef[8 * y + x];
        if (ac != 0 || dc > 4095 || dc < -4095) {
            outside |= transform_column(coef + x, quant->factor + x, turned[x]);
        } else {
            /* Most columns of most blocks. */
            for (u32 y = 0; y < 8; y++)
                turned[x][y] = (s16)(4 * dc);
        }
    }
    for (u32 y = 0; y < 8; y++) {
        s32 v[8], out[8];

        for (u32 x = 0; x < 8; x++)
            v[x] = turned[x][y];
        transform(v, (1 << (n_bits - 1)) + 128 * (1 << n_bits), out);
        for (u32 x = 0; x < 8; x++)
            samples[y * stride_bytes + x] = dlop_clamp_u8(out[x] >> n_bits);
    }
    return outside < 0;
}
