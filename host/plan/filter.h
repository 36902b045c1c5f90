/* Resampling kernels as Pillow evaluates them: x in units of the filter, doubles, no fused
 * multiply-add (the build says -ffp-contract=off).
 *
 * Each equals Pillow's bit for bit, so the order of the operations is part of it. */
#ifndef DLOP_HOST_PLAN_FILTER_H
#define DLOP_HOST_PLAN_FILTER_H

#include <math.h>

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

#endif
