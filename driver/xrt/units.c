/* Launches over compute units: the queue, one thread per unit, and the check of completions.
 *
 * A launch's jobs are divided by kind over the kernels and evenly over the units of each. A unit's
 * thread takes the next part of the oldest launch that has jobs for its kernel, so a unit that is
 * done with one batch starts the next one. The last part of a launch calls `done`.
 *
 * A part: jobs go as bytes into memory that the host program shares, one call runs them, and their
 * completions come back there. A completion that cannot be right makes the launch's status
 * DLOP_ERR_DEVICE_FAULT. No heap call, and a few system calls per part.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "driver/xrt/device.h"

/* Use of dlop_launch.driver_data: a cursor per kernel (next job to look at, jobs per part), jobs
 * that are not finished, first bad status. */
enum { LAUNCH_CURSOR, LAUNCH_N_LEFT = DLOP_XRT_N_KERNELS, LAUNCH_STATUS };
_Static_assert(LAUNCH_STATUS < 4, "one word for each in dlop_launch");

static const uint32_t kernel_kinds[] = {
#define KINDS(name, kinds) kinds,
    DLOP_TOP_KERNELS(KINDS)
#undef KINDS
};

uint32_t dlop_xrt_kernel_for(const struct dlop_device *device, uint32_t kind)
{
    uint32_t kernel = 0;

    while (kernel < DLOP_XRT_N_KERNELS &&
           (kind >= 32 || !(kernel_kinds[kernel] >> kind & 1) || !device->n_units_of[kernel]))
        kernel++;
    return kernel;
}

/* The same, but a job that is nobody's goes to a kernel that refuses it. */
static uint32_t kernel_of(const struct dlop_device *device, const struct dlop_job *job)
{
    uint32_t kernel = dlop_xrt_kernel_for(device, job->kind);

    if (kernel < DLOP_XRT_N_KERNELS)
        return kernel;
    return device->n_units_of[0] ? 0 : 1;
}

/* ---- queue ---- */

static uint64_t cursor(uint32_t next_job, uint32_t n_per_part)
{
    return (uint64_t)n_per_part << 32 | next_job;
}

/* Parts of equal size, at most what a run takes. */
static void divide(const struct dlop_device *device, struct dlop_launch *launch)
{
    uint32_t n_of[DLOP_XRT_N_KERNELS] = {0};

    for (uint32_t i = 0; i < launch->n_jobs; i++)
        n_of[kernel_of(device, &launch->jobs[i])]++;
    for (uint32_t k = 0; k < DLOP_XRT_N_KERNELS; k++) {
        uint32_t n_units = device->n_units_of[k] ? device->n_units_of[k] : 1;
        uint32_t n_per_part = (n_of[k] + n_units - 1) / n_units;

        if (n_per_part > DLOP_XRT_RUN_JOBS)
            n_per_part = DLOP_XRT_RUN_JOBS;
        launch->driver_data[LAUNCH_CURSOR + k] = cursor(n_of[k] ? 0 : launch->n_jobs, n_per_part);
    }
    launch->driver_data[LAUNCH_N_LEFT] = launch->n_jobs;
    launch->driver_data[LAUNCH_STATUS] = DLOP_OK;
}

/* With the lock held: the unit's next jobs of this launch into unit->taken; their number. */
static uint32_t take_part(struct dlop_xrt_unit *unit, struct dlop_launch *launch)
{
    uint64_t *place = &launch->driver_data[LAUNCH_CURSOR + unit->kernel];
    uint32_t i = (uint32_t)*place, n_per_part = (uint32_t)(*place >> 32), n = 0;

    for (; i < launch->n_jobs && n < n_per_part; i++)
        if (kernel_of(unit->device, &launch->jobs[i]) == unit->kernel)
            unit->taken[n++] = i;
    *place = cursor(i, n_per_part);
    return n;
}

/* With the lock held: the oldest launch that has something for this unit, or null. A launch without
 * jobs is anybody's. */
static struct dlop_launch *take_any(struct dlop_xrt_unit *unit, uint32_t *n_out)
{
    for (struct dlop_launch *launch = unit->device->head; launch; launch = launch->next) {
        *n_out = take_part(unit, launch);
        if (*n_out || !launch->n_jobs)
            return launch;
    }
    return NULL;
}

