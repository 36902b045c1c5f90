/* Kernel test: the check of jobs and frames. One sound job of each kind is accepted; each single
 * field set wrong is refused; any bytes as job and frame run without access out of bounds. */
#include "tests/kernel/kernel.h"

#include "tests/kernel/job.h"
#include "tests/kernel/jpeg_oracle.h"

static const struct jpeg_case SMALL = {.width_px = 21,
                                       .height_px = 19,
                                       .n_components = 3,
                                       .h = {2, 1, 1},
                                       .v = {2, 1, 1},
                                       .quality = 80,
                                       .restart_interval = 2};

/* A sound job that crops 5x4 pixels at (3, 2) to elements of 4 bytes; JPEG or PIXELS. */
static void open_small(struct test_job *test, u32 kind, int is_multi_scan)
{
    struct test_table x = table_gather(5, 0, 1), y = table_gather(4, 0, 1);
    struct test_job_cfg cfg = {.kind = (u8)kind,
                               .src_channels = 3,
                               .out_channels = 3,
                               .element_bytes = 4,
                               .src_width_px = SMALL.width_px,
                               .src_height_px = SMALL.height_px,
                               .rect = {3, 2, 5, 4},
                               .x = &x,
                               .y = &y};
    struct jpeg_case how = SMALL;
    struct dlop_jpeg_frame frame;
    unsigned long n_bytes = 0;
    u8 *file = NULL, *source = NULL;

    how.is_multi_scan = is_multi_scan;
    if (kind == DLOP_JOB_JPEG) {
        assert_int_equal(oracle_encode(&how, &file, &n_bytes), 0);
        assert_int_equal(oracle_describe(file, (u32)n_bytes, sizeof frame, &frame), 0);
        source = test_job_jpeg_source(&frame, file, n_bytes, &cfg.source_bytes);
    } else {
        cfg.source_bytes = 3 * SMALL.width_px * SMALL.height_px;
        source = calloc(1, cfg.source_bytes);
    }
    cfg.source = source;
    test_job_open(test, &cfg);
    table_close(&x);
    table_close(&y);
    free(source);
    free(file);
}

/* One field of the job set to a value: what the check says. */
struct job_case {
    const char *name;
    size_t offset, n_bytes;
    u64 value;
    s32 expected;
};
#define CASE(field, value, expected)                                                               \
    {                                                                                              \
#field " = " #value, offsetof(struct dlop_job, field),                                     \
            sizeof(((struct dlop_job *)0)->field), (u64)(value), expected                          \
    }

