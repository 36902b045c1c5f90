/* Tables of floats that are a formula (pack_formula.c), computed with AVX2 and FMA. */
#include "driver/cpu/pack.h"

#include <immintrin.h>

struct formula_vectors {
    __m256 mean, scale_high, scale_low;
};

static inline __m256 formula_apply(__m256i levels, struct formula_vectors k)
{
    const __m256 high = _mm256_set1_ps((float)(1.0 / 255));
    const __m256 low = _mm256_set1_ps((float)(1.0 / 255 - (double)(float)(1.0 / 255)));
    __m256 v = _mm256_cvtepi32_ps(levels);
    __m256 unit = _mm256_fmadd_ps(v, high, _mm256_mul_ps(v, low));
    __m256 centred = _mm256_sub_ps(unit, k.mean);

    return _mm256_fmadd_ps(centred, k.scale_high, _mm256_mul_ps(centred, k.scale_low));
}

static struct formula_vectors formula_broadcast(const struct dlop_cpu_pack_formula *formula)
{
    struct formula_vectors k = {_mm256_set1_ps(formula->mean), _mm256_set1_ps(formula->scale_high),
                                _mm256_set1_ps(formula->scale_low)};

    return k;
}

static bool formula_gives(const struct dlop_cpu_pack_formula *formula, const u8 *table)
{
    const __m256i first = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    struct formula_vectors k = formula_broadcast(formula);

    for (s32 v = 0; v < 256; v += 8) {
        __m256 value = formula_apply(_mm256_add_epi32(first, _mm256_set1_epi32(v)), k);
        __m256i wanted = _mm256_loadu_si256((const __m256i *)(const void *)(table + 4 * (size_t)v));
        __m256i is_equal = _mm256_cmpeq_epi32(_mm256_castps_si256(value), wanted);

        if (_mm256_movemask_epi8(is_equal) != -1)
            return false;
    }
    return true;
}

void dlop_cpu_pack_plan_avx2(struct dlop_cpu_pack *pack, struct dlop_cpu_pack_memo *memo)
{
    dlop_cpu_pack_plan_formula(pack, memo, formula_gives);
}

/* 8 floats, of which the first n are wanted. */
static inline void store_some(float *out, __m256 value, u32 n)
{
    const __m256i order = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

    _mm256_maskstore_ps(out, _mm256_cmpgt_epi32(_mm256_set1_epi32((s32)n), order), value);
}

static inline __m256i channel_levels(__m256i pixels, u32 c)
{
    return _mm256_and_si256(_mm256_srli_epi32(pixels, (int)(8 * c)), _mm256_set1_epi32(255));
}

static inline __attribute__((always_inline)) void
planes_row(const struct dlop_cpu_pack *pack, const u8 *row, float *out, u32 n_channels)
{
    size_t plane = (size_t)pack->n_px * pack->job->out_height_px;
    struct formula_vectors k[DLOP_MAX_CHANNELS];

    for (u32 c = 0; c < n_channels; c++)
        k[c] = formula_broadcast(&pack->formula[c]);
    for (size_t x = 0; x < pack->n_px; x += 8) {
        __m256i pixels = _mm256_loadu_si256((const __m256i *)(const void *)(row + 4 * x));

        for (u32 c = 0; c < n_channels; c++) {
            __m256 value = formula_apply(channel_levels(pixels, c), k[c]);

            if (x + 8 <= pack->n_px)
                _mm256_storeu_ps(out + c * plane + x, value);
            else
                store_some(out + c * plane + x, value, pack->n_px % 8);
        }
    }
}

/* 8 pixels of three channels are 24 elements: three vectors whose channels begin with R, B and G.
 * Each vector's pixels begin at first_px, its samples are the bytes `from`. */
void dlop_cpu_formula_to_rgb_avx2(const struct dlop_cpu_pack *pack, const u8 *row, float *out)
{
    static const u32 first_px[3] = {0, 2, 5};
    const __m128i from[3] = {
        _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, -1, -1, -1, -1, -1, -1, -1, -1),
        _mm_setr_epi8(2, 4, 5, 6, 8, 9, 10, 12, -1, -1, -1, -1, -1, -1, -1, -1),
        _mm_setr_epi8(1, 2, 4, 5, 6, 8, 9, 10, -1, -1, -1, -1, -1, -1, -1, -1),
    };
    const struct dlop_cpu_pack_formula *f = pack->formula;
    struct formula_vectors k[3];
    size_t n = 3 * (size_t)pack->n_px;

    for (u32 i = 0; i < 3; i++) {
        const struct dlop_cpu_pack_formula *a = &f[8 * i % 3], *b = &f[(8 * i + 1) % 3];
        const struct dlop_cpu_pack_formula *c = &f[(8 * i + 2) % 3];

        k[i].mean =
            _mm256_setr_ps(a->mean, b->mean, c->mean, a->mean, b->mean, c->mean, a->mean, b->mean);
        k[i].scale_high =
            _mm256_setr_ps(a->scale_high, b->scale_high, c->scale_high, a->scale_high,
                           b->scale_high, c->scale_high, a->scale_high, b->scale_high);
        k[i].scale_low = _mm256_setr_ps(a->scale_low, b->scale_low, c->scale_low, a->scale_low,
                                        b->scale_low, c->scale_low, a->scale_low, b->scale_low);
    }
    for (size_t x = 0; x < pack->n_px; x += 8)
        for (u32 i = 0; i < 3; i++) {
            const u8 *at = row + 4 * (x + first_px[i]);
            __m128i samples =
                _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)at), from[i]);
            __m256 value = formula_apply(_mm256_cvtepu8_epi32(samples), k[i]);
            size_t first = 3 * x + 8 * (size_t)i;

            if (first + 8 <= n)
                _mm256_storeu_ps(out + first, value);
            else if (first < n)
                store_some(out + first, value, (u32)(n - first));
        }
}

void dlop_cpu_formula_to_planes_avx2(const struct dlop_cpu_pack *pack, const u8 *row, float *out)
{
    if (pack->n_channels == 3)
        planes_row(pack, row, out, 3);
    else
        planes_row(pack, row, out, 1);
}