static void unlink_launch(struct dlop_device *device, struct dlop_launch *launch)
{
    struct dlop_launch **place = &device->head, *before = NULL;

    while (*place != launch) {
        before = *place;
        place = &before->next;
    }
    *place = launch->next;
    if (device->tail == launch)
        device->tail = before;
    device->n_launches--;
}

/* With the lock held on entry and on return. */
static void finish_part(struct dlop_device *device, struct dlop_launch *launch, uint32_t n_jobs,
                        dlop_status status)
{
    if (launch->driver_data[LAUNCH_STATUS] == DLOP_OK)
        launch->driver_data[LAUNCH_STATUS] = (uint64_t)(int64_t)status;
    launch->driver_data[LAUNCH_N_LEFT] -= n_jobs;
    if (launch->driver_data[LAUNCH_N_LEFT])
        return;
    unlink_launch(device, launch);
    pthread_mutex_unlock(&device->lock);
    launch->done(launch, (dlop_status)(int64_t)launch->driver_data[LAUNCH_STATUS]);
    pthread_mutex_lock(&device->lock);
}

/* ---- one part ---- */

static bool is_known_status(int32_t status)
{
    switch (status) {
#define KNOWN(name, value, text) case value:
        DLOP_STATUS_TABLE(KNOWN)
#undef KNOWN
        return true;
    default:
        return false;
    }
}

static bool is_possible(const struct dlop_job *job, const struct dlop_completion *completion)
{
    uint32_t n_bytes = completion->status == DLOP_OK ? job->out_bytes : 0;

    return completion->record == job->record && completion->bytes_written == n_bytes &&
           is_known_status(completion->status) && completion->status <= DLOP_OK;
}

/* The host and the card both have little-endian records. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are copied as they are");

static void put_jobs(struct dlop_xrt_unit *unit, const struct dlop_launch *launch, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        memcpy(unit->memory + (size_t)i * DLOP_TOP_JOB_BYTES, &launch->jobs[unit->taken[i]],
               DLOP_TOP_JOB_BYTES);
}

/* Completions to the launch, outputs to memory that was wrapped. Returns how many completions
 * cannot be right; these jobs have the status DLOP_ERR_DEVICE_FAULT. */
static uint32_t get_completions(struct dlop_xrt_unit *unit, const struct dlop_launch *launch,
                                uint32_t n)
{
    const struct dlop_xrt_buffer *out = launch->out->driver_data;
    uint32_t n_wrong = 0;

    for (uint32_t i = 0; i < n; i++) {
        const struct dlop_job *job = &launch->jobs[unit->taken[i]];
        struct dlop_completion *completion = &launch->completions[unit->taken[i]];

        memcpy(completion,
               unit->memory + DLOP_XRT_COMPLETIONS_AT + (size_t)i * DLOP_TOP_COMPLETION_BYTES,
               sizeof *completion);
        if (!is_possible(job, completion) ||
            (completion->status == DLOP_OK &&
             !dlop_is_within(job->out_offset, job->out_bytes, launch->out->size_bytes))) {
            *completion =
                (struct dlop_completion){.record = job->record, .status = DLOP_ERR_DEVICE_FAULT};
            n_wrong++;
        } else if (completion->status == DLOP_OK && out->caller) {
            memcpy(out->caller + job->out_offset, out->shared + job->out_offset, job->out_bytes);
        }
    }
    return n_wrong;
}

static struct dlop_xrt_data data_of(const struct dlop_buffer *buffer)
{
    const struct dlop_xrt_buffer *own = buffer->driver_data;

    return (struct dlop_xrt_data){own->number, buffer->size_bytes};
}

/* Of the jobs that put_jobs left in the unit's memory, which only this thread writes. */
static uint64_t scratch_for(struct dlop_xrt_unit *unit, const struct dlop_launch *launch,
                            uint32_t n)
{
    const struct dlop_job_bounds bounds = {launch->in->size_bytes, launch->constants->size_bytes,
                                           launch->out->size_bytes};
    const struct dlop_job *jobs = (const void *)unit->memory;

    return dlop_top_scratch_bytes(jobs, n, launch->in->host, &bounds, &unit->work);
}

