/* Threads that run the jobs of launches: see pool.h.
 *
 * Life of a launch: submit puts it at the queue's tail. A thread attaches to the head (under the
 * lock), takes jobs with fetch-and-add until the counter passes n_jobs, then detaches (under the
 * lock). The first to find the counter exhausted unlinks the launch, so that nobody attaches any
 * more; the last to detach knows that every completion is written and calls `done`. So the launch
 * is never touched after `done`, and the lock orders all completions before it.
 *
 * A job that is worth it is led by the thread that took it: it puts a call into the pool's list,
 * and threads that find nothing better to do answer it. Who answers a call is counted under the
 * lock, and the leader does not leave the job before the count is zero; so what the call, the job
 * and the leader's worker point at outlives every helper.
 *
 * Invariants: launches in the queue have jobs left or an attached thread that will unlink them;
 * n_launches counts launches from submit to just before `done`; n_attached counts threads that may
 * be changing their worker's memory; a launch has a slot from submit to `done`.
 */
#include "driver/cpu/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "driver/cpu/order.h"
#include "driver/cpu/worker.h"

/* Use of dlop_launch.driver_data. */
enum { LAUNCH_NEXT_JOB, LAUNCH_ATTACHED, LAUNCH_IS_UNLINKED, LAUNCH_SLOT };

/* A job that others may help with: one per thread, the leader's. */
struct pool_call {
    struct dlop_cpu_crew crew; /* first: the team knows no more of the call */
    struct dlop_cpu_pool *pool;
    struct dlop_cpu_team *team;
    const struct dlop_launch *launch;
    u64 cost;
    struct pool_call *next;
    uint32_t n_helpers;
    bool is_listed;
};

struct pool_thread {
    struct dlop_cpu_pool *pool;
    struct dlop_cpu_worker *worker;
    struct pool_call call;
    pthread_t handle;
};

struct dlop_cpu_pool {
    pid_t owner; /* the process whose threads these are */
    uint32_t n_threads;
    u64 split_cost;
    uint32_t min_part_bytes;
    pthread_mutex_t lock; /* of everything below */
    pthread_cond_t wake;
    pthread_cond_t alone; /* some call has no helpers any more */
    struct dlop_launch *head, *tail;
    u64 queued_cost; /* of launches in the queue */
    struct pool_call *calls;
    u64 used_slots; /* bit i: orders[i] */
    struct dlop_cpu_order orders[DLOP_CPU_MAX_LAUNCHES];
    uint32_t n_launches;
    uint32_t n_attached;
    uint32_t n_started;
    bool is_closing;
    struct pool_thread threads[];
};

/* Jobs are handed out by this counter alone; what they read was published by the lock. */
static uint64_t launch_take_job(struct dlop_launch *launch)
{
    return __atomic_fetch_add(&launch->driver_data[LAUNCH_NEXT_JOB], 1, __ATOMIC_RELAXED);
}

/* ---- calls for help ---- */

