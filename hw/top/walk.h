/* The order of a scan's blocks: a cursor that steps from block to block without a division.
 *
 * An interleaved scan goes through MCUs in raster order and through the blocks of each component in
 * an MCU. A scan of one component is the same with MCUs of one block, in the raster of the
 * component's real blocks.
 */
#ifndef DLOP_HW_TOP_WALK_H
#define DLOP_HW_TOP_WALK_H

#include "hw/top/wave.h"

/* A component of the scan. */
struct dlop_top_entry {
    u32 blocks_x, blocks_y; /* per MCU of this scan */
    u32 quant;              /* index of its factors in the frame */
    struct dlop_top_plane plane;
};

struct dlop_top_walk {
    u32 mcus_x, n_mcus_left;                   /* n_mcus_left: the current one included */
    struct dlop_mcu_range range;               /* needed MCUs of this scan */
    u32 mcu_x, mcu_y, entry, block_x, block_y; /* the current block */
    u32 n_entries;
    struct dlop_top_entry entries[DLOP_JPEG_MAX_COMPONENTS];
};

/* A scan of one component: its MCU is a block. */
DLOP_STEP void dlop_top_walk_single(const struct dlop_top_job *slot, u32 component,
                                    struct dlop_top_walk *walk)
{
    u32 blocks_x = walk->entries[0].blocks_x, blocks_y = walk->entries[0].blocks_y;

    walk->mcus_x = slot->geometry.component[component].width_blocks;
    walk->range.x_begin *= blocks_x;
    walk->range.x_end *= blocks_x;
    walk->range.y_begin *= blocks_y;
    walk->range.y_end *= blocks_y;
    walk->entries[0].blocks_x = 1;
    walk->entries[0].blocks_y = 1;
}

/* scan: one of slot's; the walk goes up to the last MCU that is needed. */
DLOP_STEP void dlop_top_walk_init(const struct dlop_top_job *slot,
                                  const struct dlop_jpeg_scan *scan, struct dlop_top_walk *walk_out)
{
    u32 i;

    walk_out->mcus_x = slot->geometry.mcus_x;
    walk_out->n_mcus_left = dlop_decode_n_mcus(&slot->geometry, &slot->range, scan);
    walk_out->range = slot->range;
    walk_out->mcu_x = 0;
    walk_out->mcu_y = 0;
    walk_out->entry = 0;
    walk_out->block_x = 0;
    walk_out->block_y = 0;
    walk_out->n_entries = scan->n_components;
    for (i = 0; i < scan->n_components; i++) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = 3)
        u32 component = scan->component[i];

        walk_out->entries[i].blocks_x = slot->geometry.component[component].blocks_x;
        walk_out->entries[i].blocks_y = slot->geometry.component[component].blocks_y;
        walk_out->entries[i].quant = slot->frame.component[component].quant;
        walk_out->entries[i].plane = slot->plane[component];
    }
    if (scan->n_components == 1)
        dlop_top_walk_single(slot, scan->component[0], walk_out);
}

DLOP_STEP s32 dlop_top_walk_is_needed(const struct dlop_top_walk *walk)
{
    const struct dlop_mcu_range *range = &walk->range;

    return walk->mcu_x >= range->x_begin && walk->mcu_x < range->x_end &&
           walk->mcu_y >= range->y_begin && walk->mcu_y < range->y_end;
}

/* Where in scratch the current block's first sample belongs; only for a needed block. */
DLOP_STEP u64 dlop_top_walk_at(const struct dlop_top_walk *walk)
{
    const struct dlop_top_entry *entry = &walk->entries[walk->entry];
    u32 x = (walk->mcu_x * entry->blocks_x + walk->block_x) * DLOP_BLOCK_SIDE;
    u32 y = (walk->mcu_y * entry->blocks_y + walk->block_y) * DLOP_BLOCK_SIDE;

    return entry->plane.at + (u64)(y - entry->plane.first_y) * entry->plane.pitch_samples +
           (x - entry->plane.first_x);
}

/* The next block. Returns 1 where the step ended an MCU. */
DLOP_STEP s32 dlop_top_walk_step(struct dlop_top_walk *walk)
{
    walk->block_x++;
    if (walk->block_x < walk->entries[walk->entry].blocks_x)
        return 0;
    walk->block_x = 0;
    walk->block_y++;
    if (walk->block_y < walk->entries[walk->entry].blocks_y)
        return 0;
    walk->block_y = 0;
    walk->entry++;
    if (walk->entry < walk->n_entries)
        return 0;
    walk->entry = 0;
    walk->mcu_x++;
    if (walk->mcu_x == walk->mcus_x) {
        walk->mcu_x = 0;
        walk->mcu_y++;
    }
    walk->n_mcus_left--;
    return 1;
}

#endif