static const struct job_case job_cases[] = {
    CASE(abi_version, 2, DLOP_ERR_ABI),
    CASE(kind, 2, DLOP_ERR_ARGUMENT),
    CASE(pass_order, 2, DLOP_ERR_ARGUMENT),
    CASE(grey, 3, DLOP_ERR_ARGUMENT),
    CASE(layout, 2, DLOP_ERR_ARGUMENT),
    CASE(src_channels, 0, DLOP_ERR_ARGUMENT),
    CASE(src_channels, 4, DLOP_ERR_ARGUMENT),
    CASE(out_channels, 2, DLOP_ERR_ARGUMENT),
    CASE(out_channels, 1, DLOP_ERR_ARGUMENT), /* out_bytes is wrong then */
    CASE(element_bytes, 0, DLOP_ERR_ARGUMENT),
    CASE(element_bytes, 3, DLOP_ERR_ARGUMENT),
    CASE(element_bytes, 16, DLOP_ERR_ARGUMENT),
    CASE(in_offset, -4, DLOP_ERR_ARGUMENT),
    CASE(in_offset, 1u << 30, DLOP_ERR_ARGUMENT),
    CASE(in_bytes, -1, DLOP_ERR_ARGUMENT),
    CASE(in_bytes, 1196, DLOP_ERR_ARGUMENT), /* 21 * 19 * 3 = 1197, and no frame fits */
    CASE(x_axis_offset, -16, DLOP_ERR_ARGUMENT),
    CASE(x_axis_offset, 1u << 30, DLOP_ERR_ARGUMENT),
    CASE(y_axis_offset, -16, DLOP_ERR_ARGUMENT),
    CASE(y_axis_offset, 2, DLOP_ERR_ARGUMENT),
    CASE(pack_offset, 4, DLOP_ERR_ARGUMENT),
    CASE(pack_offset, -4, DLOP_ERR_ARGUMENT),
    CASE(out_offset, 4, DLOP_ERR_ARGUMENT),
    CASE(out_offset, -4, DLOP_ERR_ARGUMENT),
    CASE(out_bytes, 5 * 4 * 12 - 1, DLOP_ERR_ARGUMENT),
    CASE(out_bytes, 0, DLOP_ERR_ARGUMENT),
    CASE(src_width_px, 0, DLOP_ERR_ARGUMENT),
    CASE(src_width_px, 65501, DLOP_ERR_LIMIT),
    CASE(src_width_px, 22, DLOP_ERR_ARGUMENT),
    CASE(src_height_px, 20, DLOP_ERR_ARGUMENT),
    CASE(src_height_px, 65501, DLOP_ERR_LIMIT),
    CASE(roi_x_px, 17, DLOP_ERR_ARGUMENT),
    CASE(roi_x_px, 0xffffffff, DLOP_ERR_ARGUMENT),
    CASE(roi_y_px, 16, DLOP_ERR_ARGUMENT),
    CASE(roi_width_px, 4, DLOP_ERR_ARGUMENT), /* the table names a fifth position */
    CASE(roi_width_px, 0xffffffff, DLOP_ERR_ARGUMENT),
    CASE(roi_height_px, 3, DLOP_ERR_ARGUMENT),
    CASE(roi_height_px, 18, DLOP_ERR_ARGUMENT),
    CASE(out_width_px, 4, DLOP_ERR_ARGUMENT),
    CASE(out_width_px, 65501, DLOP_ERR_LIMIT),
    CASE(out_width_px, 0, DLOP_ERR_ARGUMENT),
    CASE(out_height_px, 5, DLOP_ERR_ARGUMENT),
    CASE(out_height_px, 0xffffffff, DLOP_ERR_LIMIT),
    CASE(reserved[0], 1, DLOP_ERR_ARGUMENT),
    CASE(reserved[6], 1, DLOP_ERR_ARGUMENT),
    CASE(roi_width_px, 18, DLOP_OK), /* more than the tables name is allowed */
    CASE(record, 5, DLOP_OK),
    CASE(fill[2], 5, DLOP_OK),
};

static void each_wrong_field_of_a_job_is_refused(void **state)
{
    (void)state;
    for (u32 kind = 0; kind <= DLOP_JOB_PIXELS; kind++) {
        struct test_job test;

        open_small(&test, kind, 0);
        const struct dlop_job sound = test.job;
        assert_int_equal(test_job_run(&test), DLOP_OK);
        for (size_t i = 0; i < sizeof job_cases / sizeof *job_cases; i++) {
            const struct job_case *c = &job_cases[i];
            test.job = sound;
            memcpy((u8 *)&test.job + c->offset, &c->value, c->n_bytes);
            s32 status = test_job_run(&test);
            if (status != c->expected)
                fail_msg("kind %u, %s: status %d, expected %d", kind, c->name, status, c->expected);
            assert_int_equal(test.completion.status, status);
            assert_int_equal(test.completion.bytes_written, status ? 0 : sound.out_bytes);
        }
        test_job_close(&test);
    }
}

/* One field of the frame, at its place in the `in` buffer. */
#define FRAME_CASE(field, value, expected)                                                         \
    {                                                                                              \
#field " = " #value, offsetof(struct dlop_jpeg_frame, field),                              \
            sizeof(((struct dlop_jpeg_frame *)0)->field), (u64)(value), expected                   \
    }

