/* Unit test: drawing rules without a framework. Words against the published generator, states, and
 * steps of recipes that draw nothing or fail. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/draw/draw.h"
#include "host/draw/rng.h"

#define BLOB_BYTES 5056

static void ten_thousandth_word_is_the_published_one(void **state)
{
    (void)state;
    struct dlop_rng_state rng;
    uint32_t word = 0;

    dlop_rng_seed(&rng, 5489);
    for (int i = 0; i < 10000; i++)
        word = dlop_rng_word(&rng);
    assert_int_equal(word, 4123659995u); /* ISO C++ [rand.predef] */
}

static void seeds_count_only_their_low_32_bits(void **state)
{
    (void)state;
    struct dlop_rng_state a, b;

    dlop_rng_seed(&a, 7);
    dlop_rng_seed(&b, ((uint64_t)3 << 32) + 7);
    assert_memory_equal(&a, &b, sizeof a);
}

/* A blob as PyTorch writes it: only what the engine reads. */
static void make_blob(uint8_t blob[BLOB_BYTES])
{
    memset(blob, 0xA5, BLOB_BYTES);
    const int32_t left = 1, is_seeded = 1;
    const uint64_t next = 0;
    memcpy(blob + 8, &left, 4);
    memcpy(blob + 12, &is_seeded, 4);
    memcpy(blob + 16, &next, 8);
    memset(blob + 24, 0, 624 * 8);
}

static void saving_keeps_seed_and_cached_normals(void **state)
{
    (void)state;
    uint8_t blob[BLOB_BYTES];
    struct dlop_rng_state rng, again;

    make_blob(blob);
    dlop_rng_seed(&rng, 1);
    for (int i = 0; i < 700; i++)
        dlop_rng_word(&rng);
    assert_int_equal(dlop_rng_to_torch(&rng, blob, sizeof blob), DLOP_OK);
    for (int i = 0; i < 8; i++)
        assert_int_equal(blob[i], 0xA5);
    for (int i = 24 + 624 * 8; i < BLOB_BYTES; i++)
        assert_int_equal(blob[i], 0xA5);
    int32_t left;
    uint64_t next;
    memcpy(&left, blob + 8, 4);
    memcpy(&next, blob + 16, 8);
    assert_int_equal(left, 625 - 76);
    assert_int_equal(next, 76);
    assert_int_equal(dlop_rng_from_torch(blob, sizeof blob, &again), DLOP_OK);
    assert_memory_equal(&again, &rng, sizeof rng);
}

/* PyTorch writes next = 0 after seeding and 624 after the last word of a block. */
static void seeded_and_used_up_states_differ(void **state)
{
    (void)state;
    uint8_t blob[BLOB_BYTES];
    struct dlop_rng_state rng;
    uint64_t next;

    make_blob(blob);
    dlop_rng_seed(&rng, 1);
    assert_int_equal(dlop_rng_to_torch(&rng, blob, sizeof blob), DLOP_OK);
    memcpy(&next, blob + 16, 8);
    assert_int_equal(next, 0);
    for (int i = 0; i < 624; i++)
        dlop_rng_word(&rng);
    assert_int_equal(dlop_rng_to_torch(&rng, blob, sizeof blob), DLOP_OK);
    memcpy(&next, blob + 16, 8);
    assert_int_equal(next, 624);
}

static void rules_decide_width_and_fusing(void **state)
{
    (void)state;
    struct dlop_draw_rules rules;
    struct dlop_rng_state rng;
    int64_t narrow, wide;
    int n_different = 0;

    dlop_draw_rules_init(&rules);
    rules.randint_wide_log2 = 32;
    dlop_rng_seed(&rng, 2);
    dlop_rng_randint(&rng, &rules, -10, (1 << 28) - 10, &narrow, 1);
    rules.randint_wide_log2 = 28;
    dlop_rng_seed(&rng, 2);
    uint64_t high = dlop_rng_word(&rng), low = dlop_rng_word(&rng);
    dlop_rng_seed(&rng, 2);
    dlop_rng_randint(&rng, &rules, -10, (1 << 28) - 10, &wide, 1);
    assert_int_equal(narrow, (int64_t)(high % (1 << 28)) - 10);
    assert_int_equal(wide, (int64_t)((high << 32 | low) % (1 << 28)) - 10);

    for (int i = 0; i < 1000; i++) {
        struct dlop_rng_state copy = rng, unit_copy = rng;
        float x = dlop_rng_unit(&unit_copy);
        rules.uniform_is_fused = 1;
        float fused = dlop_rng_uniform_one(&copy, &rules, 0.08f, 1.0f);
        rules.uniform_is_fused = 0;
        float apart = dlop_rng_uniform_one(&rng, &rules, 0.08f, 1.0f);
        assert_true(fused == fmaf(x, 1.0f - 0.08f, 0.08f)); /* cmocka's equality has a tolerance */
        assert_true(fused - apart < 0x1p-22f && apart - fused < 0x1p-22f);
        n_different += fused != apart;
    }
    assert_in_range(n_different, 100, 700);
}

