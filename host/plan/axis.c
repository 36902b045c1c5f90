/* Axis tables: which source positions make an output position, with which whole-number weights.
 *
 * Key idea: an output position is mapped to a position of the resized image, whose window of
 * weighted positions is computed in double exactly as the framework does, and the window is mapped
 * to the source. A flip turns the window round, a position that shows nothing (black) loses its
 * weight, and reflected positions add theirs to the original: sums of whole numbers, hence exact.
 * Only wanted outputs are computed. Invariants: weights beyond a span's n are 0; nothing outside the
 * stated bound is touched.
 *
 * Weights. scale = in / out, stretch = max(scale, 1), support = radius * stretch, centre = (r + 0.5)
 * * scale; the window is [int(centre - support + 0.5), int(centre + support + 0.5)) cut to the
 * image; weight of position q is filter((q - centre + 0.5) * (1 / stretch)), divided by their sum.
 * Pillow: times 2^22, halves away from zero. Tensor: times 2^p, p the largest below 23 with the
 * largest weight below 2^15.
 */
#include "host/plan/axis.h"

#include <string.h>

#include "host/plan/filter.h"

#define PILLOW_PRECISION_BITS 22
#define TENSOR_WEIGHT_LIMIT   (1 << 15)
/* Weights of a window that are kept between the sum and the division; the rest is computed again. */
#define KEPT_WEIGHTS 64

struct resample {
    double scale, support, inverse_stretch;
    int32_t in_px, out_px;
    int32_t precision_bits;
};

struct window {
    double centre;
    int32_t begin, n;
};

/* Window of one output with its weights: writes weights_out[0 .. n) unless it is null; returns the
 * largest weight before scaling. */
typedef double (*weights_fn)(const struct resample *resample, const struct window *window,
                             int32_t *weights_out);

/* ---- the windows ---- */

static const double FILTER_RADIUS[DLOP_FILTER_COUNT] = {
    [DLOP_FILTER_NEAREST] = 0.5, [DLOP_FILTER_LANCZOS] = 3.0, [DLOP_FILTER_BILINEAR] = 1.0,
    [DLOP_FILTER_BICUBIC] = 2.0, [DLOP_FILTER_BOX] = 0.5,     [DLOP_FILTER_HAMMING] = 1.0,
};

static struct resample make_resample(const struct dlop_axis_fold *axis, int32_t filter)
{
    struct resample resample = {.in_px = axis->before.n_positions,
                                .out_px = axis->resize_px,
                                .precision_bits = PILLOW_PRECISION_BITS};
    resample.scale = (double)resample.in_px / resample.out_px;
    double stretch = resample.scale < 1.0 ? 1.0 : resample.scale;
    resample.support = FILTER_RADIUS[filter] * stretch;
    resample.inverse_stretch = 1.0 / stretch;
    return resample;
}

static struct window window_at(const struct resample *resample, int32_t r)
{
    struct window window = {.centre = (r + 0.5) * resample->scale};
    int32_t begin = (int32_t)(window.centre - resample->support + 0.5);
    int32_t end = (int32_t)(window.centre + resample->support + 0.5);

    window.begin = begin < 0 ? 0 : begin;
    window.n = (end > resample->in_px ? resample->in_px : end) - window.begin;
    window.n = window.n < 0 ? 0 : window.n;
    return window;
}

/* Positions in the widest window. In double one more is possible where both ends round outwards: the
 * table is then built again. */
static int32_t usual_n_taps(const struct resample *resample)
{
    double n_taps = ceil(2.0 * resample->support);

    return n_taps < resample->in_px ? (int32_t)n_taps : resample->in_px;
}

