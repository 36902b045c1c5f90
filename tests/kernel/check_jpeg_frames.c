/* Kernel test: the CPU's whole JPEG decoder, each level of replacements, against libjpeg-turbo
 * (sound files) and against hw/core (damaged ones).
 *
 * Files are made by libjpeg with every sampling, restart intervals, several scans, large quantisers
 * and small sizes; each is decoded whole and by random rectangles. One decoder goes through all of
 * them, so what it keeps from image to image is tested, too.
 */
#include "tests/kernel/kernel.h"

#include "hw/core/decode.h"
#include "tests/kernel/jpeg_levels.h"
#include "tests/kernel/jpeg_oracle.h"

#define MAX_SIDE 420

static const struct sampling {
    u8 h[3], v[3];
} samplings[] = {
    {{1, 1, 1}, {1, 1, 1}}, {{2, 1, 1}, {1, 1, 1}}, {{2, 1, 1}, {2, 1, 1}}, {{1, 1, 1}, {2, 1, 1}},
    {{4, 1, 1}, {1, 1, 1}}, {{4, 1, 1}, {2, 1, 1}}, {{1, 1, 1}, {4, 1, 1}}, {{3, 1, 1}, {2, 1, 1}},
    {{1, 2, 2}, {1, 2, 2}}, {{2, 1, 2}, {2, 2, 1}}, {{4, 2, 1}, {1, 1, 1}}, {{2, 2, 2}, {2, 1, 1}},
};
#define N_SAMPLINGS (sizeof samplings / sizeof *samplings)

/* A file behind its frame, closed pages around. */
struct made {
    struct jpeg_case how;
    u8 *memory;
    size_t n_bytes; /* of frame, file and padding */
    u8 *file;
    u32 file_bytes;
    struct dlop_jpeg_frame *frame;
    u8 rgb[MAX_SIDE * MAX_SIDE * 3];
};

/* A decoder with the steps of one level. */
struct decoder {
    const char *level;
    struct dlop_cpu_steps steps;
    struct dlop_cpu_jpeg *jpeg;
};

/* Check with a decoder of every level that there is, each from the same seed. */
static void check_decoders(void (*check)(struct random_state *random, struct decoder *decoder))
{
    for (size_t level = 0; level < N_JPEG_LEVELS; level++) {
        struct random_state random = random_start(random_seed());
        struct decoder decoder = {.level = jpeg_levels[level].name};

        if (!jpeg_level_steps(level, &decoder.steps))
            continue;
        assert_int_equal(dlop_cpu_jpeg_open(&decoder.jpeg), DLOP_OK);
        check(&random, &decoder);
        dlop_cpu_jpeg_close(&decoder.jpeg);
        assert_null(decoder.jpeg);
    }
}

static struct jpeg_case random_case(struct random_state *random, u32 max_side)
{
    const struct sampling *sampling = &samplings[random_u32(random) % N_SAMPLINGS];
    struct jpeg_case how = {
        .width_px = (u32)random_in(random, 1, (s32)max_side),
        .height_px = (u32)random_in(random, 1, (s32)max_side),
        .n_components = random_in(random, 0, 6) ? 3 : 1,
        .quality = random_in(random, 5, 100),
        .quant_percent = random_in(random, 0, 4) ? 0 : (u32)random_in(random, 1, 3000),
        .restart_interval = random_in(random, 0, 2) ? 0 : (u32)random_in(random, 1, 30),
        .is_optimised = random_in(random, 0, 1),
        .phase = random_u32(random) % 1000,
    };

    memcpy(how.h, sampling->h, 3);
    memcpy(how.v, sampling->v, 3);
    if (how.n_components == 1)
        how.h[0] = how.v[0] = (u8)random_in(random, 1, 2);
    else
        how.is_rgb = random_in(random, 0, 5) == 0;
    how.is_multi_scan = how.n_components == 3 && random_in(random, 0, 4) == 0;
    how.has_three_tables = how.is_optimised && how.n_components == 3 && random_in(random, 0, 1);
    return how;
}

static void made_open(struct random_state *random, const struct jpeg_case *how, struct made *made)
{
    u8 *bytes;
    unsigned long n_bytes;

    made->how = *how;
    if (oracle_encode(how, &bytes, &n_bytes) != 0)
        RANDOM_FAIL(random, "libjpeg cannot make this case");
    made->file_bytes = (u32)n_bytes;
    /* The frame is aligned and the padding ends at the closed page. */
    made->n_bytes = (sizeof *made->frame + n_bytes + DLOP_JPEG_PADDING_BYTES + 7) / 8 * 8;
    made->memory = guard_alloc(made->n_bytes);
    made->frame = (struct dlop_jpeg_frame *)(void *)made->memory;
    memset(made->memory, 0, made->n_bytes);
    made->file = made->memory + made->n_bytes - DLOP_JPEG_PADDING_BYTES - n_bytes;
    memcpy(made->file, bytes, n_bytes);
    if (oracle_describe(bytes, (u32)n_bytes, (u32)(made->file - made->memory), made->frame) != 0 ||
        oracle_decode(bytes, n_bytes, made->rgb) != 0)
        RANDOM_FAIL(random, "libjpeg cannot read this case");
    free(bytes);
}

