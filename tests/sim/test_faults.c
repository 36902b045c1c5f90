/* Each way in which the emulated card fails, alone: what the caller sees of it, and that the book
 * of faults agrees. */
#include "tests/sim/device.h"

#include <time.h>

#define N_LAUNCHES 60
#define N_JOBS     4

static u64 now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000 + (u64)now.tv_nsec / 1000000;
}

/* What became of launches with one kind of fault. */
struct outcome {
    u32 n_right, n_faults, n_refused_records;
};

/* Whether each completion is the expected one or the refusal of a good record; counts those. */
static bool has_only_refusals(const struct kit *kit, u32 *n_refused)
{
    for (u32 i = 0; i < kit->launch.n_jobs; i++) {
        const struct dlop_completion *got = &kit->completions[i], *want = &kit->expected[i];

        if (got->status == want->status)
            continue;
        if (want->status != DLOP_OK || got->status != DLOP_ERR_BAD_DATA || got->bytes_written)
            return false;
        ++*n_refused;
    }
    return true;
}

/* N_LAUNCHES of good records and a bad one, one after the other; those that end well must be right
 * to the bit. */
static struct outcome run_launches(struct sim *sim, u64 seed)
{
    struct random_state random = random_start(seed);
    struct outcome outcome = {0};
    struct kit kit;

    kit_open_for(&kit, sim->driver, sim->device, N_JOBS);
    sim_fill(&kit, &random, N_JOBS);
    kit.jobs[0].element_bytes = 3;
    kit_expect(&kit);
    for (u32 i = 0; i < N_LAUNCHES; i++) {
        u32 n_refused = 0;

        kit_submit(&kit);
        kit_wait(&kit);
        if (atomic_load(&kit.status) == DLOP_ERR_DEVICE_FAULT) {
            outcome.n_faults++;
            continue;
        }
        assert_int_equal(atomic_load(&kit.status), DLOP_OK);
        if (!has_only_refusals(&kit, &n_refused))
            RANDOM_FAIL(&random, "launch %u ends well with wrong completions", i);
        if (memcmp(kit.out.host, kit.expected_out, kit.out.size_bytes))
            RANDOM_FAIL(&random, "launch %u ends well with wrong data", i);
        outcome.n_right += !n_refused;
        outcome.n_refused_records += n_refused;
    }
    kit_close(&kit);
    return outcome;
}

/* Run with settings "seed=...,<fault>=1,..." on a device of its own. */
static struct outcome run_with(struct sim *sim, const char *settings)
{
    struct outcome outcome;

    sim_open(sim, 0, settings);
    outcome = run_launches(sim, random_seed());
    sim_close(sim);
    sim_check_book(&sim->book);
    return outcome;
}

static void without_faults_nothing_is_counted(void **state)
{
    (void)state;
    struct sim sim;
    struct outcome outcome = run_with(&sim, NULL);

    assert_int_equal(outcome.n_right, N_LAUNCHES);
    for (u32 fault = 0; fault < DLOP_CARD_FAULT_COUNT; fault++)
        assert_int_equal(sim.book.injected[fault], 0);
    for (u32 kind = 0; kind < DLOP_DEVICE_EVENT_COUNT; kind++)
        assert_int_equal(atomic_load(&sim.n_events[kind]), 0);
}

static void late_and_slow_cost_only_time(void **state)
{
    (void)state;
    u64 begin_ms = now_ms();
    struct sim sim;
    struct outcome outcome = run_with(&sim, "late=1,late_ms=4,slow=1,slow_ms=2");

    assert_int_equal(outcome.n_right, N_LAUNCHES);
    assert_true(now_ms() - begin_ms >= N_LAUNCHES * 4);
    assert_int_equal(sim.book.healed[DLOP_CARD_LATE], N_LAUNCHES);
    assert_int_equal(sim.book.healed[DLOP_CARD_SLOW], N_LAUNCHES);
}

/* Duplicates come while their slot is free, and while it has the next launch, which they must not
 * end. */
static void duplicates_are_dropped(void **state)
{
    (void)state;
    struct sim sim;
    struct outcome outcome = run_with(&sim, "duplicate=1,late_ms=3,slow=1,slow_ms=4");

    assert_int_equal(outcome.n_right, N_LAUNCHES);
    assert_int_equal(sim.book.injected[DLOP_CARD_DUPLICATE], N_LAUNCHES);
    assert_int_equal(atomic_load(&sim.n_events[DLOP_DEVICE_HEALED]), N_LAUNCHES);
}

