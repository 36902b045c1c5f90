/* 10,000 seeded launches on emulated cards with every kind of fault at once.
 *
 * A round is one device with a mix of faults of its own and several launches in flight; what does
 * not end in time is ended by closing the device, as a watchdog would. Whatever happens: no hang,
 * each launch ends once, one that ends well is right to the bit, nothing is leaked, and each fault
 * is healed or reported. DLOP_SEED changes the seeds of all rounds.
 */
#include "tests/sim/fault_mixes.h"
#include "tests/sim/device.h"

#include <signal.h>
#include <unistd.h>

#ifdef __SANITIZE_THREAD__
#define N_LAUNCHES 1000 /* each costs ten times as much there */
#else
#define N_LAUNCHES 10000
#endif
#define N_ROUND        100 /* launches of a round, if the card lives so long */
#define N_KITS         4   /* in flight */
#define MAX_JOBS       6
#define LOST_MS        100 /* a launch that takes longer is taken for lost */
#define ROUND_LIMIT_S  60
#define N_WARM_UP      N_MIXES /* rounds after which nothing may grow */
#define ALLOWED_GROWTH 32      /* guard pages: the C library keeps stacks of threads */

/* Of all rounds. */
static struct totals {
    u32 n_launches, n_right, n_refused_records, n_faults, n_lost, n_timeouts, n_unread, n_not_taken;
    struct dlop_card_counters book;
} totals;

/* ---- watchdog ---- */

static char watchdog_text[200];

static void end_hung_test(int number)
{
    (void)number;
    if (write(2, watchdog_text, strlen(watchdog_text)) < 0)
        _exit(3);
    _exit(2);
}

static void watch(u32 round, const char *settings)
{
    snprintf(watchdog_text, sizeof watchdog_text,
             "round %u hangs (%.100s): repeat with DLOP_SEED=%llu\n", round, settings,
             (unsigned long long)random_seed());
    signal(SIGALRM, end_hung_test);
    alarm(ROUND_LIMIT_S);
}

/* ---- one launch ---- */

/* A record that the card forged as damaged, or as expected. */
static void check_completion(const struct dlop_completion *got, const struct dlop_completion *want,
                             const struct random_state *random)
{
    bool is_forged = want->status == DLOP_OK && got->status == DLOP_ERR_BAD_DATA;

    totals.n_refused_records += is_forged;
    if (got->record != want->record || (!is_forged && got->status != want->status) ||
        got->bytes_written != (is_forged ? 0 : want->bytes_written) ||
        got->blocks_decoded != (is_forged ? 0 : want->blocks_decoded))
        RANDOM_FAIL(random, "a launch ends well with a wrong completion: status %d instead of %d",
                    got->status, want->status);
}

/* The data of a launch that ended well, if the card still gives it. */
static void check_data(struct kit *kit, const struct random_state *random)
{
    dlop_status status =
        kit->driver->memory.from_device(kit->device, &kit->out, 0, kit->out.size_bytes);

    if (status == DLOP_ERR_DEVICE_LOST) {
        totals.n_lost++;
        return;
    }
    assert_int_equal(status, DLOP_OK);
    if (memcmp(kit->out.host, kit->expected_out, kit->out.size_bytes))
        RANDOM_FAIL(random, "a launch ends well with wrong data");
    totals.n_right++;
}

static void check_launch(struct kit *kit, const struct random_state *random)
{
    dlop_status status = atomic_load(&kit->status);

    assert_int_equal(atomic_load(&kit->n_done), 1);
    totals.n_faults += status == DLOP_ERR_DEVICE_FAULT;
    totals.n_lost += status == DLOP_ERR_DEVICE_LOST;
    totals.n_timeouts += status == DLOP_ERR_TIMEOUT;
    if (status != DLOP_OK) {
        assert_true(status == DLOP_ERR_DEVICE_FAULT || status == DLOP_ERR_DEVICE_LOST ||
                    status == DLOP_ERR_TIMEOUT);
        return;
    }
    for (u32 i = 0; i < kit->launch.n_jobs; i++)
        check_completion(&kit->completions[i], &kit->expected[i], random);
    if (kit->device)
        check_data(kit, random);
    else
        totals.n_unread++; /* ended while the device was closed */
}

/* ---- one round ---- */

struct round {
    struct sim sim;
    struct random_state random;
    struct kit kits[N_KITS];
    bool is_open[N_KITS]; /* submitted, not checked */
};

static dlop_status write_all(struct kit *kit)
{
    const struct dlop_memory_ops *memory = &kit->driver->memory;
    struct dlop_buffer *buffers[] = {&kit->in, &kit->constants, &kit->out};
    dlop_status status = DLOP_OK;

    memset(kit->out.host, KIT_CANARY, kit->out.size_bytes);
    memset(kit->completions, 0xff, sizeof kit->completions);
    atomic_store(&kit->n_done, 0);
    for (u32 i = 0; i < 3 && status == DLOP_OK; i++)
        status = memory->to_device(kit->device, buffers[i], 0, buffers[i]->size_bytes);
    return status;
}

