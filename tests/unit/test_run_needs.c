/* Unit test: records that the caller must answer for, on a device that runs when told. */
#include "run_device.h"

/* ---- files that are not ours ---- */

/* Let the device run batch 0, the only one, and compare; then everything is as it was before. */
static void end_as_expected(struct fixture *fixture, dlop_batch *batch, const float *got,
                            const float *expected, const struct dlop_rng_state *rng)
{
    struct dlop_need need;

    run_held(fixture, NO_RECORD, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_OK);
    assert_memory_equal(got, expected, N * RECORD_BYTES);
    expect_stream(fixture, 0, rng);
    close_all(fixture);
    write_file(fixture, batch_indices[0][POSITION_HOLE], 0);
}

static void caller_supplies_a_progressive_file(void **state)
{
    struct fixture *fixture = *state;
    float expected[N * RECORD_FLOATS], got[N * RECORD_FLOATS];
    struct dlop_rng_state rng;
    struct dlop_need need, again;

    write_file(fixture, batch_indices[0][POSITION_HOLE], 1);
    open_held(fixture, crop_and_flip, 2, 0, 1);
    dlop_rng_seed(&rng, 1000);
    expect_batch(fixture, 0, N, &rng, expected);
    dlop_batch *batch = submit(fixture, 0, 0, got);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    assert_int_equal(need.position, POSITION_HOLE);
    assert_int_equal(need.index, batch_indices[0][POSITION_HOLE]);
    assert_int_equal(need.status, DLOP_ERR_UNSUPPORTED);
    assert_non_null(strstr(need.reason, "progressive"));
    assert_ptr_equal(need.batch, batch);
    assert_int_equal(dlop_batch_wait(fixture->loader, batch, 0, &again), DLOP_NEED_PIXELS);
    assert_memory_equal(&again, &need, sizeof need);
    assert_int_equal(n_held(fixture), 0);
    supply(fixture, &need);
    end_as_expected(fixture, batch, got, expected, &rng);
}

static void later_batches_of_a_stream_wait_for_their_turn(void **state)
{
    struct fixture *fixture = *state;
    float expected[N * RECORD_FLOATS], got[3][N * RECORD_FLOATS];
    struct dlop_rng_state rng, other;
    struct dlop_need need;

    write_file(fixture, batch_indices[0][POSITION_HOLE], 1);
    open_held(fixture, crop_and_flip, 2, 0, 2);
    dlop_batch *batch = submit(fixture, 0, 0, got[0]), *later = submit(fixture, 0, 1, got[1]);
    dlop_batch *unrelated = submit(fixture, 1, 2, got[2]);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    run_held(fixture, NO_RECORD, DLOP_OK); /* the other stream goes on */
    dlop_rng_seed(&other, 1001);
    expect_batch(fixture, 2, N, &other, expected);
    assert_int_equal(dlop_batch_wait(fixture->loader, unrelated, 0, &need), DLOP_OK);
    assert_memory_equal(got[2], expected, sizeof expected);
    sleep_ms(100);
    assert_int_equal(n_held(fixture), 0);

    supply(fixture, &need);
    dlop_rng_seed(&rng, 1000);
    for (int b = 0; b < 2; b++) {
        run_held(fixture, NO_RECORD, DLOP_OK);
        assert_int_equal(wait_long(fixture->loader, b == 0 ? batch : later, &need), DLOP_OK);
        expect_batch(fixture, b, N, &rng, expected);
        assert_memory_equal(got[b], expected, sizeof expected);
    }
    close_all(fixture);
    write_file(fixture, batch_indices[0][POSITION_HOLE], 0);
}

