/* Buffers of an OpenCL device: see memory.h.
 *
 * Two ways. SHARE, for devices that work in the host's memory: a buffer is host memory that OpenCL
 * uses in place (CL_MEM_USE_HOST_PTR, whose mapping is that very memory, so that `host` never
 * changes). It is mapped while the host has it; the first launch that uses it unmaps it, the last
 * one maps it again, so the device's writes are seen whatever caches lie between. COPY, for devices
 * with memory of their own: a buffer is device memory plus host memory that the driver can read
 * without a copy (CL_MEM_ALLOC_HOST_PTR, mapped for good), or the caller's memory (wrap), and only
 * to_device and from_device move bytes.
 */
#include "driver/ocl/memory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Integrated processors share memory without a copy only in whole pages. */
#define PAGE_BYTES ((size_t)4096)

/* driver_data of a buffer. It keeps its device, since it may be freed after that was closed. */
struct ocl_buffer {
    struct dlop_device *device;
    cl_mem memory;     /* what kernels get */
    cl_mem pinned;     /* COPY of alloc: the host's side */
    void *own;         /* SHARE of alloc: memory to free */
    size_t size_bytes; /* of memory */
    uint32_t n_users;  /* launches that run with it */
    bool is_mapped;    /* SHARE: the host has it */
    struct ocl_buffer *next_kept;
};

static bool is_shared(const struct dlop_device *device)
{
    return device->settings.memory == DLOP_OCL_MEMORY_SHARE;
}

static bool is_forked(const struct dlop_device *device)
{
    return device->owner != getpid();
}

cl_mem dlop_ocl_memory_of(const struct dlop_buffer *buffer)
{
    const struct ocl_buffer *own = buffer->driver_data;

    return own ? own->memory : NULL;
}

/* ---- SHARE: mapping. With memory_lock held. ---- */

static dlop_status map(struct dlop_device *device, struct ocl_buffer *own)
{
    cl_int error = CL_SUCCESS;

    device->api->EnqueueMapBuffer(device->memory_queue, own->memory, CL_TRUE,
                                  CL_MAP_READ | CL_MAP_WRITE, 0, own->size_bytes, 0, NULL, NULL,
                                  &error);
    if (error != CL_SUCCESS)
        return dlop_ocl_fail(device, "buffer", "clEnqueueMapBuffer", error);
    own->is_mapped = true;
    return DLOP_OK;
}

static dlop_status unmap(struct dlop_device *device, struct ocl_buffer *own, void *host)
{
    cl_int error =
        device->api->EnqueueUnmapMemObject(device->memory_queue, own->memory, host, 0, NULL, NULL);

    if (error == CL_SUCCESS)
        error = device->api->Finish(device->memory_queue);
    if (error != CL_SUCCESS)
        return dlop_ocl_fail(device, "buffer", "clEnqueueUnmapMemObject", error);
    own->is_mapped = false;
    return DLOP_OK;
}

dlop_status dlop_ocl_memory_acquire(struct dlop_device *device, const struct dlop_launch *launch)
{
    const struct dlop_buffer *buffers[] = {launch->in, launch->constants, launch->out};
    dlop_status status = DLOP_OK;

    if (!is_shared(device))
        return DLOP_OK;
    pthread_mutex_lock(&device->memory_lock);
    for (uint32_t i = 0; i < 3; i++) {
        struct ocl_buffer *own = buffers[i]->driver_data;

        if (!own)
            continue;
        own->n_users++;
        if (status == DLOP_OK && own->is_mapped)
            status = unmap(device, own, buffers[i]->host);
    }
    pthread_mutex_unlock(&device->memory_lock);
    if (status == DLOP_OK)
        return DLOP_OK;
    (void)!dlop_ocl_memory_release(device, launch); /* the first failure is the one to report */
    return status;
}

