/* Device, kernels and buffers through XRT: see card.h. Runs are in run.c.
 *
 * A buffer is memory of the driver's process, mapped here, plus one XRT buffer object per bank
 * group that a unit uses it in: made at once where all units have their data in one group (the
 * usual image), otherwise when the first unit of a group uses the buffer. XRT reads and writes the
 * shared memory itself where it takes foreign memory; for host-only and peer memory, and where it
 * does not, the object's own mapping is copied from and to.
 */
#include "driver/xrt/program/card_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES ((size_t)4096)

void dlop_xrt_say(struct dlop_xrt_reply *reply_out, dlop_status status, const char *format, ...)
{
    va_list arguments;

    reply_out->status = status;
    va_start(arguments, format);
    vsnprintf(reply_out->text, sizeof reply_out->text, format, arguments);
    va_end(arguments);
}

/* ---- buffer objects ---- */

dlop_status dlop_xrt_object_open(struct dlop_xrt_card *card, uint8_t *shared, size_t n_bytes,
                                 int group, struct dlop_xrt_object *object_out)
{
    struct dlop_xrt_object object = {.group = group};

    if (group < 0)
        return DLOP_ERR_NO_MEMORY;
    if (!card->flags && shared)
        object.handle = card->api.xrtBOAllocUserPtr(card->device, shared, n_bytes,
                                                    XRT_BO_FLAGS_NONE, (xrtMemoryGroup)group);
    if (!object.handle) {
        object.handle =
            card->api.xrtBOAlloc(card->device, n_bytes, card->flags, (xrtMemoryGroup)group);
        if (!object.handle)
            return DLOP_ERR_NO_MEMORY;
        object.map = card->api.xrtBOMap(object.handle);
        if (!object.map) {
            card->api.xrtBOFree(object.handle);
            return DLOP_ERR_NO_MEMORY;
        }
    }
    *object_out = object;
    return DLOP_OK;
}

void dlop_xrt_object_close(struct dlop_xrt_card *card, struct dlop_xrt_object *object)
{
    if (object->handle)
        card->api.xrtBOFree(object->handle);
    *object = (struct dlop_xrt_object){0};
}

dlop_status dlop_xrt_object_sync(struct dlop_xrt_card *card, struct dlop_xrt_object *object,
                                 uint8_t *shared, bool is_to_device,
                                 const struct dlop_xrt_range *range)
{
    enum xclBOSyncDirection direction =
        is_to_device ? XCL_BO_SYNC_BO_TO_DEVICE : XCL_BO_SYNC_BO_FROM_DEVICE;

    if (!range->n_bytes)
        return DLOP_OK;
    if (object->map && is_to_device)
        memcpy(object->map + range->offset, shared + range->offset, range->n_bytes);
    if (card->is_synced &&
        card->api.xrtBOSync(object->handle, direction, range->n_bytes, range->offset))
        return DLOP_ERR_DEVICE_LOST;
    if (object->map && !is_to_device)
        memcpy(shared + range->offset, object->map + range->offset, range->n_bytes);
    return DLOP_OK;
}

/* ---- buffers of the driver ---- */

static struct dlop_xrt_card_buffer *buffer_at(struct dlop_xrt_card *card, uint32_t index)
{
    return index < DLOP_XRT_MAX_BUFFERS ? card->buffers[index] : NULL;
}

static void buffer_close(struct dlop_xrt_card *card, struct dlop_xrt_card_buffer *buffer)
{
    for (uint32_t i = 0; i < buffer->n_objects; i++)
        dlop_xrt_object_close(card, &buffer->objects[i]);
    munmap(buffer->shared, buffer->mapped_bytes);
    free(buffer);
}

/* The object of a group, made where there is none yet. A late one gets what the host's view holds.
 */
static dlop_status buffer_object(struct dlop_xrt_card *card, struct dlop_xrt_card_buffer *buffer,
                                 int group, struct dlop_xrt_object **object_out)
{
    struct dlop_xrt_object *object;
    struct dlop_xrt_range all = {0, buffer->mapped_bytes};
    dlop_status status;

    for (uint32_t i = 0; i < buffer->n_objects; i++) {
        *object_out = &buffer->objects[i];
        if (buffer->objects[i].group == group)
            return DLOP_OK;
    }
    if (buffer->n_objects == DLOP_XRT_MAX_GROUPS)
        return DLOP_ERR_NO_MEMORY;
    object = &buffer->objects[buffer->n_objects];
    status = dlop_xrt_object_open(card, buffer->shared, buffer->mapped_bytes, group, object);
    if (status != DLOP_OK)
        return status;
    buffer->n_objects++;
    *object_out = object;
    if (buffer->is_filled)
        status = dlop_xrt_object_sync(card, object, buffer->shared, true, &all);
    return status;
}

