/* From launches to commands of the card and back: see queue.h.
 *
 * The jobs of a launch are put into card memory kernel by kernel, each kernel's jobs in the order
 * of the launch, and divided into as many commands as the kernel has units. What comes back is
 * believed only after dlop_top_verify: one completion that cannot be right spoils the launch.
 */
#include "driver/sim/queue.h"

#include <stdio.h>
#include <string.h>

#include "hw/top/scratch.h"
#include "hw/top/top.h"
#include "hw/top/verify.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are copied as they are");
_Static_assert(DLOP_CARD_MAX_COMMANDS <= 64, "a mask of commands has 64 bits");

/* Room of a slot's first launch. */
#define MIN_JOBS 32

void dlop_sim_tell(const struct dlop_sim_queue *queue, u32 kind, dlop_status status, u32 n_jobs,
                   const char *text)
{
    struct dlop_device_event event = {
        .device = "sim", .text = text, .status = status, .kind = kind, .n_jobs = n_jobs};

    if (queue->on_event)
        queue->on_event(queue->event_cookie, &event);
}

/* ---- tags ---- */

static u64 make_tag(u32 slot, u64 serial, u32 command)
{
    return serial << 16 | (u64)slot << 8 | command;
}

/* The slot that a tag names, if it still waits for that command. With the lock. */
static struct dlop_sim_slot *find_waiting(struct dlop_sim_queue *queue, u64 tag)
{
    u32 at = tag >> 8 & 0xff;
    struct dlop_sim_slot *slot = at < queue->n_slots ? &queue->slots[at] : NULL;

    if (!slot || slot->serial != tag >> 16 || !(slot->waiting >> (tag & 0xff) & 1))
        return NULL;
    return slot;
}

static struct dlop_sim_slot *take_slot(struct dlop_sim_queue *queue, struct dlop_launch *launch)
{
    struct dlop_sim_slot *slot = NULL;

    pthread_mutex_lock(&queue->lock);
    for (u32 i = 0; i < queue->n_slots && !slot; i++)
        if (!queue->slots[i].launch)
            slot = &queue->slots[i];
    if (slot) {
        slot->launch = launch;
        slot->serial = ++queue->next_serial & 0xffffffffffffu;
        slot->waiting = 0;
        slot->status = DLOP_OK;
    }
    pthread_mutex_unlock(&queue->lock);
    return slot;
}

static void give_slot_back(struct dlop_sim_queue *queue, struct dlop_sim_slot *slot)
{
    pthread_mutex_lock(&queue->lock);
    slot->launch = NULL;
    slot->waiting = 0;
    pthread_mutex_unlock(&queue->lock);
}

/* ---- records as bytes ---- */

/* Make room for n records of record_bytes in *memory. */
static s32 grow_records(struct dlop_card *card, u64 n, u64 record_bytes,
                        struct dlop_card_memory **memory)
{
    u64 room = MIN_JOBS;
    s32 status;

    while (room < n)
        room *= 2;
    if (*memory && dlop_card_memory_bytes(*memory) >= n * record_bytes)
        return DLOP_OK;
    dlop_card_free(card, *memory);
    *memory = NULL;
    status = dlop_card_alloc(card, room * record_bytes, NULL, memory);
    return status;
}

/* Where n records begin that end with the memory, at the guard page. */
static u64 records_at(const struct dlop_card_memory *memory, u64 n, u64 record_bytes)
{
    return dlop_card_memory_bytes(memory) - n * record_bytes;
}

/* Where each kernel's jobs begin; at[DLOP_CARD_KERNEL_COUNT] is their number. */
static void divide_by_kernel(const struct dlop_launch *launch, u32 at[DLOP_CARD_KERNEL_COUNT + 1])
{
    memset(at, 0, (DLOP_CARD_KERNEL_COUNT + 1) * sizeof at[0]);
    for (u32 i = 0; i < launch->n_jobs; i++)
        at[dlop_card_kernel_of(launch->jobs[i].kind) + 1]++;
    for (u32 k = 0; k < DLOP_CARD_KERNEL_COUNT; k++)
        at[k + 1] += at[k];
}