/* The generic address of a rule: exp comes from the caller's function. */
static void fake_exp(long n, const float *in, float *out, int64_t mode)
{
    for (long i = 0; i < n; i++)
        out[i] = mode == 0x140102 ? in[i] + 1.0f : 0.0f;
}

static void exp_is_called_by_its_address(void **state)
{
    (void)state;
    struct dlop_draw_rules rules;
    float values[3] = {1.0f, 2.0f, 3.0f};

    dlop_draw_rules_init(&rules);
    rules.exp_kind = DLOP_EXP_MKL;
    rules.exp_fn = (uint64_t)(uintptr_t)fake_exp;
    dlop_exp(&rules, values, 3);
    assert_true(values[0] == 2.0f && values[2] == 4.0f);
}

static struct dlop_drawn draw_one(const struct dlop_op *op, uint32_t width_px, uint32_t height_px,
                                  dlop_status expected)
{
    struct dlop_draw_rules rules;
    struct dlop_rng_state rng, before;
    struct dlop_drawn drawn = {0};

    dlop_draw_rules_init(&rules);
    dlop_rng_seed(&rng, 3);
    dlop_rng_word(&rng);
    before = rng;
    assert_int_equal(dlop_draw_record(op, 1, &rules, &rng, width_px, height_px, &drawn), expected);
    if (expected != DLOP_OK)
        assert_memory_equal(&rng, &before, sizeof rng);
    return drawn;
}

static void chances_act_below_p_only(void **state)
{
    (void)state;
    struct dlop_rng_state rng;
    dlop_rng_seed(&rng, 3);
    dlop_rng_word(&rng); /* as draw_one */
    float drawn = dlop_rng_unit(&rng);
    struct dlop_op op = {.kind = DLOP_OP_FLIP_X, .f = {(double)drawn}};

    assert_int_equal(draw_one(&op, 5, 5, DLOP_OK).n_steps, 0);
    op.f[0] = (double)nextafterf(drawn, 1.0f);
    assert_int_equal(draw_one(&op, 5, 5, DLOP_OK).n_steps, 1);
}

static void center_crop_pads_the_odd_pixel_behind(void **state)
{
    (void)state;
    const struct dlop_op op = {.kind = DLOP_OP_CENTER_CROP, .i = {10, 8}};
    struct dlop_drawn drawn = draw_one(&op, 5, 15, DLOP_OK);

    assert_int_equal(drawn.n_steps, 2);
    assert_int_equal(drawn.steps[0].kind, DLOP_STEP_PAD);
    assert_int_equal(drawn.steps[0].v[0], 1); /* 3 columns missing: 1 left, 2 right */
    assert_int_equal(drawn.steps[0].v[2], 2);
    assert_int_equal(drawn.steps[0].v[1], 0);
    assert_int_equal(drawn.steps[1].v[0], 0);
    assert_int_equal(drawn.steps[1].v[1], 2); /* 5 rows too many: 2.5 is rounded to even */
    assert_int_equal(drawn.width_px, 8);
    assert_int_equal(drawn.height_px, 10);
}

static void resize_keeps_the_ratio_as_the_framework_cuts_it(void **state)
{
    (void)state;
    const struct dlop_op shorter = {.kind = DLOP_OP_RESIZE_SHORT, .i = {256, 0, 2}};
    const struct dlop_op limited = {.kind = DLOP_OP_RESIZE_SHORT, .i = {256, 300, 2}};
    const struct dlop_op longer = {.kind = DLOP_OP_RESIZE_SHORT, .i = {0, 100, 2}};
    struct dlop_drawn drawn = draw_one(&shorter, 500, 375, DLOP_OK);

    assert_int_equal(drawn.width_px, 341);
    assert_int_equal(drawn.height_px, 256);
    drawn = draw_one(&limited, 375, 500, DLOP_OK);
    assert_int_equal(drawn.width_px, 225); /* 300 * 256 / 341 */
    assert_int_equal(drawn.height_px, 300);
    drawn = draw_one(&longer, 30, 40, DLOP_OK);
    assert_int_equal(drawn.width_px, 75);
    draw_one(&limited, 1, 400, DLOP_ERR_ARGUMENT); /* the shorter side would be 0 */
    draw_one(&shorter, 1, 300, DLOP_ERR_LIMIT);
}

