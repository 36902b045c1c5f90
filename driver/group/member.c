/* A member's thread: stages shares, submits, fetches results, and brings a lost device back.
 *
 * All calls that may block are made on this thread, so that submit never does; a call that never
 * returns is noticed by the watchdog, which gives the member's shares to the resort. A share that
 * was given up stays in its slot, with all its memory, until its `done` or the device's end; the
 * caller's memory is touched only in place HELD, in which no share is given up.
 */
#include <stdio.h>
#include <time.h>

#include "driver/group/state.h"

#define NS_PER_MS        1000000u
#define MAX_RETRY_NS     ((uint64_t)60000 * NS_PER_MS)
#define REFUSED_PAUSE_NS ((uint64_t)NS_PER_MS)
#define HELD_PAUSE_NS    ((uint64_t)5 * NS_PER_MS)
#define SLOWNESS         4 /* a launch may take so many times what the member's rate promises */
#define RESERVE_DIVISOR  4 /* buffers grow by a quarter more than asked */

uint64_t dlop_group_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void dlop_group_wait(struct dlop_device *group, pthread_cond_t *condition, uint64_t until_ns)
{
    struct timespec until = {(time_t)(until_ns / 1000000000u), (long)(until_ns % 1000000000u)};

    if (until_ns == UINT64_MAX)
        pthread_cond_wait(condition, &group->lock);
    else
        pthread_cond_timedwait(condition, &group->lock, &until);
}

/* ---- queue, and loss; the lock is held ---- */

void dlop_group_queue_member(struct dlop_group_worker *worker, struct dlop_group_share *share)
{
    share->worker = worker;
    share->place = DLOP_GROUP_QUEUED;
    share->next = NULL;
    *worker->queue_end = share;
    worker->queue_end = &share->next;
    worker->n_open += share->n_jobs;
    pthread_cond_signal(&worker->wake);
}

static struct dlop_group_share *take_queued(struct dlop_group_worker *worker)
{
    struct dlop_group_share *share = worker->queue;

    worker->queue = share->next;
    if (!worker->queue)
        worker->queue_end = &worker->queue;
    return share;
}

/* The member that works and would be done first, or null. */
static struct dlop_group_worker *find_other(struct dlop_device *group)
{
    struct dlop_group_worker *best = NULL;
    double best_s = 0.0;

    for (uint32_t i = 0; i < group->n_members; i++) {
        struct dlop_group_worker *worker = &group->workers[i];
        double rate_hz = worker->stats.rate_hz > 0.0 ? worker->stats.rate_hz : 1.0;
        double done_s = (double)worker->n_open / rate_hz;

        if (worker->stats.is_lost || (best && done_s >= best_s))
            continue;
        best = worker;
        best_s = done_s;
    }
    return best;
}

/* Shares that no device has seen go to another member as they are, or to the resort. */
static void move_queue(struct dlop_group_worker *worker)
{
    struct dlop_device *group = worker->group;

    while (worker->queue) {
        struct dlop_group_share *share = take_queued(worker);
        struct dlop_group_worker *other = find_other(group);

        worker->n_open -= share->n_jobs;
        if (other) {
            dlop_group_queue_member(other, share);
            continue;
        }
        dlop_group_replay(worker, share, true);
        dlop_group_end_share(group, share->whole, DLOP_OK);
        dlop_group_drop_share(group, share);
    }
}

static void abandon(struct dlop_group_worker *worker, struct dlop_group_share *share)
{
    dlop_group_replay(worker, share, true);
    dlop_group_end_share(worker->group, share->whole, DLOP_OK);
    share->is_abandoned = true;
    worker->n_open -= share->n_jobs;
}

void dlop_group_lose(struct dlop_group_worker *worker, dlop_status status, const char *text)
{
    if (worker->stats.is_lost)
        return;
    worker->stats.is_lost = true;
    worker->stats.n_losses++;
    worker->retry_at_ns = dlop_group_now_ns() + worker->retry_ns;
    dlop_group_tell(worker, DLOP_DEVICE_LOST, status, worker->n_open, text);
    for (uint32_t i = 0; i < DLOP_GROUP_N_SLOTS; i++) {
        struct dlop_group_share *share = worker->slots[i].share;

        if (share && share->place == DLOP_GROUP_AWAY && !share->is_abandoned)
            abandon(worker, share);
    }
    move_queue(worker);
    pthread_cond_signal(&worker->wake);
}

/* ---- one share on its way; each begins and ends with the lock held ---- */

static void free_slot(struct dlop_group_worker *worker, struct dlop_group_share *share)
{
    worker->slots[share->slot].share = NULL;
    dlop_group_drop_share(worker->group, share);
}

