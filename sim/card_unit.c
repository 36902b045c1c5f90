/* What a compute unit does: takes a command of its kernel, runs it, signals its end.
 *
 * A unit's thread also delivers signals that come late, whenever it has time: those deferred when
 * they are due, and those lost when the card ends. So everything that the host hears of a command
 * comes from a thread of the card, and close only has to wait for the threads.
 * The clock counts cycles of work as the cycle model has them (timing.h), for its planned engine.
 */
#include <time.h>

#include "hw/top/record.h"
#include "hw/top/top.h"
#include "sim/card_internal.h"
#include "sim/timing.h"

/* The kernels as they are, and what each job took. */
static const struct kernel {
    __typeof__(dlop_image_counted) *run;
    u32 kinds; /* mask of 1 << enum dlop_job_kind */
} kernels[] = {
#define KERNEL(name, kinds) {name##_counted, kinds},
    DLOP_TOP_KERNELS(KERNEL)
#undef KERNEL
};
_Static_assert(sizeof kernels / sizeof kernels[0] == DLOP_CARD_KERNEL_COUNT, "a unit per kernel");

u32 dlop_card_kernel_of(u32 job_kind)
{
    for (u32 k = 0; k < DLOP_CARD_KERNEL_COUNT; k++)
        if (job_kind < DLOP_JOB_KIND_COUNT && kernels[k].kinds >> job_kind & 1)
            return k;
    return 0;
}

/* ---- running ---- */

/* Working memory of n_bytes that ends at its guard page, as much as there may be. */
static u8 *provide_scratch(struct dlop_card_unit *unit, u64 *n_bytes)
{
    if (*n_bytes > DLOP_CARD_MAX_SCRATCH_BYTES)
        *n_bytes = DLOP_CARD_MAX_SCRATCH_BYTES;
    if (!unit->scratch || unit->scratch->n_bytes < *n_bytes) {
        dlop_card_memory_destroy(unit->scratch);
        unit->scratch = NULL;
        if (dlop_card_memory_new(unit->card, *n_bytes, &unit->scratch) != DLOP_OK) {
            *n_bytes = 0;
            return NULL;
        }
    }
    return unit->scratch->bytes + (unit->scratch->n_bytes - *n_bytes) / 8 * 8;
}

/* Cycles of jobs that were run. */
static u64 count_cycles(const u8 *jobs, const struct dlop_top_counts *counts, u32 n_jobs)
{
    u64 sum = 0;

    for (u32 i = 0; i < n_jobs; i++) {
        struct dlop_job job;

        dlop_job_read(jobs + (u64)i * DLOP_TOP_JOB_BYTES, &job);
        sum += dlop_timing_job_cycles(&job, &counts[i], dlop_timing_engine_at(DLOP_TIMING_PLANNED));
    }
    return sum;
}

/* Run a command's jobs, as many at a time as there is room for counts: whole waves, so that nothing
 * shows of it. Returns their cycles. */
static u64 run_kernel(struct dlop_card_unit *unit, const struct dlop_card_command *command)
{
    u64 scratch_bytes = command->scratch_bytes, cycles = 0;
    u8 *scratch = provide_scratch(unit, &scratch_bytes);
    const u8 *jobs = command->jobs->bytes + command->jobs_at;
    u8 *completions = command->completions->bytes + command->completions_at;

    for (u32 i = 0; i < command->n_jobs; i += CARD_UNIT_COUNTS) {
        u32 left = command->n_jobs - i, n = left < CARD_UNIT_COUNTS ? left : CARD_UNIT_COUNTS;

        kernels[unit->kernel].run(command->in->bytes, command->constants->bytes,
                                  command->out->bytes, scratch, jobs + (u64)i * DLOP_TOP_JOB_BYTES,
                                  completions + (u64)i * DLOP_TOP_COMPLETION_BYTES,
                                  command->in->n_bytes, command->constants->n_bytes,
                                  command->out->n_bytes, scratch_bytes, n, unit->counts);
        cycles += count_cycles(jobs + (u64)i * DLOP_TOP_JOB_BYTES, unit->counts, n);
    }
    return cycles;
}

/* ---- signals: all locked ---- */

/* The lock is not held during the call. */
static void signal_host(struct dlop_card *card, u64 tag, s32 status)
{
    pthread_mutex_unlock(&card->lock);
    card->host.signal(card->host.cookie, tag, status);
    pthread_mutex_lock(&card->lock);
}

/* There must be room. */
static void defer(struct dlop_card *card, const struct dlop_card_deferred *deferred)
{
    card->deferred[card->n_deferred++] = *deferred;
    pthread_cond_broadcast(&card->wake); /* one may sleep for longer */
}

/* Signal one command that is due: 1 when there was one. */
static u32 deliver_one(struct dlop_card *card)
{
    u32 is_over = card->is_closing || card->is_gone;
    struct dlop_card_command *lost = card->lost.head;

    if (lost && is_over) {
        card->lost.head = lost->next;
        if (!card->lost.head)
            card->lost.tail = NULL;
        card->n_open--;
        signal_host(card, lost->tag, DLOP_ERR_TIMEOUT);
        return 1;
    }
    for (u32 i = 0; i < card->n_deferred; i++) {
        struct dlop_card_deferred deferred = card->deferred[i];

        if (!is_over && deferred.due_ns > dlop_card_now_ns())
            continue;
        card->deferred[i] = card->deferred[--card->n_deferred];
        card->n_open -= !deferred.is_duplicate;
        signal_host(card, deferred.tag, deferred.status);
        return 1;
    }
    return 0;
}

