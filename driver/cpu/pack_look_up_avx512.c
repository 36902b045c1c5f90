/* Rows of pixels to elements by look-up with AVX-512 (VBMI).
 *
 * Key idea: a table of 256 bytes is four registers, and two byte permutations over 128 bytes look
 * 64 values up in it. Elements of more bytes have a table for each of their bytes (the plan cuts
 * them), and unpacking puts the bytes together. The 64 values come in such an order that unpacking,
 * which works within lanes of 128 bits, leaves elements in order.
 * Elements of 8 bytes go through the loops of pack.c.
 */
#include <string.h>

#include "driver/cpu/pack_avx512.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

#define MAX_ELEMENT_BYTES 4

/* Place of the red byte of the pixel that value i stands for, [element_bytes]. */
#define ORDER_1(i) 4 * (i)
#define ORDER_2(i) 4 * ((i) % 16 / 8 * 32 + (i) / 16 * 8 + (i) % 8)
#define ORDER_4(i) 4 * ((i) % 16 / 4 * 16 + (i) / 16 * 4 + (i) % 4)
static const u8 order[MAX_ELEMENT_BYTES + 1][64] = {
    [1] = {DLOP_CPU_BYTES_64(ORDER_1, 0)},
    [2] = {DLOP_CPU_BYTES_64(ORDER_2, 0)},
    [4] = {DLOP_CPU_BYTES_64(ORDER_4, 0)},
};

/* Where byte i of three interleaved channels comes from, [element_bytes]: 64 times the channel, and
 * the place in one vector of each channel. */
#define INTERLEAVED(n, i) ((i) / (n) % 3 << 6) + (i) / (n) / 3 * (n) + (i) % (n)
#define INTERLEAVED_1(i)  INTERLEAVED(1, i)
#define INTERLEAVED_2(i)  INTERLEAVED(2, i)
#define INTERLEAVED_4(i)  INTERLEAVED(4, i)
#define THREE_VECTORS(f)                                                                           \
    DLOP_CPU_BYTES_64(f, 0), DLOP_CPU_BYTES_64(f, 64), DLOP_CPU_BYTES_64(f, 128)
static const u8 interleaved[MAX_ELEMENT_BYTES + 1][3 * 64] = {
    [1] = {THREE_VECTORS(INTERLEAVED_1)},
    [2] = {THREE_VECTORS(INTERLEAVED_2)},
    [4] = {THREE_VECTORS(INTERLEAVED_4)},
};

/* Byte b of 16 or 32 elements of a table. */
static void cut_elements(const u8 *table, u32 element_bytes, u32 b, u8 *out)
{
    __m128i shift = _mm_cvtsi32_si128((s32)(8 * b));

    for (u32 v = 0; v < 256; v += 64 / element_bytes) {
        __m512i elements = _mm512_loadu_si512(table + (size_t)v * element_bytes);

        if (element_bytes == 4)
            _mm_storeu_si128((__m128i *)(void *)(out + v),
                             _mm512_cvtepi32_epi8(_mm512_srl_epi32(elements, shift)));
        else
            _mm256_storeu_si256((__m256i *)(void *)(out + v),
                                _mm512_cvtepi16_epi8(_mm512_srl_epi16(elements, shift)));
    }
}

void dlop_cpu_pack_plan_avx512(struct dlop_cpu_pack *pack, struct dlop_cpu_pack_memo *memo)
{
    u32 element_bytes = pack->job->element_bytes;

    dlop_cpu_pack_plan_avx2(pack, memo);
    if (pack->formula || pack->is_identity || element_bytes > MAX_ELEMENT_BYTES)
        return;
    for (u32 c = 0; c < pack->n_channels; c++)
        for (u32 b = 0; b < element_bytes; b++) {
            const u8 *table = pack->table + (size_t)256 * c * element_bytes;

            if (element_bytes == 1)
                memcpy(memo->byte_planes[c][0], table, 256);
            else
                cut_elements(table, element_bytes, b, memo->byte_planes[c][b]);
        }
    pack->byte_planes = memo->byte_planes;
}

/* 64 pixels, those from n on anything. */
struct pixels {
    __m512i part[4];
};

ALWAYS_INLINE struct pixels load_pixels(const u8 *row, size_t n)
{
    struct pixels pixels;

    for (u32 i = 0; i < 4; i++)
        pixels.part[i] =
            n > 16 * (size_t)i ? _mm512_loadu_si512(row + 64 * (size_t)i) : _mm512_setzero_si512();
    return pixels;
}

/* One channel of them, in the given order. */
ALWAYS_INLINE __m512i channel_of(const struct pixels *pixels, __m512i places)
{
    __m512i low = _mm512_permutex2var_epi8(pixels->part[0], places, pixels->part[1]);
    __m512i high = _mm512_permutex2var_epi8(pixels->part[2], places, pixels->part[3]);

    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(places), low, high);
}

/* One byte of the elements of 64 values. table: [256] */
ALWAYS_INLINE __m512i look_up(const u8 *table, __m512i values)
{
    __m512i low =
        _mm512_permutex2var_epi8(_mm512_loadu_si512(table), values, _mm512_loadu_si512(table + 64));
    __m512i high = _mm512_permutex2var_epi8(_mm512_loadu_si512(table + 128), values,
                                            _mm512_loadu_si512(table + 192));

    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(values), low, high);
}