static s32 write_jobs(struct dlop_sim_queue *queue, struct dlop_sim_slot *slot,
                      const u32 kernels_at[DLOP_CARD_KERNEL_COUNT + 1])
{
    const struct dlop_launch *launch = slot->launch;
    u64 at = records_at(slot->jobs, launch->n_jobs, DLOP_TOP_JOB_BYTES);
    u8 *bytes = dlop_card_host_view(slot->jobs) + at;
    u32 next[DLOP_CARD_KERNEL_COUNT];

    memcpy(next, kernels_at, sizeof next);
    for (u32 i = 0; i < launch->n_jobs; i++) {
        u32 place = next[dlop_card_kernel_of(launch->jobs[i].kind)]++;

        memcpy(bytes + (u64)place * DLOP_TOP_JOB_BYTES, &launch->jobs[i], DLOP_TOP_JOB_BYTES);
    }
    return dlop_card_write(queue->card, slot->jobs, at, (u64)launch->n_jobs * DLOP_TOP_JOB_BYTES);
}

/* ---- out ---- */

static void add_command(struct dlop_sim_queue *queue, struct dlop_sim_slot *slot, u32 kernel,
                        u32 first, u32 n_jobs)
{
    const struct dlop_launch *launch = slot->launch;
    u32 i = slot->n_commands++, n = launch->n_jobs;

    slot->commands[i] = (struct dlop_card_command){
        .kernel = kernel,
        .n_jobs = n_jobs,
        .tag = make_tag((u32)(slot - queue->slots), slot->serial, i),
        .in = launch->in->driver_data,
        .constants = launch->constants->driver_data,
        .out = launch->out->driver_data,
        .jobs = slot->jobs,
        .completions = slot->completions,
        .jobs_at = records_at(slot->jobs, n, DLOP_TOP_JOB_BYTES) + (u64)first * DLOP_TOP_JOB_BYTES,
        .completions_at = records_at(slot->completions, n, DLOP_TOP_COMPLETION_BYTES) +
                          (u64)first * DLOP_TOP_COMPLETION_BYTES,
    };
}

/* Divide the launch: at least one command, so that an empty one ends like the others. */
static void add_commands(struct dlop_sim_queue *queue, struct dlop_sim_slot *slot,
                         const u32 kernels_at[DLOP_CARD_KERNEL_COUNT + 1])
{
    slot->n_commands = 0;
    for (u32 k = 0; k < DLOP_CARD_KERNEL_COUNT; k++) {
        u32 first = kernels_at[k], n = kernels_at[k + 1] - first;
        u32 n_commands = n < queue->n_units[k] ? n : queue->n_units[k];

        for (u32 c = 0; c < n_commands; c++) {
            u32 begin = (u32)((u64)n * c / n_commands), end = (u32)((u64)n * (c + 1) / n_commands);

            add_command(queue, slot, k, first + begin, end - begin);
        }
    }
    if (!slot->n_commands)
        add_command(queue, slot, 0, 0, 0);
}

static struct dlop_job_bounds bounds_of(const struct dlop_launch *launch)
{
    return (struct dlop_job_bounds){launch->in->size_bytes, launch->constants->size_bytes,
                                    launch->out->size_bytes};
}

static s32 prepare(struct dlop_sim_queue *queue, struct dlop_sim_slot *slot)
{
    const struct dlop_launch *launch = slot->launch;
    struct dlop_job_bounds bounds = bounds_of(launch);
    u32 kernels_at[DLOP_CARD_KERNEL_COUNT + 1];
    struct dlop_image_work work;
    u64 scratch_bytes;
    s32 status;

    status = grow_records(queue->card, launch->n_jobs, DLOP_TOP_JOB_BYTES, &slot->jobs);
    if (status == DLOP_OK)
        status = grow_records(queue->card, launch->n_jobs, DLOP_TOP_COMPLETION_BYTES,
                              &slot->completions);
    if (status != DLOP_OK)
        return status;
    divide_by_kernel(launch, kernels_at);
    status = write_jobs(queue, slot, kernels_at);
    if (status != DLOP_OK)
        return status;
    add_commands(queue, slot, kernels_at);
    scratch_bytes =
        dlop_top_scratch_bytes(launch->jobs, launch->n_jobs, launch->in->host, &bounds, &work);
    for (u32 i = 0; i < slot->n_commands; i++)
        slot->commands[i].scratch_bytes = scratch_bytes;
    return DLOP_OK;
}

