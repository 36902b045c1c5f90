/* One scan of a JPEG: which runs of MCUs are skipped and which kept, restart segments, and the
 * supply of unstuffed bytes.
 *
 * Bytes are unstuffed DLOP_CPU_FEED_BYTES at a time into one small buffer, so that they are read
 * from the first-level cache and nothing behind the region is touched. While more may follow, a run
 * ends (scan->limit) before an MCU that might need them; at a segment's end it ends before the
 * first MCU that cannot be in the segment.
 */
#include <string.h>

#include "driver/cpu/jpeg_internal.h"
#include "hw/core/upsample.h"

/* Move what is not consumed to the front and unstuff more behind it. DLOP_OK; DLOP_ERR_TRUNCATED:
 * the segment has no more. */
static dlop_status feed(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps)
{
    struct dlop_cpu_source *source = &jpeg->source;
    struct dlop_cpu_scan *scan = &jpeg->scan;
    u64 position_bits = dlop_cpu_bits_position(scan);
    u32 n_consumed = (u32)(position_bits / 8), n_kept = scan->n_segment_bytes - n_consumed, n_new;
    u32 n_left = source->n_bytes - source->position_bytes;
    u32 stop_bytes = source->position_bytes + dlop_min_u32(n_left, DLOP_CPU_FEED_BYTES);

    if (source->end != DLOP_AGAIN)
        return DLOP_ERR_TRUNCATED;
    memmove(jpeg->segment, jpeg->segment + n_consumed, n_kept);
    /* Never between a 0xFF and its zero. */
    while (stop_bytes < source->n_bytes && source->bytes[stop_bytes - 1] == 0xff)
        stop_bytes++;
    source->end = steps->unstuff(source->bytes, stop_bytes, &source->position_bytes,
                                 &source->next_rst, jpeg->segment + n_kept, &n_new);
    if (source->end < 0)
        return source->end;
    if (source->end == DLOP_END && stop_bytes < source->n_bytes)
        source->end = DLOP_AGAIN;
    scan->n_segment_bytes = n_kept + n_new;
    scan->limit = jpeg->segment + scan->n_segment_bytes;
    if (source->end == DLOP_AGAIN) {
        scan->limit -= DLOP_CPU_SEGMENT_SLACK_BYTES;
    } else {
        memset(jpeg->segment + scan->n_segment_bytes, 0, DLOP_CPU_SEGMENT_SLACK_BYTES);
        scan->limit += 8; /* the reader may be ahead of the last bit */
    }
    dlop_cpu_bits_seek(scan, position_bits % 8);
    return DLOP_OK;
}

/* Bits of the segment that are unstuffed and not consumed; negative past its end. */
static s64 bits_left(const struct dlop_cpu_scan *scan)
{
    return 8 * (s64)scan->n_segment_bytes - (s64)dlop_cpu_bits_position(scan);
}

/* Begin the scan's first segment, or go from one whose MCUs are all decoded to the next. */
static dlop_status next_segment(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                                bool is_first)
{
    struct dlop_cpu_source *source = &jpeg->source;
    struct dlop_cpu_scan *scan = &jpeg->scan;

    if (!is_first) {
        /* What is left over now may be a whole feed, and another does not fit behind that. */
        if (bits_left(scan) > 7)
            return DLOP_ERR_BAD_DATA;
        if (source->end == DLOP_AGAIN) {
            dlop_status status = feed(jpeg, steps);
            if (status != DLOP_OK)
                return status;
        }
        if (bits_left(scan) > 7)
            return DLOP_ERR_BAD_DATA;
        if (source->end != DLOP_OK)
            return DLOP_ERR_TRUNCATED;
    }
    memset(scan->dc_pred, 0, sizeof(scan->dc_pred));
    scan->n_segment_bytes = 0;
    scan->bits = (struct dlop_cpu_bits){.next = jpeg->segment};
    source->end = DLOP_AGAIN;
    source->n_mcus_left = source->restart_interval ? source->restart_interval : UINT32_MAX;
    return feed(jpeg, steps);
}

/* Run over n_mcus MCUs, segment by segment; run: steps->decode_mcus or steps->skip_mcus. */
static dlop_status run_over(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                            u32 (*run)(struct dlop_cpu_scan *scan, u32 n_mcus), u64 n_mcus)
{
    struct dlop_cpu_source *source = &jpeg->source;
    struct dlop_cpu_scan *scan = &jpeg->scan;
    dlop_status status = DLOP_OK;

    while (n_mcus > 0 && status == DLOP_OK) {
        u32 n, n_done;

        if (source->n_mcus_left == 0) {
            status = next_segment(jpeg, steps, false);
            continue;
        }
        n = n_mcus < source->n_mcus_left ? (u32)n_mcus : source->n_mcus_left;
        n_done = run(scan, n);
        n_mcus -= n_done;
        source->n_mcus_left -= n_done;
        status = scan->status;
        if (status == DLOP_OK && bits_left(scan) < 0)
            status = DLOP_ERR_TRUNCATED;
        if (status == DLOP_OK && n_done < n)
            status = feed(jpeg, steps);
    }
    return status;
}

