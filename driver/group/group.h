/* Several devices as one: the jobs of a launch are shared by measured rates, and what a device
 * loses, garbles or refuses is done again by one that cannot fail.
 *
 * A group has members, and one resort: a device of this process's own memory that is trusted (the
 * CPU). Members are not: their results reach the caller's memory only after their launch ended well
 * and each completion was checked, and a launch that is given up never reaches it at all. Results
 * are the same whoever made them, so sharing needs no order.
 *
 * Threads: the table's rules (driver/driver.h); a group belongs to the process that opened it.
 */
#ifndef DLOP_DRIVER_GROUP_GROUP_H
#define DLOP_DRIVER_GROUP_GROUP_H

#include "driver/driver.h"

#define DLOP_GROUP_MAX_MEMBERS        15
#define DLOP_GROUP_LABEL_BYTES        40
#define DLOP_GROUP_DEFAULT_TIMEOUT_MS 10000
#define DLOP_GROUP_DEFAULT_RETRY_MS   1000

/* Open a member's device, in place of its driver's `open`: the place to see whether it computes as
 * it should, and how many records it makes in a second. Called by dlop_group_open and before a lost
 * member comes back, on a thread that may block. DLOP_OK; negative: the device is not used, and is
 * closed again. */
typedef dlop_status (*dlop_group_open_fn)(void *cookie, const struct dlop_driver *driver,
                                          const struct dlop_device_cfg *cfg,
                                          struct dlop_device **device_out, double *rate_hz_out);

struct dlop_group_member {
    const struct dlop_driver *driver;
    struct dlop_device_cfg cfg; /* settings must outlive the group; on_event is not used */
    bool may_be_absent;         /* a member that cannot be opened is left out, with a note */
};

struct dlop_group_cfg {
    const struct dlop_group_member *members; /* [n_members], copied */
    uint32_t n_members;                      /* 0..DLOP_GROUP_MAX_MEMBERS */
    struct dlop_group_member resort;         /* its wrap must cost nothing */
    bool resort_shares;  /* the resort works from the start, not only when a member failed */
    uint32_t timeout_ms; /* for a launch of a member, on top of four times what its rate promises;
                            0 = default */
    uint32_t retry_ms;   /* before a lost member is opened again, doubled at each failure; 0 =
                            default */
    dlop_group_open_fn open_member; /* null: the driver's open */
    void *open_cookie;
    dlop_device_event_fn on_event; /* or null */
    void *event_cookie;
};

/* What a member, or the resort, did so far. */
struct dlop_group_stats {
    char label[DLOP_GROUP_LABEL_BYTES]; /* "sim", "ocl:1" */
    bool is_resort;
    bool shares;        /* takes shares of launches; not: a resort that only stands by */
    bool is_lost;       /* now */
    uint32_t n_units;   /* when it was opened */
    double rate_hz;     /* records per second, 0 = not known */
    uint64_t n_records; /* results that reached the caller */
    uint64_t n_losses, n_backs;
    uint64_t n_replayed; /* of this member's jobs, done again elsewhere */
    uint64_t n_wrong;    /* completions that could not be right, or that the resort contradicted */
    uint64_t n_refused;  /* jobs that it could not do, and said so */
    uint64_t n_healed;   /* faults that it told to have corrected itself */
};

/* Open all members, then the resort. DLOP_OK; DLOP_ERR_ARGUMENT; DLOP_ERR_NO_MEMORY;
 * what the open of a member said that may not be absent, its place in *failed_out
 * (n_members = the resort; may be null). A group whose members are all absent is the resort alone.
 * Setup only. */
dlop_status dlop_group_open(const struct dlop_group_cfg *cfg, struct dlop_device **group_out,
                            uint32_t *failed_out) DLOP_MUST_USE;

/* Counters of member i, in the order of the cfg without those that were absent; the resort is the
 * last. False past it. Any thread. */
bool dlop_group_stats_get(struct dlop_device *group, uint32_t i,
                          struct dlop_group_stats *stats_out);

/* All slots but open, for devices of dlop_group_open. Not among the drivers of the registry: a
 * group is made, not found. */
extern const struct dlop_driver dlop_group_driver;

#endif
