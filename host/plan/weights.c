/* Windows and weights of one axis.
 *
 * scale = in / out, stretch = max(scale, 1), support = radius * stretch, centre = (r + 0.5) *
 * scale; the window of output r is [int(centre - support + 0.5), int(centre + support + 0.5)) cut
 * to the image; weight of position q is filter((q - centre + 0.5) * (1 / stretch)), divided by the
 * sum of the window. Pillow: times 2^22, halves away from zero. Tensor: times 2^p, p the largest up
 * to 22 with the axis' largest weight below 2^15. All in double and in this order of operations,
 * since the whole numbers must be the framework's.
 *
 * Key idea of blocks: outputs in pairs, loops of fixed length, positions past a window weigh 0, so
 * that no branch depends on the data. Sums still go from the first position to the last.
 */
#include "host/plan/weights.h"

#include <math.h>

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

typedef dlop_pair (*pair_filter_fn)(dlop_pair x);
typedef int32_t whole_pair __attribute__((vector_size(8)));

static whole_pair to_whole_pair(dlop_pair weight, double unit)
{
    const dlop_pair_bits sign = {INT64_MIN, INT64_MIN};
    dlop_pair scaled = weight * unit;
    dlop_pair half = (dlop_pair)(((dlop_pair_bits)scaled & sign) | (dlop_pair_bits)DLOP_PAIR(0.5));

    return __builtin_convertvector(scaled + half, whole_pair);
}

/* Outputs k and k + 1 of a block, whose windows are there already. */
INLINE_FILTER void weigh_pair(const struct dlop_resample *resample, const double centre[2],
                              int32_t n_taps, struct dlop_block *block, int k,
                              pair_filter_fn filter)
{
    dlop_pair kept[DLOP_BLOCK_MAX_TAPS], sum = {0};
    const dlop_pair middle = {centre[0], centre[1]};
    const dlop_pair begin = {block->begin[k], block->begin[k + 1]};
    const dlop_pair n = {block->n[k], block->n[k + 1]};
    double unit = 1 << resample->precision_bits;

    for (int32_t t = 0; t < n_taps; t++) {
        dlop_pair tap = DLOP_PAIR(t);
        dlop_pair weight = filter((tap + begin - middle + 0.5) * resample->inverse_stretch);
        kept[t] = dlop_pair_choose(tap < n, weight, DLOP_PAIR(0.0));
        sum += kept[t];
    }
    sum = dlop_pair_choose(sum == 0.0, DLOP_PAIR(1.0), sum);
    for (int32_t t = 0; t < n_taps; t++) {
        whole_pair whole = to_whole_pair(kept[t] / sum, unit);
        block->weight[k][t] = whole[0];
        block->weight[k + 1][t] = whole[1];
    }
}

INLINE_FILTER void weigh_block(const struct dlop_resample *resample,
                               const int32_t r[DLOP_BLOCK_OUTPUTS], int32_t n_taps,
                               struct dlop_block *block, pair_filter_fn filter)
{
    double centre[DLOP_BLOCK_OUTPUTS];

    for (int k = 0; k < DLOP_BLOCK_OUTPUTS; k++) {
        struct dlop_window window = window_at(resample, r[k]);
        centre[k] = window.centre;
        block->begin[k] = window.begin;
        block->n[k] = window.n;
    }
    for (int k = 0; k < DLOP_BLOCK_OUTPUTS; k += 2)
        weigh_pair(resample, &centre[k], n_taps, block, k, filter);
}

/* ---- by filter: each a copy of the above with its filter inlined ---- */

struct weigher {
    double (*window)(const struct dlop_resample *resample, const struct dlop_window *window,
                     int32_t *weights_out);
    /* Null where the filter has none. */
    void (*block)(const struct dlop_resample *resample, const int32_t r[DLOP_BLOCK_OUTPUTS],
                  int32_t n_taps, struct dlop_block *block_out);
};

#define DEFINE_WINDOW(name)                                                                        \
    static double window_##name(const struct dlop_resample *resample,                              \
                                const struct dlop_window *window, int32_t *weights_out)            \
    {                                                                                              \
        return weigh_window(resample, window, weights_out, dlop_filter_##name);                    \
    }
#define DEFINE_BLOCK(name)                                                                         \
    static void block_##name(const struct dlop_resample *resample,                                 \
                             const int32_t r[DLOP_BLOCK_OUTPUTS], int32_t n_taps,                  \
                             struct dlop_block *block_out)                                         \
    {                                                                                              \
        weigh_block(resample, r, n_taps, block_out, dlop_filter_##name##_pair);                    \
    }
DEFINE_WINDOW(lanczos)
DEFINE_WINDOW(bilinear)
DEFINE_WINDOW(bicubic)
DEFINE_WINDOW(box)
DEFINE_WINDOW(hamming)
DEFINE_BLOCK(bilinear)
DEFINE_BLOCK(bicubic)
DEFINE_BLOCK(box)
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

void dlop_block_weights(const struct dlop_resample *resample, const int32_t r[DLOP_BLOCK_OUTPUTS],
                        int32_t n_taps, struct dlop_block *block_out)
{
    WEIGHERS[resample->filter].block(resample, r, n_taps, block_out);
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
