/* Kernel test: the CPU's JPEG steps for samples and pixels (inverse DCT, upsampling, colour)
 * against hw/core, each level of replacements.
 *
 * Rows end at a closed page right behind the slack that steps.h allows.
 */
#include "tests/kernel/kernel.h"

#include "hw/core/colour.h"
#include "hw/core/dequantise.h"
#include "hw/core/idct.h"
#include "hw/core/upsample.h"
#include "tests/kernel/jpeg_levels.h"

#define MAX_WIDTH 130
#define SLACK     DLOP_CPU_STEP_SLACK_BYTES

/* ---- inverse DCT ---- */

struct block_case {
    s16 coef[64]; /* zigzag order */
    u16 quant[64];
};

/* Kinds of blocks: 0 like a photograph's, 1 dense, 2 a single coefficient, 3 near the limits of
 * what decoders agree on, 4 anything that can be coded. */
#define N_BLOCK_KINDS 5

static struct block_case random_block(struct random_state *random, u32 kind)
{
    static const s32 largest_ac[N_BLOCK_KINDS] = {12, 200, 1023, 400, 1023};
    static const s32 largest_quant[N_BLOCK_KINDS] = {20, 40, 255, 60, 65535};
    struct block_case block = {.coef = {0}};
    static const s32 most_coefs[N_BLOCK_KINDS] = {20, 64, 1, 3, 64};
    s32 n_coefs = random_in(random, 1, most_coefs[kind]);

    for (u32 i = 0; i < 64; i++)
        block.quant[i] = (u16)random_in(random, kind == 4 ? 0 : 1, largest_quant[kind]);
    for (s32 n = 0; n < n_coefs; n++) {
        s32 i = kind == 0 ? random_in(random, 0, n_coefs) : random_in(random, 0, 63);
        s32 limit = largest_ac[kind];

        if (kind == 3) /* between the passes a product is up to 5.6 times as large */
            limit = random_in(random, 2000, 5000) / block.quant[i];
        if (i == 0)
            limit = kind == 4 ? DLOP_ENTROPY_MAX_DC : 1000 / block.quant[0];
        else if (limit > 1023)
            limit = 1023;
        block.coef[i] =
            (s16)(kind == 3 && random_in(random, 0, 1) ? limit : random_in(random, -limit, limit));
    }
    return block;
}

static u32 transform_by_core(const struct block_case *block, u8 samples[64])
{
    struct dlop_coef_block coefs = {.valid = ~(u64)0};
    s16 natural[64];
    s32 status;

    memcpy(coefs.coef, block->coef, sizeof coefs.coef);
    status = dlop_dequantise_block(&coefs, block->quant, natural);
    return !dlop_idct_block(natural, samples) || status != DLOP_OK;
}

/* One block through one level: the same verdict and, where it is not refused, the same samples. */
static void check_block(struct random_state *random, const struct dlop_cpu_steps *steps,
                        const char *name, const struct block_case *block, u32 *n_refused)
{
    const size_t stride = 8 + (size_t)random_in(random, 0, 40), n_bytes = 7 * stride + 8;
    u8 expected[64], *samples = guard_alloc(n_bytes);
    _Alignas(64) s16 coef[64];
    struct dlop_cpu_quant quant;
    u32 is_refused = transform_by_core(block, expected), got;

    dlop_cpu_quant_init(steps, block->quant, &quant);
    for (u32 i = 0; i < 64; i++)
        coef[steps->coef_position[i]] = block->coef[i];
    memset(samples, 0x5a, n_bytes);
    got = steps->idct(coef, &quant, samples, stride);
    if (got != is_refused)
        RANDOM_FAIL(random, "%s: refused %u, expected %u", name, got, is_refused);
    for (size_t i = 0; i < n_bytes && !is_refused; i++) {
        u8 wanted = i % stride < 8 ? expected[8 * (i / stride) + i % stride] : 0x5a;

        if (samples[i] != wanted)
            RANDOM_FAIL(random, "%s: row %zu, sample %zu: got %d, expected %d", name, i / stride,
                        i % stride, samples[i], wanted);
    }
    *n_refused += is_refused;
    guard_free(samples, n_bytes);
}

