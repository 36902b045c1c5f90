/* Unit test: folding of steps against a slow model that moves the pixels of one row, and what bind
 * writes and refuses. Pixels against the framework's are in tests/plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/plan/fold.h"
#include "host/plan/plan.h"
#include "host/run/ctx.h"

/* ---- the model: a row of numbers, -1 where nothing is shown ---- */

struct row {
    int32_t n;
    int32_t at[1000];
};

static int32_t row_at(const struct row *row, int32_t p)
{
    return p >= 0 && p < row->n ? row->at[p] : -1;
}

/* Walks over the row and turns at its ends, as the modes are explained to people. */
static int32_t walk(int32_t p, int32_t n, int32_t mode)
{
    int32_t at = 0, direction = 1;

    if (mode == DLOP_PAD_EDGE)
        return p < 0 ? 0 : p >= n ? n - 1 : p;
    if (p < 0)
        p = mode == DLOP_PAD_SYMMETRIC ? -1 - p : -p;
    for (int32_t i = 0; i < p; i++) {
        if (at + direction >= 0 && at + direction < n) {
            at += direction;
            continue;
        }
        direction = -direction;
        if (mode == DLOP_PAD_REFLECT)
            at += direction;
    }
    return at;
}

static void model_step(struct row *row, const struct dlop_step *step)
{
    struct row old = *row;
    const int32_t *v = step->v;

    switch (step->kind) {
    case DLOP_STEP_CROP:
        row->n = v[2];
        for (int32_t o = 0; o < row->n; o++)
            row->at[o] = row_at(&old, v[0] + o);
        break;
    case DLOP_STEP_PAD:
        row->n = v[0] + old.n + v[2];
        for (int32_t o = 0; o < row->n; o++)
            row->at[o] = v[4] == DLOP_PAD_CONSTANT ? row_at(&old, o - v[0])
                                                   : row_at(&old, walk(o - v[0], old.n, v[4]));
        break;
    case DLOP_STEP_FLIP_X:
        for (int32_t o = 0; o < row->n; o++)
            row->at[o] = row_at(&old, old.n - 1 - o);
        break;
    default:
        break;
    }
}

/* ---- random steps, of which the model tells the result ---- */

static int32_t below(unsigned *seed, int32_t n)
{
    return (int32_t)((unsigned)rand_r(seed) % (unsigned)n);
}

static struct dlop_step random_step(unsigned *seed, int32_t n)
{
    struct dlop_step step = {.kind = DLOP_STEP_FLIP_X};
    int32_t most = n < 12 ? n : 12;

    switch (below(seed, 4)) {
    case 0:
        step.kind = DLOP_STEP_CROP;
        step.v[0] = below(seed, n + 10) - 10;
        step.v[2] = 1 + below(seed, n + 10);
        step.v[3] = 1;
        break;
    case 1:
    case 2:
        step.kind = DLOP_STEP_PAD;
        step.v[4] = below(seed, DLOP_PAD_MODE_COUNT);
        most -= step.v[4] == DLOP_PAD_REFLECT;
        step.v[0] = below(seed, most + 1);
        step.v[2] = below(seed, most + 1);
        break;
    default:
        break;
    }
    return step;
}

static void folded_maps_show_what_moved_pixels_show(void **state)
{
    (void)state;
    unsigned seed = 1;

    for (int trial = 0; trial < 3000; trial++) {
        static struct row row;
        static struct dlop_fold fold;
        struct dlop_drawn drawn = {0};
        int32_t n = 1 + below(&seed, 60);

        row.n = n;
        for (int32_t p = 0; p < n; p++)
            row.at[p] = p;
        drawn.n_steps = 1 + (uint32_t)below(&seed, 7);
        for (uint32_t i = 0; i < drawn.n_steps; i++) {
            drawn.steps[i] = random_step(&seed, row.n);
            model_step(&row, &drawn.steps[i]);
        }
        assert_int_equal(dlop_fold_steps(&drawn, (uint32_t)n, 1, 3, &fold), DLOP_OK);
        assert_int_equal(fold.x.before.n_positions, row.n);
        for (int32_t p = 0; p < row.n; p++)
            assert_int_equal(dlop_index_map_at(&fold.x.before, p), row.at[p]);
    }
}

/* ---- single cases ---- */

static dlop_status fold_list(const struct dlop_step *steps, uint32_t n_steps,
                             struct dlop_fold *fold)
{
    struct dlop_drawn drawn = {.n_steps = n_steps};

    memcpy(drawn.steps, steps, n_steps * sizeof *steps);
    return dlop_fold_steps(&drawn, 20, 10, 3, fold);
}

