/* XRT behind the driver table: open, close, loss, and what is asked of a device.
 *
 * XRT itself runs in a process of its own (program/), which this one starts per open device: XRT
 * ends or hangs the process that uses it when things go wrong, and here that is a status.
 * Not here: what must be there before (preflight.c), buffers (memory.c), launches (units.c).
 */
#include "driver/xrt/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver/accepts.h"
#include "driver/xrt/xrt.h"

#define OPEN_TIMEOUT_MS 120000 /* a card is programmed in seconds */
#define KILL_TIMEOUT_MS 10000

/* ---- events ---- */

static void tell(const struct dlop_device_cfg *cfg, dlop_status status, const char *text)
{
    const struct dlop_device_event event = {
        .device = "xrt", .text = text, .status = status, .kind = DLOP_DEVICE_NOTE};

    if (cfg->on_event)
        cfg->on_event(cfg->event_cookie, &event);
}

void dlop_xrt_tell(const struct dlop_device *device, uint32_t kind, dlop_status status,
                   uint32_t n_jobs, const char *text)
{
    const struct dlop_device_event event = {
        .device = "xrt", .text = text, .status = status, .kind = kind, .n_jobs = n_jobs};

    if (device->on_event)
        device->on_event(device->event_cookie, &event);
}

/* After this nothing of the card's side writes to memory of this process any more. */
dlop_status dlop_xrt_lose(struct dlop_device *device, dlop_status status, const char *text)
{
    char line[120], both[sizeof line + DLOP_XRT_TEXT_BYTES + 2];
    bool is_first = false;

    pthread_mutex_lock(&device->loss_lock);
    if (!atomic_load(&device->is_lost)) {
        device->loss = status;
        atomic_store(&device->is_lost, true);
        dlop_xrt_host_kill(&device->host);
        dlop_xrt_host_last_line(&device->host, line, sizeof line);
        snprintf(both, sizeof both, "%s%s%s", text, line[0] ? ": " : "", line);
        is_first = true;
    }
    pthread_mutex_unlock(&device->loss_lock);
    if (is_first)
        dlop_xrt_tell(device, DLOP_DEVICE_LOST, status, 0, both);
    return device->loss;
}

/* ---- open ---- */

static dlop_status xrt_probe(struct dlop_device_info *info_out)
{
    struct dlop_xrt_settings settings;
    struct dlop_xrt_plan *plan = malloc(sizeof *plan);
    dlop_status status;

    *info_out = (struct dlop_device_info){.name = "xrt"};
    if (!plan)
        return DLOP_ERR_NO_MEMORY;
    status = dlop_xrt_settings_read(NULL, &settings, info_out->missing, sizeof info_out->missing);
    plan->missing[0] = '\0';
    if (status == DLOP_OK)
        status = dlop_xrt_preflight(&settings, plan);
    info_out->is_emulation = getenv("XCL_EMULATION_MODE") != NULL;
    info_out->is_present = status == DLOP_OK;
    if (plan->missing[0])
        memcpy(info_out->missing, plan->missing, sizeof info_out->missing);
    if (status == DLOP_OK) {
        info_out->n_units = plan->n_units;
        info_out->n_devices = plan->n_devices;
        snprintf(info_out->description, sizeof info_out->description,
                 "XRT, %s, %.64s, %u compute units", plan->mode, plan->platform, plan->n_units);
    }
    free(plan);
    return DLOP_OK;
}

static dlop_status start_host(const struct dlop_xrt_settings *settings,
                              const struct dlop_xrt_plan *plan, uint32_t index,
                              struct dlop_xrt_host *host_out)
{
    const char *argv[DLOP_XRT_ARG_UNITS + DLOP_XRT_MAX_UNITS + 1] = {0};
    bool is_emulation = strcmp(plan->mode, "hw") != 0;
    char number[16], parent[16];

    snprintf(number, sizeof number, "%u", index);
    snprintf(parent, sizeof parent, "%d", (int)getpid());
    argv[DLOP_XRT_ARG_PROGRAM] = plan->program;
    argv[DLOP_XRT_ARG_PROTOCOL] = DLOP_XRT_PROTOCOL;
    argv[DLOP_XRT_ARG_LIBRARY] = settings->library;
    argv[DLOP_XRT_ARG_PARENT] = parent;
    argv[DLOP_XRT_ARG_INDEX] = number;
    argv[DLOP_XRT_ARG_XCLBIN] = plan->xclbin;
    argv[DLOP_XRT_ARG_MEMORY] = settings->memory;
    argv[DLOP_XRT_ARG_POLL] = is_emulation ? "1" : "0";
    for (uint32_t i = 0; i < plan->n_units; i++)
        argv[DLOP_XRT_ARG_UNITS + i] = plan->units[i].name;
    return dlop_xrt_host_start(argv, is_emulation, host_out);
}

