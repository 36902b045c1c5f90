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
#include "hw/core/entropy.h"

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
    if (source->position_bytes < source->mark_bytes)
        stop_bytes = dlop_min_u32(stop_bytes, source->mark_bytes);
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
    source->n_dropped += n_consumed;
    if (source->position_bytes == source->mark_bytes)
        source->mark_unstuffed = source->n_dropped + scan->n_segment_bytes;
    scan->limit = jpeg->segment + scan->n_segment_bytes;
    if (source->end == DLOP_AGAIN) {
        scan->limit -= DLOP_CPU_SEGMENT_SLACK_BYTES;
    } else {
        memset(jpeg->segment + scan->n_segment_bytes, 0, DLOP_CPU_SEGMENT_SLACK_BYTES);
        scan->limit += 8; /* the reader may be ahead of the last bit */
    }
    /* What the next feed reads is far away in memory, and known now. */
    n_left = dlop_min_u32(source->n_bytes - source->position_bytes, DLOP_CPU_FEED_BYTES);
    for (u32 i = 0; i < n_left; i += 64)
        __builtin_prefetch(source->bytes + source->position_bytes + i, 0, 2);
    dlop_cpu_bits_seek(scan, position_bits % 8);
    return DLOP_OK;
}

/* Bits of the segment that are unstuffed and not consumed; negative past its end. */
static s64 bits_left(const struct dlop_cpu_scan *scan)
{
    return 8 * (s64)scan->n_segment_bytes - (s64)dlop_cpu_bits_position(scan);
}

/* Begin to read at source->position_bytes, with all predictions as they are. */
static dlop_status begin_segment(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps)
{
    struct dlop_cpu_source *source = &jpeg->source;

    jpeg->scan.n_segment_bytes = 0;
    jpeg->scan.bits = (struct dlop_cpu_bits){.next = jpeg->segment};
    source->end = DLOP_AGAIN;
    source->n_dropped = 0;
    source->mark_bytes = DLOP_CPU_NO_MARK;
    source->mark_unstuffed = UINT64_MAX;
    source->place_bytes = source->position_bytes;
    source->place_unstuffed = 0;
    return feed(jpeg, steps);
}

dlop_status dlop_cpu_scan_end_segment(struct dlop_cpu_jpeg *jpeg,
                                      const struct dlop_cpu_steps *steps, u32 *next_bytes_out)
{
    struct dlop_cpu_source *source = &jpeg->source;
    struct dlop_cpu_scan *scan = &jpeg->scan;

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
    *next_bytes_out = source->position_bytes;
    return DLOP_OK;
}

/* Go from a segment whose MCUs are all decoded to the next. */
static dlop_status next_segment(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps)
{
    u32 next_bytes;
    dlop_status status = dlop_cpu_scan_end_segment(jpeg, steps, &next_bytes);

    if (status != DLOP_OK)
        return status;
    memset(jpeg->scan.dc_pred, 0, sizeof(jpeg->scan.dc_pred));
    jpeg->source.n_mcus_left = jpeg->source.restart_interval;
    return begin_segment(jpeg, steps);
}

dlop_status dlop_cpu_scan_enter(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                                const struct dlop_cpu_entry *entry)
{
    const struct dlop_jpeg_scan *scan = &jpeg->plan.scan;
    u32 interval = scan->restart_interval;
    dlop_status status;

    jpeg->source = (struct dlop_cpu_source){
        .bytes = jpeg->plan.bytes,
        .n_bytes = scan->end_bytes - scan->begin_bytes,
        .position_bytes = entry->byte,
        .next_rst = interval ? entry->mcu / interval & 7 : 0,
        .restart_interval = interval,
        .n_mcus_left = interval ? interval - entry->mcu % interval : UINT32_MAX,
        .mcu = entry->mcu,
    };
    if (entry->byte > jpeg->source.n_bytes || entry->bit > 7)
        return DLOP_ERR_BAD_DATA;
    for (u32 i = 0; i < DLOP_JPEG_MAX_COMPONENTS; i++) {
        if (entry->dc_pred[i] > DLOP_ENTROPY_MAX_DC || entry->dc_pred[i] < -DLOP_ENTROPY_MAX_DC)
            return DLOP_ERR_BAD_DATA;
    }
    memcpy(jpeg->scan.dc_pred, entry->dc_pred, sizeof(entry->dc_pred));
    jpeg->scan.segment = jpeg->segment;
    jpeg->scan.status = DLOP_OK;
    status = begin_segment(jpeg, steps);
    if (status == DLOP_OK && entry->bit > 0)
        dlop_cpu_bits_seek(&jpeg->scan, entry->bit);
    return status;
}

