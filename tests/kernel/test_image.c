/* Kernel test: whole JPEG jobs by the reference against libjpeg-turbo, for every sampling and small
 * size, and damaged files, which must be refused or decoded to libjpeg-turbo's pixels. */
#include "tests/kernel/kernel.h"

#include "tests/kernel/job.h"
#include "tests/kernel/jpeg_oracle.h"

#define MAX_SIDE 120

/* A file, its description and its pixels by the oracle. */
struct made {
    u8 *bytes;
    unsigned long n_bytes;
    struct dlop_jpeg_frame frame;
    u8 rgb[MAX_SIDE * MAX_SIDE * 3];
};

static const struct sampling {
    u8 h[3], v[3];
} samplings[] = {
    {{1, 1, 1}, {1, 1, 1}}, {{2, 1, 1}, {1, 1, 1}}, {{2, 1, 1}, {2, 1, 1}}, {{1, 1, 1}, {2, 1, 1}},
    {{4, 1, 1}, {1, 1, 1}}, {{4, 1, 1}, {2, 1, 1}}, {{1, 1, 1}, {4, 1, 1}}, {{2, 1, 1}, {4, 1, 1}},
    {{3, 1, 1}, {1, 1, 1}}, {{1, 1, 1}, {3, 1, 1}}, {{3, 1, 1}, {2, 1, 1}}, {{1, 2, 2}, {1, 2, 2}},
    {{1, 2, 2}, {1, 1, 1}}, {{2, 1, 2}, {2, 2, 1}}, {{2, 2, 1}, {2, 1, 1}}, {{4, 2, 1}, {1, 1, 1}},
    {{2, 2, 2}, {1, 1, 1}}, {{1, 1, 1}, {2, 2, 2}}, {{4, 2, 2}, {1, 1, 1}}, {{2, 1, 1}, {2, 2, 1}},
};
#define N_SAMPLINGS (sizeof samplings / sizeof *samplings)

static struct jpeg_case plain_case(u32 width, u32 height, u32 sampling)
{
    struct jpeg_case how = {
        .width_px = width, .height_px = height, .n_components = 3, .quality = 90};
    memcpy(how.h, samplings[sampling].h, 3);
    memcpy(how.v, samplings[sampling].v, 3);
    return how;
}

static void describe_case(const struct jpeg_case *how)
{
    print_error("%ux%u, %u components, h %d %d %d, v %d %d %d, quality %d, quantisation %u %%, "
                "restart %u, optimised %d, three tables %d, multi-scan %d, RGB %d, phase %u\n",
                how->width_px, how->height_px, how->n_components, how->h[0], how->h[1], how->h[2],
                how->v[0], how->v[1], how->v[2], how->quality, how->quant_percent,
                how->restart_interval, how->is_optimised, how->has_three_tables, how->is_multi_scan,
                how->is_rgb, how->phase);
}

static void make(const struct jpeg_case *how, struct made *made)
{
    if (oracle_encode(how, &made->bytes, &made->n_bytes) != 0 ||
        oracle_describe(made->bytes, (u32)made->n_bytes, sizeof made->frame, &made->frame) != 0 ||
        oracle_decode(made->bytes, made->n_bytes, made->rgb) != 0) {
        describe_case(how);
        fail_msg("libjpeg cannot make this case");
    }
}

/* Decode rect of file bytes (described by frame) to [h][w][3]: an identity crop of 1-byte elements.
 */
static s32 decode_rect(const struct dlop_jpeg_frame *frame, const u8 *bytes, size_t n_bytes,
                       const u32 rect[4], u8 *rgb_out, struct dlop_completion *completion_out)
{
    struct test_table x = table_gather(rect[2], 0, 1), y = table_gather(rect[3], 0, 1);
    struct test_job test;
    struct test_job_cfg cfg = {.kind = DLOP_JOB_JPEG,
                               .layout = DLOP_LAYOUT_HWC,
                               .src_channels = frame->n_components,
                               .out_channels = 3,
                               .element_bytes = 1,
                               .src_width_px = frame->width_px,
                               .src_height_px = frame->height_px,
                               .x = &x,
                               .y = &y};
    u8 *source = test_job_jpeg_source(frame, bytes, n_bytes, &cfg.source_bytes);
    s32 status;

    cfg.source = source;
    memcpy(cfg.rect, rect, sizeof cfg.rect);
    test_job_open(&test, &cfg);
    status = test_job_run(&test);
    memcpy(rgb_out, test.memory.out, test.job.out_bytes);
    *completion_out = test.completion;
    test_job_close(&test);
    table_close(&x);
    table_close(&y);
    free(source);
    return status;
}

