/* A slot: see slot.h.
 *
 * The jobs of a launch are divided by the kernel table: each kernel gets its own in one piece and
 * gives back its completions in one piece. One in-order queue carries everything, so commands need
 * no events between them; only the last one has a callback, which wakes the slot's thread. Arrays
 * and device memory grow to the largest launch and stay: in steady state nothing is allocated.
 */
#include "driver/ocl/slot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driver/ocl/memory.h"
#include "driver/ocl/program.h"
#include "hw/core/image.h"

/* Shares of scratch memory begin at multiples of this: hw/top/kernels.cl. */
#define SHARE_BYTES UINT64_C(64)

/* A launch takes at most this part of the device's memory as scratch. */
#define SCRATCH_PART 4

/* Records are copied as they are: they must look in memory as in hw/top/record.h. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are little-endian");
_Static_assert(sizeof(struct dlop_job) == DLOP_TOP_JOB_BYTES, "job");
_Static_assert(offsetof(struct dlop_job, fill) == 9 && offsetof(struct dlop_job, in_offset) == 16 &&
                   offsetof(struct dlop_job, out_bytes) == 64 &&
                   offsetof(struct dlop_job, reserved) == 100,
               "job");
_Static_assert(sizeof(struct dlop_completion) == DLOP_TOP_COMPLETION_BYTES, "completion");
_Static_assert(offsetof(struct dlop_completion, busy_ticks) == 16 &&
                   offsetof(struct dlop_completion, blocked_ticks) == 28,
               "completion");

/* The jobs of one kernel. */
struct ocl_group {
    cl_kernel kernel;
    cl_mem jobs_memory, completions_memory;
    cl_event event; /* the kernel's, while it runs */
    uint32_t n_jobs, capacity;
    uint32_t n_items;
    uint64_t share_bytes; /* scratch of one work-item */
    struct dlop_job *jobs;
    struct dlop_completion *completions;
    uint32_t *index; /* [n_jobs], their places in the launch */
};

struct dlop_ocl_slot {
    struct dlop_device *device;
    cl_command_queue queue;
    struct ocl_group groups[DLOP_OCL_KERNEL_COUNT];
    cl_mem scratch;
    uint64_t scratch_bytes;
    struct dlop_image_work work; /* for the sizes of scratch memory */
    pthread_mutex_t lock;        /* of the rest */
    pthread_cond_t wake;
    bool is_done;
    cl_int done_status;
};

/* ---- life ---- */

static const uint32_t kinds_of_kernel[DLOP_OCL_KERNEL_COUNT] = {
#define KERNEL_KINDS(name, kinds) kinds,
    DLOP_TOP_KERNELS(KERNEL_KINDS)
#undef KERNEL_KINDS
};

/* A timed wait must not depend on the time of day. */
static dlop_status open_wake(struct dlop_ocl_slot *slot)
{
    pthread_condattr_t attributes;
    dlop_status status = DLOP_ERR_THREAD;

    if (pthread_mutex_init(&slot->lock, NULL))
        return DLOP_ERR_THREAD;
    if (!pthread_condattr_init(&attributes)) {
        if (!pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) &&
            !pthread_cond_init(&slot->wake, &attributes))
            status = DLOP_OK;
        pthread_condattr_destroy(&attributes);
    }
    if (status != DLOP_OK)
        pthread_mutex_destroy(&slot->lock);
    return status;
}

dlop_status dlop_ocl_slot_open(struct dlop_device *device, struct dlop_ocl_slot **slot_out)
{
    struct dlop_ocl_slot *slot = calloc(1, sizeof *slot);
    dlop_status status;
    cl_int error;

    if (!slot)
        return DLOP_ERR_NO_MEMORY;
    slot->device = device;
    status = open_wake(slot);
    if (status != DLOP_OK) {
        free(slot);
        return status;
    }
    slot->queue = device->api->CreateCommandQueue(device->context, device->found.device,
                                                  CL_QUEUE_PROFILING_ENABLE, &error);
    if (!slot->queue)
        status = dlop_ocl_fail(device, "queue", "clCreateCommandQueue", error);
    for (uint32_t k = 0; k < DLOP_OCL_KERNEL_COUNT && status == DLOP_OK; k++)
        status = dlop_ocl_kernel_create(device, k, &slot->groups[k].kernel);
    if (status == DLOP_OK)
        *slot_out = slot;
    else
        dlop_ocl_slot_close(slot, false);
    return status;
}

