/* Stages of the image kernel behind the planes, each one alone with random data, against the steps
 * of hw/core over whole rows and pictures. */
#include "tests/kernel/kernel.h"

#include "hw/top/render.h"
#include "tests/kernel/table.h"

#define MAX_SIDE 700

static u8 bytes_a[MAX_SIDE * 64], bytes_b[MAX_SIDE * 64];

/* ---- source ---- */

/* Row y of one component at full resolution, from x on, by the reference over the whole plane. */
static void expect_row(const struct dlop_component_geometry *c, const u8 *plane, u32 x, u32 y,
                       u32 n, u8 *out)
{
    u32 kind = dlop_upsample_kind_of(c->ratio_x, c->ratio_y, c->width_samples);
    const u8 *near_row = plane + y / c->ratio_y * c->pitch_samples;
    const u8 *far_row = plane + dlop_upsample_beside(y, c->height_samples) * c->pitch_samples;

    if (kind == DLOP_UPSAMPLE_H2V1)
        dlop_upsample_h2v1_row(near_row, c->width_samples, x, n, out);
    else if (kind == DLOP_UPSAMPLE_H2V2)
        dlop_upsample_h2v2_row(near_row, far_row, c->width_samples, x, n, out);
    else if (kind == DLOP_UPSAMPLE_H1V2)
        dlop_upsample_h1v2_row(near_row, far_row, y, x, n, out);
    else
        dlop_upsample_replicate_row(near_row, c->ratio_x, x, n, out);
}

/* The plane of the stage holds the needed MCUs only: a cut of the whole one. */
static void strips_are_upsampled(void **state)
{
    (void)state;
    static u8 whole[MAX_SIDE * 100], cut[MAX_SIDE * 100], expected[DLOP_TOP_STRIP_PX];
    u8 got[DLOP_TOP_STRIP_PX];

    for (u32 n = 0; n < 4000; n++) {
        struct random_state random = random_start(random_seed() + n);
        struct dlop_component_geometry c = {0};
        struct dlop_top_strip strip;
        struct dlop_top_plane plane;
        struct dlop_top_rows samples;
        u32 width, height, rows;

        c.ratio_x = (u32)random_in(&random, 1, 4);
        c.ratio_y = (u32)random_in(&random, 1, 4);
        c.width_samples = (u32)random_in(&random, 1, n % 4 ? 20 : MAX_SIDE / 4);
        c.height_samples = (u32)random_in(&random, 1, 20);
        c.pitch_samples = (c.width_samples + 7) / 8 * 8;
        rows = (c.height_samples + 7) / 8 * 8;
        width = c.width_samples * c.ratio_x;
        height = c.height_samples * c.ratio_y;
        random_bytes(&random, whole, (size_t)c.pitch_samples * rows);
        strip.x_px = (u32)random_in(&random, 0, (s32)width - 1);
        strip.y_px = (u32)random_in(&random, 0, (s32)height - 1);
        strip.n_px = (u32)random_in(&random, 1, (s32)(width - strip.x_px));
        strip.n_px = dlop_min_u32(strip.n_px, DLOP_TOP_STRIP_PX);
        /* The first block that the strip needs, one sample to the left and one row above. */
        plane.first_x = strip.x_px / c.ratio_x;
        plane.first_x = (plane.first_x ? plane.first_x - 1 : 0) / 8 * 8;
        plane.first_y = strip.y_px / c.ratio_y;
        plane.first_y = (plane.first_y ? plane.first_y - 1 : 0) / 8 * 8;
        plane.pitch_samples = c.pitch_samples - plane.first_x;
        plane.at = random_u32(&random) % 64;
        for (u32 y = plane.first_y; y < rows; y++)
            memcpy(cut + plane.at + (y - plane.first_y) * plane.pitch_samples,
                   whole + y * c.pitch_samples + plane.first_x, plane.pitch_samples);
        expect_row(&c, whole, strip.x_px, strip.y_px, strip.n_px, expected);
        dlop_top_load_rows(cut, &c, &plane, &strip, &samples);
        dlop_top_upsample(&samples, got);
        if (memcmp(got, expected, strip.n_px))
            RANDOM_FAIL(&random, "ratio %ux%u, %ux%u samples, (%u, %u)", c.ratio_x, c.ratio_y,
                        c.width_samples, c.height_samples, strip.x_px, strip.y_px);
    }
}

