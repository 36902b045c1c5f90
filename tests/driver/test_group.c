/* Driver test: several devices as one, over members that do as they are told.
 *
 * Whatever members do, each launch is done once, its results are those of the work, the gaps
 * between them stay as they were, and nothing is leaked. What happened is in the events and the
 * counters.
 */
#include "tests/driver/group_work.h"

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