static void release_memory(const struct dlop_device *device, cl_mem *memory)
{
    if (*memory)
        device->api->ReleaseMemObject(*memory);
    *memory = NULL;
}

static void release_opencl(struct dlop_ocl_slot *slot)
{
    const struct dlop_device *device = slot->device;

    for (uint32_t k = 0; k < DLOP_OCL_KERNEL_COUNT; k++) {
        struct ocl_group *group = &slot->groups[k];

        release_memory(device, &group->jobs_memory);
        release_memory(device, &group->completions_memory);
        if (group->kernel)
            device->api->ReleaseKernel(group->kernel);
    }
    release_memory(device, &slot->scratch);
    if (slot->queue)
        device->api->ReleaseCommandQueue(slot->queue);
}

void dlop_ocl_slot_close(struct dlop_ocl_slot *slot, bool is_forked)
{
    if (!slot)
        return;
    if (!is_forked) {
        release_opencl(slot);
        pthread_cond_destroy(&slot->wake);
        pthread_mutex_destroy(&slot->lock);
    }
    for (uint32_t k = 0; k < DLOP_OCL_KERNEL_COUNT; k++) {
        free(slot->groups[k].jobs);
        free(slot->groups[k].completions);
        free(slot->groups[k].index);
    }
    free(slot);
}

/* ---- division of the jobs ---- */

/* A job of a kind that no kernel runs goes to the first, which finds out what is wrong with it. */
static uint32_t kernel_of(const struct dlop_job *job)
{
    for (uint32_t k = 0; k < DLOP_OCL_KERNEL_COUNT; k++)
        if (job->kind < DLOP_JOB_KIND_COUNT && kinds_of_kernel[k] >> job->kind & 1)
            return k;
    return 0;
}

static dlop_status create_memory(struct dlop_device *device, uint64_t size_bytes,
                                 cl_mem *memory_out)
{
    cl_int error = CL_SUCCESS;

    release_memory(device, memory_out);
    *memory_out =
        device->api->CreateBuffer(device->context, CL_MEM_READ_WRITE, size_bytes, NULL, &error);
    return *memory_out ? DLOP_OK : DLOP_ERR_NO_MEMORY;
}

static dlop_status grow_group(struct dlop_device *device, struct ocl_group *group, uint32_t n_jobs)
{
    dlop_status status;

    if (n_jobs <= group->capacity)
        return DLOP_OK;
    free(group->jobs);
    free(group->completions);
    free(group->index);
    group->capacity = 0;
    group->jobs = malloc((size_t)n_jobs * sizeof *group->jobs);
    group->completions = malloc((size_t)n_jobs * sizeof *group->completions);
    group->index = malloc((size_t)n_jobs * sizeof *group->index);
    if (!group->jobs || !group->completions || !group->index)
        return DLOP_ERR_NO_MEMORY;
    status = create_memory(device, (uint64_t)n_jobs * sizeof *group->jobs, &group->jobs_memory);
    if (status == DLOP_OK)
        status = create_memory(device, (uint64_t)n_jobs * sizeof *group->completions,
                               &group->completions_memory);
    if (status == DLOP_OK)
        group->capacity = n_jobs;
    return status;
}

/* Copy the jobs to their groups. Until a kernel has written it, a completion says that the device
 * did not do its work. */
static dlop_status divide_jobs(struct dlop_ocl_slot *slot, const struct dlop_launch *launch)
{
    uint32_t n_jobs[DLOP_OCL_KERNEL_COUNT] = {0};
    dlop_status status = DLOP_OK;

    for (uint32_t i = 0; i < launch->n_jobs; i++)
        n_jobs[kernel_of(&launch->jobs[i])]++;
    for (uint32_t k = 0; k < DLOP_OCL_KERNEL_COUNT && status == DLOP_OK; k++) {
        status = grow_group(slot->device, &slot->groups[k], n_jobs[k]);
        slot->groups[k].n_jobs = 0;
    }
    for (uint32_t i = 0; i < launch->n_jobs && status == DLOP_OK; i++) {
        struct ocl_group *group = &slot->groups[kernel_of(&launch->jobs[i])];
        uint32_t at = group->n_jobs++;

        group->jobs[at] = launch->jobs[i];
        group->completions[at] = (struct dlop_completion){.record = launch->jobs[i].record,
                                                          .status = DLOP_ERR_DEVICE_FAULT};
        group->index[at] = i;
    }
    return status;
}

