/* Upsampling filters with AVX-512.
 *
 * Key idea: (3 a + b + 2) >> 2 is the mean of a and floor((a + b) / 2), rounded up, and
 * (3 a + b + 1) >> 2 the mean of a and ceil((a + b) / 2), rounded down. So the filters of one
 * direction stay in bytes. h2v2 takes words: byte permutations pair each sample with its neighbour.
 */
#include "driver/cpu/upsample.h"

#include <immintrin.h>
#include <stddef.h>

#define ODD_BYTES 0xaaaaaaaaaaaaaaaau

static inline __m512i load(const u8 *row)
{
    return _mm512_loadu_si512(row);
}

/* floor((a + b) / 2): one less than the rounded mean where the sum is odd. */
static inline __m512i mean_down(__m512i a, __m512i b)
{
    const __m512i one = _mm512_set1_epi8(1);
    __m512i is_odd = _mm512_ternarylogic_epi32(a, b, one, 0x28); /* (a ^ b) & 1 */

    return _mm512_sub_epi8(_mm512_avg_epu8(a, b), is_odd);
}

/* (3 near + far + 1) >> 2 and (3 near + far + 2) >> 2 */
static inline __m512i weigh_down(__m512i near, __m512i far)
{
    return mean_down(near, _mm512_avg_epu8(near, far));
}

static inline __m512i weigh_up(__m512i near, __m512i far)
{
    return _mm512_avg_epu8(near, mean_down(near, far));
}

/* Bytes i and i + 1 of a row side by side, from byte `first` on, for 32 of them: places in a vector
 * that was loaded one byte before the row. */
static inline __m512i pairs_from(u32 first)
{
    const __m512i by_word =
        _mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13,
                         12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i low = _mm512_add_epi16(by_word, _mm512_set1_epi16((s16)first));

    return _mm512_or_si512(low, _mm512_slli_epi16(_mm512_add_epi16(low, _mm512_set1_epi16(1)), 8));
}

void dlop_cpu_upsample_h2v1_avx512(const u8 *in, u32 n, u8 *out)
{
    /* Quarters of 16 bytes: unpacking leaves outputs 32 l to 32 l + 15 in lane l of one vector and
     * the next 16 in that of the other. */
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);

    for (size_t i = 0; i < n; i += 64) {
        __m512i near = load(in + i);
        __m512i even = weigh_down(near, load(in + i - 1)), odd = weigh_up(near, load(in + i + 1));
        __m512i low = _mm512_unpacklo_epi8(even, odd), high = _mm512_unpackhi_epi8(even, odd);

        _mm512_storeu_si512(out + 2 * i, _mm512_permutex2var_epi64(low, first, high));
        if (i + 32 < n)
            _mm512_storeu_si512(out + 2 * i + 64, _mm512_permutex2var_epi64(low, second, high));
    }
}

/* 9 near[i] + 3 near[i +- 1] + 3 far[i] + far[i +- 1], 8 or 7 more, >> 4; the even output in the
 * lower byte of a word, the odd one in the upper. */
void dlop_cpu_upsample_h2v2_avx512(const u8 *near_row, const u8 *far_row, u32 n, u8 *out)
{
    const __m512i left = pairs_from(0), right = pairs_from(1);
    const __m512i near_left = _mm512_set1_epi16(9 << 8 | 3),
                  far_left = _mm512_set1_epi16(3 << 8 | 1);
    const __m512i near_right = _mm512_set1_epi16(3 << 8 | 9);
    const __m512i far_right = _mm512_set1_epi16(1 << 8 | 3);
    const __m512i even_half = _mm512_set1_epi16(8), odd_half = _mm512_set1_epi16(7);

    for (size_t i = 0; i < n; i += 32) {
        __m512i near = load(near_row + i - 1), far = load(far_row + i - 1);
        __m512i even =
            _mm512_add_epi16(_mm512_maddubs_epi16(_mm512_permutexvar_epi8(left, near), near_left),
                             _mm512_maddubs_epi16(_mm512_permutexvar_epi8(left, far), far_left));
        __m512i odd =
            _mm512_add_epi16(_mm512_maddubs_epi16(_mm512_permutexvar_epi8(right, near), near_right),
                             _mm512_maddubs_epi16(_mm512_permutexvar_epi8(right, far), far_right));

        even = _mm512_srli_epi16(_mm512_add_epi16(even, even_half), 4);
        odd = _mm512_slli_epi16(_mm512_add_epi16(odd, odd_half), 4);
        _mm512_storeu_si512(out + 2 * i, _mm512_mask_mov_epi8(even, ODD_BYTES, odd));
    }
}
