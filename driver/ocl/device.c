/* OpenCL devices behind the driver table: open and close, the queue of launches, and the threads
 * that run them.
 *
 * Life of a launch: submit puts it at the queue's tail; the thread of a free slot takes the head,
 * runs it (slot.c) and calls `done`. Once the device is lost, launches that wait end with the same
 * status. A device belongs to the process that opened it: a forked child has neither the threads
 * here nor those inside OpenCL, and only frees memory.
 */
#include "driver/ocl/device.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/accepts.h"
#include "driver/ocl/cache.h"
#include "driver/ocl/memory.h"
#include "driver/ocl/ocl.h"
#include "driver/ocl/program.h"
#include "driver/ocl/settings.h"
#include "driver/ocl/signals.h"
#include "driver/ocl/slot.h"
#include "hw/core/image.h"

/* ---- reports ---- */

void dlop_ocl_report(const struct dlop_device_cfg *cfg, enum dlop_device_event_kind kind,
                     dlop_status status, uint32_t n_jobs, const char *format, ...)
{
    struct dlop_device_event event = {
        .device = "ocl", .status = status, .kind = kind, .n_jobs = n_jobs};
    char text[320];
    va_list arguments;

    if (!cfg->on_event)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    event.text = text;
    cfg->on_event(cfg->event_cookie, &event);
}

void dlop_ocl_lose(struct dlop_device *device, dlop_status status, const char *why)
{
    dlop_status expected = DLOP_OK;

    if (atomic_compare_exchange_strong(&device->lost, &expected, status))
        dlop_ocl_report(&device->cfg, DLOP_DEVICE_LOST, status, 0, "%s: %s", device->found.name,
                        why);
}

dlop_status dlop_ocl_fail(struct dlop_device *device, const char *what, const char *call,
                          cl_int error)
{
    bool is_memory = error == CL_OUT_OF_HOST_MEMORY || error == CL_MEM_OBJECT_ALLOCATION_FAILURE;
    char why[200];

    snprintf(why, sizeof why, "%s: %s: %s (%d)", what, call, dlop_ocl_error_name(error), error);
    if (is_memory) {
        dlop_ocl_report(&device->cfg, DLOP_DEVICE_NOTE, DLOP_ERR_NO_MEMORY, 0, "%s", why);
        return DLOP_ERR_NO_MEMORY;
    }
    dlop_ocl_lose(device, DLOP_ERR_DEVICE_LOST, why);
    return DLOP_ERR_DEVICE_LOST;
}

/* ---- launches ---- */

/* With the lock held. */
static struct dlop_launch *take_head(struct dlop_device *device)
{
    struct dlop_launch *launch = device->head;

    device->head = launch->next;
    if (!device->head)
        device->tail = NULL;
    return launch;
}

static void run_head(struct dlop_device *device, struct dlop_ocl_slot *slot)
{
    struct dlop_launch *launch = take_head(device);
    dlop_status status;

    pthread_mutex_unlock(&device->lock);
    status = atomic_load(&device->lost);
    if (status == DLOP_OK)
        status = dlop_ocl_slot_run(slot, launch);
    pthread_mutex_lock(&device->lock);
    device->n_launches--;
    pthread_mutex_unlock(&device->lock);
    launch->done(launch, status);
    pthread_mutex_lock(&device->lock);
}

static void *worker_main(void *argument)
{
    struct dlop_ocl_worker *worker = argument;
    struct dlop_device *device = worker->device;

    pthread_mutex_lock(&device->lock);
    for (;;) {
        if (device->head)
            run_head(device, worker->slot);
        else if (device->is_closing)
            break;
        else
            pthread_cond_wait(&device->wake, &device->lock);
    }
    pthread_mutex_unlock(&device->lock);
    return NULL;
}

static bool is_forked(const struct dlop_device *device)
{
    return device->owner != getpid();
}

static dlop_status ocl_submit(struct dlop_device *device, struct dlop_launch *launch)
{
    dlop_status status = DLOP_OK;

    if (is_forked(device))
        return DLOP_ERR_STATE; /* the lock may be held by a thread that is not here */
    pthread_mutex_lock(&device->lock);
    if (device->is_closing)
        status = DLOP_ERR_STATE;
    else if (atomic_load(&device->lost) != DLOP_OK)
        status = DLOP_ERR_DEVICE_LOST;
    else if (device->n_launches >= DLOP_OCL_MAX_LAUNCHES)
        status = DLOP_AGAIN;
    if (status == DLOP_OK) {
        launch->next = NULL;
        if (device->tail)
            device->tail->next = launch;
        else
            device->head = launch;
        device->tail = launch;
        device->n_launches++;
        pthread_cond_signal(&device->wake);
    }
    pthread_mutex_unlock(&device->lock);
    return status;
}

/* ---- close ---- */

/* Devices that are never freed: their OpenCL may still call back and write. */
static pthread_mutex_t hung_lock = PTHREAD_MUTEX_INITIALIZER;
static struct dlop_device *hung_devices;

