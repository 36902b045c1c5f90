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

/* PACK_LOOPS(bits): functions that pack n_px pixels. plane_<bits>: the first channel, to elements
 * that follow each other, eight bytes per store (row + 1 gives the second channel); the processor
 * is little-endian, as all records are. hwc_<bits>: three channels, interleaved. */
#define PACK_LOOPS(bits)                                                                           \
    static void plane_##bits(const u8 *table, const u8 *row, size_t n_px, u8 *out)                 \
    {                                                                                              \
        const size_t n_word = 64 / bits;                                                           \
        size_t x = 0;                                                                              \
                                                                                                   \
        for (; x + n_word <= n_px; x += n_word) {                                                  \
            u64 word = 0;                                                                          \
                                                                                                   \
            for (size_t i = 0; i < n_word; i++) {                                                  \
                u##bits element;                                                                   \
                                                                                                   \
                memcpy(&element, table + (size_t)row[4 * (x + i)] * (bits / 8), bits / 8);         \
                word |= (u64)element << (i * bits);                                                \
            }                                                                                      \
            memcpy(out + x * (bits / 8), &word, sizeof word);                                      \
        }                                                                                          \
        for (; x < n_px; x++)                                                                      \
            memcpy(out + x * (bits / 8), table + (size_t)row[4 * x] * (bits / 8), bits / 8);       \
    }                                                                                              \
    static void hwc_##bits(const u8 *table, const u8 *row, size_t n_px, u8 *out)                   \
    {                                                                                              \
        const size_t n = bits / 8;                                                                 \
                                                                                                   \
        for (size_t x = 0; x < n_px; x++, out += 3 * n, row += 4) {                                \
            memcpy(out, table + row[0] * n, n);                                                    \
            memcpy(out + n, table + 256 * n + row[1] * n, n);                                      \
            memcpy(out + 2 * n, table + 512 * n + row[2] * n, n);                                  \
        }                                                                                          \
    }

PACK_LOOPS(8)
PACK_LOOPS(16)
PACK_LOOPS(32)
PACK_LOOPS(64)

typedef void (*pack_row_fn)(const u8 *table, const u8 *row, size_t n_px, u8 *out);

/* [element_bytes] */
static const pack_row_fn plane_loops[9] = {
    [1] = plane_8, [2] = plane_16, [4] = plane_32, [8] = plane_64};
static const pack_row_fn hwc_loops[9] = {[1] = hwc_8, [2] = hwc_16, [4] = hwc_32, [8] = hwc_64};

void dlop_cpu_pack_plain(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out)
{
    u32 element_bytes = pack->job->element_bytes;
    size_t n_px = pack->n_px, plane_bytes = n_px * pack->job->out_height_px * element_bytes;

    if (pack->job->layout == DLOP_LAYOUT_HWC && pack->n_channels == 3) {
        hwc_loops[element_bytes](pack->table, row, n_px, out + y * n_px * 3 * element_bytes);
        return;
    }
    for (u32 c = 0; c < pack->n_channels; c++)
        plane_loops[element_bytes](pack->table + (size_t)c * 256 * element_bytes, row + c, n_px,
                                   out + c * plane_bytes + y * n_px * element_bytes);
}

void dlop_cpu_pack_by_parts(const struct dlop_cpu_pack_parts *parts,
                            const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out)
{
    bool is_planar = pack->job->layout == DLOP_LAYOUT_CHW || pack->n_channels == 1;
    size_t n_px = pack->n_px;

    if (pack->formula && is_planar)
        parts->formula_to_planes(pack, row, (float *)(void *)out + y * n_px);
    else if (pack->formula)
        parts->formula_to_rgb(pack, row, (float *)(void *)out + y * n_px * 3);
    else if (!pack->is_identity)
        parts->by_table(pack, row, y, out);
    else if (is_planar)
        parts->to_planes(row, pack->n_px, pack->n_channels, n_px * pack->job->out_height_px,
                         out + y * n_px);
    else
        parts->to_rgb(row, pack->n_px, out + y * n_px * 3);
}
