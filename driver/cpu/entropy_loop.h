/* The entropy decoder's inner loops: one block kept, one block skipped, a run of MCUs.
 *
 * Only for the files that compile them for one processor level each (entropy.c, entropy_avx2.c,
 * idct_neon.c), so everything is inline. The loops touch nothing but the scan, its tables and its
 * planes.
 */
#ifndef DLOP_DRIVER_CPU_ENTROPY_LOOP_H
#define DLOP_DRIVER_CPU_ENTROPY_LOOP_H

#include <stdbool.h>
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

/* One AC symbol on its own: value in bits 16-31, advance in bits 8-15, bits to drop in bits 0-5. */
INLINE u32 make_symbol(u64 window, u32 code_bits, u32 size, u32 advance)
{
    return (u32)value_of(window << code_bits, size) << 16 | advance << 8 | (code_bits + size);
}

/* Core entry of the symbol at the head of the window; DLOP_HUFF_BAD where there is none. */
INLINE u32 find_entry(u64 window, const struct dlop_cpu_huff *huff)
{
    u32 entry = huff->entry[window >> (64 - DLOP_CPU_LOOKUP_BITS)];

    return LIKELY(entry != 0) ? entry : dlop_huff_compare(&huff->core, (u32)(window >> 48));
}

/* The AC symbol at the head of the window. One that does not exist advances beyond the block and is
 * not an end. */
static __attribute__((noinline)) u32 find_symbol(u64 window, const struct dlop_cpu_huff *ac)
{
    u32 entry = find_entry(window, ac), advance = DLOP_HUFF_ADVANCE(entry);

    if (entry & DLOP_HUFF_BAD)
        return DLOP_CPU_NO_ADVANCE << 8;
    if (advance == DLOP_HUFF_ADVANCE_EOB)
        advance = DLOP_CPU_END_ADVANCE;
    return make_symbol(window, DLOP_HUFF_CODE_BITS(entry), DLOP_HUFF_SIZE(entry), advance);
}