/* Fill the blocks of one MCU of the scan. */
static dlop_status plan_blocks(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                               const struct dlop_jpeg_frame *frame,
                               const struct dlop_jpeg_scan *scan)
{
    struct dlop_cpu_block *block = jpeg->scan.block;

    for (u32 i = 0; i < scan->n_components; i++) {
        u32 c = scan->component[i];
        const struct dlop_component_geometry *component = &jpeg->geometry.component[c];
        u32 n_x = scan->n_components == 1 ? 1 : component->blocks_x;
        u32 n_y = scan->n_components == 1 ? 1 : component->blocks_y;
        struct dlop_cpu_block common = {
            .quant = &jpeg->quant[c],
            .stride_bytes = jpeg->plane[c].stride_bytes,
            .step_bytes = DLOP_BLOCK_SIDE * n_x,
            .component = i,
        };
        dlop_status status = dlop_cpu_jpeg_table(jpeg, steps, &frame->huff[scan->dc_table[i]],
                                                 DLOP_HUFF_DC, &common.dc);
        if (status == DLOP_OK)
            status = dlop_cpu_jpeg_table(jpeg, steps, &frame->huff[scan->ac_table[i]], DLOP_HUFF_AC,
                                         &common.ac);
        if (status != DLOP_OK)
            return status;
        for (u32 b = 0; b < n_x * n_y; b++)
            *block++ = common;
    }
    jpeg->scan.n_blocks = (u32)(block - jpeg->scan.block);
    return DLOP_OK;
}

/* Point the scan's blocks at the first MCU of row mcu_y of the region. */
static void place_blocks(struct dlop_cpu_jpeg *jpeg, const struct dlop_jpeg_scan *scan, u32 mcu_y)
{
    struct dlop_cpu_block *block = jpeg->scan.block;

    for (u32 i = 0; i < scan->n_components; i++) {
        const struct dlop_cpu_plane *plane = &jpeg->plane[scan->component[i]];
        const struct dlop_component_geometry *component =
            &jpeg->geometry.component[scan->component[i]];
        u32 n_x = scan->n_components == 1 ? 1 : component->blocks_x;
        u32 n_y = scan->n_components == 1 ? 1 : component->blocks_y;

        for (u32 y = 0; y < n_y; y++) {
            size_t row = (size_t)DLOP_BLOCK_SIDE * ((size_t)mcu_y * n_y + y) - plane->y_first;

            for (u32 x = 0; x < n_x; x++, block++)
                block->samples =
                    plane->samples + row * plane->stride_bytes + (size_t)DLOP_BLOCK_SIDE * x;
        }
    }
}

/* The region in MCUs of this scan, and MCUs per row: those of a scan of one component are
 * blocks. */
static struct dlop_mcu_range range_of_scan(const struct dlop_cpu_jpeg *jpeg,
                                           const struct dlop_jpeg_scan *scan, u32 *n_x_out)
{
    const struct dlop_component_geometry *c = &jpeg->geometry.component[scan->component[0]];
    struct dlop_mcu_range range = jpeg->range;

    *n_x_out = jpeg->geometry.mcus_x;
    if (scan->n_components > 1)
        return range;
    *n_x_out = c->width_blocks;
    return (struct dlop_mcu_range){
        .x_begin = range.x_begin * c->blocks_x,
        .x_end = dlop_min_u32(range.x_end * c->blocks_x, c->width_blocks),
        .y_begin = range.y_begin * c->blocks_y,
        .y_end = dlop_min_u32(range.y_end * c->blocks_y, c->height_blocks),
    };
}

dlop_status dlop_cpu_jpeg_scan(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                               const struct dlop_jpeg_frame *frame,
                               const struct dlop_jpeg_scan *scan)
{
    u32 n_x, n_kept;
    struct dlop_mcu_range range = range_of_scan(jpeg, scan, &n_x);
    u64 n_skipped = (u64)range.y_begin * n_x + range.x_begin;
    dlop_status status = plan_blocks(jpeg, steps, frame, scan);

    if (status != DLOP_OK || range.x_begin >= range.x_end || range.y_begin >= range.y_end)
        return status;
    jpeg->source = (struct dlop_cpu_source){
        .bytes = (const u8 *)frame + scan->begin_bytes,
        .n_bytes = scan->end_bytes - scan->begin_bytes,
        .restart_interval = scan->restart_interval,
    };
    jpeg->scan.segment = jpeg->segment;
    jpeg->scan.status = DLOP_OK;
    n_kept = range.x_end - range.x_begin;
    status = next_segment(jpeg, steps, true);
    for (u32 y = range.y_begin; y < range.y_end && status == DLOP_OK; y++) {
        status = run_over(jpeg, steps, steps->skip_mcus, n_skipped);
        if (status != DLOP_OK)
            break;
        place_blocks(jpeg, scan, y);
        status = run_over(jpeg, steps, steps->decode_mcus, n_kept);
        n_skipped = n_x - n_kept;
        jpeg->n_blocks += n_kept * jpeg->scan.n_blocks;
    }
    return status;
}