static void caller_leaves_a_missing_file_out(void **state)
{
    struct fixture *fixture = *state;
    float expected[N * RECORD_FLOATS], got[N * RECORD_FLOATS];
    struct dlop_rng_state rng;
    struct dlop_need need;
    char path[128];

    open_held(fixture, crop_and_flip, 2, 0, 1);
    dlop_rng_seed(&rng, 1000);
    expect_batch(fixture, 0, POSITION_HOLE, &rng, expected);
    file_path(fixture, batch_indices[0][POSITION_HOLE], path);
    assert_int_equal(unlink(path), 0);
    dlop_batch *batch = submit(fixture, 0, 0, got);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    assert_int_equal(need.position, POSITION_HOLE);
    assert_int_equal(need.status, DLOP_ERR_READ);
    assert_int_equal(dlop_batch_skip(fixture->loader, batch, 0), DLOP_ERR_STATE);
    assert_int_equal(dlop_batch_skip(fixture->loader, batch, POSITION_HOLE), DLOP_OK);
    end_as_expected(fixture, batch, got, expected, &rng);
}

static void a_batch_of_nothing_but_holes_is_done_without_the_device(void **state)
{
    struct fixture *fixture = *state;
    float got[N * RECORD_FLOATS], zeros[N * RECORD_FLOATS] = {0};
    struct dlop_need need;
    struct dlop_rng_state rng;

    open_held(fixture, crop_and_flip, 2, 1, 1); /* everything is over one pixel */
    dlop_batch *batch = submit(fixture, 0, 0, got);
    for (uint32_t i = 0; i < N; i++) {
        assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
        assert_int_equal(need.position, i);
        assert_int_equal(need.status, DLOP_ERR_LIMIT);
        assert_non_null(strstr(need.reason, "over the limit of 1"));
        assert_int_equal(dlop_batch_skip(fixture->loader, batch, i), DLOP_OK);
    }
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_OK);
    assert_memory_equal(got, zeros, sizeof got);
    dlop_rng_seed(&rng, 1000);
    expect_stream(fixture, 0, &rng);
    assert_int_equal(n_held(fixture), 0);
    close_all(fixture);
}

static void an_image_at_the_limit_is_not_over_it(void **state)
{
    struct fixture *fixture = *state;
    float got[RECORD_FLOATS];
    uint64_t index = 9;
    struct dlop_need need;
    dlop_batch *batch = NULL;

    open_held(fixture, crop_and_flip, 2, (uint64_t)file_width_px(index) * file_height_px(index), 1);
    assert_int_equal(dlop_loader_submit(fixture->loader, 0, &index, 1, got, sizeof got, &batch),
                     DLOP_OK);
    run_held(fixture, NO_RECORD, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_OK);
    close_all(fixture);
}

static void fail_before_the_draws_leaves_the_stream_behind_earlier_records(void **state)
{
    struct fixture *fixture = *state;
    float got[2][N * RECORD_FLOATS], expected[N * RECORD_FLOATS];
    struct dlop_rng_state rng;
    struct dlop_need need;
    dlop_decoder *decoder = NULL;
    char path[128];

    open_held(fixture, crop_and_flip, 2, 0, 1);
    assert_int_equal(dlop_decoder_open(0, &decoder), DLOP_OK);
    dlop_rng_seed(&rng, 1000);
    for (uint32_t i = 0; i < POSITION_HOLE; i++)
        expect_record(fixture, decoder, batch_indices[0][i], &rng, expected);
    file_path(fixture, batch_indices[0][POSITION_HOLE], path);
    assert_int_equal(unlink(path), 0);
    dlop_batch *batch = submit(fixture, 0, 0, got[0]), *later = submit(fixture, 0, 1, got[1]);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    assert_int_equal(dlop_batch_fail(fixture->loader, batch, POSITION_HOLE + 1), DLOP_ERR_STATE);
    assert_int_equal(dlop_batch_fail(fixture->loader, batch, POSITION_HOLE), DLOP_OK);
    assert_int_equal(dlop_batch_wait(fixture->loader, batch, 0, &need), DLOP_ERR_STATE);
    dlop_batch_release(fixture->loader, &batch);

    expect_batch(fixture, 1, N, &rng, expected);
    run_held(fixture, NO_RECORD, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, later, &need), DLOP_OK);
    assert_memory_equal(got[1], expected, sizeof expected);
    expect_stream(fixture, 0, &rng);
    dlop_decoder_close(&decoder);
    close_all(fixture);
    write_file(fixture, batch_indices[0][POSITION_HOLE], 0);
}

