/* Axis tables: which source positions make an output position, with which whole-number weights.
 *
 * Key idea: an output position is mapped to a position of the resized image, its window is weighted
 * (weights.c), and the window is mapped to the source. A flip turns the window round, a position
 * that shows nothing (black) loses its weight, and reflected positions add theirs to the original:
 * sums of whole numbers, hence exact. Only wanted outputs are computed. Invariants: weights beyond
 * a span's n are 0; nothing outside the stated bound is touched.
 */
#include "host/plan/axis.h"

#include <string.h>

#include "host/plan/weights.h"

struct table {
    struct dlop_axis *header;
    struct dlop_span *spans; /* [n_out] */
    int32_t *weights;        /* [n_out][n_taps] */
};

static struct table make_table(uint8_t *bytes, int32_t n_out, int32_t n_taps)
{
    struct table table = {.header = (struct dlop_axis *)(void *)bytes};

    table.spans = (struct dlop_span *)(void *)(bytes + sizeof *table.header);
    table.weights = (int32_t *)(void *)(table.spans + n_out);
    *table.header = (struct dlop_axis){
        .n_out = (u32)n_out, .n_taps = (u32)n_taps, .precision_bits = DLOP_PILLOW_PRECISION_BITS};
    return table;
}

static bool is_resampled(const struct dlop_axis_fold *axis)
{
    return axis->resize_px != axis->before.n_positions;
}

/* ---- copies ---- */

/* Pillow's nearest adds the scale up from output to output, so rounding errors add up as well.
 * positions_out: [resize_px]. */
static void nearest_positions(const struct dlop_axis_fold *axis, int32_t *positions_out)
{
    double scale = (double)axis->before.n_positions / axis->resize_px, at = scale * 0.5;

    for (int32_t r = 0; r < axis->resize_px; r++) {
        int32_t position = (int32_t)at;
        positions_out[r] = position < axis->before.n_positions ? position : -1;
        at += scale;
    }
}

/* Outputs that are copies: axes that are not resampled, and nearest. Nearest keeps its positions
 * behind the table. */
static void fill_gather(const struct dlop_axis_fold *axis, uint8_t *bytes_out)
{
    int32_t n_out = axis->after.n_positions;
    struct table table = make_table(bytes_out, n_out, 1);
    int32_t *positions = table.weights + n_out;
    const bool is_nearest = is_resampled(axis);

    if (is_nearest)
        nearest_positions(axis, positions);
    table.header->is_gather = 1;
    for (int32_t o = 0; o < n_out; o++) {
        int32_t r = dlop_index_map_at(&axis->after, o);
        if (r >= 0 && is_nearest)
            r = positions[r];
        int32_t source = r < 0 ? -1 : dlop_index_map_at(&axis->before, r);
        table.spans[o] = (struct dlop_span){.start = source < 0 ? 0 : source, .n = source >= 0};
        table.weights[o] = 1 << DLOP_PILLOW_PRECISION_BITS;
    }
}

/* ---- weighted sums through any map ---- */

/* How one axis is weighted. */
struct weighting {
    struct dlop_resample resample;
    int32_t n_taps;
    int32_t *scratch; /* [n_taps], behind the table */
};

/* Span of a window through any map: row_out (zeroed) gets the sums per source position. n = n_taps
 * + 1 on return where they do not fit. */
static struct dlop_span mapped_span(const struct dlop_index_map *map,
                                    const struct dlop_window *window, const int32_t *weights,
                                    int32_t *row_out, int32_t n_taps)
{
    int32_t lo = INT32_MAX, hi = -1;

    for (int32_t t = 0; t < window->n; t++) {
        int32_t source = dlop_index_map_at(map, window->begin + t);
        if (source < 0)
            continue;
        lo = source < lo ? source : lo;
        hi = source > hi ? source : hi;
    }
    if (hi < 0)
        return (struct dlop_span){0};
    if (hi - lo >= n_taps)
        return (struct dlop_span){.n = (u32)n_taps + 1};
    for (int32_t t = 0; t < window->n; t++) {
        int32_t source = dlop_index_map_at(map, window->begin + t);
        if (source >= 0)
            row_out[source - lo] += weights[t];
    }
    return (struct dlop_span){.start = lo, .n = (u32)(hi - lo + 1)};
}

