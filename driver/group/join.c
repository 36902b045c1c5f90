/* Launches and their shares: who waits for what, and what is due when the lock is given up.
 *
 * A launch is done when none of its shares is open. A share that a member could not do is ended
 * after its replay was opened, so the launch cannot end in between.
 */
#include <stdio.h>
#include <string.h>

#include "driver/group/divide.h"
#include "driver/group/state.h"

/* Of one share by the resort, whose queue can be full of nothing but our shares. */
#define MAX_REFUSALS 10000
#define FAIR_SHARES  64 /* good shares in a row after which earlier faults are forgotten */
#define MAX_STRIKES  3  /* wrong answers that a member may give before it is lost */

/* ---- shares ---- */

struct dlop_group_share *dlop_group_take_share(struct dlop_device *group, struct dlop_launch *whole,
                                               uint32_t n_jobs)
{
    struct dlop_group_share *reused = group->pool, *next = reused ? reused->next : NULL;
    struct dlop_group_share *share = dlop_group_share_make(reused, n_jobs);

    if (!share)
        return NULL;
    group->pool = next;
    share->whole = whole;
    whole->driver_data[DLOP_GROUP_N_SHARES]++;
    return share;
}

void dlop_group_drop_share(struct dlop_device *group, struct dlop_group_share *share)
{
    share->next = group->pool;
    group->pool = share;
}

void dlop_group_end_share(struct dlop_device *group, struct dlop_launch *whole, dlop_status status)
{
    if (status != DLOP_OK)
        whole->driver_data[DLOP_GROUP_STATUS] = (uint64_t)(int64_t)status;
    if (--whole->driver_data[DLOP_GROUP_N_SHARES] > 0)
        return;
    whole->next = NULL;
    *group->finished_end = whole;
    group->finished_end = &whole->next;
}

void dlop_group_queue_resort(struct dlop_device *group, struct dlop_group_share *share)
{
    dlop_group_resort(group)->n_open += share->n_jobs;
    share->next = NULL;
    *group->resort_queue_end = share;
    group->resort_queue_end = &share->next;
}

void dlop_group_replay(struct dlop_group_worker *worker, const struct dlop_group_share *share,
                       bool is_all)
{
    struct dlop_device *group = worker->group;
    struct dlop_group_share *replay = dlop_group_take_share(group, share->whole, share->n_jobs);

    if (!replay) {
        share->whole->driver_data[DLOP_GROUP_STATUS] = (uint64_t)(int64_t)DLOP_ERR_NO_MEMORY;
        return;
    }
    for (uint32_t k = 0; k < share->n_jobs; k++) {
        bool is_doubted = !is_all && share->verdict[k] == DLOP_GROUP_DOUBTED;

        if (is_all || share->verdict[k] != DLOP_GROUP_GOOD)
            dlop_group_share_add(replay, share->index[k],
                                 is_doubted ? share->completions[k].status : DLOP_OK);
    }
    replay->worker = worker;
    replay->is_replay = true;
    worker->stats.n_replayed += replay->n_jobs;
    dlop_group_tell(worker, DLOP_DEVICE_REPLAYED, DLOP_OK, replay->n_jobs, "done again elsewhere");
    dlop_group_queue_resort(group, replay);
}

void dlop_group_strike(struct dlop_group_worker *worker, uint32_t n)
{
    worker->stats.n_wrong += n;
    worker->n_strikes++;
    worker->n_fair = 0;
    if (n > 0)
        dlop_group_tell(worker, DLOP_DEVICE_WRONG, DLOP_ERR_DEVICE_FAULT, n,
                        "completions that cannot be right");
    if (worker->n_strikes >= MAX_STRIKES)
        dlop_group_lose(worker, DLOP_ERR_DEVICE_FAULT, "too many faults");
}