static void keep_hung(struct dlop_device *device)
{
    pthread_mutex_lock(&hung_lock);
    device->next_hung = hung_devices;
    hung_devices = device;
    pthread_mutex_unlock(&hung_lock);
}

static void release_opencl(struct dlop_device *device)
{
    const struct dlop_ocl_api *api = device->api;

    if (device->memory_queue)
        api->ReleaseCommandQueue(device->memory_queue);
    if (device->program)
        api->ReleaseProgram(device->program);
    if (device->context)
        api->ReleaseContext(device->context);
    pthread_cond_destroy(&device->wake);
    pthread_mutex_destroy(&device->lock);
    pthread_mutex_destroy(&device->memory_lock);
}

void dlop_ocl_ref(struct dlop_device *device)
{
    atomic_fetch_add(&device->n_refs, 1);
}

void dlop_ocl_unref(struct dlop_device *device)
{
    if (atomic_fetch_sub(&device->n_refs, 1) > 1)
        return;
    if (!is_forked(device)) {
        if (atomic_load(&device->is_hung)) {
            keep_hung(device);
            return;
        }
        release_opencl(device);
    }
    free(device);
}

static void stop_workers(struct dlop_device *device)
{
    pthread_mutex_lock(&device->lock);
    device->is_closing = true;
    pthread_cond_broadcast(&device->wake);
    pthread_mutex_unlock(&device->lock);
    for (uint32_t i = 0; i < device->n_started; i++)
        pthread_join(device->workers[i].thread, NULL);
}

static void ocl_close(struct dlop_device **device_in_out)
{
    struct dlop_device *device = device_in_out ? *device_in_out : NULL;
    bool is_child;

    if (!device)
        return;
    *device_in_out = NULL;
    is_child = is_forked(device);
    if (!is_child)
        stop_workers(device);
    /* A slot that ran a launch at the moment of fork may be half changed: its memory is left alone,
     * like all that a hung device may write to. */
    for (uint32_t i = 0; i < DLOP_OCL_SLOTS && !atomic_load(&device->is_hung); i++)
        if (!is_child || !device->n_launches)
            dlop_ocl_slot_close(device->workers[i].slot, is_child);
    dlop_ocl_unref(device);
}

/* ---- open ---- */

static dlop_status start_workers(struct dlop_device *device)
{
    for (uint32_t i = 0; i < DLOP_OCL_SLOTS; i++) {
        struct dlop_ocl_worker *worker = &device->workers[i];
        dlop_status status;
        char name[16];

        worker->device = device;
        status = dlop_ocl_slot_open(device, &worker->slot);
        if (status != DLOP_OK)
            return status;
        if (pthread_create(&worker->thread, NULL, worker_main, worker))
            return DLOP_ERR_THREAD;
        snprintf(name, sizeof name, "dlop-ocl-%u", i);
        pthread_setname_np(worker->thread, name);
        device->n_started++;
    }
    return DLOP_OK;
}

static dlop_status open_context(struct dlop_device *device)
{
    const struct dlop_ocl_api *api = device->api;
    cl_int error;

    device->context = api->CreateContext(
        (const cl_context_properties[]){CL_CONTEXT_PLATFORM,
                                        (cl_context_properties)device->found.platform, 0},
        1, &device->found.device, NULL, NULL, &error);
    if (!device->context)
        return dlop_ocl_fail(device, "device", "clCreateContext", error);
    device->memory_queue =
        api->CreateCommandQueue(device->context, device->found.device, 0, &error);
    if (!device->memory_queue)
        return dlop_ocl_fail(device, "queue", "clCreateCommandQueue", error);
    return DLOP_OK;
}

/* The device's locks, and nothing of OpenCL yet. */
static dlop_status new_device(const struct dlop_ocl_parts *parts, const struct dlop_device_cfg *cfg,
                              struct dlop_device **device_out)
{
    struct dlop_device *device = calloc(1, sizeof *device);

    if (!device)
        return DLOP_ERR_NO_MEMORY;
    device->api = parts->api;
    device->cfg = *cfg;
    device->cfg.settings = NULL; /* the caller's text is not kept */
    device->owner = getpid();
    atomic_init(&device->n_refs, 1);
    if (pthread_mutex_init(&device->lock, NULL))
        goto free_device;
    if (pthread_mutex_init(&device->memory_lock, NULL))
        goto destroy_lock;
    if (pthread_cond_init(&device->wake, NULL))
        goto destroy_memory_lock;
    *device_out = device;
    return DLOP_OK;

destroy_memory_lock:
    pthread_mutex_destroy(&device->memory_lock);
destroy_lock:
    pthread_mutex_destroy(&device->lock);
free_device:
    free(device);
    return DLOP_ERR_THREAD;
}