/* The host program's report: the device is open, or why not. */
static dlop_status wait_for_open(const struct dlop_device *device,
                                 const struct dlop_device_cfg *cfg)
{
    struct dlop_xrt_reply reply;
    char line[120], both[sizeof line + DLOP_XRT_TEXT_BYTES + 2];
    dlop_status status =
        dlop_xrt_host_wait(&device->host, device->host.control, OPEN_TIMEOUT_MS, &reply);

    if (status == DLOP_OK)
        return DLOP_OK;
    dlop_xrt_host_last_line(&device->host, line, sizeof line);
    snprintf(both, sizeof both, "%s%s%s", reply.text, line[0] ? ": " : "", line);
    tell(cfg, status, both);
    return status;
}

static dlop_status open_unit(struct dlop_device *device, uint32_t number, uint32_t kernel)
{
    struct dlop_xrt_unit *unit = &device->units[number];
    struct dlop_xrt_call call = {.request = {.kind = DLOP_XRT_ADD_UNIT, .unit = number},
                                 .n_fds = 2,
                                 .timeout_ms = OPEN_TIMEOUT_MS};
    struct dlop_xrt_reply reply;
    dlop_status status;
    void *memory;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return DLOP_ERR_IO;
    status = dlop_xrt_share(DLOP_XRT_UNIT_BYTES, &call.fds[1], &memory);
    if (status != DLOP_OK) {
        close(pair[0]);
        close(pair[1]);
        return status;
    }
    call.fds[0] = pair[1];
    status = dlop_xrt_host_call(&device->host, device->host.control, &call, &reply);
    close(pair[1]);
    close(call.fds[1]);
    *unit = (struct dlop_xrt_unit){
        .device = device, .number = number, .kernel = kernel, .channel = pair[0], .memory = memory};
    device->n_units++;
    device->n_units_of[kernel]++;
    if (status != DLOP_OK)
        dlop_xrt_tell(device, DLOP_DEVICE_NOTE, status, 0, reply.text);
    return status;
}

static void close_units(struct dlop_device *device)
{
    for (uint32_t i = 0; i < device->n_units; i++) {
        close(device->units[i].channel);
        munmap(device->units[i].memory, DLOP_XRT_UNIT_BYTES);
    }
}

static dlop_status open_with(const struct dlop_xrt_settings *settings,
                             const struct dlop_xrt_plan *plan, const struct dlop_device_cfg *cfg,
                             struct dlop_device *device)
{
    dlop_status status = start_host(settings, plan, cfg->index, &device->host);

    if (status != DLOP_OK)
        return status;
    status = wait_for_open(device, cfg);
    for (uint32_t i = 0; i < plan->n_units && status == DLOP_OK; i++)
        status = open_unit(device, i, plan->units[i].kernel);
    if (status == DLOP_OK)
        status = dlop_xrt_units_start(device);
    if (status == DLOP_OK)
        return DLOP_OK;
    dlop_xrt_units_stop(device);
    close_units(device);
    dlop_xrt_host_kill(&device->host);
    dlop_xrt_host_end(&device->host, KILL_TIMEOUT_MS);
    return status;
}

static dlop_status make_device(const struct dlop_device_cfg *cfg, uint32_t timeout_ms,
                               uint32_t n_units, struct dlop_device **device_out)
{
    struct dlop_device *device = calloc(1, sizeof *device);

    if (!device)
        return DLOP_ERR_NO_MEMORY;
    device->units = calloc(n_units, sizeof *device->units);
    if (!device->units) {
        free(device);
        return DLOP_ERR_NO_MEMORY;
    }
    atomic_init(&device->n_references, 1);
    device->owner = getpid();
    device->timeout_ms = timeout_ms;
    device->on_event = cfg->on_event;
    device->event_cookie = cfg->event_cookie;
    pthread_mutex_init(&device->control_lock, NULL);
    pthread_mutex_init(&device->loss_lock, NULL);
    pthread_mutex_init(&device->lock, NULL);
    pthread_cond_init(&device->wake, NULL);
    *device_out = device;
    return DLOP_OK;
}