static const struct job_case frame_cases[] = {
    FRAME_CASE(width_px, 0, DLOP_ERR_BAD_DATA),
    FRAME_CASE(width_px, 65501, DLOP_ERR_LIMIT),
    FRAME_CASE(width_px, 20, DLOP_ERR_ARGUMENT),
    FRAME_CASE(height_px, 0, DLOP_ERR_BAD_DATA),
    FRAME_CASE(height_px, 0xffffffff, DLOP_ERR_LIMIT),
    FRAME_CASE(height_px, 20, DLOP_ERR_ARGUMENT),
    FRAME_CASE(n_components, 0, DLOP_ERR_BAD_DATA),
    FRAME_CASE(n_components, 1, DLOP_ERR_BAD_DATA),
    FRAME_CASE(n_components, 2, DLOP_ERR_BAD_DATA),
    FRAME_CASE(n_components, 4, DLOP_ERR_BAD_DATA),
    FRAME_CASE(colour, 0, DLOP_ERR_BAD_DATA),
    FRAME_CASE(colour, 3, DLOP_ERR_BAD_DATA),
    FRAME_CASE(h_max, 1, DLOP_ERR_BAD_DATA),
    FRAME_CASE(v_max, 3, DLOP_ERR_BAD_DATA),
    FRAME_CASE(n_scans, 0, DLOP_ERR_BAD_DATA),
    FRAME_CASE(n_scans, 2, DLOP_ERR_BAD_DATA),
    FRAME_CASE(n_scans, 3, DLOP_ERR_BAD_DATA),
    FRAME_CASE(n_scans, 255, DLOP_ERR_BAD_DATA),
    FRAME_CASE(n_huff, 5, DLOP_ERR_BAD_DATA), /* the scan uses six */
    FRAME_CASE(n_huff, 9, DLOP_ERR_BAD_DATA),
    FRAME_CASE(component[0].h, 0, DLOP_ERR_BAD_DATA),
    FRAME_CASE(component[0].h, 3, DLOP_ERR_BAD_DATA),
    FRAME_CASE(component[0].v, 5, DLOP_ERR_BAD_DATA),
    FRAME_CASE(component[2].v, 0, DLOP_ERR_BAD_DATA),
    FRAME_CASE(component[1].quant, 4, DLOP_ERR_BAD_DATA),
    FRAME_CASE(scan[0].begin_bytes, 0xffffffff, DLOP_ERR_BAD_DATA),
    FRAME_CASE(scan[0].end_bytes, 0xffffffff, DLOP_ERR_BAD_DATA),
    FRAME_CASE(scan[0].end_bytes, 1, DLOP_ERR_BAD_DATA),
    FRAME_CASE(scan[0].n_components, 0, DLOP_ERR_BAD_DATA),
    FRAME_CASE(scan[0].n_components, 1, DLOP_ERR_BAD_DATA),
    FRAME_CASE(scan[0].n_components, 4, DLOP_ERR_BAD_DATA),
    FRAME_CASE(scan[0].component[1], 3, DLOP_ERR_BAD_DATA),
    FRAME_CASE(scan[0].component[1], 2, DLOP_ERR_BAD_DATA), /* twice */
    FRAME_CASE(scan[0].dc_table[2], 6, DLOP_ERR_BAD_DATA),
    FRAME_CASE(scan[0].ac_table[0], 255, DLOP_ERR_BAD_DATA),
    FRAME_CASE(huff[0].n_codes[15], 255, DLOP_ERR_BAD_DATA),
    FRAME_CASE(huff[0].symbols[0], 12, DLOP_ERR_BAD_DATA), /* a DC table */
    FRAME_CASE(scan[0].restart_interval, 0, DLOP_ERR_TRUNCATED),
    FRAME_CASE(scan[0].restart_interval, 1, DLOP_ERR_BAD_DATA),
    FRAME_CASE(scan[1].begin_bytes, 0xffffffff, DLOP_OK), /* not there */
    FRAME_CASE(huff[7].symbols[0], 255, DLOP_OK),
};

