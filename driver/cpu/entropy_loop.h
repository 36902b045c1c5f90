/* The entropy decoder's inner loops: one block kept, one block skipped, a run of MCUs.
 *
 * Only for the files that compile them for one processor level each (entropy.c, entropy_avx2.c), so
 * everything is inline. The loops touch nothing but the scan, its tables and its planes.
 */
#ifndef DLOP_DRIVER_CPU_ENTROPY_LOOP_H
#define DLOP_DRIVER_CPU_ENTROPY_LOOP_H

#include <string.h>

#include "driver/cpu/entropy.h"
#include "hw/core/entropy.h"

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define INLINE      static inline __attribute__((always_inline))

typedef u32 dlop_cpu_idct_function(const s16 *coef, const struct dlop_cpu_quant *quant, u8 *samples,
                                   size_t stride_bytes);

/* At least 56 bits afterwards. Bits that are loaded twice are the same both times. */
INLINE void refill(struct dlop_cpu_bits *bits)
{
    u64 word;

    memcpy(&word, bits->next, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    bits->window |= word >> (bits->n_bits & 63);
    bits->next += ~bits->n_bits >> 3 & 7;
    bits->n_bits |= 56;
}

/* The low 6 bits of n count. */
INLINE void drop(struct dlop_cpu_bits *bits, u64 n)
{
    bits->window <<= n & 63;
    bits->n_bits -= n;
}

/* The n bits (0..11) at the head of window as a JPEG value: a leading 0 means negative. No branch:
 * the sign is as good as random. */
INLINE s32 value_of(u64 window, u32 n)
{
    s32 raw = (s32)((window >> 1) >> (63 - n));
    s32 if_negative = 1 - (s32)(1u << n);

    return raw + (if_negative & (s32)(~(s64)window >> 63));
}

/* Entry in the form of struct dlop_cpu_huff for a code that is longer than the lookup. */
static __attribute__((noinline)) u32 rare_ac_entry(u64 window, const struct dlop_cpu_huff *ac)
{
    u32 entry = dlop_huff_compare(&ac->core, (u32)(window >> 48));
    u32 code_bits = DLOP_HUFF_CODE_BITS(entry), size = DLOP_HUFF_SIZE(entry);
    u32 advance = DLOP_HUFF_ADVANCE(entry);
    s32 value = value_of(window << code_bits, size);

    if (entry & DLOP_HUFF_BAD)
        return DLOP_CPU_BAD_ADVANCE << 8 | code_bits;
    if (advance == DLOP_HUFF_ADVANCE_EOB)
        advance = DLOP_CPU_EOB_ADVANCE;
    return (u32)value << 16 | advance << 8 | (code_bits + size);
}

/* Complete an entry that has DLOP_CPU_AC_LONG. */
INLINE u32 long_ac_entry(u64 window, const struct dlop_cpu_huff *ac, u32 entry)
{
    u32 code_bits = entry & 31, size = entry >> 16 & 15;

    if (UNLIKELY(code_bits == 0))
        return rare_ac_entry(window, ac);
    return (u32)value_of(window << code_bits, size) << 16 | (entry & 0xff00) | (code_bits + size);
}

/* Drop one AC symbol (26 bits at most) and return its entry. */
INLINE u32 take_ac(struct dlop_cpu_bits *bits, const struct dlop_cpu_huff *ac)
{
    u32 entry = ac->lookup.ac[bits->window >> (64 - DLOP_CPU_AC_LOOKUP_BITS)];

    if (UNLIKELY(entry & DLOP_CPU_AC_LONG))
        entry = long_ac_entry(bits->window, ac, entry);
    drop(bits, entry);
    return entry;
}

/* Drop a DC symbol (27 bits at most) and return its difference. Bad codes cannot be told from
 * others by the value: *status is set. */
INLINE s32 take_dc(struct dlop_cpu_bits *bits, const struct dlop_cpu_huff *dc, dlop_status *status)
{
    u32 entry = dc->lookup.dc[bits->window >> (64 - DLOP_CPU_DC_LOOKUP_BITS)];
    s32 value;

    if (UNLIKELY(entry == 0)) {
        entry = dlop_huff_compare(&dc->core, (u32)(bits->window >> 48));
        if (entry & DLOP_HUFF_BAD)
            *status = DLOP_ERR_BAD_DATA;
    }
    value = value_of(bits->window << DLOP_HUFF_CODE_BITS(entry), DLOP_HUFF_SIZE(entry));
    drop(bits, DLOP_HUFF_TOTAL_BITS(entry));
    return value;
}

/* Advance a DC prediction; sets *status where it leaves the range of 8-bit pictures. */
INLINE s32 predict_dc(s32 *prediction, s32 difference, dlop_status *status)
{
    s32 dc = *prediction + difference;

    *prediction = dc;
    if (UNLIKELY((u32)(dc + DLOP_ENTROPY_MAX_DC) > 2 * DLOP_ENTROPY_MAX_DC))
        *status = DLOP_ERR_INEXACT;
    return dc;
}

/* Decode one block into coef, which must be zero; 56 bits must be loaded. position:
 * [DLOP_CPU_N_INDICES], index after a symbol -> place of its value. Returns the index after the
 * first symbol, which tells a block that is flat. */
INLINE u32 take_block(struct dlop_cpu_bits *bits, const struct dlop_cpu_huff *ac,
                      const u8 *position, s16 *coef, dlop_status *status)
{
    u32 k = 1, first, entry;

    entry = take_ac(bits, ac);
    k += entry >> 8 & 0xff;
    first = k;
    coef[position[k]] = (s16)(entry >> 16);
    while (k < 64) {
        refill(bits);
        entry = take_ac(bits, ac);
        k += entry >> 8 & 0xff;
        coef[position[k]] = (s16)(entry >> 16);
        if (k >= 64)
            break;
        entry = take_ac(bits, ac);
        k += entry >> 8 & 0xff;
        coef[position[k]] = (s16)(entry >> 16);
    }
    if (UNLIKELY(DLOP_CPU_IS_BAD(k)))
        *status = DLOP_ERR_BAD_DATA;
    return first;
}

/* Pass over one block's AC symbols; 29 bits must be loaded. */
INLINE void skip_block(struct dlop_cpu_bits *bits, const struct dlop_cpu_huff *ac,
                       dlop_status *status)
{
    u32 k = 1 + (take_ac(bits, ac) >> 8 & 0xff);

    while (k < 64) {
        refill(bits);
        k += take_ac(bits, ac) >> 8 & 0xff;
        if (k >= 64)
            break;
        k += take_ac(bits, ac) >> 8 & 0xff;
    }
    if (UNLIKELY(DLOP_CPU_IS_BAD(k)))
        *status = DLOP_ERR_BAD_DATA;
}

/* All samples of a block that has only a DC coefficient. Between the passes of the inverse DCT its
 * value is 4 dc. */
INLINE void fill_block(s32 dc, u8 *samples, size_t stride_bytes, dlop_status *status)
{
    s32 level = ((dc + 4) >> 3) + 128;
    u64 row = 0x0101010101010101u * (u64)(level < 0 ? 0 : level > 255 ? 255 : level);

    if (UNLIKELY(dc > 4095 || dc < -4095))
        *status = DLOP_ERR_INEXACT;
    for (u32 y = 0; y < 8; y++)
        memcpy(samples + y * stride_bytes, &row, sizeof(row));
}

/* Body of a decode_mcus slot. position, idct: of the same table of steps. */
INLINE u32 run_mcus(struct dlop_cpu_scan *scan, u32 n_mcus, const u8 *position,
                    dlop_cpu_idct_function *idct)
{
    _Alignas(64) s16 coef[DLOP_CPU_COEF_ROOM];
    struct dlop_cpu_bits bits = scan->bits;
    dlop_status status = scan->status;
    u32 mcu;

    for (mcu = 0; mcu < n_mcus && bits.next <= scan->limit && status == DLOP_OK; mcu++) {
        for (u32 i = 0; i < scan->n_blocks; i++) {
            struct dlop_cpu_block *block = &scan->block[i];
            u8 *samples = block->samples;
            s32 dc;

            memset(coef, 0, 64 * sizeof(coef[0]));
            refill(&bits);
            dc = predict_dc(&scan->dc_pred[block->component], take_dc(&bits, block->dc, &status),
                            &status);
            coef[0] = (s16)dc;
            block->samples = samples + block->step_bytes;
            if (take_block(&bits, block->ac, position, coef, &status) == 1 + DLOP_CPU_EOB_ADVANCE)
                fill_block(dc * block->quant->factor[0], samples, block->stride_bytes, &status);
            else if (UNLIKELY(idct(coef, block->quant, samples, block->stride_bytes)))
                status = DLOP_ERR_INEXACT;
        }
    }
    scan->bits = bits;
    scan->status = status;
    return mcu;
}

/* Body of a skip_mcus slot. */
INLINE u32 skip_mcus(struct dlop_cpu_scan *scan, u32 n_mcus)
{
    struct dlop_cpu_bits bits = scan->bits;
    dlop_status status = scan->status;
    u32 mcu;

    for (mcu = 0; mcu < n_mcus && bits.next <= scan->limit && status == DLOP_OK; mcu++) {
        for (u32 i = 0; i < scan->n_blocks; i++) {
            const struct dlop_cpu_block *block = &scan->block[i];

            refill(&bits);
            predict_dc(&scan->dc_pred[block->component], take_dc(&bits, block->dc, &status),
                       &status);
            skip_block(&bits, block->ac, &status);
        }
    }
    scan->bits = bits;
    scan->status = status;
    return mcu;
}

#endif
