/* DHT and DQT segments, with the checks that libjpeg makes before it uses a table. */
#include "host/format/jpeg_tables.h"

#include <string.h>

#include "host/format/bytes.h"

#define N_COUNTS 16
/* Baseline differences of 8-bit samples have at most 11 bits; libjpeg allows 15. */
#define MAX_DC_SYMBOL 11

static uint32_t n_symbols_of(const uint8_t counts[N_COUNTS])
{
    uint32_t n = 0;
    for (int i = 0; i < N_COUNTS; i++)
        n += counts[i];
    return n;
}

const char *dlop_jpeg_tables_take_huff(struct dlop_jpeg_tables *tables, const uint8_t *body,
                                       size_t n_bytes)
{
    size_t at = 0;

    while (at < n_bytes) {
        if (n_bytes - at < 1 + N_COUNTS)
            return "Huffman table segment of a wrong length";
        uint32_t table_class = body[at] >> 4, number = body[at] & 15u;
        uint32_t n_symbols = n_symbols_of(body + at + 1);
        if (table_class >= DLOP_JPEG_TABLE_CLASS_COUNT || number >= DLOP_JPEG_TABLES_PER_CLASS)
            return "Huffman table of an unknown class or number";
        if (n_symbols > 256 || n_bytes - at - 1 - N_COUNTS < n_symbols)
            return "Huffman table with more symbols than there are";
        tables->huff[table_class][number] = body + at + 1;
        tables->huff_index[table_class][number] = -1;
        at += 1 + N_COUNTS + n_symbols;
    }
    return NULL;
}

const char *dlop_jpeg_tables_take_quant(struct dlop_jpeg_tables *tables, const uint8_t *body,
                                        size_t n_bytes, struct dlop_jpeg_frame *frame)
{
    size_t at = 0;

    while (at < n_bytes) {
        uint32_t precision = body[at] >> 4, number = body[at] & 15u;
        size_t value_bytes = precision == 0 ? 1 : 2;
        if (precision > 1 || number >= DLOP_JPEG_MAX_QUANT_TABLES)
            return "quantisation table of an unknown kind or number";
        if (n_bytes - at < 1 + 64 * value_bytes)
            return "quantisation table segment of a wrong length";
        const uint8_t *value = body + at + 1;
        for (int i = 0; i < 64; i++, value += value_bytes)
            frame->quant[number][i] = precision == 0 ? value[0] : (uint16_t)dlop_be16(value);
        tables->has_quant[number] = true;
        at += 1 + 64 * value_bytes;
    }
    return NULL;
}

/* Codes are given out in order of length, counting up. The table is a prefix code as long as no
 * length runs out of codes, and libjpeg also keeps the code of all ones free. */
static bool is_prefix_code(const uint8_t counts[N_COUNTS])
{
    uint32_t next_code = 0;
    for (int length = 1; length <= N_COUNTS; length++) {
        next_code += counts[length - 1];
        if (next_code >= 1u << length)
            return false;
        next_code <<= 1;
    }
    return true;
}

static const char *check_huff(enum dlop_jpeg_table_class table_class, const uint8_t *table)
{
    if (!is_prefix_code(table))
        return "Huffman table that is no prefix code";
    if (table_class == DLOP_JPEG_DC) {
        uint32_t n_symbols = n_symbols_of(table);
        for (uint32_t i = 0; i < n_symbols; i++)
            if (table[N_COUNTS + i] > MAX_DC_SYMBOL)
                return "Huffman table with DC differences beyond 11 bits";
    }
    return NULL;
}

const char *dlop_jpeg_tables_use_huff(struct dlop_jpeg_tables *tables,
                                      enum dlop_jpeg_table_class table_class, uint32_t number,
                                      struct dlop_jpeg_frame *frame, uint8_t *index_out)
{
    const uint8_t *table =
        number < DLOP_JPEG_TABLES_PER_CLASS ? tables->huff[table_class][number] : NULL;
    if (table == NULL)
        return "scan uses a Huffman table that the file does not have";

    int *index = &tables->huff_index[table_class][number];
    if (*index < 0) {
        const char *reason = check_huff(table_class, table);
        if (reason != NULL)
            return reason;
        if (frame->n_huff == DLOP_JPEG_MAX_HUFF_TABLES)
            return "more Huffman tables than a frame holds";
        struct dlop_jpeg_huff *copy = &frame->huff[frame->n_huff];
        memset(copy, 0, sizeof(*copy));
        memcpy(copy->n_codes, table, N_COUNTS);
        memcpy(copy->symbols, table + N_COUNTS, n_symbols_of(table));
        *index = frame->n_huff++;
    }
    *index_out = (uint8_t)*index;
    return NULL;
}
