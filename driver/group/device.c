/* The group behind the driver table: open, close, memory, and the division of each launch.
 *
 * Memory is the host's: a buffer of the group is what the resort works on directly; members have
 * buffers of their own (member.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <unistd.h>

#include "driver/group/divide.h"
#include "driver/group/state.h"

#define BUFFER_ALIGNMENT 64

/* ---- memory ---- */

/* A buffer of `alloc` has its own address as driver_data; one of `wrap` has none. */
static dlop_status group_alloc(struct dlop_device *device, size_t size_bytes,
                               struct dlop_buffer *buffer_out)
{
    size_t rounded = (size_bytes + BUFFER_ALIGNMENT - 1) & ~(size_t)(BUFFER_ALIGNMENT - 1);
    void *memory;

    (void)device;
    if (rounded < size_bytes)
        return DLOP_ERR_NO_MEMORY;
    memory = aligned_alloc(BUFFER_ALIGNMENT, rounded ? rounded : BUFFER_ALIGNMENT);
    if (!memory)
        return DLOP_ERR_NO_MEMORY;
    memset(memory, 0, rounded);
    *buffer_out = (struct dlop_buffer){memory, size_bytes, memory};
    return DLOP_OK;
}

static dlop_status group_wrap(struct dlop_device *device, void *host, size_t size_bytes,
                              struct dlop_buffer *buffer_out)
{
    (void)device;
    if (!host && size_bytes)
        return DLOP_ERR_ARGUMENT;
    *buffer_out = (struct dlop_buffer){host, size_bytes, NULL};
    return DLOP_OK;
}

static void group_free(struct dlop_device *device, struct dlop_buffer *buffer)
{
    (void)device;
    if (!buffer)
        return;
    free(buffer->driver_data);
    *buffer = (struct dlop_buffer){0};
}

/* Members get their copies with each launch. */
static dlop_status group_transfer(struct dlop_device *device, struct dlop_buffer *buffer,
                                  size_t offset, size_t n_bytes)
{
    (void)device;
    if (offset > buffer->size_bytes || n_bytes > buffer->size_bytes - offset)
        return DLOP_ERR_ARGUMENT;
    return DLOP_OK;
}

/* ---- open and close ---- */

/* Faults that a member corrects or finds by itself, and its notes, pass through. Whether it is lost
 * or back is for the group to say. */
static void take_member_event(void *cookie, const struct dlop_device_event *event)
{
    struct dlop_group_worker *worker = cookie;
    struct dlop_device *group = worker->group;
    uint32_t n = event->n_jobs ? event->n_jobs : 1;

    if (event->kind == DLOP_DEVICE_LOST || event->kind == DLOP_DEVICE_BACK)
        return;
    pthread_mutex_lock(&group->lock);
    worker->stats.n_healed += event->kind == DLOP_DEVICE_HEALED ? n : 0;
    worker->stats.n_wrong += event->kind == DLOP_DEVICE_WRONG ? n : 0;
    dlop_group_tell(worker, event->kind, event->status, event->n_jobs, event->text);
    if (worker->is_started)
        pthread_cond_signal(&worker->wake); /* its thread sends it on */
    pthread_mutex_unlock(&group->lock);
}