static dlop_status run_part(struct dlop_xrt_unit *unit, const struct dlop_launch *launch,
                            uint32_t n)
{
    struct dlop_device *device = unit->device;
    struct dlop_xrt_call call = {
        .request = {.kind = DLOP_XRT_RUN,
                    .n_jobs = n,
                    .data = {data_of(launch->in), data_of(launch->constants),
                             data_of(launch->out)}},
        .timeout_ms = device->timeout_ms};
    struct dlop_xrt_reply reply;
    dlop_status status;
    uint32_t n_wrong;
    char text[128];

    if (atomic_load(&device->is_lost))
        return DLOP_ERR_DEVICE_LOST;
    put_jobs(unit, launch, n);
    call.request.scratch_bytes = scratch_for(unit, launch, n);
    status = dlop_xrt_host_call(&device->host, unit->channel, &call, &reply);
    if (status == DLOP_ERR_DEVICE_LOST || status == DLOP_ERR_TIMEOUT)
        status = dlop_xrt_lose(device, status, reply.text);
    if (status != DLOP_OK)
        return status;
    n_wrong = get_completions(unit, launch, n);
    if (!n_wrong)
        return DLOP_OK;
    snprintf(text, sizeof text, "unit %u: %u of %u completions cannot be right", unit->number,
             n_wrong, n);
    dlop_xrt_tell(device, DLOP_DEVICE_WRONG, DLOP_ERR_DEVICE_FAULT, n_wrong, text);
    return DLOP_ERR_DEVICE_FAULT;
}

/* ---- threads ---- */

static void *unit_main(void *argument)
{
    struct dlop_xrt_unit *unit = argument;
    struct dlop_device *device = unit->device;

    pthread_mutex_lock(&device->lock);
    for (;;) {
        uint32_t n;
        struct dlop_launch *launch = take_any(unit, &n);
        dlop_status status = DLOP_OK;

        if (!launch && device->is_closing && !device->head)
            break;
        if (!launch) {
            pthread_cond_wait(&device->wake, &device->lock);
            continue;
        }
        if (n) {
            pthread_mutex_unlock(&device->lock);
            status = run_part(unit, launch, n);
            pthread_mutex_lock(&device->lock);
        }
        finish_part(device, launch, n, status);
        if (device->is_closing)
            pthread_cond_broadcast(&device->wake);
    }
    pthread_mutex_unlock(&device->lock);
    return NULL;
}

dlop_status dlop_xrt_units_start(struct dlop_device *device)
{
    sigset_t all, before;
    dlop_status status = DLOP_OK;

    /* The program's signal handlers run on its own threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (device->n_threads < device->n_units && status == DLOP_OK) {
        struct dlop_xrt_unit *unit = &device->units[device->n_threads];
        char name[16];

        if (pthread_create(&unit->thread, NULL, unit_main, unit)) {
            status = DLOP_ERR_THREAD;
        } else {
            snprintf(name, sizeof name, "dlop-xrt-%u", unit->number % 1000);
            pthread_setname_np(unit->thread, name);
            device->n_threads++;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

void dlop_xrt_units_stop(struct dlop_device *device)
{
    pthread_mutex_lock(&device->lock);
    device->is_closing = true;
    pthread_cond_broadcast(&device->wake);
    pthread_mutex_unlock(&device->lock);
    for (uint32_t i = 0; i < device->n_threads; i++)
        pthread_join(device->units[i].thread, NULL);
    device->n_threads = 0;
}

dlop_status dlop_xrt_units_submit(struct dlop_device *device, struct dlop_launch *launch)
{
    dlop_status status = DLOP_OK;

    pthread_mutex_lock(&device->lock);
    if (device->is_closing)
        status = DLOP_ERR_STATE;
    else if (atomic_load(&device->is_lost))
        status = DLOP_ERR_DEVICE_LOST;
    else if (device->n_launches >= DLOP_XRT_MAX_LAUNCHES)
        status = DLOP_AGAIN;
    if (status == DLOP_OK) {
        divide(device, launch);
        launch->next = NULL;
        if (device->tail)
            device->tail->next = launch;
        else
            device->head = launch;
        device->tail = launch;
        device->n_launches++;
        pthread_cond_broadcast(&device->wake);
    }
    pthread_mutex_unlock(&device->lock);
    return status;
}
