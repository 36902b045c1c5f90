/* Kernel test: whole jobs on pixels against a plain composition with sums in 64 bits: both pass
 * orders, grey, fills, layouts, element sizes, regions, empty regions. */
#include "tests/kernel/kernel.h"

#include "tests/kernel/job.h"

#define MAX_SIDE 24

/* Pictures of the slow composition: RGB values of any position. */
struct picture {
    u32 width, height;
    u8 rgb[MAX_SIDE][MAX_SIDE][3];
};

static u8 rounded(s64 sum, u32 precision_bits)
{
    s64 unit = (s64)1 << precision_bits, shifted = sum + unit / 2;
    s64 value = shifted >= 0 ? shifted / unit : -((-shifted + unit - 1) / unit);
    return (u8)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* Resample along x, or along y where is_y; outputs without source stay 0, fills come later. */
static void resample(const struct picture *in, const struct test_table *table, int is_y,
                     struct picture *out)
{
    memset(out, 0, sizeof *out);
    out->width = is_y ? in->width : table->axis.n_out;
    out->height = is_y ? table->axis.n_out : in->height;
    for (u32 y = 0; y < out->height; y++)
        for (u32 x = 0; x < out->width; x++)
            for (u32 c = 0; c < 3; c++) {
                u32 o = is_y ? y : x;
                struct dlop_span span = table_span(table, o);
                s64 sum = 0;
                for (u32 t = 0; t < span.n; t++) {
                    u32 from = (u32)span.start + t;
                    u8 value = is_y ? in->rgb[from][x][c] : in->rgb[y][from][c];
                    sum += (s64)table_weight(table, o, t) * value;
                }
                out->rgb[y][x][c] = rounded(sum, table->axis.precision_bits);
            }
}

/* (19595 R + 38470 G + 7471 B + 0x8000) / 65536, rounded down. */
static void to_grey(struct picture *p)
{
    for (u32 y = 0; y < p->height; y++)
        for (u32 x = 0; x < p->width; x++) {
            const u8 *c = p->rgb[y][x];
            u8 grey = (u8)((19595 * c[0] + 38470 * c[1] + 7471 * c[2] + 32768) / 65536);
            memset(p->rgb[y][x], grey, 3);
        }
}

static void compose(const struct test_job_cfg *cfg, struct picture *result)
{
    static struct picture source, middle;
    const u32 *rect = cfg->rect;

    source.width = rect[2];
    source.height = rect[3];
    for (u32 y = 0; y < rect[3]; y++)
        for (u32 x = 0; x < rect[2]; x++)
            for (u32 c = 0; c < 3; c++) {
                size_t px = (rect[1] + y) * cfg->src_width_px + rect[0] + x;
                source.rgb[y][x][c] =
                    cfg->source[px * cfg->src_channels + (cfg->src_channels == 3 ? c : 0)];
            }
    if (cfg->grey == DLOP_GREY_BEFORE_AXES)
        to_grey(&source);
    if (cfg->pass_order == DLOP_PASS_X_FIRST) {
        resample(&source, cfg->x, 0, &middle);
        resample(&middle, cfg->y, 1, result);
    } else {
        resample(&source, cfg->y, 1, &middle);
        resample(&middle, cfg->x, 0, result);
    }
    if (cfg->grey == DLOP_GREY_AFTER_AXES)
        to_grey(result);
    for (u32 y = 0; y < result->height; y++)
        for (u32 x = 0; x < result->width; x++)
            if (table_span(cfg->x, x).n == 0 || table_span(cfg->y, y).n == 0)
                memcpy(result->rgb[y][x], cfg->fill, 3);
}

static void compare(const struct test_job_cfg *cfg, const struct test_job *test,
                    const struct picture *expected, const struct random_state *random)
{
    u32 n_channels = cfg->out_channels, n_bytes = cfg->element_bytes;

    for (u32 y = 0; y < expected->height; y++)
        for (u32 x = 0; x < expected->width; x++)
            for (u32 c = 0; c < n_channels; c++) {
                size_t index = cfg->layout == DLOP_LAYOUT_HWC
                                   ? (y * expected->width + x) * n_channels + c
                                   : (c * expected->height + y) * expected->width + x;
                size_t entry = c * 256 + expected->rgb[y][x][c];
                if (memcmp(test->memory.out + index * n_bytes, cfg->pack + entry * n_bytes,
                           n_bytes) != 0)
                    RANDOM_FAIL(random,
                                "(%u, %u) channel %u of %ux%u, order %d, grey %d, layout %d", x, y,
                                c, expected->width, expected->height, cfg->pass_order, cfg->grey,
                                cfg->layout);
            }
}

static void random_cfg(struct random_state *random, struct test_job_cfg *cfg)
{
    *cfg = (struct test_job_cfg){
        .kind = DLOP_JOB_PIXELS,
        .pass_order = (u8)(random_u32(random) % DLOP_PASS_ORDER_COUNT),
        .grey = (u8)(random_u32(random) % DLOP_GREY_COUNT),
        .layout = (u8)(random_u32(random) % DLOP_LAYOUT_COUNT),
        .src_channels = random_u32(random) % 3 ? 3 : 1,
        .out_channels = random_u32(random) % 3 ? 3 : 1,
        .element_bytes = (u8)(1 << random_u32(random) % 4),
        .fill = {(u8)random_u32(random), (u8)random_u32(random), (u8)random_u32(random)},
        .src_width_px = (u32)random_in(random, 1, MAX_SIDE),
        .src_height_px = (u32)random_in(random, 1, MAX_SIDE),
    };
    cfg->rect[0] = (u32)random_in(random, 0, (s32)cfg->src_width_px - 1);
    cfg->rect[1] = (u32)random_in(random, 0, (s32)cfg->src_height_px - 1);
    /* A region may be empty: all output is fill then. */
    cfg->rect[2] = (u32)random_in(random, random_u32(random) % 8 ? 1 : 0,
                                  (s32)(cfg->src_width_px - cfg->rect[0]));
    cfg->rect[3] = (u32)random_in(random, random_u32(random) % 8 ? 1 : 0,
                                  (s32)(cfg->src_height_px - cfg->rect[1]));
    cfg->source_bytes = (size_t)cfg->src_width_px * cfg->src_height_px * cfg->src_channels;
}

static void jobs_equal_the_plain_composition(void **state)
{
    (void)state;
    static struct picture expected;
    static u8 source[MAX_SIDE * MAX_SIDE * 3], pack[3 * 256 * 8];

    for (u32 n = 0; n < 3000; n++) {
        struct random_state random = random_start(random_seed() + n);
        struct test_job_cfg cfg;
        struct test_job test;

        random_cfg(&random, &cfg);
        struct test_table x =
            table_random(&random, (u32)random_in(&random, 1, MAX_SIDE), cfg.rect[2]);
        struct test_table y =
            table_random(&random, (u32)random_in(&random, 1, MAX_SIDE), cfg.rect[3]);
        random_bytes(&random, source, sizeof source);
        random_bytes(&random, pack, sizeof pack);
        cfg.source = source;
        cfg.pack = pack;
        cfg.x = &x;
        cfg.y = &y;
        test_job_open(&test, &cfg);
        s32 status = test_job_run(&test);
        if (status != DLOP_OK)
            RANDOM_FAIL(&random, "status %d", status);
        assert_int_equal(test.completion.record, 4711);
        assert_int_equal(test.completion.status, DLOP_OK);
        assert_int_equal(test.completion.bytes_written, test.job.out_bytes);
        assert_int_equal(test.completion.blocks_decoded, 0);
        compose(&cfg, &expected);
        compare(&cfg, &test, &expected, &random);
        test_job_close(&test);
        table_close(&x);
        table_close(&y);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_equal_the_plain_composition),
    };
    return cmocka_run_group_tests_name("kernel/pipeline", tests, NULL, NULL);
}
