/* Inverse DCT of one block with AVX2, inline for the loop that decodes coefficients.
 *
 * Key idea: both passes are sums of pair products (vpmaddwd), so the input of a pass is four
 * vectors of row pairs: (0,4) (2,6) (7,1) (3,5), a pair's two values side by side in 32 bits, eight
 * columns. Coefficients are stored in this order from the start, so pass 1 needs no shuffle. Its
 * columns are stored in the order 0 4 2 6 7 1 3 5, which makes the transposition to the pairs of
 * pass 2 cheap.
 */
#ifndef DLOP_DRIVER_CPU_IDCT_AVX2_H
#define DLOP_DRIVER_CPU_IDCT_AVX2_H

#include <immintrin.h>

#include "driver/cpu/idct.h"

/* Factors of a pair, the lower value's first. */
static inline __m256i dlop_pair_avx2(s32 low, s32 high)
{
    return _mm256_set1_epi32((s32)((u32)low & 0xffff) | (s32)((u32)high << 16));
}

/* One pass. v: pairs (0,4) (2,6) (7,1) (3,5). out[i]: the eight i-th values before the shift;
 * rounding is added to all. */
static inline __attribute__((always_inline)) void
dlop_idct_pass_avx2(const __m256i v[4], __m256i rounding, __m256i out[8])
{
    __m256i z = _mm256_add_epi16(v[2], v[3]); /* (v7 + v3, v1 + v5) */
    __m256i e0 = _mm256_add_epi32(_mm256_madd_epi16(v[0], dlop_pair_avx2(8192, 8192)), rounding);
    __m256i e1 = _mm256_add_epi32(_mm256_madd_epi16(v[0], dlop_pair_avx2(8192, -8192)), rounding);
    __m256i e2 = _mm256_madd_epi16(v[1], dlop_pair_avx2(4433, 4433 - 15137));
    __m256i e3 = _mm256_madd_epi16(v[1], dlop_pair_avx2(4433 + 6270, 4433));
    __m256i s73 = _mm256_madd_epi16(z, dlop_pair_avx2(9633 - 16069, 9633));
    __m256i s51 = _mm256_madd_epi16(z, dlop_pair_avx2(9633, 9633 - 3196));
    __m256i o0 = _mm256_madd_epi16(v[2], dlop_pair_avx2(2446 - 7373, -7373));
    __m256i o3 = _mm256_madd_epi16(v[2], dlop_pair_avx2(-7373, 12299 - 7373));
    __m256i o1 = _mm256_madd_epi16(v[3], dlop_pair_avx2(-20995, 16819 - 20995));
    __m256i o2 = _mm256_madd_epi16(v[3], dlop_pair_avx2(25172 - 20995, -20995));
    __m256i even0 = _mm256_add_epi32(e0, e3), even3 = _mm256_sub_epi32(e0, e3);
    __m256i even1 = _mm256_add_epi32(e1, e2), even2 = _mm256_sub_epi32(e1, e2);

    o0 = _mm256_add_epi32(o0, s73);
    o1 = _mm256_add_epi32(o1, s51);
    o2 = _mm256_add_epi32(o2, s73);
    o3 = _mm256_add_epi32(o3, s51);
    out[0] = _mm256_add_epi32(even0, o3);
    out[7] = _mm256_sub_epi32(even0, o3);
    out[1] = _mm256_add_epi32(even1, o2);
    out[6] = _mm256_sub_epi32(even1, o2);
    out[2] = _mm256_add_epi32(even2, o1);
    out[5] = _mm256_sub_epi32(even2, o1);
    out[3] = _mm256_add_epi32(even3, o0);
    out[4] = _mm256_sub_epi32(even3, o0);
}

static inline __attribute__((always_inline)) __m256i dlop_descale_2_avx2(__m256i a, __m256i b,
                                                                         int n_bits)
{
    return _mm256_packs_epi32(_mm256_srai_epi32(a, n_bits), _mm256_srai_epi32(b, n_bits));
}