static void made_close(struct made *made)
{
    guard_free(made->memory, made->n_bytes);
}

static struct dlop_rect random_rect(struct random_state *random, const struct jpeg_case *how)
{
    struct dlop_rect rect = {.x = random_u32(random) % how->width_px,
                             .y = random_u32(random) % how->height_px};

    rect.width = 1 + random_u32(random) % (how->width_px - rect.x);
    rect.height = 1 + random_u32(random) % (how->height_px - rect.y);
    return rect;
}

static void describe(const char *level, const struct jpeg_case *how, const struct dlop_rect *rect)
{
    print_error("%s: %ux%u, %u components, h %d %d %d, v %d %d %d, restart %u, multi-scan %d, "
                "rectangle %u,%u %ux%u\n",
                level, how->width_px, how->height_px, how->n_components, how->h[0], how->h[1],
                how->h[2], how->v[0], how->v[1], how->v[2], how->restart_interval,
                how->is_multi_scan, rect->x, rect->y, rect->width, rect->height);
}

/* ---- sound files --------------------------------------------------------------------------------
 */

static void expect_pixels(struct random_state *random, struct decoder *decoder,
                          const struct made *made, const struct dlop_rect *rect)
{
    const size_t row_bytes = 4 * (size_t)rect->width + DLOP_CPU_ROW_SLACK_BYTES;
    u8 *row = guard_alloc(row_bytes);
    u32 n_blocks = 0;
    dlop_status status = dlop_cpu_jpeg_decode(decoder->jpeg, &decoder->steps, made->frame,
                                              made->n_bytes, rect, &n_blocks);

    if (status != DLOP_OK || n_blocks == 0) {
        describe(decoder->level, &made->how, rect);
        RANDOM_FAIL(random, "status %d, %u blocks", status, n_blocks);
    }
    for (u32 y = 0; y < rect->height; y++) {
        const u8 *rgb = made->rgb + 3 * ((size_t)(rect->y + y) * made->how.width_px + rect->x);

        dlop_cpu_jpeg_row(decoder->jpeg, &decoder->steps, y, row);
        for (u32 x = 0; x < rect->width; x++, rgb += 3) {
            /* libjpeg's grey is repeated here as by the oracle. */
            if (memcmp(row + 4 * (size_t)x, rgb, 3) == 0 && row[4 * (size_t)x + 3] == 255)
                continue;
            describe(decoder->level, &made->how, rect);
            RANDOM_FAIL(random, "pixel %u,%u: got %d %d %d %d, expected %d %d %d", x, y,
                        row[4 * (size_t)x], row[4 * (size_t)x + 1], row[4 * (size_t)x + 2],
                        row[4 * (size_t)x + 3], rgb[0], rgb[1], rgb[2]);
        }
    }
    guard_free(row, row_bytes);
}

static void check_sound_files(struct random_state *random, struct decoder *decoder)
{
    static struct made made;

    for (u32 i = 0; i < 500; i++) {
        struct jpeg_case how = random_case(random, i % 3 ? 20 : 150);
        struct dlop_rect rect = {0, 0, how.width_px, how.height_px};

        made_open(random, &how, &made);
        expect_pixels(random, decoder, &made, &rect);
        for (u32 n = 0; n < 5; n++) {
            rect = random_rect(random, &how);
            expect_pixels(random, decoder, &made, &rect);
        }
        made_close(&made);
    }
}

static void sound_files_equal_libjpeg(void **state)
{
    (void)state;
    check_decoders(check_sound_files);
}

/* Scans of many times DLOP_CPU_FEED_BYTES, so that some 0xFF is the last byte of a part. */
static void check_long_scans(struct random_state *random, struct decoder *decoder)
{
    static struct made made;

    for (u32 i = 0; i < 30; i++) {
        struct jpeg_case how = {.width_px = MAX_SIDE,
                                .height_px = MAX_SIDE - i,
                                .n_components = 3,
                                .h = {1, 1, 1},
                                .v = {1, 1, 1},
                                .quality = 100,
                                .restart_interval = i % 3 ? 0 : 500 * i,
                                .phase = i};
        struct dlop_rect rect = {0, 0, how.width_px, how.height_px};

        made_open(random, &how, &made);
        assert_true(made.file_bytes > 20 * DLOP_CPU_FEED_BYTES);
        expect_pixels(random, decoder, &made, &rect);
        rect = random_rect(random, &how);
        expect_pixels(random, decoder, &made, &rect);
        made_close(&made);
    }
}

