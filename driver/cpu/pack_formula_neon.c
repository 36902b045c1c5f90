/* Tables of floats that are a formula (pack_formula.c), computed with NEON, 16 pixels at a time. */
#include "driver/cpu/pack.h"

#include <arm_neon.h>
#include <string.h>

/* One channel of 16 pixels. */
struct sixteen_floats {
    float32x4_t at[4];
};

static inline float32x4_t apply_to_4(uint32x4_t levels, const struct dlop_cpu_pack_formula *formula)
{
    const float32x4_t high = vdupq_n_f32((float)(1.0 / 255));
    const float32x4_t low = vdupq_n_f32((float)(1.0 / 255 - (double)(float)(1.0 / 255)));
    float32x4_t v = vcvtq_f32_u32(levels);
    float32x4_t unit = vfmaq_f32(vmulq_f32(v, low), v, high);
    float32x4_t centred = vsubq_f32(unit, vdupq_n_f32(formula->mean));

    return vfmaq_f32(vmulq_f32(centred, vdupq_n_f32(formula->scale_low)), centred,
                     vdupq_n_f32(formula->scale_high));
}

static inline struct sixteen_floats apply_to_16(uint8x16_t levels,
                                                const struct dlop_cpu_pack_formula *formula)
{
    uint16x8_t low = vmovl_u8(vget_low_u8(levels)), high = vmovl_high_u8(levels);

    return (struct sixteen_floats){{
        apply_to_4(vmovl_u16(vget_low_u16(low)), formula),
        apply_to_4(vmovl_high_u16(low), formula),
        apply_to_4(vmovl_u16(vget_low_u16(high)), formula),
        apply_to_4(vmovl_high_u16(high), formula),
    }};
}

static bool formula_gives(const struct dlop_cpu_pack_formula *formula, const u8 *table)
{
    u8 levels[256];

    for (u32 v = 0; v < 256; v++)
        levels[v] = (u8)v;
    for (size_t v = 0; v < 256; v += 16) {
        struct sixteen_floats value = apply_to_16(vld1q_u8(levels + v), formula);
        uint32x4_t is_equal = vdupq_n_u32(~0u);

        for (u32 i = 0; i < 4; i++) {
            uint8x16_t wanted = vld1q_u8(table + 4 * v + (size_t)16 * i);

            is_equal = vandq_u32(is_equal, vceqq_u32(vreinterpretq_u32_f32(value.at[i]),
                                                     vreinterpretq_u32_u8(wanted)));
        }
        if (vminvq_u32(is_equal) == 0)
            return false;
    }
    return true;
}

void dlop_cpu_pack_plan_neon(struct dlop_cpu_pack *pack, struct dlop_cpu_pack_memo *memo)
{
    dlop_cpu_pack_plan_formula(pack, memo, formula_gives);
}

void dlop_cpu_formula_to_planes_neon(const struct dlop_cpu_pack *pack, const u8 *row, float *out)
{
    size_t n_px = pack->n_px, plane = n_px * pack->job->out_height_px;

    for (size_t x = 0; x < n_px; x += 16) {
        uint8x16x4_t pixels = vld4q_u8(row + 4 * x);
        size_t n = n_px - x < 16 ? n_px - x : 16;

        for (u32 c = 0; c < pack->n_channels; c++) {
            struct sixteen_floats value = apply_to_16(pixels.val[c], &pack->formula[c]);
            float *to = out + c * plane + x, last[16];

            for (size_t i = 0; i < 4; i++)
                vst1q_f32((n == 16 ? to : last) + 4 * i, value.at[i]);
            if (n < 16)
                memcpy(to, last, n * sizeof(float));
        }
    }
}

void dlop_cpu_formula_to_rgb_neon(const struct dlop_cpu_pack *pack, const u8 *row, float *out)
{
    size_t n_px = pack->n_px;

    for (size_t x = 0; x < n_px; x += 16) {
        uint8x16x4_t pixels = vld4q_u8(row + 4 * x);
        size_t n = n_px - x < 16 ? n_px - x : 16;
        struct sixteen_floats value[3];
        float *to = out + 3 * x, last[3 * 16];

        for (u32 c = 0; c < 3; c++)
            value[c] = apply_to_16(pixels.val[c], &pack->formula[c]);
        for (size_t i = 0; i < 4; i++) {
            float32x4x3_t rgb = {{value[0].at[i], value[1].at[i], value[2].at[i]}};

            vst3q_f32((n == 16 ? to : last) + 12 * i, rgb);
        }
        if (n < 16)
            memcpy(to, last, n * 3 * sizeof(float));
    }
}