dlop_status dlop_ocl_memory_release(struct dlop_device *device, const struct dlop_launch *launch)
{
    const struct dlop_buffer *buffers[] = {launch->in, launch->constants, launch->out};
    dlop_status status = DLOP_OK, map_status;

    if (!is_shared(device))
        return DLOP_OK;
    pthread_mutex_lock(&device->memory_lock);
    for (uint32_t i = 0; i < 3; i++) {
        struct ocl_buffer *own = buffers[i]->driver_data;

        if (!own)
            continue;
        if (--own->n_users || own->is_mapped || atomic_load(&device->is_hung))
            continue;
        map_status = map(device, own);
        if (status == DLOP_OK)
            status = map_status;
    }
    pthread_mutex_unlock(&device->memory_lock);
    return status;
}

/* ---- life of a buffer ---- */

static dlop_status create(struct dlop_device *device, cl_mem_flags flags, void *host,
                          size_t size_bytes, cl_mem *memory_out)
{
    cl_int error = CL_SUCCESS;

    *memory_out = device->api->CreateBuffer(device->context, flags, size_bytes, host, &error);
    return *memory_out ? DLOP_OK : DLOP_ERR_NO_MEMORY;
}

static void release(struct ocl_buffer *own, void *host)
{
    struct dlop_device *device = own->device;
    const struct dlop_ocl_api *api = device->api;

    pthread_mutex_lock(&device->memory_lock);
    if (own->is_mapped)
        (void)!unmap(device, own, host);
    if (own->pinned) {
        api->EnqueueUnmapMemObject(device->memory_queue, own->pinned, host, 0, NULL, NULL);
        api->Finish(device->memory_queue);
        api->ReleaseMemObject(own->pinned);
    }
    if (own->memory)
        api->ReleaseMemObject(own->memory);
    pthread_mutex_unlock(&device->memory_lock);
    free(own->own);
    free(own);
}

static dlop_status move(struct dlop_device *device, const struct dlop_buffer *buffer, size_t offset,
                        size_t n_bytes, bool is_to_device)
{
    const struct dlop_ocl_api *api = device->api;
    struct ocl_buffer *own = buffer->driver_data;
    uint8_t *host = (uint8_t *)buffer->host + offset;
    cl_int error;

    pthread_mutex_lock(&device->memory_lock);
    error = is_to_device ? api->EnqueueWriteBuffer(device->memory_queue, own->memory, CL_TRUE,
                                                   offset, n_bytes, host, 0, NULL, NULL)
                         : api->EnqueueReadBuffer(device->memory_queue, own->memory, CL_TRUE,
                                                  offset, n_bytes, host, 0, NULL, NULL);
    pthread_mutex_unlock(&device->memory_lock);
    if (error == CL_SUCCESS)
        return DLOP_OK;
    return dlop_ocl_fail(device, "buffer",
                         is_to_device ? "clEnqueueWriteBuffer" : "clEnqueueReadBuffer", error);
}

/* Host memory (null: the driver's own) and what the device sees of it. own: zeroed. */
static dlop_status make_shared(struct dlop_device *device, void *host, struct ocl_buffer *own,
                               struct dlop_buffer *buffer)
{
    dlop_status status;

    if (!host) {
        own->size_bytes = (own->size_bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
        own->own = host = aligned_alloc(PAGE_BYTES, own->size_bytes);
        if (!host)
            return DLOP_ERR_NO_MEMORY;
        memset(host, 0, own->size_bytes);
    }
    buffer->host = host;
    status = create(device, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, host, own->size_bytes,
                    &own->memory);
    if (status != DLOP_OK)
        return status;
    pthread_mutex_lock(&device->memory_lock);
    status = map(device, own);
    pthread_mutex_unlock(&device->memory_lock);
    return status;
}

static dlop_status make_copied(struct dlop_device *device, void *host, struct ocl_buffer *own,
                               struct dlop_buffer *buffer)
{
    cl_int error = CL_SUCCESS;
    dlop_status status = create(device, CL_MEM_READ_WRITE, NULL, own->size_bytes, &own->memory);