static dlop_status init_worker(struct dlop_device *group, struct dlop_group_worker *worker,
                               const struct dlop_group_member *member)
{
    pthread_condattr_t attributes;
    struct dlop_group_stats *stats = &worker->stats;

    *worker = (struct dlop_group_worker){.group = group,
                                         .driver = member->driver,
                                         .cfg = member->cfg,
                                         .retry_ns = (uint64_t)group->cfg.retry_ms * 1000000u};
    worker->queue_end = &worker->queue;
    worker->cfg.on_event = take_member_event;
    worker->cfg.event_cookie = worker;
    snprintf(stats->label, sizeof stats->label, member->cfg.index ? "%s:%u" : "%s",
             member->driver->name, member->cfg.index);
    if (pthread_condattr_init(&attributes))
        return DLOP_ERR_NO_MEMORY;
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    int error = pthread_cond_init(&worker->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    return error ? DLOP_ERR_NO_MEMORY : DLOP_OK;
}

/* Open the device of the next place; the caller counts it. */
static dlop_status open_next(struct dlop_device *group, const struct dlop_group_member *member,
                             bool is_resort, bool shares)
{
    struct dlop_group_worker *worker = &group->workers[group->n_members];
    dlop_status status = init_worker(group, worker, member);

    if (status != DLOP_OK)
        return status;
    worker->stats.is_resort = is_resort;
    status = dlop_group_open_worker(worker, &worker->device);
    if (status != DLOP_OK) {
        pthread_cond_destroy(&worker->wake);
        return status;
    }
    worker->stats.shares = shares;
    worker->stats.rate_hz = worker->opened_hz;
    worker->stats.n_units = worker->driver->n_units(worker->device);
    return DLOP_OK;
}

/* Let the last worker and all before it go, unused. */
static void close_opened(struct dlop_device *group, uint32_t n_workers)
{
    while (n_workers-- > 0) {
        struct dlop_group_worker *worker = &group->workers[n_workers];

        if (worker->device)
            worker->driver->close(&worker->device);
        pthread_cond_destroy(&worker->wake);
    }
}

static dlop_status open_workers(struct dlop_device *group, uint32_t *failed_out)
{
    const struct dlop_group_cfg *cfg = &group->cfg;
    dlop_status status = DLOP_OK;
    uint32_t i;

    for (i = 0; i < cfg->n_members; i++) {
        status = open_next(group, &cfg->members[i], false, true);
        if (status == DLOP_OK)
            group->n_members++;
        else if (!cfg->members[i].may_be_absent)
            break;
    }
    if (i == cfg->n_members)
        status = open_next(group, &cfg->resort, true, cfg->resort_shares || group->n_members == 0);
    if (status != DLOP_OK) {
        *failed_out = i;
        close_opened(group, group->n_members);
    }
    return status;
}

static dlop_status init_locks(struct dlop_device *group)
{
    pthread_condattr_t attributes;
    int error;

    if (pthread_condattr_init(&attributes))
        return DLOP_ERR_NO_MEMORY;
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    error = pthread_mutex_init(&group->lock, NULL);
    error = error ? error : pthread_cond_init(&group->watch, &attributes);
    error = error ? error : pthread_cond_init(&group->idle, &attributes);
    pthread_condattr_destroy(&attributes);
    return error ? DLOP_ERR_NO_MEMORY : DLOP_OK;
}

static void free_group(struct dlop_device *group)
{
    pthread_mutex_destroy(&group->lock);
    pthread_cond_destroy(&group->watch);
    pthread_cond_destroy(&group->idle);
    while (group->pool) {
        struct dlop_group_share *share = group->pool;

        group->pool = share->next;
        dlop_group_share_free(share);
    }
    free(group);
}

dlop_status dlop_group_open(const struct dlop_group_cfg *cfg, struct dlop_device **group_out,
                            uint32_t *failed_out)
{
    uint32_t failed = 0;

    if (!cfg || !group_out || !cfg->resort.driver || cfg->n_members > DLOP_GROUP_MAX_MEMBERS)
        return DLOP_ERR_ARGUMENT;
    struct dlop_device *group = calloc(1, sizeof *group);
    if (!group)
        return DLOP_ERR_NO_MEMORY;
    group->cfg = *cfg;
    group->owner = getpid();
    group->resort_queue_end = &group->resort_queue;
    group->finished_end = &group->finished;
    group->watch_at_ns = UINT64_MAX;
    if (!group->cfg.timeout_ms)
        group->cfg.timeout_ms = DLOP_GROUP_DEFAULT_TIMEOUT_MS;
    if (!group->cfg.retry_ms)
        group->cfg.retry_ms = DLOP_GROUP_DEFAULT_RETRY_MS;
    dlop_status status = init_locks(group);
    if (status != DLOP_OK) {
        free(group);
        return status;
    }
    status = open_workers(group, &failed);
    pthread_mutex_lock(&group->lock);
    dlop_group_leave(group); /* what members told meanwhile */
    if (status != DLOP_OK) {
        free_group(group);
        if (failed_out)
            *failed_out = failed;
        return status;
    }
    group->cfg.members = NULL; /* the caller's array need not live on */
    *group_out = group;
    return DLOP_OK;
}

/* In a forked child the threads are not there and any lock may be held for ever: only what the
 * devices themselves can give back goes. */
static void close_in_child(struct dlop_device *group)
{
    for (uint32_t i = 0; i <= group->n_members; i++) {
        struct dlop_group_worker *worker = &group->workers[i];

        if (worker->device)
            worker->driver->close(&worker->device);
    }
}

static void stop_threads(struct dlop_device *group)
{
    pthread_mutex_lock(&group->lock);
    group->is_closing = true;
    while (group->n_launches + group->n_telling > 0)
        pthread_cond_wait(&group->idle, &group->lock);
    group->must_quit = true;
    pthread_cond_broadcast(&group->watch);
    for (uint32_t i = 0; i < group->n_members; i++)
        pthread_cond_broadcast(&group->workers[i].wake);
    dlop_group_leave(group);
    for (uint32_t i = 0; i < group->n_members; i++)
        if (group->workers[i].is_started)
            pthread_join(group->workers[i].thread, NULL);
    if (group->is_watched)
        pthread_join(group->watchdog, NULL);
}

static void group_close(struct dlop_device **device)
{
    struct dlop_device *group;

    if (!device || !*device)
        return;
    group = *device;
    *device = NULL;
    if (group->owner != getpid()) {
        close_in_child(group);
        return;
    }
    stop_threads(group);
    close_opened(group, group->n_members + 1);
    free_group(group);
}

/* ---- launches ---- */

/* With the lock held. Signals are blocked while threads are made, so that the program's handlers
 * run on its own threads. */
static dlop_status start_threads(struct dlop_device *group)
{
    sigset_t all, before;
    bool is_ok = true;

    if (group->n_members == 0 || group->is_watched)
        return DLOP_OK;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (uint32_t i = 0; i < group->n_members && is_ok; i++) {
        struct dlop_group_worker *worker = &group->workers[i];

        if (worker->is_started)
            continue;
        is_ok = !pthread_create(&worker->thread, NULL, dlop_group_member_main, worker);
        worker->is_started = is_ok;
        if (is_ok)
            pthread_setname_np(worker->thread, "dlop-member");
    }
    if (is_ok)
        is_ok = !pthread_create(&group->watchdog, NULL, dlop_group_watchdog_main, group);
    group->is_watched = is_ok;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return is_ok ? DLOP_OK : DLOP_ERR_THREAD;
}

/* The jobs of one launch on their way to the workers. */
struct division {
    uint32_t n; /* workers that take part */
    struct dlop_group_worker *workers[DLOP_GROUP_MAX_MEMBERS + 1];
    struct dlop_group_load loads[DLOP_GROUP_MAX_MEMBERS + 1];
    struct dlop_group_share *shares[DLOP_GROUP_MAX_MEMBERS + 1]; /* null: none */
    struct dlop_group_share *resorted; /* the resort's, of jobs that only it may judge, too */
};

static void divide(struct dlop_device *group, uint32_t n_jobs, struct division *division)
{
    struct dlop_group_worker *resort = dlop_group_resort(group);

    division->n = 0;
    for (uint32_t i = 0; i < group->n_members; i++)
        if (!group->workers[i].stats.is_lost)
            division->workers[division->n++] = &group->workers[i];
    if (resort->stats.shares || division->n == 0)
        division->workers[division->n++] = resort;
    for (uint32_t i = 0; i < division->n; i++) {
        struct dlop_group_worker *worker = division->workers[i];

        division->loads[i] = (struct dlop_group_load){
            .rate_hz = worker->stats.rate_hz, .n_open = worker->n_open, .n_idle = worker->n_idle};
    }
    dlop_group_divide(n_jobs, division->loads, division->n);
    for (uint32_t i = 0; i < division->n; i++)
        division->workers[i]->n_idle =
            division->loads[i].n_jobs_out ? 0 : division->workers[i]->n_idle + 1;
}

/* False: out of memory; what was taken is taken all the same. */
static bool take_shares(struct dlop_device *group, struct dlop_launch *launch,
                        struct division *division)
{
    bool is_complete = true;

    division->resorted = dlop_group_take_share(group, launch, launch->n_jobs);
    for (uint32_t i = 0; i < division->n; i++) {
        uint32_t n_jobs = division->loads[i].n_jobs_out;

        division->shares[i] = NULL;
        if (division->workers[i] == dlop_group_resort(group))
            division->shares[i] = division->resorted;
        else if (n_jobs > 0 &&
                 !(division->shares[i] = dlop_group_take_share(group, launch, n_jobs)))
            is_complete = false;
    }
    return is_complete && division->resorted;
}

static void drop_unused(struct dlop_device *group, struct dlop_launch *launch,
                        struct dlop_group_share *share)
{
    if (!share)
        return;
    launch->driver_data[DLOP_GROUP_N_SHARES]--;
    dlop_group_drop_share(group, share);
}

static void fill_shares(struct division *division)
{
    uint32_t i_job = 0;

    for (uint32_t i = 0; i < division->n; i++)
        for (uint32_t k = 0; k < division->loads[i].n_jobs_out; k++, i_job++)
            if (division->shares[i] == division->resorted ||
                !dlop_group_share_add_compact(division->shares[i], i_job))
                dlop_group_share_add(division->resorted, i_job, DLOP_OK);
}

/* Everything to its worker; an empty launch to the resort, whose thread then tells that it is done.
 */
static void queue_shares(struct dlop_device *group, struct dlop_launch *launch,
                         struct division *division)
{
    for (uint32_t i = 0; i < division->n; i++) {
        struct dlop_group_share *share = division->shares[i];

        if (!share || share == division->resorted)
            continue;
        if (share->n_jobs > 0)
            dlop_group_queue_member(division->workers[i], share);
        else
            drop_unused(group, launch, share);
    }
    if (division->resorted->n_jobs > 0 || launch->n_jobs == 0)
        dlop_group_queue_resort(group, division->resorted);
    else
        drop_unused(group, launch, division->resorted);
}

static dlop_status share_out(struct dlop_device *group, struct dlop_launch *launch)
{
    struct division division;

    launch->driver_data[DLOP_GROUP_N_SHARES] = 0;
    launch->driver_data[DLOP_GROUP_STATUS] = DLOP_OK;
    divide(group, launch->n_jobs, &division);
    if (!take_shares(group, launch, &division)) {
        for (uint32_t i = 0; i < division.n; i++)
            if (division.shares[i] != division.resorted)
                drop_unused(group, launch, division.shares[i]);
        drop_unused(group, launch, division.resorted);
        return DLOP_ERR_NO_MEMORY;
    }
    fill_shares(&division);
    group->n_launches++;
    queue_shares(group, launch, &division);
    return DLOP_OK;
}

static dlop_status group_submit(struct dlop_device *group, struct dlop_launch *launch)
{
    dlop_status status = DLOP_OK;

    if (group->owner != getpid())
        return DLOP_ERR_STATE;
    pthread_mutex_lock(&group->lock);
    if (group->is_closing)
        status = DLOP_ERR_STATE;
    else if (group->n_launches >= DLOP_GROUP_MAX_LAUNCHES)
        status = DLOP_AGAIN;
    else
        status = start_threads(group);
    if (status == DLOP_OK)
        status = share_out(group, launch);
    dlop_group_leave(group);
    return status;
}

/* ---- what can be asked ---- */

static uint32_t group_n_units(const struct dlop_device *group)
{
    uint32_t n_units = 0;

    for (uint32_t i = 0; i <= group->n_members; i++)
        if (group->workers[i].stats.shares)
            n_units += group->workers[i].stats.n_units;
    return n_units;
}

/* What the resort runs runs here. */
static dlop_status group_accepts(struct dlop_device *group, const struct dlop_job *job,
                                 char *reason_out, size_t size)
{
    struct dlop_group_worker *resort = dlop_group_resort(group);

    return resort->driver->accepts(resort->device, job, reason_out, size);
}

static dlop_status group_probe(struct dlop_device_info *info_out)
{
    *info_out = (struct dlop_device_info){
        .name = "group", .description = "several devices as one", .n_units = 1, .is_present = true};
    return DLOP_OK;
}

static dlop_status group_open(const struct dlop_device_cfg *cfg, struct dlop_device **device_out)
{
    (void)cfg, (void)device_out;
    return DLOP_ERR_UNSUPPORTED;
}

bool dlop_group_stats_get(struct dlop_device *group, uint32_t i, struct dlop_group_stats *stats_out)
{
    if (i > group->n_members)
        return false;
    if (group->owner != getpid()) {
        *stats_out = group->workers[i].stats;
        return true;
    }
    pthread_mutex_lock(&group->lock);
    *stats_out = group->workers[i].stats;
    pthread_mutex_unlock(&group->lock);
    return true;
}

const struct dlop_driver dlop_group_driver = {
    .name = "group",
    .memory = {.alloc = group_alloc,
               .wrap = group_wrap,
               .free = group_free,
               .to_device = group_transfer,
               .from_device = group_transfer},
    .probe = group_probe,
    .open = group_open,
    .close = group_close,
    .accepts = group_accepts,
    .submit = group_submit,
    .n_units = group_n_units,
};
