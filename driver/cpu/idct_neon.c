/* Inverse DCT of one block with NEON, as a step of its own and in the loop that decodes
 * coefficients.
 *
 * Both passes work on whole rows of the block, one register each: eight transforms of columns at a
 * time, products in 32 bits, the block turned in between. Coefficients stand in natural order.
 * Sums of two inputs are made in 16 bits: they fit unless an input is beyond what decoders agree
 * on, and then the block is refused.
 */
#include "driver/cpu/idct.h"

#include <arm_neon.h>

#include "driver/cpu/entropy_loop.h"

/* Four of the eight columns, eight 32-bit results each, not yet descaled. */
struct quad_sums {
    int32x4_t at[8];
};

/* a * x + b * y */
INLINE int32x4_t pair_sum(int16x4_t a, s16 x, int16x4_t b, s16 y)
{
    return vmlal_n_s16(vmull_n_s16(a, x), b, y);
}

/* One 8-point transform of four columns; rounding is added to every result. */
INLINE struct quad_sums transform_4(const int16x4_t v[8], int32x4_t rounding)
{
    int16x4_t z73 = vadd_s16(v[7], v[3]), z51 = vadd_s16(v[5], v[1]);
    int32x4_t e0 = vaddq_s32(pair_sum(v[0], 8192, v[4], 8192), rounding);
    int32x4_t e1 = vaddq_s32(pair_sum(v[0], 8192, v[4], -8192), rounding);
    int32x4_t e2 = pair_sum(v[2], 4433, v[6], 4433 - 15137);
    int32x4_t e3 = pair_sum(v[2], 4433 + 6270, v[6], 4433);
    int32x4_t s73 = pair_sum(z73, 9633 - 16069, z51, 9633);
    int32x4_t s51 = pair_sum(z73, 9633, z51, 9633 - 3196);
    int32x4_t o0 = vaddq_s32(s73, pair_sum(v[7], 2446 - 7373, v[1], -7373));
    int32x4_t o3 = vaddq_s32(s51, pair_sum(v[7], -7373, v[1], 12299 - 7373));
    int32x4_t o1 = vaddq_s32(s51, pair_sum(v[5], 16819 - 20995, v[3], -20995));
    int32x4_t o2 = vaddq_s32(s73, pair_sum(v[5], -20995, v[3], 25172 - 20995));
    int32x4_t even0 = vaddq_s32(e0, e3), even3 = vsubq_s32(e0, e3);
    int32x4_t even1 = vaddq_s32(e1, e2), even2 = vsubq_s32(e1, e2);

    return (struct quad_sums){{
        vaddq_s32(even0, o3),
        vaddq_s32(even1, o2),
        vaddq_s32(even2, o1),
        vaddq_s32(even3, o0),
        vsubq_s32(even3, o0),
        vsubq_s32(even2, o1),
        vsubq_s32(even1, o2),
        vsubq_s32(even0, o3),
    }};
}

INLINE void transform_8(const int16x8_t v[8], s32 rounding, struct quad_sums *low_out,
                        struct quad_sums *high_out)
{
    int16x4_t low[8], high[8];

    for (u32 i = 0; i < 8; i++) {
        low[i] = vget_low_s16(v[i]);
        high[i] = vget_high_s16(v[i]);
    }
    *low_out = transform_4(low, vdupq_n_s32(rounding));
    *high_out = transform_4(high, vdupq_n_s32(rounding));
}

/* Transpose 8 x 8 values by pairs of one, two and four. */
INLINE void turn(int16x8_t v[8])
{
    for (u32 i = 0; i < 8; i += 2) {
        int16x8x2_t t = vtrnq_s16(v[i], v[i + 1]);

        v[i] = t.val[0];
        v[i + 1] = t.val[1];
    }
    for (u32 i = 0; i < 4; i++) {
        int16x8_t *first = v + i + (i & 2), *second = first + 2; /* 0 1 4 5 and 2 3 6 7 */
        int32x4x2_t t = vtrnq_s32(vreinterpretq_s32_s16(*first), vreinterpretq_s32_s16(*second));

        *first = vreinterpretq_s16_s32(t.val[0]);
        *second = vreinterpretq_s16_s32(t.val[1]);
    }
    for (u32 i = 0; i < 4; i++) {
        int64x2_t a = vreinterpretq_s64_s16(v[i]), b = vreinterpretq_s64_s16(v[i + 4]);

        v[i] = vreinterpretq_s16_s64(vtrn1q_s64(a, b));
        v[i + 4] = vreinterpretq_s16_s64(vtrn2q_s64(a, b));
    }
}

/* Multiply by the quantisers. Returns lanes that are not zero where a product is too large. */
INLINE uint16x8_t dequantise(const s16 *coef, const struct dlop_cpu_quant *quant, int16x8_t v[8])
{
    const u32 n_checked = quant->is_limit_needed ? 8 : 1; /* the first row has the DC coefficient */
    uint16x8_t outside = vdupq_n_u16(0);

    for (u32 i = 0; i < 8; i++) {
        int16x8_t factor = vreinterpretq_s16_u16(vld1q_u16(quant->factor + 8 * i));

        v[i] = vmulq_s16(vld1q_s16(coef + 8 * i), factor);
    }
    for (u32 i = 0; i < n_checked; i++) {
        uint16x8_t magnitude = vreinterpretq_u16_s16(vabsq_s16(vld1q_s16(coef + 8 * i)));

        outside = vorrq_u16(outside, vqsubq_u16(magnitude, vld1q_u16(quant->limit + 8 * i)));
    }
    return outside;
}

INLINE u32 transform_block(const s16 *coef, const struct dlop_cpu_quant *quant, u8 *samples,
                           size_t stride_bytes)
{
    int16x8_t v[8];
    uint16x8_t outside = dequantise(coef, quant, v), largest = vdupq_n_u16(0);
    struct quad_sums low, high;

    transform_8(v, 1 << 10, &low, &high);
    for (u32 i = 0; i < 8; i++) {
        v[i] = vcombine_s16(vqshrn_n_s32(low.at[i], 11), vqshrn_n_s32(high.at[i], 11));
        largest = vmaxq_u16(largest, vreinterpretq_u16_s16(vabsq_s16(v[i])));
    }
    turn(v);
    /* The level shift by 128 joins the rounding. */
    transform_8(v, (1 << 17) + (128 << 18), &low, &high);
    for (u32 i = 0; i < 8; i++)
        v[i] = vcombine_s16(vshrn_n_s32(low.at[i], 16), vshrn_n_s32(high.at[i], 16));
    turn(v);
    for (u32 i = 0; i < 8; i++)
        vst1_u8(samples + i * stride_bytes, vqshrun_n_s16(v[i], 2));
    outside = vorrq_u16(outside, vshrq_n_u16(largest, 14));
    return vmaxvq_u16(outside) != 0;
}

u32 dlop_cpu_idct_neon(const s16 *coef, const struct dlop_cpu_quant *quant, u8 *samples,
                       size_t stride_bytes)
{
    return transform_block(coef, quant, samples, stride_bytes);
}

u32 dlop_cpu_decode_mcus_neon(struct dlop_cpu_scan *scan, u32 n_mcus)
{
    return run_mcus(scan, n_mcus, dlop_cpu_coef_position_plain, transform_block);
}
