/* Inside of the JPEG decoder, shared by its parts: jpeg.c (memory, planes, the order of work),
 * jpeg_tables.c (Huffman and quantiser tables), jpeg_scan.c (one scan), jpeg_split.c (one scan by
 * several threads) and jpeg_row.c (rows of pixels). */
#ifndef DLOP_DRIVER_CPU_JPEG_INTERNAL_H
#define DLOP_DRIVER_CPU_JPEG_INTERNAL_H

#include <stdbool.h>

#include "driver/cpu/entropy.h"
#include "driver/cpu/jpeg.h"
#include "driver/cpu/steps.h"
#include "driver/cpu/team.h"
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

/* Samples of one component for the MCUs of the region. The memory belongs to the decoder that
 * planned the frame. */
struct dlop_cpu_plane {
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

    /* Where that is: bytes count from where the segment was begun or entered. */
    u32 mcu;        /* of the scan, at the reader */
    u64 n_dropped;  /* unstuffed bytes before jpeg->segment */
    u32 mark_bytes; /* stop at the first MCU that begins here or behind; none: DLOP_CPU_NO_MARK */
    u64 mark_unstuffed; /* the same place among unstuffed bytes, as soon as it is known */
    u32 place_bytes;    /* some place at or before the reader, in both counts */
    u64 place_unstuffed;
};

#define DLOP_CPU_NO_MARK UINT32_MAX

/* What of a scan is to be decoded. */
struct dlop_cpu_scan_plan {
    struct dlop_jpeg_scan scan;
    const u8 *bytes;
    struct dlop_mcu_range range; /* in MCUs of this scan: those of one component are blocks */
    u32 n_x;                     /* MCUs of a row */
    u32 end_mcu;                 /* behind the region's last; 0: nothing to do */
};

/* A place in a scan from which it can be decoded, with what must be known there. */
struct dlop_cpu_entry {
    u32 mcu;
    u32 byte,
        bit; /* first bit of the MCU: byte of the scan (of FF 00 the FF), and bit 0..7 in it */
    s32 dc_pred[DLOP_JPEG_MAX_COMPONENTS];
};

struct dlop_cpu_jpeg {
    struct dlop_cpu_kept_table dc[DLOP_CPU_KEPT_TABLES], ac[DLOP_CPU_KEPT_TABLES];
    u64 n_table_uses;
    struct dlop_cpu_quant quant[DLOP_JPEG_MAX_COMPONENTS];
    struct dlop_cpu_scan_plan plan;
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
    u8 *planes[DLOP_JPEG_MAX_COMPONENTS]; /* this decoder's own, whatever plane[] points at */
    size_t planes_capacity_bytes[DLOP_JPEG_MAX_COMPONENTS];
    struct dlop_cpu_team *team;   /* that helps with the next frames, or null */
    struct dlop_cpu_split *split; /* jpeg_split.c; null before it is first needed */
    u8 *rows;                     /* one upsampled row per component, row_bytes each */
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

/* ---- jpeg_scan.c: one scan by one thread ---- */

/* Find out what the region needs of a scan, and make its tables. geometry, range, quant and planes
 * are ready. DLOP_OK, DLOP_ERR_BAD_DATA. */
dlop_status dlop_cpu_scan_plan(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                               const struct dlop_jpeg_frame *frame,
                               const struct dlop_jpeg_scan *scan) DLOP_MUST_USE;

/* Stand at a place in the planned scan. The entry may be wrong: whatever is decoded from there, no
 * byte outside the scan and no sample outside the planes is touched. DLOP_OK, DLOP_ERR_BAD_DATA. */
dlop_status dlop_cpu_scan_enter(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                                const struct dlop_cpu_entry *entry) DLOP_MUST_USE;

/* Stop at the first MCU that begins at or behind a byte of the scan, which must not be the second
 * of FF 00. Without effect behind the next restart marker. */
void dlop_cpu_scan_mark(struct dlop_cpu_jpeg *jpeg, u32 mark_bytes);
bool dlop_cpu_scan_is_at_mark(const struct dlop_cpu_jpeg *jpeg);

/* The place where the reader stands. Cheap shortly behind the entry, the last place that was asked
 * for, or the mark; only where no restart marker was passed. */
void dlop_cpu_scan_leave(struct dlop_cpu_jpeg *jpeg, struct dlop_cpu_entry *entry_out);

/* Go on to an MCU or to the mark, and decode what lies in the region. Statuses of dlop_decode_scan
 * in hw/core. */
dlop_status dlop_cpu_scan_run(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                              u32 stop_mcu) DLOP_MUST_USE;
/* Go on by at most n_mcus, or to the mark, and decode nothing. */
dlop_status dlop_cpu_scan_pass(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                               u32 n_mcus) DLOP_MUST_USE;

/* Behind a segment's last MCU: step over the marker. *next_bytes_out: first byte behind it.
 * DLOP_OK, DLOP_ERR_BAD_DATA, DLOP_ERR_TRUNCATED. */
dlop_status dlop_cpu_scan_end_segment(struct dlop_cpu_jpeg *jpeg,
                                      const struct dlop_cpu_steps *steps,
                                      u32 *next_bytes_out) DLOP_MUST_USE;

/* ---- jpeg_split.c ---- */

/* The planned scan by several threads, those of jpeg->team. DLOP_OK: the planes are those that one
 * thread would make. Anything else: they are of no use, and one thread has to say why. */
dlop_status dlop_cpu_jpeg_split(struct dlop_cpu_jpeg *jpeg,
                                const struct dlop_cpu_steps *steps) DLOP_MUST_USE;

/* ---- jpeg.c ---- */

/* Make a helper's decoder ready for the frame that another one has planned: it reads that one's
 * tables and writes into its planes. DLOP_OK, DLOP_ERR_NO_MEMORY. */
dlop_status dlop_cpu_jpeg_share(struct dlop_cpu_jpeg *jpeg,
                                const struct dlop_cpu_jpeg *leader) DLOP_MUST_USE;

#endif