/* The window above, filter by filter: the filter is a constant and is inlined. */
static inline __attribute__((always_inline)) double weigh(const struct resample *resample,
                                                          const struct window *window,
                                                          int32_t *weights_out,
                                                          double (*filter)(double))
{
    double kept[KEPT_WEIGHTS], sum = 0.0, largest = 0.0;
    double inverse_stretch = resample->inverse_stretch, centre = window->centre;

    for (int32_t t = 0; t < window->n; t++) {
        double weight = filter((t + window->begin - centre + 0.5) * inverse_stretch);
        if (t < KEPT_WEIGHTS)
            kept[t] = weight;
        sum += weight;
        largest = weight > largest ? weight : largest;
    }
    if (sum == 0.0)
        sum = 1.0;
    if (weights_out) {
        double unit = 1 << resample->precision_bits;
        for (int32_t t = 0; t < window->n; t++) {
            double weight = t < KEPT_WEIGHTS
                                ? kept[t]
                                : filter((t + window->begin - centre + 0.5) * inverse_stretch);
            double scaled = weight / sum * unit;
            weights_out[t] = (int32_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
        }
    }
    return largest / sum;
}

#define DEFINE_WEIGHTS(name)                                                                       \
    static double weights_##name(const struct resample *resample, const struct window *window,     \
                                 int32_t *weights_out)                                             \
    {                                                                                              \
        return weigh(resample, window, weights_out, dlop_filter_##name);                           \
    }
DEFINE_WEIGHTS(lanczos)
DEFINE_WEIGHTS(bilinear)
DEFINE_WEIGHTS(bicubic)
DEFINE_WEIGHTS(box)
DEFINE_WEIGHTS(hamming)
#undef DEFINE_WEIGHTS

static const weights_fn WEIGHTS_BY_FILTER[DLOP_FILTER_COUNT] = {
    [DLOP_FILTER_LANCZOS] = weights_lanczos, [DLOP_FILTER_BILINEAR] = weights_bilinear,
    [DLOP_FILTER_BICUBIC] = weights_bicubic, [DLOP_FILTER_BOX] = weights_box,
    [DLOP_FILTER_HAMMING] = weights_hamming,
};

/* The precision depends on all outputs of the axis, wanted or not. */
static int32_t tensor_precision_bits(const struct resample *resample, weights_fn weights)
{
    double largest = 0.0;

    for (int32_t r = 0; r < resample->out_px; r++) {
        struct window window = window_at(resample, r);
        double weight = weights(resample, &window, NULL);
        largest = weight > largest ? weight : largest;
    }
    int32_t bits = 0;
    while (bits < PILLOW_PRECISION_BITS &&
           (int32_t)(0.5 + largest * (1 << (bits + 1))) < TENSOR_WEIGHT_LIMIT)
        bits++;
    return bits;
}

/* ---- tables ---- */

/* How one axis is weighted. */
struct weighting {
    struct resample resample;
    weights_fn weights;
    int32_t n_taps;
    bool is_before_plain;
    int32_t *scratch; /* [n_taps], behind the table */
};

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
        .n_out = (u32)n_out, .n_taps = (u32)n_taps, .precision_bits = PILLOW_PRECISION_BITS};
    return table;
}

static bool is_resampled(const struct dlop_axis_fold *axis)
{
    return axis->resize_px != axis->before.n_positions;
}

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
    int32_t *positions = is_resampled(axis) ? table.weights + n_out : NULL;

    if (positions)
        nearest_positions(axis, positions);
    table.header->is_gather = 1;
    for (int32_t o = 0; o < n_out; o++) {
        int32_t r = dlop_index_map_at(&axis->after, o);
        if (r >= 0 && positions)
            r = positions[r];
        int32_t source = r < 0 ? -1 : dlop_index_map_at(&axis->before, r);
        table.spans[o] = (struct dlop_span){.start = source < 0 ? 0 : source, .n = source >= 0};
        table.weights[o] = 1 << PILLOW_PRECISION_BITS;
    }
}

/* Whether every position shows a source position, in order or in reverse order. */
static bool is_plain(const struct dlop_index_map *map)
{
    const struct dlop_link *link = &map->link[0];
    int32_t last = link->offset + link->sign * (map->n_positions - 1);

    return map->n_links == 1 && link->offset >= link->begin && link->offset < link->end &&
           last >= link->begin && last < link->end;
}

static void reverse(int32_t *values, int32_t n)
{
    for (int32_t i = 0; i < n / 2; i++) {
        int32_t swapped = values[i];
        values[i] = values[n - 1 - i];
        values[n - 1 - i] = swapped;
    }
}

/* Window and weights to a span, through a plain map. weights: [n] of the window, changed in place. */
static struct dlop_span plain_span(const struct dlop_index_map *map, const struct window *window,
                                   int32_t *weights)
{
    const struct dlop_link *link = &map->link[0];

    if (link->sign > 0)
        return (struct dlop_span){.start = link->offset + window->begin, .n = (u32)window->n};
    reverse(weights, window->n);
    return (struct dlop_span){.start = link->offset - (window->begin + window->n - 1),
                              .n = (u32)window->n};
}