/* The region is the whole picture, so that every segment is decoded. */
static void each_wrong_field_of_a_frame_is_refused(void **state)
{
    (void)state;
    struct test_job test;
    u8 sound[sizeof(struct dlop_jpeg_frame)];

    open_small(&test, DLOP_JOB_JPEG, 0);
    test.job.roi_x_px = test.job.roi_y_px = 0;
    test.job.roi_width_px = test.job.src_width_px;
    test.job.roi_height_px = test.job.src_height_px;
    memcpy(sound, test.in, sizeof sound);
    assert_int_equal(test_job_run(&test), DLOP_OK);
    for (size_t i = 0; i < sizeof frame_cases / sizeof *frame_cases; i++) {
        const struct job_case *c = &frame_cases[i];
        memcpy(test.in, sound, sizeof sound);
        memcpy(test.in + c->offset, &c->value, c->n_bytes);
        s32 status = test_job_run(&test);
        if (status != c->expected)
            fail_msg("%s: status %d, expected %d", c->name, status, c->expected);
    }
    test_job_close(&test);
}

static void mcus_of_more_than_ten_blocks_are_refused(void **state)
{
    (void)state;
    struct dlop_jpeg_frame frame = {.width_px = 8,
                                    .height_px = 8,
                                    .n_components = 3,
                                    .colour = DLOP_JPEG_YCC,
                                    .h_max = 4,
                                    .v_max = 2,
                                    .n_scans = 1,
                                    .n_huff = 1,
                                    .component = {{4, 2, 0, 0}, {1, 1, 0, 0}, {1, 1, 0, 0}}};

    frame.scan[0].n_components = 3;
    frame.scan[0].component[1] = 1;
    frame.scan[0].component[2] = 2;
    assert_int_equal(dlop_frame_check(&frame, 3000), DLOP_OK);
    assert_int_equal(dlop_frame_check(&frame, sizeof frame - 1), DLOP_ERR_BAD_DATA);
    frame.component[2].h = 2;
    assert_int_equal(dlop_frame_check(&frame, 3000), DLOP_ERR_BAD_DATA);
    frame.component[2].h = 1;

    /* Padding after the last scan belongs to the record. */
    frame.scan[0].end_bytes = 3000 - DLOP_JPEG_PADDING_BYTES;
    assert_int_equal(dlop_frame_check(&frame, 3000), DLOP_OK);
    assert_int_equal(dlop_frame_check(&frame, 2999), DLOP_ERR_BAD_DATA);
}

static void ratios_that_are_not_whole_are_refused(void **state)
{
    (void)state;
    struct dlop_jpeg_frame frame = {.width_px = 8,
                                    .height_px = 8,
                                    .n_components = 3,
                                    .colour = DLOP_JPEG_YCC,
                                    .n_scans = 1,
                                    .n_huff = 1};

    frame.scan[0] = (struct dlop_jpeg_scan){.n_components = 3, .component = {0, 1, 2}};
    for (u8 h = 1; h <= 4; h++)
        for (u8 v = 1; v <= 4; v++) {
            u8 h_max = h > 2 ? h : 2, v_max = v > 2 ? v : 2;
            int is_whole = h_max % h == 0 && h_max % 2 == 0 && v_max % v == 0 && v_max % 2 == 0;
            struct dlop_jpeg_component components[3] = {{1, 1, 0, 0}, {2, 1, 0, 0}, {1, 2, 0, 0}};

            components[0].h = h;
            components[0].v = v;
            memcpy(frame.component, components, sizeof components);
            frame.h_max = h_max;
            frame.v_max = v_max;
            /* 4 + h v blocks: ten at most. */
            assert_int_equal(dlop_frame_check(&frame, 3000),
                             is_whole && h * v <= 6 ? DLOP_OK : DLOP_ERR_BAD_DATA);
        }
}

/* Records moved by bytes within larger buffers; sizes beyond the real ones are never touched by the
 * check. */