/* Results of pass 1 to the pairs of pass 2; *largest_out: the largest magnitude of each lane. */
static inline __attribute__((always_inline)) void
dlop_idct_turn_avx2(const __m256i in[8], __m256i v[4], __m256i *largest_out)
{
    __m256i r01 = dlop_descale_2_avx2(in[0], in[1], 11),
            r23 = dlop_descale_2_avx2(in[2], in[3], 11);
    __m256i r45 = dlop_descale_2_avx2(in[4], in[5], 11),
            r67 = dlop_descale_2_avx2(in[6], in[7], 11);
    __m256 f01 = _mm256_castsi256_ps(r01), f23 = _mm256_castsi256_ps(r23);
    __m256 f45 = _mm256_castsi256_ps(r45), f67 = _mm256_castsi256_ps(r67);
    __m256i a = _mm256_castps_si256(_mm256_shuffle_ps(f01, f23, 0x88));
    __m256i b = _mm256_castps_si256(_mm256_shuffle_ps(f01, f23, 0xdd));
    __m256i c = _mm256_castps_si256(_mm256_shuffle_ps(f45, f67, 0x88));
    __m256i d = _mm256_castps_si256(_mm256_shuffle_ps(f45, f67, 0xdd));

    v[0] = _mm256_permute2x128_si256(a, c, 0x20);
    v[1] = _mm256_permute2x128_si256(b, d, 0x20);
    v[2] = _mm256_permute2x128_si256(a, c, 0x31);
    v[3] = _mm256_permute2x128_si256(b, d, 0x31);
    *largest_out = _mm256_max_epu16(_mm256_max_epu16(_mm256_abs_epi16(r01), _mm256_abs_epi16(r23)),
                                    _mm256_max_epu16(_mm256_abs_epi16(r45), _mm256_abs_epi16(r67)));
}

/* Results of pass 2, one row of samples per lane, to memory. */
static inline __attribute__((always_inline)) void
dlop_idct_store_avx2(const __m256i in[8], u8 *samples, size_t stride_bytes)
{
    const __m256i gather = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    __m256i left = _mm256_packus_epi16(dlop_descale_2_avx2(in[0], in[1], 18),
                                       dlop_descale_2_avx2(in[2], in[3], 18));
    __m256i right = _mm256_packus_epi16(dlop_descale_2_avx2(in[4], in[5], 18),
                                        dlop_descale_2_avx2(in[6], in[7], 18));
    __m256i low, high;
    __m128i rows[4];

    left = _mm256_shuffle_epi8(left, gather);
    right = _mm256_shuffle_epi8(right, gather);
    low = _mm256_unpacklo_epi32(left, right);
    high = _mm256_unpackhi_epi32(left, right);
    rows[0] = _mm256_castsi256_si128(low);
    rows[1] = _mm256_castsi256_si128(high);
    rows[2] = _mm256_extracti128_si256(low, 1);
    rows[3] = _mm256_extracti128_si256(high, 1);
    for (u32 i = 0; i < 4; i++) {
        _mm_storel_epi64((__m128i *)(void *)samples, rows[i]);
        _mm_storeh_pi((__m64 *)(void *)(samples + stride_bytes), _mm_castsi128_ps(rows[i]));
        samples += 2 * stride_bytes;
    }
}

static inline __attribute__((always_inline)) u32
dlop_idct_block_avx2(const s16 *coef, const struct dlop_cpu_quant *quant, u8 *samples,
                     size_t stride_bytes)
{
    const __m256i *in = (const __m256i *)(const void *)coef;
    const __m256i *factor = (const __m256i *)(const void *)quant->factor;
    const __m256i *limit = (const __m256i *)(const void *)quant->limit;
    const u32 n_checked = quant->is_limit_needed ? 4 : 1; /* the first has the DC coefficient */
    __m256i v[4], values[8], outside = _mm256_setzero_si256(), largest;

    for (u32 i = 0; i < 4; i++)
        v[i] = _mm256_mullo_epi16(_mm256_load_si256(in + i), _mm256_load_si256(factor + i));
    for (u32 i = 0; i < n_checked; i++)
        outside =
            _mm256_or_si256(outside, _mm256_subs_epu16(_mm256_abs_epi16(_mm256_load_si256(in + i)),
                                                       _mm256_load_si256(limit + i)));
    dlop_idct_pass_avx2(v, _mm256_set1_epi32(1 << 10), values);
    dlop_idct_turn_avx2(values, v, &largest);
    /* The level shift by 128 joins the rounding. */
    dlop_idct_pass_avx2(v, _mm256_set1_epi32((1 << 17) + (128 << 18)), values);
    dlop_idct_store_avx2(values, samples, stride_bytes);
    outside = _mm256_or_si256(outside, _mm256_srli_epi16(largest, 14));
    return !_mm256_testz_si256(outside, outside);
}

#endif
