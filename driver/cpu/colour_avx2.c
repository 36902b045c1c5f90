/* Colour with AVX2, in 16 bits where the formulas allow.
 *
 * The products of hw/core/colour.h do not fit in 16 bits, but parts of them do, and whole multiples
 * of 65536 leave the rounding shift by 16 unchanged. For the two channels of one product one
 * rounding multiplication by a fraction of 15 bits gives the rest: 116130 / 65536 is 1 + 25297 /
 * 32768, and 91881 / 65536 is nearly 1 + 13173 / 32768, which rounds the same for each of the 256
 * differences. Green sums two products, -46802 = -65536 + 18734 is one factor, and takes 32 bits.
 */
#include "driver/cpu/colour.h"

#include <immintrin.h>
#include <stddef.h>

/* 16 pixels from 16-bit values that are clamped here. */
static inline void store_pixels(__m256i r, __m256i g, __m256i b, u8 *rgbx)
{
    const __m256i opaque = _mm256_set1_epi8(-1);
    __m256i rg = _mm256_packus_epi16(r, g); /* of each half: r 0-7, g 0-7 */
    __m256i bx = _mm256_packus_epi16(b, b);
    __m256i low, high;

    rg = _mm256_unpacklo_epi8(rg, _mm256_srli_si256(rg, 8));
    bx = _mm256_unpacklo_epi8(bx, opaque);
    low = _mm256_unpacklo_epi16(rg, bx);
    high = _mm256_unpackhi_epi16(rg, bx);
    _mm256_storeu_si256((__m256i *)(void *)rgbx, _mm256_permute2x128_si256(low, high, 0x20));
    _mm256_storeu_si256((__m256i *)(void *)(rgbx + 32), _mm256_permute2x128_si256(low, high, 0x31));
}

static inline __m256i widen(const u8 *row)
{
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)row));
}

void dlop_cpu_ycc_to_rgbx_avx2(const u8 *y, const u8 *cb, const u8 *cr, u32 n_px, u8 *rgbx_out)
{
    const __m256i centre = _mm256_set1_epi16(128), half = _mm256_set1_epi32(32768);
    const __m256i of_red = _mm256_set1_epi16(13173), of_blue = _mm256_set1_epi16(25297);
    const __m256i green = _mm256_set1_epi32((s32)((u32)-22554 & 0xffff) | 18734 << 16);

    for (size_t i = 0; i < n_px; i += 16) {
        __m256i luma = widen(y + i);
        __m256i blue = _mm256_sub_epi16(widen(cb + i), centre);
        __m256i red = _mm256_sub_epi16(widen(cr + i), centre);
        __m256i low = _mm256_madd_epi16(_mm256_unpacklo_epi16(blue, red), green);
        __m256i high = _mm256_madd_epi16(_mm256_unpackhi_epi16(blue, red), green);
        __m256i r, g, b;

        low = _mm256_srai_epi32(_mm256_add_epi32(low, half), 16);
        high = _mm256_srai_epi32(_mm256_add_epi32(high, half), 16);
        r = _mm256_add_epi16(_mm256_add_epi16(luma, red), _mm256_mulhrs_epi16(red, of_red));
        g = _mm256_add_epi16(_mm256_sub_epi16(luma, red), _mm256_packs_epi32(low, high));
        b = _mm256_add_epi16(_mm256_add_epi16(luma, blue), _mm256_mulhrs_epi16(blue, of_blue));
        store_pixels(r, g, b, rgbx_out + 4 * i);
    }
}

void dlop_cpu_rgb_to_rgbx_avx2(const u8 *r, const u8 *g, const u8 *b, u32 n_px, u8 *rgbx_out)
{
    for (size_t i = 0; i < n_px; i += 16)
        store_pixels(widen(r + i), widen(g + i), widen(b + i), rgbx_out + 4 * i);
}

void dlop_cpu_grey_to_rgbx_avx2(const u8 *grey, u32 n_px, u8 *rgbx_out)
{
    const __m256i spread = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12));
    const __m256i opaque = _mm256_set1_epi32((s32)0xff000000u);

    for (size_t i = 0; i < n_px; i += 8) {
        __m128i eight = _mm_loadl_epi64((const __m128i *)(const void *)(grey + i));
        __m256i pixels = _mm256_shuffle_epi8(_mm256_cvtepu8_epi32(eight), spread);

        _mm256_storeu_si256((__m256i *)(void *)(rgbx_out + 4 * i), _mm256_or_si256(pixels, opaque));
    }
}

/* Weights above 32767 do not fit in signed 16 bits: green's 38470 is taken as 2 * 19235. */
void dlop_cpu_rgbx_to_grey_avx2(u8 *rgbx, u32 n_px)
{
    const __m256i low_byte = _mm256_set1_epi32(0x00ff00ff), half = _mm256_set1_epi32(0x8000);
    const __m256i red_blue = _mm256_set1_epi32(19595 | 7471 << 16);
    const __m256i spread = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(2, 2, 2, 3, 6, 6, 6, 7, 10, 10, 10, 11, 14, 14, 14, 15));
    const __m256i unused = _mm256_set1_epi32((s32)0xff000000u);

    for (size_t i = 0; i < n_px; i += 8) {
        __m256i *at = (__m256i *)(void *)(rgbx + 4 * i);
        __m256i pixels = _mm256_loadu_si256(at);
        __m256i rb = _mm256_and_si256(pixels, low_byte);
        /* Green alone, doubled: bits 1-8 of the lower half. */
        __m256i twice_g = _mm256_and_si256(_mm256_srli_epi32(pixels, 7), _mm256_set1_epi32(0x1fe));
        __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(rb, red_blue), half);

        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(twice_g, _mm256_set1_epi32(19235)));
        /* The grey value is the third byte of the sum. */
        sum = _mm256_shuffle_epi8(sum, spread);
        _mm256_storeu_si256(at, _mm256_or_si256(_mm256_andnot_si256(unused, sum),
                                                _mm256_and_si256(unused, pixels)));
    }
}