static void check_rect(const struct jpeg_case *how, const struct made *made, const u32 rect[4])
{
    static u8 got[MAX_SIDE * MAX_SIDE * 3];
    struct dlop_completion completion;
    s32 status = decode_rect(&made->frame, made->bytes, made->n_bytes, rect, got, &completion);

    if (status != DLOP_OK) {
        describe_case(how);
        fail_msg("status %d", status);
    }
    assert_int_equal(completion.bytes_written, rect[2] * rect[3] * 3);
    for (u32 y = 0; y < rect[3]; y++)
        for (u32 i = 0; i < rect[2] * 3; i++) {
            u8 expected = made->rgb[((rect[1] + y) * how->width_px + rect[0]) * 3 + i];
            if (got[y * rect[2] * 3 + i] != expected) {
                describe_case(how);
                fail_msg("region %u,%u %ux%u: (%u, %u) channel %u: got %d, expected %d", rect[0],
                         rect[1], rect[2], rect[3], i / 3, y, i % 3, got[y * rect[2] * 3 + i],
                         expected);
            }
        }
}

static void check_whole(const struct jpeg_case *how)
{
    static struct made made;

    make(how, &made);
    check_rect(how, &made, (u32[4]){0, 0, how->width_px, how->height_px});
    free(made.bytes);
}

/* Quality and options rotate so that all meet all sizes over the loop. */
static void every_sampling_in_every_small_size(void **state)
{
    (void)state;
    u32 n = 0;

    for (u32 s = 0; s < N_SAMPLINGS; s++)
        for (u32 width = 1; width <= 40; width++)
            for (u32 height = 1; height <= 40; height += s < 4 ? 1 : 1 + (width + s) % 5) {
                struct jpeg_case how = plain_case(width, height, s);
                how.quality = (int[]){90, 100, 30, 75, 97}[n % 5];
                how.is_optimised = n % 3 == 0;
                how.restart_interval = n % 4 == 1 ? 1 + n % 7 : 0;
                how.is_multi_scan = n % 7 == 2;
                how.phase = n++;
                check_whole(&how);
            }
}

static void grey_rgb_and_single_component_sampling(void **state)
{
    (void)state;
    for (u32 width = 1; width <= 40; width++)
        for (u32 height = 1; height <= 40; height += 1 + width % 3) {
            struct jpeg_case how = plain_case(width, height, (width + height) % N_SAMPLINGS);

            how.phase = width * 41 + height;
            how.is_optimised = height % 2 == 0;
            how.restart_interval = width % 4;
            how.is_rgb = 1;
            check_whole(&how);
            how.is_rgb = 0;
            how.n_components = 1; /* with factors that mean nothing when there is one component */
            check_whole(&how);
        }
}

static void tables_of_every_kind(void **state)
{
    (void)state;
    for (u32 n = 0; n < 400; n++) {
        struct random_state random = random_start(random_seed() + n);
        struct jpeg_case how =
            plain_case((u32)random_in(&random, 1, 100), (u32)random_in(&random, 1, 100),
                       random_u32(&random) % N_SAMPLINGS);

        how.quality = random_in(&random, 1, 100);
        how.quant_percent = n % 2 ? (u32)random_in(&random, 1, 6000) : 0;
        how.is_optimised = n % 3 != 0;
        how.has_three_tables = n % 3 == 1;
        how.is_multi_scan = n % 4 == 1;
        how.is_rgb = n % 5 == 1;
        how.restart_interval = n % 6 == 1 ? (u32)random_in(&random, 1, 200) : 0;
        how.phase = n;
        check_whole(&how);
    }
}

static void regions_are_parts_of_the_whole(void **state)
{
    (void)state;
    static struct made made;

    for (u32 n = 0; n < 150; n++) {
        struct random_state random = random_start(random_seed() + n);
        struct jpeg_case how = plain_case((u32)random_in(&random, 1, MAX_SIDE),
                                          (u32)random_in(&random, 1, MAX_SIDE), n % N_SAMPLINGS);

        how.restart_interval = n % 3 == 0 ? (u32)random_in(&random, 1, 9) : 0;
        how.is_multi_scan = n % 4 == 1;
        how.phase = n;
        make(&how, &made);
        for (u32 i = 0; i < 12; i++) {
            u32 rect[4];
            rect[0] = (u32)random_in(&random, 0, (s32)how.width_px - 1);
            rect[1] = (u32)random_in(&random, 0, (s32)how.height_px - 1);
            rect[2] = (u32)random_in(&random, 1, (s32)(how.width_px - rect[0]));
            rect[3] = (u32)random_in(&random, 1, (s32)(how.height_px - rect[1]));
            check_rect(&how, &made, rect);
        }
        free(made.bytes);
    }
}