static void pixels_are_copied(void **state)
{
    (void)state;
    u8 got[DLOP_TOP_STRIP_BYTES], expected[DLOP_TOP_STRIP_BYTES];

    for (u32 n = 0; n < 300; n++) {
        struct random_state random = random_start(random_seed() + n);
        u32 n_px = (u32)random_in(&random, 1, DLOP_TOP_STRIP_PX), n_channels = n % 2 ? 3 : 1;
        u32 at = random_u32(&random) % 100;

        random_bytes(&random, bytes_a, 4 * DLOP_TOP_STRIP_PX);
        dlop_colour_pixels_row(bytes_a + at, n_channels, n_px, expected);
        dlop_top_pixels(bytes_a, at, n_channels, n_px, got);
        assert_memory_equal(got, expected, n_px * DLOP_RGBX_BYTES);
    }
}

/* ---- axes ---- */

/* Tables that fit the windows, and tables that do not: many outputs, many taps. */
static struct test_table any_table(struct random_state *random, u32 n, u32 n_in)
{
    u32 n_out = (u32)random_in(random, 1, n % 8 == 1 ? 2500 : 300);
    struct test_table table;

    if (n % 8 != 0)
        return table_random(random, n_out, n_in);
    n_out = (u32)random_in(random, 10, 60);
    table = table_open(n_out, n_in, 10, 0);
    for (u32 o = 0; o < n_out; o++) {
        u32 start = random_u32(random) % n_in, n_taps = random_u32(random) % (n_in - start + 1);

        table_set_span(&table, o, (s32)start, n_taps);
        for (u32 t = 0; t < n_taps; t++)
            table_set_weight(&table, o, t, random_in(random, -9, 12));
    }
    return table;
}

static struct dlop_top_axis axis;

/* The x pass, strip by strip, and its fills. */
static void x_passes_equal_the_reference(void **state)
{
    (void)state;
    static u8 expected[2500 * 4];

    for (u32 n = 0; n < 400; n++) {
        struct random_state random = random_start(random_seed() + n);
        u32 n_in = (u32)random_in(&random, 1, MAX_SIDE);
        struct test_table table = any_table(&random, n, n_in);
        u32 n_out = table.axis.n_out;
        u64 n_taps = 0;
        u8 fill[3] = {1, 2, 3}, got[DLOP_TOP_STRIP_BYTES];

        random_bytes(&random, bytes_a, (size_t)n_in * 4);
        assert_int_equal(dlop_axis_check(table.bytes, table.n_bytes, n_out, n_in), DLOP_OK);
        dlop_axis_x_row(table.bytes, bytes_a, fill, expected);
        for (u32 o = 0; o < n_out; o++)
            n_taps += table_span(&table, o).n;
        dlop_top_axis_open(table.bytes, 0, fill, &axis);
        for (u32 o = 0; o < n_out; o += DLOP_TOP_STRIP_PX) {
            u32 n_here = dlop_min_u32(n_out - o, DLOP_TOP_STRIP_PX);

            dlop_top_x_pass(table.bytes, &axis, bytes_a, o, n_here, got);
            if (memcmp(got, expected + 4 * o, 4 * n_here))
                RANDOM_FAIL(&random, "outputs from %u of %u, %u taps", o, n_out, table.axis.n_taps);
            memset(got, 9, sizeof got);
            dlop_top_fill(table.bytes, &axis, 0, o, n_here, got);
            for (u32 i = 0; i < n_here; i++)
                assert_int_equal(got[4 * i + 1], table_span(&table, o + i).n ? 9 : fill[1]);
        }
        assert_int_equal(axis.n_multiply_adds, n_taps);
        table_close(&table);
    }
}

static void y_passes_equal_the_reference(void **state)
{
    (void)state;
    static u8 expected[MAX_SIDE * 4];

    for (u32 n = 0; n < 200; n++) {
        struct random_state random = random_start(random_seed() + n);
        u32 n_in = (u32)random_in(&random, 1, 16), width = (u32)random_in(&random, 1, MAX_SIDE);
        struct test_table table = any_table(&random, n, n_in);
        struct dlop_top_columns columns = {.picture_at = 64, .width_px = width};
        u64 n_taps = 0;
        u8 fill[3] = {1, 2, 3}, got[DLOP_TOP_STRIP_BYTES];

        random_bytes(&random, bytes_a, 64 + (size_t)n_in * width * 4);
        dlop_top_axis_open(table.bytes, 0, fill, &axis);
        for (u32 o = 0; o < table.axis.n_out; o++) {
            dlop_axis_y_row(table.bytes, o, bytes_a + 64, width, fill, expected);
            n_taps += (u64)table_span(&table, o).n * width;
            for (u32 x = 0; x < width; x += DLOP_TOP_STRIP_PX) {
                columns.first_px = x;
                columns.n_px = dlop_min_u32(width - x, DLOP_TOP_STRIP_PX);
                dlop_top_y_pass(table.bytes, &axis, o, bytes_a, &columns, got);
                /* Rows without source are filled later. */
                if (table_span(&table, o).n && memcmp(got, expected + 4 * x, 4 * columns.n_px))
                    RANDOM_FAIL(&random, "row %u of %u, columns from %u", o, table.axis.n_out, x);
            }
        }
        assert_int_equal(axis.n_multiply_adds, n_taps);
        table_close(&table);
    }
}

