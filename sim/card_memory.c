/* Memory of the card, with pages around it that cannot be touched.
 *
 * A piece ends at its second guard page, so that the first byte past it faults; what is left of its
 * first page lies before it. In strict mode the host's view is a piece of its own and transfers
 * copy. Freed pieces wait in a small cache, newest first, because the host pairs a new tensor with
 * card memory for each batch: a batch costs no map call.
 * Not here: flipped bits (card_ecc.c).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sim/card_internal.h"

/* The widest element of a tensor; the host's views have more, as hosts expect. */
#define CARD_ALIGNMENT 8
#define HOST_ALIGNMENT 64
#define MAX_BYTES      ((u64)1 << 46)

/* Bytes of a mapping, guard pages included; 0 where the size is beyond reason. */
static size_t map_size(u64 n_bytes)
{
    u64 page = (u64)sysconf(_SC_PAGESIZE);

    if (n_bytes > MAX_BYTES)
        return 0;
    return (size_t)((n_bytes + page - 1) / page * page + (n_bytes ? 2 : 3) * page);
}

/* Null where there is no memory. */
static u8 *map_guarded(size_t map_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    u8 *map = mmap(NULL, map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (map == MAP_FAILED)
        return NULL;
    if (mprotect(map + page, map_bytes - 2 * page, PROT_READ | PROT_WRITE)) {
        munmap(map, map_bytes);
        return NULL;
    }
    return map;
}

/* Where n_bytes begin that end at the second guard page. */
static u8 *place_at_end(u8 *map, size_t map_bytes, u64 n_bytes, u64 alignment)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return map + map_bytes - page - (n_bytes + alignment - 1) / alignment * alignment;
}

void dlop_card_memory_destroy(struct dlop_card_memory *memory)
{
    if (!memory)
        return;
    if (memory->map)
        munmap(memory->map, memory->map_bytes);
    if (memory->host_map)
        munmap(memory->host_map, memory->host_map_bytes);
    free(memory);
}

/* Locked. A cached piece with a mapping of this size, or null. */
static struct dlop_card_memory *take_cached(struct dlop_card *card, size_t map_bytes)
{
    struct dlop_card_memory **link = &card->cache, *memory;

    while (*link && (*link)->map_bytes != map_bytes)
        link = &(*link)->next;
    memory = *link;
    if (memory) {
        *link = memory->next;
        card->n_cached--;
    }
    return memory;
}

/* Locked. Keep a piece; returns the oldest one where there are too many, or null. */
static struct dlop_card_memory *put_cached(struct dlop_card *card, struct dlop_card_memory *memory)
{
    struct dlop_card_memory **link = &card->cache;

    memory->next = card->cache;
    card->cache = memory;
    if (++card->n_cached <= CARD_MAX_CACHED)
        return NULL;
    while ((*link)->next)
        link = &(*link)->next;
    memory = *link;
    *link = NULL;
    card->n_cached--;
    return memory;
}

s32 dlop_card_memory_new(struct dlop_card *card, u64 n_bytes, struct dlop_card_memory **memory_out)
{
    size_t map_bytes = map_size(n_bytes);
    struct dlop_card_memory *memory;

    if (!map_bytes)
        return DLOP_ERR_NO_MEMORY;
    pthread_mutex_lock(&card->lock);
    memory = take_cached(card, map_bytes);
    pthread_mutex_unlock(&card->lock);
    if (!memory) {
        memory = calloc(1, sizeof *memory);
        if (!memory)
            return DLOP_ERR_NO_MEMORY;
        memory->map_bytes = map_bytes;
        memory->map = map_guarded(map_bytes);
        if (!memory->map) {
            free(memory);
            return DLOP_ERR_NO_MEMORY;
        }
    }
    memory->n_bytes = n_bytes;
    memory->host = NULL;
    memory->bytes = place_at_end(memory->map, map_bytes, n_bytes,
                                 card->cfg.is_strict ? CARD_ALIGNMENT : HOST_ALIGNMENT);
    *memory_out = memory;
    return DLOP_OK;
}

/* A host view of its own for strict mode. */
static s32 add_host_view(struct dlop_card_memory *memory)
{
    memory->host_map_bytes = map_size(memory->n_bytes + HOST_ALIGNMENT - 1);
    memory->host_map = map_guarded(memory->host_map_bytes);
    if (!memory->host_map)
        return DLOP_ERR_NO_MEMORY;
    memory->host =
        place_at_end(memory->host_map, memory->host_map_bytes, memory->n_bytes, HOST_ALIGNMENT);
    return DLOP_OK;
}

/* Pair the host's memory with the card's in strict mode. */
static s32 alloc_apart(struct dlop_card *card, u64 n_bytes, void *host,
                       struct dlop_card_memory **memory_out)
{
    s32 status = dlop_card_memory_new(card, n_bytes, memory_out);

    if (status != DLOP_OK)
        return status;
    memset((*memory_out)->bytes, DLOP_CARD_FRESH_BYTE, n_bytes);
    if (host)
        (*memory_out)->host = host;
    else
        status = add_host_view(*memory_out);
    if (status != DLOP_OK)
        dlop_card_memory_destroy(*memory_out);
    return status;
}