static void misaligned_records_are_refused(void **state)
{
    (void)state;
    struct test_job test;

    open_small(&test, DLOP_JOB_JPEG, 0);
    struct dlop_job_bounds bounds = test.memory.bounds;
    struct dlop_job job = test.job;
    u8 *in = calloc(1, bounds.in_bytes + 8);
    size_t table_bytes = bounds.in_bytes - job.y_axis_offset;

    bounds.in_bytes += 8;
    bounds.constants_bytes += 8;
    bounds.out_bytes += 8;
    for (u32 shift = 0; shift <= 8; shift++) {
        s32 expected = shift % 4 ? DLOP_ERR_ARGUMENT : DLOP_OK;

        memcpy(in, test.in, job.y_axis_offset);
        memcpy(in + job.y_axis_offset + shift, test.in + job.y_axis_offset, table_bytes);
        test.job = job;
        test.job.y_axis_offset += shift;
        assert_int_equal(dlop_job_check(&test.job, in, &bounds), expected);
        memcpy(in, test.in, bounds.in_bytes - 8);
        test.job = job;
        test.job.in_offset = shift;
        assert_int_equal(dlop_job_check(&test.job, in, &bounds), expected);
        test.job = job;
        test.job.pack_offset = shift;
        assert_int_equal(dlop_job_check(&test.job, in, &bounds), expected);
        test.job = job;
        test.job.out_offset = shift;
        assert_int_equal(dlop_job_check(&test.job, in, &bounds), expected);
    }
    test.job = job;
    test.job.src_channels = 1; /* the frame has three */
    assert_int_equal(test_job_run(&test), DLOP_ERR_ARGUMENT);
    test.job = job;
    free(in);
    test_job_close(&test);
}

static void too_little_scratch_is_refused(void **state)
{
    (void)state;
    static struct dlop_image_work work;
    struct test_job test;

    open_small(&test, DLOP_JOB_PIXELS, 0);
    assert_int_equal(dlop_image_prepare(&test.job, &test.memory, &work), DLOP_OK);
    test.memory.scratch_bytes = work.scratch_bytes - 1;
    test.memory.scratch = guard_alloc(test.memory.scratch_bytes);
    assert_int_equal(dlop_image_run(&test.job, &test.memory, &work, &test.completion),
                     DLOP_ERR_TOO_SMALL);
    guard_free(test.memory.scratch, test.memory.scratch_bytes);
    test_job_close(&test);
}

/* Change a few fields of job, frame and data at random: closed pages and sanitizers watch. */
static void random_jobs_are_safe(void **state)
{
    (void)state;
    u32 n_ok = 0;
    struct test_job tests[3];
    u8 *sound[3];

    for (u32 i = 0; i < 3; i++) {
        open_small(&tests[i], i ? DLOP_JOB_JPEG : DLOP_JOB_PIXELS, i == 2);
        sound[i] = malloc(tests[i].memory.bounds.in_bytes);
        memcpy(sound[i], tests[i].in, tests[i].memory.bounds.in_bytes);
    }
    for (u32 n = 0; n < 30000; n++) {
        struct random_state random = random_start(random_seed() + n);
        struct test_job *test = &tests[n % 3];
        const struct dlop_job job = test->job;
        size_t in_bytes = test->memory.bounds.in_bytes;

        for (s32 i = random_in(&random, 0, 2); i > 0; i--)
            ((u8 *)&test->job)[random_u32(&random) % sizeof job] ^=
                (u8)(1 << random_u32(&random) % 8);
        for (s32 i = random_in(&random, 0, 3); i > 0; i--) {
            size_t limit = random_u32(&random) % 2 ? 104 : in_bytes;
            test->in[random_u32(&random) % limit] ^= (u8)(1 << random_u32(&random) % 8);
        }
        /* Not sizes for which the reference would rightly ask for gigabytes. */
        if (test->job.src_width_px < 4096 && test->job.src_height_px < 4096)
            n_ok += test_job_run(test) == DLOP_OK;
        memcpy(test->in, sound[n % 3], in_bytes);
        test->job = job;
    }
    assert_in_range(n_ok, 3000, 27000);
    for (u32 i = 0; i < 3; i++) {
        test_job_close(&tests[i]);
        free(sound[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_wrong_field_of_a_job_is_refused),
        cmocka_unit_test(each_wrong_field_of_a_frame_is_refused),
        cmocka_unit_test(mcus_of_more_than_ten_blocks_are_refused),
        cmocka_unit_test(ratios_that_are_not_whole_are_refused),
        cmocka_unit_test(misaligned_records_are_refused),
        cmocka_unit_test(too_little_scratch_is_refused),
        cmocka_unit_test(random_jobs_are_safe),
    };
    return cmocka_run_group_tests_name("kernel/job_check", tests, NULL, NULL);
}
