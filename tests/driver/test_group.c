/* Driver test: several devices as one, over members that do as they are told.
 *
 * Whatever members do, each launch is done once, its results are those of the work, the gaps
 * between them stay as they were, and nothing is leaked. What happened is in the events and the
 * counters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "driver/group/group.h"
#include "tests/driver/fake.h"
#include "tests/kernel/random.h"

#define MAX_JOBS   48
#define IN_BYTES   96 /* of a job's source */
#define OUT_BYTES  200
#define GAP_BYTES  24
#define CANARY     0xa5
#define TIMEOUT_MS 60
#define RETRY_MS   20

enum { RESORT = 0 }; /* fakes[0]; members are fakes[1], fakes[2], ... */

/* ---- a group with its events ---- */

struct fixture {
    struct dlop_device *group;
    double rates_hz[N_FAKES];
    dlop_status open_status;
    uint32_t n_refused_opens;
    pthread_mutex_t lock;
    uint32_t n_events[DLOP_DEVICE_EVENT_COUNT], n_event_jobs[DLOP_DEVICE_EVENT_COUNT];
    dlop_status lost_status;
};

static struct fixture fixture;

static void take_event(void *cookie, const struct dlop_device_event *event)
{
    struct fixture *f = cookie;

    pthread_mutex_lock(&f->lock);
    f->n_events[event->kind]++;
    f->n_event_jobs[event->kind] += event->n_jobs;
    if (event->kind == DLOP_DEVICE_LOST)
        f->lost_status = event->status;
    pthread_mutex_unlock(&f->lock);
    assert_non_null(event->device);
    assert_true(strlen(event->text) > 0);
}

static uint32_t n_events(uint32_t kind)
{
    pthread_mutex_lock(&fixture.lock);
    uint32_t n = fixture.n_events[kind];
    pthread_mutex_unlock(&fixture.lock);
    return n;
}

static dlop_status open_member(void *cookie, const struct dlop_driver *driver,
                               const struct dlop_device_cfg *cfg, struct dlop_device **device_out,
                               double *rate_hz_out)
{
    struct fixture *f = cookie;

    pthread_mutex_lock(&f->lock);
    dlop_status status = f->open_status;
    f->n_refused_opens += status != DLOP_OK;
    *rate_hz_out = f->rates_hz[cfg->index];
    pthread_mutex_unlock(&f->lock);
    return status == DLOP_OK ? driver->open(cfg, device_out) : status;
}

static struct dlop_group_cfg group_cfg(struct dlop_group_member *members, uint32_t n_members)
{
    for (uint32_t i = 0; i < n_members; i++)
        members[i] = (struct dlop_group_member){.driver = &fake_driver, .cfg = {.index = i + 1}};
    return (struct dlop_group_cfg){.members = members,
                                   .n_members = n_members,
                                   .resort = {.driver = &fake_driver},
                                   .timeout_ms = TIMEOUT_MS,
                                   .retry_ms = RETRY_MS,
                                   .open_member = open_member,
                                   .open_cookie = &fixture,
                                   .on_event = take_event,
                                   .event_cookie = &fixture};
}

static void open_group(uint32_t n_members, bool resort_shares)
{
    struct dlop_group_member members[N_FAKES];
    struct dlop_group_cfg cfg = group_cfg(members, n_members);

    cfg.resort_shares = resort_shares;
    assert_int_equal(dlop_group_open(&cfg, &fixture.group, NULL), DLOP_OK);
}

static void close_group(void)
{
    dlop_group_driver.close(&fixture.group);
    assert_null(fixture.group);
    assert_int_equal(atomic_load(&fake_n_buffers), 0);
    for (uint32_t i = 0; i < N_FAKES; i++)
        assert_int_equal(fakes[i].n_held, 0);
}

static int setup(void **state)
{
    (void)state;
    fake_reset();
    fixture = (struct fixture){0};
    return pthread_mutex_init(&fixture.lock, NULL);
}