/* After calls of the device: whether the share is still to be served. A device that says what went
 * wrong is forgiven some times, one that says or shows that it is gone is not. */
static bool is_ours(struct dlop_group_worker *worker, struct dlop_group_share *share,
                    dlop_status status, const char *text)
{
    if (status == DLOP_ERR_DEVICE_FAULT && !share->is_abandoned) {
        abandon(worker, share);
        dlop_group_strike(worker, 0);
    } else if (status != DLOP_OK) {
        dlop_group_lose(worker, status, text);
    }
    return !share->is_abandoned;
}

static void set_deadline(struct dlop_group_worker *worker, struct dlop_group_share *share)
{
    struct dlop_device *group = worker->group;
    uint64_t allowed_ns = (uint64_t)group->cfg.timeout_ms * NS_PER_MS;

    if (worker->stats.rate_hz > 0.0)
        allowed_ns += (uint64_t)(1e9 * SLOWNESS * worker->n_open / worker->stats.rate_hz);
    share->deadline_ns = dlop_group_now_ns() + allowed_ns;
    if (group->watch_at_ns > share->deadline_ns)
        pthread_cond_signal(&group->watch);
}

static dlop_status reserve(struct dlop_group_worker *worker, size_t n_bytes,
                           struct dlop_buffer *buffer)
{
    const struct dlop_memory_ops *memory = &worker->driver->memory;

    if (n_bytes <= buffer->size_bytes)
        return DLOP_OK;
    memory->free(worker->device, buffer);
    return memory->alloc(worker->device, n_bytes + n_bytes / RESERVE_DIVISOR, buffer);
}

static dlop_status reserve_slot(struct dlop_group_worker *worker, struct dlop_group_share *share)
{
    struct dlop_group_slot *slot = &worker->slots[share->slot];
    dlop_status status = reserve(worker, share->in_bytes, &slot->in);

    if (status == DLOP_OK)
        status = reserve(worker, share->constants_bytes, &slot->constants);
    if (status == DLOP_OK)
        status = reserve(worker, share->out_bytes, &slot->out);
    return status;
}

static void member_done(struct dlop_launch *launch, dlop_status status)
{
    struct dlop_group_share *share = launch->cookie;
    struct dlop_group_worker *worker = share->worker;

    pthread_mutex_lock(&worker->group->lock);
    share->is_done = true;
    share->done_status = status;
    share->deadline_ns = UINT64_MAX;
    pthread_cond_signal(&worker->wake);
    pthread_mutex_unlock(&worker->group->lock);
}

/* Hand a staged share to the device. The lock is given up meanwhile. */
static void submit_staged(struct dlop_group_worker *worker, struct dlop_group_share *share)
{
    worker->refused = NULL;
    pthread_mutex_unlock(&worker->group->lock);
    dlop_status status = worker->driver->submit(worker->device, &share->launch);
    pthread_mutex_lock(&worker->group->lock);
    if (status == DLOP_OK)
        return; /* it is the device's until `done` */
    if (status == DLOP_AGAIN && !share->is_abandoned) {
        worker->refused = share;
        return;
    }
    is_ours(worker, share, status, "takes no launch");
    free_slot(worker, share);
}

/* Copy in what the jobs read. False: the share is not this member's any more, and is gone. */
static bool stage(struct dlop_group_worker *worker, struct dlop_group_share *share)
{
    struct dlop_group_slot *slot = &worker->slots[share->slot];
    const struct dlop_memory_ops *memory = &worker->driver->memory;
    struct dlop_device *group = worker->group;

    share->place = DLOP_GROUP_HELD;
    pthread_mutex_unlock(&group->lock);
    dlop_group_share_copy_in(share, slot->in.host, slot->constants.host);
    pthread_mutex_lock(&group->lock);
    share->place = DLOP_GROUP_AWAY;
    if (worker->stats.is_lost) {
        abandon(worker, share);
        return false;
    }
    pthread_mutex_unlock(&group->lock);
    dlop_status status = memory->to_device(worker->device, &slot->in, 0, share->in_bytes);
    if (status == DLOP_OK)
        status = memory->to_device(worker->device, &slot->constants, 0, share->constants_bytes);
    pthread_mutex_lock(&group->lock);
    return is_ours(worker, share, status, "takes no data");
}

/* Whether all jobs are of a kind that runs here; else the resort has them. */
static bool is_accepted(struct dlop_group_worker *worker, struct dlop_group_share *share,
                        dlop_status status)
{
    if (status == DLOP_OK)
        return true;
    worker->stats.n_refused += share->n_jobs;
    abandon(worker, share);
    return false;
}

