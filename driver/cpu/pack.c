/* Rows of pixels to elements, in plain C: one loop per layout and element size.
 *
 * Element types do not matter here, only their sizes: a table entry is copied as a whole. Entries
 * and elements are moved with memcpy of a constant size, which is one load or store at any
 * alignment.
 */
#include "driver/cpu/pack.h"

#include <string.h>

#include "hw/core/pack.h"

void dlop_cpu_pack_init(struct dlop_cpu_pack *pack, const struct dlop_job *job, const u8 *table)
{
    bool is_identity = job->element_bytes == 1;

    for (u32 i = 0; is_identity && i < 256u * job->out_channels; i++)
        is_identity = table[i] == i % 256;
    *pack = (struct dlop_cpu_pack){.job = job,
                                   .table = table,
                                   .n_px = job->out_width_px,
                                   .n_channels = job->out_channels,
                                   .is_identity = is_identity};
}

void dlop_cpu_pack_plan_none(struct dlop_cpu_pack *pack, struct dlop_cpu_pack_memo *memo)
{
    (void)pack, (void)memo;
}

void dlop_cpu_pack_reference(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out)
{
    dlop_pack_row(pack->job, pack->table, row, y, out);
}

/* PACK_LOOPS(bits): functions chw_<bits> and hwc_<bits> that pack one row of three channels, and
 * one_<bits> for one channel, which is the same in both layouts. */
#define PACK_LOOPS(bits)                                                                           \
    static inline void copy_##bits(const u8 *table, u32 value, u8 *out)                            \
    {                                                                                              \
        memcpy(out, table + (size_t)value * (bits / 8), bits / 8);                                 \
    }                                                                                              \
    static void one_##bits(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out)        \
    {                                                                                              \
        const u8 *table = pack->table;                                                             \
        u32 n_px = pack->n_px;                                                                     \
                                                                                                   \
        out += (size_t)y * n_px * (bits / 8);                                                      \
        for (size_t x = 0; x < n_px; x++)                                                          \
            copy_##bits(table, row[4 * x], out + x * (bits / 8));                                  \
    }                                                                                              \
    static void chw_##bits(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out)        \
    {                                                                                              \
        const u8 *table = pack->table;                                                             \
        size_t plane_bytes = (size_t)pack->n_px * pack->job->out_height_px * (size_t)(bits / 8);   \
        u32 n_px = pack->n_px;                                                                     \
                                                                                                   \
        out += (size_t)y * n_px * (bits / 8);                                                      \
        for (size_t x = 0; x < n_px; x++) {                                                        \
            u8 *at = out + x * (bits / 8);                                                         \
                                                                                                   \
            copy_##bits(table, row[4 * x], at);                                                    \
            copy_##bits(table + 256 * (bits / 8), row[4 * x + 1], at + plane_bytes);               \
            copy_##bits(table + 512 * (bits / 8), row[4 * x + 2], at + 2 * plane_bytes);           \
        }                                                                                          \
    }                                                                                              \
    static void hwc_##bits(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out)        \
    {                                                                                              \
        const u8 *table = pack->table;                                                             \
        u32 n_px = pack->n_px;                                                                     \
                                                                                                   \
        out += (size_t)y * n_px * 3 * (bits / 8);                                                  \
        for (size_t x = 0; x < n_px; x++) {                                                        \
            u8 *at = out + x * 3 * (bits / 8);                                                     \
                                                                                                   \
            copy_##bits(table, row[4 * x], at);                                                    \
            copy_##bits(table + 256 * (bits / 8), row[4 * x + 1], at + bits / 8);                  \
            copy_##bits(table + 512 * (bits / 8), row[4 * x + 2], at + 2 * (bits / 8));            \
        }                                                                                          \
    }

PACK_LOOPS(8)
PACK_LOOPS(16)
PACK_LOOPS(32)
PACK_LOOPS(64)

typedef void (*pack_row_fn)(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out);

void dlop_cpu_pack_plain(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out)
{
    /* [element_bytes]; one channel last. */
    static const pack_row_fn loops[DLOP_LAYOUT_COUNT + 1][9] = {
        [DLOP_LAYOUT_CHW] = {[1] = chw_8, [2] = chw_16, [4] = chw_32, [8] = chw_64},
        [DLOP_LAYOUT_HWC] = {[1] = hwc_8, [2] = hwc_16, [4] = hwc_32, [8] = hwc_64},
        [DLOP_LAYOUT_COUNT] = {[1] = one_8, [2] = one_16, [4] = one_32, [8] = one_64},
    };
    u32 kind = pack->n_channels == 1 ? (u32)DLOP_LAYOUT_COUNT : pack->job->layout;

    loops[kind][pack->job->element_bytes](pack, row, y, out);
}
