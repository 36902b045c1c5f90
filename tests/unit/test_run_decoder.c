/* Unit test: single pictures against libjpeg, and contexts. */
#include "run_fixture.h"

#define FILE_MAX_BYTES 65536
#define PIXELS_BYTES   (128 * 128 * 4)

static size_t read_bytes(const struct fixture *fixture, uint64_t i, uint8_t bytes[FILE_MAX_BYTES])
{
    char path[128];

    file_path(fixture, i, path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n_bytes = fread(bytes, 1, FILE_MAX_BYTES, file);
    fclose(file);
    return n_bytes;
}

static void pictures_equal_those_of_libjpeg(void **state)
{
    static const uint32_t channels[] = {1, 3, 4};
    struct fixture *fixture = *state;
    uint8_t bytes[FILE_MAX_BYTES], expected[PIXELS_BYTES], got[PIXELS_BYTES];
    dlop_decoder *decoder = NULL;

    assert_int_equal(dlop_decoder_open(UINT32_MAX, &decoder), DLOP_OK);
    for (uint64_t i = 0; i < N_FILES; i++) {
        size_t n_bytes = read_bytes(fixture, i, bytes);
        size_t n_pixels = (size_t)file_width_px(i) * file_height_px(i);
        decode_file(fixture, i, expected);
        for (int c = 0; c < 3; c++) {
            memset(got, 0, sizeof got);
            assert_int_equal(dlop_decoder_jpeg(decoder, bytes, n_bytes, channels[c], got,
                                               n_pixels * channels[c]),
                             DLOP_OK);
            for (size_t p = 0; p < n_pixels; p++)
                for (size_t k = 0; k < channels[c]; k++)
                    assert_int_equal(got[p * channels[c] + k], k < 3 ? expected[p * 3 + k] : 255);
        }
    }
    dlop_decoder_close(&decoder);
    assert_null(decoder);
}

static void pictures_that_are_not_ours_are_refused(void **state)
{
    struct fixture *fixture = *state;
    uint8_t bytes[FILE_MAX_BYTES], got[PIXELS_BYTES];
    size_t n_pixels = (size_t)file_width_px(0) * file_height_px(0);
    dlop_decoder *decoder = NULL;

    assert_int_equal(dlop_decoder_open(0, &decoder), DLOP_OK);
    size_t n_bytes = read_bytes(fixture, 0, bytes);
    memset(got, 7, sizeof got);
    assert_true(dlop_decoder_jpeg(decoder, bytes, n_bytes, 3, got, n_pixels * 3 - 1) < 0);
    assert_true(dlop_decoder_jpeg(decoder, bytes, n_bytes - 2, 3, got, sizeof got) < 0);
    assert_int_equal(dlop_decoder_jpeg(decoder, bytes, n_bytes, 2, got, sizeof got),
                     DLOP_ERR_ARGUMENT);
    assert_int_equal(dlop_decoder_jpeg(decoder, NULL, n_bytes, 3, got, sizeof got),
                     DLOP_ERR_ARGUMENT);
    assert_true(dlop_decoder_jpeg(decoder, bytes, 0, 3, got, sizeof got) < 0);
    write_file(fixture, 0, 1);
    n_bytes = read_bytes(fixture, 0, bytes);
    assert_int_equal(dlop_decoder_jpeg(decoder, bytes, n_bytes, 3, got, sizeof got),
                     DLOP_ERR_UNSUPPORTED);
    for (size_t i = 0; i < sizeof got; i++)
        assert_int_equal(got[i], 7);
    write_file(fixture, 0, 0);
    dlop_decoder_close(&decoder);
    dlop_decoder_close(&decoder);
}

static void a_refused_run_leaves_the_random_state(void **state)
{
    struct fixture *fixture = *state;
    uint8_t pixels[48 * 48 * 3];
    float out[RECORD_FLOATS];
    struct dlop_rng_state rng, before;
    dlop_decoder *decoder = NULL;
    uint32_t height_px = 0, width_px = 0;

    open_cpu(fixture, 1);
    open_plan(fixture, crop_and_flip, 2, 0);
    assert_int_equal(dlop_decoder_open(0, &decoder), DLOP_OK);
    draw_scene(1, 48, 48, pixels);
    dlop_rng_seed(&rng, 5);
    before = rng;
    assert_int_equal(dlop_plan_run_pixels(fixture->plan, decoder, &rng, pixels, 48, 48, out,
                                          sizeof out - 1, &height_px, &width_px),
                     DLOP_ERR_TOO_SMALL);
    assert_int_equal(dlop_plan_run_pixels(fixture->plan, decoder, &rng, pixels, 0, 48, out,
                                          sizeof out, &height_px, &width_px),
                     DLOP_ERR_ARGUMENT);
    assert_memory_equal(&rng, &before, sizeof rng);
    assert_int_equal(dlop_plan_run_pixels(fixture->plan, decoder, &rng, pixels, 48, 48, out,
                                          sizeof out, &height_px, &width_px),
                     DLOP_OK);
    assert_memory_not_equal(&rng, &before, sizeof rng);
    assert_int_equal(height_px, OUT_PX);
    assert_int_equal(width_px, OUT_PX);
    dlop_decoder_close(&decoder);
    close_all(fixture);
}

static void contexts_open_what_is_there(void **state)
{
    struct dlop_ctx_cfg cfg;
    dlop_ctx *ctx = NULL;
    char json[4096];

    (void)state;
    dlop_ctx_cfg_init(&cfg);
    cfg.n_threads = 3;
    assert_int_equal(dlop_ctx_open(&cfg, &ctx), DLOP_OK);
    assert_int_equal(dlop_ctx_n_units(ctx), 3);
    assert_string_equal(dlop_ctx_device(ctx), "cpu");
    dlop_ctx_close(&ctx);
    assert_null(ctx);
    dlop_ctx_close(&ctx);
    cfg.device = "no such device";
    assert_int_equal(dlop_ctx_open(&cfg, &ctx), DLOP_ERR_NO_DEVICE);
    cfg.device = "cpu";
    cfg.size_bytes--;
    assert_int_equal(dlop_ctx_open(&cfg, &ctx), DLOP_ERR_ARGUMENT);
    assert_null(ctx);

    size_t n_bytes = dlop_devices_json(NULL, 0);
    assert_in_range(n_bytes, 2, sizeof json);
    assert_int_equal(dlop_devices_json(json, sizeof json), n_bytes);
    assert_int_equal(strlen(json) + 1, n_bytes);
    assert_non_null(strstr(json, "\"name\": \"cpu\""));
    assert_in_range(dlop_default_n_threads(), 1, 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_equal_those_of_libjpeg),
        cmocka_unit_test(pictures_that_are_not_ours_are_refused),
        cmocka_unit_test(a_refused_run_leaves_the_random_state),
        cmocka_unit_test(contexts_open_what_is_there),
    };
    return cmocka_run_group_tests_name("unit/run_decoder", tests, setup_folder, teardown_folder);
}