static void crew_call(struct dlop_cpu_crew *crew)
{
    struct pool_call *call = (struct pool_call *)(void *)crew;
    struct dlop_cpu_pool *pool = call->pool;

    pthread_mutex_lock(&pool->lock);
    call->next = pool->calls;
    call->is_listed = true;
    pool->calls = call;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

/* With the lock held: nobody answers this call any more. */
static void pool_withdraw(struct dlop_cpu_pool *pool, struct pool_call *call)
{
    struct pool_call **at = &pool->calls;

    if (!call->is_listed)
        return;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    call->is_listed = false;
}

/* With the lock held: the call that a thread should answer rather than take the head's jobs, or
 * null; of several the one with the fewest helpers. Jobs of the call's own launch come first, since
 * its batch waits for both. Later launches come first if they keep all threads busy for as long as
 * the job takes one: helping costs more than it saves then. */
static struct pool_call *pool_find_call(const struct dlop_cpu_pool *pool)
{
    struct pool_call *found = NULL;

    for (struct pool_call *call = pool->calls; call; call = call->next) {
        if (pool->head &&
            (pool->head == call->launch || call->cost <= pool->queued_cost / pool->n_threads))
            continue;
        if (!found || call->n_helpers < found->n_helpers)
            found = call;
    }
    return found;
}

/* Answer a call; with the lock held on entry and on return. */
static void pool_help(struct dlop_cpu_pool *pool, struct pool_call *call,
                      struct dlop_cpu_worker *worker)
{
    call->n_helpers++;
    pool->n_attached++;
    pthread_mutex_unlock(&pool->lock);
    dlop_cpu_team_help(call->team, worker);
    pthread_mutex_lock(&pool->lock);
    pool->n_attached--;
    pool_withdraw(pool, call); /* this one found nothing more to do */
    if (--call->n_helpers == 0)
        pthread_cond_broadcast(&pool->alone);
}

static void pool_lead_job(struct pool_thread *thread, struct dlop_launch *launch, u32 job, u64 cost)
{
    struct dlop_cpu_pool *pool = thread->pool;
    struct pool_call *call = &thread->call;

    *call = (struct pool_call){
        .crew = {.call = crew_call,
                 .n_threads = pool->n_threads,
                 .min_part_bytes = pool->min_part_bytes},
        .pool = pool,
        .team = dlop_cpu_worker_team(thread->worker),
        .launch = launch,
        .cost = cost,
    };
    dlop_cpu_lead_job(thread->worker, &launch->jobs[job], launch, &call->crew,
                      &launch->completions[job]);
    pthread_mutex_lock(&pool->lock);
    pool_withdraw(pool, call);
    while (call->n_helpers)
        pthread_cond_wait(&pool->alone, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

/* ---- launches ---- */

static void pool_run_jobs(struct pool_thread *thread, struct dlop_launch *launch)
{
    const struct dlop_cpu_pool *pool = thread->pool;
    const struct dlop_cpu_order *order = &pool->orders[launch->driver_data[LAUNCH_SLOT]];
    uint64_t n;

    while ((n = launch_take_job(launch)) < launch->n_jobs) {
        u32 i = dlop_cpu_order_job(order, (u32)n);

        if (n < order->n_first && order->first[n].cost >= pool->split_cost && pool->n_threads > 1)
            pool_lead_job(thread, launch, i, order->first[n].cost);
        else
            dlop_cpu_run_job(thread->worker, &launch->jobs[i], launch, &launch->completions[i]);
    }
}

/* Take a launch whose jobs are all handed out from the queue. It is the head: threads attach to the
 * head only, and the head changes only here. */
static void pool_unlink(struct dlop_cpu_pool *pool, struct dlop_launch *launch)
{
    if (launch->driver_data[LAUNCH_IS_UNLINKED])
        return;
    launch->driver_data[LAUNCH_IS_UNLINKED] = 1;
    pool->queued_cost -= pool->orders[launch->driver_data[LAUNCH_SLOT]].cost;
    pool->head = launch->next;
    if (!pool->head)
        pool->tail = NULL;
}

/* One turn with the lock held on entry and on return: help the head launch to its end. */
static void pool_serve_head(struct dlop_cpu_pool *pool, struct pool_thread *thread)
{
    struct dlop_launch *launch = pool->head;

    launch->driver_data[LAUNCH_ATTACHED]++;
    pool->n_attached++;
    pthread_mutex_unlock(&pool->lock);
    pool_run_jobs(thread, launch);
    pthread_mutex_lock(&pool->lock);
    pool->n_attached--;
    pool_unlink(pool, launch);
    if (--launch->driver_data[LAUNCH_ATTACHED])
        return;
    pool->n_launches--;
    pool->used_slots &= ~((u64)1 << launch->driver_data[LAUNCH_SLOT]);
    pthread_mutex_unlock(&pool->lock);
    launch->done(launch, DLOP_OK);
    pthread_mutex_lock(&pool->lock);
}

static void *pool_thread_main(void *argument)
{
    struct pool_thread *thread = argument;
    struct dlop_cpu_pool *pool = thread->pool;

    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct pool_call *call = pool_find_call(pool);

        if (call)
            pool_help(pool, call, thread->worker);
        else if (pool->head)
            pool_serve_head(pool, thread);
        else if (pool->is_closing)
            break;
        else
            pthread_cond_wait(&pool->wake, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* With the lock held. Signals are blocked while threads are made, so that the program's handlers
 * run on its own threads. */
static dlop_status pool_start_threads(struct dlop_cpu_pool *pool)
{
    sigset_t all, before;
    dlop_status status = DLOP_OK;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool->n_started < pool->n_threads && status == DLOP_OK) {
        struct pool_thread *thread = &pool->threads[pool->n_started];
        char name[16];

        if (pthread_create(&thread->handle, NULL, pool_thread_main, thread)) {
            status = DLOP_ERR_THREAD;
        } else {
            snprintf(name, sizeof name, "dlop-cpu-%u", pool->n_started % 10000);
            pthread_setname_np(thread->handle, name);
            dlop_cpu_thread_goes_second(thread->handle);
            pool->n_started++;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

_Static_assert(DLOP_CPU_MAX_LAUNCHES <= 64, "a bit of used_slots for each");

/* With the lock held and fewer than DLOP_CPU_MAX_LAUNCHES in the pool. */
static void pool_append(struct dlop_cpu_pool *pool, struct dlop_launch *launch)
{
    uint32_t slot = (uint32_t)__builtin_ctzll(~pool->used_slots);

    pool->used_slots |= (u64)1 << slot;
    dlop_cpu_order_init(launch, pool->n_threads, &pool->orders[slot]);
    pool->queued_cost += pool->orders[slot].cost;
    launch->next = NULL;
    for (uint32_t i = 0; i < 4; i++)
        launch->driver_data[i] = 0;
    launch->driver_data[LAUNCH_SLOT] = slot;
    if (pool->tail)
        pool->tail->next = launch;
    else
        pool->head = launch;
    pool->tail = launch;
    pool->n_launches++;
    pthread_cond_broadcast(&pool->wake);
}

dlop_status dlop_cpu_pool_submit(struct dlop_cpu_pool *pool, struct dlop_launch *launch)
{
    dlop_status status = DLOP_OK;

    if (pool->owner != getpid())
        return DLOP_ERR_STATE; /* forked: the lock may be held by a thread that is not here */
    pthread_mutex_lock(&pool->lock);
    if (pool->is_closing)
        status = DLOP_ERR_STATE;
    else if (pool->n_launches >= DLOP_CPU_MAX_LAUNCHES)
        status = DLOP_AGAIN;
    else if (pool->n_started < pool->n_threads)
        status = pool_start_threads(pool);
    if (status == DLOP_OK)
        pool_append(pool, launch);
    pthread_mutex_unlock(&pool->lock);
    return status;
}

void dlop_cpu_pool_split_at(struct dlop_cpu_pool *pool, u64 cost, u32 min_part_bytes)
{
    pool->split_cost = cost;
    pool->min_part_bytes = min_part_bytes;
}

uint32_t dlop_cpu_pool_n_threads(const struct dlop_cpu_pool *pool)
{
    return pool->n_threads;
}

static void pool_free(struct dlop_cpu_pool *pool)
{
    for (uint32_t i = 0; i < pool->n_threads; i++)
        dlop_cpu_worker_close(&pool->threads[i].worker);
    free(pool);
}

dlop_status dlop_cpu_pool_open(uint32_t n_threads, uint32_t vector_mask,
                               struct dlop_cpu_pool **pool_out)
{
    struct dlop_cpu_pool *pool;
    dlop_status status = DLOP_OK;

    if (!n_threads || n_threads > 65536)
        return DLOP_ERR_ARGUMENT;
    pool = calloc(1, sizeof *pool + n_threads * sizeof pool->threads[0]);
    if (!pool)
        return DLOP_ERR_NO_MEMORY;
    pool->n_threads = n_threads;
    pool->owner = getpid();
    pool->split_cost = DLOP_CPU_SPLIT_COST;
    pool->min_part_bytes = DLOP_CPU_SPLIT_PART_BYTES;
    for (uint32_t i = 0; i < n_threads && status == DLOP_OK; i++) {
        pool->threads[i].pool = pool;
        status = dlop_cpu_worker_open(vector_mask, &pool->threads[i].worker);
    }
    if (status != DLOP_OK)
        goto free_pool;
    if (pthread_mutex_init(&pool->lock, NULL)) {
        status = DLOP_ERR_THREAD;
        goto free_pool;
    }
    if (pthread_cond_init(&pool->wake, NULL)) {
        status = DLOP_ERR_THREAD;
        goto destroy_lock;
    }
    if (pthread_cond_init(&pool->alone, NULL)) {
        status = DLOP_ERR_THREAD;
        goto destroy_wake;
    }
    *pool_out = pool;
    return DLOP_OK;

destroy_wake:
    pthread_cond_destroy(&pool->wake);
destroy_lock:
    pthread_mutex_destroy(&pool->lock);
free_pool:
    pool_free(pool);
    return status;
}

void dlop_cpu_pool_close(struct dlop_cpu_pool **pool_in_out)
{
    struct dlop_cpu_pool *pool = *pool_in_out;

    if (!pool)
        return;
    *pool_in_out = NULL;
    if (pool->owner != getpid()) {
        /* A worker that ran a job at the moment of fork may be half changed: its memory is left
         * alone. */
        if (!pool->n_attached)
            pool_free(pool);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->is_closing = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->n_started; i++)
        pthread_join(pool->threads[i].handle, NULL);
    pthread_cond_destroy(&pool->alone);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    pool_free(pool);
}