static void resizes_to_the_same_size_do_not_count(void **state)
{
    (void)state;
    static struct dlop_fold fold;
    const struct dlop_step steps[] = {
        {DLOP_STEP_RESIZE, {20, 10, DLOP_FILTER_BOX}},
        {DLOP_STEP_RESIZE, {5, 10, DLOP_FILTER_LANCZOS}},
        {DLOP_STEP_RESIZE, {5, 10, DLOP_FILTER_BOX}},
    };
    const struct dlop_step two[] = {
        {DLOP_STEP_RESIZE, {5, 10, DLOP_FILTER_BOX}},
        {DLOP_STEP_RESIZE, {5, 11, DLOP_FILTER_BOX}},
    };

    assert_int_equal(fold_list(steps, 3, &fold), DLOP_OK);
    assert_int_equal(fold.filter, DLOP_FILTER_LANCZOS);
    assert_int_equal(fold.x.resize_px, 5);
    assert_int_equal(fold.y.resize_px, fold.y.before.n_positions);
    assert_int_equal(fold_list(two, 2, &fold), DLOP_ERR_NO_PLAN);
}

static void fills_are_followed_through_grey(void **state)
{
    (void)state;
    static struct dlop_fold fold;
    struct dlop_step steps[] = {
        {DLOP_STEP_PAD, {1, 1, 1, 1, DLOP_PAD_CONSTANT, 255, 0, 0}},
        {DLOP_STEP_GREY, {0}},
        {DLOP_STEP_PAD, {1, 1, 1, 1, DLOP_PAD_CONSTANT, 76, 76, 76}},
    };

    assert_int_equal(fold_list(steps, 3, &fold), DLOP_OK);
    assert_int_equal(fold.grey, DLOP_GREY_BEFORE_AXES);
    assert_int_equal(fold.fill[0], 76);
    assert_int_equal(fold.fill[2], 76);
    steps[2].v[5] = 77;
    assert_int_equal(fold_list(steps, 3, &fold), DLOP_ERR_NO_PLAN);
    steps[2] = (struct dlop_step){DLOP_STEP_RESIZE, {3, 3, DLOP_FILTER_BOX}};
    assert_int_equal(fold_list(steps, 3, &fold), DLOP_ERR_NO_PLAN); /* coloured, then resized */
}

static void reflections_wider_than_the_image_do_not_fold(void **state)
{
    (void)state;
    static struct dlop_fold fold;
    struct dlop_step step = {DLOP_STEP_PAD, {19, 0, 0, 0, DLOP_PAD_REFLECT}};

    assert_int_equal(fold_list(&step, 1, &fold), DLOP_OK);
    step.v[0] = 20;
    assert_int_equal(fold_list(&step, 1, &fold), DLOP_ERR_NO_PLAN);
    step.v[4] = DLOP_PAD_SYMMETRIC;
    assert_int_equal(fold_list(&step, 1, &fold), DLOP_OK);
    step.v[2] = 21;
    assert_int_equal(fold_list(&step, 1, &fold), DLOP_ERR_NO_PLAN);
    step.v[4] = DLOP_PAD_EDGE;
    assert_int_equal(fold_list(&step, 1, &fold), DLOP_OK);
    step.kind = DLOP_STEP_KIND_COUNT;
    assert_int_equal(fold_list(&step, 1, &fold), DLOP_ERR_NO_PLAN);
}

/* ---- binding ---- */

static struct dlop_plan make_plan(uint32_t pass_rule)
{
    struct dlop_plan plan = {0};

    dlop_plan_cfg_init(&plan.cfg);
    plan.cfg.pass_rule = pass_rule;
    return plan;
}

/* Bind one resize of w x h to ow x oh and return the job. */
static struct dlop_job bind_resize(const struct dlop_plan *plan, uint32_t w, uint32_t h, int32_t ow,
                                   int32_t oh)
{
    static uint64_t tables[1 << 16];
    struct dlop_drawn drawn = {.n_steps = 1,
                               .steps = {{DLOP_STEP_RESIZE, {ow, oh, DLOP_FILTER_BILINEAR}}}};
    struct dlop_job job = {0};
    size_t n_bytes = 0;

    assert_int_equal(
        dlop_plan_bind(plan, &drawn, w, h, (uint8_t *)tables, sizeof tables, 4096, &n_bytes, &job),
        DLOP_OK);
    assert_true(n_bytes <= sizeof tables);
    return job;
}

