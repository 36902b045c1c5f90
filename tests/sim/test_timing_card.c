/* Cycle model: engines that fit a card, rates, limits, and that nothing of ours looks confirmed. */
#include "tests/sim/timing_unit.h"

static const struct dlop_timing_card *card_named(const char *name)
{
    const struct dlop_timing_card *card;

    for (u32 i = 0; (card = dlop_timing_card_at(i)); i++) {
        if (!strcmp(card->name, name))
            return card;
    }
    fail_msg("no card %s", name);
    return NULL;
}

static void every_card_is_there_and_holds_engines(void **state)
{
    (void)state;
    static const char *const names[] = {"U50", "U55C", "U200", "U250", "U280", "VCK5000", "V80"};
    u32 scarce = 99;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct dlop_timing_card *card = card_named(names[i]);
        assert_in_range(dlop_timing_engines_that_fit(card, &scarce), 4, 60);
        assert_in_range(scarce, 0, DLOP_TIMING_RESOURCE_COUNT - 1);
        assert_in_range(card->memory_mbytes_per_s, 19250, 820000);
        assert_in_range(card->pcie_in_mbytes_per_s, 10000, 32000);
        assert_in_range(card->pcie_out_mbytes_per_s, 10000, 32000);
        assert_true(strlen(card->source) > 10 && strlen(card->pcie_source) > 10);
    }
    assert_null(dlop_timing_card_at(sizeof names / sizeof names[0]));
}

/* One region that holds exactly three engines of everything but block memory, of which it holds
 * two; the same with a memory controller, which leaves one. */
static void engines_fit_by_the_scarcest_resource(void **state)
{
    (void)state;
    u32 cost[DLOP_TIMING_RESOURCE_COUNT], scarce;
    static const u32 percent[] = {70, 50, 80, 80, 80};
    struct dlop_timing_card card = {.n_regions = 1};

    dlop_timing_engine_cost(cost);
    for (u32 r = 0; r < DLOP_TIMING_RESOURCE_COUNT; r++)
        card.region[0][r] = (3 * cost[r] * 100 + percent[r] - 1) / percent[r];
    assert_int_equal(dlop_timing_engines_that_fit(&card, &scarce), 3);
    card.region[0][DLOP_TIMING_BRAM] = (2 * cost[DLOP_TIMING_BRAM] * 100 + 79) / 80;
    assert_int_equal(dlop_timing_engines_that_fit(&card, &scarce), 2);
    assert_int_equal(scarce, DLOP_TIMING_BRAM);
    card.region[0][DLOP_TIMING_BRAM] -= 2;
    assert_int_equal(dlop_timing_engines_that_fit(&card, &scarce), 1);
    card.region[0][DLOP_TIMING_BRAM] += 2 + 100 * 100 / 80;
    card.n_controllers = 1; /* its LUT leave two engines, its block memory was added */
    assert_int_equal(dlop_timing_engines_that_fit(&card, &scarce), 2);
    card.n_regions = 2; /* an engine does not stretch over two regions */
    card.region[1][DLOP_TIMING_LUT] = cost[DLOP_TIMING_LUT];
    assert_int_equal(dlop_timing_engines_that_fit(&card, &scarce), 2);
}

