/* Upsampling filters with NEON, 16 samples in at a time; weighted sums have 16 bits. */
#include "driver/cpu/upsample.h"

#include <arm_neon.h>
#include <stddef.h>

/* 16 sums: of samples 0-7 and 8-15. */
struct halves {
    uint16x8_t low, high;
};

/* 3 near + far */
static inline struct halves weigh(uint8x16_t near, uint8x16_t far)
{
    const uint8x16_t three = vdupq_n_u8(3);

    return (struct halves){
        vaddw_u8(vmull_u8(vget_low_u8(near), vget_low_u8(three)), vget_low_u8(far)),
        vaddw_high_u8(vmull_high_u8(near, three), far),
    };
}

/* (sum + bias) >> 2 */
static inline uint8x16_t round_shift_2(struct halves sum, u16 bias)
{
    const uint16x8_t rounding = vdupq_n_u16(bias);

    return vcombine_u8(vshrn_n_u16(vaddq_u16(sum.low, rounding), 2),
                       vshrn_n_u16(vaddq_u16(sum.high, rounding), 2));
}

void dlop_cpu_upsample_h2v1_neon(const u8 *in, u32 n, u8 *out)
{
    for (size_t i = 0; i < n; i += 16) {
        uint8x16_t near = vld1q_u8(in + i);
        uint8x16x2_t pairs;

        pairs.val[0] = round_shift_2(weigh(near, vld1q_u8(in + i - 1)), 1);
        pairs.val[1] = round_shift_2(weigh(near, vld1q_u8(in + i + 1)), 2);
        vst2q_u8(out + 2 * i, pairs);
    }
}

/* (3 here + beside + bias) >> 4 */
static inline uint8x16_t blend_columns(struct halves here, struct halves beside, u16 bias)
{
    const uint16x8_t rounding = vdupq_n_u16(bias);
    uint16x8_t low = vmlaq_n_u16(vaddq_u16(beside.low, rounding), here.low, 3);
    uint16x8_t high = vmlaq_n_u16(vaddq_u16(beside.high, rounding), here.high, 3);

    return vcombine_u8(vshrn_n_u16(low, 4), vshrn_n_u16(high, 4));
}

void dlop_cpu_upsample_h2v2_neon(const u8 *near_row, const u8 *far_row, u32 n, u8 *out)
{
    for (size_t i = 0; i < n; i += 16) {
        struct halves left = weigh(vld1q_u8(near_row + i - 1), vld1q_u8(far_row + i - 1));
        struct halves here = weigh(vld1q_u8(near_row + i), vld1q_u8(far_row + i));
        struct halves right = weigh(vld1q_u8(near_row + i + 1), vld1q_u8(far_row + i + 1));
        uint8x16x2_t pairs;

        pairs.val[0] = blend_columns(here, left, 8);
        pairs.val[1] = blend_columns(here, right, 7);
        vst2q_u8(out + 2 * i, pairs);
    }
}

void dlop_cpu_upsample_h1v2_neon(const u8 *near_row, const u8 *far_row, u32 is_odd, u32 n, u8 *out)
{
    for (size_t i = 0; i < n; i += 16) {
        struct halves sum = weigh(vld1q_u8(near_row + i), vld1q_u8(far_row + i));

        vst1q_u8(out + i, round_shift_2(sum, (u16)(1 + is_odd)));
    }
}