/* ---- scratch memory ---- */

uint64_t dlop_ocl_scratch_limit(const struct dlop_ocl_found *found)
{
    uint64_t limit = found->memory_bytes / SCRATCH_PART;

    if (limit > found->max_buffer_bytes)
        limit = found->max_buffer_bytes;
    return limit / SHARE_BYTES * SHARE_BYTES;
}

/* How much a work-item of the group needs: the largest of its jobs. Refused jobs need none. */
static void size_share(struct dlop_ocl_slot *slot, struct ocl_group *group,
                       const struct dlop_launch *launch)
{
    const struct dlop_image_memory memory = {
        .in = launch->in->host,
        .bounds = {launch->in->size_bytes, launch->constants->size_bytes, launch->out->size_bytes}};
    uint64_t most_bytes = 0;

    for (uint32_t i = 0; i < group->n_jobs; i++)
        if (dlop_image_prepare(&group->jobs[i], &memory, &slot->work) == DLOP_OK &&
            slot->work.scratch_bytes > most_bytes)
            most_bytes = slot->work.scratch_bytes;
    group->share_bytes = (most_bytes + SHARE_BYTES) / SHARE_BYTES * SHARE_BYTES;
}

/* As many work-items as the jobs, the settings and the device's memory allow. A job that needs more
 * than all of that memory is refused by the kernel. */
static void count_items(const struct dlop_device *device, struct ocl_group *group)
{
    uint64_t budget = dlop_ocl_scratch_limit(&device->found), n_items = group->n_jobs;

    if (group->share_bytes > budget)
        group->share_bytes = budget;
    if (n_items > device->settings.n_items)
        n_items = device->settings.n_items;
    if (n_items > budget / group->share_bytes)
        n_items = budget / group->share_bytes;
    group->n_items = (uint32_t)n_items;
}

/* Groups run one after the other and share the memory. */
static uint64_t most_scratch_bytes(const struct dlop_ocl_slot *slot)
{
    uint64_t most_bytes = 0;

    for (uint32_t k = 0; k < DLOP_OCL_KERNEL_COUNT; k++) {
        const struct ocl_group *group = &slot->groups[k];

        if (group->n_jobs && group->n_items * group->share_bytes > most_bytes)
            most_bytes = group->n_items * group->share_bytes;
    }
    return most_bytes;
}

static bool halve_items(struct dlop_ocl_slot *slot)
{
    bool is_changed = false;

    for (uint32_t k = 0; k < DLOP_OCL_KERNEL_COUNT; k++) {
        if (!slot->groups[k].n_jobs || slot->groups[k].n_items < 2)
            continue;
        slot->groups[k].n_items /= 2;
        is_changed = true;
    }
    return is_changed;
}

/* Where there is not enough memory, fewer work-items do. */
static dlop_status reserve_scratch(struct dlop_ocl_slot *slot, const struct dlop_launch *launch)
{
    for (uint32_t k = 0; k < DLOP_OCL_KERNEL_COUNT; k++) {
        if (!slot->groups[k].n_jobs)
            continue;
        size_share(slot, &slot->groups[k], launch);
        count_items(slot->device, &slot->groups[k]);
    }
    while (most_scratch_bytes(slot) > slot->scratch_bytes) {
        uint64_t wanted_bytes = most_scratch_bytes(slot);

        slot->scratch_bytes = 0;
        if (create_memory(slot->device, wanted_bytes, &slot->scratch) == DLOP_OK)
            slot->scratch_bytes = wanted_bytes;
        else if (!halve_items(slot))
            return DLOP_ERR_NO_MEMORY;
    }
    return DLOP_OK;
}

/* ---- commands ---- */

static void CL_CALLBACK wake_slot(cl_event event, cl_int status, void *cookie)
{
    struct dlop_ocl_slot *slot = cookie;

    (void)event;
    pthread_mutex_lock(&slot->lock);
    slot->is_done = true;
    slot->done_status = status;
    pthread_cond_signal(&slot->wake);
    pthread_mutex_unlock(&slot->lock);
}