dlop_status dlop_xrt_buffer_use(struct dlop_xrt_card *card, uint32_t index, int group,
                                struct dlop_xrt_use *use_out)
{
    struct dlop_xrt_card_buffer *buffer;
    dlop_status status = DLOP_ERR_ARGUMENT;

    pthread_mutex_lock(&card->lock);
    buffer = buffer_at(card, index);
    if (buffer)
        status = buffer_object(card, buffer, group, &use_out->object);
    pthread_mutex_unlock(&card->lock);
    use_out->buffer = buffer;
    return status;
}

void dlop_xrt_card_alloc(struct dlop_xrt_card *card, const struct dlop_xrt_request *request,
                         int memory, struct dlop_xrt_reply *reply_out)
{
    struct dlop_xrt_card_buffer *buffer = calloc(1, sizeof *buffer);
    struct dlop_xrt_object *object;
    dlop_status status = DLOP_OK;

    if (!buffer || request->buffer >= DLOP_XRT_MAX_BUFFERS || card->buffers[request->buffer])
        goto free_buffer;
    buffer->mapped_bytes = (request->n_bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    buffer->shared =
        mmap(NULL, buffer->mapped_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (buffer->shared == MAP_FAILED)
        goto free_buffer;
    close(memory);
    if (card->common_group >= 0)
        status = buffer_object(card, buffer, card->common_group, &object);
    if (status != DLOP_OK) {
        dlop_xrt_say(reply_out, status, "no %zu bytes in memory group %d", buffer->mapped_bytes,
                     card->common_group);
        buffer_close(card, buffer);
        return;
    }
    pthread_mutex_lock(&card->lock);
    card->buffers[request->buffer] = buffer;
    pthread_mutex_unlock(&card->lock);
    return;

free_buffer:
    free(buffer);
    close(memory);
    dlop_xrt_say(reply_out, DLOP_ERR_NO_MEMORY, "no memory to share");
}

void dlop_xrt_card_free(struct dlop_xrt_card *card, uint32_t index)
{
    struct dlop_xrt_card_buffer *buffer;

    pthread_mutex_lock(&card->lock);
    buffer = buffer_at(card, index);
    if (buffer)
        card->buffers[index] = NULL;
    pthread_mutex_unlock(&card->lock);
    if (buffer)
        buffer_close(card, buffer);
}

void dlop_xrt_card_to_device(struct dlop_xrt_card *card, const struct dlop_xrt_request *request,
                             struct dlop_xrt_reply *reply_out)
{
    struct dlop_xrt_card_buffer *buffer = buffer_at(card, request->buffer);
    struct dlop_xrt_range range = {request->offset, request->n_bytes};
    dlop_status status = DLOP_OK;

    if (!buffer || range.offset > buffer->mapped_bytes ||
        range.n_bytes > buffer->mapped_bytes - range.offset) {
        dlop_xrt_say(reply_out, DLOP_ERR_ARGUMENT, "a copy outside its buffer");
        return;
    }
    pthread_mutex_lock(&card->lock);
    buffer->is_filled = true;
    for (uint32_t i = 0; i < buffer->n_objects && status == DLOP_OK; i++)
        status = dlop_xrt_object_sync(card, &buffer->objects[i], buffer->shared, true, &range);
    pthread_mutex_unlock(&card->lock);
    if (status != DLOP_OK)
        dlop_xrt_say(reply_out, status, "xrtBOSync to the device failed");
}

/* ---- device ---- */

static dlop_status open_units(struct dlop_xrt_card *card, const struct dlop_xrt_card_cfg *cfg,
                              struct dlop_xrt_reply *reply_out)
{
    xuid_t uuid;

    if (card->api.xrtDeviceGetXclbinUUID(card->device, uuid)) {
        dlop_xrt_say(reply_out, DLOP_ERR_NO_DEVICE, "the device names no image");
        return DLOP_ERR_NO_DEVICE;
    }
    for (uint32_t i = 0; i < cfg->n_units; i++) {
        struct dlop_xrt_card_unit *unit = &card->units[i];

        unit->kernel = card->api.xrtPLKernelOpen(card->device, uuid, cfg->units[i]);
        if (!unit->kernel) {
            dlop_xrt_say(reply_out, DLOP_ERR_NO_DEVICE, "cannot open unit %s", cfg->units[i]);
            return DLOP_ERR_NO_DEVICE;
        }
        card->n_units++;
        for (int a = 0; a < DLOP_XRT_N_BUFFERS; a++)
            unit->groups[a] = card->api.xrtKernelArgGroupId(unit->kernel, a);
    }
    return DLOP_OK;
}

/* The group in which every unit has in, constants and out; -1 where they differ. */
static int common_group(const struct dlop_xrt_card *card)
{
    int group = card->units[0].groups[DLOP_XRT_IN];

    for (uint32_t i = 0; i < card->n_units; i++)
        for (int a = DLOP_XRT_IN; a <= DLOP_XRT_OUT; a++)
            if (card->units[i].groups[a] != group)
                return -1;
    return group;
}

/* Host-only and peer memory are offered by few platforms: one page tells. */
static dlop_status try_memory(struct dlop_xrt_card *card, const char *memory,
                              struct dlop_xrt_reply *reply_out)
{
    struct dlop_xrt_object object;
    int group = card->units[0].groups[DLOP_XRT_OUT];

    if (!card->flags)
        return DLOP_OK;
    if (dlop_xrt_object_open(card, NULL, PAGE_BYTES, group, &object) != DLOP_OK) {
        dlop_xrt_say(reply_out, DLOP_ERR_UNSUPPORTED, "memory=%s: not offered in memory group %d",
                     memory, group);
        return DLOP_ERR_UNSUPPORTED;
    }
    dlop_xrt_object_close(card, &object);
    return DLOP_OK;
}

static dlop_status open_device(struct dlop_xrt_card *card, const struct dlop_xrt_card_cfg *cfg,
                               struct dlop_xrt_reply *reply_out)
{
    const char *missing = dlop_xrt_api_load(cfg->library, &card->api);
    dlop_status status;

    if (missing) {
        dlop_xrt_say(reply_out, DLOP_ERR_NO_LIBRARY, "%s", missing);
        return DLOP_ERR_NO_LIBRARY;
    }
    card->device = card->api.xrtDeviceOpen(cfg->index);
    if (!card->device) {
        dlop_xrt_say(reply_out, DLOP_ERR_NO_DEVICE, "xrtDeviceOpen(%u) failed", cfg->index);
        return DLOP_ERR_NO_DEVICE;
    }
    if (card->api.xrtDeviceLoadXclbinFile(card->device, cfg->xclbin)) {
        dlop_xrt_say(reply_out, DLOP_ERR_NO_DEVICE, "the device refuses %.80s", cfg->xclbin);
        return DLOP_ERR_NO_DEVICE;
    }
    status = open_units(card, cfg, reply_out);
    if (status != DLOP_OK)
        return status;
    card->common_group = common_group(card);
    return try_memory(card, cfg->memory, reply_out);
}

void dlop_xrt_card_open(const struct dlop_xrt_card_cfg *cfg, struct dlop_xrt_card **card_out,
                        struct dlop_xrt_reply *reply_out)
{
    struct dlop_xrt_card *card = calloc(1, sizeof *card);

    if (!card || pthread_mutex_init(&card->lock, NULL)) {
        free(card);
        dlop_xrt_say(reply_out, DLOP_ERR_NO_MEMORY, "out of memory");
        return;
    }
    card->is_polled = cfg->is_polled;
    card->is_synced = true;
    if (!strcmp(cfg->memory, "host"))
        card->flags = XRT_BO_FLAGS_HOST_ONLY;
    if (!strcmp(cfg->memory, "p2p")) {
        card->flags = XRT_BO_FLAGS_P2P;
        card->is_synced = false; /* the mapping is the card's memory */
    }
    if (open_device(card, cfg, reply_out) != DLOP_OK) {
        dlop_xrt_card_close(card);
        return;
    }
    *card_out = card;
}

void dlop_xrt_card_close(struct dlop_xrt_card *card)
{
    for (uint32_t i = 0; i < card->n_units; i++)
        dlop_xrt_unit_close(card, &card->units[i]);
    for (uint32_t i = 0; i < DLOP_XRT_MAX_BUFFERS; i++)
        dlop_xrt_card_free(card, i);
    for (uint32_t i = 0; i < card->n_units; i++)
        card->api.xrtKernelClose(card->units[i].kernel);
    if (card->device)
        card->api.xrtDeviceClose(card->device);
    pthread_mutex_destroy(&card->lock);
    free(card);
}