/* 10 jobs of 100 clocks; 1 MB in, 2 MB out, 4 MB of memory each. */
static void the_smallest_rate_is_the_limit(void **state)
{
    (void)state;
    struct dlop_timing_card card = *card_named("U50");
    struct dlop_timing_load load = {.n_jobs = 10,
                                    .cycles = 1000,
                                    .host_in_bytes = 10000000,
                                    .host_out_bytes = 20000000,
                                    .memory_bytes = 40000000};
    struct dlop_timing_rate rate;

    load.stage[DLOP_TIMING_IDCT] = 10000;
    card.pcie_in_mbytes_per_s = 10000;
    card.pcie_out_mbytes_per_s = 20002;
    card.memory_mbytes_per_s = 100000;
    dlop_timing_card_rate(&card, &unit, &load, &rate);
    assert_int_equal(rate.engine_images_per_s, 10000);
    assert_int_equal(rate.images_per_s[DLOP_TIMING_LIMIT_ENGINES], 10000 * rate.n_engines);
    assert_int_equal(rate.images_per_s[DLOP_TIMING_LIMIT_PCIE_IN], 10000);
    assert_int_equal(rate.images_per_s[DLOP_TIMING_LIMIT_PCIE_OUT], 10001);
    assert_int_equal(rate.images_per_s[DLOP_TIMING_LIMIT_MEMORY], 17500);
    card.pcie_in_mbytes_per_s = 5000;
    dlop_timing_card_rate(&card, &unit, &load, &rate);
    assert_string_equal(dlop_timing_limit_name(&rate), "PCIe in");
    card.pcie_out_mbytes_per_s = 8000;
    dlop_timing_card_rate(&card, &unit, &load, &rate);
    assert_string_equal(dlop_timing_limit_name(&rate), "PCIe out");
    card.memory_mbytes_per_s = 10000;
    dlop_timing_card_rate(&card, &unit, &load, &rate);
    assert_string_equal(dlop_timing_limit_name(&rate), "memory");
    load.cycles = 10000000;
    dlop_timing_card_rate(&card, &unit, &load, &rate);
    assert_string_equal(dlop_timing_limit_name(&rate), "idct");
}

static void loads_add_up(void **state)
{
    (void)state;
    struct dlop_timing_work work[2] = {{.host_in_bytes = 1,
                                        .host_out_bytes = 20,
                                        .read_bytes = 300,
                                        .write_bytes = 4000,
                                        .scratch_bytes = 50000},
                                       {.out_px = 7}};
    struct dlop_timing_load load = {0};
    struct dlop_timing_cycles cycles = predict(&work[1], &unit);

    dlop_timing_load_add(&load, work, 2, &cycles);
    dlop_timing_load_add(&load, work, 1, &cycles);
    assert_int_equal(load.n_jobs, 3);
    assert_int_equal(load.cycles, 14);
    assert_int_equal(load.stage[DLOP_TIMING_PACK], 14);
    assert_int_equal(load.host_in_bytes, 2);
    assert_int_equal(load.host_out_bytes, 40);
    assert_int_equal(load.memory_bytes, 2 * 104321);
}

/* Nothing of ours may look confirmed before a vendor tool confirmed it. */
static void assumptions_are_marked(void **state)
{
    (void)state;
    const struct dlop_timing_assumption *a = dlop_timing_assumption_at(0);
    u32 n = 0, n_assumed = 0;

    assert_non_null(strstr(a->what, "entropy"));
    assert_int_equal(a->trust, DLOP_TIMING_ASSUMED);
    for (; (a = dlop_timing_assumption_at(n)); n++)
        n_assumed += a->trust == DLOP_TIMING_ASSUMED;
    assert_true(n_assumed > 8);
    assert_string_equal(dlop_timing_trust_name(DLOP_TIMING_ASSUMED), "ASSUMED");
    assert_string_equal(dlop_timing_trust_name(DLOP_TIMING_PUBLISHED), "published");
    assert_string_equal(dlop_timing_stage_name(DLOP_TIMING_ENTROPY), "entropy");
    assert_string_equal(dlop_timing_stage_name(DLOP_TIMING_STAGE_COUNT), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_card_is_there_and_holds_engines),
        cmocka_unit_test(engines_fit_by_the_scarcest_resource),
        cmocka_unit_test(the_smallest_rate_is_the_limit),
        cmocka_unit_test(loads_add_up),
        cmocka_unit_test(assumptions_are_marked),
    };

    return cmocka_run_group_tests_name("sim/timing_card", tests, NULL, NULL);
}
