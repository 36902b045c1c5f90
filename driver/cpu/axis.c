/* Axis tables made ready for this processor: see axis.h.
 *
 * Reading a table is one pass over its spans and the weights in use; planning lays out the arrays
 * and finds the runs. Gathering copies whole runs, so that crops, flips and paddings cost what a
 * memory copy costs.
 * Not here: the arithmetic of filters (hw/core/axis.h, axis_avx2.c, axis_avx512.c).
 */
#include "driver/cpu/axis.h"

#include <string.h>

#include "hw/core/axis.h"

/* What n digits of -128 to 127, of weight 1, 256 and 65536, can make. */
static const s32 digits_least[] = {[2] = -128 * 257, [3] = -128 * 65793};
static const s32 digits_largest[] = {[2] = 127 * 257, [3] = 127 * 65793};

static u32 count_digits(s32 least, s32 largest)
{
    u32 n = 2;

    while (n <= 3 && (least < digits_least[n] || largest > digits_largest[n]))
        n++;
    return n;
}

static bool is_one_shift(const struct dlop_axis *header, const struct dlop_span *span)
{
    bool is_shift = header->is_gather && header->n_out;

    for (u32 o = 0; is_shift && o < header->n_out; o++)
        is_shift = span[o].n && span[o].start == span[0].start + (s32)o;
    return is_shift;
}

/* Loops without branches, of which compilers make vectors. Weights that no output uses count, too:
 * at worst the steps do with them what they would do for larger ones. */
void dlop_cpu_axis_read(struct dlop_cpu_axis *axis, const u8 *table, const u8 fill[3])
{
    const struct dlop_axis *header = (const struct dlop_axis *)table;
    const struct dlop_span *span = (const struct dlop_span *)(header + 1);
    const s32 *weight = (const s32 *)(span + header->n_out);
    size_t n_weights = (size_t)header->n_out * header->n_taps;
    s32 least = 0, largest = 0, longest = 0, n_in = 0;

    for (u32 o = 0; o < header->n_out; o++) {
        s32 n = (s32)span[o].n, end = (span[o].start + n) & -(n != 0);

        longest = n > longest ? n : longest;
        n_in = end > n_in ? end : n_in;
    }
    for (size_t i = 0; i < n_weights; i++) {
        least = weight[i] < least ? weight[i] : least;
        largest = weight[i] > largest ? weight[i] : largest;
    }
    *axis = (struct dlop_cpu_axis){.table = table,
                                   .n_out = header->n_out,
                                   .n_taps = header->n_taps,
                                   .precision_bits = header->precision_bits,
                                   .span = span,
                                   .weight = weight,
                                   .fill = {fill[0], fill[1], fill[2], DLOP_RGBX_UNUSED},
                                   .is_gather = header->is_gather != 0 || longest == 0,
                                   .is_shift = is_one_shift(header, span),
                                   .is_16_bit = least >= INT16_MIN && largest <= INT16_MAX,
                                   .n_digits = count_digits(least, largest),
                                   .longest_span = (u32)longest,
                                   .n_in = (u32)n_in};
}

static u32 axis_n_blocks(const struct dlop_cpu_axis *axis)
{
    return axis->n_out / 8 + (axis->n_out % 8 != 0);
}

static size_t round_to_64(size_t n_bytes)
{
    return (n_bytes + 63) & ~(size_t)63;
}

static size_t runs_bytes(const struct dlop_cpu_axis *axis)
{
    return round_to_64((size_t)axis->n_out * sizeof axis->run[0]);
}

/* Four taps of two outputs are a cell of 32 bytes, and a block has four such couples. The steps
 * that take two blocks at once need as much for the second where there is none, and one takes 16
 * taps at a time. */
static size_t block_cells_bytes(const struct dlop_cpu_axis *axis)
{
    return (axis_n_blocks(axis) + 1) * (size_t)4 * (((size_t)axis->longest_span + 15) / 16 * 4) *
           32;
}

static size_t plane_bytes(const struct dlop_cpu_axis *axis)
{
    return round_to_64((size_t)axis->n_in + axis->longest_span + 256);
}

size_t dlop_cpu_axis_memory_bytes(const struct dlop_cpu_axis *axis)
{
    size_t n_blocks = axis_n_blocks(axis);

    if (axis->is_gather)
        return runs_bytes(axis);
    return runs_bytes(axis) + round_to_64((size_t)axis->longest_span * 4) +
           round_to_64(n_blocks * 8 * 4) + round_to_64(n_blocks * 4) +
           round_to_64(block_cells_bytes(axis)) + 3 * plane_bytes(axis);
}

/* What output o would be as a run of its own; filtered outputs have none. */
static bool output_run(const struct dlop_cpu_axis *axis, u32 o, struct dlop_cpu_run *run_out)
{
    const struct dlop_span *span = &axis->span[o];

    if (span->n && !axis->is_gather)
        return false;
    *run_out = (struct dlop_cpu_run){.kind = span->n ? DLOP_CPU_RUN_SAME : DLOP_CPU_RUN_FILL,
                                     .first = o,
                                     .n = 1,
                                     .start = span->n ? (u32)span->start : 0};
    return true;
}

/* Make *run one output longer where `next`, a run of one output, continues it. */
static bool run_extend(struct dlop_cpu_run *run, const struct dlop_cpu_run *next)
{
    u32 kind;

    if (run->first + run->n != next->first)
        return false;
    if (run->kind == DLOP_CPU_RUN_FILL || next->kind == DLOP_CPU_RUN_FILL) {
        if (run->kind != next->kind)
            return false;
        run->n++;
        return true;
    }
    if (next->start == run->start)
        kind = DLOP_CPU_RUN_SAME;
    else if (next->start == run->start + run->n)
        kind = DLOP_CPU_RUN_RISING;
    else if (next->start + run->n == run->start)
        kind = DLOP_CPU_RUN_FALLING;
    else
        return false;
    if (run->n > 1 && kind != run->kind)
        return false;
    run->kind = kind;
    run->n++;
    return true;
}