/* False: an output's positions do not fit n_taps. */
static bool fill_mapped(const struct dlop_axis_fold *axis, const struct weighting *weighting,
                        struct table *table)
{
    int32_t n_out = axis->after.n_positions, n_taps = weighting->n_taps;

    memset(table->weights, 0, (size_t)n_out * (size_t)n_taps * sizeof *table->weights);
    for (int32_t o = 0; o < n_out; o++) {
        int32_t r = dlop_index_map_at(&axis->after, o);
        table->spans[o] = (struct dlop_span){0};
        if (r < 0)
            continue;
        struct dlop_window window = dlop_window_at(&weighting->resample, r);
        if (window.n > n_taps)
            return false;
        dlop_window_weights(&weighting->resample, &window, weighting->scratch);
        table->spans[o] = mapped_span(&axis->before, &window, weighting->scratch,
                                      table->weights + (size_t)o * (size_t)n_taps, n_taps);
        if (table->spans[o].n > (u32)n_taps)
            return false;
    }
    return true;
}

/* ---- weighted sums of neighbours, fast ---- */

/* Whether every position shows a source position, in order or in reverse order. */
static bool is_plain(const struct dlop_index_map *map)
{
    const struct dlop_link *link = &map->link[0];
    int32_t last = link->offset + link->sign * (map->n_positions - 1);

    return map->n_links == 1 && link->offset >= link->begin && link->offset < link->end &&
           last >= link->begin && last < link->end;
}

/* Put the n weights of a row into the other order. */
static void reverse_row(int32_t *row, int32_t n)
{
    for (int32_t t = 0; 2 * t < n - 1; t++) {
        int32_t other = row[n - 1 - t];
        row[n - 1 - t] = row[t];
        row[t] = other;
    }
}

/* A part of a table: n outputs from `first` on. */
struct part {
    int32_t first, n;
    struct dlop_span *spans;
    int32_t *rows;
};

/* Where the outputs of a part show the resized image; 0 for those that show nothing. */
static void find_positions(const struct dlop_index_map *after, bool is_plain,
                           const struct part *part, struct dlop_block *block)
{
    const struct dlop_link *link = &after->link[0];

    if (is_plain) {
        for (int32_t k = 0; k < part->n; k++)
            block->r[k] = link->offset + link->sign * (part->first + k);
        return;
    }
    for (int32_t k = 0; k < part->n; k++) {
        int32_t r = dlop_index_map_at(after, part->first + k);
        block->r[k] = r < 0 ? 0 : r;
    }
}

/* Spans of a part, and rows in the source's order. False: a window is longer than n_taps. */
static bool finish_part(const struct dlop_link *before, const struct dlop_block *block,
                        int32_t n_taps, const struct part *part)
{
    int32_t longest = 0;

    for (int32_t k = 0; k < part->n; k++) {
        int32_t begin = block->begin[k], n = block->n[k];
        int32_t start = before->offset + (before->sign > 0 ? begin : -(begin + n - 1));
        part->spans[k] = (struct dlop_span){.start = start, .n = (u32)n};
        longest = n > longest ? n : longest;
    }
    if (longest > n_taps)
        return false;
    for (int32_t k = 0; before->sign < 0 && k < part->n; k++)
        reverse_row(part->rows + (ptrdiff_t)k * n_taps, block->n[k]);
    return true;
}

/* The same as fill_mapped where the map before the resize is plain and the filter has blocks. */
static bool fill_blocks(const struct dlop_axis_fold *axis, const struct weighting *weighting,
                        struct table *table)
{
    const struct dlop_index_map *after = &axis->after;
    int32_t n_out = after->n_positions, n_taps = weighting->n_taps;
    bool is_after_plain = is_plain(after);

    for (int32_t first = 0; first < n_out; first += DLOP_BLOCK_OUTPUTS) {
        struct part part = {first, n_out - first, table->spans + first,
                            table->weights + (size_t)first * (size_t)n_taps};
        struct dlop_block block;

        if (part.n > DLOP_BLOCK_OUTPUTS)
            part.n = DLOP_BLOCK_OUTPUTS;
        find_positions(after, is_after_plain, &part, &block);
        dlop_block_weights(&weighting->resample, &block, part.n, n_taps, part.rows);
        if (!finish_part(&axis->before.link[0], &block, n_taps, &part))
            return false;
        for (int32_t k = 0; !is_after_plain && k < part.n; k++)
            if (dlop_index_map_at(after, first + k) < 0) {
                part.spans[k] = (struct dlop_span){0};
                memset(part.rows + (ptrdiff_t)k * n_taps, 0, (size_t)n_taps * sizeof *part.rows);
            }
    }
    return true;
}