static cl_int set_arguments(struct dlop_ocl_slot *slot, struct ocl_group *group,
                            const struct dlop_launch *launch)
{
    cl_mem in = dlop_ocl_memory_of(launch->in), out = dlop_ocl_memory_of(launch->out);
    cl_mem constants = dlop_ocl_memory_of(launch->constants), scratch = slot->scratch;
    cl_mem jobs = group->jobs_memory, completions = group->completions_memory;
    const u64 in_bytes = launch->in->size_bytes, constants_bytes = launch->constants->size_bytes;
    const u64 out_bytes = launch->out->size_bytes;
    const u64 scratch_bytes = group->n_items * group->share_bytes;
    const u32 n_jobs = group->n_jobs;
    const struct {
        const void *value;
        size_t size;
    } arguments[] = {
#define ARGUMENT(type, name, is_buffer) {&(name), (is_buffer) ? sizeof(cl_mem) : sizeof(type)},
        DLOP_TOP_ARGUMENTS(ARGUMENT)
#undef ARGUMENT
    };
    cl_int error = CL_SUCCESS;

    for (cl_uint i = 0; i < sizeof arguments / sizeof arguments[0] && error == CL_SUCCESS; i++)
        error = slot->device->api->SetKernelArg(group->kernel, i, arguments[i].size,
                                                arguments[i].value);
    return error;
}

/* Records to the device, the kernel, completions back. last_out: the last command's event. */
static dlop_status enqueue_group(struct dlop_ocl_slot *slot, uint32_t kernel,
                                 const struct dlop_launch *launch, cl_event *last_out)
{
    const struct dlop_ocl_api *api = slot->device->api;
    struct ocl_group *group = &slot->groups[kernel];
    size_t jobs_bytes = group->n_jobs * sizeof *group->jobs, n_items = group->n_items, one = 1;
    size_t completions_bytes = group->n_jobs * sizeof *group->completions;
    const char *call = "clSetKernelArg";
    cl_int error = set_arguments(slot, group, launch);

    if (error == CL_SUCCESS) {
        call = "clEnqueueWriteBuffer";
        error = api->EnqueueWriteBuffer(slot->queue, group->jobs_memory, CL_FALSE, 0, jobs_bytes,
                                        group->jobs, 0, NULL, NULL);
    }
    if (error == CL_SUCCESS)
        error = api->EnqueueWriteBuffer(slot->queue, group->completions_memory, CL_FALSE, 0,
                                        completions_bytes, group->completions, 0, NULL, NULL);
    if (error == CL_SUCCESS) {
        call = "clEnqueueNDRangeKernel";
        error = api->EnqueueNDRangeKernel(slot->queue, group->kernel, 1, NULL, &n_items, &one, 0,
                                          NULL, &group->event);
    }
    if (error == CL_SUCCESS) {
        call = "clEnqueueReadBuffer";
        error = api->EnqueueReadBuffer(slot->queue, group->completions_memory, CL_FALSE, 0,
                                       completions_bytes, group->completions, 0, NULL, last_out);
    }
    if (error == CL_SUCCESS)
        return DLOP_OK;
    return dlop_ocl_fail(slot->device, dlop_ocl_kernel_names[kernel], call, error);
}

/* Wait for the callback of the last command. */
static dlop_status wait_for_wake(struct dlop_ocl_slot *slot)
{
    struct timespec until;
    dlop_status status = DLOP_OK;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += slot->device->settings.timeout_ms / 1000;
    until.tv_nsec += (long)(slot->device->settings.timeout_ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&slot->lock);
    while (!slot->is_done && status == DLOP_OK)
        if (pthread_cond_timedwait(&slot->wake, &slot->lock, &until) == ETIMEDOUT)
            status = DLOP_ERR_TIMEOUT;
    if (slot->is_done)
        status = DLOP_OK;
    pthread_mutex_unlock(&slot->lock);
    return status;
}

static dlop_status wait_for_last(struct dlop_ocl_slot *slot, cl_event last)
{
    struct dlop_device *device = slot->device;
    cl_int error;

    slot->is_done = false;
    error = device->api->SetEventCallback(last, CL_COMPLETE, wake_slot, slot);
    if (error != CL_SUCCESS)
        return dlop_ocl_fail(device, "launch", "clSetEventCallback", error);
    error = device->api->Flush(slot->queue);
    if (error != CL_SUCCESS)
        return dlop_ocl_fail(device, "launch", "clFlush", error);
    if (wait_for_wake(slot) != DLOP_OK) {
        atomic_store(&device->is_hung, true);
        dlop_ocl_lose(device, DLOP_ERR_TIMEOUT, "a launch did not end in time");
        return DLOP_ERR_TIMEOUT;
    }
    if (slot->done_status < 0)
        return dlop_ocl_fail(device, "launch", "execution", slot->done_status);
    return DLOP_OK;
}