static void update_rate(struct dlop_group_worker *worker, const struct dlop_group_share *share)
{
    uint64_t now_ns = dlop_group_now_ns();
    uint64_t begin_ns =
        share->begin_ns > worker->last_end_ns ? share->begin_ns : worker->last_end_ns;

    worker->last_end_ns = now_ns;
    if (share->n_jobs > 0)
        worker->stats.rate_hz =
            dlop_group_rate(worker->stats.rate_hz, share->n_jobs, now_ns - begin_ns);
}

void dlop_group_settle(struct dlop_group_worker *worker, struct dlop_group_share *share,
                       uint32_t n_bad)
{
    struct dlop_device *group = worker->group;
    uint32_t n_wrong = 0;

    update_rate(worker, share);
    worker->stats.n_records += share->n_jobs - n_bad;
    worker->n_open -= share->n_jobs;
    for (uint32_t k = 0; k < share->n_jobs; k++)
        n_wrong += share->verdict[k] == DLOP_GROUP_WRONG;
    if (n_bad > 0)
        dlop_group_replay(worker, share, false);
    if (n_wrong > 0) {
        dlop_group_strike(worker, n_wrong);
    } else if (++worker->n_fair >= FAIR_SHARES) {
        worker->n_strikes = 0;
        worker->retry_ns = (uint64_t)group->cfg.retry_ms * 1000000u;
    }
    dlop_group_end_share(group, share->whole, DLOP_OK);
}

/* ---- events ---- */

void dlop_group_tell(struct dlop_group_worker *worker, uint32_t kind, dlop_status status,
                     uint32_t n_jobs, const char *text)
{
    struct dlop_device *group = worker->group;

    if (!group->cfg.on_event || group->n_events == DLOP_GROUP_N_EVENTS)
        return;
    struct dlop_group_event *entry =
        &group->events[(group->first_event + group->n_events++) % DLOP_GROUP_N_EVENTS];
    snprintf(entry->text, sizeof entry->text, "%s", text);
    entry->event = (struct dlop_device_event){
        .device = worker->stats.label, .status = status, .kind = kind, .n_jobs = n_jobs};
}

static void send_event(struct dlop_device *group)
{
    struct dlop_group_event entry = group->events[group->first_event];

    group->first_event = (group->first_event + 1) % DLOP_GROUP_N_EVENTS;
    group->n_events--;
    pthread_mutex_unlock(&group->lock);
    entry.event.text = entry.text;
    group->cfg.on_event(group->cfg.event_cookie, &entry.event);
    pthread_mutex_lock(&group->lock);
}

/* ---- the resort ---- */

/* Errors with which a device may refuse what another can do. */
static bool is_refusal(int32_t status)
{
    return status == DLOP_ERR_UNSUPPORTED || status == DLOP_ERR_LIMIT ||
           status == DLOP_ERR_TOO_SMALL || status == DLOP_ERR_ABI;
}

/* The resort's completions are final; what they say of the device that had the jobs first. */
static void take_final(struct dlop_group_share *share)
{
    struct dlop_group_worker *first = share->worker;
    uint32_t n_wrong = 0;

    for (uint32_t k = 0; k < share->n_jobs; k++) {
        share->whole->completions[share->index[k]] = share->completions[k];
        if (share->doubted[k] == DLOP_OK || share->completions[k].status != DLOP_OK)
            continue;
        if (is_refusal(share->doubted[k]))
            first->stats.n_refused++;
        else
            n_wrong++;
    }
    if (n_wrong > 0)
        dlop_group_strike(first, n_wrong);
}

static void free_views(struct dlop_group_worker *resort, struct dlop_group_share *share)
{
    const struct dlop_memory_ops *memory = &resort->driver->memory;

    for (uint32_t i = 0; i < 3; i++)
        memory->free(resort->device, &share->views[i]);
}

/* The share has left the resort's device, or never got there. The lock is held. */
static void end_resorted(struct dlop_device *group, struct dlop_group_share *share,
                         dlop_status status)
{
    struct dlop_group_worker *resort = dlop_group_resort(group);

    resort->n_open -= share->n_jobs;
    if (status == DLOP_OK) {
        take_final(share);
        resort->stats.n_records += share->n_jobs;
        update_rate(resort, share);
    }
    dlop_group_end_share(group, share->whole, status);
    dlop_group_drop_share(group, share);
}