/* One memory for host and card: the caller's, or a new one. */
static s32 alloc_shared(struct dlop_card *card, u64 n_bytes, void *host,
                        struct dlop_card_memory **memory_out)
{
    s32 status = DLOP_OK;

    if (host) {
        *memory_out = calloc(1, sizeof **memory_out);
        if (!*memory_out)
            return DLOP_ERR_NO_MEMORY;
        (*memory_out)->n_bytes = n_bytes;
        (*memory_out)->bytes = host;
    } else {
        status = dlop_card_memory_new(card, n_bytes, memory_out);
        if (status == DLOP_OK)
            memset((*memory_out)->bytes, 0, n_bytes);
    }
    if (status == DLOP_OK)
        (*memory_out)->host = (*memory_out)->bytes;
    return status;
}

s32 dlop_card_alloc(struct dlop_card *card, u64 n_bytes, void *host,
                    struct dlop_card_memory **memory_out)
{
    struct dlop_card_memory *memory = NULL;
    s32 status = dlop_card_admit(card);

    if (status == DLOP_OK)
        status = card->cfg.is_strict ? alloc_apart(card, n_bytes, host, &memory)
                                     : alloc_shared(card, n_bytes, host, &memory);
    if (status != DLOP_OK)
        return status;
    memory->n_users = memory->n_flips = 0;
    pthread_mutex_lock(&card->lock);
    memory->epoch = card->epoch;
    pthread_mutex_unlock(&card->lock);
    *memory_out = memory;
    return DLOP_OK;
}

void dlop_card_free(struct dlop_card *card, struct dlop_card_memory *memory)
{
    if (memory && card && !dlop_card_is_foreign(card) && memory->map) {
        if (memory->host_map)
            munmap(memory->host_map, memory->host_map_bytes);
        memory->host_map = NULL;
        pthread_mutex_lock(&card->lock);
        dlop_card_ecc_overwrite(card, memory, 0, memory->n_bytes);
        memory = put_cached(card, memory);
        pthread_mutex_unlock(&card->lock);
    }
    dlop_card_memory_destroy(memory);
}

u8 *dlop_card_host_view(const struct dlop_card_memory *memory)
{
    return memory->host;
}

u64 dlop_card_memory_bytes(const struct dlop_card_memory *memory)
{
    return memory->n_bytes;
}

static int is_inside(const struct dlop_card_memory *memory, u64 offset, u64 n_bytes)
{
    return offset <= memory->n_bytes && n_bytes <= memory->n_bytes - offset;
}

static void end_copy(struct dlop_card *card, struct dlop_card_memory *memory)
{
    pthread_mutex_lock(&card->lock);
    memory->n_users--;
    pthread_mutex_unlock(&card->lock);
}

s32 dlop_card_write(struct dlop_card *card, struct dlop_card_memory *memory, u64 offset,
                    u64 n_bytes)
{
    s32 status = is_inside(memory, offset, n_bytes) ? dlop_card_admit(card) : DLOP_ERR_ARGUMENT;
    u32 is_stale;

    if (status != DLOP_OK)
        return status;
    pthread_mutex_lock(&card->lock);
    dlop_card_ecc_overwrite(card, memory, offset, n_bytes);
    is_stale = memory->epoch != card->epoch;
    memory->epoch = card->epoch;
    memory->n_users++;
    pthread_mutex_unlock(&card->lock);
    if (memory->bytes != memory->host) {
        if (is_stale)
            memset(memory->bytes, DLOP_CARD_FRESH_BYTE, memory->n_bytes);
        memcpy(memory->bytes + offset, memory->host + offset, n_bytes);
    }
    end_copy(card, memory);
    return DLOP_OK;
}

s32 dlop_card_read(struct dlop_card *card, struct dlop_card_memory *memory, u64 offset, u64 n_bytes)
{
    s32 status = is_inside(memory, offset, n_bytes) ? dlop_card_admit(card) : DLOP_ERR_ARGUMENT;
    struct dlop_card_flip *flip;
    u32 n_healed;

    if (status != DLOP_OK)
        return status;
    pthread_mutex_lock(&card->lock);
    n_healed = dlop_card_ecc_scrub(card, memory);
    flip = dlop_card_ecc_find_double(memory, offset, n_bytes);
    if (flip) {
        status = DLOP_ERR_DEVICE_FAULT;
        card->counters.reported[DLOP_CARD_DOUBLE_FLIP] += !flip->is_reported;
        flip->is_reported = 1;
    }
    if (memory->epoch != card->epoch)
        status = DLOP_ERR_DEVICE_LOST;
    memory->n_users++;
    pthread_mutex_unlock(&card->lock);
    if (status == DLOP_OK && memory->bytes != memory->host)
        memcpy(memory->host + offset, memory->bytes + offset, n_bytes);
    end_copy(card, memory);
    dlop_card_tell_healed(card, n_healed);
    return status;
}
