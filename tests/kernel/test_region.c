/* Kernel test: the MCUs of a region against the set of samples that its pixels really use. */
#include "tests/kernel/kernel.h"

#include "hw/core/frame.h"
#include "hw/core/region.h"
#include "hw/core/upsample.h"

/* A frame's sizes and sampling factors, at random but legal. */
static void random_frame(struct random_state *random, struct dlop_jpeg_frame *frame)
{
    static const u8 factors[] = {1, 2, 4, 3};
    u8 h_max = factors[random_u32(random) % 4], v_max = factors[random_u32(random) % 4];

    memset(frame, 0, sizeof *frame);
    frame->width_px = (u32)random_in(random, 1, 90);
    frame->height_px = (u32)random_in(random, 1, 90);
    frame->n_components = random_u32(random) % 8 ? 3 : 1;
    frame->h_max = h_max;
    frame->v_max = v_max;
    u32 largest = random_u32(random) % frame->n_components;
    for (u32 i = 0; i < frame->n_components; i++) {
        u8 h = h_max, v = v_max;
        while (i != largest && (h_max % (h = (u8)random_in(random, 1, 4)) != 0))
            continue;
        while (i != largest && (v_max % (v = (u8)random_in(random, 1, 4)) != 0))
            continue;
        frame->component[i].h = h;
        frame->component[i].v = v;
    }
}

/* One axis of a component. */
struct axis {
    u32 ratio, n_samples, n_blocks;
};

/* Widen range by the MCUs of the samples that output positions [first, first + n) use, whichever
 * filter it is: ratio 2 may use the sample beside. */
static void touch(struct axis axis, u32 first, u32 n, u32 range[2])
{
    for (u32 p = first; p < first + n; p++) {
        u32 samples[2] = {p / axis.ratio, p / axis.ratio};
        if (axis.ratio == 2)
            samples[1] = dlop_upsample_beside(p, axis.n_samples);
        for (int i = 0; i < 2; i++) {
            u32 mcu = samples[i] / (8 * axis.n_blocks);
            range[0] = mcu < range[0] ? mcu : range[0];
            range[1] = mcu + 1 > range[1] ? mcu + 1 : range[1];
        }
    }
}

static void regions_hold_every_sample_that_is_used(void **state)
{
    (void)state;
    u32 n_exact = 0, n_tests = 20000;

    for (u32 test = 0; test < n_tests; test++) {
        struct random_state random = random_start(random_seed() + test);
        struct dlop_jpeg_frame frame;
        struct dlop_geometry geometry;
        struct dlop_mcu_range got;
        u32 x[2] = {UINT32_MAX, 0}, y[2] = {UINT32_MAX, 0}, rect[4];

        random_frame(&random, &frame);
        dlop_geometry_of_frame(&frame, &geometry);
        rect[0] = (u32)random_in(&random, 0, (s32)frame.width_px - 1);
        rect[1] = (u32)random_in(&random, 0, (s32)frame.height_px - 1);
        rect[2] = (u32)random_in(&random, 1, (s32)(frame.width_px - rect[0]));
        rect[3] = (u32)random_in(&random, 1, (s32)(frame.height_px - rect[1]));
        dlop_region_mcus(&geometry, rect, &got);
        for (u32 i = 0; i < frame.n_components; i++) {
            const struct dlop_component_geometry *c = &geometry.component[i];
            touch((struct axis){c->ratio_x, c->width_samples, c->blocks_x}, rect[0], rect[2], x);
            touch((struct axis){c->ratio_y, c->height_samples, c->blocks_y}, rect[1], rect[3], y);
        }
        if (got.x_begin > x[0] || got.x_end < x[1] || got.y_begin > y[0] || got.y_end < y[1] ||
            got.x_end > geometry.mcus_x || got.y_end > geometry.mcus_y)
            RANDOM_FAIL(&random, "region [%u, %u) x [%u, %u), used [%u, %u) x [%u, %u)",
                        got.x_begin, got.x_end, got.y_begin, got.y_end, x[0], x[1], y[0], y[1]);
        n_exact +=
            got.x_begin == x[0] && got.x_end == x[1] && got.y_begin == y[0] && got.y_end == y[1];
    }
    /* One sample more than needed now and then: at even first or odd last positions. */
    assert_true(n_exact > n_tests * 8 / 10);
}

static void whole_pictures_need_all_mcus(void **state)
{
    (void)state;
    for (u32 test = 0; test < 5000; test++) {
        struct random_state random = random_start(random_seed() + test);
        struct dlop_jpeg_frame frame;
        struct dlop_geometry geometry;
        struct dlop_mcu_range got;

        random_frame(&random, &frame);
        dlop_geometry_of_frame(&frame, &geometry);
        dlop_region_mcus(&geometry, (u32[4]){0, 0, frame.width_px, frame.height_px}, &got);
        assert_int_equal(got.x_begin, 0);
        assert_int_equal(got.y_begin, 0);
        assert_int_equal(got.x_end, geometry.mcus_x);
        assert_int_equal(got.y_end, geometry.mcus_y);
        dlop_region_mcus(&geometry, (u32[4]){0, 0, 0, frame.height_px}, &got);
        assert_int_equal(got.x_end, 0);
        dlop_region_mcus(&geometry, (u32[4]){0, 0, frame.width_px, 0}, &got);
        assert_int_equal(got.x_end, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regions_hold_every_sample_that_is_used),
        cmocka_unit_test(whole_pictures_need_all_mcus),
    };
    return cmocka_run_group_tests_name("kernel/region", tests, NULL, NULL);
}
