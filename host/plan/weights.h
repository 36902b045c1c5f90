/* Resampling windows and their whole-number weights, as Pillow's and torchvision's 8-bit resamplers
 * have them. The formulas are in weights.c. */
#ifndef DLOP_HOST_PLAN_WEIGHTS_H
#define DLOP_HOST_PLAN_WEIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#define DLOP_PILLOW_PRECISION_BITS 22

/* One axis from in_px to out_px positions. */
struct dlop_resample {
    double scale, support, inverse_stretch;
    int32_t in_px, out_px;
    int32_t filter; /* enum dlop_filter, not nearest */
    int32_t precision_bits;
};

/* Source positions [begin, begin + n) of one output, and where the filter's middle stands. */
struct dlop_window {
    double centre;
    int32_t begin, n;
};

/* Several outputs at once: the same numbers as one by one, several times faster. Not for all
 * filters. */
#define DLOP_BLOCK_OUTPUTS  64
#define DLOP_BLOCK_MAX_TAPS 32
struct dlop_block {
    int32_t r[DLOP_BLOCK_OUTPUTS]; /* which outputs, each in [0, out_px) */
    int32_t begin[DLOP_BLOCK_OUTPUTS], n[DLOP_BLOCK_OUTPUTS];
};

/* resampler: enum dlop_resampler. Any thread, as everything here. */
struct dlop_resample dlop_resample_make(int32_t in_px, int32_t out_px, int32_t filter,
                                        uint32_t resampler);
/* Positions in the widest window, at most in_px. In double, one more is possible where both ends of
 * a window round outwards. */
int32_t dlop_resample_n_taps(const struct dlop_resample *resample);

struct dlop_window dlop_window_at(const struct dlop_resample *resample, int32_t r);
/* weights_out: [window->n]. */
void dlop_window_weights(const struct dlop_resample *resample, const struct dlop_window *window,
                         int32_t *weights_out);
/* Whether dlop_block_weights can do windows of n_taps with this filter. */
bool dlop_resample_has_blocks(const struct dlop_resample *resample, int32_t n_taps);
/* Windows (begin, n) and weights of the first n_outputs outputs r[] of a block; r[] is lost.
 * rows_out: [n_outputs][n_taps]. Weights from n[] to n_taps are 0; where an n[] is above n_taps,
 * the weights of that output are not all there. */
void dlop_block_weights(const struct dlop_resample *resample, struct dlop_block *block,
                        int32_t n_outputs, int32_t n_taps, int32_t *rows_out);

#endif
