/* JPEG decode by the plain reference: a frame's scans in, one plane of samples per component out.
 *
 * This text defines which part of a file is looked at. Each scan is decoded from its first MCU to
 * the last one that the region needs, in the scan's order; no later block is looked at, and no byte
 * past the restart segment of that MCU. All blocks on the way must have valid codes; those inside
 * the needed MCUs are transformed and must be within the range in which decoders agree. Where a
 * restart interval ends and another follows, the segment must end, too: no whole byte may be left
 * over.
 * Not here: upsampling and colour (hw/core/image.h), speed (driver/cpu).
 */
#ifndef DLOP_HW_CORE_DECODE_H
#define DLOP_HW_CORE_DECODE_H

#include "hw/core/dequantise.h"
#include "hw/core/entropy.h"
#include "hw/core/geometry.h"
#include "hw/core/idct.h"
#include "hw/core/region.h"
#include "hw/core/unstuff.h"

/* Everything that a scan's decoding needs besides its bytes. */
struct dlop_decode {
    struct dlop_geometry geometry;
    struct dlop_mcu_range range;
    u64 plane_at[DLOP_JPEG_MAX_COMPONENTS]; /* offset of each plane in the planes' buffer */
    u32 n_blocks;                           /* transformed so far */
    struct dlop_huff_table dc[DLOP_JPEG_MAX_COMPONENTS], ac[DLOP_JPEG_MAX_COMPONENTS];
    struct dlop_entropy entropy;
    struct dlop_coef_block block;
};

/* Where a block belongs: entry of the scan, component, position in blocks. */
struct dlop_block_place {
    u32 scan_index, component, block_x, block_y;
};

/* Lay the planes out one after the other. Returns the bytes of all. */
DLOP_STEP u64 dlop_decode_place_planes(struct dlop_decode *decode)
{
    u64 at = 0;
    u32 i;

    for (i = 0; i < decode->geometry.n_components; i++) {
        const struct dlop_component_geometry *c = &decode->geometry.component[i];

        decode->plane_at[i] = at;
        at += (u64)c->pitch_samples * c->rows_samples;
    }
    return at;
}

/* Decode one block and, where it is needed, transform it into its plane. */
DLOP_STEP s32 dlop_decode_block(const struct dlop_jpeg_frame *frame, DLOP_GLOBAL const u8 *segment,
                                struct dlop_decode *decode, const struct dlop_block_place *place,
                                s32 is_needed, DLOP_GLOBAL u8 *planes)
{
    u32 component = place->component, scan_index = place->scan_index, i;
    u32 pitch = decode->geometry.component[component].pitch_samples;
    u64 at = decode->plane_at[component] + (u64)place->block_y * DLOP_BLOCK_SIDE * pitch +
             (u64)place->block_x * DLOP_BLOCK_SIDE;
    s16 natural[64];
    u8 samples[64];
    s32 status = dlop_entropy_block(segment, &decode->dc[scan_index], &decode->ac[scan_index],
                                    scan_index, &decode->entropy, &decode->block);

    if (status != DLOP_OK || !is_needed)
        return status;
    status = dlop_dequantise_block(&decode->block, frame->quant[frame->component[component].quant],
                                   natural);
    if (status != DLOP_OK || !dlop_idct_block(natural, samples))
        return DLOP_ERR_INEXACT;
    for (i = 0; i < 64; i++)
        planes[at + (u64)(i / 8) * pitch + i % 8] = samples[i];
    decode->n_blocks++;
    return DLOP_OK;
}

/* Decode MCU number mcu of a scan of all components. */
DLOP_STEP s32 dlop_decode_interleaved_mcu(const struct dlop_jpeg_frame *frame,
                                          const struct dlop_jpeg_scan *scan,
                                          DLOP_GLOBAL const u8 *segment, struct dlop_decode *decode,
                                          u32 mcu, DLOP_GLOBAL u8 *planes)
{
    const struct dlop_mcu_range *range = &decode->range;
    u32 mcu_x = mcu % decode->geometry.mcus_x, mcu_y = mcu / decode->geometry.mcus_x, i, b;
    s32 is_needed = mcu_x >= range->x_begin && mcu_x < range->x_end && mcu_y >= range->y_begin &&
                    mcu_y < range->y_end;

    for (i = 0; i < scan->n_components; i++) {
        u32 component = scan->component[i];
        const struct dlop_component_geometry *c = &decode->geometry.component[component];

        for (b = 0; b < c->blocks_x * c->blocks_y; b++) {
            struct dlop_block_place place;
            s32 status;

            place.scan_index = i;
            place.component = component;
            place.block_x = mcu_x * c->blocks_x + b % c->blocks_x;
            place.block_y = mcu_y * c->blocks_y + b / c->blocks_x;
            status = dlop_decode_block(frame, segment, decode, &place, is_needed, planes);
            if (status != DLOP_OK)
                return status;
        }
    }
    return DLOP_OK;
}

