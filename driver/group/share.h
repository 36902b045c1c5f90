/* Some jobs of a launch, as one member runs them: copies of the jobs over compact buffers.
 *
 * Key idea: a share holds everything that a member may still read or write after the share was
 * given up, so nothing of the caller's is ever in a member's hands. Only what the jobs name is
 * copied in (files, axis tables, pack tables) and only their outputs are copied out.
 * Not here: locks, threads, who gets which share.
 */
#ifndef DLOP_DRIVER_GROUP_SHARE_H
#define DLOP_DRIVER_GROUP_SHARE_H

#include "driver/driver.h"

enum dlop_group_verdict {
    DLOP_GROUP_GOOD,
    DLOP_GROUP_DOUBTED, /* an error of the record: the resort has the last word */
    DLOP_GROUP_WRONG,   /* cannot be right */
    DLOP_GROUP_VERDICT_COUNT
};

/* Where a share is. */
enum dlop_group_place {
    DLOP_GROUP_QUEUED, /* with the group: may be given to another member */
    DLOP_GROUP_HELD,   /* a thread of the group reads or writes the caller's memory for it */
    DLOP_GROUP_AWAY,   /* with the device: may be given up */
    DLOP_GROUP_PLACE_COUNT
};

struct dlop_group_worker;

struct dlop_group_share {
    struct dlop_group_share *next;
    struct dlop_launch *whole; /* the caller's; not to be touched once the share is abandoned */
    struct dlop_launch launch; /* the member's */
    struct dlop_device *group;
    struct dlop_buffer views[3];      /* of the caller's memory, for the resort */
    struct dlop_group_worker *worker; /* whose share it is, or for a replay was */
    uint32_t place;                   /* enum dlop_group_place */
    uint32_t slot;
    bool is_replay;    /* goes to the resort because of `worker` */
    bool is_abandoned; /* its jobs are done elsewhere; only its memory lives on until `done` */
    bool is_done;
    dlop_status done_status;
    uint64_t begin_ns, deadline_ns;
    uint32_t n_refusals; /* by a full queue */
    uint32_t n_jobs, capacity;
    uint32_t *index; /* [n_jobs] of each job in the whole */
    struct dlop_job *jobs;
    struct dlop_completion *completions;
    int32_t *doubted; /* replays: the status that the first device gave, or 0 */
    uint8_t *verdict; /* enum dlop_group_verdict */
    size_t in_bytes, constants_bytes, out_bytes; /* of the compact buffers */
};

/* An empty share for up to n_jobs, from `reused` (may be null) or new. Null: out of memory, and
 * `reused` is as it was. */
struct dlop_group_share *dlop_group_share_make(struct dlop_group_share *reused, uint32_t n_jobs);
void dlop_group_share_free(struct dlop_group_share *share);

/* Append job i of the whole with offsets of compact buffers. False, and nothing is appended, where
 * the job names bytes outside its buffers or not at their places: what becomes of such a job is for
 * the resort to say. */
bool dlop_group_share_add_compact(struct dlop_group_share *share, uint32_t i);
/* Append job i as it is. doubted: the status that another device gave, or 0. */
void dlop_group_share_add(struct dlop_group_share *share, uint32_t i, int32_t doubted);

/* Copy what the jobs read to the compact buffers' host views, and clear the completions. */
void dlop_group_share_copy_in(struct dlop_group_share *share, uint8_t *in, uint8_t *constants);
/* Judge each completion; copy the outputs of the good ones and their completions to the caller.
 * Returns the number of jobs that are not good. */
uint32_t dlop_group_share_copy_out(struct dlop_group_share *share, const uint8_t *out);

#endif