    if (status == DLOP_OK && !host) {
        status = create(device, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, NULL, own->size_bytes,
                        &own->pinned);
        if (status != DLOP_OK)
            return status;
        pthread_mutex_lock(&device->memory_lock);
        host = device->api->EnqueueMapBuffer(device->memory_queue, own->pinned, CL_TRUE,
                                             CL_MAP_READ | CL_MAP_WRITE, 0, own->size_bytes, 0,
                                             NULL, NULL, &error);
        pthread_mutex_unlock(&device->memory_lock);
        if (!host || error != CL_SUCCESS)
            return DLOP_ERR_NO_MEMORY;
        memset(host, 0, own->size_bytes);
    }
    buffer->host = host;
    if (status == DLOP_OK)
        status = move(device, buffer, 0, own->size_bytes, true);
    return status;
}

static dlop_status make(struct dlop_device *device, void *host, size_t size_bytes,
                        struct dlop_buffer *buffer_out)
{
    struct dlop_buffer buffer = {.size_bytes = size_bytes};
    struct ocl_buffer *own;
    dlop_status status;

    if (is_forked(device))
        return DLOP_ERR_STATE;
    if (size_bytes > device->found.max_buffer_bytes)
        return DLOP_ERR_NO_MEMORY;
    own = calloc(1, sizeof *own);
    if (!own)
        return DLOP_ERR_NO_MEMORY;
    own->device = device;
    own->size_bytes = size_bytes;
    buffer.driver_data = own;
    status = is_shared(device) ? make_shared(device, host, own, &buffer)
                               : make_copied(device, host, own, &buffer);
    if (status != DLOP_OK) {
        release(own, buffer.host);
        return status;
    }
    dlop_ocl_ref(device);
    *buffer_out = buffer;
    return DLOP_OK;
}

dlop_status dlop_ocl_alloc(struct dlop_device *device, size_t size_bytes,
                           struct dlop_buffer *buffer_out)
{
    dlop_status status = make(device, NULL, size_bytes ? size_bytes : 1, buffer_out);

    if (status == DLOP_OK)
        buffer_out->size_bytes = size_bytes;
    return status;
}

/* OpenCL has no empty buffers: one of no bytes is nothing but its address. */
dlop_status dlop_ocl_wrap(struct dlop_device *device, void *host, size_t size_bytes,
                          struct dlop_buffer *buffer_out)
{
    if (!host && size_bytes)
        return DLOP_ERR_ARGUMENT;
    if (!size_bytes) {
        *buffer_out = (struct dlop_buffer){.host = host};
        return DLOP_OK;
    }
    return make(device, host, size_bytes, buffer_out);
}

/* In a forked child OpenCL is out of reach, and with it what it allocated. What a hung device may
 * still write to stays. */
void dlop_ocl_free(struct dlop_device *closed_or_null, struct dlop_buffer *buffer)
{
    struct ocl_buffer *own = buffer ? buffer->driver_data : NULL;

    (void)closed_or_null;
    if (own) {
        struct dlop_device *device = own->device;

        if (is_forked(device)) {
            free(own->own);
            free(own);
        } else if (atomic_load(&device->is_hung)) {
            pthread_mutex_lock(&device->memory_lock);
            own->next_kept = device->kept;
            device->kept = own;
            pthread_mutex_unlock(&device->memory_lock);
        } else {
            release(own, buffer->host);
        }
        dlop_ocl_unref(device);
    }
    if (buffer)
        *buffer = (struct dlop_buffer){0};
}

/* ---- transfers ---- */

static dlop_status transfer(struct dlop_device *device, const struct dlop_buffer *buffer,
                            size_t offset, size_t n_bytes, bool is_to_device)
{
    if (offset > buffer->size_bytes || n_bytes > buffer->size_bytes - offset)
        return DLOP_ERR_ARGUMENT;
    if (is_forked(device))
        return DLOP_ERR_STATE;
    if (is_shared(device) || !n_bytes)
        return DLOP_OK;
    if (atomic_load(&device->lost) != DLOP_OK)
        return DLOP_ERR_DEVICE_LOST;
    return move(device, buffer, offset, n_bytes, is_to_device);
}

dlop_status dlop_ocl_to_device(struct dlop_device *device, struct dlop_buffer *buffer,
                               size_t offset, size_t n_bytes)
{
    return transfer(device, buffer, offset, n_bytes, true);
}

dlop_status dlop_ocl_from_device(struct dlop_device *device, struct dlop_buffer *buffer,
                                 size_t offset, size_t n_bytes)
{
    return transfer(device, buffer, offset, n_bytes, false);
}
