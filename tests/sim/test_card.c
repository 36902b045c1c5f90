/* The emulated card as a place: guard pages, strict memory, settings, units, order, clock. */
#include "tests/sim/device.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim/card_internal.h"
#include "sim/timing.h"
#include "tests/top/launch.h"

/* ---- guard pages ---- */

static void no_signal(void *cookie, u64 tag, s32 status)
{
    (void)cookie, (void)tag, (void)status;
}

static void no_notice(void *cookie, u32 notice, const char *text)
{
    (void)cookie, (void)notice, (void)text;
}

static struct dlop_card *open_card(const char *settings)
{
    const struct dlop_card_host host = {no_signal, no_notice, NULL};
    struct dlop_card *card = NULL;
    struct dlop_card_cfg cfg;
    char reason[160];

    dlop_card_cfg_init(&cfg);
    assert_int_equal(dlop_card_cfg_parse(settings, &cfg, reason, sizeof reason), DLOP_OK);
    assert_int_equal(dlop_card_open(&cfg, &host, &card), DLOP_OK);
    return card;
}

/* What a child writes to or reads from, of memory of n_bytes. */
enum touch { LAST_CARD_BYTE, PAST_CARD, BEFORE_CARD, LAST_HOST_BYTE, PAST_HOST, BEFORE_HOST };

/* In a child: a fault ends it, quietly; cmocka would catch it and go on. */
static void let_faults_kill(void)
{
    struct rlimit no_core = {0, 0};

    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    if (!freopen("/dev/null", "w", stderr))
        _exit(2);
}

static void touch_memory(enum touch what, u64 n_bytes)
{
    struct dlop_card *card = open_card(NULL);
    struct dlop_card_memory *memory;
    volatile u8 *at = NULL;

    let_faults_kill();
    if (dlop_card_alloc(card, n_bytes, NULL, &memory) != DLOP_OK)
        _exit(2);
    if (what == LAST_CARD_BYTE)
        at = memory->bytes + n_bytes - 1;
    else if (what == PAST_CARD)
        at = memory->bytes + (n_bytes + 7) / 8 * 8;
    else if (what == BEFORE_CARD)
        at = memory->map + sysconf(_SC_PAGESIZE) - 1;
    else if (what == LAST_HOST_BYTE)
        at = memory->host + n_bytes - 1;
    else if (what == PAST_HOST)
        at = memory->host + (n_bytes + 63) / 64 * 64;
    else
        at = memory->host_map + sysconf(_SC_PAGESIZE) - 1;
    *at = 1;
    _exit(0);
}

/* Whether a child survives it. */
static bool survives(enum touch what, u64 n_bytes)
{
    pid_t child = fork();
    int status;

    if (child == 0)
        touch_memory(what, n_bytes);
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 2);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void a_byte_outside_of_a_buffer_kills(void **state)
{
    (void)state;
    static const u64 sizes[] = {1, 64, 4096, 5000, 65537};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_true(survives(LAST_CARD_BYTE, sizes[i]));
        assert_false(survives(PAST_CARD, sizes[i]));
        assert_false(survives(BEFORE_CARD, sizes[i]));
        assert_true(survives(LAST_HOST_BYTE, sizes[i]));
        assert_false(survives(PAST_HOST, sizes[i]));
        assert_false(survives(BEFORE_HOST, sizes[i]));
    }
}

/* A kernel that is told of more bytes than there are writes past the end: it dies. */
static void run_past_the_end(void)
{
    struct random_state random = random_start(random_seed());
    struct dlop_card_memory *out;
    struct dlop_job *job;
    struct sim sim;
    struct kit kit;

    let_faults_kill();
    sim_open(&sim, 1, NULL);
    kit_open_for(&kit, sim.driver, sim.device, 3);
    sim_fill(&kit, &random, 3);
    out = kit.out.driver_data;
    job = &kit.jobs[2];
    job->out_offset = (kit.out.size_bytes - job->out_bytes) / 8 * 8 + 8;
    kit_sync(&kit);
    out->n_bytes += 64; /* the lie */
    kit.out.size_bytes += 64;
    if (sim_submit(&kit) != DLOP_OK)
        _exit(2);
    sim_is_done(&kit, 20000);
    _exit(0);
}

static void a_kernel_that_writes_past_the_end_dies(void **state)
{
    (void)state;
    pid_t child = fork();
    int status;

    if (child == 0)
        run_past_the_end();
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status)) /* sanitizers exit with a status of theirs */
        assert_true(WEXITSTATUS(status) > 2);
}

/* ---- strict memory ---- */

/* One launch without one of its transfers. buffer: 0 in, 1 constants, 2 back from the card. Whether
 * the output is right nevertheless. */
