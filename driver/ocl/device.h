/* An open OpenCL device, as the files of this folder share it.
 *
 * Threads: `lock` guards the queue of launches; each slot belongs to its worker; `memory_lock`
 * guards the mappings of buffers. Everything else is set by open and stays.
 */
#ifndef DLOP_DRIVER_OCL_DEVICE_H
#define DLOP_DRIVER_OCL_DEVICE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "driver/ocl/api.h"
#include "driver/ocl/find.h"
#include "hw/top/top.h"

/* Launches that run at once, and launches that a device holds in all. */
#define DLOP_OCL_SLOTS        2
#define DLOP_OCL_MAX_LAUNCHES 16

enum dlop_ocl_kernel {
#define DLOP_OCL_KERNEL_ENUMERATOR(name, kinds) DLOP_OCL_KERNEL_##name,
    DLOP_TOP_KERNELS(DLOP_OCL_KERNEL_ENUMERATOR)
#undef DLOP_OCL_KERNEL_ENUMERATOR
        DLOP_OCL_KERNEL_COUNT
};
extern const char *const dlop_ocl_kernel_names[DLOP_OCL_KERNEL_COUNT];

/* How buffers reach the device: see memory.c. */
enum dlop_ocl_memory { DLOP_OCL_MEMORY_SHARE, DLOP_OCL_MEMORY_COPY, DLOP_OCL_MEMORY_COUNT };

/* What cfg.settings may say, defaults filled in. */
struct dlop_ocl_settings {
    uint32_t memory;     /* enum dlop_ocl_memory */
    uint32_t n_items;    /* most work-items of a launch, 1..65536 */
    uint32_t timeout_ms; /* a launch that takes longer is given up, and the device with it */
};

/* What a device is made of; tests give other parts. The table must outlive the device, the rest is
 * needed while it opens. */
struct dlop_ocl_parts {
    const struct dlop_ocl_api *api;
    const char *source; /* OpenCL C with the kernels of hw/top/top.h */
    size_t source_bytes;
    const char *cache_folder; /* null: no cache */
};

struct dlop_ocl_slot;
struct ocl_buffer; /* memory.c */

struct dlop_ocl_worker {
    struct dlop_device *device;
    struct dlop_ocl_slot *slot;
    pthread_t thread;
};

struct dlop_device {
    const struct dlop_ocl_api *api;
    struct dlop_ocl_settings settings;
    struct dlop_ocl_found found;
    struct dlop_device_cfg cfg; /* for events */
    pid_t owner;                /* the process that opened it */
    cl_context context;
    cl_program program;
    cl_command_queue memory_queue; /* transfers and mappings, always finished under memory_lock */
    pthread_mutex_t memory_lock;
    pthread_mutex_t lock; /* of what follows up to is_closing */
    pthread_cond_t wake;
    struct dlop_launch *head, *tail;
    uint32_t n_launches; /* taken and not done */
    uint32_t n_started;  /* workers that have a thread */
    bool is_closing;
    atomic_uint n_refs;       /* one of open, one of each buffer: a buffer may outlive close */
    _Atomic dlop_status lost; /* DLOP_OK, or why no launch is taken any more */
    atomic_bool is_hung;      /* lost with commands that may still run: nothing of it is freed */
    struct dlop_ocl_worker workers[DLOP_OCL_SLOTS];
    struct dlop_device *next_hung;
    struct ocl_buffer *kept; /* buffers that a hung device may write to */
};

/* dlop_driver.open with parts of the caller's. */
DLOP_MUST_USE dlop_status dlop_ocl_open(const struct dlop_ocl_parts *parts,
                                        const struct dlop_device_cfg *cfg,
                                        struct dlop_device **device_out);

/* Keep the device's OpenCL side for a buffer, and let it go; the last one frees it. */
void dlop_ocl_ref(struct dlop_device *device);
void dlop_ocl_unref(struct dlop_device *device);

/* Tell cfg's listener, if there is one. */
__attribute__((format(printf, 5, 6))) void dlop_ocl_report(const struct dlop_device_cfg *cfg,
                                                           enum dlop_device_event_kind kind,
                                                           dlop_status status, uint32_t n_jobs,
                                                           const char *format, ...);

/* A call of OpenCL failed: report it as "what: call: error" and, where it was not for want of
 * memory, give the device up. Returns DLOP_ERR_NO_MEMORY or DLOP_ERR_DEVICE_LOST. Any thread. */
dlop_status dlop_ocl_fail(struct dlop_device *device, const char *what, const char *call,
                          cl_int error);

/* Give the device up: the first call reports why, further ones do nothing. */
void dlop_ocl_lose(struct dlop_device *device, dlop_status status, const char *why);

#endif