dlop_status dlop_sim_queue_submit(struct dlop_sim_queue *queue, struct dlop_launch *launch)
{
    struct dlop_sim_slot *slot;
    s32 status;

    if (!launch->in->driver_data || !launch->constants->driver_data || !launch->out->driver_data)
        return DLOP_ERR_ARGUMENT;
    slot = take_slot(queue, launch);
    if (!slot)
        return DLOP_AGAIN;
    status = prepare(queue, slot);
    if (status == DLOP_OK) {
        /* Signals may come before start returns. */
        pthread_mutex_lock(&queue->lock);
        slot->waiting = slot->n_commands == 64 ? UINT64_MAX : ((u64)1 << slot->n_commands) - 1;
        pthread_mutex_unlock(&queue->lock);
        status = dlop_card_start(queue->card, slot->commands, slot->n_commands);
    }
    if (status != DLOP_OK)
        give_slot_back(queue, slot);
    return status;
}

/* ---- back ---- */

/* Fetch the completions and check each; the caller's are written on the way. */
static s32 read_completions(struct dlop_sim_queue *queue, struct dlop_sim_slot *slot, u32 *n_wrong)
{
    const struct dlop_launch *launch = slot->launch;
    struct dlop_job_bounds bounds = bounds_of(launch);
    u64 at = records_at(slot->completions, launch->n_jobs, DLOP_TOP_COMPLETION_BYTES);
    const u8 *bytes = dlop_card_host_view(slot->completions) + at;
    u32 next[DLOP_CARD_KERNEL_COUNT + 1];
    struct dlop_image_work work;
    s32 status = dlop_card_read(queue->card, slot->completions, at,
                                (u64)launch->n_jobs * DLOP_TOP_COMPLETION_BYTES);

    *n_wrong = 0;
    if (status != DLOP_OK)
        return status;
    divide_by_kernel(launch, next);
    for (u32 i = 0; i < launch->n_jobs; i++) {
        u32 place = next[dlop_card_kernel_of(launch->jobs[i].kind)]++;
        struct dlop_completion *completion = &launch->completions[i];

        memcpy(completion, bytes + (u64)place * DLOP_TOP_COMPLETION_BYTES,
               DLOP_TOP_COMPLETION_BYTES);
        if (dlop_top_verify(&launch->jobs[i], completion, launch->in->host, &bounds, &work) !=
            DLOP_OK)
            ++*n_wrong;
    }
    return *n_wrong ? DLOP_ERR_DEVICE_FAULT : DLOP_OK;
}

static void finish(struct dlop_sim_queue *queue, struct dlop_sim_slot *slot)
{
    struct dlop_launch *launch = slot->launch;
    s32 status = slot->status;
    u32 n_wrong = 0;
    char text[80];

    if (status == DLOP_OK)
        status = read_completions(queue, slot, &n_wrong);
    dlop_card_settle(queue->card, slot->commands, slot->n_commands, status);
    give_slot_back(queue, slot);
    if (status == DLOP_ERR_DEVICE_FAULT) {
        snprintf(text, sizeof text,
                 n_wrong ? "%u completions cannot be right" : "the card failed in a launch of %u",
                 n_wrong ? n_wrong : launch->n_jobs);
        dlop_sim_tell(queue, DLOP_DEVICE_WRONG, status, n_wrong ? n_wrong : launch->n_jobs, text);
    }
    launch->done(launch, status);
}

void dlop_sim_queue_signal(void *cookie, u64 tag, s32 status)
{
    struct dlop_sim_queue *queue = cookie;
    struct dlop_sim_slot *slot;
    bool is_last = false;

    pthread_mutex_lock(&queue->lock);
    slot = find_waiting(queue, tag);
    if (slot) {
        slot->waiting &= ~((u64)1 << (tag & 0xff));
        if (slot->status == DLOP_OK)
            slot->status = status;
        is_last = !slot->waiting;
    }
    pthread_mutex_unlock(&queue->lock);
    if (!slot) {
        dlop_card_settle_duplicate(queue->card);
        dlop_sim_tell(queue, DLOP_DEVICE_HEALED, DLOP_OK, 0, "an end was signalled twice");
    }
    if (is_last)
        finish(queue, slot);
}

void dlop_sim_queue_free(struct dlop_sim_queue *queue)
{
    for (u32 i = 0; i < queue->n_slots; i++) {
        dlop_card_free(NULL, queue->slots[i].jobs);
        dlop_card_free(NULL, queue->slots[i].completions);
    }
}