static struct dlop_group_stats stats_of(uint32_t i)
{
    struct dlop_group_stats stats;

    assert_true(dlop_group_stats_get(fixture.group, i, &stats));
    return stats;
}

/* ---- launches ---- */

struct work {
    struct dlop_buffer in, constants, out;
    struct dlop_job jobs[MAX_JOBS];
    struct dlop_completion completions[MAX_JOBS], expected[MAX_JOBS];
    uint8_t expected_out[MAX_JOBS * (OUT_BYTES + GAP_BYTES)];
    struct dlop_launch launch;
    atomic_uint n_done;
    _Atomic dlop_status status;
};

static void work_done(struct dlop_launch *launch, dlop_status status)
{
    struct work *work = launch->cookie;

    atomic_store(&work->status, status);
    atomic_fetch_add(&work->n_done, 1);
}

/* One record: source, two axis tables of 4 outputs and one tap, and a pack table. */
static void make_job(struct work *work, uint32_t i)
{
    const struct dlop_axis axis = {.n_out = 4, .n_taps = 1, .precision_bits = 8};
    struct dlop_job *job = &work->jobs[i];
    uint64_t at = (uint64_t)i * 256;

    *job = (struct dlop_job){.abi_version = DLOP_ABI_VERSION,
                             .kind = i % 3 ? DLOP_JOB_PIXELS : DLOP_JOB_TENSOR,
                             .out_channels = 1,
                             .element_bytes = 1,
                             .record = 1000 + i,
                             .in_offset = at,
                             .in_bytes = IN_BYTES,
                             .pack_offset = 256 * (i / 4),
                             .out_offset = (uint64_t)i * (OUT_BYTES + GAP_BYTES) + GAP_BYTES,
                             .out_bytes = OUT_BYTES};
    if (job->kind == DLOP_JOB_TENSOR)
        return;
    job->x_axis_offset = at + 96;
    job->y_axis_offset = at + 176;
    memcpy((uint8_t *)work->in.host + at + 96, &axis, sizeof axis);
    memcpy((uint8_t *)work->in.host + at + 176, &axis, sizeof axis);
}

static struct work *make_work(uint32_t n_jobs, uint64_t seed)
{
    const struct dlop_memory_ops *memory = &dlop_group_driver.memory;
    struct random_state random = random_start(seed);
    struct work *work = calloc(1, sizeof *work);

    assert_int_equal(memory->alloc(fixture.group, MAX_JOBS * 256, &work->in), DLOP_OK);
    assert_int_equal(memory->alloc(fixture.group, MAX_JOBS * 64, &work->constants), DLOP_OK);
    assert_int_equal(memory->alloc(fixture.group, sizeof work->expected_out, &work->out), DLOP_OK);
    random_bytes(&random, work->in.host, work->in.size_bytes);
    random_bytes(&random, work->constants.host, work->constants.size_bytes);
    for (uint32_t i = 0; i < n_jobs; i++)
        make_job(work, i);
    work->launch = (struct dlop_launch){.jobs = work->jobs,
                                        .completions = work->completions,
                                        .n_jobs = n_jobs,
                                        .in = &work->in,
                                        .constants = &work->constants,
                                        .out = &work->out,
                                        .done = work_done,
                                        .cookie = work};
    return work;
}

static void submit(struct work *work)
{
    atomic_store(&work->n_done, 0);
    memset(work->out.host, CANARY, work->out.size_bytes);
    memset(work->expected_out, CANARY, sizeof work->expected_out);
    for (uint32_t i = 0; i < work->launch.n_jobs; i++)
        fake_run(&work->jobs[i], work->in.host, work->constants.host, work->expected_out,
                 &work->expected[i]);
    assert_int_equal(dlop_group_driver.submit(fixture.group, &work->launch), DLOP_OK);
}

static void pause_ms(long ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&pause, NULL);
}

static void wait_done(struct work *work)
{
    for (uint32_t ms = 0; ms < 20000 && !atomic_load(&work->n_done); ms++)
        pause_ms(1);
    assert_int_equal(atomic_load(&work->n_done), 1);
}