static bool is_right_without(const char *settings, u32 left_out)
{
    struct random_state random = random_start(random_seed());
    struct sim sim;
    struct kit kit;
    bool is_right;

    sim_open(&sim, 0, settings);
    kit_open_for(&kit, sim.driver, sim.device, 6);
    sim_fill(&kit, &random, 6);
    memset(kit.out.host, KIT_CANARY, kit.out.size_bytes);
    const struct dlop_memory_ops *memory = &sim.driver->memory;
    if (left_out != 0)
        memory->to_device(sim.device, &kit.in, 0, kit.in.size_bytes);
    if (left_out != 1)
        memory->to_device(sim.device, &kit.constants, 0, kit.constants.size_bytes);
    memory->to_device(sim.device, &kit.out, 0, kit.out.size_bytes);
    assert_int_equal(sim_submit(&kit), DLOP_OK);
    assert_true(sim_is_done(&kit, 20000));
    if (left_out != 2)
        memory->from_device(sim.device, &kit.out, 0, kit.out.size_bytes);
    is_right = atomic_load(&kit.status) == DLOP_OK &&
               !memcmp(kit.out.host, kit.expected_out, kit.out.size_bytes);
    kit_close(&kit);
    sim_close(&sim);
    return is_right;
}

static void a_forgotten_transfer_is_wrong_data(void **state)
{
    (void)state;

    for (u32 left_out = 0; left_out < 4; left_out++) {
        assert_int_equal(is_right_without(NULL, left_out), left_out == 3);
        assert_int_equal(is_right_without("strict=1", left_out), left_out == 3);
        assert_true(is_right_without("strict=0", left_out));
    }
}

/* Memory that was the card's before does not show what it held. */
static void fresh_memory_is_full_of_nonsense(void **state)
{
    (void)state;
    static u8 tensor[5000];
    struct dlop_card *card = open_card(NULL);
    struct dlop_card_memory *memory;

    for (u32 round = 0; round < 3; round++) {
        memset(tensor, 7, sizeof tensor);
        assert_int_equal(dlop_card_alloc(card, sizeof tensor, tensor, &memory), DLOP_OK);
        assert_ptr_equal(dlop_card_host_view(memory), tensor);
        assert_int_equal(dlop_card_read(card, memory, 0, sizeof tensor), DLOP_OK);
        for (u32 i = 0; i < sizeof tensor; i++)
            assert_int_equal(tensor[i], DLOP_CARD_FRESH_BYTE);
        memset(tensor, (int)round, sizeof tensor);
        assert_int_equal(dlop_card_write(card, memory, 0, sizeof tensor), DLOP_OK);
        dlop_card_free(card, memory);
    }
    dlop_card_close(&card, NULL);
}

/* ---- settings ---- */

static void settings_are_read_strictly(void **state)
{
    (void)state;
    static const char *const good[] = {"", "seed=7,lost=0.01,late=1,duplicate=0,corrupt=0.000001",
                                       "strict=0,units=32,tensor_units=1,queue=1",
                                       "seed=18446744073709551615",
                                       "gone_after=0,back_after=3,slow=1.0,late_ms=0"};
    static const char *const bad[] = {"seed",
                                      "seed=",
                                      "seed=-1",
                                      "seed=0x7",
                                      "seed= 7",
                                      "seed=18446744073709551616",
                                      "lost=1.1",
                                      "lost=.5",
                                      "lost=0.",
                                      "lost=0,5",
                                      "lost=0.0000001",
                                      "lost=1e-2",
                                      "lost=nan",
                                      "units=0",
                                      "units=33",
                                      "units=3,units=3",
                                      "speed=1",
                                      "Lost=1",
                                      "units=1,",
                                      ",units=1",
                                      "units=1,,queue=1",
                                      "=1",
                                      "strict=2",
                                      "strict=0,bit_flip=0.1",
                                      "late_ms=60001"};
    struct sim sim;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        sim_open(&sim, 0, good[i]);
        sim_close(&sim);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (sim_try_open(&sim, 0, bad[i]) != DLOP_ERR_ARGUMENT)
            fail_msg("\"%s\" is not refused", bad[i]);
        assert_null(sim.device);
        assert_int_equal(atomic_load(&sim.n_events[DLOP_DEVICE_NOTE]), 1);
        assert_non_null(strstr(sim.last_text[DLOP_DEVICE_NOTE], "settings of sim"));
    }
}

/* Text of any kind: read or refused with a reason, never more than the reason's room. */
static void any_text_is_read_or_refused(void **state)
{
    (void)state;
    static const char letters[] = "unitseolaqrg_=,,.0123456789\xff ";
    struct random_state random = random_start(random_seed());

    for (u32 i = 0; i < 20000; i++) {
        char text[64], reason[24 + 1];
        u32 n = random_u32(&random) % (sizeof text - 1);
        struct dlop_card_cfg cfg;

        for (u32 c = 0; c < n; c++)
            text[c] = letters[random_u32(&random) % (sizeof letters - 1)];
        text[n] = '\0';
        if (random_u32(&random) % 2)
            memcpy(text, "units=", n < 6 ? n : 6);
        dlop_card_cfg_init(&cfg);
        reason[0] = '\0';
        reason[24] = 'x';
        if (dlop_card_cfg_parse(text, &cfg, reason, 24) != DLOP_OK)
            assert_true(strlen(reason) > 0);
        assert_int_equal(reason[24], 'x');
    }
}

