/* Upsampling filters with AVX2: weighted pairs by vpmaddubsw, 32 samples in at a time.
 *
 * Halves: unpacking two vectors of 32 bytes leaves samples 0-7 and 16-23 in one ("low") and 8-15
 * and 24-31 in the other ("high"); both go through the same sums and are put in order when stored.
 */
#include "driver/cpu/upsample.h"

#include <immintrin.h>
#include <stddef.h>

struct halves {
    __m256i low, high;
};

static inline __m256i load(const u8 *row)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)row);
}

/* 3 near + far, 16 bits each. */
static inline struct halves weigh(__m256i near, __m256i far)
{
    const __m256i weights = _mm256_set1_epi16(0x0103);

    return (struct halves){
        _mm256_maddubs_epi16(_mm256_unpacklo_epi8(near, far), weights),
        _mm256_maddubs_epi16(_mm256_unpackhi_epi8(near, far), weights),
    };
}

/* Interleave even and odd outputs, each below 256, and store 64 samples. */
static inline void store_pairs(struct halves even, struct halves odd, u8 *out)
{
    __m256i low = _mm256_or_si256(even.low, _mm256_slli_epi16(odd.low, 8));
    __m256i high = _mm256_or_si256(even.high, _mm256_slli_epi16(odd.high, 8));

    _mm256_storeu_si256((__m256i *)(void *)out, _mm256_permute2x128_si256(low, high, 0x20));
    _mm256_storeu_si256((__m256i *)(void *)(out + 32), _mm256_permute2x128_si256(low, high, 0x31));
}

static inline struct halves round_shift_2(struct halves sum, u32 bias)
{
    const __m256i rounding = _mm256_set1_epi16((s16)bias);

    return (struct halves){
        _mm256_srli_epi16(_mm256_add_epi16(sum.low, rounding), 2),
        _mm256_srli_epi16(_mm256_add_epi16(sum.high, rounding), 2),
    };
}

void dlop_cpu_upsample_h2v1_avx2(const u8 *in, u32 n, u8 *out)
{
    for (size_t i = 0; i < n; i += 32) {
        __m256i near = load(in + i);

        store_pairs(round_shift_2(weigh(near, load(in + i - 1)), 1),
                    round_shift_2(weigh(near, load(in + i + 1)), 2), out + 2 * i);
    }
}

/* (3 here + beside + bias) >> 4 */
static inline __m256i blend_columns(__m256i here_times_3, __m256i beside, s16 bias)
{
    __m256i sum = _mm256_add_epi16(_mm256_add_epi16(here_times_3, beside), _mm256_set1_epi16(bias));

    return _mm256_srli_epi16(sum, 4);
}

void dlop_cpu_upsample_h2v2_avx2(const u8 *near_row, const u8 *far_row, u32 n, u8 *out)
{
    for (size_t i = 0; i < n; i += 32) {
        struct halves left = weigh(load(near_row + i - 1), load(far_row + i - 1));
        struct halves here = weigh(load(near_row + i), load(far_row + i));
        struct halves right = weigh(load(near_row + i + 1), load(far_row + i + 1));
        struct halves even, odd;

        here.low = _mm256_add_epi16(here.low, _mm256_add_epi16(here.low, here.low));
        here.high = _mm256_add_epi16(here.high, _mm256_add_epi16(here.high, here.high));
        even.low = blend_columns(here.low, left.low, 8);
        even.high = blend_columns(here.high, left.high, 8);
        odd.low = blend_columns(here.low, right.low, 7);
        odd.high = blend_columns(here.high, right.high, 7);
        store_pairs(even, odd, out + 2 * i);
    }
}

void dlop_cpu_upsample_h1v2_avx2(const u8 *near_row, const u8 *far_row, u32 is_odd, u32 n, u8 *out)
{
    for (size_t i = 0; i < n; i += 32) {
        struct halves sum = round_shift_2(weigh(load(near_row + i), load(far_row + i)), 1 + is_odd);

        _mm256_storeu_si256((__m256i *)(void *)(out + i), _mm256_packus_epi16(sum.low, sum.high));
    }
}