void dlop_cpu_axis_plan(struct dlop_cpu_axis *axis, u8 *memory)
{
    size_t n_blocks = axis_n_blocks(axis);
    struct dlop_cpu_run next;

    axis->run = (struct dlop_cpu_run *)memory;
    axis->n_runs = 0;
    for (u32 o = 0; o < axis->n_out; o++)
        if (output_run(axis, o, &next) &&
            !(axis->n_runs && run_extend(&axis->run[axis->n_runs - 1], &next)))
            axis->run[axis->n_runs++] = next;
    if (axis->is_gather)
        return;
    memory += runs_bytes(axis);
    axis->column = memory;
    memory += round_to_64((size_t)axis->longest_span * 4);
    axis->block_offset_bytes = (u32 *)memory;
    memory += round_to_64(n_blocks * 8 * 4);
    axis->block_n_pairs = (u32 *)memory;
    memory += round_to_64(n_blocks * 4);
    axis->block_cells = memory;
    memory += round_to_64(block_cells_bytes(axis));
    axis->planes = memory;
    axis->plane_bytes = plane_bytes(axis);
}

static u32 pixel_at(const u8 *row, u32 x)
{
    u32 rgbx;

    memcpy(&rgbx, row + 4 * (size_t)x, 4);
    return rgbx;
}

static void pixels_set(u8 *row, u32 first, u32 n, u32 rgbx)
{
    for (u32 i = 0; i < n; i++)
        memcpy(row + 4 * ((size_t)first + i), &rgbx, 4);
}

/* Pixels last, last - 1, ... as words, which compilers turn four or eight at a time. Rows and so
 * pixels stand at multiples of 4. */
static void pixels_reverse(const u8 *row, u32 last, u32 n, u8 *out)
{
    const u32 *in = (const u32 *)(const void *)row + last + 1 - n;
    u32 *to = (u32 *)(void *)out;

    for (size_t i = 0; i < n; i++)
        to[i] = in[n - 1 - i];
}

void dlop_cpu_axis_gather(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out)
{
    for (u32 r = 0; r < axis->n_runs; r++) {
        const struct dlop_cpu_run *run = &axis->run[r];
        u8 *out = row_out + 4 * (size_t)run->first;

        if (run->kind == DLOP_CPU_RUN_FILL)
            pixels_set(row_out, run->first, run->n, pixel_at(axis->fill, 0));
        else if (run->kind == DLOP_CPU_RUN_SAME)
            pixels_set(row_out, run->first, run->n, pixel_at(row, run->start));
        else if (run->kind == DLOP_CPU_RUN_RISING)
            memcpy(out, row + 4 * (size_t)run->start, 4 * (size_t)run->n);
        else
            pixels_reverse(row, run->start, run->n, out);
    }
}

bool dlop_cpu_axis_has_fill(const struct dlop_cpu_axis *axis)
{
    for (u32 r = 0; r < axis->n_runs; r++)
        if (axis->run[r].kind == DLOP_CPU_RUN_FILL)
            return true;
    return false;
}

void dlop_cpu_axis_fill(const struct dlop_cpu_axis *axis, u8 *row_out)
{
    for (u32 r = 0; r < axis->n_runs; r++)
        if (axis->run[r].kind == DLOP_CPU_RUN_FILL)
            pixels_set(row_out, axis->run[r].first, axis->run[r].n, pixel_at(axis->fill, 0));
}

void dlop_cpu_axis_x_plan_none(struct dlop_cpu_axis *axis)
{
    (void)axis;
}

void dlop_cpu_axis_x_reference(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out)
{
    dlop_axis_x_row(axis->table, row, axis->fill, row_out);
}

/* The reference reads pixels at one distance: bring each column of the span together for it, three
 * bytes at a time. Its index of source position `start` is 0 here, with the wrap of unsigned
 * arithmetic. */
void dlop_cpu_axis_y_reference(const struct dlop_cpu_axis *axis, u32 o, const u8 *const *rows,
                               size_t n_bytes, u8 *row_out)
{
    u64 first_px = 0 - (u64)(u32)axis->span[o].start;

    for (size_t at = 0; at < n_bytes; at += 3) {
        for (u32 t = 0; t < axis->span[o].n; t++)
            memcpy(axis->column + 4 * (size_t)t, rows[t] + at, 3);
        dlop_axis_pixel(axis->table, o, axis->column, 1, first_px, row_out + at);
    }
}

/* Columns in blocks whose sums stay in the first-level cache; compilers make vectors of the inner
 * loops. */
void dlop_cpu_axis_y_plain(const struct dlop_cpu_axis *axis, u32 o, const u8 *const *rows,
                           size_t n_bytes, u8 *row_out)
{
    const s32 *weight = axis->weight + (size_t)o * axis->n_taps;
    u32 n_taps = axis->span[o].n, precision_bits = axis->precision_bits;

    for (size_t first = 0; first < n_bytes; first += 32) {
        s32 sum[32];

        for (u32 i = 0; i < 32; i++)
            sum[i] = (s32)(1u << (precision_bits - 1));
        for (u32 t = 0; t < n_taps; t++) {
            const u8 *row = rows[t] + first;
            s32 w = weight[t];

            for (u32 i = 0; i < 32; i++)
                sum[i] += row[i] * w;
        }
        for (u32 i = 0; i < 32; i++)
            row_out[first + i] = dlop_clamp_u8(sum[i] >> precision_bits);
    }
}