static void pass_order_follows_the_rule(void **state)
{
    (void)state;
    static const struct {
        uint32_t w, h;
        int32_t ow, oh;
        int order_by_rule[DLOP_PASS_RULE_COUNT]; /* 1: y first */
    } CASES[] = {
        {10, 10, 10, 9, {0, 0, 1}},  {10, 12, 9, 10, {0, 0, 0}},  {10, 13, 9, 10, {0, 0, 1}},
        {10, 10, 20, 10, {0, 0, 0}}, {10, 11, 20, 10, {0, 0, 1}}, {2, 200, 1, 100, {0, 0, 1}},
        {2, 201, 1, 100, {0, 1, 1}}, {2, 201, 1, 201, {0, 0, 0}}, {10, 10, 5, 20, {0, 0, 0}},
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        for (uint32_t rule = 0; rule < DLOP_PASS_RULE_COUNT; rule++) {
            struct dlop_plan plan = make_plan(rule);
            struct dlop_job job =
                bind_resize(&plan, CASES[i].w, CASES[i].h, CASES[i].ow, CASES[i].oh);
            assert_int_equal(job.pass_order, CASES[i].order_by_rule[rule]);
            plan.cfg.resampler = DLOP_RESAMPLER_TENSOR;
            job = bind_resize(&plan, CASES[i].w, CASES[i].h, CASES[i].ow, CASES[i].oh);
            assert_int_equal(job.pass_order, DLOP_PASS_X_FIRST);
        }
}

static void job_says_where_and_how_large(void **state)
{
    (void)state;
    struct dlop_plan plan = make_plan(DLOP_PASS_RULE_SHRINK);
    plan.cfg.is_hwc = 1;
    plan.cfg.out_channels = 1;
    plan.cfg.element_bytes = 2;
    struct dlop_job job = bind_resize(&plan, 40, 30, 20, 10);

    assert_int_equal(job.layout, DLOP_LAYOUT_HWC);
    assert_int_equal(job.out_bytes, 20 * 10 * 2);
    assert_int_equal(job.x_axis_offset, 4096);
    assert_int_equal(job.y_axis_offset % 16, 0);
    assert_true(job.y_axis_offset > 4096);
    assert_int_equal(job.roi_width_px, 40);
    assert_int_equal(job.roi_height_px, 30);
    assert_int_equal(job.src_width_px, 40);
}

/* Only the source pixels under the wanted outputs are named, and nothing is written past the
 * capacity. */
static void crops_after_a_resize_need_only_their_part(void **state)
{
    (void)state;
    struct dlop_plan plan = make_plan(DLOP_PASS_RULE_SHRINK);
    struct dlop_drawn drawn = {.n_steps = 2,
                               .steps = {{DLOP_STEP_RESIZE, {50, 50, DLOP_FILTER_BILINEAR}},
                                         {DLOP_STEP_CROP, {10, 20, 5, 4}}}};
    struct dlop_job job = {0};
    size_t need_bytes = 0, n_bytes = 0;

    assert_int_equal(dlop_plan_bind(&plan, &drawn, 100, 100, NULL, 0, 0, &need_bytes, &job),
                     DLOP_ERR_TOO_SMALL);
    assert_int_equal(job.out_bytes, 0);
    uint8_t *tables = malloc(need_bytes); /* sanitizers see a byte too many */
    assert_non_null(tables);
    assert_int_equal(
        dlop_plan_bind(&plan, &drawn, 100, 100, tables, need_bytes - 1, 0, &n_bytes, &job),
        DLOP_ERR_TOO_SMALL);
    assert_int_equal(dlop_plan_bind(&plan, &drawn, 100, 100, tables, need_bytes, 0, &n_bytes, &job),
                     DLOP_OK);
    assert_true(n_bytes <= need_bytes);
    assert_int_equal(job.roi_x_px, 19);     /* 2 * 10.5 - 2 */
    assert_int_equal(job.roi_width_px, 12); /* to 2 * 14.5 + 2 */
    assert_int_equal(job.roi_y_px, 39);
    assert_int_equal(job.roi_height_px, 10);
    free(tables);
}

static void outputs_without_any_pixel_have_a_region_of_one(void **state)
{
    (void)state;
    struct dlop_plan plan = make_plan(DLOP_PASS_RULE_SHRINK);
    struct dlop_drawn drawn = {.n_steps = 1, .steps = {{DLOP_STEP_CROP, {500, -70, 6, 7}}}};
    struct dlop_job job = {0};
    uint64_t tables[64];
    size_t n_bytes = 0;

    assert_int_equal(dlop_plan_bind(&plan, &drawn, 100, 100, (uint8_t *)tables, sizeof tables, 0,
                                    &n_bytes, &job),
                     DLOP_OK);
    assert_int_equal(job.roi_x_px + job.roi_width_px, 1);
    assert_int_equal(job.roi_y_px + job.roi_height_px, 1);
    const struct dlop_axis *axis = (const struct dlop_axis *)tables;
    const struct dlop_span *spans = (const struct dlop_span *)(axis + 1);
    assert_int_equal(axis->n_out, 6);
    for (int o = 0; o < 6; o++)
        assert_int_equal(spans[o].n, 0);
}

static void too_large_records_are_over_the_limit(void **state)
{
    (void)state;
    struct dlop_plan plan = make_plan(DLOP_PASS_RULE_SHRINK);
    struct dlop_drawn drawn = {.n_steps = 1,
                               .steps = {{DLOP_STEP_RESIZE, {60000, 60000, DLOP_FILTER_NEAREST}}}};
    struct dlop_job job = {0};
    size_t n_bytes = 0;

    assert_int_equal(dlop_plan_bind(&plan, &drawn, 5, 5, NULL, 0, 0, &n_bytes, &job),
                     DLOP_ERR_LIMIT);
    assert_int_equal(dlop_plan_bind(&plan, &drawn, 0, 5, NULL, 0, 0, &n_bytes, &job),
                     DLOP_ERR_LIMIT);
    assert_int_equal(dlop_plan_bind(&plan, &drawn, 5, 65501, NULL, 0, 0, &n_bytes, &job),
                     DLOP_ERR_LIMIT);
}

/* ---- a device that takes only some jobs ---- */

static uint32_t refused_kind; /* enum dlop_job_kind */

static dlop_status some_accepts(struct dlop_device *device, const struct dlop_job *job,
                                char *reason_out, size_t size)
{
    (void)device;
    assert_int_equal(job->abi_version, DLOP_ABI_VERSION);
    assert_int_equal(job->out_width_px, 20);
    assert_int_equal(job->out_height_px, 30);
    if (job->kind != refused_kind)
        return DLOP_OK;
    snprintf(reason_out, size, "not of kind %u", job->kind);
    return DLOP_ERR_UNSUPPORTED;
}

static dlop_status some_alloc(struct dlop_device *device, size_t size_bytes,
                              struct dlop_buffer *buffer_out)
{
    (void)device;
    *buffer_out = (struct dlop_buffer){.host = calloc(1, size_bytes), .size_bytes = size_bytes};
    return DLOP_OK;
}

static void some_free(struct dlop_device *device, struct dlop_buffer *buffer)
{
    (void)device;
    free(buffer->host);
}

static dlop_status some_transfer(struct dlop_device *device, struct dlop_buffer *buffer,
                                 size_t offset, size_t n_bytes)
{
    (void)device, (void)buffer, (void)offset, (void)n_bytes;
    return DLOP_OK;
}

static void the_device_is_asked_and_its_reason_passed_on(void **state)
{
    static const uint8_t pack_table[3 * 256];
    static const struct dlop_driver some_driver = {
        .name = "some",
        .memory = {.alloc = some_alloc, .free = some_free, .to_device = some_transfer},
        .accepts = some_accepts,
    };
    struct dlop_ctx ctx = {.driver = &some_driver};
    const struct dlop_op resize = {.kind = DLOP_OP_RESIZE, .i = {30, 20, DLOP_FILTER_BILINEAR}};
    struct dlop_draw_rules rules;
    struct dlop_plan_cfg cfg;
    struct dlop_plan *plan = NULL;
    char reason[64] = "";
    (void)state;

    dlop_draw_rules_init(&rules);
    dlop_plan_cfg_init(&cfg);
    cfg.n_ops = 1;
    cfg.ops = &resize;
    cfg.rules = &rules;
    cfg.element_bytes = 1;
    cfg.pack_table = pack_table;
    for (refused_kind = 0; refused_kind <= DLOP_JOB_PIXELS; refused_kind++) {
        assert_int_equal(dlop_plan_open(&ctx, &cfg, &plan, reason, sizeof reason),
                         DLOP_ERR_NO_PLAN);
        assert_null(plan);
        assert_non_null(strstr(reason, "device \"some\" refuses: not of kind"));
        assert_int_equal(dlop_plan_open(&ctx, &cfg, &plan, NULL, 0), DLOP_ERR_NO_PLAN);
    }
    assert_int_equal(dlop_plan_open(&ctx, &cfg, &plan, reason, sizeof reason), DLOP_OK);
    dlop_plan_close(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folded_maps_show_what_moved_pixels_show),
        cmocka_unit_test(resizes_to_the_same_size_do_not_count),
        cmocka_unit_test(fills_are_followed_through_grey),
        cmocka_unit_test(reflections_wider_than_the_image_do_not_fold),
        cmocka_unit_test(pass_order_follows_the_rule),
        cmocka_unit_test(job_says_where_and_how_large),
        cmocka_unit_test(crops_after_a_resize_need_only_their_part),
        cmocka_unit_test(outputs_without_any_pixel_have_a_region_of_one),
        cmocka_unit_test(too_large_records_are_over_the_limit),
        cmocka_unit_test(the_device_is_asked_and_its_reason_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