/* A kernel that failed shows in its event, whatever the commands after it did. One that is not
 * marked complete yet is, since the commands after it are. */
static dlop_status check_kernels(struct dlop_ocl_slot *slot)
{
    const struct dlop_ocl_api *api = slot->device->api;

    for (uint32_t k = 0; k < DLOP_OCL_KERNEL_COUNT; k++) {
        cl_int execution = CL_COMPLETE, error;

        if (!slot->groups[k].event)
            continue;
        error = api->GetEventInfo(slot->groups[k].event, CL_EVENT_COMMAND_EXECUTION_STATUS,
                                  sizeof execution, &execution, NULL);
        if (error != CL_SUCCESS || execution < 0)
            return dlop_ocl_fail(slot->device, dlop_ocl_kernel_names[k], "execution",
                                 error != CL_SUCCESS ? error : execution);
    }
    return DLOP_OK;
}

/* ---- results ---- */

/* Time that the kernel took, 0 where the device does not say. */
static uint64_t kernel_ns(const struct dlop_ocl_slot *slot, const struct ocl_group *group)
{
    const struct dlop_ocl_api *api = slot->device->api;
    cl_ulong begin = 0, end = 0;

    if (api->GetEventProfilingInfo(group->event, CL_PROFILING_COMMAND_START, sizeof begin, &begin,
                                   NULL) != CL_SUCCESS ||
        api->GetEventProfilingInfo(group->event, CL_PROFILING_COMMAND_END, sizeof end, &end,
                                   NULL) != CL_SUCCESS)
        return 0;
    return end > begin ? end - begin : 0;
}

/* Every job of a kernel gets the same share of its time: work-items have no clock. */
static void collect(struct dlop_ocl_slot *slot, struct dlop_launch *launch)
{
    for (uint32_t k = 0; k < DLOP_OCL_KERNEL_COUNT; k++) {
        const struct ocl_group *group = &slot->groups[k];
        uint64_t busy_ns = group->event ? kernel_ns(slot, group) / group->n_jobs : 0;

        for (uint32_t i = 0; i < group->n_jobs; i++) {
            launch->completions[group->index[i]] = group->completions[i];
            launch->completions[group->index[i]].busy_ticks = busy_ns;
        }
    }
}

static void release_events(struct dlop_ocl_slot *slot)
{
    for (uint32_t k = 0; k < DLOP_OCL_KERNEL_COUNT; k++) {
        if (slot->groups[k].event)
            slot->device->api->ReleaseEvent(slot->groups[k].event);
        slot->groups[k].event = NULL;
    }
}

/* ---- a launch ---- */

/* Everything between giving the buffers to the device and taking them back. */
static dlop_status run_commands(struct dlop_ocl_slot *slot, struct dlop_launch *launch)
{
    dlop_status status = DLOP_OK;
    cl_event last = NULL;

    for (uint32_t k = 0; k < DLOP_OCL_KERNEL_COUNT && status == DLOP_OK; k++) {
        if (!slot->groups[k].n_jobs)
            continue;
        if (last)
            slot->device->api->ReleaseEvent(last);
        last = NULL;
        status = enqueue_group(slot, k, launch, &last);
    }
    if (status == DLOP_OK)
        status = wait_for_last(slot, last);
    else
        slot->device->api->Finish(slot->queue); /* what was enqueued uses our memory */
    if (status == DLOP_OK)
        status = check_kernels(slot);
    if (status == DLOP_OK)
        collect(slot, launch);
    if (atomic_load(&slot->device->is_hung))
        return status; /* events may still be used */
    if (last)
        slot->device->api->ReleaseEvent(last);
    release_events(slot);
    return status;
}

dlop_status dlop_ocl_slot_run(struct dlop_ocl_slot *slot, struct dlop_launch *launch)
{
    dlop_status status, release_status;

    if (!launch->n_jobs)
        return DLOP_OK;
    status = divide_jobs(slot, launch);
    if (status == DLOP_OK)
        status = reserve_scratch(slot, launch);
    if (status == DLOP_OK)
        status = dlop_ocl_memory_acquire(slot->device, launch);
    if (status != DLOP_OK)
        return status;
    status = run_commands(slot, launch);
    release_status = dlop_ocl_memory_release(slot->device, launch);
    return status != DLOP_OK ? status : release_status;
}
