/* Windows and weights of one axis.
 *
 * scale = in / out, stretch = max(scale, 1), support = radius * stretch, centre = (r + 0.5) *
 * scale; the window of output r is [int(centre - support + 0.5), int(centre + support + 0.5)) cut
 * to the image; weight of position q is filter((q - centre + 0.5) * (1 / stretch)), divided by the
 * sum of the window. Pillow: times 2^22, halves away from zero. Tensor: times 2^p, p the largest up
 * to 22 with the axis' largest weight below 2^15. All in double and in this order of operations,
 * since the whole numbers must be the framework's.
 *
 * Key idea of blocks: outputs in pairs and several pairs at once, loops of fixed length, positions
 * past a window weigh 0, so that no branch depends on the data and no output waits for another.
 * Sums still go from the first position to the last.
 */
#include "host/plan/weights.h"

#include <math.h>
#include <string.h>

#include "host/include/dlop.h"
#include "host/plan/filter.h"

#define TENSOR_WEIGHT_LIMIT (1 << 15)
/* Weights of a window that are kept between sum and division; the rest is computed again. */
#define KEPT_WEIGHTS 64

#define INLINE_FILTER static inline __attribute__((always_inline))

typedef double (*filter_fn)(double x);

static const double FILTER_RADIUS[DLOP_FILTER_COUNT] = {
    [DLOP_FILTER_LANCZOS] = 3.0, [DLOP_FILTER_BILINEAR] = 1.0, [DLOP_FILTER_BICUBIC] = 2.0,
    [DLOP_FILTER_BOX] = 0.5,     [DLOP_FILTER_HAMMING] = 1.0,
};

/* ---- windows ---- */

int32_t dlop_resample_n_taps(const struct dlop_resample *resample)
{
    double n_taps = ceil(2.0 * resample->support);

    return n_taps < resample->in_px ? (int32_t)n_taps : resample->in_px;
}

static inline struct dlop_window window_at(const struct dlop_resample *resample, int32_t r)
{
    struct dlop_window window = {.centre = (r + 0.5) * resample->scale};
    int32_t begin = (int32_t)(window.centre - resample->support + 0.5);
    int32_t end = (int32_t)(window.centre + resample->support + 0.5);

    window.begin = begin < 0 ? 0 : begin;
    window.n = (end > resample->in_px ? resample->in_px : end) - window.begin;
    window.n = window.n < 0 ? 0 : window.n;
    return window;
}

static int32_t to_whole(double weight, double unit)
{
    double scaled = weight * unit;

    return (int32_t)(scaled + copysign(0.5, scaled));
}

/* ---- one window ---- */

INLINE_FILTER double filter_at(const struct dlop_resample *resample,
                               const struct dlop_window *window, int32_t t, filter_fn filter)
{
    return filter((t + window->begin - window->centre + 0.5) * resample->inverse_stretch);
}

/* Returns the largest weight; weights_out may be null. */
INLINE_FILTER double weigh_window(const struct dlop_resample *resample,
                                  const struct dlop_window *window, int32_t *weights_out,
                                  filter_fn filter)
{
    double kept[KEPT_WEIGHTS], sum = 0.0, largest = 0.0;
    double unit = 1 << resample->precision_bits;

    for (int32_t t = 0; t < window->n; t++) {
        double weight = filter_at(resample, window, t, filter);
        if (t < KEPT_WEIGHTS)
            kept[t] = weight;
        sum += weight;
        largest = weight > largest ? weight : largest;
    }
    sum = sum == 0.0 ? 1.0 : sum;
    for (int32_t t = 0; weights_out && t < window->n; t++) {
        double weight = t < KEPT_WEIGHTS ? kept[t] : filter_at(resample, window, t, filter);
        weights_out[t] = to_whole(weight / sum, unit);
    }
    return largest / sum;
}

/* ---- blocks ---- */

/* A filter with weights for two positions; constant where it is inlined. */
struct pair_filter {
    dlop_pair (*at)(dlop_pair x);
    bool has_negative; /* weights */
};

typedef int32_t whole_pair __attribute__((vector_size(8)));
typedef int32_t whole_quad __attribute__((vector_size(16)));

/* As to_whole. Where no weight is negative, the sign need not be looked at. */
INLINE_FILTER whole_pair to_whole_pair(dlop_pair scaled, bool has_negative)
{
    const dlop_pair_bits sign = {INT64_MIN, INT64_MIN};
    dlop_pair half = DLOP_PAIR(0.5);

    if (has_negative)
        half = (dlop_pair)(((dlop_pair_bits)scaled & sign) | (dlop_pair_bits)half);
    return __builtin_convertvector(scaled + half, whole_pair);
}