/* Refill, drop a DC symbol (27 bits at most) and return its difference. A bad code sets *status. */
INLINE s32 take_dc(struct dlop_cpu_bits *bits, const struct dlop_cpu_huff *dc, dlop_status *status)
{
    u32 entry = find_entry(bits->window, dc);
    s32 value;

    refill(bits);
    value = value_of(bits->window << DLOP_HUFF_CODE_BITS(entry), DLOP_HUFF_SIZE(entry));
    if (UNLIKELY(entry & DLOP_HUFF_BAD))
        *status = DLOP_ERR_BAD_DATA;
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

/* Decode the rest of a block from index k on, one symbol at a time. Nothing need be loaded. */
static __attribute__((noinline)) struct dlop_cpu_bits take_symbols(struct dlop_cpu_bits bits,
                                                                   const struct dlop_cpu_huff *ac,
                                                                   const u8 *position, s16 *coef,
                                                                   u32 k, dlop_status *status)
{
    while (k < 64) {
        u32 symbol;

        refill(&bits);
        symbol = find_symbol(bits.window, ac);
        k += symbol >> 8 & 0xff;
        if (k <= 64)
            coef[position[k]] = (s16)(symbol >> 16);
        drop(&bits, symbol);
    }
    if (!DLOP_CPU_IS_COMPLETE(k))
        *status = DLOP_ERR_BAD_DATA;
    return bits;
}

/* The first value of a group, whose head the window has. */
INLINE s16 first_value(u64 window, s32 first)
{
    u32 late = (u32)((window << DLOP_CPU_GROUP_BITS) >> 33);

    return (s16)((first >> 5) + (s32)(late >> (first & 31)));
}

/* A block whose AC coefficients are being decoded. */
struct begun_block {
    s16 *coef;    /* at first zero but for DC */
    u32 k;        /* index of the next coefficient */
    bool is_flat; /* the block has ended, and all AC coefficients are zero */
};

/* Two lookups, or fewer to the block's end; returns whether it was met. position:
 * [DLOP_CPU_N_INDICES], index after a coefficient -> its place. */
INLINE bool take_groups(struct dlop_cpu_bits *bits, const struct dlop_cpu_huff *ac,
                        const u8 *position, struct begun_block *block, dlop_status *status)
{
    s16 *coef = block->coef;
    u32 k = block->k, next, entry;

#pragma GCC unroll 2
    for (u32 n = 0; n < 2; n++) {
        u32 head = (u32)(bits->window >> (64 - DLOP_CPU_GROUP_BITS));
        s32 first = ac->first[head];

        entry = ac->group[head];
        if (n == 0)
            refill(bits);
        next = k + (entry >> 8 & 0xff);
        if (UNLIKELY(entry & DLOP_CPU_LONG)) {
            entry = find_symbol(bits->window, ac);
            k += entry >> 8 & 0xff;
            if (LIKELY(k <= 64))
                coef[position[k]] = (s16)(entry >> 16);
            drop(bits, entry);
            if (k >= 64 && !DLOP_CPU_IS_COMPLETE(k))
                *status = DLOP_ERR_BAD_DATA;
            block->k = k;
            return k >= 64;
        }
        /* A second value of 0 goes to the first one's place: in this order. */
        coef[position[next]] = (s16)((s32)entry >> 24);
        coef[position[k + (entry >> 16 & 0xff)]] = first_value(bits->window, first);
        if (next >= 64)
            goto last;
        drop(bits, entry);
        k = next;
    }
    block->k = k;
    return false;
last:
    if (LIKELY(DLOP_CPU_IS_COMPLETE(next)))
        drop(bits, entry);
    else
        *bits = take_symbols(*bits, ac, position, coef, k, status);
    block->is_flat = k == 1 && (entry & 0xffffff00) == DLOP_CPU_END_ALONE;
    return true;
}

/* Pass over the rest of a block from index k on, one symbol at a time. Nothing need be loaded. */
static __attribute__((noinline)) struct dlop_cpu_bits
skip_symbols(struct dlop_cpu_bits bits, const struct dlop_cpu_huff *ac, u32 k, dlop_status *status)
{
    while (k < 64) {
        u32 symbol;

        refill(&bits);
        symbol = find_symbol(bits.window, ac);
        k += symbol >> 8 & 0xff;
        drop(&bits, symbol);
    }
    if (!DLOP_CPU_IS_COMPLETE(k))
        *status = DLOP_ERR_BAD_DATA;
    return bits;
}

/* Pass over one block's AC symbols. A lookup drops at most 21 bits. */
INLINE void skip_block(struct dlop_cpu_bits *bits, const struct dlop_cpu_huff *ac,
                       dlop_status *status)
{
    u32 k = 1, next, entry;

    for (;;) {
        entry = ac->skip[bits->window >> (64 - DLOP_CPU_GROUP_BITS)];
        refill(bits);
        next = k + (entry >> 8);
        if (next >= 64)
            break;
        drop(bits, entry);
        k = next;
        entry = ac->skip[bits->window >> (64 - DLOP_CPU_GROUP_BITS)];
        next = k + (entry >> 8);
        if (next >= 64)
            break;
        drop(bits, entry);
        k = next;
    }
    if (LIKELY(DLOP_CPU_IS_COMPLETE(next)))
        drop(bits, entry);
    else
        *bits = skip_symbols(*bits, ac, k, status);
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

/* In parts that become vector stores: compilers make a slow string instruction of the whole. */
INLINE void clear_block(s16 *coef)
{
    for (u32 i = 0; i < 64; i += 16)
        memset(coef + i, 0, 16 * sizeof(coef[0]));
}

/* Have the cache fetch, one row per block, the line in which each of the eight rows goes on: a
 * store to a line that is not there holds up all later ones, and with them the coefficients of the
 * next block. */
INLINE void fetch_ahead(const u8 *samples, size_t stride_bytes)
{
    uintptr_t at = (uintptr_t)samples, line = (at | 63) + 1;

    __builtin_prefetch((const void *)(line + (at >> 3 & 7) * stride_bytes), 1);
}

/* Transform a decoded block into its samples. */
INLINE void finish_block(struct dlop_cpu_block *block, const struct begun_block *begun,
                         dlop_cpu_idct_function *idct, dlop_status *status)
{
    u8 *samples = block->samples;

    block->samples = samples + block->step_bytes;
    fetch_ahead(samples, block->stride_bytes);
    if (begun->is_flat)
        fill_block(begun->coef[0] * block->quant->factor[0], samples, block->stride_bytes, status);
    else if (UNLIKELY(idct(begun->coef, block->quant, samples, block->stride_bytes)))
        *status = DLOP_ERR_INEXACT;
}

/* Body of a decode_mcus slot. position, idct: of the same table of steps.
 *
 * A block is transformed when the next one's first lookups are on their way. The processor learns
 * late that a block has ended, with nothing in its hands, and then the chain of lookups should be
 * what it gets first. */
INLINE u32 run_mcus(struct dlop_cpu_scan *scan, u32 n_mcus, const u8 *position,
                    dlop_cpu_idct_function *idct)
{
    _Alignas(64) s16 coefs[2][DLOP_CPU_COEF_ROOM];
    struct dlop_cpu_bits bits = scan->bits;
    struct dlop_cpu_block *const end = scan->block + scan->n_blocks;
    struct dlop_cpu_block *block = end, *previous = NULL;
    struct begun_block begun = {.coef = coefs[0]}, whole;
    dlop_status status = scan->status;
    u32 mcu = 0;
    bool is_more, is_whole = true;

    do {
        whole = begun;
        is_more = status == DLOP_OK;
        if (block == end) {
            is_more = is_more && mcu < n_mcus && bits.next <= scan->limit;
            mcu += is_more;
            block = scan->block;
        }
        if (is_more) {
            begun.coef = whole.coef == coefs[0] ? coefs[1] : coefs[0];
            begun.k = 1;
            begun.is_flat = false;
            clear_block(begun.coef);
            begun.coef[0] = (s16)predict_dc(&scan->dc_pred[block->component],
                                            take_dc(&bits, block->dc, &status), &status);
            is_whole = take_groups(&bits, block->ac, position, &begun, &status);
        }
        if (previous != NULL)
            finish_block(previous, &whole, idct, &status);
        while (!is_whole)
            is_whole = take_groups(&bits, block->ac, position, &begun, &status);
        previous = block++;
    } while (is_more);
    scan->bits = bits;
    scan->status = status;
    return mcu;
}

/* Body of a skip_mcus slot. */
INLINE u32 skip_mcus(struct dlop_cpu_scan *scan, u32 n_mcus)
{
    struct dlop_cpu_bits bits = scan->bits;
    const struct dlop_cpu_block *end = scan->block + scan->n_blocks;
    dlop_status status = scan->status;
    u32 mcu;

    for (mcu = 0; mcu < n_mcus && bits.next <= scan->limit && status == DLOP_OK; mcu++) {
        for (const struct dlop_cpu_block *block = scan->block; block < end; block++) {
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