static void check_work(const struct work *work)
{
    assert_int_equal(work->status, DLOP_OK);
    assert_memory_equal(work->completions, work->expected,
                        work->launch.n_jobs * sizeof work->expected[0]);
    assert_memory_equal(work->out.host, work->expected_out, sizeof work->expected_out);
}

static void free_work(struct work *work)
{
    const struct dlop_memory_ops *memory = &dlop_group_driver.memory;

    assert_int_equal(atomic_load(&work->n_done), 1);
    memory->free(fixture.group, &work->in);
    memory->free(fixture.group, &work->constants);
    memory->free(fixture.group, &work->out);
    free(work);
}

static void run_work(uint32_t n_jobs)
{
    struct work *work = make_work(n_jobs, random_seed());

    submit(work);
    wait_done(work);
    check_work(work);
    free_work(work);
}

static void wait_for_event(uint32_t kind, uint32_t n)
{
    for (uint32_t ms = 0; ms < 20000 && n_events(kind) < n; ms++)
        pause_ms(1);
    assert_int_equal(n_events(kind), n);
}

static uint32_t records_of(uint32_t fake)
{
    return fake_count(&fakes[fake], &fakes[fake].n_records);
}

/* ---- sharing ---- */

static void members_share_a_launch(void **state)
{
    (void)state;
    fixture.rates_hz[1] = 300.0;
    fixture.rates_hz[2] = 100.0;
    open_group(2, false);
    run_work(40);
    assert_int_equal(records_of(1), 30);
    assert_int_equal(records_of(2), 10);
    assert_int_equal(records_of(RESORT), 0);
    for (uint32_t i = 0; i < 20; i++)
        run_work(1 + i * 2);
    run_work(0);
    assert_int_equal(n_events(DLOP_DEVICE_REPLAYED), 0);
    assert_int_equal(stats_of(0).n_records, records_of(1));
    assert_int_equal(dlop_group_driver.n_units(fixture.group), 4);
    assert_true(stats_of(2).is_resort);
    close_group();
}

static void a_named_resort_shares_too(void **state)
{
    (void)state;
    open_group(1, true);
    for (uint32_t i = 0; i < 8; i++)
        run_work(32);
    assert_true(records_of(1) > 0);
    assert_true(records_of(RESORT) > 0);
    assert_int_equal(records_of(1) + records_of(RESORT), 8 * 32);
    close_group();
}

static void jobs_outside_their_buffers_are_the_resorts(void **state)
{
    (void)state;
    const struct dlop_axis axis = {.n_out = 4, .n_taps = 1, .precision_bits = 8};

    open_group(1, false);
    struct work *work = make_work(8, random_seed());
    work->jobs[1].x_axis_offset = work->in.size_bytes - 20; /* a table that does not fit */
    memcpy((uint8_t *)work->in.host + work->jobs[1].x_axis_offset, &axis, sizeof axis);
    work->jobs[2].x_axis_offset = 3;
    work->jobs[4].x_axis_offset = UINT64_MAX - 3;
    work->jobs[5].in_bytes = UINT64_MAX;
    work->jobs[7].out_offset = work->out.size_bytes - 1;
    work->jobs[3].pack_offset = work->constants.size_bytes;
    for (uint32_t i = 1; i < 8; i++) /* the fake touches nothing then */
        if (i != 6)
            work->jobs[i].src_width_px = FAKE_DAMAGED_WIDTH_PX;
    submit(work);
    wait_done(work);
    check_work(work);
    assert_int_equal(records_of(1), 2);
    assert_int_equal(records_of(RESORT), 6);
    free_work(work);
    close_group();
}

/* ---- faults ---- */

