/* The parts of an open xrt device: what device.c, memory.c and units.c share.
 *
 * A device belongs to the process that opened it. Its buffers may outlive it (a caller frees them
 * after close), so the struct is counted: one for the device, one per buffer.
 */
#ifndef DLOP_DRIVER_XRT_DEVICE_H
#define DLOP_DRIVER_XRT_DEVICE_H

#include <pthread.h>
#include <stdatomic.h>

#include "driver/xrt/host.h"
#include "driver/xrt/preflight.h"
#include "hw/top/scratch.h"

#define DLOP_XRT_MAX_LAUNCHES 64 /* waiting or running; one more is answered with DLOP_AGAIN */
#define DLOP_XRT_N_CACHED     8  /* buffers kept for the next alloc or wrap */

struct dlop_xrt_unit {
    struct dlop_device *device;
    uint32_t number;
    uint32_t kernel; /* index into DLOP_TOP_KERNELS */
    int channel;
    uint8_t *memory; /* jobs, then completions: see protocol.h */
    pthread_t thread;
    uint32_t taken[DLOP_XRT_RUN_JOBS]; /* jobs of the launch that run now */
    struct dlop_image_work work;       /* to compute scratch memory */
};

/* Memory that both processes see. */
struct dlop_xrt_buffer {
    struct dlop_device *device;
    uint8_t *shared;
    size_t capacity_bytes;
    uint32_t number;
    uint8_t *caller; /* memory that `wrap` was given, or null */
};

struct dlop_device {
    atomic_uint n_references;
    pid_t owner;
    struct dlop_xrt_host host;
    uint32_t timeout_ms;
    dlop_device_event_fn on_event;
    void *event_cookie;
    atomic_bool is_lost;
    pthread_mutex_t loss_lock;
    dlop_status loss; /* why; set before is_lost */

    pthread_mutex_t control_lock; /* of the control channel and of what follows */
    bool is_closed;               /* the host program has ended */
    uint64_t used_numbers[DLOP_XRT_MAX_BUFFERS / 64];
    struct dlop_xrt_buffer *cached[DLOP_XRT_N_CACHED];

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wake;
    struct dlop_launch *head, *tail;
    uint32_t n_launches;
    bool is_closing;

    uint32_t n_units;
    uint32_t n_units_of[DLOP_XRT_N_KERNELS];
    uint32_t n_threads;          /* units whose thread runs */
    struct dlop_xrt_unit *units; /* [n_units] */
};

/* memory.c: the slots of the driver's memory table, and what close needs. */
#define DLOP_XRT_MEMORY                                                                            \
    {                                                                                              \
        .alloc = dlop_xrt_alloc, .wrap = dlop_xrt_wrap, .free = dlop_xrt_free,                     \
        .to_device = dlop_xrt_to_device, .from_device = dlop_xrt_from_device                       \
    }
dlop_status dlop_xrt_alloc(struct dlop_device *device, size_t size_bytes,
                           struct dlop_buffer *buffer_out);
dlop_status dlop_xrt_wrap(struct dlop_device *device, void *host, size_t size_bytes,
                          struct dlop_buffer *buffer_out);
void dlop_xrt_free(struct dlop_device *device, struct dlop_buffer *buffer);
dlop_status dlop_xrt_to_device(struct dlop_device *device, struct dlop_buffer *buffer,
                               size_t offset, size_t n_bytes);
dlop_status dlop_xrt_from_device(struct dlop_device *device, struct dlop_buffer *buffer,
                                 size_t offset, size_t n_bytes);
/* In the owner, after the host program's end or before it. */
void dlop_xrt_memory_drop_cache(struct dlop_device *device);
void dlop_xrt_device_release(struct dlop_device *device);

/* units.c */
dlop_status dlop_xrt_units_submit(struct dlop_device *device, struct dlop_launch *launch);
/* Start a thread per unit. DLOP_OK, DLOP_ERR_THREAD. */
dlop_status dlop_xrt_units_start(struct dlop_device *device) DLOP_MUST_USE;
/* Run what was submitted, join the threads. */
void dlop_xrt_units_stop(struct dlop_device *device);
/* Kernel for jobs of this kind, of those that have units; DLOP_XRT_N_KERNELS for none. */
uint32_t dlop_xrt_kernel_for(const struct dlop_device *device, uint32_t kind);

/* device.c: ends the host program and tells the caller, once. Returns the first caller's status,
 * for whoever was waiting for the device; afterwards nothing writes to shared memory any more. */
dlop_status dlop_xrt_lose(struct dlop_device *device, dlop_status status, const char *text);
void dlop_xrt_tell(const struct dlop_device *device, uint32_t kind, dlop_status status,
                   uint32_t n_jobs, const char *text);

#endif