/* ---- places -------------------------------------------------------------------------------------
 */

void dlop_cpu_scan_mark(struct dlop_cpu_jpeg *jpeg, u32 mark_bytes)
{
    struct dlop_cpu_source *source = &jpeg->source;

    source->mark_bytes = mark_bytes;
    source->mark_unstuffed = UINT64_MAX;
    if (source->position_bytes < mark_bytes)
        return;
    /* It is unstuffed already: count back from the end of what is. */
    source->mark_unstuffed = source->n_dropped + jpeg->scan.n_segment_bytes;
    for (u32 at = source->position_bytes; at > mark_bytes; source->mark_unstuffed--)
        at -= at >= 2 && source->bytes[at - 1] == 0 && source->bytes[at - 2] == 0xff ? 2 : 1;
}

static u64 position_unstuffed(const struct dlop_cpu_jpeg *jpeg)
{
    return jpeg->source.n_dropped + dlop_cpu_bits_position(&jpeg->scan) / 8;
}

bool dlop_cpu_scan_is_at_mark(const struct dlop_cpu_jpeg *jpeg)
{
    /* The second is never so near to its largest value. */
    return jpeg->source.mark_unstuffed <= position_unstuffed(jpeg);
}

void dlop_cpu_scan_leave(struct dlop_cpu_jpeg *jpeg, struct dlop_cpu_entry *entry_out)
{
    struct dlop_cpu_source *source = &jpeg->source;
    u64 here = position_unstuffed(jpeg);

    if (source->mark_unstuffed <= here && source->place_unstuffed < source->mark_unstuffed) {
        source->place_unstuffed = source->mark_unstuffed;
        source->place_bytes = source->mark_bytes;
    }
    for (; source->place_unstuffed < here; source->place_unstuffed++)
        source->place_bytes +=
            source->place_bytes < source->n_bytes && source->bytes[source->place_bytes] == 0xff ? 2
                                                                                                : 1;
    entry_out->mcu = source->mcu;
    entry_out->byte = source->place_bytes;
    entry_out->bit = (u32)(dlop_cpu_bits_position(&jpeg->scan) % 8);
    memcpy(entry_out->dc_pred, jpeg->scan.dc_pred, sizeof(entry_out->dc_pred));
}

/* ---- runs of MCUs -------------------------------------------------------------------------------
 */

/* Run over n_mcus MCUs, segment by segment, or to the mark; run: steps->decode_mcus or
 * steps->skip_mcus. */
static dlop_status run_over(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                            u32 (*run)(struct dlop_cpu_scan *scan, u32 n_mcus), u32 n_mcus)
{
    struct dlop_cpu_source *source = &jpeg->source;
    struct dlop_cpu_scan *scan = &jpeg->scan;
    dlop_status status = DLOP_OK;

    while (n_mcus > 0 && status == DLOP_OK) {
        u32 n, n_done;

        if (source->n_mcus_left == 0) {
            status = next_segment(jpeg, steps);
            continue;
        }
        n = dlop_min_u32(n_mcus, source->n_mcus_left);
        if (source->mark_unstuffed != UINT64_MAX) {
            if (dlop_cpu_scan_is_at_mark(jpeg))
                break;
            n = 1;
        }
        n_done = run(scan, n);
        n_mcus -= n_done;
        source->mcu += n_done;
        source->n_mcus_left -= n_done;
        status = scan->status;
        if (status == DLOP_OK && bits_left(scan) < 0)
            status = DLOP_ERR_TRUNCATED;
        if (status == DLOP_OK && n_done < n)
            status = feed(jpeg, steps);
    }
    return status;
}

