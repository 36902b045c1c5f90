/* What the tests of host/run share: a folder of small JPEG files, a pipeline over them, and the
 * same result made one record after the other without the loader.
 */
#ifndef DLOP_TESTS_UNIT_RUN_FIXTURE_H
#define DLOP_TESTS_UNIT_RUN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jpeglib.h>

#include "hw/abi/status.h"
#include "host/include/dlop.h"

#define FIXTURE_UNUSED __attribute__((unused))

#define N_FILES  24
#define OUT_PX   32
#define CHANNELS 3

struct fixture {
    char folder[64];
    dlop_ctx *ctx;
    dlop_source *source;
    dlop_plan *plan;
    dlop_loader *loader;
    struct dlop_draw_rules rules;
    float pack[CHANNELS][256];
};

/* Sizes of the files differ, so that order and draws show in the result. */
static inline uint32_t file_width_px(uint64_t i)
{
    return 40 + (uint32_t)(i * 7 % 41);
}

static inline uint32_t file_height_px(uint64_t i)
{
    return 40 + (uint32_t)(i * 13 % 29);
}

/* A scene with slopes, an edge and texture; i moves all of them. */
static inline void draw_scene(uint64_t i, uint32_t width_px, uint32_t height_px, uint8_t *pixels)
{
    for (uint32_t y = 0; y < height_px; y++)
        for (uint32_t x = 0; x < width_px; x++) {
            uint8_t *pixel = pixels + 3 * ((size_t)y * width_px + x);
            uint32_t edge = x + y > width_px / 2 + i ? 90 : 0;
            pixel[0] = (uint8_t)(x * 3 + i * 5 + edge);
            pixel[1] = (uint8_t)(y * 4 + (x & y) + i);
            pixel[2] = (uint8_t)(x + y * 2 + edge * 2);
        }
}

static inline void write_jpeg(const char *path, const uint8_t *pixels, uint32_t width_px,
                              uint32_t height_px, int is_progressive)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, file);
    jpeg.image_width = width_px;
    jpeg.image_height = height_px;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 88, TRUE);
    if (is_progressive)
        jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < height_px) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(pixels + (size_t)jpeg.next_scanline * width_px * 3);
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    assert_int_equal(fclose(file), 0);
}

static inline void file_path(const struct fixture *fixture, uint64_t i, char path_out[128])
{
    snprintf(path_out, 128, "%s/%03u.jpg", fixture->folder, (unsigned)i);
}

static inline void write_file(const struct fixture *fixture, uint64_t i, int is_progressive)
{
    uint8_t pixels[128 * 128 * 3];
    char path[128];

    draw_scene(i, file_width_px(i), file_height_px(i), pixels);
    file_path(fixture, i, path);
    write_jpeg(path, pixels, file_width_px(i), file_height_px(i), is_progressive);
}

/* libjpeg decodes damaged files with a warning that nobody asked for. */
static inline void ignore_message(j_common_ptr jpeg)
{
    (void)jpeg;
}