/* Two taps of two outputs, each output's side by side. */
static inline void store_taps(whole_pair first, whole_pair second, int32_t *row_out,
                              int32_t *next_row_out)
{
    whole_quad both = {first[0], second[0], first[1], second[1]};

    memcpy(row_out, &both, 8);
    memcpy(next_row_out, (const char *)&both + 8, 8);
}

/* Outputs that are weighted at once, so that one does not wait for the other. */
#define AT_ONCE       8
#define PAIRS_AT_ONCE (AT_ONCE / 2)

/* Windows of a block as window_at finds them, begin and n as doubles, too. */
struct windows {
    double centre[DLOP_BLOCK_OUTPUTS], begin[DLOP_BLOCK_OUTPUTS], n[DLOP_BLOCK_OUTPUTS];
};

/* n_outputs: a multiple of AT_ONCE. */
static void find_windows(const struct dlop_resample *resample, struct dlop_block *block,
                         int32_t n_outputs, struct windows *windows)
{
    double scale = resample->scale, support = resample->support;
    int32_t in_px = resample->in_px;

    for (int32_t k = 0; k < n_outputs; k++) {
        double centre = (block->r[k] + 0.5) * scale;
        int32_t begin = (int32_t)(centre - support + 0.5), end = (int32_t)(centre + support + 0.5);

        begin = begin < 0 ? 0 : begin;
        end = end > in_px ? in_px : end;
        end -= begin;
        end = end < 0 ? 0 : end;
        block->begin[k] = begin;
        block->n[k] = end;
        windows->centre[k] = centre;
        windows->begin[k] = begin;
        windows->n[k] = end;
    }
}

/* AT_ONCE outputs from number `first` of the block on; rows_out: [AT_ONCE][n_taps]. */
INLINE_FILTER void weigh_some(const struct dlop_resample *resample, const struct windows *windows,
                              int32_t first, int32_t n_taps, int32_t *rows_out,
                              struct pair_filter filter)
{
    dlop_pair kept[DLOP_BLOCK_MAX_TAPS][PAIRS_AT_ONCE], sum[PAIRS_AT_ONCE] = {{0}};
    dlop_pair centre[PAIRS_AT_ONCE], begin[PAIRS_AT_ONCE], n[PAIRS_AT_ONCE];
    /* Powers of two change no digit, so the sum can take the unit that weights are times. */
    double per_unit = 1.0 / (1 << resample->precision_bits);
    int32_t t;

    memcpy(centre, &windows->centre[first], sizeof centre);
    memcpy(begin, &windows->begin[first], sizeof begin);
    memcpy(n, &windows->n[first], sizeof n);
    for (t = 0; t < n_taps; t++) {
        dlop_pair tap = DLOP_PAIR(t);
        for (int j = 0; j < PAIRS_AT_ONCE; j++) {
            dlop_pair x = (tap + begin[j] - centre[j] + 0.5) * resample->inverse_stretch;
            /* Past the window x becomes a NaN, for which every filter's comparisons are false. */
            kept[t][j] = filter.at((dlop_pair)((dlop_pair_bits)x | (tap >= n[j])));
            sum[j] += kept[t][j];
        }
    }
    for (int j = 0; j < PAIRS_AT_ONCE; j++)
        sum[j] = dlop_pair_choose(sum[j] == 0.0, DLOP_PAIR(1.0), sum[j]) * per_unit;
    for (t = 0; t + 1 < n_taps; t += 2)
        for (ptrdiff_t j = 0; j < PAIRS_AT_ONCE; j++)
            store_taps(to_whole_pair(kept[t][j] / sum[j], filter.has_negative),
                       to_whole_pair(kept[t + 1][j] / sum[j], filter.has_negative),
                       rows_out + 2 * j * n_taps + t, rows_out + (2 * j + 1) * n_taps + t);
    for (ptrdiff_t j = 0; t < n_taps && j < PAIRS_AT_ONCE; j++) {
        whole_pair whole = to_whole_pair(kept[t][j] / sum[j], filter.has_negative);
        rows_out[2 * j * n_taps + t] = whole[0];
        rows_out[(2 * j + 1) * n_taps + t] = whole[1];
    }
}

INLINE_FILTER void weigh_block(const struct dlop_resample *resample, struct dlop_block *block,
                               int32_t n_outputs, int32_t n_taps, int32_t *rows_out,
                               struct pair_filter filter)
{
    int32_t rest[AT_ONCE * DLOP_BLOCK_MAX_TAPS];
    struct windows windows;