/* ---- out ---- */

/* Strip by strip of a whole picture, against the reference row by row. */
static void strips_are_packed_to_their_places(void **state)
{
    (void)state;
    static u8 table[DLOP_TOP_TABLE_BYTES];

    for (u32 n = 0; n < 200; n++) {
        struct random_state random = random_start(random_seed() + n);
        struct dlop_job job = {.layout = (u8)(random_u32(&random) % 2),
                               .out_channels = random_u32(&random) % 2 ? 3 : 1,
                               .element_bytes = (u8)(1u << random_u32(&random) % 4),
                               .pack_offset = 8 * (random_u32(&random) % 4)};
        size_t n_bytes;

        job.out_width_px = (u32)random_in(&random, 1, n % 4 ? 20 : 600);
        job.out_height_px = (u32)random_in(&random, 1, 3);
        job.out_offset = job.element_bytes * (random_u32(&random) % 9);
        n_bytes = job.out_offset + (size_t)job.out_width_px * job.out_height_px * job.out_channels *
                                       job.element_bytes;
        assert_true(n_bytes < sizeof bytes_a);
        memset(bytes_a, 0xa5, sizeof bytes_a);
        memset(bytes_b, 0xa5, sizeof bytes_b);
        {
            static u8 constants[DLOP_TOP_TABLE_BYTES + 32], rgbx[MAX_SIDE * 4];

            random_bytes(&random, constants, sizeof constants);
            dlop_top_load_table(constants, &job, table);
            for (u32 y = 0; y < job.out_height_px; y++) {
                random_bytes(&random, rgbx, (size_t)job.out_width_px * 4);
                dlop_pack_row(&job, constants + job.pack_offset, rgbx, y, bytes_b + job.out_offset);
                for (u32 x = 0; x < job.out_width_px; x += DLOP_TOP_STRIP_PX)
                    dlop_top_emit(&job, table, rgbx + 4 * x, (u64)y * job.out_width_px + x,
                                  dlop_min_u32(job.out_width_px - x, DLOP_TOP_STRIP_PX), bytes_a);
            }
        }
        if (memcmp(bytes_a, bytes_b, sizeof bytes_a))
            RANDOM_FAIL(&random, "%ux%u, %u channels of %u bytes, layout %u", job.out_width_px,
                        job.out_height_px, job.out_channels, job.element_bytes, job.layout);
    }
}

/* ---- completions ---- */

static void ticks_name_the_slowest_stage(void **state)
{
    (void)state;
    const struct dlop_job jpeg = {.kind = DLOP_JOB_JPEG, .src_channels = 3};
    const struct dlop_job pixels = {.kind = DLOP_JOB_PIXELS, .src_channels = 3};
    struct dlop_top_counts counts = {.symbols = 1000, .fetched_bytes = 700};
    struct dlop_completion completion;

    dlop_top_ticks(&jpeg, &counts, &completion);
    assert_int_equal(completion.busy_ticks, 1000);
    assert_int_equal(completion.starved_ticks, 0);
    assert_int_equal(completion.blocked_ticks, 0);
    counts.fetched_bytes = 1300;
    counts.blocks_transformed = 200;
    dlop_top_ticks(&jpeg, &counts, &completion);
    assert_int_equal(completion.busy_ticks, 1000);
    assert_int_equal(completion.starved_ticks, 300);
    assert_int_equal(completion.blocked_ticks, 300);
    counts.y_multiply_adds = (u64)1 << 40;
    dlop_top_ticks(&jpeg, &counts, &completion);
    assert_int_equal(completion.blocked_ticks, 0xffffffff);
    counts = (struct dlop_top_counts){.source_px = 100, .packed_elements = 350};
    dlop_top_ticks(&pixels, &counts, &completion);
    assert_int_equal(completion.busy_ticks, 100);
    assert_int_equal(completion.starved_ticks, 200);
    assert_int_equal(completion.blocked_ticks, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strips_are_upsampled),
        cmocka_unit_test(pixels_are_copied),
        cmocka_unit_test(x_passes_equal_the_reference),
        cmocka_unit_test(y_passes_equal_the_reference),
        cmocka_unit_test(strips_are_packed_to_their_places),
        cmocka_unit_test(ticks_name_the_slowest_stage),
    };
    return cmocka_run_group_tests_name("top/render_stages", tests, NULL, NULL);
}