/* Decode MCU number mcu of a scan of one component: a single block, in raster order of the
 * component's real blocks. */
DLOP_STEP s32 dlop_decode_single_mcu(const struct dlop_jpeg_frame *frame,
                                     const struct dlop_jpeg_scan *scan,
                                     DLOP_GLOBAL const u8 *segment, struct dlop_decode *decode,
                                     u32 mcu, DLOP_GLOBAL u8 *planes)
{
    const struct dlop_mcu_range *range = &decode->range;
    const struct dlop_component_geometry *c = &decode->geometry.component[scan->component[0]];
    u32 x = mcu % c->width_blocks, y = mcu / c->width_blocks;
    s32 is_needed = x >= range->x_begin * c->blocks_x && x < range->x_end * c->blocks_x &&
                    y >= range->y_begin * c->blocks_y && y < range->y_end * c->blocks_y;
    struct dlop_block_place place;

    place.scan_index = 0;
    place.component = scan->component[0];
    place.block_x = x;
    place.block_y = y;
    return dlop_decode_block(frame, segment, decode, &place, is_needed, planes);
}

/* MCUs of a scan up to and including the last one that is needed. */
DLOP_STEP u32 dlop_decode_n_mcus(const struct dlop_geometry *geometry,
                                 const struct dlop_mcu_range *range,
                                 const struct dlop_jpeg_scan *scan)
{
    const struct dlop_component_geometry *c = &geometry->component[scan->component[0]];
    u32 x_end, y_end;

    if (range->x_end == 0 || range->y_end == 0)
        return 0;
    if (scan->n_components > 1)
        return (range->y_end - 1) * geometry->mcus_x + range->x_end;
    x_end = dlop_min_u32(range->x_end * c->blocks_x, c->width_blocks);
    y_end = dlop_min_u32(range->y_end * c->blocks_y, c->height_blocks);
    return (y_end - 1) * c->width_blocks + x_end;
}

/* Build the tables of a scan's components. */
DLOP_STEP s32 dlop_decode_build_tables(const struct dlop_jpeg_frame *frame,
                                       const struct dlop_jpeg_scan *scan,
                                       struct dlop_decode *decode)
{
    u32 i;

    for (i = 0; i < scan->n_components; i++) {
        if (dlop_huff_build(&frame->huff[scan->dc_table[i]], DLOP_HUFF_DC, &decode->dc[i]) !=
                DLOP_OK ||
            dlop_huff_build(&frame->huff[scan->ac_table[i]], DLOP_HUFF_AC, &decode->ac[i]) !=
                DLOP_OK)
            return DLOP_ERR_BAD_DATA;
    }
    return DLOP_OK;
}

/* Decode one scan.
 *
 * bytes:   the frame's bytes; the scan's offsets count from here.
 * decode:  geometry, range and plane_at filled in.
 * segment: room for the scan's bytes.
 * planes:  see dlop_decode_place_planes; written inside the needed MCUs only.
 * DLOP_OK, DLOP_ERR_BAD_DATA, DLOP_ERR_TRUNCATED, DLOP_ERR_INEXACT.
 */
DLOP_STEP s32 dlop_decode_scan(const struct dlop_jpeg_frame *frame,
                               const struct dlop_jpeg_scan *scan, DLOP_GLOBAL const u8 *bytes,
                               struct dlop_decode *decode, DLOP_GLOBAL u8 *segment,
                               DLOP_GLOBAL u8 *planes)
{
    s32 is_interleaved = scan->n_components > 1, status;
    u32 n_mcus = dlop_decode_n_mcus(&decode->geometry, &decode->range, scan), mcu;
    u32 position = 0, next_rst = 0, n_bytes = 0, n_left_in_segment = 0;
    s32 segment_end =
        DLOP_OK; /* what ended the last segment: DLOP_OK a marker, DLOP_END the scan */

    status = dlop_decode_build_tables(frame, scan, decode);
    for (mcu = 0; mcu < n_mcus && status == DLOP_OK; mcu++) {
        if (n_left_in_segment == 0) {
            if (mcu != 0 && dlop_entropy_bits_left(&decode->entropy) > 7)
                return DLOP_ERR_BAD_DATA;
            if (segment_end != DLOP_OK)
                return DLOP_ERR_TRUNCATED;
            segment_end =
                dlop_unstuff_segment(bytes + scan->begin_bytes, scan->end_bytes - scan->begin_bytes,
                                     &position, &next_rst, segment, &n_bytes);
            if (segment_end < 0)
                return segment_end;
            dlop_entropy_init(&decode->entropy, n_bytes);
            n_left_in_segment = scan->restart_interval ? scan->restart_interval : 0xffffffffu;
        }
        status = is_interleaved
                     ? dlop_decode_interleaved_mcu(frame, scan, segment, decode, mcu, planes)
                     : dlop_decode_single_mcu(frame, scan, segment, decode, mcu, planes);
        n_left_in_segment--;
    }
    return status;
}

#endif
