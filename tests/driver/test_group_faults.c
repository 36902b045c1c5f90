/* Driver test: 10,000 launches through groups whose member is an emulated card with every kind of
 * fault, and whose resort is the CPU.
 *
 * Whatever the card does: no launch hangs, each is done once and well, every batch is right to the
 * bit, no thread, descriptor or share of memory is left, and every fault that was injected is
 * healed by the card or reported to the group. DLOP_SEED changes the seeds of all rounds.
 */
#include "driver/cpu/cpu.h"
#include "driver/group/group.h"
#include "driver/sim/sim.h"
#include "sim/card.h"
#include "tests/sim/fault_mixes.h"
#include "tests/driver/kit.h"

#include <time.h>

#ifdef __SANITIZE_THREAD__
#define N_ROUNDS 10 /* each costs ten times as much there */
#else
#define N_ROUNDS 100
#endif
#define N_ROUND    100 /* launches of a round */
#define N_KITS     4   /* in flight */
#define MAX_JOBS   6
#define MAX_CARDS  1024 /* opened in one round */
#define TIMEOUT_MS 80
#define RETRY_MS   1

static struct photo photos[4];
static u32 n_photos;

/* ---- the cards that a group opens one after the other ---- */

struct cards {
    u32 n;
    u64 seed;
    const char *mix;
    struct dlop_card_counters books[MAX_CARDS];
};

/* Each card has a seed of its own, or each would fail in the same way. */
static dlop_status open_card(void *cookie, const struct dlop_driver *driver,
                             const struct dlop_device_cfg *cfg, struct dlop_device **device_out,
                             double *rate_hz_out)
{
    struct cards *cards = cookie;
    struct dlop_device_cfg with_seed = *cfg;
    char settings[300];

    if (cards->n == MAX_CARDS)
        return DLOP_ERR_NO_DEVICE;
    snprintf(settings, sizeof settings, "seed=%llu,%s",
             (unsigned long long)(cards->seed * MAX_CARDS + cards->n), cards->mix);
    with_seed.settings = settings;
    dlop_status status = driver->open(&with_seed, device_out);
    *rate_hz_out = 0.0;
    if (status == DLOP_OK)
        dlop_sim_watch(*device_out, &cards->books[cards->n++]);
    return status;
}

/* Of all rounds. */
static struct totals {
    u64 n_injected, n_healed, n_reported, n_forgotten;
    u64 n_cards, n_losses, n_replayed, n_records, n_by_cpu;
} totals;

/* Flips that nobody read before a card was closed under a lost launch are in no account. */
static void check_book(const struct dlop_card_counters *book, const struct random_state *random)
{
    for (u32 fault = 0; fault < DLOP_CARD_FAULT_COUNT; fault++) {
        u64 n_known = book->healed[fault] + book->reported[fault];
        bool may_be_unread = fault == DLOP_CARD_BIT_FLIP || fault == DLOP_CARD_DOUBLE_FLIP;

        if (n_known > book->injected[fault] || (n_known < book->injected[fault] && !may_be_unread))
            RANDOM_FAIL(random, "fault %u: %llu injected, %llu healed, %llu reported", fault,
                        (unsigned long long)book->injected[fault],
                        (unsigned long long)book->healed[fault],
                        (unsigned long long)book->reported[fault]);
        totals.n_injected += book->injected[fault];
        totals.n_healed += book->healed[fault];
        totals.n_reported += book->reported[fault];
        totals.n_forgotten += book->injected[fault] - n_known;
    }
    if (book->missed || book->false_alarms)
        RANDOM_FAIL(random, "%llu faults missed, %llu false alarms",
                    (unsigned long long)book->missed, (unsigned long long)book->false_alarms);
}

/* ---- one round ---- */

static struct dlop_device *open_group(struct cards *cards)
{
    const struct dlop_group_member card = {.driver = dlop_driver_get("sim")};
    const struct dlop_group_cfg cfg = {
        .members = &card,
        .n_members = 1,
        .resort = {.driver = dlop_driver_get("cpu"),
                   .cfg = {.n_threads = 1, .vector_level = UINT32_MAX}},
        .timeout_ms = TIMEOUT_MS,
        .retry_ms = RETRY_MS,
        .open_member = open_card,
        .open_cookie = cards,
    };
    struct dlop_device *group = NULL;

