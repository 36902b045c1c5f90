/* Axis tables for tests, made the plain way: one filter function in double, evaluated where the
 * definition says, rounded once. Not the code of host/plan, on purpose.
 */
#ifndef DLOP_TESTS_KERNEL_AXIS_TABLE_H
#define DLOP_TESTS_KERNEL_AXIS_TABLE_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hw/abi/abi.h"

static inline double axis_sinc(double x)
{
    return x == 0 ? 1 : sin(M_PI * x) / (M_PI * x);
}

static inline double axis_box(double x)
{
    return x > -0.5 && x <= 0.5 ? 1 : 0;
}

static inline double axis_bilinear(double x)
{
    return fabs(x) < 1 ? 1 - fabs(x) : 0;
}

static inline double axis_hamming(double x)
{
    return fabs(x) < 1 ? axis_sinc(x) * (0.54 + 0.46 * cos(M_PI * x)) : 0;
}

static inline double axis_bicubic(double x)
{
    x = fabs(x);
    if (x < 1)
        return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

static inline double axis_lanczos(double x)
{
    return fabs(x) < 3 ? axis_sinc(x) * axis_sinc(x / 3) : 0;
}

struct axis_filter {
    const char *name;
    double (*weight)(double x);
    double radius;
};

static const struct axis_filter axis_filters[] = {
    {"box", axis_box, 0.5},       {"bilinear", axis_bilinear, 1}, {"hamming", axis_hamming, 1},
    {"bicubic", axis_bicubic, 2}, {"lanczos", axis_lanczos, 3},
};
#define N_AXIS_FILTERS (sizeof axis_filters / sizeof axis_filters[0])

static inline struct dlop_axis *axis_header(void *table)
{
    return table;
}

static inline struct dlop_span *axis_spans(void *table)
{
    return (struct dlop_span *)(axis_header(table) + 1);
}

static inline s32 *axis_weights(void *table)
{
    return (s32 *)(axis_spans(table) + axis_header(table)->n_out);
}

/* Zeroed table; free() it. */
static inline void *axis_alloc(u32 n_out, u32 n_taps, u32 precision_bits, u32 is_gather)
{
    void *table = calloc(1, DLOP_AXIS_BYTES(n_out, n_taps));

    if (!table)
        abort();
    *axis_header(table) = (struct dlop_axis){n_out, n_taps, precision_bits, is_gather};
    return table;
}

static inline size_t axis_bytes(void *table)
{
    return DLOP_AXIS_BYTES(axis_header(table)->n_out, axis_header(table)->n_taps);
}

/* Where output o of n_out stands, and how far it reaches. */
struct axis_reach {
    double centre, scale;
    s32 first, end;
};

static inline struct axis_reach axis_reach(const struct axis_filter *filter, u32 n_in, u32 n_out,
                                           u32 o)
{
    struct axis_reach reach;
    double stretch = (double)n_in / n_out, support;

    reach.scale = stretch > 1 ? stretch : 1;
    support = filter->radius * reach.scale;
    reach.centre = (o + 0.5) * stretch;
    reach.first = (s32)(reach.centre - support + 0.5);
    reach.first = reach.first < 0 ? 0 : reach.first;
    reach.end = (s32)(reach.centre + support + 0.5);
    reach.end = reach.end > (s32)n_in ? (s32)n_in : reach.end;
    return reach;
}

/* n_in to n_out with a filter; precision_bits 0: the most with which all weights fit in 16 bits. */
static inline void *axis_resize(const struct axis_filter *filter, u32 n_in, u32 n_out,
                                u32 precision_bits, int is_flipped)
{
    u32 n_taps = 2 * (u32)ceil(filter->radius * (n_in > n_out ? (double)n_in / n_out : 1)) + 1;
    double *weight = calloc((size_t)n_out * n_taps, sizeof *weight), largest = 0;
    void *table = axis_alloc(n_out, n_taps, precision_bits, 0);

    for (u32 o = 0; o < n_out; o++) {
        struct axis_reach reach = axis_reach(filter, n_in, n_out, o);
        u32 at = is_flipped ? n_out - 1 - o : o;
        double *w = weight + (size_t)at * n_taps, sum = 0;

        axis_spans(table)[at] = (struct dlop_span){reach.first, (u32)(reach.end - reach.first)};
        for (s32 x = reach.first; x < reach.end; x++)
            sum += w[x - reach.first] = filter->weight((x - reach.centre + 0.5) / reach.scale);
        for (s32 x = reach.first; x < reach.end; x++) {
            w[x - reach.first] /= sum != 0 ? sum : 1;
            largest = fmax(largest, fabs(w[x - reach.first]));
        }
    }
    if (!precision_bits)
        while (precision_bits < 22 && largest * (2 << precision_bits) < 32767)
            precision_bits++;
    axis_header(table)->precision_bits = precision_bits;
    for (size_t i = 0; i < (size_t)n_out * n_taps; i++)
        axis_weights(table)[i] = (s32)lround(weight[i] * (1 << precision_bits));
    free(weight);
    return table;
}

/* Copies: output o is source position `source[o]`, or fill where that is negative. */
static inline void *axis_copy(const s32 *source, u32 n_out)
{
    void *table = axis_alloc(n_out, 1, 22, 1);

    for (u32 o = 0; o < n_out; o++) {
        axis_spans(table)[o] = (struct dlop_span){source[o] < 0 ? 0 : source[o], source[o] >= 0};
        axis_weights(table)[o] = 1 << 22;
    }
    return table;
}

#endif