/* A command has ended: signal it as its faults will have it. */
static void end_command(struct dlop_card *card, struct dlop_card_command *command, s32 status)
{
    u64 now_ns = dlop_card_now_ns(), late_ns = card->cfg.late_ms * (u64)1000000;
    u32 has_room = card->n_deferred + 2 <= CARD_MAX_DEFERRED;
    struct dlop_card_deferred deferred = {.tag = command->tag, .status = status};

    if (dlop_card_inject(card, command, DLOP_CARD_LOST)) {
        command->next = NULL;
        if (card->lost.tail)
            card->lost.tail->next = command;
        else
            card->lost.head = command;
        card->lost.tail = command;
        return;
    }
    if (has_room && dlop_card_inject(card, command, DLOP_CARD_DUPLICATE)) {
        deferred.due_ns = now_ns + dlop_card_random(card) % (late_ns + 1);
        deferred.is_duplicate = 1;
        defer(card, &deferred);
    }
    if (has_room && dlop_card_inject(card, command, DLOP_CARD_LATE)) {
        deferred.due_ns = now_ns + late_ns;
        deferred.is_duplicate = 0;
        defer(card, &deferred);
        return;
    }
    card->n_open--;
    signal_host(card, command->tag, status);
}

/* ---- one command: locked on entry and on return ---- */

/* Correct the memory that the kernel reads. DLOP_ERR_DEVICE_FAULT where that is not possible. */
static s32 scrub_input(struct dlop_card *card, struct dlop_card_command *command, u32 *n_healed)
{
    struct dlop_card_memory *memories[] = {command->in, command->constants, command->jobs};
    s32 status = DLOP_OK;

    for (u32 i = 0; i < 3; i++) {
        struct dlop_card_flip *flip;

        *n_healed += dlop_card_ecc_scrub(card, memories[i]);
        flip = dlop_card_ecc_find_double(memories[i], 0, memories[i]->n_bytes);
        if (!flip)
            continue;
        status = DLOP_ERR_DEVICE_FAULT;
        if (flip->is_reported)
            command->has_met_poison = 1;
        else
            command->faults_applied |= 1u << DLOP_CARD_DOUBLE_FLIP;
        flip->is_reported = 1;
    }
    return status;
}

static void leave_memory(struct dlop_card_command *command)
{
    command->in->n_users--;
    command->constants->n_users--;
    command->out->n_users--;
    command->jobs->n_users--;
    command->completions->n_users--;
}

static void run_command(struct dlop_card_unit *unit, struct dlop_card_command *command)
{
    struct dlop_card *card = unit->card;
    u32 n_healed = 0, is_slow = 0;
    u64 cycles = 0;
    s32 status = DLOP_ERR_DEVICE_LOST;

    if (command->epoch == card->epoch) {
        status = scrub_input(card, command, &n_healed);
        is_slow = dlop_card_inject(card, command, DLOP_CARD_SLOW);
    }
    pthread_mutex_unlock(&card->lock);
    if (is_slow) {
        u64 ns = card->cfg.slow_ms * (u64)1000000;
        struct timespec pause = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

        nanosleep(&pause, NULL);
    }
    if (status == DLOP_OK)
        cycles = run_kernel(unit, command);
    pthread_mutex_lock(&card->lock);
    unit->cycles += cycles;
    if (status == DLOP_OK)
        status = dlop_card_spoil(card, command, &n_healed);
    leave_memory(command);
    if (command->epoch != card->epoch)
        status = DLOP_ERR_DEVICE_LOST;
    pthread_mutex_unlock(&card->lock);
    dlop_card_tell_healed(card, n_healed);
    pthread_mutex_lock(&card->lock);
    end_command(card, command, status);
}

/* Until something changes or the first deferred signal is due. */
static void wait_for_work(struct dlop_card *card)
{
    u64 due_ns = UINT64_MAX;
    struct timespec due;

    for (u32 i = 0; i < card->n_deferred; i++)
        if (card->deferred[i].due_ns < due_ns)
            due_ns = card->deferred[i].due_ns;
    if (due_ns == UINT64_MAX) {
        pthread_cond_wait(&card->wake, &card->lock);
        return;
    }
    due.tv_sec = (time_t)(due_ns / 1000000000u);
    due.tv_nsec = (long)(due_ns % 1000000000u);
    pthread_cond_timedwait(&card->wake, &card->lock, &due);
}

void *dlop_card_unit_main(void *argument)
{
    struct dlop_card_unit *unit = argument;
    struct dlop_card *card = unit->card;
    struct dlop_card_queue *queue = &card->queues[unit->kernel];

    pthread_mutex_lock(&card->lock);
    for (;;) {
        struct dlop_card_command *command = queue->head;

        if (deliver_one(card))
            continue;
        if (command) {
            queue->head = command->next;
            if (!queue->head)
                queue->tail = NULL;
            run_command(unit, command);
        } else if (card->is_closing) {
            break;
        } else {
            wait_for_work(card);
        }
    }
    pthread_mutex_unlock(&card->lock);
    return NULL;
}