static void long_scans_equal_libjpeg(void **state)
{
    (void)state;
    check_decoders(check_long_scans);
}

/* ---- damaged files ------------------------------------------------------------------------------
 */

/* The same rectangle by hw/core; its planes stay in *decode and planes (malloc's). */
static s32 decode_by_core(const struct made *made, const struct dlop_rect *rect,
                          struct dlop_decode *decode, u8 **planes)
{
    const u32 bounds[4] = {rect->x, rect->y, rect->width, rect->height};
    u8 *segment = malloc(made->n_bytes);
    s32 status = DLOP_OK;

    dlop_geometry_of_frame(made->frame, &decode->geometry);
    dlop_region_mcus(&decode->geometry, bounds, &decode->range);
    decode->n_blocks = 0;
    *planes = calloc(1, dlop_decode_place_planes(decode));
    for (u32 i = 0; i < made->frame->n_scans && status == DLOP_OK; i++)
        status = dlop_decode_scan(made->frame, &made->frame->scan[i], made->memory, decode, segment,
                                  *planes);
    free(segment);
    return status;
}

/* Whether some marker stands where none may: hw/core unstuffs whole segments and meets it even
 * behind the region. */
static int has_bad_marker(const struct made *made)
{
    u8 *segment = malloc(made->n_bytes);
    s32 status = DLOP_OK;

    for (u32 i = 0; i < made->frame->n_scans && status >= 0; i++) {
        const struct dlop_jpeg_scan *scan = &made->frame->scan[i];
        u32 position = 0, next_rst = 0, n_bytes;

        do {
            status = dlop_unstuff_segment(made->memory + scan->begin_bytes,
                                          scan->end_bytes - scan->begin_bytes, &position, &next_rst,
                                          segment, &n_bytes);
        } while (status == DLOP_OK);
    }
    free(segment);
    return status < 0;
}

/* Whether all samples that were decoded into a plane are the reference's. */
static int is_same_plane(const struct dlop_cpu_jpeg *jpeg, const struct dlop_decode *decode,
                         const u8 *planes, u32 component)
{
    const struct dlop_component_geometry *c = &decode->geometry.component[component];
    const struct dlop_cpu_plane *plane = &jpeg->plane[component];

    for (u32 y = 0; y < plane->height && plane->y_first + y < c->height_samples; y++) {
        for (u32 x = 0; x < plane->width && plane->x_first + x < c->width_samples; x++) {
            size_t at = (size_t)(plane->y_first + y) * c->pitch_samples + plane->x_first + x;

            if (plane->samples[y * plane->stride_bytes + x] !=
                planes[decode->plane_at[component] + at])
                return 0;
        }
    }
    return 1;
}

/* Flip bits, cut the end off or write a marker, in one scan; 0xFF00 pairs may break. */
static void damage(struct random_state *random, struct made *made)
{
    struct dlop_jpeg_scan *scan = &made->frame->scan[random_u32(random) % made->frame->n_scans];
    u32 n_bytes = scan->end_bytes - scan->begin_bytes;
    s32 n_flips = random_in(random, 0, 3);

    for (s32 i = 0; i < n_flips && n_bytes > 0; i++)
        made->memory[scan->begin_bytes + random_u32(random) % n_bytes] ^=
            (u8)(1 << random_in(random, 0, 7));
    if (n_flips == 0)
        scan->end_bytes -= random_u32(random) % (n_bytes + 1);
    if (random_in(random, 0, 9) == 0)
        scan->restart_interval = (u32)random_in(random, 0, 20);
}

static void expect_as_core(struct random_state *random, struct decoder *decoder,
                           const struct made *made, const struct dlop_rect *rect, u32 *n_refused)
{
    static struct dlop_decode decode;
    u8 *planes;
    s32 expected = decode_by_core(made, rect, &decode, &planes), got;
    u32 n_blocks = 0;

    got = dlop_cpu_jpeg_decode(decoder->jpeg, &decoder->steps, made->frame, made->n_bytes, rect,
                               &n_blocks);
    *n_refused += expected != DLOP_OK;
    if (got != expected && !has_bad_marker(made)) {
        describe(decoder->level, &made->how, rect);
        RANDOM_FAIL(random, "status %d, expected %d", got, expected);
    }
    if (got == DLOP_OK && expected == DLOP_OK) {
        if (n_blocks != decode.n_blocks) {
            describe(decoder->level, &made->how, rect);
            RANDOM_FAIL(random, "%u blocks, expected %u", n_blocks, decode.n_blocks);
        }
        for (u32 c = 0; c < made->frame->n_components; c++) {
            if (is_same_plane(decoder->jpeg, &decode, planes, c))
                continue;
            describe(decoder->level, &made->how, rect);
            RANDOM_FAIL(random, "samples of component %u differ", c);
        }
    }
    free(planes);
}

