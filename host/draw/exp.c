/* torch.exp on float32, by the rule that the installed framework follows.
 *
 * Key idea: builds differ in the last bit, and a last bit moves a crop box once in 10^5 to 10^6
 * samples, so each known way of computing exp is here and a probe at attach chooses. Never more
 * than one unit in the last place apart.
 */
#include <math.h>
#include <string.h>

#include "host/draw/rng.h"

/* vmsExp of MKL. mode: high accuracy, subnormals kept, errors ignored. */
typedef void (*mkl_exp_fn)(long n, const float *in, float *out, int64_t mode);
#define MKL_MODE 0x140102

static void exp_mkl(const struct dlop_draw_rules *rules, float *values, size_t n)
{
    mkl_exp_fn exp_fn = (mkl_exp_fn)(uintptr_t)rules->exp_fn;

    /* One at a time: the same bits as at once, and input and output stay apart. */
    for (size_t i = 0; i < n; i++) {
        float in = values[i];
        exp_fn(1, &in, &values[i], MKL_MODE);
    }
}

static float power_of_two(int exponent)
{
    uint32_t bits = (uint32_t)(exponent + 127) << 23;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* x = q ln 2 + s with ln 2 in two parts, exp(s) by a polynomial of degree 6, scaled in two halves
 * so that neither overflows before the product does. */
static float exp_poly_fma_one(float x)
{
    static const float COEFFICIENTS[] = {
        0x1.a057b4p-13f, /* near 1/7!; from the highest degree down */
        0x1.6d2d92p-10f, 0x1.11114cp-7f, 0x1.5554f4p-5f, 0x1.555556p-3f, 0.5f,
    };
    if (isnan(x))
        return x;
    if (x > 104.0f)
        return INFINITY;
    if (x < -104.0f)
        return 0.0f;
    float q = rintf(x * 0x1.715476p+0f);
    float s = fmaf(q, -0x1.62e4p-1f, x);
    s = fmaf(q, -0x1.7f7d1cp-20f, s);
    float u = COEFFICIENTS[0];
    for (size_t i = 1; i < sizeof COEFFICIENTS / sizeof COEFFICIENTS[0]; i++)
        u = fmaf(u, s, COEFFICIENTS[i]);
    u = 1.0f + fmaf(s * s, u, s);
    int exponent = (int)q, half = exponent >> 1;
    return u * power_of_two(half) * power_of_two(exponent - half);
}

static void exp_poly_fma(const struct dlop_draw_rules *rules, float *values, size_t n)
{
    (void)rules;
    for (size_t i = 0; i < n; i++)
        values[i] = exp_poly_fma_one(values[i]);
}

static void exp_libm(const struct dlop_draw_rules *rules, float *values, size_t n)
{
    (void)rules;
    for (size_t i = 0; i < n; i++)
        values[i] = expf(values[i]);
}

static void exp_rounded(const struct dlop_draw_rules *rules, float *values, size_t n)
{
    (void)rules;
    for (size_t i = 0; i < n; i++)
        values[i] = (float)exp((double)values[i]);
}

static void (*const EXP_BY_KIND[DLOP_EXP_COUNT])(const struct dlop_draw_rules *, float *,
                                                 size_t) = {
    [DLOP_EXP_MKL] = exp_mkl,
    [DLOP_EXP_POLY_FMA] = exp_poly_fma,
    [DLOP_EXP_LIBM] = exp_libm,
    [DLOP_EXP_ROUNDED] = exp_rounded,
};

void dlop_exp(const struct dlop_draw_rules *rules, float *values, size_t n)
{
    uint32_t kind = rules->exp_kind;

    if (kind >= DLOP_EXP_COUNT || (kind == DLOP_EXP_MKL && !rules->exp_fn))
        kind = DLOP_EXP_ROUNDED;
    EXP_BY_KIND[kind](rules, values, n);
}
