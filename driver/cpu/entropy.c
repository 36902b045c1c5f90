/* Entropy decoding in plain C shaped for a CPU: tables, bit positions, unstuffing, runs of MCUs. */
#include "driver/cpu/entropy.h"

#include <string.h>

#include "driver/cpu/entropy_loop.h"
#include "driver/cpu/idct.h"
#include "hw/core/unstuff.h"

/* ---- AC tables ----------------------------------------------------------------------------------
 *
 * Symbols stand in the order of their codes, so in every table that is looked up with the next n
 * bits a symbol has one range, each of its values a part of that, and what may follow in the
 * remaining m bits is the table for m bits. Tables are made of whole ranges for that reason: most
 * images bring their own.
 */

#define MAX_SECOND_SIZE   7  /* value bits of -127..127 */
#define MAX_GROUP_ADVANCE 33 /* from index 63 on it stays outside the indices of an end of block */

/* An AC symbol as its entry in the core table says. */
struct symbol {
    u32 code_bits, size, advance;
    bool is_bad, is_end;
};

static struct symbol symbol_of(u32 entry)
{
    return (struct symbol){
        .code_bits = DLOP_HUFF_CODE_BITS(entry),
        .size = DLOP_HUFF_SIZE(entry),
        .advance = DLOP_HUFF_ADVANCE(entry),
        .is_bad = (entry & DLOP_HUFF_BAD) != 0,
        .is_end = DLOP_HUFF_ADVANCE(entry) == DLOP_HUFF_ADVANCE_EOB,
    };
}

/* All tables for 0..n bits in one array: the one for n bits stands at [1 << n]. */
#define TABLES_ROOM (2u << DLOP_CPU_GROUP_BITS)

struct ac_builder {
    const struct dlop_huff_table *core;
    u32 n_symbols;
    u32 end_code, end_bits;    /* of the end of block; end_bits is 0 where there is none */
    u32 follower[TABLES_ROOM]; /* a second coefficient and an end of block, as added to a first */
    u16 skipped[TABLES_ROOM];
};

static void fill(u32 *out, u32 n, u32 value)
{
    for (u32 i = 0; i < n; i++)
        out[i] = value;
}

/* What follows a first coefficient within n_bits. */
static void fill_follower(struct ac_builder *builder, u32 n_bits)
{
    u32 *out = builder->follower + (1u << n_bits), *end = out + (1u << n_bits);

    for (u32 i = 0; i < builder->n_symbols; i++) {
        struct symbol symbol = symbol_of(builder->core->entry[i]);
        u32 used_bits = symbol.code_bits + symbol.size, rest_bits = n_bits - used_bits;

        if (symbol.code_bits > n_bits)
            break;
        if (symbol.is_bad || symbol.is_end || used_bits > n_bits || symbol.size > MAX_SECOND_SIZE) {
            u32 entry = symbol.is_end ? DLOP_CPU_END_ADVANCE << 8 | symbol.code_bits : 0;

            fill(out, 1u << (n_bits - symbol.code_bits), entry);
            out += 1u << (n_bits - symbol.code_bits);
            continue;
        }
        for (u32 raw = 0; raw < 1u << symbol.size; raw++) {
            u32 value = (u32)value_of((u64)raw << 1 << (63 - symbol.size), symbol.size);
            u32 entry = value << 24 | symbol.advance << 8 | used_bits;

            fill(out, 1u << rest_bits, entry);
            if (builder->end_bits != 0 && builder->end_bits <= rest_bits) {
                u32 spare_bits = rest_bits - builder->end_bits;

                fill(out + (builder->end_code << spare_bits), 1u << spare_bits,
                     entry + (DLOP_CPU_END_ADVANCE << 8 | builder->end_bits));
            }
            out += 1u << rest_bits;
        }
    }
    fill(out, (u32)(end - out), 0);
}

/* Set n entries of first[]: a value of size bits, of which raw are the first and n_late follow. */
static void fill_first(s16 *out, u32 n, u32 raw, u32 size, u32 n_late)
{
    s32 value = (s32)(raw << n_late);

    if (size > 0 && !(raw >> (size - n_late - 1)))
        value -= (1 << size) - 1;
    for (u32 i = 0; i < n; i++)
        out[i] = (s16)((u32)value << 5 | (31 - n_late));
}

