/* Devices and memories behind two small tables.
 *
 * Terms: a *launch* is a batch of jobs over three buffers; the device runs its jobs in any order
 * and calls `done` once, when every job has its completion. A driver sets the slots that it has;
 * dlop_driver_get fills the others with functions that return DLOP_ERR_UNSUPPORTED, so callers
 * never test for null. Capabilities are asked for, not guessed: see `accepts`.
 */
#ifndef DLOP_DRIVER_DRIVER_H
#define DLOP_DRIVER_DRIVER_H

#include <stdbool.h>
#include <stddef.h>

#include "hw/abi/abi.h"
#include "hw/abi/status.h"

typedef int32_t dlop_status;
#define DLOP_MUST_USE __attribute__((warn_unused_result))

struct dlop_device; /* opaque, made by a driver's open */

/* A piece of memory that a device can reach. host is the host's view of it (null where there is
 * none), which may lie apart from what the device sees: see to_device and from_device. Filled by
 * the memory table. */
struct dlop_buffer {
    void *host;
    size_t size_bytes;
    void *driver_data;
};

/* Where memory lives. All slots: any thread, may block, setup only (never per record). */
struct dlop_memory_ops {
    /* New zeroed buffer, aligned to at least 64 bytes. Owner frees it with `free`. DLOP_OK,
     * DLOP_ERR_NO_MEMORY. */
    dlop_status (*alloc)(struct dlop_device *device, size_t size_bytes,
                         struct dlop_buffer *buffer_out);
    /* Make caller's memory usable as a buffer without a copy; it must outlive the buffer. DLOP_OK,
     * DLOP_ERR_UNSUPPORTED. */
    dlop_status (*wrap)(struct dlop_device *device, void *host, size_t size_bytes,
                        struct dlop_buffer *buffer_out);
    /* Give back what alloc or wrap made and clear *buffer. Null buffers are allowed. A buffer may
     * outlive its device; then device is null. */
    void (*free)(struct dlop_device *device, struct dlop_buffer *buffer);
    /* Make the host's writes visible to the device, and the device's writes visible to the host. */
    dlop_status (*to_device)(struct dlop_device *device, struct dlop_buffer *buffer, size_t offset,
                             size_t n_bytes);
    dlop_status (*from_device)(struct dlop_device *device, struct dlop_buffer *buffer,
                               size_t offset, size_t n_bytes);
};

/* One batch of jobs. The caller keeps everything here alive and unchanged until `done` was called.
 */
struct dlop_launch {
    const struct dlop_job *jobs;
    struct dlop_completion *completions; /* [n_jobs], completions[i] belongs to jobs[i] */
    uint32_t n_jobs;
    const struct dlop_buffer *in;
    const struct dlop_buffer *constants;
    const struct dlop_buffer *out;
    /* Called exactly once after a successful submit, on a thread of the device, with no lock held;
     * must not block long. status is DLOP_OK when every job has a completion (which may hold errors
     * of records), or why the device could not run it. */
    void (*done)(struct dlop_launch *launch, dlop_status status);
    void *cookie;             /* caller's */
    struct dlop_launch *next; /* driver's, for its queue */
    uint64_t driver_data[4];  /* driver's */
};

/* What happened on a device besides the results of jobs; for the log and the report. */
enum dlop_device_event_kind {
    DLOP_DEVICE_LOST,     /* it takes no more launches; status says why */
    DLOP_DEVICE_BACK,     /* it was lost and works again */
    DLOP_DEVICE_REPLAYED, /* n_jobs went to another device */
    DLOP_DEVICE_WRONG,    /* n_jobs came back with completions that cannot be right */
    DLOP_DEVICE_HEALED,   /* a fault that the device corrected by itself */
    DLOP_DEVICE_NOTE,     /* text for people, nothing is wrong */
    DLOP_DEVICE_EVENT_COUNT
};
struct dlop_device_event {
    const char *device; /* name of the driver */
    const char *text;   /* one line, no newline; valid during the call */
    dlop_status status;
    uint32_t kind; /* enum dlop_device_event_kind */
    uint32_t n_jobs;
};
/* Any thread, no lock held; must not block or call into the device. */
typedef void (*dlop_device_event_fn)(void *cookie, const struct dlop_device_event *event);

struct dlop_device_cfg {
    uint32_t n_threads;    /* 0 = as many as this process may use */
    uint32_t vector_level; /* mask of enum dlop_cpu_vector that may be used; UINT32_MAX = all (cpu
                              only) */
    uint32_t index;        /* which device of the driver, from 0 */
    const char *settings;  /* the driver's own "key=value,...", or null; see its README */
    dlop_device_event_fn on_event; /* or null */
    void *event_cookie;
};

struct dlop_device_info {
    char name[32];         /* for --device: "cpu" */
    char description[128]; /* for people: processor and vector level */
    char missing[128];     /* empty, or what is not there and what to install */
    uint32_t n_units;      /* threads or compute units */
    uint32_t n_devices;    /* for cfg.index; 0 where none is present */
    bool is_present;
    bool is_emulation; /* runs on the host's processor */
    bool is_gpu;       /* has the training to do */
};

/* Whether a device is used where none is named. */
static inline bool dlop_device_is_automatic(const struct dlop_device_info *info)
{
    return info->is_present && !info->is_emulation && !info->is_gpu;
}

/* Who computes. */
struct dlop_driver {
    const char *name;
    struct dlop_memory_ops memory;
    /* Whether probe might find a device that is used where none is named, as far as that is known
     * without starting anything. Any thread. */
    bool (*may_be_automatic)(void);
    /* Fill *info_out without opening the device. Any thread. */
    dlop_status (*probe)(struct dlop_device_info *info_out);
    /* DLOP_OK, DLOP_ERR_NO_DEVICE, DLOP_ERR_NO_MEMORY, DLOP_ERR_THREAD, ... On failure *device_out
     * is untouched. */
    dlop_status (*open)(const struct dlop_device_cfg *cfg, struct dlop_device **device_out);
    /* Waits for launches that run, then frees. Accepts null; sets *device to null. */
    void (*close)(struct dlop_device **device);
    /* Whether every job like this one can run here; otherwise why not, in reason_out (size bytes,
     * may be null). */
    dlop_status (*accepts)(struct dlop_device *device, const struct dlop_job *job, char *reason_out,
                           size_t size);
    /* Take a launch; never blocks. DLOP_OK: `done` will be called once. DLOP_AGAIN: queue full,
     * nothing was taken. DLOP_ERR_DEVICE_LOST, DLOP_ERR_STATE: nothing was taken. Any thread. */
    dlop_status (*submit)(struct dlop_device *device, struct dlop_launch *launch);
    /* Number of threads or compute units that an open device really has. */
    uint32_t (*n_units)(const struct dlop_device *device);
};

/* All drivers of this build, in order of preference. */
const struct dlop_driver *
dlop_driver_get(const char *name);                        /* null when there is none of that name */
const struct dlop_driver *dlop_driver_at(uint32_t index); /* null past the last */

#endif
