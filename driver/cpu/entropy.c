/* Entropy decoding in plain C shaped for a CPU: tables, bit positions, unstuffing, runs of MCUs. */
#include "driver/cpu/entropy.h"

#include <string.h>

#include "driver/cpu/entropy_loop.h"
#include "driver/cpu/idct.h"
#include "hw/core/unstuff.h"

/* The AC symbol that a lookup begins with. */
struct first_symbol {
    u8 code_bits; /* 0: longer than the lookup, or no code */
    u8 size;
    u8 advance;
    s8 value; /* where it is in the lookup and small */
};

#define MAX_GROUP_SIZE 7  /* value bits of -127..127 */
#define MAX_ADVANCE    33 /* from index 63 on it stays below DLOP_CPU_END_ADVANCE + 1 */

static void find_first_symbols(const struct dlop_huff_table *core, struct first_symbol *first)
{
    const u32 n_bits = DLOP_CPU_AC_LOOKUP_BITS, end = core->limit[n_bits - 1] >> (16 - n_bits);
    u32 at = 0;

    for (u32 i = 0; at < end; i++) {
        u32 entry = core->entry[i], size = DLOP_HUFF_SIZE(entry);
        u32 spare_bits = n_bits - DLOP_HUFF_CODE_BITS(entry);
        struct first_symbol symbol = {
            .code_bits = (u8)(entry & DLOP_HUFF_BAD ? 0 : DLOP_HUFF_CODE_BITS(entry)),
            .size = (u8)size,
            .advance = (u8)DLOP_HUFF_ADVANCE(entry),
        };
        bool has_value = size <= MAX_GROUP_SIZE && size <= spare_bits;

        for (u32 rest = 0; rest < 1u << spare_bits; rest++, at++) {
            if (has_value)
                symbol.value = (s8)value_of((u64)rest << 1 << (63 - spare_bits), size);
            first[at] = symbol;
        }
    }
    memset(first + at, 0, ((1u << n_bits) - at) * sizeof(*first));
}

/* Entry of lookup.ac. */
static u32 group_symbols(const struct first_symbol *first, u32 window)
{
    const u32 n_bits = DLOP_CPU_AC_LOOKUP_BITS, mask = (1u << n_bits) - 1;
    const struct first_symbol *a = &first[window], *b;
    u32 n_used = (u32)a->code_bits + a->size, advance = a->advance, entry;

    if (a->code_bits != 0 && advance == DLOP_HUFF_ADVANCE_EOB)
        return n_used | DLOP_CPU_END_ADVANCE << 8 | 1u << 16;
    if (a->code_bits == 0 || n_used > n_bits || a->size > MAX_GROUP_SIZE || advance > 16)
        return DLOP_CPU_AC_LONG | a->code_bits | advance << 8 | (u32)a->size << 16;
    entry = advance << 16;
    b = &first[window << n_used & mask];
    if (b->code_bits != 0 && n_used + b->code_bits + b->size <= n_bits &&
        b->size <= MAX_GROUP_SIZE && b->advance <= 16) {
        n_used += (u32)b->code_bits + b->size;
        advance += b->advance;
        entry |= (u32)b->value << 24;
        b = &first[window << n_used & mask];
    }
    if (b->code_bits != 0 && n_used + b->code_bits <= n_bits &&
        b->advance == DLOP_HUFF_ADVANCE_EOB) {
        n_used += b->code_bits;
        advance += DLOP_CPU_GROUP_END_ADVANCE;
    }
    return entry | advance << 8 | n_used;
}

/* Entry of skip. */
static u32 group_skipped(const struct first_symbol *first, u32 window)
{
    const u32 n_bits = DLOP_CPU_AC_LOOKUP_BITS, mask = (1u << n_bits) - 1;
    u32 n_used = 0, advance = 0;

    while (n_used < n_bits) {
        const struct first_symbol *symbol = &first[window << n_used & mask];

        if (symbol->code_bits == 0 || n_used + symbol->code_bits > n_bits)
            break;
        if (symbol->advance != DLOP_HUFF_ADVANCE_EOB && advance + symbol->advance > MAX_ADVANCE)
            break;
        n_used += (u32)symbol->code_bits + symbol->size;
        if (symbol->advance == DLOP_HUFF_ADVANCE_EOB) {
            advance += advance == 0 ? DLOP_CPU_END_ADVANCE : DLOP_CPU_GROUP_END_ADVANCE;
            break;
        }
        advance += symbol->advance;
    }
    return n_used == 0 ? DLOP_CPU_NO_GROUP << 8 : advance << 8 | n_used;
}

