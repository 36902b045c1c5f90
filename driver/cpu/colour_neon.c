/* Colour with NEON, 16 pixels at a time: loads and stores by fours put channels together.
 *
 * Products are split into 16-bit parts as in colour_avx2.c: 91881 = 65536 + 26345, 116130 = 2 *
 * 65536 - 14942, -46802 = -65536 + 18734; whole multiples of 65536 leave the rounding shift by 16
 * unchanged.
 */
#include "driver/cpu/colour.h"

#include <arm_neon.h>
#include <stddef.h>

/* (x * k + 32768) >> 16 as ((2 x * k >> 16) + 1) >> 1. */
static inline int16x8_t scale(int16x8_t x, s16 k)
{
    return vrshrq_n_s16(vqdmulhq_n_s16(x, k), 1);
}

/* (-22554 blue + 18734 red + 32768) >> 16 */
static inline int16x8_t scale_green(int16x8_t blue, int16x8_t red)
{
    int32x4_t low = vmull_n_s16(vget_low_s16(blue), -22554);
    int32x4_t high = vmull_high_n_s16(blue, -22554);

    low = vmlal_n_s16(low, vget_low_s16(red), 18734);
    high = vmlal_high_n_s16(high, red, 18734);
    return vcombine_s16(vrshrn_n_s32(low, 16), vrshrn_n_s32(high, 16));
}

/* Red, green and blue of 8 pixels. */
static inline uint8x8x3_t convert_8(uint8x8_t y, uint8x8_t cb, uint8x8_t cr)
{
    const uint8x8_t centre = vdup_n_u8(128);
    int16x8_t luma = vreinterpretq_s16_u16(vmovl_u8(y));
    int16x8_t blue = vreinterpretq_s16_u16(vsubl_u8(cb, centre));
    int16x8_t red = vreinterpretq_s16_u16(vsubl_u8(cr, centre));
    int16x8_t twice_blue = vaddq_s16(blue, blue);
    uint8x8x3_t rgb;

    rgb.val[0] = vqmovun_s16(vaddq_s16(vaddq_s16(luma, red), scale(red, 26345)));
    rgb.val[1] = vqmovun_s16(vaddq_s16(vsubq_s16(luma, red), scale_green(blue, red)));
    rgb.val[2] = vqmovun_s16(vaddq_s16(vaddq_s16(luma, twice_blue), scale(blue, -14942)));
    return rgb;
}

void dlop_cpu_ycc_to_rgbx_neon(const u8 *y, const u8 *cb, const u8 *cr, u32 n_px, u8 *rgbx_out)
{
    for (size_t i = 0; i < n_px; i += 16) {
        uint8x16_t luma = vld1q_u8(y + i), blue = vld1q_u8(cb + i), red = vld1q_u8(cr + i);
        uint8x8x3_t low = convert_8(vget_low_u8(luma), vget_low_u8(blue), vget_low_u8(red));
        uint8x8x3_t high = convert_8(vget_high_u8(luma), vget_high_u8(blue), vget_high_u8(red));
        uint8x16x4_t pixels;

        for (u32 c = 0; c < 3; c++)
            pixels.val[c] = vcombine_u8(low.val[c], high.val[c]);
        pixels.val[3] = vdupq_n_u8(255);
        vst4q_u8(rgbx_out + 4 * i, pixels);
    }
}

void dlop_cpu_rgb_to_rgbx_neon(const u8 *r, const u8 *g, const u8 *b, u32 n_px, u8 *rgbx_out)
{
    for (size_t i = 0; i < n_px; i += 16) {
        uint8x16x4_t pixels = {
            {vld1q_u8(r + i), vld1q_u8(g + i), vld1q_u8(b + i), vdupq_n_u8(255)}};

        vst4q_u8(rgbx_out + 4 * i, pixels);
    }
}

void dlop_cpu_grey_to_rgbx_neon(const u8 *grey, u32 n_px, u8 *rgbx_out)
{
    dlop_cpu_rgb_to_rgbx_neon(grey, grey, grey, n_px, rgbx_out);
}

/* The grey value of 4 pixels: the weights are 65536 together, so that it fits in 8 bits. */
static inline uint16x4_t grey_of_4(uint16x4_t r, uint16x4_t g, uint16x4_t b)
{
    uint32x4_t sum = vmull_n_u16(r, 19595);

    sum = vmlal_n_u16(sum, g, 38470);
    sum = vmlal_n_u16(sum, b, 7471);
    return vrshrn_n_u32(sum, 16);
}

static inline uint8x8_t grey_of_8(uint8x8_t red, uint8x8_t green, uint8x8_t blue)
{
    uint16x8_t r = vmovl_u8(red), g = vmovl_u8(green), b = vmovl_u8(blue);

    return vmovn_u16(vcombine_u16(grey_of_4(vget_low_u16(r), vget_low_u16(g), vget_low_u16(b)),
                                  grey_of_4(vget_high_u16(r), vget_high_u16(g), vget_high_u16(b))));
}

void dlop_cpu_rgbx_to_grey_neon(u8 *rgbx, u32 n_px)
{
    for (size_t i = 0; i < n_px; i += 16) {
        uint8x16x4_t px = vld4q_u8(rgbx + 4 * i);
        uint8x16_t grey = vcombine_u8(
            grey_of_8(vget_low_u8(px.val[0]), vget_low_u8(px.val[1]), vget_low_u8(px.val[2])),
            grey_of_8(vget_high_u8(px.val[0]), vget_high_u8(px.val[1]), vget_high_u8(px.val[2])));

        for (u32 c = 0; c < 3; c++)
            px.val[c] = grey;
        vst4q_u8(rgbx + 4 * i, px);
    }
}