/* What libjpeg decodes from file i: [height][width][3]. */
FIXTURE_UNUSED static void decode_file(const struct fixture *fixture, uint64_t i,
                                       uint8_t *pixels_out)
{
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    char path[128];

    file_path(fixture, i, path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    jpeg.err = jpeg_std_error(&errors);
    errors.output_message = ignore_message;
    jpeg_create_decompress(&jpeg);
    jpeg_stdio_src(&jpeg, file);
    jpeg_read_header(&jpeg, TRUE);
    jpeg.out_color_space = JCS_RGB;
    jpeg_start_decompress(&jpeg);
    while (jpeg.output_scanline < jpeg.output_height) {
        JSAMPROW row = pixels_out + (size_t)jpeg.output_scanline * jpeg.output_width * 3;
        jpeg_read_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
    fclose(file);
}

static inline void make_folder(struct fixture *fixture)
{
    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/dlop-run-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    for (uint64_t i = 0; i < N_FILES; i++)
        write_file(fixture, i, 0);
}

static inline void remove_folder(struct fixture *fixture)
{
    char path[128];

    for (uint64_t i = 0; i < N_FILES; i++) {
        file_path(fixture, i, path);
        unlink(path);
    }
    rmdir(fixture->folder);
}

static inline void open_source(struct fixture *fixture)
{
    char names[N_FILES * 128];
    size_t n_bytes = 0;

    for (uint64_t i = 0; i < N_FILES; i++) {
        file_path(fixture, i, names + n_bytes);
        n_bytes += strlen(names + n_bytes) + 1;
    }
    assert_int_equal(
        dlop_source_open_files(fixture->ctx, names, n_bytes, N_FILES, &fixture->source), DLOP_OK);
}

/* RandomResizedCrop(32), RandomHorizontalFlip(0.5), to f32. */
static const struct dlop_op crop_and_flip[2] = {
    {.kind = DLOP_OP_RESIZED_CROP,
     .i = {OUT_PX, OUT_PX, DLOP_FILTER_BILINEAR},
     .f = {0.08f, 1, 0.75f, 1.33333337306976318359375, -0.2876820862293243408203125,
           0.2876820862293243408203125}},
    {.kind = DLOP_OP_FLIP_X, .f = {0.5}},
};

static inline void open_plan(struct fixture *fixture, const struct dlop_op *ops, uint32_t n_ops,
                             uint64_t max_pixels)
{
    struct dlop_plan_cfg cfg;
    char reason[120] = "";

    for (int channel = 0; channel < CHANNELS; channel++)
        for (int value = 0; value < 256; value++)
            fixture->pack[channel][value] = (float)value / 255.0f - 0.25f * (float)channel;
    dlop_draw_rules_init(&fixture->rules);
    fixture->rules.exp_kind = DLOP_EXP_LIBM;
    dlop_plan_cfg_init(&cfg);
    cfg.n_ops = n_ops;
    cfg.ops = ops;
    cfg.rules = &fixture->rules;
    cfg.src_channels = cfg.out_channels = CHANNELS;
    cfg.element_bytes = sizeof(float);
    cfg.pack_table = fixture->pack;
    cfg.max_pixels = max_pixels;
    if (dlop_plan_open(fixture->ctx, &cfg, &fixture->plan, reason, sizeof reason) != DLOP_OK)
        fail_msg("no plan: %s", reason);
}

static inline void open_loader(struct fixture *fixture, uint32_t n_streams, uint32_t max_batches,
                               uint32_t n)
{
    struct dlop_loader_cfg cfg;

    dlop_loader_cfg_init(&cfg);
    cfg.n_streams = n_streams;
    cfg.max_batches = max_batches;
    cfg.max_batch_records = n;
    assert_int_equal(dlop_loader_open(fixture->plan, fixture->source, &cfg, &fixture->loader),
                     DLOP_OK);
    for (uint32_t i = 0; i < n_streams; i++) {
        struct dlop_rng_state state;
        dlop_rng_seed(&state, 1000 + i);
        assert_int_equal(dlop_loader_set_stream(fixture->loader, i, &state), DLOP_OK);
    }
}

static inline void open_cpu(struct fixture *fixture, uint32_t n_threads)
{
    struct dlop_ctx_cfg cfg;

    dlop_ctx_cfg_init(&cfg);
    cfg.n_threads = n_threads;
    cfg.n_readers = n_threads > 1 ? 3 : 1;
    cfg.device = "cpu";
    assert_int_equal(dlop_ctx_open(&cfg, &fixture->ctx), DLOP_OK);
}

FIXTURE_UNUSED static void open_all(struct fixture *fixture, uint32_t n_threads, uint32_t n_streams,
                                    uint32_t max_batches, uint32_t n)
{
    open_cpu(fixture, n_threads);
    open_source(fixture);
    open_plan(fixture, crop_and_flip, 2, 0);
    open_loader(fixture, n_streams, max_batches, n);
}

FIXTURE_UNUSED static void close_all(struct fixture *fixture)
{
    dlop_loader_close(&fixture->loader);
    dlop_plan_close(&fixture->plan);
    dlop_source_close(&fixture->source);
    dlop_ctx_close(&fixture->ctx);
    assert_null(fixture->loader);
    assert_null(fixture->ctx);
}

/* The record's tensor from the library's single-picture functions, drawing from *state. */
FIXTURE_UNUSED static void expect_record(struct fixture *fixture, dlop_decoder *decoder, uint64_t i,
                                         struct dlop_rng_state *state, float *out)
{
    uint8_t pixels[128 * 128 * 3];
    uint32_t height_px, width_px;

    decode_file(fixture, i, pixels);
    assert_int_equal(dlop_plan_run_pixels(
                         fixture->plan, decoder, state, pixels, file_height_px(i), file_width_px(i),
                         out, sizeof(float) * CHANNELS * OUT_PX * OUT_PX, &height_px, &width_px),
                     DLOP_OK);
}

#define RECORD_FLOATS (CHANNELS * OUT_PX * OUT_PX)
#define RECORD_BYTES  (RECORD_FLOATS * sizeof(float))

/* Wait without an end in sight, but not for ever. */
FIXTURE_UNUSED static dlop_status wait_long(dlop_loader *loader, dlop_batch *batch,
                                            struct dlop_need *need)
{
    dlop_status status = DLOP_AGAIN;

    for (int i = 0; i < 200 && status == DLOP_AGAIN; i++)
        status = dlop_batch_wait(loader, batch, 100, need);
    return status;
}

/* For setup and teardown of a cmocka group: *state is a fixture with its folder. */
FIXTURE_UNUSED static int setup_folder(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    make_folder(fixture);
    *state = fixture;
    return 0;
}

FIXTURE_UNUSED static int teardown_folder(void **state)
{
    remove_folder(*state);
    free(*state);
    return 0;
}

#endif