static void units_are_as_many_as_asked_for(void **state)
{
    (void)state;
    static const struct {
        u32 n_threads;
        const char *settings;
        u32 n_units;
    } cases[] = {
        {0, NULL, 3},    {1, NULL, 2}, {7, "", 8}, {7, "units=3", 4}, {0, "tensor_units=5", 7},
        {1000, NULL, 33}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sim sim;

        sim_open(&sim, cases[i].n_threads, cases[i].settings);
        assert_int_equal(sim.driver->n_units(sim.device), cases[i].n_units);
        sim_close(&sim);
    }
}

/* ---- queue and clock ---- */

static atomic_uint n_ended;
static u32 order[32];

static void note_order(struct dlop_launch *launch, dlop_status status)
{
    assert_int_equal(status, DLOP_OK);
    order[atomic_fetch_add(&n_ended, 1)] = *(u32 *)launch->cookie;
}

/* With one unit of a kernel, its launches end in the order in which they came. */
static void one_unit_keeps_the_order(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct dlop_completion completions[32][2];
    struct dlop_launch launches[32];
    u32 numbers[32];
    struct sim sim;
    struct kit kit;

    sim_open(&sim, 1, NULL);
    kit_open_for(&kit, sim.driver, sim.device, 2);
    sim_fill(&kit, &random, 2); /* JPEG and PIXELS: one kernel */
    kit_sync(&kit);
    atomic_store(&n_ended, 0);
    for (u32 i = 0; i < 32; i++) {
        numbers[i] = i;
        launches[i] = kit.launch;
        launches[i].completions = completions[i];
        launches[i].done = note_order;
        launches[i].cookie = &numbers[i];
        assert_int_equal(sim.driver->submit(sim.device, &launches[i]), DLOP_OK);
    }
    sim_close(&sim);
    assert_int_equal(atomic_load(&n_ended), 32);
    for (u32 i = 0; i < 32; i++)
        assert_int_equal(order[i], i);
    kit.device = NULL;
    kit_close(&kit);
}

static void a_full_queue_takes_nothing(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct kit kits[3];
    struct sim sim;

    sim_open(&sim, 1, "queue=2,slow=1,slow_ms=300");
    for (u32 i = 0; i < 3; i++) {
        kit_open_for(&kits[i], sim.driver, sim.device, 3);
        sim_fill(&kits[i], &random, 3);
        kit_sync(&kits[i]);
    }
    assert_int_equal(sim.driver->submit(sim.device, &kits[0].launch), DLOP_OK);
    assert_int_equal(sim.driver->submit(sim.device, &kits[1].launch), DLOP_OK);
    assert_int_equal(sim.driver->submit(sim.device, &kits[2].launch), DLOP_AGAIN);
    kit_wait(&kits[0]);
    assert_int_equal(atomic_load(&kits[2].n_done), 0);
    assert_int_equal(sim_submit(&kits[2]), DLOP_OK);
    for (u32 i = 0; i < 3; i++) {
        if (i)
            kit_wait(&kits[i]);
        kit_check(&kits[i], &random);
        kit_close(&kits[i]);
    }
    sim_close(&sim);
}

/* The clock counts work: the same twice for the same jobs, whatever the machine does meanwhile, and
 * the model's cycles of these jobs. */
static void the_clock_counts_work(void **state)
{
    (void)state;
    static struct dlop_top_counts counts[2];
    u64 cycles[2], expected = 0;

    for (u32 round = 0; round < 2; round++) {
        struct random_state random = random_start(random_seed());
        struct sim sim;
        struct kit kit;

        sim_open(&sim, 1, round ? "slow=1" : NULL);
        kit_open_for(&kit, sim.driver, sim.device, 2);
        sim_fill(&kit, &random, 2);
        assert_int_equal(dlop_card_cycles(dlop_sim_card(sim.device)), 0);
        kit_submit(&kit);
        kit_wait(&kit);
        kit_check(&kit, &random);
        cycles[round] = dlop_card_cycles(dlop_sim_card(sim.device));
        launch_run(&kit, counts);
        expected = 0;
        for (u32 i = 0; i < 2; i++)
            expected += dlop_timing_job_cycles(&kit.jobs[i], &counts[i],
                                               dlop_timing_engine_at(DLOP_TIMING_PLANNED));
        kit_close(&kit);
        sim_close(&sim);
    }
    assert_true(expected > 0);
    assert_int_equal(cycles[0], expected);
    assert_int_equal(cycles[1], expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_byte_outside_of_a_buffer_kills),
        cmocka_unit_test(a_kernel_that_writes_past_the_end_dies),
        cmocka_unit_test(a_forgotten_transfer_is_wrong_data),
        cmocka_unit_test(fresh_memory_is_full_of_nonsense),
        cmocka_unit_test(settings_are_read_strictly),
        cmocka_unit_test(any_text_is_read_or_refused),
        cmocka_unit_test(units_are_as_many_as_asked_for),
        cmocka_unit_test(one_unit_keeps_the_order),
        cmocka_unit_test(a_full_queue_takes_nothing),
        cmocka_unit_test(the_clock_counts_work),
    };

    if (!sim_have_photos())
        return 77;
    return cmocka_run_group_tests_name("sim/card", tests, NULL, NULL);
}