static void holes_before_a_fail_drew_nothing(void **state)
{
    static const uint32_t missing[2] = {1, 3};
    struct fixture *fixture = *state;
    float got[N * RECORD_FLOATS], ignored[RECORD_FLOATS];
    struct dlop_rng_state rng;
    struct dlop_need need;
    dlop_decoder *decoder = NULL;
    char path[128];

    open_held(fixture, crop_and_flip, 2, 0, 1);
    assert_int_equal(dlop_decoder_open(0, &decoder), DLOP_OK);
    dlop_rng_seed(&rng, 1000);
    expect_record(fixture, decoder, batch_indices[0][0], &rng, ignored);
    expect_record(fixture, decoder, batch_indices[0][2], &rng, ignored);
    for (int i = 0; i < 2; i++) {
        file_path(fixture, batch_indices[0][missing[i]], path);
        assert_int_equal(unlink(path), 0);
    }
    dlop_batch *batch = submit(fixture, 0, 0, got);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    assert_int_equal(dlop_batch_skip(fixture->loader, batch, missing[0]), DLOP_OK);
    do {
        assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    } while (need.position != missing[1]);
    assert_int_equal(dlop_batch_fail(fixture->loader, batch, missing[1]), DLOP_OK);
    expect_stream(fixture, 0, &rng);
    dlop_decoder_close(&decoder);
    close_all(fixture);
    for (int i = 0; i < 2; i++)
        write_file(fixture, batch_indices[0][missing[i]], 0);
}

/* ---- transforms that refuse ---- */