static void check_idct(struct random_state *random, const struct dlop_cpu_steps *steps,
                       const char *level)
{
    for (u32 kind = 0; kind < N_BLOCK_KINDS; kind++) {
        u32 n_refused = 0, n_blocks = 4000;

        for (u32 i = 0; i < n_blocks; i++) {
            struct block_case block = random_block(random, kind);
            check_block(random, steps, level, &block, &n_refused);
        }
        /* The limits must be met from both sides. */
        if (kind == 0)
            assert_int_equal(n_refused, 0);
        if (kind == 3)
            assert_in_range(n_refused, 100, n_blocks - 100);
    }
}

static void idct_equals_the_reference(void **state)
{
    (void)state;
    jpeg_check_levels(check_idct);
}

/* Every DC value with several quantisers: the flat block that decoders make by a formula. */
static void check_flat_blocks(struct random_state *random, const struct dlop_cpu_steps *steps,
                              const char *level)
{
    static const u16 quants[] = {1, 2, 3, 16, 255};
    u32 n_refused = 0;

    for (size_t q = 0; q < sizeof quants / sizeof *quants; q++) {
        struct block_case block = {.coef = {0}};

        for (u32 i = 0; i < 64; i++)
            block.quant[i] = quants[q];
        for (s32 dc = -DLOP_ENTROPY_MAX_DC; dc <= DLOP_ENTROPY_MAX_DC; dc += 1 + (dc & 1)) {
            block.coef[0] = (s16)dc;
            check_block(random, steps, level, &block, &n_refused);
        }
    }
}

static void flat_blocks_are_exhaustive(void **state)
{
    (void)state;
    jpeg_check_levels(check_flat_blocks);
}

/* ---- upsampling ---- */

/* A row of n samples with the neighbours that the filters read, SLACK readable bytes behind. */
struct sample_row {
    u8 *memory;
    size_t n_bytes;
    u8 *samples;
};

static struct sample_row row_open(struct random_state *random, u32 n)
{
    struct sample_row row = {.n_bytes = 1 + (size_t)n + SLACK};

    row.memory = guard_alloc(row.n_bytes);
    row.samples = row.memory + 1;
    random_bytes(random, row.memory, row.n_bytes);
    for (u32 i = 0; i < row.n_bytes && random_in(random, 0, 3) == 0; i++)
        row.memory[i] = random_in(random, 0, 1) ? 255 : 0;
    return row;
}

static void row_close(struct sample_row *row)
{
    guard_free(row->memory, row->n_bytes);
}

static void expect_same_bytes(struct random_state *random, const char *what, const char *name,
                              size_t n_bytes, const u8 *expected, const u8 *got)
{
    for (size_t i = 0; i < n_bytes; i++)
        if (expected[i] != got[i])
            RANDOM_FAIL(random, "%s, %s: byte %zu of %zu: got %d, expected %d", what, name, i,
                        n_bytes, got[i], expected[i]);
}

/* The three filters over n samples. The reference sees the row from the left neighbour on, so that
 * it clamps nothing. */
static void check_upsampling(struct random_state *random, const struct dlop_cpu_steps *steps,
                             const char *name, u32 n)
{
    struct sample_row near_row = row_open(random, n), far_row = row_open(random, n);
    const size_t wide_bytes = 2 * (size_t)n + SLACK, same_bytes = (size_t)n + SLACK;
    u8 expected[2 * MAX_WIDTH];
    u8 *wide = guard_alloc(wide_bytes), *same = guard_alloc(same_bytes);

    dlop_upsample_h2v1_row(near_row.memory, n + 2, 2, 2 * n, expected);
    steps->upsample_h2v1(near_row.samples, n, wide);
    expect_same_bytes(random, "h2v1", name, 2 * (size_t)n, expected, wide);
    dlop_upsample_h2v2_row(near_row.memory, far_row.memory, n + 2, 2, 2 * n, expected);
    steps->upsample_h2v2(near_row.samples, far_row.samples, n, wide);
    expect_same_bytes(random, "h2v2", name, 2 * (size_t)n, expected, wide);
    for (u32 y = 0; y < 2; y++) {
        dlop_upsample_h1v2_row(near_row.samples, far_row.samples, y, 0, n, expected);
        steps->upsample_h1v2(near_row.samples, far_row.samples, y, n, same);
        expect_same_bytes(random, "h1v2", name, n, expected, same);
    }
    guard_free(wide, wide_bytes);
    guard_free(same, same_bytes);
    row_close(&near_row);
    row_close(&far_row);
}