    for (int32_t k = n_outputs; k % AT_ONCE != 0; k++)
        block->r[k] = 0;
    find_windows(resample, block, (n_outputs + AT_ONCE - 1) & ~(AT_ONCE - 1), &windows);
    for (int32_t k = 0; k < n_outputs; k += AT_ONCE) {
        int32_t *rows = rows_out + (ptrdiff_t)k * n_taps, n = n_outputs - k;

        weigh_some(resample, &windows, k, n_taps, n < AT_ONCE ? rest : rows, filter);
        if (n < AT_ONCE)
            memcpy(rows, rest, (size_t)(n * n_taps) * sizeof *rows);
    }
}

/* ---- by filter: each a copy of the above with its filter inlined ---- */

struct weigher {
    double (*window)(const struct dlop_resample *resample, const struct dlop_window *window,
                     int32_t *weights_out);
    /* Null where the filter has none. */
    void (*block)(const struct dlop_resample *resample, struct dlop_block *block, int32_t n_outputs,
                  int32_t n_taps, int32_t *rows_out);
};

#define DEFINE_WINDOW(name)                                                                        \
    static double window_##name(const struct dlop_resample *resample,                              \
                                const struct dlop_window *window, int32_t *weights_out)            \
    {                                                                                              \
        return weigh_window(resample, window, weights_out, dlop_filter_##name);                    \
    }
#define DEFINE_BLOCK(name, has_negative)                                                           \
    static void block_##name(const struct dlop_resample *resample, struct dlop_block *block,       \
                             int32_t n_outputs, int32_t n_taps, int32_t *rows_out)                 \
    {                                                                                              \
        weigh_block(resample, block, n_outputs, n_taps, rows_out,                                  \
                    (struct pair_filter){dlop_filter_##name##_pair, has_negative});                \
    }
DEFINE_WINDOW(lanczos)
DEFINE_WINDOW(bilinear)
DEFINE_WINDOW(bicubic)
DEFINE_WINDOW(box)
DEFINE_WINDOW(hamming)
DEFINE_BLOCK(bilinear, false)
DEFINE_BLOCK(bicubic, true)
DEFINE_BLOCK(box, false)
#undef DEFINE_WINDOW
#undef DEFINE_BLOCK

static const struct weigher WEIGHERS[DLOP_FILTER_COUNT] = {
    [DLOP_FILTER_LANCZOS] = {window_lanczos, NULL},
    [DLOP_FILTER_BILINEAR] = {window_bilinear, block_bilinear},
    [DLOP_FILTER_BICUBIC] = {window_bicubic, block_bicubic},
    [DLOP_FILTER_BOX] = {window_box, block_box},
    [DLOP_FILTER_HAMMING] = {window_hamming, NULL},
};

struct dlop_window dlop_window_at(const struct dlop_resample *resample, int32_t r)
{
    return window_at(resample, r);
}

void dlop_window_weights(const struct dlop_resample *resample, const struct dlop_window *window,
                         int32_t *weights_out)
{
    WEIGHERS[resample->filter].window(resample, window, weights_out);
}

bool dlop_resample_has_blocks(const struct dlop_resample *resample, int32_t n_taps)
{
    return WEIGHERS[resample->filter].block && n_taps <= DLOP_BLOCK_MAX_TAPS;
}

void dlop_block_weights(const struct dlop_resample *resample, struct dlop_block *block,
                        int32_t n_outputs, int32_t n_taps, int32_t *rows_out)
{
    WEIGHERS[resample->filter].block(resample, block, n_outputs, n_taps, rows_out);
}

/* ---- a whole axis ---- */

/* Of all outputs, wanted or not: the precision of an axis depends on it. */
static double largest_weight(const struct dlop_resample *resample)
{
    double largest = 0.0;

    for (int32_t r = 0; r < resample->out_px; r++) {
        struct dlop_window window = window_at(resample, r);
        double weight = WEIGHERS[resample->filter].window(resample, &window, NULL);
        largest = weight > largest ? weight : largest;
    }
    return largest;
}

struct dlop_resample dlop_resample_make(int32_t in_px, int32_t out_px, int32_t filter,
                                        uint32_t resampler)
{
    struct dlop_resample resample = {.in_px = in_px,
                                     .out_px = out_px,
                                     .filter = filter,
                                     .precision_bits = DLOP_PILLOW_PRECISION_BITS};
    resample.scale = (double)in_px / out_px;
    double stretch = resample.scale < 1.0 ? 1.0 : resample.scale;
    resample.support = FILTER_RADIUS[filter] * stretch;
    resample.inverse_stretch = 1.0 / stretch;
    if (resampler != DLOP_RESAMPLER_TENSOR)
        return resample;

    double largest = largest_weight(&resample);
    int32_t bits = 0;
    while (bits < DLOP_PILLOW_PRECISION_BITS &&
           (int32_t)(0.5 + largest * (1 << (bits + 1))) < TENSOR_WEIGHT_LIMIT)
        bits++;
    resample.precision_bits = bits;
    return resample;
}
