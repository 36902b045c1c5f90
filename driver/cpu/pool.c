/* Threads that run the jobs of launches: see pool.h.
 *
 * Life of a launch: submit puts it at the queue's tail. A thread attaches to the head (under the
 * lock), takes jobs with fetch-and-add until the counter passes n_jobs, then detaches (under the
 * lock). The first to find the counter exhausted unlinks the launch, so that nobody attaches any
 * more; the last to detach knows that every completion is written and calls `done`. So the launch
 * is never touched after `done`, and the lock orders all completions before it.
 *
 * Invariants: launches in the queue have jobs left or an attached thread that will unlink them;
 * n_launches counts launches from submit to just before `done`; n_attached counts threads that may
 * be changing their worker's memory.
 */
#include "driver/cpu/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "driver/cpu/cpu.h"

/* Use of dlop_launch.driver_data. */
enum { LAUNCH_NEXT_JOB, LAUNCH_ATTACHED, LAUNCH_IS_UNLINKED };

struct pool_thread {
    struct dlop_cpu_pool *pool;
    struct dlop_cpu_worker *worker;
    pthread_t handle;
};

struct dlop_cpu_pool {
    pid_t owner; /* the process whose threads these are */
    uint32_t n_threads;
    pthread_mutex_t lock; /* of everything below */
    pthread_cond_t wake;
    struct dlop_launch *head, *tail;
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

static void pool_run_jobs(struct dlop_cpu_worker *worker, struct dlop_launch *launch)
{
    uint64_t i;

    while ((i = launch_take_job(launch)) < launch->n_jobs)
        dlop_cpu_run_job(worker, &launch->jobs[i], launch, &launch->completions[i]);
}

/* Take a launch whose jobs are all handed out from the queue. It is the head: threads attach to the
 * head only, and the head changes only here. */
static void pool_unlink(struct dlop_cpu_pool *pool, struct dlop_launch *launch)
{
    if (launch->driver_data[LAUNCH_IS_UNLINKED])
        return;
    launch->driver_data[LAUNCH_IS_UNLINKED] = 1;
    pool->head = launch->next;
    if (!pool->head)
        pool->tail = NULL;
}

/* One turn with the lock held on entry and on return: help the head launch to its end. */
static void pool_serve_head(struct dlop_cpu_pool *pool, struct dlop_cpu_worker *worker)
{
    struct dlop_launch *launch = pool->head;

    launch->driver_data[LAUNCH_ATTACHED]++;
    pool->n_attached++;
    pthread_mutex_unlock(&pool->lock);
    pool_run_jobs(worker, launch);
    pthread_mutex_lock(&pool->lock);
    pool->n_attached--;
    pool_unlink(pool, launch);
    if (--launch->driver_data[LAUNCH_ATTACHED])
        return;
    pool->n_launches--;
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
        if (pool->head)
            pool_serve_head(pool, thread->worker);
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
            pool->n_started++;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
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
    if (status == DLOP_OK) {
        launch->next = NULL;
        for (uint32_t i = 0; i < 4; i++)
            launch->driver_data[i] = 0;
        if (pool->tail)
            pool->tail->next = launch;
        else
            pool->head = launch;
        pool->tail = launch;
        pool->n_launches++;
        pthread_cond_broadcast(&pool->wake);
    }
    pthread_mutex_unlock(&pool->lock);
    return status;
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
    *pool_out = pool;
    return DLOP_OK;

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
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    pool_free(pool);
}