static void fill_groups(struct ac_builder *builder, struct dlop_cpu_huff *huff)
{
    const u32 n_bits = DLOP_CPU_GROUP_BITS;
    u32 *group = huff->group, at = 0;
    s16 *first = huff->first;

    for (u32 i = 0; i < builder->n_symbols; i++) {
        struct symbol symbol = symbol_of(builder->core->entry[i]);
        u32 used_bits = symbol.code_bits + symbol.size, n_late, entry;

        if (symbol.code_bits > n_bits)
            break;
        if (symbol.is_bad || symbol.is_end || (symbol.code_bits == n_bits && symbol.size > 0)) {
            u32 n = 1u << (n_bits - symbol.code_bits);

            entry = symbol.is_end && !symbol.is_bad ? DLOP_CPU_END_ALONE | symbol.code_bits
                                                    : DLOP_CPU_LONG;
            fill(group + at, n, entry);
            fill_first(first + at, n, 0, 0, 0);
            at += n;
            continue;
        }
        n_late = used_bits > n_bits ? used_bits - n_bits : 0;
        entry = symbol.advance << 16 | symbol.advance << 8 | used_bits;
        for (u32 raw = 0; raw < 1u << (symbol.size - n_late); raw++) {
            u32 n = 1u << (n_bits + n_late - used_bits);
            const u32 *follower = builder->follower + n;

            for (u32 rest = 0; rest < n; rest++)
                group[at + rest] = entry + (n_late ? 0 : follower[rest]);
            fill_first(first + at, n, raw, symbol.size, n_late);
            at += n;
        }
    }
    fill(group + at, (1u << n_bits) - at, DLOP_CPU_LONG);
    fill_first(first + at, (1u << n_bits) - at, 0, 0, 0);
}

/* Symbols that begin within n_bits. */
static void fill_skipped(struct ac_builder *builder, u32 n_bits)
{
    u16 *out = builder->skipped + (1u << n_bits), *end = out + (1u << n_bits);

    for (u32 i = 0; i < builder->n_symbols; i++) {
        struct symbol symbol = symbol_of(builder->core->entry[i]);
        u32 used_bits = symbol.code_bits + symbol.size;
        u32 advance = symbol.is_end ? DLOP_CPU_END_ADVANCE : symbol.advance;
        u16 entry = (u16)(symbol.is_bad ? 0 : advance << 8 | used_bits);
        bool is_last = symbol.is_bad || symbol.is_end || used_bits >= n_bits;
        u32 n_parts = is_last ? 1 : 1u << symbol.size, n;

        if (symbol.code_bits > n_bits)
            break;
        n = 1u << (n_bits - (is_last ? symbol.code_bits : used_bits));
        for (u32 part = 0; part < n_parts; part++) {
            const u16 *follower = builder->skipped + n;

            for (u32 rest = 0; rest < n; rest++) {
                u32 follower_advance = follower[rest] >> 8 & (DLOP_CPU_END_ADVANCE - 1);
                bool fits = !is_last && advance + follower_advance <= MAX_GROUP_ADVANCE;

                out[rest] = (u16)(entry + (fits ? follower[rest] : 0));
            }
            out += n;
        }
    }
    memset(out, 0, (size_t)(end - out) * sizeof(*out));
}

static void fill_ac(struct dlop_cpu_huff *huff, u32 n_symbols)
{
    const u32 n_bits = DLOP_CPU_GROUP_BITS;
    struct ac_builder builder;

    builder.core = &huff->core;
    builder.n_symbols = n_symbols;
    builder.end_bits = 0;
    for (u32 i = 0; i < n_symbols; i++) {
        struct symbol symbol = symbol_of(huff->core.entry[i]);

        if (symbol.is_end && !symbol.is_bad) {
            builder.end_bits = symbol.code_bits;
            builder.end_code = (i - huff->core.offset[symbol.code_bits - 1]) & 0xffff;
        }
    }
    for (u32 n = 0; n <= n_bits; n++) {
        fill_follower(&builder, n);
        fill_skipped(&builder, n);
    }
    fill_groups(&builder, huff);
    for (u32 i = 0; i < 1u << n_bits; i++) {
        u16 entry = builder.skipped[(1u << n_bits) + i];

        huff->skip[i] = (u16)(entry == 0 ? DLOP_CPU_NO_ADVANCE << 8 : entry);
    }
}

dlop_status dlop_cpu_huff_build(const struct dlop_jpeg_huff *dht, u32 huff_class,
                                struct dlop_cpu_huff *huff_out)
{
    u32 n_symbols = 0, at = 0;

    if (dlop_huff_assign(dht, huff_class, &huff_out->core) != DLOP_OK)
        return DLOP_ERR_BAD_DATA;
    for (u32 bits = 1; bits <= 16; bits++) {
        for (u32 i = 0; i < dht->n_codes[bits - 1]; i++, n_symbols++) {
            u32 n = bits <= DLOP_CPU_LOOKUP_BITS ? 1u << (DLOP_CPU_LOOKUP_BITS - bits) : 0;

            fill(huff_out->entry + at, n, huff_out->core.entry[n_symbols]);
            at += n;
        }
    }
    fill(huff_out->entry + at, (1u << DLOP_CPU_LOOKUP_BITS) - at, 0);
    if (huff_class == DLOP_HUFF_AC)
        fill_ac(huff_out, n_symbols);
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
