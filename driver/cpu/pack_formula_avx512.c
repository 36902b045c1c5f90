/* Tables of floats that are a formula (pack_formula.c), computed with AVX-512: the operations of
 * pack_formula_avx2.c on 16 elements, so what its plan found holds here, too. */
#include "driver/cpu/pack_avx512.h"

#define FIRST_BYTES 0x1111111111111111u /* of 32-bit elements */

struct formula_vectors {
    __m512 mean, scale_high, scale_low;
};

static inline __m512 formula_apply(__m512i levels, const struct formula_vectors *k)
{
    const __m512 high = _mm512_set1_ps((float)(1.0 / 255));
    const __m512 low = _mm512_set1_ps((float)(1.0 / 255 - (double)(float)(1.0 / 255)));
    __m512 v = _mm512_cvtepi32_ps(levels);
    __m512 unit = _mm512_fmadd_ps(v, high, _mm512_mul_ps(v, low));
    __m512 centred = _mm512_sub_ps(unit, k->mean);

    return _mm512_fmadd_ps(centred, k->scale_high, _mm512_mul_ps(centred, k->scale_low));
}

/* 16 elements, of which the first n are wanted. */
static inline void store(float *out, __m512 value, size_t n)
{
    if (n >= 16)
        _mm512_storeu_ps(out, value);
    else
        _mm512_mask_storeu_ps(out, (__mmask16)((1u << n) - 1), value);
}

static inline __attribute__((always_inline)) void
planes_row(const struct dlop_cpu_pack *pack, const u8 *row, float *out, u32 n_channels)
{
    const __m512i first_level = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 4, 8, 12));
    size_t plane = (size_t)pack->n_px * pack->job->out_height_px;
    struct formula_vectors k[DLOP_MAX_CHANNELS];
    __m512i level[DLOP_MAX_CHANNELS];

    for (u32 c = 0; c < n_channels; c++) {
        k[c].mean = _mm512_set1_ps(pack->formula[c].mean);
        k[c].scale_high = _mm512_set1_ps(pack->formula[c].scale_high);
        k[c].scale_low = _mm512_set1_ps(pack->formula[c].scale_low);
        level[c] = _mm512_add_epi32(first_level, _mm512_set1_epi32((s32)c));
    }
    for (size_t x = 0; x < pack->n_px; x += 16) {
        __m512i pixels = _mm512_loadu_si512(row + 4 * x);

        for (u32 c = 0; c < n_channels; c++)
            store(out + c * plane + x,
                  formula_apply(_mm512_maskz_shuffle_epi8(FIRST_BYTES, pixels, level[c]), &k[c]),
                  pack->n_px - x);
    }
}

#define LEVEL_OF(i)   4 * ((i) / 3) + (i) % 3
#define CHANNEL_OF(i) (i) % 3
#define LISTS_OF_48(f)                                                                             \
    {DLOP_CPU_BYTES_16(f, 0)}, {DLOP_CPU_BYTES_16(f, 16)},                                         \
    {                                                                                              \
        DLOP_CPU_BYTES_16(f, 32)                                                                   \
    }

/* 16 pixels of three channels are 48 elements: three vectors. */
void dlop_cpu_formula_to_rgb_avx512(const struct dlop_cpu_pack *pack, const u8 *row, float *out)
{
    static const u32 level_places[3][16] = {LISTS_OF_48(LEVEL_OF)};
    static const u32 channels[3][16] = {LISTS_OF_48(CHANNEL_OF)};
    const struct dlop_cpu_pack_formula *f = pack->formula;
    const __m512 mean = _mm512_setr4_ps(f[0].mean, f[1].mean, f[2].mean, 0);
    const __m512 high = _mm512_setr4_ps(f[0].scale_high, f[1].scale_high, f[2].scale_high, 0);
    const __m512 low = _mm512_setr4_ps(f[0].scale_low, f[1].scale_low, f[2].scale_low, 0);
    struct formula_vectors k[3];
    __m512i level[3];
    size_t n = 3 * (size_t)pack->n_px;

    for (u32 i = 0; i < 3; i++) {
        __m512i channel = _mm512_loadu_si512(channels[i]);

        level[i] = _mm512_loadu_si512(level_places[i]);
        k[i] = (struct formula_vectors){_mm512_permutexvar_ps(channel, mean),
                                        _mm512_permutexvar_ps(channel, high),
                                        _mm512_permutexvar_ps(channel, low)};
    }
    for (size_t x = 0; x < pack->n_px; x += 16) {
        __m512i pixels = _mm512_loadu_si512(row + 4 * x);

        for (u32 i = 0; i < 3 && 3 * x + 16 * (size_t)i < n; i++) {
            size_t first = 3 * x + 16 * (size_t)i;

            store(
                out + first,
                formula_apply(_mm512_maskz_permutexvar_epi8(FIRST_BYTES, level[i], pixels), &k[i]),
                n - first);
        }
    }
}

void dlop_cpu_formula_to_planes_avx512(const struct dlop_cpu_pack *pack, const u8 *row, float *out)
{
    if (pack->n_channels == 3)
        planes_row(pack, row, out, 3);
    else
        planes_row(pack, row, out, 1);
}