dlop_status dlop_cpu_scan_pass(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                               u32 n_mcus)
{
    return run_over(jpeg, steps, steps->skip_mcus, n_mcus);
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

/* Point the scan's blocks at MCU (mcu_x, mcu_y), which is in the region. */
static void place_blocks(struct dlop_cpu_jpeg *jpeg, u32 mcu_x, u32 mcu_y)
{
    const struct dlop_jpeg_scan *scan = &jpeg->plan.scan;
    struct dlop_cpu_block *block = jpeg->scan.block;

    for (u32 i = 0; i < scan->n_components; i++) {
        const struct dlop_cpu_plane *plane = &jpeg->plane[scan->component[i]];
        const struct dlop_component_geometry *component =
            &jpeg->geometry.component[scan->component[i]];
        u32 n_x = scan->n_components == 1 ? 1 : component->blocks_x;
        u32 n_y = scan->n_components == 1 ? 1 : component->blocks_y;

        for (u32 y = 0; y < n_y; y++) {
            size_t row = (size_t)DLOP_BLOCK_SIDE * ((size_t)mcu_y * n_y + y) - plane->y_first;
            size_t column = (size_t)DLOP_BLOCK_SIDE * mcu_x * n_x - plane->x_first;

            for (u32 x = 0; x < n_x; x++, block++)
                block->samples = plane->samples + row * plane->stride_bytes + column +
                                 (size_t)DLOP_BLOCK_SIDE * x;
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

dlop_status dlop_cpu_scan_plan(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                               const struct dlop_jpeg_frame *frame,
                               const struct dlop_jpeg_scan *scan)
{
    struct dlop_cpu_scan_plan *plan = &jpeg->plan;
    const struct dlop_mcu_range *range = &plan->range;

    plan->scan = *scan;
    plan->bytes = (const u8 *)frame + scan->begin_bytes;
    plan->range = range_of_scan(jpeg, scan, &plan->n_x);
    plan->end_mcu = range->x_begin < range->x_end && range->y_begin < range->y_end
                        ? (range->y_end - 1) * plan->n_x + range->x_end
                        : 0;
    return plan_blocks(jpeg, steps, frame, scan);
}

dlop_status dlop_cpu_scan_run(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                              u32 stop_mcu)
{
    const struct dlop_cpu_scan_plan *plan = &jpeg->plan;
    const struct dlop_mcu_range *range = &plan->range;
    const u32 n_x = plan->n_x;
    dlop_status status = DLOP_OK;

    while (status == DLOP_OK && jpeg->source.mcu < stop_mcu && !dlop_cpu_scan_is_at_mark(jpeg)) {
        u32 begin = jpeg->source.mcu, x = begin % n_x, y = begin / n_x, end;

        if (y >= range->y_begin && x >= range->x_begin && x < range->x_end) {
            end = dlop_min_u32(y * n_x + range->x_end, stop_mcu);
            place_blocks(jpeg, x, y);
            status = run_over(jpeg, steps, steps->decode_mcus, end - begin);
            jpeg->n_blocks += (jpeg->source.mcu - begin) * jpeg->scan.n_blocks;
            continue;
        }
        if (y < range->y_begin)
            y = range->y_begin;
        else if (x >= range->x_end)
            y++;
        end = dlop_min_u32(y * n_x + range->x_begin, stop_mcu);
        status = dlop_cpu_scan_pass(jpeg, steps, end - begin);
    }
    return status;
}