static void check_every_width_upsampled(struct random_state *random,
                                        const struct dlop_cpu_steps *steps, const char *level)
{
    for (u32 n = 1; n <= MAX_WIDTH; n++)
        for (u32 repeat = 0; repeat < 8; repeat++)
            check_upsampling(random, steps, level, n);
}

static void upsampling_equals_the_reference(void **state)
{
    (void)state;
    jpeg_check_levels(check_every_width_upsampled);
}

/* ---- colour ---- */

static void check_colour(struct random_state *random, const struct dlop_cpu_steps *steps,
                         const char *name, u32 n)
{
    struct sample_row a = row_open(random, n), b = row_open(random, n), c = row_open(random, n);
    const size_t n_bytes = 4 * (size_t)n, room_bytes = n_bytes + SLACK;
    u8 expected[4 * MAX_WIDTH], *rgbx = guard_alloc(room_bytes);

    dlop_colour_ycc_row(a.samples, b.samples, c.samples, n, expected);
    steps->ycc_to_rgbx(a.samples, b.samples, c.samples, n, rgbx);
    expect_same_bytes(random, "YCC", name, n_bytes, expected, rgbx);
    dlop_colour_rgb_row(a.samples, b.samples, c.samples, n, expected);
    steps->rgb_to_rgbx(a.samples, b.samples, c.samples, n, rgbx);
    expect_same_bytes(random, "RGB", name, n_bytes, expected, rgbx);
    dlop_colour_to_grey_row(expected, n);
    steps->rgbx_to_grey(rgbx, n);
    expect_same_bytes(random, "to grey", name, n_bytes, expected, rgbx);
    dlop_colour_grey_row(a.samples, n, expected);
    steps->grey_to_rgbx(a.samples, n, rgbx);
    expect_same_bytes(random, "grey", name, n_bytes, expected, rgbx);
    guard_free(rgbx, room_bytes);
    row_close(&a);
    row_close(&b);
    row_close(&c);
}

static void check_every_width_coloured(struct random_state *random,
                                       const struct dlop_cpu_steps *steps, const char *level)
{
    for (u32 n = 1; n <= MAX_WIDTH; n++)
        for (u32 repeat = 0; repeat < 8; repeat++)
            check_colour(random, steps, level, n);
}

static void colour_equals_the_reference_at_every_width(void **state)
{
    (void)state;
    jpeg_check_levels(check_every_width_coloured);
}

/* All 2^24 triples, as YCC and as RGB to grey. */
static void check_every_colour(struct random_state *random, const struct dlop_cpu_steps *steps,
                               const char *level)
{
    u8 first[256 + SLACK], second[256 + SLACK], third[256 + SLACK];
    u8 expected[4 * 256], got[4 * 256 + SLACK];

    for (u32 i = 0; i < 256; i++)
        third[i] = (u8)i;
    for (u32 high = 0; high < 65536; high++) {
        memset(first, (s32)(high >> 8), 256);
        memset(second, (s32)(high & 255), 256);
        dlop_colour_ycc_row(first, second, third, 256, expected);
        steps->ycc_to_rgbx(first, second, third, 256, got);
        if (memcmp(expected, got, sizeof expected) != 0)
            expect_same_bytes(random, "YCC", level, sizeof expected, expected, got);
        dlop_colour_rgb_row(first, second, third, 256, expected);
        memcpy(got, expected, sizeof expected);
        dlop_colour_to_grey_row(expected, 256);
        steps->rgbx_to_grey(got, 256);
        if (memcmp(expected, got, sizeof expected) != 0)
            expect_same_bytes(random, "to grey", level, sizeof expected, expected, got);
    }
}

static void colour_is_exhaustive(void **state)
{
    (void)state;
    jpeg_check_levels(check_every_colour);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idct_equals_the_reference),
        cmocka_unit_test(flat_blocks_are_exhaustive),
        cmocka_unit_test(upsampling_equals_the_reference),
        cmocka_unit_test(colour_equals_the_reference_at_every_width),
        cmocka_unit_test(colour_is_exhaustive),
    };

    return cmocka_run_group_tests_name("kernel/check_jpeg", tests, NULL, NULL);
}