static void check_damaged_files(struct random_state *random, struct decoder *decoder)
{
    static struct made made;
    u32 n_refused = 0;

    for (u32 i = 0; i < 1500; i++) {
        struct jpeg_case how = random_case(random, i % 3 ? 40 : 150);
        struct dlop_rect rect = {0, 0, how.width_px, how.height_px};

        made_open(random, &how, &made);
        damage(random, &made);
        if (random_in(random, 0, 2))
            rect = random_rect(random, &how);
        expect_as_core(random, decoder, &made, &rect, &n_refused);
        made_close(&made);
    }
    assert_in_range(n_refused, 300, 1400);
}

static void damaged_files_equal_the_reference(void **state)
{
    (void)state;
    check_decoders(check_damaged_files);
}

/* Intervals that ask for a marker long before the scan has one: more is left over than fits behind
 * what the decoder unstuffs next. */
static void check_short_intervals(struct random_state *random, struct decoder *decoder)
{
    static struct made made;
    struct jpeg_case how = {.width_px = MAX_SIDE,
                            .height_px = MAX_SIDE,
                            .n_components = 3,
                            .h = {1, 1, 1},
                            .v = {1, 1, 1},
                            .quality = 100};
    const struct dlop_rect rect = {0, 0, MAX_SIDE, MAX_SIDE};
    u32 n_blocks;

    made_open(random, &how, &made);
    for (u32 interval = 1; interval < 200; interval += 7) {
        made.frame->scan[0].restart_interval = interval;
        assert_int_equal(dlop_cpu_jpeg_decode(decoder->jpeg, &decoder->steps, made.frame,
                                              made.n_bytes, &rect, &n_blocks),
                         DLOP_ERR_BAD_DATA);
    }
    made.frame->scan[0].restart_interval = 0;
    expect_pixels(random, decoder, &made, &rect);
    made_close(&made);
}

static void intervals_that_are_too_short_are_refused(void **state)
{
    (void)state;
    check_decoders(check_short_intervals);
}

/* ---- frames and rectangles that nobody may ask for ----------------------------------------------
 */

static void bad_calls_are_refused(void **state)
{
    static const struct dlop_rect rects[] = {
        {0, 0, 0, 1},  {0, 0, 1, 0},          {40, 0, 1, 1},          {0, 30, 1, 1},
        {39, 0, 2, 1}, {0, 1, 1, UINT32_MAX}, {UINT32_MAX, 0, 2, 10},
    };
    static struct made made;
    struct random_state random = random_start(random_seed());
    struct jpeg_case how = {.width_px = 40,
                            .height_px = 30,
                            .n_components = 3,
                            .h = {2, 1, 1},
                            .v = {2, 1, 1},
                            .quality = 90};
    const struct dlop_rect full = {0, 0, 40, 30};
    struct dlop_jpeg_frame sound;
    struct dlop_cpu_steps steps;
    struct dlop_cpu_jpeg *jpeg;
    u32 n_blocks;
    (void)state;

    dlop_cpu_steps_init(UINT32_MAX, &steps);
    assert_int_equal(dlop_cpu_jpeg_open(&jpeg), DLOP_OK);
    made_open(&random, &how, &made);
    for (size_t i = 0; i < sizeof rects / sizeof *rects; i++)
        assert_int_equal(
            dlop_cpu_jpeg_decode(jpeg, &steps, made.frame, made.n_bytes, &rects[i], &n_blocks),
            DLOP_ERR_ARGUMENT);
    for (size_t n_bytes = 0; n_bytes < made.n_bytes; n_bytes += 97)
        assert_true(dlop_cpu_jpeg_decode(jpeg, &steps, made.frame, n_bytes, &full, &n_blocks) < 0);
    /* Any byte of the frame changed: refused or decoded, never read out of bounds. */
    sound = *made.frame;
    for (u32 i = 0; i < 3000; i++) {
        ((u8 *)made.frame)[random_u32(&random) % (i % 2 ? 104 : sizeof sound)] =
            (u8)random_u32(&random);
        if (made.frame->width_px < 1000 && made.frame->height_px < 1000)
            (void)!dlop_cpu_jpeg_decode(jpeg, &steps, made.frame, made.n_bytes, &full, &n_blocks);
        *made.frame = sound;
    }
    made_close(&made);
    dlop_cpu_jpeg_close(&jpeg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_files_equal_libjpeg),
        cmocka_unit_test(long_scans_equal_libjpeg),
        cmocka_unit_test(damaged_files_equal_the_reference),
        cmocka_unit_test(intervals_that_are_too_short_are_refused),
        cmocka_unit_test(bad_calls_are_refused),
    };
    return cmocka_run_group_tests_name("kernel/check_jpeg_frames", tests, NULL, NULL);
}
