/* Colour with AVX-512: 32 pixels at a time, with the arithmetic of colour_avx2.c.
 *
 * Order: samples are spread to words so that unpacking within lanes of 128 bits leaves pixels in
 * order, pixels 4 l to 4 l + 3 and 16 + 4 l to 19 + 4 l in lane l.
 */
#include "driver/cpu/colour.h"

#include <immintrin.h>
#include <stddef.h>

/* Bytes of 32 samples in the order of the head comment, each twice: the upper one is masked. */
#define FOUR_TWICE(first)                                                                          \
    (first), (first), (first) + 1, (first) + 1, (first) + 2, (first) + 2, (first) + 3, (first) + 3
static const u8 word_order[64] = {FOUR_TWICE(0), FOUR_TWICE(16), FOUR_TWICE(4),  FOUR_TWICE(20),
                                  FOUR_TWICE(8), FOUR_TWICE(24), FOUR_TWICE(12), FOUR_TWICE(28)};
#define LOW_BYTES 0x5555555555555555u
#define RGB_BYTES 0x7777777777777777u

static inline __m512i widen(const u8 *row, __m512i order)
{
    __m512i bytes = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)row));

    return _mm512_maskz_permutexvar_epi8(LOW_BYTES, order, bytes);
}

/* Up to 32 pixels, at least one, from samples in that order: in each lane eight of R and of B in
 * turn, and of G and 255. The slack behind n_px pixels holds 16 more, less one. */
static inline void store_pixels(__m512i red_blue, __m512i green_opaque, size_t n_px, u8 *rgbx)
{
    _mm512_storeu_si512(rgbx, _mm512_unpacklo_epi8(red_blue, green_opaque));
    if (n_px > 16)
        _mm512_storeu_si512(rgbx + 64, _mm512_unpackhi_epi8(red_blue, green_opaque));
}

void dlop_cpu_ycc_to_rgbx_avx512(const u8 *y, const u8 *cb, const u8 *cr, u32 n_px, u8 *rgbx_out)
{
    const __m512i order = _mm512_loadu_si512(word_order), centre = _mm512_set1_epi16(128);
    const __m512i opaque = _mm512_set1_epi16(255), half = _mm512_set1_epi32(32768);
    const __m512i of_red = _mm512_set1_epi16(13173), of_blue = _mm512_set1_epi16(25297);
    /* -46802 is 18734 less 65536. */
    const __m512i of_green = _mm512_set1_epi32((s32)((u32)-22554 & 0xffff) | 18734 << 16);
    /* The upper words of two vectors, in each lane four of the first, then four of the second. */
    const __m512i upper = _mm512_add_epi16(
        _mm512_broadcast_i32x4(_mm_setr_epi16(1, 3, 5, 7, 33, 35, 37, 39)),
        _mm512_inserti64x4(
            _mm512_castsi256_si512(_mm256_setr_m128i(_mm_set1_epi16(0), _mm_set1_epi16(8))),
            _mm256_setr_m128i(_mm_set1_epi16(16), _mm_set1_epi16(24)), 1));

    for (size_t i = 0; i < n_px; i += 32) {
        __m512i luma = widen(y + i, order);
        __m512i blue = _mm512_sub_epi16(widen(cb + i, order), centre);
        __m512i red = _mm512_sub_epi16(widen(cr + i, order), centre);
        __m512i low = _mm512_dpwssd_epi32(half, _mm512_unpacklo_epi16(blue, red), of_green);
        __m512i high = _mm512_dpwssd_epi32(half, _mm512_unpackhi_epi16(blue, red), of_green);
        __m512i r, g, b;

        r = _mm512_add_epi16(_mm512_add_epi16(luma, red), _mm512_mulhrs_epi16(red, of_red));
        g = _mm512_add_epi16(_mm512_sub_epi16(luma, red),
                             _mm512_permutex2var_epi16(low, upper, high));
        b = _mm512_add_epi16(_mm512_add_epi16(luma, blue), _mm512_mulhrs_epi16(blue, of_blue));
        r = _mm512_packus_epi16(r, g); /* of each lane: r 0-7, g 0-7 */
        b = _mm512_packus_epi16(b, opaque);
        store_pixels(_mm512_unpacklo_epi8(r, b), _mm512_unpackhi_epi8(r, b), n_px - i,
                     rgbx_out + 4 * i);
    }
}

/* 32 samples in that order, as the lower half of each lane. */
static inline __m512i spread(const u8 *row)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 0, 0, 1, 5, 0, 0, 2, 6, 0, 0, 3, 7, 0, 0);
    __m512i bytes = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)row));

    return _mm512_permutexvar_epi32(order, bytes);
}

void dlop_cpu_rgb_to_rgbx_avx512(const u8 *r, const u8 *g, const u8 *b, u32 n_px, u8 *rgbx_out)
{
    const __m512i opaque = _mm512_set1_epi8(-1);

    for (size_t i = 0; i < n_px; i += 32)
        store_pixels(_mm512_unpacklo_epi8(spread(r + i), spread(b + i)),
                     _mm512_unpacklo_epi8(spread(g + i), opaque), n_px - i, rgbx_out + 4 * i);
}

/* Three signed bytes of R, G and B. */
static inline __m512i weights_of(s32 r, s32 g, s32 b)
{
    return _mm512_set1_epi32((r & 255) | (g & 255) << 8 | (b & 255) << 16);
}

/* Weights in signed bytes: 19595 = 77 * 256 - 117, 38470 = (127 + 23) * 256 + 70, 7471 = 29 * 256 +
 * 47. */
void dlop_cpu_rgbx_to_grey_avx512(u8 *rgbx, u32 n_px)
{
    const __m512i half = _mm512_set1_epi32(0x8000), low_weights = weights_of(-117, 70, 47);
    const __m512i high_weights = weights_of(77, 127, 29), green_rest = weights_of(0, 23, 0);
    /* The grey value is the third byte of the sum. */
    const __m512i order = _mm512_broadcast_i32x4(
        _mm_setr_epi8(2, 2, 2, 2, 6, 6, 6, 6, 10, 10, 10, 10, 14, 14, 14, 14));

    for (size_t i = 0; i < n_px; i += 16) {
        __m512i pixels = _mm512_loadu_si512(rgbx + 4 * i);
        __m512i high = _mm512_dpbusd_epi32(
            _mm512_dpbusd_epi32(_mm512_setzero_si512(), pixels, high_weights), pixels, green_rest);
        __m512i low = _mm512_dpbusd_epi32(half, pixels, low_weights);
        __m512i sum = _mm512_add_epi32(low, _mm512_slli_epi32(high, 8));

        _mm512_storeu_si512(rgbx + 4 * i, _mm512_mask_shuffle_epi8(pixels, RGB_BYTES, sum, order));
    }
}
