/* Resampling kernels as Pillow evaluates them: x in units of the filter, doubles, no fused
 * multiply-add (the build says -ffp-contract=off).
 *
 * Each equals Pillow's bit for bit, so the order of the operations is part of it. The filters that
 * need no sine exist for two positions at once too, with the same results; of a NaN they make 0. */
#ifndef DLOP_HOST_PLAN_FILTER_H
#define DLOP_HOST_PLAN_FILTER_H

#include <math.h>
#include <stdint.h>

/* ---- one position ---- */

static inline double dlop_filter_box(double x)
{
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static inline double dlop_filter_bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static inline double dlop_filter_hamming(double x)
{
    x = fabs(x);
    if (x == 0.0)
        return 1.0;
    if (x >= 1.0)
        return 0.0;
    x = x * M_PI;
    /* The window's two constants are floats. */
    return sin(x) / x * ((double)0.54f + (double)0.46f * cos(x));
}

static inline double dlop_filter_bicubic(double x)
{
    const double a = -0.5;

    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static inline double dlop_filter_sinc(double x)
{
    if (x == 0.0)
        return 1.0;
    x = x * M_PI;
    return sin(x) / x;
}

static inline double dlop_filter_lanczos(double x)
{
    return -3.0 <= x && x < 3.0 ? dlop_filter_sinc(x) * dlop_filter_sinc(x / 3) : 0.0;
}

/* ---- two positions at once: compilers do not make vectors of the choices above ---- */

typedef double dlop_pair __attribute__((vector_size(16)));
typedef int64_t dlop_pair_bits __attribute__((vector_size(16)));

#define DLOP_PAIR(value) ((dlop_pair){(value), (value)})

/* where is all ones or all zeros, as comparisons of pairs give it. */
static inline dlop_pair dlop_pair_choose(dlop_pair_bits where, dlop_pair yes, dlop_pair no)
{
    return (dlop_pair)((where & (dlop_pair_bits)yes) | (~where & (dlop_pair_bits)no));
}

/* yes, or 0. */
static inline dlop_pair dlop_pair_where(dlop_pair_bits where, dlop_pair yes)
{
    return (dlop_pair)(where & (dlop_pair_bits)yes);
}

static inline dlop_pair dlop_pair_abs(dlop_pair x)
{
    const dlop_pair_bits sign = {INT64_MIN, INT64_MIN};

    return (dlop_pair)((dlop_pair_bits)x & ~sign);
}

static inline dlop_pair dlop_filter_box_pair(dlop_pair x)
{
    return dlop_pair_where(x <= 0.5, DLOP_PAIR(1.0)) - dlop_pair_where(x <= -0.5, DLOP_PAIR(1.0));
}

static inline dlop_pair dlop_filter_bilinear_pair(dlop_pair x)
{
    x = dlop_pair_abs(x);
    return dlop_pair_where(x < 1.0, 1.0 - x);
}

/* One choice of all of them at the end: of masks that it joins gcc makes scalars on x86-64. */
static inline dlop_pair dlop_filter_bicubic_pair(dlop_pair x)
{
    const double a = -0.5;

    x = dlop_pair_abs(x);
    dlop_pair inner = ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    dlop_pair outer = (((x - 5) * x + 8) * x - 4) * a;
    return dlop_pair_where(x < 2.0, dlop_pair_choose(x < 1.0, inner, outer));
}

#endif