/* 4:2:0, 64x64: an MCU is 16x16 and has six blocks. */
static void only_needed_blocks_are_transformed(void **state)
{
    (void)state;
    static struct made made;
    struct jpeg_case how = plain_case(64, 64, 2);
    struct dlop_completion completion;
    static u8 got[3 * 64 * 64];
    static const struct {
        u32 rect[4], n_mcus;
    } cases[] = {
        {{0, 0, 64, 64}, 16},  {{4, 4, 8, 8}, 1},     {{0, 0, 14, 14}, 1},
        {{0, 0, 16, 16}, 4}, /* the last column uses the chroma sample beside it */
        {{18, 18, 12, 12}, 1}, {{16, 18, 12, 12}, 2}, {{60, 60, 4, 4}, 1},
    };

    make(&how, &made);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(
            decode_rect(&made.frame, made.bytes, made.n_bytes, cases[i].rect, got, &completion),
            DLOP_OK);
        assert_int_equal(completion.blocks_decoded, 6 * cases[i].n_mcus);
    }
    free(made.bytes);
}

/* Overwrite one to four bytes of the entropy-coded data, keeping it free of new markers. */
static void damage(struct random_state *random, const struct dlop_jpeg_frame *frame, u8 *bytes)
{
    const struct dlop_jpeg_scan *scan = &frame->scan[random_u32(random) % frame->n_scans];
    u32 begin = scan->begin_bytes - (u32)sizeof *frame, end = scan->end_bytes - (u32)sizeof *frame;

    for (s32 i = random_in(random, 1, 4); i > 0 && end > begin; i--) {
        u32 at = begin + random_u32(random) % (end - begin);
        int is_marker = bytes[at] == 0xff || bytes[at - 1] == 0xff;
        u32 flipped = bytes[at] ^ 1u << random_u32(random) % 8;
        u8 value = (u8)(random_u32(random) % 2 ? flipped : random_u32(random));
        if (!is_marker && value != 0xff)
            bytes[at] = value;
    }
}

static void damaged_scans_are_refused_or_equal(void **state)
{
    (void)state;
    static struct made made;
    static u8 expected[MAX_SIDE * MAX_SIDE * 3], got[MAX_SIDE * MAX_SIDE * 3];
    u32 n_ok = 0, n_refused = 0;

    for (u32 n = 0; n < 4000; n++) {
        struct random_state random = random_start(random_seed() + n);
        struct jpeg_case how = plain_case((u32)random_in(&random, 1, 80),
                                          (u32)random_in(&random, 1, 80), n % N_SAMPLINGS);
        struct dlop_completion completion;

        how.quality = random_in(&random, 20, 100);
        how.quant_percent = n % 5 == 0 ? (u32)random_in(&random, 1, 6000) : 0;
        how.is_optimised = n % 2 == 0;
        how.is_multi_scan = n % 6 == 1;
        how.restart_interval = n % 4 == 3 ? (u32)random_in(&random, 1, 9) : 0;
        how.phase = n;
        make(&how, &made);
        damage(&random, &made.frame, made.bytes);
        s32 status = decode_rect(&made.frame, made.bytes, made.n_bytes,
                                 (u32[4]){0, 0, how.width_px, how.height_px}, got, &completion);
        if (status == DLOP_OK) {
            n_ok++;
            if (oracle_decode(made.bytes, made.n_bytes, expected) < 0 ||
                memcmp(got, expected, how.width_px * how.height_px * 3) != 0) {
                describe_case(&how);
                RANDOM_FAIL(&random, "damaged file %u was decoded differently", n);
            }
        } else {
            n_refused++;
            assert_in_range(-status, 1, 29);
            for (u32 i = 0; i < how.width_px * how.height_px * 3; i++)
                assert_int_equal(got[i], 0xee); /* nothing was written */
            assert_int_equal(completion.bytes_written, 0);
        }
        free(made.bytes);
    }
    assert_in_range(n_ok, 300, 3700);
    assert_in_range(n_refused, 300, 3700);
}

static void cut_scans_are_refused(void **state)
{
    (void)state;
    static struct made made;
    static u8 got[MAX_SIDE * MAX_SIDE * 3];

    for (u32 n = 0; n < 6; n++) {
        struct jpeg_case how = plain_case(33, 25, n % 4);
        struct dlop_completion completion;

        how.is_multi_scan = n > 3;
        how.restart_interval = n % 2 * 2;
        make(&how, &made);
        struct dlop_jpeg_scan *last = &made.frame.scan[made.frame.n_scans - 1];
        for (u32 end = last->end_bytes; end > last->begin_bytes; end--) {
            last->end_bytes = end - 1;
            s32 status = decode_rect(&made.frame, made.bytes, made.n_bytes, (u32[4]){0, 0, 33, 25},
                                     got, &completion);
            if (status >= 0 || status <= -30)
                fail_msg("case %u cut by %u: status %d", n, end, status);
        }
        free(made.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sampling_in_every_small_size),
        cmocka_unit_test(grey_rgb_and_single_component_sampling),
        cmocka_unit_test(tables_of_every_kind),
        cmocka_unit_test(regions_are_parts_of_the_whole),
        cmocka_unit_test(only_needed_blocks_are_transformed),
        cmocka_unit_test(damaged_scans_are_refused_or_equal),
        cmocka_unit_test(cut_scans_are_refused),
    };
    return cmocka_run_group_tests_name("kernel/image", tests, NULL, NULL);
}