static void a_late_completion_changes_nothing(void **state)
{
    (void)state;
    open_group(1, false);
    fake_push(&fakes[1], FAKE_HOLD);
    fakes[1].is_closed_late = true;
    struct work *work = make_work(10, random_seed());
    submit(work);
    wait_done(work);
    check_work(work);
    assert_int_equal(n_events(DLOP_DEVICE_LOST), 1);
    assert_int_equal(fixture.lost_status, DLOP_ERR_TIMEOUT);
    assert_int_equal(records_of(RESORT), 10);
    memset(work->out.host, CANARY, work->out.size_bytes);
    memset(work->completions, CANARY, sizeof work->completions);
    memset(work->in.host, 0, work->in.size_bytes);
    free_work(work); /* the zombie has nothing of the caller's */
    assert_int_equal(fake_release(&fakes[1]), 1);
    wait_for_event(DLOP_DEVICE_BACK, 1);
    run_work(10);
    assert_int_equal(records_of(1), 20);
    close_group();
}

static void a_zombie_at_close_ends_with_its_device(void **state)
{
    (void)state;
    open_group(2, false);
    fake_push(&fakes[1], FAKE_HOLD);
    run_work(20);
    assert_int_equal(n_events(DLOP_DEVICE_LOST), 1);
    close_group();
    assert_int_equal(fakes[1].n_opens, fakes[1].n_closes);
}

static void a_full_queue_is_tried_again(void **state)
{
    (void)state;
    open_group(1, false);
    for (uint32_t i = 0; i < 5; i++)
        fake_push(&fakes[1], FAKE_AGAIN);
    run_work(8);
    run_work(8);
    assert_int_equal(records_of(1), 16);
    assert_int_equal(n_events(DLOP_DEVICE_LOST), 0);
    close_group();
}

/* Whatever a member says instead of doing its work: the resort does it, and the member is tried
 * again. */
static void a_member_that_fails_is_replaced_and_comes_back(void **state)
{
    (void)state;
    static const enum fake_action actions[] = {FAKE_FAIL, FAKE_REFUSE, FAKE_HOLD};

    for (uint32_t i = 0; i < 3; i++) {
        setup(NULL);
        open_group(2, false);
        fake_push(&fakes[1], actions[i]);
        fakes[1].n_open_failures = 2;
        run_work(24);
        assert_int_equal(n_events(DLOP_DEVICE_LOST), 1);
        assert_int_equal(n_events(DLOP_DEVICE_REPLAYED), 1);
        assert_int_equal(stats_of(0).n_replayed, 12);
        assert_true(stats_of(0).is_lost || stats_of(0).n_backs == 1);
        wait_for_event(DLOP_DEVICE_BACK, 1);
        assert_int_equal(fake_count(&fakes[1], &fakes[1].n_opens), 4);
        run_work(24);
        assert_true(records_of(1) >= 12);
        close_group();
    }
}

static void a_member_that_fails_its_self_test_stays_away(void **state)
{
    (void)state;
    open_group(1, false);
    fake_push(&fakes[1], FAKE_FAIL);
    pthread_mutex_lock(&fixture.lock);
    fixture.open_status = DLOP_ERR_DEVICE_FAULT;
    pthread_mutex_unlock(&fixture.lock);
    run_work(4);
    for (uint32_t n = 0; n < 2; pause_ms(1)) {
        pthread_mutex_lock(&fixture.lock);
        n = fixture.n_refused_opens;
        pthread_mutex_unlock(&fixture.lock);
    }
    run_work(4);
    assert_int_equal(n_events(DLOP_DEVICE_BACK), 0);
    assert_int_equal(records_of(RESORT), 8);
    close_group();
    assert_int_equal(fakes[1].n_opens, fakes[1].n_closes);
}

