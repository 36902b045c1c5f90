/* Unit tests of host/plan/axis.c: every table against one made output by output, for each filter
 * and resampler, with the crops, flips and paddings that a fold knows before and after the resize.
 * Tables end at a closed page, so touching more than the stated bound stops the test. */
#include "tests/kernel/kernel.h"

#include "host/include/dlop.h"
#include "host/plan/axis.h"
#include "host/plan/weights.h"

#define MOST_PX 600

/* One output: sums of weights per source position. */
struct expected {
    int32_t lo, n; /* n = 0: shows nothing */
    int32_t weight[2 * MOST_PX];
};

static void expect_output(const struct dlop_axis_fold *axis, const struct dlop_resample *resample,
                          int32_t o, struct expected *expected)
{
    int32_t weights[2 * MOST_PX], hi = -1, r = dlop_index_map_at(&axis->after, o);

    expected->lo = expected->n = 0;
    if (r < 0)
        return;
    struct dlop_window window = dlop_window_at(resample, r);
    dlop_window_weights(resample, &window, weights);
    expected->lo = INT32_MAX;
    for (int32_t t = 0; t < window.n; t++) {
        int32_t source = dlop_index_map_at(&axis->before, window.begin + t);
        if (source < 0)
            continue;
        expected->lo = source < expected->lo ? source : expected->lo;
        hi = source > hi ? source : hi;
    }
    expected->n = hi < 0 ? 0 : hi - expected->lo + 1;
    memset(expected->weight, 0, sizeof expected->weight);
    for (int32_t t = 0; t < window.n; t++) {
        int32_t source = dlop_index_map_at(&axis->before, window.begin + t);
        if (source >= 0)
            expected->weight[source - expected->lo] += weights[t];
    }
}

/* What a table has besides its outputs. */
struct built {
    const struct dlop_axis *header;
    const struct dlop_span *spans;
    const int32_t *weights;
    int32_t roi, roi_n;
};

/* Compare the outputs, and the region with what they name. */
static void expect_outputs(const struct random_state *random, const struct dlop_axis_fold *axis,
                           const struct dlop_resample *resample, const struct built *built)
{
    int32_t n_taps = (int32_t)built->header->n_taps, lo = INT32_MAX, hi = 0;
    struct expected expected;

    for (int32_t o = 0; o < axis->after.n_positions; o++) {
        const struct dlop_span *span = &built->spans[o];
        const int32_t *row = built->weights + (size_t)o * (size_t)n_taps;
        expect_output(axis, resample, o, &expected);
        int32_t start = expected.n ? expected.lo - built->roi : 0;
        if ((int32_t)span->n != expected.n || span->start != start)
            RANDOM_FAIL(random, "output %d: span %d, %u, expected %d, %d", o, span->start, span->n,
                        start, expected.n);
        for (int32_t t = 0; t < n_taps; t++)
            if (row[t] != (t < expected.n ? expected.weight[t] : 0))
                RANDOM_FAIL(random, "output %d, tap %d of %d: weight %d, expected %d", o, t,
                            expected.n, row[t], t < expected.n ? expected.weight[t] : 0);
        if (expected.n == 0)
            continue;
        lo = expected.lo < lo ? expected.lo : lo;
        hi = expected.lo + expected.n > hi ? expected.lo + expected.n : hi;
    }
    assert_int_equal(built->roi, hi == 0 ? 0 : lo);
    assert_int_equal(built->roi_n, hi == 0 ? 1 : hi - lo);
}

static void check_axis(const struct random_state *random, const struct dlop_axis_fold *axis,
                       int32_t filter, uint32_t resampler)
{
    struct dlop_resample resample =
        dlop_resample_make(axis->before.n_positions, axis->resize_px, filter, resampler);
    uint64_t bound_bytes = dlop_axis_bound_bytes(axis, filter);
    uint8_t *bytes = guard_alloc(bound_bytes);
    uint32_t roi, roi_n;

    memset(bytes, 0xA5, bound_bytes);
    uint64_t n_bytes = dlop_axis_build(axis, filter, resampler, bytes, &roi, &roi_n);
    struct built built = {(const struct dlop_axis *)(const void *)bytes, .roi = (int32_t)roi,
                          .roi_n = (int32_t)roi_n};
    int32_t n_out = axis->after.n_positions, n_taps = (int32_t)built.header->n_taps;
    assert_in_range(n_bytes, 1, bound_bytes);
    assert_int_equal(n_bytes, DLOP_AXIS_BYTES(n_out, n_taps));
    assert_int_equal(built.header->n_out, n_out);
    assert_int_equal(built.header->precision_bits, resample.precision_bits);
    assert_int_equal(built.header->is_gather, 0);
    assert_in_range(n_taps - dlop_resample_n_taps(&resample), 0, 1);
    built.spans = (const struct dlop_span *)(built.header + 1);
    built.weights = (const int32_t *)(built.spans + n_out);
    expect_outputs(random, axis, &resample, &built);
    guard_free(bytes, bound_bytes);
}