static void too_large_crops_fail(void **state)
{
    (void)state;
    const struct dlop_op op = {.kind = DLOP_OP_RANDOM_CROP, .i = {10, 10}};
    const struct dlop_op needed = {.kind = DLOP_OP_RANDOM_CROP, .i = {10, 10, [6] = 1}};

    draw_one(&op, 9, 20, DLOP_ERR_ARGUMENT);
    draw_one(&op, 20, 9, DLOP_ERR_ARGUMENT);
    struct dlop_drawn drawn = draw_one(&needed, 9, 20, DLOP_OK);
    assert_int_equal(drawn.steps[0].v[0], 1); /* the whole difference on both sides */
    assert_int_equal(drawn.steps[0].v[2], 1);
}

/* v1 pads a padded image again, v2 once. */
static void random_crop_pads_once_or_twice(void **state)
{
    (void)state;
    struct dlop_op op = {.kind = DLOP_OP_RANDOM_CROP,
                         .i = {20, 20, 1, 1, 1, 1, [6] = 1, [7] = DLOP_PAD_REFLECT}};
    struct dlop_drawn drawn = draw_one(&op, 16, 30, DLOP_OK);

    assert_int_equal(drawn.n_steps, 3);
    assert_int_equal(drawn.steps[0].v[0], 1);
    assert_int_equal(drawn.steps[1].v[0], 2);
    assert_int_equal(drawn.steps[1].v[1], 0);
    op.i[8] = 1;
    drawn = draw_one(&op, 16, 30, DLOP_OK);
    assert_int_equal(drawn.n_steps, 2);
    assert_int_equal(drawn.steps[0].v[0], 3);
    assert_int_equal(drawn.steps[0].v[1], 1);
}

static void strange_arguments_are_refused(void **state)
{
    (void)state;
    const struct dlop_op unknown = {.kind = DLOP_OP_COUNT};
    const struct dlop_op crop = {.kind = DLOP_OP_CENTER_CROP, .i = {1, 1}};
    const struct dlop_op pad = {.kind = DLOP_OP_PAD, .i = {65500, 0, 0, 0}};
    struct dlop_draw_rules rules;
    struct dlop_rng_state rng;
    struct dlop_drawn drawn;

    draw_one(&unknown, 5, 5, DLOP_ERR_ARGUMENT);
    draw_one(&crop, 0, 5, DLOP_ERR_LIMIT);
    draw_one(&crop, 5, DLOP_MAX_SIDE_PX + 1, DLOP_ERR_LIMIT);
    draw_one(&pad, 1, 5, DLOP_ERR_LIMIT);
    dlop_draw_rules_init(&rules);
    dlop_rng_seed(&rng, 0);
    assert_int_equal(dlop_draw_record(NULL, 1, &rules, &rng, 5, 5, &drawn), DLOP_ERR_ARGUMENT);
    assert_int_equal(dlop_draw_record(&crop, DLOP_MAX_OPS + 1, &rules, &rng, 5, 5, &drawn),
                     DLOP_ERR_ARGUMENT);
    assert_int_equal(dlop_draw_record(&crop, 1, NULL, &rng, 5, 5, &drawn), DLOP_ERR_ARGUMENT);
    assert_int_equal(dlop_draw_record(&crop, 1, &rules, NULL, 5, 5, &drawn), DLOP_ERR_ARGUMENT);
    assert_int_equal(dlop_draw_record(&crop, 1, &rules, &rng, 5, 5, NULL), DLOP_ERR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousandth_word_is_the_published_one),
        cmocka_unit_test(seeds_count_only_their_low_32_bits),
        cmocka_unit_test(saving_keeps_seed_and_cached_normals),
        cmocka_unit_test(seeded_and_used_up_states_differ),
        cmocka_unit_test(rules_decide_width_and_fusing),
        cmocka_unit_test(exp_is_called_by_its_address),
        cmocka_unit_test(chances_act_below_p_only),
        cmocka_unit_test(center_crop_pads_the_odd_pixel_behind),
        cmocka_unit_test(resize_keeps_the_ratio_as_the_framework_cuts_it),
        cmocka_unit_test(too_large_crops_fail),
        cmocka_unit_test(random_crop_pads_once_or_twice),
        cmocka_unit_test(strange_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