/* The elements of 64 values: element_bytes vectors. tables: [element_bytes][256] */
ALWAYS_INLINE void elements_of(const u8 (*tables)[256], __m512i values, u32 element_bytes,
                               __m512i *elements_out)
{
    __m512i byte[MAX_ELEMENT_BYTES], low, high;

    for (u32 b = 0; b < element_bytes; b++)
        byte[b] = look_up(tables[b], values);
    if (element_bytes == 1) {
        elements_out[0] = byte[0];
        return;
    }
    low = _mm512_unpacklo_epi8(byte[0], byte[1]);
    high = _mm512_unpackhi_epi8(byte[0], byte[1]);
    if (element_bytes == 2) {
        elements_out[0] = low;
        elements_out[1] = high;
        return;
    }
    byte[0] = _mm512_unpacklo_epi8(byte[2], byte[3]);
    byte[1] = _mm512_unpackhi_epi8(byte[2], byte[3]);
    elements_out[0] = _mm512_unpacklo_epi16(low, byte[0]);
    elements_out[1] = _mm512_unpackhi_epi16(low, byte[0]);
    elements_out[2] = _mm512_unpacklo_epi16(high, byte[1]);
    elements_out[3] = _mm512_unpackhi_epi16(high, byte[1]);
}

/* Vectors that follow each other, of which the first n_bytes bytes are wanted. */
ALWAYS_INLINE void store_vectors(const __m512i *vector, u32 n, size_t n_bytes, u8 *out)
{
    for (u32 i = 0; i < n && n_bytes > 64 * (size_t)i; i++) {
        if (n_bytes >= 64 * (size_t)(i + 1))
            _mm512_storeu_si512(out + 64 * (size_t)i, vector[i]);
        else
            _mm512_mask_storeu_epi8(out + 64 * (size_t)i, dlop_cpu_first_bytes(n_bytes % 64),
                                    vector[i]);
    }
}

ALWAYS_INLINE __m512i places_of(u32 element_bytes, u32 c)
{
    return _mm512_add_epi8(_mm512_loadu_si512(order[element_bytes]), _mm512_set1_epi8((char)c));
}

/* One channel to elements that follow each other. */
ALWAYS_INLINE void plane_row(const struct dlop_cpu_pack *pack, const u8 *row, u32 c,
                             u32 element_bytes, u8 *out)
{
    __m512i places = places_of(element_bytes, c);

    for (size_t x = 0; x < pack->n_px; x += 64) {
        struct pixels pixels = load_pixels(row + 4 * x, pack->n_px - x);
        __m512i elements[MAX_ELEMENT_BYTES];

        elements_of(pack->byte_planes[c], channel_of(&pixels, places), element_bytes, elements);
        store_vectors(elements, element_bytes, (pack->n_px - x) * element_bytes,
                      out + x * element_bytes);
    }
}

/* Three channels, interleaved. */
ALWAYS_INLINE void hwc_row(const struct dlop_cpu_pack *pack, const u8 *row, u32 element_bytes,
                           u8 *out)
{
    for (size_t x = 0; x < pack->n_px; x += 64) {
        struct pixels pixels = load_pixels(row + 4 * x, pack->n_px - x);
        __m512i elements[3][MAX_ELEMENT_BYTES], mixed[3 * MAX_ELEMENT_BYTES];

        for (u32 c = 0; c < 3; c++)
            elements_of(pack->byte_planes[c], channel_of(&pixels, places_of(element_bytes, c)),
                        element_bytes, elements[c]);
        for (u32 i = 0; i < 3 * element_bytes; i++) {
            __m512i from = _mm512_loadu_si512(interleaved[element_bytes] + 64 * (size_t)(i % 3));
            __m512i rg = _mm512_permutex2var_epi8(elements[0][i / 3], from, elements[1][i / 3]);

            mixed[i] = _mm512_mask_permutexvar_epi8(rg, _mm512_movepi8_mask(from), from,
                                                    elements[2][i / 3]);
        }
        store_vectors(mixed, 3 * element_bytes, (pack->n_px - x) * 3 * element_bytes,
                      out + x * 3 * element_bytes);
    }
}

ALWAYS_INLINE void row_of(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out,
                          u32 element_bytes)
{
    size_t row_bytes = (size_t)pack->n_px * element_bytes;
    size_t plane_bytes = row_bytes * pack->job->out_height_px;

    if (pack->job->layout == DLOP_LAYOUT_HWC && pack->n_channels == 3)
        hwc_row(pack, row, element_bytes, out + y * row_bytes * 3);
    else
        for (u32 c = 0; c < pack->n_channels; c++)
            plane_row(pack, row, c, element_bytes, out + c * plane_bytes + y * row_bytes);
}

void dlop_cpu_pack_look_up_avx512(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out)
{
    if (pack->job->element_bytes == 1)
        row_of(pack, row, y, out, 1);
    else if (pack->job->element_bytes == 2)
        row_of(pack, row, y, out, 2);
    else
        row_of(pack, row, y, out, 4);
}