static void corrupt_completions_are_found(void **state)
{
    (void)state;

    for (u32 seed = 1; seed <= 8; seed++) {
        struct outcome outcome;
        char settings[64];
        struct sim sim;

        snprintf(settings, sizeof settings, "corrupt=1,seed=%u", seed);
        outcome = run_with(&sim, settings);
        assert_int_equal(outcome.n_faults, N_LAUNCHES);
        assert_int_equal(sim.book.reported[DLOP_CARD_CORRUPT], N_LAUNCHES);
        assert_int_equal(atomic_load(&sim.n_events[DLOP_DEVICE_WRONG]), N_LAUNCHES);
        assert_non_null(strstr(sim.last_text[DLOP_DEVICE_WRONG], "cannot be right"));
    }
}

static void wrong_statuses_fail_a_launch_or_a_record(void **state)
{
    (void)state;
    struct sim sim;
    struct outcome outcome = run_with(&sim, "wrong_status=1");

    assert_int_equal(outcome.n_right, 0);
    assert_true(outcome.n_faults > 0);
    assert_true(outcome.n_refused_records > 0);
    assert_int_equal(outcome.n_faults + outcome.n_refused_records, N_LAUNCHES);
    assert_int_equal(sim.book.reported[DLOP_CARD_WRONG_STATUS], N_LAUNCHES);
    assert_int_equal(atomic_load(&sim.n_events[DLOP_DEVICE_WRONG]), outcome.n_faults);
}

static void single_flips_are_corrected(void **state)
{
    (void)state;
    struct sim sim;
    struct outcome outcome = run_with(&sim, "bit_flip=1");

    assert_int_equal(outcome.n_right, N_LAUNCHES);
    assert_true(sim.book.injected[DLOP_CARD_BIT_FLIP] > N_LAUNCHES / 2);
    assert_int_equal(sim.book.healed[DLOP_CARD_BIT_FLIP], sim.book.injected[DLOP_CARD_BIT_FLIP]);
    assert_true(atomic_load(&sim.n_events[DLOP_DEVICE_HEALED]) > N_LAUNCHES / 2);
}

/* Where a word cannot be corrected nothing of the launch is given out; the next one is well, when
 * everything is written anew. */
static void double_flips_are_reported(void **state)
{
    (void)state;
    struct sim sim;
    struct outcome outcome = run_with(&sim, "double_flip=0.5");

    assert_int_equal(outcome.n_faults + outcome.n_right, N_LAUNCHES);
    assert_true(outcome.n_faults > N_LAUNCHES / 4 && outcome.n_right > N_LAUNCHES / 4);
    assert_int_equal(sim.book.reported[DLOP_CARD_DOUBLE_FLIP], outcome.n_faults);
    assert_int_equal(atomic_load(&sim.n_events[DLOP_DEVICE_WRONG]), outcome.n_faults);
}

/* Never signalled while the card is open; told when it is closed. */
static void lost_completions_end_with_the_card(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct kit kits[3];
    struct sim sim;

    sim_open(&sim, 0, "lost=1");
    for (u32 i = 0; i < 3; i++) {
        kit_open_for(&kits[i], sim.driver, sim.device, N_JOBS);
        sim_fill(&kits[i], &random, N_JOBS);
        kit_submit(&kits[i]);
    }
    assert_false(sim_is_done(&kits[0], 50));
    sim_close(&sim);
    for (u32 i = 0; i < 3; i++) {
        assert_int_equal(atomic_load(&kits[i].n_done), 1);
        assert_int_equal(atomic_load(&kits[i].status), DLOP_ERR_TIMEOUT);
        kits[i].device = NULL;
        kit_close(&kits[i]);
    }
    assert_int_equal(sim.book.reported[DLOP_CARD_LOST], 3);
    sim_check_book(&sim.book);
}

/* ---- gone and back ---- */

