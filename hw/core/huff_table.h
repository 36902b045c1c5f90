/* Huffman decode table: a DHT table as in the file in, a table that decodes one symbol without a
 * search out.
 *
 * Key idea: codes are canonical, so left-aligned to 16 bits the codes of each length fill one range
 * [limit of the shorter lengths, own limit). A window's code length is therefore one plus the
 * number of limits that it reaches: parallel compares. A first-level lookup by the leading bits
 * saves that for short codes; an entry whose code length is 0 means "longer, compare".
 * Input: any bytes; tables that are not prefix-free, contain the code of all ones or (DC) a symbol
 * above 11 are refused. Output: entries whose fields are in the ranges named below.
 */
#ifndef DLOP_HW_CORE_HUFF_TABLE_H
#define DLOP_HW_CORE_HUFF_TABLE_H

#include "hw/abi/jpeg_frame.h"
#include "hw/abi/port.h"
#include "hw/abi/status.h"

/* 9, 10 or 11: block memory against the share of symbols that need the compares (0.4 % at 10). */
#ifndef DLOP_HUFF_LOOKUP_BITS
#define DLOP_HUFF_LOOKUP_BITS 10
#endif
#define DLOP_HUFF_LOOKUP_ENTRIES (1u << DLOP_HUFF_LOOKUP_BITS)

#define DLOP_HUFF_MAX_CODE_BITS 16
/* Bits of the value after the code. 8-bit pictures need no more; larger ones would leave the range
 * in which decoders agree. */
#define DLOP_HUFF_MAX_DC_SIZE 11
#define DLOP_HUFF_MAX_AC_SIZE 10
/* One symbol uses at most 16 + 11 = 27 bits. */
#define DLOP_HUFF_MAX_SYMBOL_BITS 27
/* End of block: enough to leave the block from any position. */
#define DLOP_HUFF_ADVANCE_EOB 64

enum dlop_huff_class { DLOP_HUFF_DC, DLOP_HUFF_AC };

/* Entry: code_bits (0..16) | (code_bits + size) << 8 | advance << 16 | size << 24 | is_bad << 31.
 * advance: how far the position in the block moves: 1 for DC, run + 1 for AC, 16 for ZRL, 64 for
 * EOB. size 0 stores nothing, except for DC. */
#define DLOP_HUFF_CODE_BITS(entry)  ((entry)&31u)
#define DLOP_HUFF_TOTAL_BITS(entry) ((entry) >> 8 & 31u)
#define DLOP_HUFF_ADVANCE(entry)    ((entry) >> 16 & 127u)
#define DLOP_HUFF_SIZE(entry)       ((entry) >> 24 & 15u)
#define DLOP_HUFF_BAD               0x80000000u

struct dlop_huff_table {
    u32 lookup[DLOP_HUFF_LOOKUP_ENTRIES];
    u32 limit[DLOP_HUFF_MAX_CODE_BITS]; /* [bits - 1]: first 16-bit window past the codes of so many
                                            bits or fewer */
    u32 offset[DLOP_HUFF_MAX_CODE_BITS]; /* [bits - 1]: code + offset (mod 256) = symbol's index */
    u32 entry[256];                      /* [symbol's index] */
};

/* Entry of one symbol, by the meaning that its class gives it. */
DLOP_STEP u32 dlop_huff_entry(u32 symbol, u32 code_bits, u32 huff_class)
{
    u32 is_ac = huff_class == DLOP_HUFF_AC;
    u32 size = is_ac ? symbol & 15 : symbol & 255;
    u32 run = is_ac ? symbol >> 4 : 0;
    u32 max_size = is_ac ? DLOP_HUFF_MAX_AC_SIZE : DLOP_HUFF_MAX_DC_SIZE;
    u32 is_run_only = is_ac && size == 0;
    u32 is_bad = size > max_size || (is_run_only && run != 0 && run != 15);
    u32 advance = is_run_only && run == 0 ? DLOP_HUFF_ADVANCE_EOB : run + 1;

    if (is_bad)
        return DLOP_HUFF_BAD | code_bits | code_bits << 8;
    return code_bits | (code_bits + size) << 8 | advance << 16 | size << 24;
}

/* Entry of the code at the head of a 16-bit window, by compares. A window that begins with no code
 * gives DLOP_HUFF_BAD with 16 code bits. */
DLOP_STEP u32 dlop_huff_compare(const struct dlop_huff_table *table, u32 window)
{
    u32 n_reached = 0, i;

    for (i = 0; i < DLOP_HUFF_MAX_CODE_BITS; i++) {
        DLOP_HLS(UNROLL)
        n_reached += window >= table->limit[i];
    }
    if (n_reached == DLOP_HUFF_MAX_CODE_BITS)
        return DLOP_HUFF_BAD | 16u | 16u << 8;
    return table->entry[((window >> (15 - n_reached)) + table->offset[n_reached]) & 255];
}

/* Entry of the code at the head of a 16-bit window. */
DLOP_STEP u32 dlop_huff_find(const struct dlop_huff_table *table, u32 window)
{
    u32 entry = table->lookup[window >> (16 - DLOP_HUFF_LOOKUP_BITS)];

    return DLOP_HUFF_CODE_BITS(entry) ? entry : dlop_huff_compare(table, window);
}

/* Give each length its codes. DLOP_OK, or DLOP_ERR_BAD_DATA where they do not fit. */
DLOP_STEP s32 dlop_huff_assign(const struct dlop_jpeg_huff *dht, u32 huff_class,
                               struct dlop_huff_table *table_out)
{
    u32 code = 0, n_symbols = 0, bits, i;

    for (bits = 1; bits <= DLOP_HUFF_MAX_CODE_BITS; bits++) {
        u32 n = dht->n_codes[bits - 1];

        /* The last code of a length may not be all ones, used or not by longer codes. */
        if (n_symbols + n > 256 || code + n >= 1u << bits)
            return DLOP_ERR_BAD_DATA;
        table_out->offset[bits - 1] = n_symbols - code;
        for (i = 0; i < n; i++) {
            u32 symbol = dht->symbols[n_symbols + i];

            if (huff_class == DLOP_HUFF_DC && symbol > DLOP_HUFF_MAX_DC_SIZE)
                return DLOP_ERR_BAD_DATA;
            table_out->entry[n_symbols + i] = dlop_huff_entry(symbol, bits, huff_class);
        }
        n_symbols += n;
        code += n;
        table_out->limit[bits - 1] = code << (DLOP_HUFF_MAX_CODE_BITS - bits);
        code *= 2;
    }
    return DLOP_OK;
}

/* Build a table. huff_class: DLOP_HUFF_DC or _AC. DLOP_OK; DLOP_ERR_BAD_DATA, *table_out is then
 * undefined. */
DLOP_STEP s32 dlop_huff_build(const struct dlop_jpeg_huff *dht, u32 huff_class,
                              struct dlop_huff_table *table_out)
{
    u32 i;

    if (dlop_huff_assign(dht, huff_class, table_out) != DLOP_OK)
        return DLOP_ERR_BAD_DATA;
    for (i = 0; i < DLOP_HUFF_LOOKUP_ENTRIES; i++) {
        DLOP_HLS(PIPELINE II = 1)
        u32 window = i << (16 - DLOP_HUFF_LOOKUP_BITS);
        u32 is_short = window < table_out->limit[DLOP_HUFF_LOOKUP_BITS - 1];

        table_out->lookup[i] = is_short ? dlop_huff_compare(table_out, window) : 0;
    }
    return DLOP_OK;
}

#endif