static void start(struct dlop_group_worker *worker, uint32_t i_slot)
{
    struct dlop_group_share *share = take_queued(worker);
    struct dlop_group_slot *slot = &worker->slots[i_slot];
    struct dlop_device *group = worker->group;

    slot->share = share;
    share->slot = i_slot;
    share->place = DLOP_GROUP_AWAY;
    share->begin_ns = dlop_group_now_ns();
    set_deadline(worker, share);
    pthread_mutex_unlock(&group->lock);
    dlop_status accepted = worker->driver->accepts(worker->device, &share->jobs[0], NULL, 0);
    dlop_status status = accepted == DLOP_OK ? reserve_slot(worker, share) : DLOP_OK;
    pthread_mutex_lock(&group->lock);
    if (status == DLOP_ERR_NO_MEMORY) { /* too much for it, which is no fault */
        accepted = status;
        status = DLOP_OK;
    }
    if (!is_ours(worker, share, status, "gives no memory") ||
        !is_accepted(worker, share, accepted) || !stage(worker, share)) {
        free_slot(worker, share);
        return;
    }
    share->launch = (struct dlop_launch){.jobs = share->jobs,
                                         .completions = share->completions,
                                         .n_jobs = share->n_jobs,
                                         .in = &slot->in,
                                         .constants = &slot->constants,
                                         .out = &slot->out,
                                         .done = member_done,
                                         .cookie = share};
    submit_staged(worker, share);
}

/* Take the results of a share whose launch is done. */
static void land(struct dlop_group_worker *worker, struct dlop_group_share *share)
{
    struct dlop_group_slot *slot = &worker->slots[share->slot];
    struct dlop_device *group = worker->group;

    if (!is_ours(worker, share, share->done_status, "a launch failed")) {
        free_slot(worker, share);
        return;
    }
    set_deadline(worker, share);
    pthread_mutex_unlock(&group->lock);
    dlop_status status =
        worker->driver->memory.from_device(worker->device, &slot->out, 0, share->out_bytes);
    pthread_mutex_lock(&group->lock);
    if (!is_ours(worker, share, status, "gives no results")) {
        free_slot(worker, share);
        return;
    }
    share->place = DLOP_GROUP_HELD;
    pthread_mutex_unlock(&group->lock);
    uint32_t n_bad = dlop_group_share_copy_out(share, slot->out.host);
    pthread_mutex_lock(&group->lock);
    dlop_group_settle(worker, share, n_bad);
    free_slot(worker, share);
}

/* ---- a lost device ---- */

dlop_status dlop_group_open_worker(struct dlop_group_worker *worker,
                                   struct dlop_device **device_out)
{
    const struct dlop_group_cfg *cfg = &worker->group->cfg;

    if (!cfg->open_member || worker->stats.is_resort)
        return worker->driver->open(&worker->cfg, device_out);
    return cfg->open_member(cfg->open_cookie, worker->driver, &worker->cfg, device_out,
                            &worker->opened_hz);
}

/* Without the lock. device: null where it is closed. */
static void free_buffers(struct dlop_group_worker *worker, struct dlop_device *device)
{
    const struct dlop_memory_ops *memory = &worker->driver->memory;

    for (uint32_t i = 0; i < DLOP_GROUP_N_SLOTS; i++) {
        memory->free(device, &worker->slots[i].in);
        memory->free(device, &worker->slots[i].constants);
        memory->free(device, &worker->slots[i].out);
    }
}

/* Close the device, which ends what it still has, and free the member's memory on it: afterwards
 * where it may still be in use. The lock is given up meanwhile. */
static void close_device(struct dlop_group_worker *worker)
{
    struct dlop_device *group = worker->group, *device = worker->device;
    bool is_idle = true;

    for (uint32_t i = 0; i < DLOP_GROUP_N_SLOTS; i++)
        is_idle &= !worker->slots[i].share || worker->slots[i].share->is_done;
    worker->device = NULL;
    pthread_mutex_unlock(&group->lock);
    if (is_idle)
        free_buffers(worker, device);
    worker->driver->close(&device);
    free_buffers(worker, NULL);
    pthread_mutex_lock(&group->lock);
    worker->refused = NULL;
    for (uint32_t i = 0; i < DLOP_GROUP_N_SLOTS; i++)
        if (worker->slots[i].share)
            free_slot(worker, worker->slots[i].share);
}

static void come_back(struct dlop_group_worker *worker, struct dlop_device *device)
{
    worker->device = device;
    worker->stats.is_lost = false;
    worker->stats.n_backs++;
    worker->n_strikes = worker->n_fair = 0;
    worker->last_end_ns = 0;
    dlop_group_tell(worker, DLOP_DEVICE_BACK, DLOP_OK, 0, "works again");
}