/* The flip draws, then the tensor is found to be beyond what any device takes. */
static void a_refusal_after_the_draws_takes_them_back(void **state)
{
    static const struct dlop_op too_wide[2] = {
        {.kind = DLOP_OP_FLIP_X, .f = {0.5}},
        {.kind = DLOP_OP_RESIZE_SHORT, .i = {30000, 0, DLOP_FILTER_BILINEAR}},
    };
    struct fixture *fixture = *state;
    float got[16];
    uint64_t index = 5; /* not square */
    struct dlop_rng_state rng;
    struct dlop_need need;
    dlop_batch *batch = NULL;

    open_held(fixture, too_wide, 2, 0, 1);
    assert_int_equal(dlop_loader_submit(fixture->loader, 0, &index, 1, got, sizeof got, &batch),
                     DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    assert_int_equal(need.status, DLOP_ERR_LIMIT);
    assert_int_equal(dlop_batch_skip(fixture->loader, batch, 0), DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_OK);
    dlop_rng_seed(&rng, 1000);
    expect_stream(fixture, 0, &rng);
    close_all(fixture);
}

static void a_transform_that_would_raise_is_a_need(void **state)
{
    static const struct dlop_op too_large = {.kind = DLOP_OP_RANDOM_CROP, .i = {70, 70}};
    struct fixture *fixture = *state;
    float got[CHANNELS * 70 * 70];
    uint8_t pixels[128 * 128 * 3] = {0};
    uint64_t index = 0; /* 40 x 40 pixels */
    struct dlop_need need;
    dlop_batch *batch = NULL;

    open_held(fixture, &too_large, 1, 0, 1);
    assert_int_equal(dlop_loader_submit(fixture->loader, 0, &index, 1, got, sizeof got, &batch),
                     DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    assert_int_equal(need.status, DLOP_ERR_ARGUMENT);
    assert_non_null(strstr(need.reason, "40 x 40"));
    assert_int_equal(dlop_batch_supply(fixture->loader, batch, 0, pixels, 40, 40),
                     DLOP_ERR_ARGUMENT);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    assert_int_equal(dlop_batch_supply(fixture->loader, batch, 0, pixels, 71, 0),
                     DLOP_ERR_ARGUMENT);
    assert_int_equal(dlop_batch_supply(fixture->loader, batch, 0, pixels, 71, 72), DLOP_OK);
    run_held(fixture, NO_RECORD, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_OK);
    close_all(fixture);
}

/* ---- records that a kernel refuses ---- */

static void caller_supplies_what_a_kernel_refused(void **state)
{
    struct fixture *fixture = *state;
    float got[N * RECORD_FLOATS], expected[N * RECORD_FLOATS];
    uint8_t pixels[128 * 128 * 3] = {0};
    struct dlop_rng_state rng;
    struct dlop_need need;

    open_held(fixture, crop_and_flip, 2, 0, 1);
    dlop_rng_seed(&rng, 1000);
    expect_batch(fixture, 0, N, &rng, expected);
    dlop_batch *batch = submit(fixture, 0, 0, got);
    run_held(fixture, POSITION_HOLE, DLOP_OK);
    memset(got + POSITION_HOLE * RECORD_FLOATS, 0xff, RECORD_BYTES);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    assert_int_equal(need.position, POSITION_HOLE);
    assert_int_equal(need.status, DLOP_ERR_BAD_DATA);
    assert_int_equal(dlop_batch_supply(fixture->loader, batch, POSITION_HOLE, pixels, 10, 10),
                     DLOP_ERR_ARGUMENT);
    supply(fixture, &need);
    wait_for_held(fixture, 1);
    assert_int_equal(fixture->ctx->device->held[0]->n_jobs, 1);
    run_held(fixture, NO_RECORD, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_OK);
    assert_memory_equal(got, expected, sizeof got);
    expect_stream(fixture, 0, &rng);
    close_all(fixture);
}

/* An answer was already cut to its region: it cannot be asked for again. */
static void pixels_that_a_kernel_refuses_end_the_batch(void **state)
{
    struct fixture *fixture = *state;
    float got[N * RECORD_FLOATS];
    struct dlop_need need;

    open_held(fixture, crop_and_flip, 2, 0, 1);
    dlop_batch *batch = submit(fixture, 0, 0, got);
    run_held(fixture, POSITION_HOLE, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    supply(fixture, &need);
    run_held(fixture, POSITION_HOLE, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_ERR_BAD_DATA);
    dlop_batch_release(fixture->loader, &batch);
    close_all(fixture);
}

static void a_hole_after_execution_keeps_its_draws(void **state)
{
    struct fixture *fixture = *state;
    float got[N * RECORD_FLOATS], expected[N * RECORD_FLOATS];
    struct dlop_rng_state rng;
    struct dlop_need need;

    open_held(fixture, crop_and_flip, 2, 0, 1);
    dlop_rng_seed(&rng, 1000);
    expect_batch(fixture, 0, N, &rng, expected);
    memset(expected + POSITION_HOLE * RECORD_FLOATS, 0, RECORD_BYTES);
    dlop_batch *batch = submit(fixture, 0, 0, got);
    run_held(fixture, POSITION_HOLE, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    assert_int_equal(dlop_batch_skip(fixture->loader, batch, POSITION_HOLE), DLOP_OK);
    assert_int_equal(dlop_batch_wait(fixture->loader, batch, 0, &need), DLOP_OK);
    assert_memory_equal(got, expected, sizeof got);
    expect_stream(fixture, 0, &rng);
    close_all(fixture);
}

static void fail_after_execution_rewinds_the_stream_and_cancels_later_batches(void **state)
{
    struct fixture *fixture = *state;
    float got[4][N * RECORD_FLOATS], expected[N * RECORD_FLOATS];
    struct dlop_rng_state rng, other_stream;
    struct dlop_need need;
    dlop_decoder *decoder = NULL;

    open_held(fixture, crop_and_flip, 2, 0, 2);
    dlop_batch *batch = submit(fixture, 0, 0, got[0]), *later = submit(fixture, 0, 1, got[1]);
    dlop_batch *other = submit(fixture, 1, 2, got[2]), *last = submit(fixture, 0, 2, got[3]);
    wait_for_held(fixture, 4);
    run_held(fixture, POSITION_HOLE, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_NEED_PIXELS);
    assert_int_equal(dlop_batch_fail(fixture->loader, batch, need.position), DLOP_OK);
    assert_int_equal(dlop_batch_wait(fixture->loader, later, 0, &need), DLOP_ERR_STATE);
    assert_int_equal(dlop_batch_wait(fixture->loader, last, 0, &need), DLOP_ERR_STATE);
    assert_int_equal(dlop_batch_wait(fixture->loader, other, 0, &need), DLOP_AGAIN);

    assert_int_equal(dlop_decoder_open(0, &decoder), DLOP_OK);
    dlop_rng_seed(&rng, 1000);
    for (uint32_t i = 0; i < POSITION_HOLE; i++)
        expect_record(fixture, decoder, batch_indices[0][i], &rng, expected);
    dlop_decoder_close(&decoder);
    expect_stream(fixture, 0, &rng);
    for (int i = 0; i < 3; i++)
        run_held(fixture, NO_RECORD, DLOP_OK); /* cancelled ones still hold their memory */
    assert_int_equal(wait_long(fixture->loader, other, &need), DLOP_OK);
    dlop_rng_seed(&other_stream, 1001);
    expect_batch(fixture, 2, N, &other_stream, expected);
    assert_memory_equal(got[2], expected, sizeof expected);

    dlop_batch_release(fixture->loader, &batch);
    dlop_batch_release(fixture->loader, &later);
    later = submit(fixture, 0, 1, got[1]);
    expect_batch(fixture, 1, N, &rng, expected);
    run_held(fixture, NO_RECORD, DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, later, &need), DLOP_OK);
    assert_memory_equal(got[1], expected, sizeof expected);
    expect_stream(fixture, 0, &rng);
    close_all(fixture);
}

static void needs_of_later_batches_are_told_oldest_first(void **state)
{
    struct fixture *fixture = *state;
    float got[3][N * RECORD_FLOATS], expected[N * RECORD_FLOATS];
    dlop_batch *batches[3];
    struct dlop_need need;
    struct dlop_rng_state rng;

    write_file(fixture, batch_indices[1][0], 1);
    write_file(fixture, batch_indices[2][N - 1], 1);
    open_held(fixture, crop_and_flip, 2, 0, 3);
    for (int b = 0; b < 3; b++)
        batches[b] = submit(fixture, (uint32_t)b, b, got[b]);
    for (int b = 1; b < 3; b++) {
        assert_int_equal(wait_long(fixture->loader, batches[0], &need), DLOP_NEED_PIXELS);
        if (need.batch == batches[2] && b == 1) /* it was read first */
            sleep_ms(100);
        assert_int_equal(dlop_batch_wait(fixture->loader, batches[0], 0, &need), DLOP_NEED_PIXELS);
        assert_ptr_equal(need.batch, batches[b]);
        supply(fixture, &need);
    }
    for (int b = 0; b < 3; b++)
        run_held(fixture, NO_RECORD, DLOP_OK);
    for (int b = 0; b < 3; b++) {
        assert_int_equal(wait_long(fixture->loader, batches[b], &need), DLOP_OK);
        dlop_rng_seed(&rng, 1000 + (uint64_t)b);
        expect_batch(fixture, b, N, &rng, expected);
        assert_memory_equal(got[b], expected, sizeof expected);
    }
    close_all(fixture);
    write_file(fixture, batch_indices[1][0], 0);
    write_file(fixture, batch_indices[2][N - 1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caller_supplies_a_progressive_file),
        cmocka_unit_test(later_batches_of_a_stream_wait_for_their_turn),
        cmocka_unit_test(caller_leaves_a_missing_file_out),
        cmocka_unit_test(a_batch_of_nothing_but_holes_is_done_without_the_device),
        cmocka_unit_test(an_image_at_the_limit_is_not_over_it),
        cmocka_unit_test(fail_before_the_draws_leaves_the_stream_behind_earlier_records),
        cmocka_unit_test(holes_before_a_fail_drew_nothing),
        cmocka_unit_test(a_refusal_after_the_draws_takes_them_back),
        cmocka_unit_test(a_transform_that_would_raise_is_a_need),
        cmocka_unit_test(caller_supplies_what_a_kernel_refused),
        cmocka_unit_test(pixels_that_a_kernel_refuses_end_the_batch),
        cmocka_unit_test(a_hole_after_execution_keeps_its_draws),
        cmocka_unit_test(fail_after_execution_rewinds_the_stream_and_cancels_later_batches),
        cmocka_unit_test(needs_of_later_batches_are_told_oldest_first),
    };
    return cmocka_run_group_tests_name("unit/run_needs", tests, setup_folder, teardown_folder);
}