dlop_status dlop_ocl_open(const struct dlop_ocl_parts *parts, const struct dlop_device_cfg *cfg,
                          struct dlop_device **device_out)
{
    struct dlop_device *device = NULL;
    char reason[160] = "";
    uint32_t n_devices;
    struct dlop_ocl_signals before;
    dlop_status status = new_device(parts, cfg, &device);

    if (status != DLOP_OK)
        return status;
    dlop_ocl_signals_guard(&before);
    status =
        dlop_ocl_find(parts->api, cfg->index, &device->found, &n_devices, reason, sizeof reason);
    if (status == DLOP_OK)
        status = dlop_ocl_settings_read(cfg->settings, &device->found, &device->settings, reason,
                                        sizeof reason);
    if (status != DLOP_OK)
        dlop_ocl_report(cfg, DLOP_DEVICE_NOTE, status, 0, "%s", reason);
    if (status == DLOP_OK)
        status = open_context(device);
    if (status == DLOP_OK)
        status = dlop_ocl_program_build(device, parts);
    if (status == DLOP_OK)
        status = start_workers(device);
    dlop_ocl_signals_restore(&before);
    if (status == DLOP_OK)
        *device_out = device;
    else
        ocl_close(&device);
    return status;
}

static dlop_status ocl_open(const struct dlop_device_cfg *cfg, struct dlop_device **device_out)
{
    struct dlop_ocl_parts parts = {.source = dlop_ocl_kernels,
                                   .source_bytes = dlop_ocl_kernels_bytes};
    char folder[4096], reason[160] = "";
    dlop_status status = dlop_ocl_api_get(&parts.api, reason, sizeof reason);

    if (status != DLOP_OK) {
        dlop_ocl_report(cfg, DLOP_DEVICE_NOTE, status, 0, "%s", reason);
        return status;
    }
    if (dlop_ocl_cache_folder(folder, sizeof folder))
        parts.cache_folder = folder;
    return dlop_ocl_open(&parts, cfg, device_out);
}

/* ---- questions ---- */

static dlop_status ocl_probe(struct dlop_device_info *info_out)
{
    struct dlop_device_info info = {.name = "ocl", .is_emulation = true};
    const struct dlop_ocl_api *api;
    struct dlop_ocl_found found;
    struct dlop_ocl_signals before;

    dlop_ocl_signals_guard(&before); /* platforms start when they are first asked */
    if (dlop_ocl_api_get(&api, info.missing, sizeof info.missing) == DLOP_OK &&
        dlop_ocl_find(api, 0, &found, &info.n_devices, info.missing, sizeof info.missing) ==
            DLOP_OK) {
        info.missing[0] = '\0';
        info.is_present = true;
        info.is_emulation = found.is_cpu;
        info.is_gpu = found.is_gpu;
        info.n_units = found.n_units;
        snprintf(info.description, sizeof info.description, "%.60s, %.40s %.20s", found.name,
                 found.platform_name, found.driver_version);
    }
    dlop_ocl_signals_restore(&before);
    *info_out = info;
    return DLOP_OK;
}

static uint32_t ocl_n_units(const struct dlop_device *device)
{
    return device->found.n_units;
}

/* Scratch memory that a job takes at most; sizes are checked. */
static uint64_t most_scratch_bytes(const struct dlop_job *job)
{
    struct dlop_image_work work = {0};
    struct dlop_job pixels = *job;
    uint64_t padded_px = ((uint64_t)job->src_width_px + 32) * (job->src_height_px + 32);

    pixels.kind = job->kind == DLOP_JOB_JPEG ? DLOP_JOB_PIXELS : job->kind;
    dlop_image_place(&pixels, &work);
    if (job->kind == DLOP_JOB_JPEG)
        work.scratch_bytes += 3 * padded_px + job->in_bytes + 3 * (uint64_t)job->roi_width_px;
    return work.scratch_bytes;
}

static dlop_status ocl_accepts(struct dlop_device *device, const struct dlop_job *job,
                               char *reason_out, size_t size)
{
    const char *reason = NULL;
    dlop_status status = dlop_accepts_check(job, &reason);

    if (status == DLOP_OK && most_scratch_bytes(job) > dlop_ocl_scratch_limit(&device->found)) {
        reason = "needs more memory than the device has for it";
        status = DLOP_ERR_LIMIT;
    }
    return dlop_accepts_answer(status, reason, reason_out, size);
}

const struct dlop_driver dlop_ocl_driver = {
    .name = "ocl",
    .memory = {.alloc = dlop_ocl_alloc,
               .wrap = dlop_ocl_wrap,
               .free = dlop_ocl_free,
               .to_device = dlop_ocl_to_device,
               .from_device = dlop_ocl_from_device},
    .may_be_automatic = dlop_ocl_may_have_card,
    .probe = ocl_probe,
    .open = ocl_open,
    .close = ocl_close,
    .accepts = ocl_accepts,
    .submit = ocl_submit,
    .n_units = ocl_n_units,
};
