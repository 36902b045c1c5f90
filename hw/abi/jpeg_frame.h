/* What a device must know of a JPEG file besides its entropy-coded bytes: made by host/format,
 * checked there and here.
 *
 * The frame stands at the job's in_offset; scan offsets are relative to it. Only what the kernels
 * handle can be written down: 8-bit Huffman-coded sequential DCT (SOF0, SOF1), 1 or 3 components,
 * all scans complete up to EOI.
 */
#ifndef DLOP_HW_ABI_JPEG_FRAME_H
#define DLOP_HW_ABI_JPEG_FRAME_H

#include "hw/abi/port.h"

#define DLOP_JPEG_MAX_COMPONENTS     3
#define DLOP_JPEG_MAX_SCANS          3
#define DLOP_JPEG_MAX_HUFF_TABLES    8
#define DLOP_JPEG_MAX_QUANT_TABLES   4
#define DLOP_JPEG_MAX_BLOCKS_PER_MCU 10
/* Zero bytes that the host keeps readable after the last scan's end, so that a bit reader may fetch
 * ahead. */
#define DLOP_JPEG_PADDING_BYTES 64

enum dlop_jpeg_colour { DLOP_JPEG_GREY, DLOP_JPEG_YCC, DLOP_JPEG_RGB, DLOP_JPEG_COLOUR_COUNT };

struct dlop_jpeg_component {
    u8 h, v;  /* sampling factors, 1..4; h_max / h and v_max / v are whole */
    u8 quant; /* index into quant[] */
    u8 reserved;
};

/* A DHT table as in the file: n_codes[i] codes of i + 1 bits, then their symbols in order. Checked
 * by the host: the code is prefix-free, no code is all ones, DC symbols are 0..11. (AC symbols are
 * checked while decoding.) */
struct dlop_jpeg_huff {
    u8 n_codes[16];
    u8 symbols[256];
};
DLOP_ASSERT_SIZE(struct dlop_jpeg_huff, 272);

/* Entropy-coded segment: bytes [begin, end) still stuffed, with RSTn markers inside where
 * restart_interval is not 0; end is the position of the marker that ends the scan. */
struct dlop_jpeg_scan {
    u32 begin_bytes, end_bytes; /* relative to the frame's first byte */
    u32 restart_interval;       /* in MCUs of this scan, 0 = none */
    u8 n_components;            /* 1 or all; one component: not interleaved, its MCU is one block */
    u8 component[3];
    u8 dc_table[3], ac_table[3]; /* per entry of component[]: index into huff[] */
    u8 reserved[2];
};
DLOP_ASSERT_SIZE(struct dlop_jpeg_scan, 24);

struct dlop_jpeg_frame {
    u32 width_px, height_px;
    u8 n_components; /* 1 or 3 */
    u8 colour;       /* enum dlop_jpeg_colour */
    u8 h_max, v_max;
    u8 n_scans;
    u8 n_huff;
    u8 reserved[2];
    struct dlop_jpeg_component component[3];
    u32 reserved2;
    struct dlop_jpeg_scan scan[DLOP_JPEG_MAX_SCANS];
    u16 quant[DLOP_JPEG_MAX_QUANT_TABLES][64]; /* zigzag order, as in the file */
    struct dlop_jpeg_huff huff[DLOP_JPEG_MAX_HUFF_TABLES];
};
DLOP_ASSERT_SIZE(struct dlop_jpeg_frame, 32 + 72 + 512 + 2176);

#endif
