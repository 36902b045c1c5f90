/* Buffers of the xrt driver: memory shared with the host program.
 *
 * `wrap` pairs the caller's memory with a shared buffer: the host program cannot see the caller's
 * pages. Inputs are copied by to_device; outputs come by themselves when their run ends (units.c),
 * job by job, so that bytes between them stay the caller's, and from_device has nothing to do.
 * Freed buffers are kept for the next request of about their size, so that a loader which wraps
 * and frees one tensor per batch allocates nothing in its steady state.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "driver/xrt/device.h"

void dlop_xrt_device_release(struct dlop_device *device)
{
    if (atomic_fetch_sub(&device->n_references, 1) > 1)
        return;
    pthread_mutex_destroy(&device->control_lock);
    pthread_mutex_destroy(&device->loss_lock);
    pthread_mutex_destroy(&device->lock);
    pthread_cond_destroy(&device->wake);
    free(device->units);
    free(device);
}

/* ---- with the control lock held ---- */

static dlop_status take_number(struct dlop_device *device, uint32_t *number_out)
{
    for (uint32_t i = 0; i < DLOP_XRT_MAX_BUFFERS / 64; i++) {
        uint32_t bit;

        if (device->used_numbers[i] == UINT64_MAX)
            continue;
        bit = (uint32_t)__builtin_ctzll(~device->used_numbers[i]);
        device->used_numbers[i] |= (uint64_t)1 << bit;
        *number_out = 64 * i + bit;
        return DLOP_OK;
    }
    return DLOP_ERR_NO_MEMORY;
}

static void give_number(struct dlop_device *device, uint32_t number)
{
    device->used_numbers[number / 64] &= ~((uint64_t)1 << number % 64);
}

static dlop_status control(struct dlop_device *device, struct dlop_xrt_call *call)
{
    struct dlop_xrt_reply reply;
    dlop_status status;

    if (device->is_closed || atomic_load(&device->is_lost))
        return DLOP_ERR_DEVICE_LOST;
    call->timeout_ms = device->timeout_ms;
    status = dlop_xrt_host_call(&device->host, device->host.control, call, &reply);
    if (status == DLOP_ERR_DEVICE_LOST || status == DLOP_ERR_TIMEOUT) {
        dlop_xrt_lose(device, status, reply.text);
        status = DLOP_ERR_DEVICE_LOST;
    }
    return status;
}

/* Gives up the memory, not the reference to the device; of a lost or closed device its host side is
 * gone already. */
static void destroy(struct dlop_device *device, struct dlop_xrt_buffer *buffer)
{
    struct dlop_xrt_call call = {.request = {.kind = DLOP_XRT_FREE, .buffer = buffer->number}};

    if (control(device, &call) == DLOP_OK)
        give_number(device, buffer->number);
    munmap(buffer->shared, buffer->capacity_bytes);
    free(buffer);
}

static dlop_status create(struct dlop_device *device, size_t n_bytes,
                          struct dlop_xrt_buffer **buffer_out)
{
    struct dlop_xrt_buffer *buffer = calloc(1, sizeof *buffer);
    struct dlop_xrt_call call = {
        .request = {.kind = DLOP_XRT_ALLOC, .n_bytes = n_bytes}, .fds = {-1, -1}, .n_fds = 1};
    dlop_status status = DLOP_ERR_NO_MEMORY;
    void *shared;

    if (!buffer || take_number(device, &buffer->number) != DLOP_OK)
        goto free_buffer;
    status = dlop_xrt_share(n_bytes, &call.fds[0], &shared);
    if (status != DLOP_OK)
        goto give_number;
    call.request.buffer = buffer->number;
    status = control(device, &call);
    close(call.fds[0]);
    if (status != DLOP_OK)
        goto unmap;
    buffer->device = device;
    buffer->shared = shared;
    buffer->capacity_bytes = n_bytes;
    atomic_fetch_add(&device->n_references, 1);
    *buffer_out = buffer;
    return DLOP_OK;

unmap:
    munmap(shared, n_bytes);
give_number:
    give_number(device, buffer->number);
free_buffer:
    free(buffer);
    return status;
}

/* The smallest kept buffer of n_bytes to twice as many, or null. */
static struct dlop_xrt_buffer *take_cached(struct dlop_device *device, size_t n_bytes)
{
    struct dlop_xrt_buffer **best = NULL, *buffer;

    for (uint32_t i = 0; i < DLOP_XRT_N_CACHED; i++) {
        struct dlop_xrt_buffer **place = &device->cached[i];

        if (*place && (*place)->capacity_bytes >= n_bytes &&
            (*place)->capacity_bytes / 2 <= n_bytes &&
            (!best || (*place)->capacity_bytes < (*best)->capacity_bytes))
            best = place;
    }
    if (!best)
        return NULL;
    buffer = *best;
    *best = NULL;
    return buffer;
}

/* False where no place is free. */
static bool keep(struct dlop_device *device, struct dlop_xrt_buffer *buffer)
{
    for (uint32_t i = 0; i < DLOP_XRT_N_CACHED; i++) {
        if (!device->cached[i]) {
            device->cached[i] = buffer;
            return true;
        }
    }
    return false;
}