    assert_int_equal(dlop_group_open(&cfg, &group, NULL), DLOP_OK);
    return group;
}

static void fill(struct kit *kit, struct random_state *random)
{
    u32 n_jobs = (u32)random_in(random, 1, MAX_JOBS);

    for (u32 i = 0; i < n_jobs; i++) {
        struct dlop_job *job = kit_add(kit, random, &photos[random_u32(random) % n_photos],
                                       random_u32(random) % DLOP_JOB_KIND_COUNT);

        if (random_u32(random) % 16 == 0)
            job->element_bytes = 3; /* refused by everybody */
    }
    kit_expect(kit);
}

static void count_group(struct dlop_device *group)
{
    struct dlop_group_stats card, cpu;

    assert_true(dlop_group_stats_get(group, 0, &card));
    assert_true(dlop_group_stats_get(group, 1, &cpu));
    totals.n_losses += card.n_losses;
    totals.n_replayed += card.n_replayed;
    totals.n_records += card.n_records;
    totals.n_by_cpu += cpu.n_records;
}

static void run_round(u32 round)
{
    static struct cards cards;
    static struct kit kits[N_KITS];
    struct random_state random = random_start(random_seed() * 1000 + round);

    cards = (struct cards){.seed = random.seed, .mix = mixes[round % N_MIXES]};
    struct dlop_device *group = open_group(&cards);
    for (u32 i = 0; i < N_KITS; i++) {
        kit_open_for(&kits[i], &dlop_group_driver, group, MAX_JOBS);
        fill(&kits[i], &random);
        kit_submit(&kits[i]);
    }
    for (u32 i = 0; i < N_ROUND; i++) {
        struct kit *kit = &kits[i % N_KITS];

        kit_wait(kit);
        kit_check(kit, &random);
        if (i + N_KITS < N_ROUND)
            kit_submit(kit);
    }
    count_group(group);
    dlop_group_driver.close(&group);
    for (u32 i = 0; i < N_KITS; i++)
        kit_close(&kits[i]);
    for (u32 i = 0; i < cards.n; i++)
        check_book(&cards.books[i], &random);
    totals.n_cards += cards.n;
}

static void faults_of_a_card_change_no_batch(void **state)
{
    (void)state;
    u32 n_threads = 0, n_fds = 0;

    for (u32 round = 0; round < N_ROUNDS; round++) {
        run_round(round);
        if (round == 0) {
            n_threads = kit_count_proc("task");
            n_fds = kit_count_proc("fd");
        }
    }
    assert_int_equal(kit_count_proc("task"), n_threads);
    assert_int_equal(kit_count_proc("fd"), n_fds);
    print_message("%u launches, %llu records by %llu cards, %llu by the CPU (%llu replayed); %llu "
                  "losses; %llu faults = %llu healed + %llu reported + %llu flips never read\n",
                  N_ROUNDS * N_ROUND, (unsigned long long)totals.n_records,
                  (unsigned long long)totals.n_cards, (unsigned long long)totals.n_by_cpu,
                  (unsigned long long)totals.n_replayed, (unsigned long long)totals.n_losses,
                  (unsigned long long)totals.n_injected, (unsigned long long)totals.n_healed,
                  (unsigned long long)totals.n_reported, (unsigned long long)totals.n_forgotten);
    assert_true(totals.n_losses > N_ROUNDS / 4);
    assert_true(totals.n_records > totals.n_by_cpu / 4);
    assert_true(totals.n_reported > 0 && totals.n_healed > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(faults_of_a_card_change_no_batch)};

    n_photos = kit_load_photos(photos, sizeof photos / sizeof photos[0]);
    if (!n_photos) {
        printf("SKIP photos: no photographs; run make photos\n");
        return 77;
    }
    int n_failed = cmocka_run_group_tests_name("driver/group_faults", tests, NULL, NULL);
    kit_free_photos(photos, n_photos);
    return n_failed;
}