/* Returns the table's bytes, 0: see dlop_axis_build. */
static uint64_t build_weighted(const struct dlop_axis_fold *axis, int32_t filter,
                               uint32_t resampler, uint8_t *bytes_out)
{
    struct weighting weighting = {
        .resample =
            dlop_resample_make(axis->before.n_positions, axis->resize_px, filter, resampler)};
    int32_t n_out = axis->after.n_positions, usual = dlop_resample_n_taps(&weighting.resample);
    bool is_fast =
        is_plain(&axis->before) && dlop_resample_has_blocks(&weighting.resample, usual + 1);

    for (weighting.n_taps = usual; weighting.n_taps <= usual + 1; weighting.n_taps++) {
        struct table table = make_table(bytes_out, n_out, weighting.n_taps);
        table.header->precision_bits = (u32)weighting.resample.precision_bits;
        weighting.scratch = table.weights + (size_t)n_out * (size_t)weighting.n_taps;
        if ((is_fast ? fill_blocks : fill_mapped)(axis, &weighting, &table))
            return DLOP_AXIS_BYTES(n_out, weighting.n_taps);
    }
    return 0;
}

/* ---- tables ---- */

/* Make spans relative to the first position named. Where none is, the region is one position: a
 * device need not know empty ones. */
static void make_relative(uint8_t *bytes, uint32_t *roi_out, uint32_t *roi_n_out)
{
    int32_t lo = INT32_MAX, hi = 0;
    u32 n_out = ((const struct dlop_axis *)(const void *)bytes)->n_out;
    struct dlop_span *spans = (struct dlop_span *)(void *)(bytes + sizeof(struct dlop_axis));

    for (u32 o = 0; o < n_out; o++) {
        int32_t n = (int32_t)spans[o].n, is_used = -(n != 0); /* all bits or none */
        int32_t first = spans[o].start | (~is_used & INT32_MAX);
        int32_t end = (spans[o].start + n) & is_used;
        lo = first < lo ? first : lo;
        hi = end > hi ? end : hi;
    }
    if (hi == 0) {
        lo = 0;
        hi = 1;
    }
    for (u32 o = 0; o < n_out; o++)
        spans[o].start = (spans[o].start - lo) & -(spans[o].n != 0);
    *roi_out = (uint32_t)lo;
    *roi_n_out = (uint32_t)(hi - lo);
}

uint64_t dlop_axis_bound_bytes(const struct dlop_axis_fold *axis, int32_t filter)
{
    int32_t n_out = axis->after.n_positions;

    if (!is_resampled(axis))
        return DLOP_AXIS_BYTES(n_out, 1);
    if (filter == DLOP_FILTER_NEAREST)
        return DLOP_AXIS_BYTES(n_out, 1) + 4 * (uint64_t)axis->resize_px;
    struct dlop_resample resample = dlop_resample_make(axis->before.n_positions, axis->resize_px,
                                                       filter, DLOP_RESAMPLER_PILLOW);
    int32_t n_taps = dlop_resample_n_taps(&resample) + 1;
    return DLOP_AXIS_BYTES(n_out, n_taps) + 4 * (uint64_t)n_taps;
}

uint64_t dlop_axis_build(const struct dlop_axis_fold *axis, int32_t filter, uint32_t resampler,
                         uint8_t *bytes_out, uint32_t *roi_out, uint32_t *roi_n_out)
{
    uint64_t n_bytes = DLOP_AXIS_BYTES(axis->after.n_positions, 1);

    if (is_resampled(axis) && filter != DLOP_FILTER_NEAREST)
        n_bytes = build_weighted(axis, filter, resampler, bytes_out);
    else
        fill_gather(axis, bytes_out);
    if (n_bytes)
        make_relative(bytes_out, roi_out, roi_n_out);
    return n_bytes;
}