/* ---- table ---- */

/* A buffer of at least n_bytes, in whole pages, with any content where it was used before. */
static dlop_status get(struct dlop_device *device, size_t n_bytes, bool *is_new_out,
                       struct dlop_xrt_buffer **buffer_out)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    size_t rounded = (n_bytes + page_bytes - 1) / page_bytes * page_bytes;
    dlop_status status = DLOP_OK;

    if (device->owner != getpid())
        return DLOP_ERR_STATE;
    if (n_bytes > SIZE_MAX - page_bytes)
        return DLOP_ERR_NO_MEMORY;
    if (!rounded)
        rounded = page_bytes;
    pthread_mutex_lock(&device->control_lock);
    *buffer_out = atomic_load(&device->is_lost) ? NULL : take_cached(device, rounded);
    *is_new_out = !*buffer_out;
    if (!*buffer_out)
        status = create(device, rounded, buffer_out);
    pthread_mutex_unlock(&device->control_lock);
    return status;
}

dlop_status dlop_xrt_alloc(struct dlop_device *device, size_t size_bytes,
                           struct dlop_buffer *buffer_out)
{
    struct dlop_xrt_buffer *buffer;
    bool is_new;
    dlop_status status = get(device, size_bytes, &is_new, &buffer);

    if (status != DLOP_OK)
        return status;
    if (!is_new)
        memset(buffer->shared, 0, buffer->capacity_bytes);
    buffer->caller = NULL;
    *buffer_out = (struct dlop_buffer){buffer->shared, size_bytes, buffer};
    return DLOP_OK;
}

dlop_status dlop_xrt_wrap(struct dlop_device *device, void *host, size_t size_bytes,
                          struct dlop_buffer *buffer_out)
{
    struct dlop_xrt_buffer *buffer;
    bool is_new;
    dlop_status status;

    if (!host && size_bytes)
        return DLOP_ERR_ARGUMENT;
    status = get(device, size_bytes, &is_new, &buffer);
    if (status != DLOP_OK)
        return status;
    buffer->caller = host;
    *buffer_out = (struct dlop_buffer){host, size_bytes, buffer};
    return DLOP_OK;
}

/* The device may be closed already: the buffer knows its own. */
void dlop_xrt_free(struct dlop_device *device, struct dlop_buffer *buffer)
{
    struct dlop_xrt_buffer *own;
    bool is_kept;

    (void)device;
    if (!buffer)
        return;
    own = buffer->driver_data;
    *buffer = (struct dlop_buffer){0};
    if (!own)
        return;
    device = own->device;
    if (device->owner != getpid()) {
        /* A forked child: its lock may be held by a thread that is not here. */
        munmap(own->shared, own->capacity_bytes);
        free(own);
        return;
    }
    pthread_mutex_lock(&device->control_lock);
    is_kept = !device->is_closed && !atomic_load(&device->is_lost) && keep(device, own);
    if (!is_kept)
        destroy(device, own);
    pthread_mutex_unlock(&device->control_lock);
    if (!is_kept)
        dlop_xrt_device_release(device);
}

static dlop_status check_range(const struct dlop_device *device, const struct dlop_buffer *buffer,
                               size_t offset, size_t n_bytes)
{
    if (offset > buffer->size_bytes || n_bytes > buffer->size_bytes - offset)
        return DLOP_ERR_ARGUMENT;
    if (device->owner != getpid())
        return DLOP_ERR_STATE;
    return atomic_load(&device->is_lost) ? DLOP_ERR_DEVICE_LOST : DLOP_OK;
}

dlop_status dlop_xrt_to_device(struct dlop_device *device, struct dlop_buffer *buffer,
                               size_t offset, size_t n_bytes)
{
    const struct dlop_xrt_buffer *own = buffer->driver_data;
    dlop_status status = check_range(device, buffer, offset, n_bytes);
    struct dlop_xrt_call call;

    if (status != DLOP_OK || !n_bytes)
        return status;
    if (own->caller)
        memcpy(own->shared + offset, own->caller + offset, n_bytes);
    call = (struct dlop_xrt_call){.request = {.kind = DLOP_XRT_TO_DEVICE,
                                              .buffer = own->number,
                                              .offset = offset,
                                              .n_bytes = n_bytes}};
    pthread_mutex_lock(&device->control_lock);
    status = control(device, &call);
    pthread_mutex_unlock(&device->control_lock);
    return status;
}

dlop_status dlop_xrt_from_device(struct dlop_device *device, struct dlop_buffer *buffer,
                                 size_t offset, size_t n_bytes)
{
    return check_range(device, buffer, offset, n_bytes);
}

void dlop_xrt_memory_drop_cache(struct dlop_device *device)
{
    pthread_mutex_lock(&device->control_lock);
    for (uint32_t i = 0; i < DLOP_XRT_N_CACHED; i++) {
        if (!device->cached[i])
            continue;
        destroy(device, device->cached[i]);
        device->cached[i] = NULL;
        atomic_fetch_sub(&device->n_references, 1); /* not the last: the device has its own */
    }
    pthread_mutex_unlock(&device->control_lock);
}