/* The same through any map: row_out (zeroed) gets the sums per source position. n = n_taps + 1 on
 * return where they do not fit. */
static struct dlop_span mapped_span(const struct dlop_index_map *map, const struct window *window,
                                    const int32_t *weights, int32_t *row_out, int32_t n_taps)
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

/* Span and weights of one output. row_out: [n_taps], zeroed. False: they do not fit. */
static bool fill_output(const struct dlop_axis_fold *axis, const struct weighting *weighting,
                        int32_t r, struct dlop_span *span_out, int32_t *row_out)
{
    const struct resample *resample = &weighting->resample;
    struct window window = window_at(resample, r);

    if (window.n > weighting->n_taps)
        return false;
    if (weighting->is_before_plain) {
        weighting->weights(resample, &window, row_out);
        *span_out = plain_span(&axis->before, &window, row_out);
        return true;
    }
    weighting->weights(resample, &window, weighting->scratch);
    *span_out = mapped_span(&axis->before, &window, weighting->scratch, row_out, weighting->n_taps);
    return span_out->n <= (u32)weighting->n_taps;
}

/* Outputs that are weighted sums. False: an output's positions do not fit n_taps. */
static bool fill_weighted(const struct dlop_axis_fold *axis, const struct weighting *weighting,
                          struct table *table)
{
    size_t n_taps = (size_t)weighting->n_taps;
    int32_t n_out = axis->after.n_positions;

    table->header->precision_bits = (u32)weighting->resample.precision_bits;
    memset(table->weights, 0, (size_t)n_out * n_taps * sizeof *table->weights);
    for (int32_t o = 0; o < n_out; o++) {
        int32_t r = dlop_index_map_at(&axis->after, o);
        table->spans[o] = (struct dlop_span){0};
        if (r >= 0 &&
            !fill_output(axis, weighting, r, &table->spans[o], table->weights + (size_t)o * n_taps))
            return false;
    }
    return true;
}

/* Returns the table's bytes, 0: see dlop_axis_build. */
static uint64_t build_weighted(const struct dlop_axis_fold *axis, int32_t filter,
                               uint32_t resampler, uint8_t *bytes_out)
{
    struct weighting weighting = {.resample = make_resample(axis, filter),
                                  .weights = WEIGHTS_BY_FILTER[filter],
                                  .is_before_plain = is_plain(&axis->before)};
    int32_t n_out = axis->after.n_positions, usual = usual_n_taps(&weighting.resample);

    if (resampler == DLOP_RESAMPLER_TENSOR)
        weighting.resample.precision_bits =
            tensor_precision_bits(&weighting.resample, weighting.weights);
    for (weighting.n_taps = usual; weighting.n_taps <= usual + 1; weighting.n_taps++) {
        struct table table = make_table(bytes_out, n_out, weighting.n_taps);
        weighting.scratch = table.weights + (size_t)n_out * (size_t)weighting.n_taps;
        if (fill_weighted(axis, &weighting, &table))
            return DLOP_AXIS_BYTES(n_out, weighting.n_taps);
    }
    return 0;
}

/* Make spans relative to the first position named. Where none is, the region is one position: a
 * device need not know empty ones. */
static void make_relative(uint8_t *bytes, uint32_t *roi_out, uint32_t *roi_n_out)
{
    int32_t lo = INT32_MAX, hi = 0;
    u32 n_out = ((const struct dlop_axis *)(const void *)bytes)->n_out;
    struct dlop_span *spans = (struct dlop_span *)(void *)(bytes + sizeof(struct dlop_axis));

    for (u32 o = 0; o < n_out; o++) {
        int32_t start = spans[o].start, end = start + (int32_t)spans[o].n;
        if (start == end)
            continue;
        lo = start < lo ? start : lo;
        hi = end > hi ? end : hi;
    }
    if (hi == 0) {
        lo = 0;
        hi = 1;
    }
    for (u32 o = 0; o < n_out; o++)
        spans[o].start = spans[o].n ? spans[o].start - lo : 0;
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
    struct resample resample = make_resample(axis, filter);
    int32_t n_taps = usual_n_taps(&resample) + 1;
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
