/* Inside of the JPEG decoder, shared by its parts: jpeg.c (memory, planes, the order of work),
 * jpeg_tables.c (Huffman and quantiser tables), jpeg_scan.c (one scan) and jpeg_row.c (rows of
 * pixels). */
#ifndef DLOP_DRIVER_CPU_JPEG_INTERNAL_H
#define DLOP_DRIVER_CPU_JPEG_INTERNAL_H

#include <stdbool.h>

#include "driver/cpu/entropy.h"
#include "driver/cpu/jpeg.h"
#include "driver/cpu/steps.h"
#include "hw/core/geometry.h"
#include "hw/core/region.h"

/* Stuffed bytes that are unstuffed at a time: they stay in the first-level cache until decoded. */
#define DLOP_CPU_FEED_BYTES 8192
/* What was not decoded yet, one feed, what unstuffing may write behind it, what a run may read. */
#define DLOP_CPU_SEGMENT_ROOM_BYTES (DLOP_CPU_FEED_BYTES + 2 * DLOP_CPU_SEGMENT_SLACK_BYTES + 64)

/* Tables of each class that are kept: a scan uses at most three, the rest is for later images. */
#define DLOP_CPU_KEPT_TABLES 6

/* Samples before and behind each row of a plane that may be read, and one of each written. */
#define DLOP_CPU_PLANE_MARGIN 64

struct dlop_cpu_kept_table {
    struct dlop_jpeg_huff source; /* what it was made of */
    dlop_status (*build)(const struct dlop_jpeg_huff *dht, u32 huff_class,
                         struct dlop_cpu_huff *huff_out); /* and by whom; null: nothing yet */
    u64 last_use;
    struct dlop_cpu_huff huff;
};

/* Samples of one component for the MCUs of the region. */
struct dlop_cpu_plane {
    u8 *memory;
    size_t capacity_bytes;
    u8 *samples; /* that at (x_first, y_first) of the component */
    size_t stride_bytes;
    u32 x_first, y_first;
    u32 width, height; /* whole blocks */
    u32 upsample_kind;
};

/* Where the bytes of the scan in progress come from. */
struct dlop_cpu_source {
    const u8 *bytes;
    u32 n_bytes, position_bytes;
    u32 next_rst;
    dlop_status
        end; /* what ended the segment: DLOP_OK a marker, DLOP_END the scan, DLOP_AGAIN nothing
                        yet */
    u32 restart_interval, n_mcus_left; /* n_mcus_left: of this segment */
};

struct dlop_cpu_jpeg {
    struct dlop_cpu_kept_table dc[DLOP_CPU_KEPT_TABLES], ac[DLOP_CPU_KEPT_TABLES];
    u64 n_table_uses;
    struct dlop_cpu_quant quant[DLOP_JPEG_MAX_COMPONENTS];
    struct dlop_cpu_scan scan;
    struct dlop_cpu_source source;
    u8 segment[DLOP_CPU_SEGMENT_ROOM_BYTES];

    /* Of the last frame. */
    struct dlop_geometry geometry;
    struct dlop_mcu_range range;
    struct dlop_rect rect;
    u32 colour;
    u32 n_blocks; /* transformed so far */
    struct dlop_cpu_plane plane[DLOP_JPEG_MAX_COMPONENTS];
    u8 *rows; /* one upsampled row per component, row_bytes each */
    size_t rows_capacity_bytes, row_bytes;
};

/* The decode table for a DHT description, made or found. Statuses of dlop_cpu_huff_build. Valid
 * until DLOP_CPU_KEPT_TABLES others of its class were asked for. */
dlop_status dlop_cpu_jpeg_table(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                                const struct dlop_jpeg_huff *source, u32 huff_class,
                                const struct dlop_cpu_huff **huff_out) DLOP_MUST_USE;

/* Quantisers of one component in the order of these steps. zigzag: [64]. */
void dlop_cpu_quant_init(const struct dlop_cpu_steps *steps, const u16 *zigzag,
                         struct dlop_cpu_quant *quant_out);

/* Decode what the region needs of one scan into the planes. geometry, range, quant and planes are
 * ready. Statuses of dlop_decode_scan in hw/core. */
dlop_status dlop_cpu_jpeg_scan(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                               const struct dlop_jpeg_frame *frame,
                               const struct dlop_jpeg_scan *scan) DLOP_MUST_USE;

#endif
