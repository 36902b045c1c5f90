/* The input memory of batches: one device buffer for everything that a launch reads.
 *
 * Key idea: offsets are given out by moving one mark, so a record costs no heap call. A buffer that
 * is too small is replaced by a larger one at a moment when nobody writes into it; offsets stay
 * valid, addresses do not. Sizes only grow, with a reserve, and an arena that grows takes at least
 * the size of the loader's largest, so growth ends after a few batches.
 *
 * A batch has an arena from its first read to its end. There are enough for the device to be busy
 * while others are read and drawn, but not one per batch: a batch that is done keeps only its
 * output. Reads begin in the order of the submits, so the oldest batch always gets one.
 * Not here: what the bytes are.
 */
#include <stdlib.h>
#include <string.h>

#include "host/run/loader.h"

#define ARENA_RESERVE_DIVISOR 4 /* grow by a quarter more than asked */
/* One batch runs, one is bound, one is read, and one is between. Small batches need more of them to
 * give every unit of the device some records. */
#define LEAST_ARENAS         4
#define LEAST_RECORDS_A_UNIT 8

/* ---- the loader's arenas ---- */

static uint32_t n_arenas_wanted(const struct dlop_loader *loader)
{
    uint32_t n_records = LEAST_RECORDS_A_UNIT * loader->ctx->driver->n_units(loader->ctx->device);
    uint32_t n_wanted = LEAST_ARENAS + n_records / loader->cfg.max_batch_records;

    return n_wanted < loader->cfg.max_batches ? n_wanted : loader->cfg.max_batches;
}

dlop_status dlop_arenas_open(struct dlop_loader *loader)
{
    uint32_t n_wanted = n_arenas_wanted(loader);

    loader->spares = calloc(n_wanted, sizeof *loader->spares);
    if (!loader->spares)
        return DLOP_ERR_NO_MEMORY;
    for (; loader->n_arenas < n_wanted; loader->n_spares = ++loader->n_arenas) {
        dlop_status status = loader->ctx->driver->memory.alloc(
            loader->ctx->device, loader->largest_arena_bytes, &loader->spares[loader->n_arenas]);
        if (status != DLOP_OK)
            return status;
    }
    return DLOP_OK;
}

/* A fork may come while a thread moves a buffer from one place to another: a buffer in both would
 * be freed twice. Nobody ends the move in the child, which leaves all buffers alone. */
void dlop_arenas_close(struct dlop_loader *loader)
{
    const struct dlop_memory_ops *memory = &loader->ctx->driver->memory;
    int is_ours = !dlop_loader_is_foreign(loader);

    for (uint32_t i = 0; is_ours && i < loader->n_spares; i++)
        memory->free(loader->ctx->device, &loader->spares[i]);
    for (uint32_t i = 0; is_ours && loader->slots && i < loader->cfg.max_batches; i++)
        memory->free(loader->ctx->device, &loader->slots[i].arena);
    free(loader->spares);
}

int dlop_arena_take(struct dlop_batch *batch)
{
    struct dlop_loader *loader = batch->loader;

    if (batch->has_arena)
        return 1;
    if (loader->n_spares == 0)
        return 0;
    batch->arena = loader->spares[--loader->n_spares];
    batch->has_arena = 1;
    return 1;
}

void dlop_arena_give_back(struct dlop_batch *batch)
{
    struct dlop_loader *loader = batch->loader;

    if (!batch->has_arena)
        return;
    loader->spares[loader->n_spares++] = batch->arena;
    batch->arena = (struct dlop_buffer){0};
    batch->has_arena = 0;
    loader->may_draw = 1;
    pthread_cond_signal(&loader->work);
}

/* ---- one arena ---- */

size_t dlop_arena_file_bytes(size_t n_bytes)
{
    return dlop_arena_align(sizeof(struct dlop_jpeg_frame) + n_bytes + DLOP_JPEG_PADDING_BYTES);
}

/* Replace the buffer by one of at least n_bytes and keep the first used_bytes. No lock is held,
 * nobody uses it. */
