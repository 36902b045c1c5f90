/* A group over devices that do as they are told, its events, and launches whose results are known.
 * Included by one test program. */
#ifndef DLOP_TESTS_DRIVER_GROUP_WORK_H
#define DLOP_TESTS_DRIVER_GROUP_WORK_H

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

#endif