/* False where the card does not take it. */
static bool start(struct round *round, u32 k)
{
    struct kit *kit = &round->kits[k];
    dlop_status status = write_all(kit);

    kit->launch.n_jobs = (u32)random_in(&round->random, 0, MAX_JOBS);
    kit_expect(kit);
    while (status == DLOP_OK &&
           (status = kit->driver->submit(kit->device, &kit->launch)) == DLOP_AGAIN) {
        sim_sleep_ms(1);
        status = DLOP_OK;
    }
    round->is_open[k] = status == DLOP_OK;
    if (!round->is_open[k]) {
        assert_int_equal(status, DLOP_ERR_DEVICE_LOST);
        totals.n_not_taken++;
        return false;
    }
    totals.n_launches++;
    return true;
}

/* False where the launch is lost. */
static bool end(struct round *round, u32 k)
{
    if (!round->is_open[k])
        return true;
    if (!sim_is_done(&round->kits[k], LOST_MS))
        return false;
    round->is_open[k] = false;
    check_launch(&round->kits[k], &round->random);
    return true;
}

static void open_round(struct round *round, u32 number, const char *settings)
{
    memset(round, 0, sizeof *round);
    round->random = random_start(random_seed() + number);
    sim_open(&round->sim, 0, settings);
    for (u32 k = 0; k < N_KITS; k++) {
        kit_open_for(&round->kits[k], round->sim.driver, round->sim.device, MAX_JOBS);
        sim_fill(&round->kits[k], &round->random, MAX_JOBS);
    }
}

/* Close; what was open ends now. */
static void close_round(struct round *round)
{
    sim_close(&round->sim);
    for (u32 k = 0; k < N_KITS; k++) {
        struct kit *kit = &round->kits[k];

        kit->device = NULL;
        if (round->is_open[k])
            check_launch(kit, &round->random);
        kit_close(kit);
    }
}

static void add_book(const struct dlop_card_counters *book)
{
    for (u32 fault = 0; fault < DLOP_CARD_FAULT_COUNT; fault++) {
        totals.book.injected[fault] += book->injected[fault];
        totals.book.healed[fault] += book->healed[fault];
        totals.book.reported[fault] += book->reported[fault];
    }
}

static void run_round(u32 number)
{
    char settings[240];
    struct round *round = malloc(sizeof *round);
    u32 n_dead = 0;

    snprintf(settings, sizeof settings, "seed=%llu,%s",
             (unsigned long long)(random_seed() * 1000003 + number), mixes[number % N_MIXES]);
    watch(number, settings);
    assert_non_null(round);
    open_round(round, number, settings);
    for (u32 i = 0; i < N_ROUND && n_dead < 10; i++) {
        if (!end(round, i % N_KITS))
            break;
        n_dead = start(round, i % N_KITS) ? 0 : n_dead + 1;
    }
    for (u32 k = 0; k < N_KITS; k++)
        end(round, k);
    close_round(round);
    add_book(&round->sim.book);
    sim_check_book(&round->sim.book);
    free(round);
    alarm(0);
}

/* ---- all of them ---- */

/* Mappings that nobody may touch: each piece of card memory has two. */
static u32 count_guards(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    char line[512];
    u32 n = 0;

    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        n += strstr(line, " ---p ") != NULL;
    fclose(file);
    return n;
}

static void print_totals(u32 n_rounds)
{
    static const char *const names[] = {"lost",     "late",        "duplicate", "corrupt", "wrong",
                                        "bit_flip", "double_flip", "slow",      "gone"};
    _Static_assert(sizeof names / sizeof names[0] == DLOP_CARD_FAULT_COUNT, "a name for each");

    print_message("%u launches in %u rounds: %u right, %u faults, %u lost, %u timeouts; "
                  "%u records refused, %u calls refused\n",
                  totals.n_launches, n_rounds, totals.n_right, totals.n_faults, totals.n_lost,
                  totals.n_timeouts, totals.n_refused_records, totals.n_not_taken);
    for (u32 fault = 0; fault < DLOP_CARD_FAULT_COUNT; fault++)
        print_message("  %-12s %5llu injected = %5llu healed + %5llu reported\n", names[fault],
                      (unsigned long long)totals.book.injected[fault],
                      (unsigned long long)totals.book.healed[fault],
                      (unsigned long long)totals.book.reported[fault]);
}

static void no_fault_makes_a_wrong_batch(void **state)
{
    (void)state;
    u32 n_rounds = 0, n_threads = 0, n_fds = 0, n_guards = 0;

    while (totals.n_launches < N_LAUNCHES) {
        run_round(n_rounds++);
        if (n_rounds == N_WARM_UP) {
            n_threads = kit_count_proc("task");
            n_fds = kit_count_proc("fd");
            n_guards = count_guards();
        }
    }
    print_totals(n_rounds);
    print_message("  %u guard pages, %u at first\n", count_guards(), n_guards);
    assert_int_equal(kit_count_proc("task"), n_threads);
    assert_int_equal(kit_count_proc("fd"), n_fds);
    assert_in_range(count_guards(), 1, n_guards + ALLOWED_GROWTH);
    for (u32 fault = 0; fault < DLOP_CARD_FAULT_COUNT; fault++)
        assert_true(totals.book.injected[fault] > 0);
    assert_int_equal(totals.n_launches,
                     totals.n_right + totals.n_faults + totals.n_lost + totals.n_timeouts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_fault_makes_a_wrong_batch),
    };

    if (!sim_have_photos())
        return 77;
    return cmocka_run_group_tests_name("sim/fault_runs", tests, NULL, NULL);
}
