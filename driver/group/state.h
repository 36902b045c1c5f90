/* A group's inner state, as its files share it.
 *
 * One lock for everything, held for state changes and small copies only, never while a device, a
 * `done` or an event function is called. What such calls are due to is written down under the lock
 * (events, finished launches, shares for the resort) and done by dlop_group_leave after it.
 */
#ifndef DLOP_DRIVER_GROUP_STATE_H
#define DLOP_DRIVER_GROUP_STATE_H

#include <pthread.h>
#include <sys/types.h>

#include "driver/group/group.h"
#include "driver/group/share.h"

/* Launches that may wait or run at once; one more is answered with DLOP_AGAIN. */
#define DLOP_GROUP_MAX_LAUNCHES 64
/* Shares that a member has at once: one runs, one is staged, one is fetched. */
#define DLOP_GROUP_N_SLOTS  3
#define DLOP_GROUP_N_EVENTS 32

/* Use of dlop_launch.driver_data in a caller's launch. */
enum { DLOP_GROUP_N_SHARES, DLOP_GROUP_STATUS };

/* Compact buffers on a member's device. */
struct dlop_group_slot {
    struct dlop_buffer in, constants, out;
    struct dlop_group_share *share; /* null: free */
};

/* One device; the last of a group's workers is its resort, which has no thread and no slots. */
struct dlop_group_worker {
    struct dlop_device *group;
    const struct dlop_driver *driver;
    struct dlop_device_cfg cfg;
    double opened_hz; /* what opening it measured */
    pthread_t thread;
    pthread_cond_t wake;
    bool is_started;
    /* Under the lock. */
    struct dlop_device *device; /* null while it is opened or closed */
    struct dlop_group_share *queue, **queue_end;
    struct dlop_group_share *refused; /* staged, but the device's queue was full */
    struct dlop_group_slot slots[DLOP_GROUP_N_SLOTS];
    uint32_t n_open;    /* jobs in queue and slots */
    uint32_t n_idle;    /* launches in a row without a share of it */
    uint32_t n_strikes; /* wrong answers since it was last trusted */
    uint32_t n_fair;    /* good shares in a row */
    uint64_t last_end_ns;
    uint64_t retry_at_ns, retry_ns;
    struct dlop_group_stats stats; /* label, is_lost and rate among them */
};

struct dlop_group_event {
    struct dlop_device_event event;
    char text[128];
};

struct dlop_device {
    struct dlop_group_cfg cfg;
    pid_t owner;
    uint32_t n_members; /* workers but the resort */
    struct dlop_group_worker workers[DLOP_GROUP_MAX_MEMBERS + 1];
    pthread_t watchdog;
    pthread_cond_t watch; /* wakes the watchdog */
    pthread_cond_t idle;  /* for close */
    bool is_watched;
    pthread_mutex_t lock;
    /* Under the lock. */
    bool is_closing, must_quit;
    uint64_t watch_at_ns; /* when the watchdog looks next; UINT64_MAX: when told */
    uint32_t n_launches;  /* from submit to just before `done` */
    uint32_t n_telling;   /* threads in `done` of a launch */
    uint32_t n_resorted;  /* shares that the resort's device has */
    bool is_resort_full;
    struct dlop_group_share *pool, *resort_queue, **resort_queue_end;
    struct dlop_launch *finished, **finished_end;
    uint32_t n_events, first_event; /* ring; what does not fit is only counted in the stats */
    struct dlop_group_event events[DLOP_GROUP_N_EVENTS];
};

uint64_t dlop_group_now_ns(void);
/* Wait until a time on the clock of all conditions here; UINT64_MAX: until told. */
void dlop_group_wait(struct dlop_device *group, pthread_cond_t *condition, uint64_t until_ns);

static inline struct dlop_group_worker *dlop_group_resort(struct dlop_device *group)
{
    return &group->workers[group->n_members];
}

/* ---- join.c: launches, shares and what is due after the lock; all with the lock held ---- */

/* Give up the lock after doing everything that is due. */
void dlop_group_leave(struct dlop_device *group);
bool dlop_group_is_due(const struct dlop_device *group);

void dlop_group_tell(struct dlop_group_worker *worker, uint32_t kind, dlop_status status,
                     uint32_t n_jobs, const char *text);

/* A share of a launch, counted in it. Null: out of memory. */
struct dlop_group_share *dlop_group_take_share(struct dlop_device *group, struct dlop_launch *whole,
                                               uint32_t n_jobs);
/* Give the memory back; the launch was told already, or never heard of it. */
void dlop_group_drop_share(struct dlop_device *group, struct dlop_group_share *share);
/* One share of the launch is done, or will be done as another. */
void dlop_group_end_share(struct dlop_device *group, struct dlop_launch *whole, dlop_status status);
void dlop_group_queue_resort(struct dlop_device *group, struct dlop_group_share *share);
/* Have the resort do the jobs of a member's share again: all, or those that are not good. Does not
 * end the share. */
void dlop_group_replay(struct dlop_group_worker *worker, const struct dlop_group_share *share,
                       bool is_all);
/* A member's launch ended well, and n_bad of its jobs did not: count, replay, end the share. */
void dlop_group_settle(struct dlop_group_worker *worker, struct dlop_group_share *share,
                       uint32_t n_bad);
/* A fault of the worker, with n wrong completions: too many faults, and it is lost. */
void dlop_group_strike(struct dlop_group_worker *worker, uint32_t n);

/* ---- member.c ---- */

/* With the lock held: the member gets no more work; what it has is done elsewhere. */
void dlop_group_lose(struct dlop_group_worker *worker, dlop_status status, const char *text);
void dlop_group_queue_member(struct dlop_group_worker *worker, struct dlop_group_share *share);
/* Open the device, without the lock. */
dlop_status dlop_group_open_worker(struct dlop_group_worker *worker,
                                   struct dlop_device **device_out);
void *dlop_group_member_main(void *worker);
void *dlop_group_watchdog_main(void *group);

#endif