static dlop_status move_to_larger(struct dlop_batch *batch, size_t n_bytes, size_t used_bytes)
{
    const struct dlop_memory_ops *memory = &batch->loader->ctx->driver->memory;
    struct dlop_device *device = batch->loader->ctx->device;
    struct dlop_buffer larger = {0};

    dlop_status status = memory->alloc(device, n_bytes, &larger);
    if (status != DLOP_OK)
        return status;
    if (used_bytes > 0)
        memcpy(larger.host, batch->arena.host, used_bytes);
    memory->free(device, &batch->arena);
    batch->arena = larger;
    return DLOP_OK;
}

/* Size to allocate for n_bytes; the lock is held. */
static size_t size_to_allocate(struct dlop_loader *loader, size_t n_bytes)
{
    size_t size_bytes = dlop_arena_align(n_bytes + n_bytes / ARENA_RESERVE_DIVISOR);

    if (size_bytes < loader->largest_arena_bytes)
        size_bytes = loader->largest_arena_bytes;
    loader->largest_arena_bytes = size_bytes;
    return size_bytes;
}

dlop_status dlop_arena_grow(struct dlop_batch *batch, size_t n_bytes)
{
    struct dlop_loader *loader = batch->loader;

    if (n_bytes <= batch->arena.size_bytes)
        return DLOP_OK;
    pthread_mutex_lock(&loader->lock);
    size_t size_bytes = size_to_allocate(loader, n_bytes);
    pthread_mutex_unlock(&loader->lock);
    size_t used_bytes =
        batch->used_bytes < batch->arena.size_bytes ? batch->used_bytes : batch->arena.size_bytes;
    return move_to_larger(batch, size_bytes, used_bytes);
}

/* Grow to what the whole batch will take if its other records are like those seen so far. The
 * lock is held, given up while others finish and while the buffer moves, and held again on
 * return. */
static dlop_status grow_shared(struct dlop_batch *batch, size_t needed_bytes)
{
    struct dlop_loader *loader = batch->loader;
    uint64_t mean_bytes = batch->sized_bytes / batch->n_sized;

    batch->is_growing = 1;
    while (batch->n_writing > 0)
        pthread_cond_wait(&loader->work, &loader->lock);
    size_t expected_bytes = needed_bytes + (size_t)(mean_bytes * (batch->n - batch->n_sized));
    size_t size_bytes = size_to_allocate(loader, expected_bytes);
    size_t used_bytes =
        batch->used_bytes < batch->arena.size_bytes ? batch->used_bytes : batch->arena.size_bytes;
    pthread_mutex_unlock(&loader->lock);
    dlop_status status = move_to_larger(batch, size_bytes, used_bytes);
    pthread_mutex_lock(&loader->lock);
    batch->is_growing = 0;
    pthread_cond_broadcast(&loader->work);
    return status;
}

dlop_status dlop_arena_reserve_shared(struct dlop_batch *batch, size_t n_bytes,
                                      uint64_t *offset_out)
{
    struct dlop_loader *loader = batch->loader;
    dlop_status status = DLOP_OK;

    pthread_mutex_lock(&loader->lock);
    size_t offset = dlop_arena_align(batch->used_bytes);
    batch->used_bytes = offset + n_bytes;
    batch->sized_bytes += n_bytes;
    batch->n_sized++;
    while (status == DLOP_OK && (batch->is_growing || offset + n_bytes > batch->arena.size_bytes)) {
        if (batch->is_growing)
            pthread_cond_wait(&loader->work, &loader->lock);
        else
            status = grow_shared(batch, batch->used_bytes);
    }
    if (status == DLOP_OK) {
        batch->n_writing++;
        *offset_out = offset;
    }
    pthread_mutex_unlock(&loader->lock);
    return status;
}

void dlop_arena_written(struct dlop_batch *batch)
{
    pthread_mutex_lock(&batch->loader->lock);
    batch->n_writing--;
    if (batch->is_growing)
        pthread_cond_broadcast(&batch->loader->work);
    pthread_mutex_unlock(&batch->loader->lock);
}