static void resort_done(struct dlop_launch *launch, dlop_status status)
{
    struct dlop_group_share *share = launch->cookie;
    struct dlop_device *group = share->group;

    free_views(dlop_group_resort(group), share);
    pthread_mutex_lock(&group->lock);
    group->n_resorted--;
    group->is_resort_full = false;
    end_resorted(group, share, status);
    dlop_group_leave(group);
}

/* The caller's memory as the resort sees it. */
static dlop_status make_views(struct dlop_group_worker *resort, struct dlop_group_share *share)
{
    const struct dlop_memory_ops *memory = &resort->driver->memory;
    const struct dlop_buffer *const from[] = {share->whole->in, share->whole->constants,
                                              share->whole->out};
    dlop_status status = DLOP_OK;

    memset(share->views, 0, sizeof share->views);
    for (uint32_t i = 0; i < 3 && status == DLOP_OK; i++)
        status = memory->wrap(resort->device, from[i]->host, from[i]->size_bytes, &share->views[i]);
    return status;
}

/* Give the first waiting share to the resort's device. The lock is held, and given up meanwhile. */
static void send_to_resort(struct dlop_device *group)
{
    struct dlop_group_worker *resort = dlop_group_resort(group);
    struct dlop_group_share *share = group->resort_queue;

    group->resort_queue = share->next;
    if (!group->resort_queue)
        group->resort_queue_end = &group->resort_queue;
    group->n_resorted++;
    pthread_mutex_unlock(&group->lock);
    share->begin_ns = dlop_group_now_ns();
    share->group = group;
    share->launch = (struct dlop_launch){.jobs = share->jobs,
                                         .completions = share->completions,
                                         .n_jobs = share->n_jobs,
                                         .in = &share->views[0],
                                         .constants = &share->views[1],
                                         .out = &share->views[2],
                                         .done = resort_done,
                                         .cookie = share};
    dlop_status status = make_views(resort, share);
    if (status == DLOP_OK)
        status = resort->driver->submit(resort->device, &share->launch);
    if (status != DLOP_OK)
        free_views(resort, share);
    pthread_mutex_lock(&group->lock);
    if (status == DLOP_OK)
        return; /* the share may be gone */
    group->n_resorted--;
    if (status == DLOP_AGAIN && share->n_refusals++ < MAX_REFUSALS) {
        /* Where nothing of ours is left there, nothing would tell us to try again. */
        group->is_resort_full = group->n_resorted > 0;
        share->next = group->resort_queue;
        group->resort_queue = share;
        if (!share->next)
            group->resort_queue_end = &share->next;
    } else {
        end_resorted(group, share, status == DLOP_AGAIN ? DLOP_ERR_DEVICE_FAULT : status);
    }
}

/* ---- leaving the lock ---- */

static void send_done(struct dlop_device *group)
{
    struct dlop_launch *launch = group->finished;

    group->finished = launch->next;
    if (!group->finished)
        group->finished_end = &group->finished;
    group->n_launches--;
    group->n_telling++;
    pthread_mutex_unlock(&group->lock);
    launch->done(launch, (dlop_status)(int64_t)launch->driver_data[DLOP_GROUP_STATUS]);
    pthread_mutex_lock(&group->lock);
    group->n_telling--;
    if (group->n_launches + group->n_telling == 0)
        pthread_cond_broadcast(&group->idle);
}

static bool is_resort_due(const struct dlop_device *group)
{
    return group->resort_queue && !group->is_resort_full;
}

bool dlop_group_is_due(const struct dlop_device *group)
{
    return group->n_events > 0 || group->finished || is_resort_due(group);
}

void dlop_group_leave(struct dlop_device *group)
{
    while (dlop_group_is_due(group)) {
        if (group->n_events > 0)
            send_event(group);
        else if (is_resort_due(group))
            send_to_resort(group);
        else
            send_done(group);
    }
    pthread_mutex_unlock(&group->lock);
}