/* Open launches end, lost ones too; then every call is refused. */
static void a_card_that_goes_takes_its_launches_with_it(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct dlop_buffer buffer = {0};
    struct kit kits[4];
    struct sim sim;

    sim_open(&sim, 1, "gone_after=3,slow=1,slow_ms=60");
    for (u32 i = 0; i < 4; i++) {
        kit_open_for(&kits[i], sim.driver, sim.device, N_JOBS);
        sim_fill(&kits[i], &random, N_JOBS);
        kit_sync(&kits[i]);
    }
    for (u32 i = 0; i < 3; i++)
        assert_int_equal(sim.driver->submit(sim.device, &kits[i].launch), DLOP_OK);
    assert_int_equal(sim.driver->submit(sim.device, &kits[3].launch), DLOP_ERR_DEVICE_LOST);
    assert_int_equal(atomic_load(&sim.n_events[DLOP_DEVICE_LOST]), 1);
    for (u32 i = 0; i < 3; i++) {
        assert_true(sim_is_done(&kits[i], 20000));
        assert_int_equal(atomic_load(&kits[i].status), DLOP_ERR_DEVICE_LOST);
    }
    assert_int_equal(sim.driver->submit(sim.device, &kits[3].launch), DLOP_ERR_DEVICE_LOST);
    const struct dlop_memory_ops *memory = &sim.driver->memory;
    assert_int_equal(memory->to_device(sim.device, &kits[0].in, 0, 1), DLOP_ERR_DEVICE_LOST);
    assert_int_equal(memory->from_device(sim.device, &kits[0].out, 0, 1), DLOP_ERR_DEVICE_LOST);
    assert_int_equal(memory->alloc(sim.device, 1, &buffer), DLOP_ERR_DEVICE_LOST);
    assert_int_equal(memory->wrap(sim.device, &buffer, 1, &buffer), DLOP_ERR_DEVICE_LOST);
    for (u32 i = 0; i < 4; i++)
        kit_close(&kits[i]);
    sim_close(&sim);
    assert_int_equal(atomic_load(&kits[3].n_done), 0);
    assert_int_equal(sim.book.injected[DLOP_CARD_GONE], 1);
    sim_check_book(&sim.book);
}

static void a_lost_launch_ends_when_the_card_goes(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct kit kit, other;
    struct sim sim;

    sim_open(&sim, 1, "gone_after=1,lost=1");
    kit_open_for(&kit, sim.driver, sim.device, N_JOBS);
    kit_open_for(&other, sim.driver, sim.device, N_JOBS);
    sim_fill(&kit, &random, N_JOBS);
    sim_fill(&other, &random, N_JOBS);
    kit_sync(&other);
    kit_submit(&kit);
    assert_false(sim_is_done(&kit, 50));
    assert_int_equal(sim.driver->submit(sim.device, &other.launch), DLOP_ERR_DEVICE_LOST);
    assert_true(sim_is_done(&kit, 20000));
    assert_int_equal(atomic_load(&kit.status), DLOP_ERR_TIMEOUT);
    kit_close(&kit);
    kit_close(&other);
    sim_close(&sim);
    sim_check_book(&sim.book);
}

/* After back_after refusals the card works again, but its memory has lost everything: launches are
 * refused until it is written anew. */
static void a_card_that_is_back_has_lost_its_memory(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct sim sim;
    struct kit kit;

    sim_open(&sim, 0, "gone_after=2,back_after=3");
    kit_open_for(&kit, sim.driver, sim.device, N_JOBS);
    sim_fill(&kit, &random, N_JOBS);
    for (u32 i = 0; i < 2; i++) {
        kit_submit(&kit);
        kit_wait(&kit);
        kit_check(&kit, &random);
    }
    for (u32 i = 0; i < 4; i++)
        assert_int_equal(sim.driver->submit(sim.device, &kit.launch), DLOP_ERR_DEVICE_LOST);
    assert_int_equal(atomic_load(&sim.n_events[DLOP_DEVICE_BACK]), 0);
    assert_int_equal(sim.driver->submit(sim.device, &kit.launch), DLOP_ERR_DEVICE_LOST);
    assert_int_equal(atomic_load(&sim.n_events[DLOP_DEVICE_BACK]), 1);
    assert_int_equal(
        sim.driver->memory.from_device(sim.device, &kit.constants, 0, kit.constants.size_bytes),
        DLOP_ERR_DEVICE_LOST);
    for (u32 i = 0; i < 10; i++) { /* it goes only once */
        kit_submit(&kit);
        kit_wait(&kit);
        kit_check(&kit, &random);
    }
    assert_int_equal(atomic_load(&sim.n_events[DLOP_DEVICE_LOST]), 1);
    kit_close(&kit);
    sim_close(&sim);
    sim_check_book(&sim.book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_faults_nothing_is_counted),
        cmocka_unit_test(late_and_slow_cost_only_time),
        cmocka_unit_test(duplicates_are_dropped),
        cmocka_unit_test(corrupt_completions_are_found),
        cmocka_unit_test(wrong_statuses_fail_a_launch_or_a_record),
        cmocka_unit_test(single_flips_are_corrected),
        cmocka_unit_test(double_flips_are_reported),
        cmocka_unit_test(lost_completions_end_with_the_card),
        cmocka_unit_test(a_card_that_goes_takes_its_launches_with_it),
        cmocka_unit_test(a_lost_launch_ends_when_the_card_goes),
        cmocka_unit_test(a_card_that_is_back_has_lost_its_memory),
    };

    if (!sim_have_photos())
        return 77;
    return cmocka_run_group_tests_name("sim/faults", tests, NULL, NULL);
}