static void fill_ac(struct dlop_cpu_huff *huff)
{
    struct first_symbol first[1 << DLOP_CPU_AC_LOOKUP_BITS];

    find_first_symbols(&huff->core, first);
    for (u32 window = 0; window < 1u << DLOP_CPU_AC_LOOKUP_BITS; window++) {
        huff->lookup.ac.group[window] = group_symbols(first, window);
        huff->lookup.ac.first[window] = first[window].value;
        huff->skip[window] = (u16)group_skipped(first, window);
    }
}

static void fill_dc(struct dlop_cpu_huff *huff, u32 code, u32 entry)
{
    u32 spare_bits = DLOP_CPU_DC_LOOKUP_BITS - DLOP_HUFF_CODE_BITS(entry);

    for (u32 i = 0; i < 1u << spare_bits; i++)
        huff->lookup.dc[(code << spare_bits) + i] = entry;
}

dlop_status dlop_cpu_huff_build(const struct dlop_jpeg_huff *dht, u32 huff_class,
                                struct dlop_cpu_huff *huff_out)
{
    u32 code = 0, symbol = 0;

    if (dlop_huff_assign(dht, huff_class, &huff_out->core) != DLOP_OK)
        return DLOP_ERR_BAD_DATA;
    if (huff_class == DLOP_HUFF_AC) {
        fill_ac(huff_out);
        return DLOP_OK;
    }
    for (u32 bits = 1; bits <= DLOP_CPU_DC_LOOKUP_BITS; bits++) {
        for (u32 i = 0; i < dht->n_codes[bits - 1]; i++, code++, symbol++)
            fill_dc(huff_out, code, huff_out->core.entry[symbol]);
        code *= 2;
    }
    /* What is left begins longer codes, or none. */
    for (code /= 2; code < 1u << DLOP_CPU_DC_LOOKUP_BITS; code++)
        huff_out->lookup.dc[code] = 0;
    return DLOP_OK;
}

void dlop_cpu_bits_seek(struct dlop_cpu_scan *scan, u64 position_bits)
{
    scan->bits = (struct dlop_cpu_bits){.next = scan->segment + position_bits / 8};
    refill(&scan->bits);
    drop(&scan->bits, position_bits % 8);
}

u64 dlop_cpu_bits_position(const struct dlop_cpu_scan *scan)
{
    return 8 * (u64)(scan->bits.next - scan->segment) - (scan->bits.n_bits & 63);
}

s32 dlop_cpu_unstuff_end(const u8 *scan, u32 n_scan_bytes, u32 *position, u32 *next_rst)
{
    u32 n_left = n_scan_bytes - *position, marker = n_left >= 2 ? scan[*position + 1] : 0;

    *position += n_left < 2 ? n_left : 2;
    if (n_left == 0)
        return DLOP_END;
    if (marker != DLOP_RST0 + *next_rst)
        return DLOP_ERR_BAD_DATA;
    *next_rst = (*next_rst + 1) & 7;
    return DLOP_OK;
}

s32 dlop_cpu_unstuff_plain(const u8 *scan, u32 n_scan_bytes, u32 *position, u32 *next_rst,
                           u8 *segment_out, u32 *n_bytes_out)
{
    const u8 *in = scan + *position, *end = scan + n_scan_bytes;
    u8 *out = segment_out;

    for (;;) {
        const u8 *ff = in < end ? memchr(in, 0xff, (size_t)(end - in)) : NULL;
        size_t n = (size_t)((ff != NULL ? ff : end) - in);

        if (n > 0)
            memcpy(out, in, n);
        out += n;
        in += n;
        if (ff == NULL || end - ff < 2 || ff[1] != 0)
            break;
        *out++ = 0xff;
        in += 2;
    }
    *position = (u32)(in - scan);
    *n_bytes_out = (u32)(out - segment_out);
    return dlop_cpu_unstuff_end(scan, n_scan_bytes, position, next_rst);
}

u32 dlop_cpu_decode_mcus_plain(struct dlop_cpu_scan *scan, u32 n_mcus)
{
    return run_mcus(scan, n_mcus, dlop_cpu_coef_position_plain, dlop_cpu_idct_plain);
}

u32 dlop_cpu_skip_mcus_plain(struct dlop_cpu_scan *scan, u32 n_mcus)
{
    return skip_mcus(scan, n_mcus);
}