/* Settings and preflight; the reason of a refusal goes to the caller as a note. */
static dlop_status look(const struct dlop_device_cfg *cfg, struct dlop_xrt_settings *settings,
                        struct dlop_xrt_plan *plan)
{
    char reason[128];
    dlop_status status = dlop_xrt_settings_read(cfg->settings, settings, reason, sizeof reason);

    if (status != DLOP_OK) {
        tell(cfg, status, reason);
        return status;
    }
    status = dlop_xrt_preflight(settings, plan);
    if (status == DLOP_OK && cfg->index >= plan->n_devices) {
        snprintf(plan->missing, sizeof plan->missing, "no device %u: there are %u", cfg->index,
                 plan->n_devices);
        status = DLOP_ERR_NO_DEVICE;
    }
    if (status != DLOP_OK)
        tell(cfg, status, plan->missing);
    return status;
}

static dlop_status xrt_open(const struct dlop_device_cfg *cfg, struct dlop_device **device_out)
{
    struct {
        struct dlop_xrt_settings settings;
        struct dlop_xrt_plan plan;
    } *found = malloc(sizeof *found);
    struct dlop_device *device = NULL;
    dlop_status status;

    if (!found)
        return DLOP_ERR_NO_MEMORY;
    status = look(cfg, &found->settings, &found->plan);
    if (status == DLOP_OK)
        status = make_device(cfg, found->settings.timeout_ms, found->plan.n_units, &device);
    if (status == DLOP_OK)
        status = open_with(&found->settings, &found->plan, cfg, device);
    if (status == DLOP_OK)
        *device_out = device;
    else if (device)
        dlop_xrt_device_release(device);
    free(found);
    return status;
}

/* ---- close ---- */

static void close_host(struct dlop_device *device)
{
    struct dlop_xrt_call call = {.request = {.kind = DLOP_XRT_CLOSE},
                                 .timeout_ms = device->timeout_ms};
    struct dlop_xrt_reply reply;

    pthread_mutex_lock(&device->control_lock);
    if (!atomic_load(&device->is_lost) &&
        dlop_xrt_host_call(&device->host, device->host.control, &call, &reply) != DLOP_OK)
        dlop_xrt_host_kill(&device->host);
    dlop_xrt_host_end(&device->host, KILL_TIMEOUT_MS);
    device->is_closed = true;
    pthread_mutex_unlock(&device->control_lock);
}

static void xrt_close(struct dlop_device **device_in_out)
{
    struct dlop_device *device;

    if (!device_in_out || !*device_in_out)
        return;
    device = *device_in_out;
    *device_in_out = NULL;
    if (device->owner != getpid()) {
        /* A forked child holds copies of the sockets, no thread and no lock. The struct is left to
         * buffers that the child may free. */
        close_units(device);
        dlop_xrt_host_forget(&device->host);
        return;
    }
    dlop_xrt_units_stop(device);
    close_units(device);
    close_host(device);
    dlop_xrt_memory_drop_cache(device);
    dlop_xrt_device_release(device);
}

/* ---- questions ---- */

static dlop_status xrt_submit(struct dlop_device *device, struct dlop_launch *launch)
{
    if (device->owner != getpid())
        return DLOP_ERR_STATE;
    return dlop_xrt_units_submit(device, launch);
}

static uint32_t xrt_n_units(const struct dlop_device *device)
{
    return device->n_units;
}

static dlop_status xrt_accepts(struct dlop_device *device, const struct dlop_job *job,
                               char *reason_out, size_t size)
{
    const char *reason = NULL;
    dlop_status status = dlop_accepts_check(job, &reason);

    if (status == DLOP_OK && dlop_xrt_kernel_for(device, job->kind) == DLOP_XRT_N_KERNELS) {
        reason = "the card image has no kernel for this kind of job";
        status = DLOP_ERR_UNSUPPORTED;
    }
    return dlop_accepts_answer(status, reason, reason_out, size);
}

const struct dlop_driver dlop_xrt_driver = {
    .name = "xrt",
    .memory = DLOP_XRT_MEMORY,
    .probe = xrt_probe,
    .open = xrt_open,
    .close = xrt_close,
    .accepts = xrt_accepts,
    .submit = xrt_submit,
    .n_units = xrt_n_units,
};
