/* Kernel test: the inverse DCT against the standard's definition in double precision, and at the
 * edges of its range; dequantisation against a plain loop. */
#include "tests/kernel/kernel.h"

#include <math.h>

#include "hw/core/dequantise.h"
#include "hw/core/idct.h"

static const double PI = 3.14159265358979323846;

/* The definition in ITU-T T.81, A.3.3, evaluated directly: slow, and independent of the fast flow
 * graph. */
static double idct_by_definition(const s16 coef[64], int x, int y)
{
    double sum = 0;
    for (int v = 0; v < 8; v++)
        for (int u = 0; u < 8; u++)
            sum += (u ? 1 : sqrt(0.5)) * (v ? 1 : sqrt(0.5)) * coef[8 * v + u] *
                   cos((2 * x + 1) * u * PI / 16) * cos((2 * y + 1) * v * PI / 16);
    return sum / 4 + 128;
}

static void dc_only_block_is_flat(void **state)
{
    (void)state;
    for (int dc = -16383; dc <= 16383; dc++) {
        s16 coef[64] = {(s16)dc};
        u8 samples[64];
        int flat = ((dc + 4) >> 3) + 128;

        flat = flat < 0 ? 0 : flat > 255 ? 255 : flat;
        /* 4 * dc is what pass 1 makes of it. */
        assert_int_equal(dlop_idct_block(coef, samples), abs(dc) <= 16383 / 4);
        if (abs(dc) > 16383 / 4)
            continue;
        for (int i = 0; i < 64; i++)
            assert_int_equal(samples[i], flat);
    }
}

/* Run under the undefined-behaviour sanitizer: no s16 input may overflow a sum, and large ones must
 * be refused. */
static void extreme_blocks_are_refused_without_overflow(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());

    for (int block = 0; block < 20000; block++) {
        s16 coef[64];
        u8 samples[64];
        for (int i = 0; i < 64; i++)
            coef[i] = random_u32(&random) & 1 ? 32767 : -32768;
        if (dlop_idct_block(coef, samples) != 0)
            RANDOM_FAIL(&random, "block %d was not refused", block);
    }
}

static void random_blocks_are_within_one_level_of_the_definition(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());

    for (int block = 0; block < 2000; block++) {
        s16 coef[64];
        u8 samples[64];
        for (int i = 0; i < 64; i++)
            coef[i] = (s16)random_in(&random, -100, 100);
        assert_int_equal(dlop_idct_block(coef, samples), 1);
        for (int i = 0; i < 64; i++) {
            double expected = idct_by_definition(coef, i % 8, i / 8);
            expected = expected < 0 ? 0 : expected > 255 ? 255 : expected;
            if (fabs(samples[i] - expected) > 1.0)
                RANDOM_FAIL(&random, "block %d sample %d: got %d, expected %.2f", block, i,
                            samples[i], expected);
        }
    }
}

/* The zigzag path walked cell by cell, as the standard's figure draws it. */
static void walk_zigzag(int natural[64])
{
    int x = 0, y = 0;
    for (int i = 0; i < 64; i++) {
        natural[i] = 8 * y + x;
        int is_upwards = (x + y) % 2 == 0;
        if (is_upwards ? x == 7 : y == 7)
            is_upwards ? y++ : x++;
        else if (is_upwards ? y == 0 : x == 0)
            is_upwards ? x++ : y++;
        else
            x += is_upwards ? 1 : -1, y += is_upwards ? -1 : 1;
    }
}

static void dequantised_blocks_equal_a_plain_loop(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    int natural[64];
    int n_refused = 0;

    walk_zigzag(natural);
    for (int block = 0; block < 5000; block++) {
        struct dlop_coef_block coefs;
        u16 quant[64];
        s16 got[64];
        int is_refused = 0;
        int coef_max = 16383 >> random_in(&random, 0, 13);
        int quant_max = 65535 >> random_in(&random, 0, 15);

        coefs.valid = (u64)random_u32(&random) << 32 | random_u32(&random);
        for (int i = 0; i < 64; i++) {
            coefs.coef[i] = (s16)random_in(&random, -coef_max, coef_max);
            quant[i] = (u16)random_in(&random, 0, quant_max);
            if (coefs.valid >> i & 1 && llabs((long long)coefs.coef[i] * quant[i]) > 16383)
                is_refused = 1;
        }
        n_refused += is_refused;
        assert_int_equal(dlop_dequantise_block(&coefs, quant, got),
                         is_refused ? DLOP_ERR_INEXACT : DLOP_OK);
        for (int i = 0; i < 64 && !is_refused; i++) {
            int expected = coefs.valid >> i & 1 ? coefs.coef[i] * quant[i] : 0;
            if (got[natural[i]] != expected)
                RANDOM_FAIL(&random, "block %d coefficient %d: got %d, expected %d", block, i,
                            got[natural[i]], expected);
        }
    }
    assert_in_range(n_refused, 500, 4500);
}

/* The last products that are accepted and the first that are refused. */
static void the_range_of_products_is_exact(void **state)
{
    (void)state;
    static const struct {
        s16 coef;
        u16 quant;
        s32 expected;
    } cases[] = {
        {16383, 1, DLOP_OK},          {-16383, 1, DLOP_OK},
        {5461, 3, DLOP_OK},           {-5461, 3, DLOP_OK},
        {1, 16384, DLOP_ERR_INEXACT}, {-1, 16384, DLOP_ERR_INEXACT},
        {8192, 2, DLOP_ERR_INEXACT},  {-8192, 2, DLOP_ERR_INEXACT},
        {0, 65535, DLOP_OK},          {16383, 65535, DLOP_ERR_INEXACT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (u32 k = 0; k < 64; k++) {
            struct dlop_coef_block block = {.valid = (u64)1 << k};
            u16 quant[64] = {0};
            s16 natural[64];

            block.coef[k] = cases[i].coef;
            quant[k] = cases[i].quant;
            assert_int_equal(dlop_dequantise_block(&block, quant, natural), cases[i].expected);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dc_only_block_is_flat),
        cmocka_unit_test(extreme_blocks_are_refused_without_overflow),
        cmocka_unit_test(random_blocks_are_within_one_level_of_the_definition),
        cmocka_unit_test(dequantised_blocks_equal_a_plain_loop),
        cmocka_unit_test(the_range_of_products_is_exact),
    };
    return cmocka_run_group_tests_name("kernel/idct", tests, NULL, NULL);
}
