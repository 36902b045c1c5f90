/* Table segments of a JPEG file: DHT and DQT. They are read where they stand; only tables that a
 * scan uses are checked and copied. */
#ifndef DLOP_HOST_FORMAT_JPEG_TABLES_H
#define DLOP_HOST_FORMAT_JPEG_TABLES_H

#include <stdbool.h>
#include <stddef.h>

#include "hw/abi/jpeg_frame.h"

enum dlop_jpeg_table_class { DLOP_JPEG_DC, DLOP_JPEG_AC, DLOP_JPEG_TABLE_CLASS_COUNT };
#define DLOP_JPEG_TABLES_PER_CLASS 4

struct dlop_jpeg_tables {
    /* Body of the table in the file: 16 counts, then the symbols; null where none was defined. */
    const uint8_t *huff[DLOP_JPEG_TABLE_CLASS_COUNT][DLOP_JPEG_TABLES_PER_CLASS];
    /* Its copy in the frame, or -1 when it was defined anew since. */
    int huff_index[DLOP_JPEG_TABLE_CLASS_COUNT][DLOP_JPEG_TABLES_PER_CLASS];
    bool has_quant[DLOP_JPEG_MAX_QUANT_TABLES];
};

/* Take the tables of one DHT or DQT segment; quantisation tables go straight into the frame. Null,
 * or why not (static text). The bytes must live as long as *tables. */
const char *dlop_jpeg_tables_take_huff(struct dlop_jpeg_tables *tables, const uint8_t *body,
                                       size_t n_bytes);
const char *dlop_jpeg_tables_take_quant(struct dlop_jpeg_tables *tables, const uint8_t *body,
                                        size_t n_bytes, struct dlop_jpeg_frame *frame);

/* Index in frame->huff of the table that a scan uses, copied there at its first use. Null with
 * *index_out, or why the table cannot be used (static text). */
const char *dlop_jpeg_tables_use_huff(struct dlop_jpeg_tables *tables,
                                      enum dlop_jpeg_table_class table_class, uint32_t number,
                                      struct dlop_jpeg_frame *frame, uint8_t *index_out);

#endif