/* One step towards the device's return. */
static void recover(struct dlop_group_worker *worker)
{
    struct dlop_device *group = worker->group, *device = NULL;

    if (worker->device) {
        close_device(worker);
        return;
    }
    if (dlop_group_now_ns() < worker->retry_at_ns) {
        dlop_group_wait(group, &worker->wake, worker->retry_at_ns);
        return;
    }
    pthread_mutex_unlock(&group->lock);
    dlop_status status = dlop_group_open_worker(worker, &device);
    pthread_mutex_lock(&group->lock);
    /* A device that comes back and is lost again is tried ever more rarely, too. */
    worker->retry_ns = 2 * worker->retry_ns < MAX_RETRY_NS ? 2 * worker->retry_ns : MAX_RETRY_NS;
    worker->retry_at_ns = dlop_group_now_ns() + worker->retry_ns;
    if (status == DLOP_OK)
        come_back(worker, device);
}

/* ---- threads ---- */

static struct dlop_group_share *find_landed(struct dlop_group_worker *worker)
{
    struct dlop_group_share *first = NULL;

    for (uint32_t i = 0; i < DLOP_GROUP_N_SLOTS; i++) {
        struct dlop_group_share *share = worker->slots[i].share;

        if (share && share->is_done && (!first || share->begin_ns < first->begin_ns))
            first = share;
    }
    return first;
}

/* DLOP_GROUP_N_SLOTS where all are taken. */
static uint32_t find_free_slot(const struct dlop_group_worker *worker)
{
    uint32_t i = 0;

    while (i < DLOP_GROUP_N_SLOTS && worker->slots[i].share)
        i++;
    return i;
}

/* Do what is to be done next, or wait. */
static void serve(struct dlop_group_worker *worker)
{
    struct dlop_device *group = worker->group;
    struct dlop_group_share *landed = find_landed(worker);
    uint32_t i_slot = find_free_slot(worker);

    if (landed) {
        land(worker, landed);
    } else if (worker->refused) {
        dlop_group_wait(group, &worker->wake, dlop_group_now_ns() + REFUSED_PAUSE_NS);
        if (worker->refused && !worker->stats.is_lost)
            submit_staged(worker, worker->refused);
    } else if (worker->queue && i_slot < DLOP_GROUP_N_SLOTS) {
        start(worker, i_slot);
    } else {
        dlop_group_wait(group, &worker->wake, UINT64_MAX);
    }
}

void *dlop_group_member_main(void *argument)
{
    struct dlop_group_worker *worker = argument;
    struct dlop_device *group = worker->group;

    pthread_mutex_lock(&group->lock);
    while (!group->must_quit) {
        if (worker->stats.is_lost)
            recover(worker);
        else
            serve(worker);
        if (dlop_group_is_due(group)) {
            dlop_group_leave(group);
            pthread_mutex_lock(&group->lock);
        }
    }
    if (worker->device)
        close_device(worker);
    pthread_mutex_unlock(&group->lock);
    return NULL;
}

/* When the watchdog must look at this member next; lose it where that was before now. */
static uint64_t watch(struct dlop_group_worker *worker, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;
    char text[64];

    for (uint32_t i = 0; i < DLOP_GROUP_N_SLOTS; i++) {
        const struct dlop_group_share *share = worker->slots[i].share;
        uint64_t at_ns;

        if (!share || share->is_abandoned)
            continue;
        at_ns = share->deadline_ns;
        if (at_ns <= now_ns && share->place == DLOP_GROUP_HELD)
            at_ns = now_ns + HELD_PAUSE_NS;
        if (at_ns <= now_ns) {
            snprintf(text, sizeof text, "no answer for %.1f s",
                     (double)(now_ns - share->begin_ns) * 1e-9);
            dlop_group_lose(worker, DLOP_ERR_TIMEOUT, text);
            return UINT64_MAX;
        }
        next_ns = at_ns < next_ns ? at_ns : next_ns;
    }
    return next_ns;
}

void *dlop_group_watchdog_main(void *argument)
{
    struct dlop_device *group = argument;

    pthread_mutex_lock(&group->lock);
    while (!group->must_quit) {
        uint64_t now_ns = dlop_group_now_ns();

        group->watch_at_ns = UINT64_MAX;
        for (uint32_t i = 0; i < group->n_members; i++) {
            uint64_t at_ns = watch(&group->workers[i], now_ns);

            if (at_ns < group->watch_at_ns)
                group->watch_at_ns = at_ns;
        }
        if (dlop_group_is_due(group)) {
            dlop_group_leave(group);
            pthread_mutex_lock(&group->lock);
            continue; /* the lock was given up: look again before the wait */
        }
        dlop_group_wait(group, &group->watch, group->watch_at_ns);
    }
    pthread_mutex_unlock(&group->lock);
    return NULL;
}