static void impossible_completions_are_replayed_and_counted(void **state)
{
    (void)state;
    static const enum fake_action actions[] = {FAKE_WRONG_RECORD, FAKE_WRONG_STATUS,
                                               FAKE_WRONG_BYTES, FAKE_SAYS_DAMAGED, FAKE_NOTHING};

    for (uint32_t i = 0; i < 5; i++) {
        setup(NULL);
        open_group(1, false);
        fake_push(&fakes[1], actions[i]);
        run_work(6);
        wait_for_event(DLOP_DEVICE_WRONG, 1);
        uint32_t n_wrong = actions[i] == FAKE_NOTHING ? 6 : 1;
        assert_int_equal(fixture.n_event_jobs[DLOP_DEVICE_WRONG], n_wrong);
        assert_int_equal(stats_of(0).n_wrong, n_wrong);
        assert_int_equal(records_of(RESORT), n_wrong);
        assert_int_equal(n_events(DLOP_DEVICE_LOST), 0); /* one is forgiven */
        fake_push(&fakes[1], actions[i]);
        fake_push(&fakes[1], actions[i]);
        run_work(6);
        run_work(6);
        wait_for_event(DLOP_DEVICE_LOST, 1); /* three are not */
        close_group();
    }
}

static void faults_are_forgiven_twice(void **state)
{
    (void)state;
    open_group(1, false);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(n_events(DLOP_DEVICE_LOST), 0);
        fake_push(&fakes[1], FAKE_FAULT);
        run_work(6);
    }
    wait_for_event(DLOP_DEVICE_LOST, 1);
    assert_int_equal(records_of(RESORT), 18);
    close_group();
}

static void a_damaged_record_is_the_records_fault(void **state)
{
    (void)state;
    open_group(1, false);
    struct work *work = make_work(12, random_seed());
    work->jobs[3].src_width_px = work->jobs[7].src_width_px = FAKE_DAMAGED_WIDTH_PX;
    for (uint32_t i = 0; i < 5; i++) {
        submit(work);
        wait_done(work);
        check_work(work);
    }
    assert_int_equal(work->completions[3].status, DLOP_ERR_BAD_DATA);
    assert_int_equal(stats_of(0).n_wrong, 0);
    assert_int_equal(n_events(DLOP_DEVICE_LOST), 0);
    free_work(work);
    close_group();
}

static void what_a_member_cannot_do_is_no_fault(void **state)
{
    (void)state;
    open_group(1, false);
    for (uint32_t i = 0; i < 5; i++)
        fake_push(&fakes[1], FAKE_UNSUPPORTED);
    for (uint32_t i = 0; i < 5; i++)
        run_work(6);
    assert_int_equal(stats_of(0).n_refused, 5);
    fakes[1].accept_status = DLOP_ERR_UNSUPPORTED;
    run_work(6);
    assert_int_equal(stats_of(0).n_refused, 11);
    assert_int_equal(stats_of(0).n_wrong, 0);
    assert_int_equal(n_events(DLOP_DEVICE_LOST), 0);
    close_group();
}

static void a_call_that_never_returns_is_given_up(void **state)
{
    (void)state;
    open_group(2, false);
    fake_set_stuck(&fakes[1], true);
    run_work(20);
    assert_int_equal(n_events(DLOP_DEVICE_LOST), 1);
    run_work(20); /* the other goes on */
    assert_true(records_of(2) >= 30);
    fake_set_stuck(&fakes[1], false);
    wait_for_event(DLOP_DEVICE_BACK, 1);
    close_group();
}

static void the_resort_ends_what_all_members_lost(void **state)
{
    (void)state;
    open_group(3, false);
    for (uint32_t i = 1; i <= 3; i++)
        fake_push(&fakes[i], FAKE_FAIL);
    run_work(30);
    assert_int_equal(n_events(DLOP_DEVICE_LOST), 3);
    assert_int_equal(records_of(RESORT), 30);
    close_group();
}

static void a_launch_fails_only_with_the_resort(void **state)
{
    (void)state;
    open_group(1, false);
    fake_push(&fakes[1], FAKE_FAIL);
    fake_push(&fakes[RESORT], FAKE_FAIL);
    struct work *work = make_work(8, random_seed());
    submit(work);
    wait_done(work);
    assert_int_equal(work->status, DLOP_ERR_DEVICE_LOST);
    fake_push(&fakes[RESORT], FAKE_REFUSE);
    submit(work);
    wait_done(work);
    if (work->status != DLOP_OK) /* the member may be back */
        assert_int_equal(work->status, DLOP_ERR_DEVICE_LOST);
    free_work(work);
    close_group();
}