/* ---- random steps ---- */

static void add_step(struct dlop_drawn *drawn, struct dlop_step step)
{
    drawn->steps[drawn->n_steps++] = step;
}

/* Some of: flips, a crop that may reach beyond the image, a padding. */
static void add_moves(struct random_state *random, struct dlop_drawn *drawn, int32_t *width,
                      int32_t *height)
{
    if (random_in(random, 0, 2) == 0)
        add_step(drawn, (struct dlop_step){.kind = DLOP_STEP_FLIP_X});
    if (random_in(random, 0, 2) == 0)
        add_step(drawn, (struct dlop_step){.kind = DLOP_STEP_FLIP_Y});
    if (random_in(random, 0, 2) == 0) {
        int32_t beyond = random_in(random, 0, 3) ? 0 : 9;
        int32_t x = random_in(random, -beyond, *width - 1);
        int32_t y = random_in(random, -beyond, *height - 1);
        *width = random_in(random, 1, *width - x + beyond);
        *height = random_in(random, 1, *height - y + beyond);
        add_step(drawn, (struct dlop_step){.kind = DLOP_STEP_CROP, .v = {x, y, *width, *height}});
    }
    if (random_in(random, 0, 5) == 0) {
        struct dlop_step step = {.kind = DLOP_STEP_PAD};
        for (int i = 0; i < 4; i++)
            step.v[i] = random_in(random, 0, 9);
        step.v[4] = random_in(random, DLOP_PAD_CONSTANT, DLOP_PAD_MODE_COUNT - 1);
        *width += step.v[0] + step.v[2];
        *height += step.v[1] + step.v[3];
        add_step(drawn, step);
    }
}

/* False: what was drawn cannot be done in one pass, or copies. */
static bool draw_fold(struct random_state *random, int32_t filter, struct dlop_fold *fold)
{
    struct dlop_drawn drawn = {0};
    int32_t width = random_in(random, 1, 300), height = random_in(random, 1, 300);
    uint32_t src_width = (uint32_t)width, src_height = (uint32_t)height;

    add_moves(random, &drawn, &width, &height);
    width = random_in(random, 1, random_in(random, 0, 1) ? 20 : 300);
    height = random_in(random, 1, random_in(random, 0, 1) ? 20 : 300);
    add_step(&drawn, (struct dlop_step){.kind = DLOP_STEP_RESIZE, .v = {width, height, filter}});
    add_moves(random, &drawn, &width, &height);
    return dlop_fold_steps(&drawn, src_width, src_height, 3, fold) == DLOP_OK;
}

static void tables_are_those_of_single_outputs(void **state)
{
    (void)state;
    static const int32_t filters[] = {DLOP_FILTER_BILINEAR, DLOP_FILTER_BICUBIC, DLOP_FILTER_BOX,
                                      DLOP_FILTER_LANCZOS, DLOP_FILTER_HAMMING};
    struct random_state random = random_start(random_seed());
    struct dlop_fold fold;
    uint32_t n_checked = 0;

    for (uint32_t i = 0; i < 1500; i++) {
        int32_t filter = filters[i % 5];
        uint32_t resampler = i / 5 % 2 ? DLOP_RESAMPLER_TENSOR : DLOP_RESAMPLER_PILLOW;
        if (!draw_fold(&random, filter, &fold))
            continue;
        const struct dlop_axis_fold *axes[] = {&fold.x, &fold.y};
        for (int a = 0; a < 2; a++) {
            if (axes[a]->resize_px == axes[a]->before.n_positions)
                continue; /* a copy: see tests/plan */
            check_axis(&random, axes[a], filter, resampler);
            n_checked++;
        }
    }
    assert_in_range(n_checked, 2000, 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_those_of_single_outputs),
    };
    return cmocka_run_group_tests_name("unit/axis_build", tests, NULL, NULL);
}