static void a_member_that_cannot_be_opened_is_named(void **state)
{
    (void)state;
    struct dlop_group_member members[N_FAKES];
    struct dlop_group_cfg cfg = group_cfg(members, 3);
    uint32_t failed = 99;

    fakes[2].n_open_failures = 2;
    assert_int_equal(dlop_group_open(&cfg, &fixture.group, &failed), DLOP_ERR_NO_DEVICE);
    assert_int_equal(failed, 1);
    assert_null(fixture.group);
    assert_int_equal(fakes[1].n_opens, fakes[1].n_closes);
    members[1].may_be_absent = true;
    assert_int_equal(dlop_group_open(&cfg, &fixture.group, &failed), DLOP_OK);
    assert_string_equal(stats_of(1).label, "fake:3");
    struct dlop_group_stats stats;
    assert_false(dlop_group_stats_get(fixture.group, 3, &stats));
    run_work(8);
    close_group();
}

/* ---- everything at once ---- */

/* Several launches in flight over members that do anything: each is done once and right. */
static void random_faults_change_no_result(void **state)
{
    (void)state;
    enum { N_ROUNDS = 150, N_FLIGHT = 4 };

    for (uint32_t round = 0; round < N_ROUNDS; round++) {
        struct random_state random = random_start(random_seed() + round);
        struct work *works[N_FLIGHT];

        setup(NULL);
        open_group(1 + round % 3, round % 2);
        for (uint32_t i = 1; i < N_FAKES; i++)
            for (uint32_t k = 0; k < 6; k++)
                fake_push(&fakes[i], random_u32(&random) % 3
                                         ? FAKE_RUN
                                         : random_u32(&random) % FAKE_ACTION_COUNT);
        for (uint32_t i = 0; i < N_FLIGHT; i++) {
            works[i] = make_work(random_u32(&random) % MAX_JOBS, round + i);
            submit(works[i]);
        }
        for (uint32_t i = 1; i < N_FAKES && round % 4 == 0; i++) {
            pause_ms(random_in(&random, 0, 3));
            fake_release(&fakes[i]);
        }
        for (uint32_t i = 0; i < N_FLIGHT; i++) {
            wait_done(works[i]);
            check_work(works[i]);
            free_work(works[i]);
        }
        close_group();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(members_share_a_launch, setup),
        cmocka_unit_test_setup(a_named_resort_shares_too, setup),
        cmocka_unit_test_setup(jobs_outside_their_buffers_are_the_resorts, setup),
        cmocka_unit_test_setup(a_late_completion_changes_nothing, setup),
        cmocka_unit_test_setup(a_zombie_at_close_ends_with_its_device, setup),
        cmocka_unit_test_setup(a_full_queue_is_tried_again, setup),
        cmocka_unit_test_setup(a_member_that_fails_is_replaced_and_comes_back, setup),
        cmocka_unit_test_setup(a_member_that_fails_its_self_test_stays_away, setup),
        cmocka_unit_test_setup(impossible_completions_are_replayed_and_counted, setup),
        cmocka_unit_test_setup(faults_are_forgiven_twice, setup),
        cmocka_unit_test_setup(a_damaged_record_is_the_records_fault, setup),
        cmocka_unit_test_setup(what_a_member_cannot_do_is_no_fault, setup),
        cmocka_unit_test_setup(a_call_that_never_returns_is_given_up, setup),
        cmocka_unit_test_setup(the_resort_ends_what_all_members_lost, setup),
        cmocka_unit_test_setup(a_launch_fails_only_with_the_resort, setup),
        cmocka_unit_test_setup(a_member_that_cannot_be_opened_is_named, setup),
        cmocka_unit_test_setup(random_faults_change_no_result, setup),
    };

    return cmocka_run_group_tests_name("driver/group", tests, NULL, NULL);
}
