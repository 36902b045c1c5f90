/* Life of the card: opening, starting commands, going and coming back, closing.
 *
 * Invariants: a started command is in exactly one place: a queue, a unit, the list of those lost,
 * or the list of deferred signals; n_open counts all of these. `epoch` counts on when the card
 * goes: commands and memory of an earlier epoch are worth nothing, so nothing has to be recalled
 * from the units at that moment, and the card comes back only when n_open is 0.
 * Not here: what a unit does with a command (card_unit.c), what fails (card_faults.c).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "sim/card_internal.h"

u64 dlop_card_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
}

int dlop_card_is_foreign(const struct dlop_card *card)
{
    return card->owner != getpid();
}

void dlop_card_tell_healed(struct dlop_card *card, u32 n_words)
{
    char text[64];

    if (!n_words)
        return;
    snprintf(text, sizeof text, "%u words of card memory corrected", n_words);
    card->host.notice(card->host.cookie, DLOP_CARD_IS_HEALED, text);
}

/* ---- gone and back ---- */

/* Locked. */
static void go(struct dlop_card *card)
{
    card->is_gone = card->has_been_gone = 1;
    card->epoch++;
    card->n_refused = 0;
    for (u32 i = 0; i < card->n_deferred; i++) {
        card->deferred[i].due_ns = 0;
        card->deferred[i].status = DLOP_ERR_DEVICE_LOST;
    }
    card->counters.injected[DLOP_CARD_GONE]++;
    card->counters
        .reported[DLOP_CARD_GONE]++; /* by the call that meets it, and all open launches */
    pthread_cond_broadcast(&card->wake);
}

s32 dlop_card_admit(struct dlop_card *card)
{
    s32 status = DLOP_OK;
    u32 is_back = 0;

    pthread_mutex_lock(&card->lock);
    if (card->is_gone) {
        is_back = card->n_refused >= card->cfg.back_after && !card->n_open;
        status = is_back ? DLOP_OK : DLOP_ERR_DEVICE_LOST;
        card->n_refused++;
        card->is_gone = !is_back;
    }
    pthread_mutex_unlock(&card->lock);
    if (is_back)
        card->host.notice(card->host.cookie, DLOP_CARD_IS_BACK,
                          "the card is back; what its memory held is lost");
    return status;
}

/* ---- commands ---- */

/* Locked. Signals are blocked while threads are made, so that the program's handlers run on its own
 * threads. */
static s32 start_units(struct dlop_card *card)
{
    s32 status = DLOP_OK;
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (card->n_started < card->n_units && status == DLOP_OK) {
        struct dlop_card_unit *unit = &card->units[card->n_started];
        char name[16];

        if (pthread_create(&unit->handle, NULL, dlop_card_unit_main, unit)) {
            status = DLOP_ERR_THREAD;
        } else {
            snprintf(name, sizeof name, "dlop-sim-%u", card->n_started % 10000);
            pthread_setname_np(unit->handle, name);
            card->n_started++;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

/* Locked. Memory that the kernels read must have been written since the card is there. */
static s32 check_epochs(const struct dlop_card *card, const struct dlop_card_command *commands,
                        u32 n_commands)
{
    for (u32 i = 0; i < n_commands; i++)
        if (commands[i].in->epoch != card->epoch || commands[i].constants->epoch != card->epoch ||
            commands[i].jobs->epoch != card->epoch)
            return DLOP_ERR_DEVICE_LOST;
    return DLOP_OK;
}

/* Locked. */
static void enqueue(struct dlop_card *card, struct dlop_card_command *command)
{
    struct dlop_card_queue *queue = &card->queues[command->kernel];

    command->next = NULL;
    command->epoch = card->epoch;
    command->out->epoch = command->completions->epoch = card->epoch;
    command->in->n_users++;
    command->constants->n_users++;
    command->out->n_users++;
    command->jobs->n_users++;
    command->completions->n_users++;
    if (queue->tail)
        queue->tail->next = command;
    else
        queue->head = command;
    queue->tail = command;
    card->n_open++;
}

s32 dlop_card_start(struct dlop_card *card, struct dlop_card_command *commands, u32 n_commands)
{
    s32 status = dlop_card_admit(card);
    u32 goes = 0;

    if (status != DLOP_OK)
        return status;
    pthread_mutex_lock(&card->lock);
    goes = !card->has_been_gone && card->n_launches >= card->cfg.gone_after;
    if (goes)
        go(card);
    status = card->is_gone ? DLOP_ERR_DEVICE_LOST : check_epochs(card, commands, n_commands);
    if (status == DLOP_OK)
        status = start_units(card);
    if (status == DLOP_OK) {
        card->n_launches++;
        dlop_card_draw_faults(card, commands, n_commands);
        for (u32 i = 0; i < n_commands; i++)
            enqueue(card, &commands[i]);
        pthread_cond_broadcast(&card->wake);
    }
    pthread_mutex_unlock(&card->lock);
    if (goes)
        card->host.notice(card->host.cookie, DLOP_CARD_IS_GONE, "the card is gone");
    return status;
}

/* ---- life ---- */

u64 dlop_card_cycles(struct dlop_card *card)
{
    u64 cycles = 0;

    pthread_mutex_lock(&card->lock);
    for (u32 i = 0; i < card->n_units; i++)
        if (card->units[i].cycles > cycles)
            cycles = card->units[i].cycles;
    pthread_mutex_unlock(&card->lock);
    return cycles;
}

static s32 check_cfg(const struct dlop_card_cfg *cfg)
{
    for (u32 k = 0; k < DLOP_CARD_KERNEL_COUNT; k++)
        if (!cfg->n_units[k] || cfg->n_units[k] > DLOP_CARD_MAX_UNITS)
            return DLOP_ERR_ARGUMENT;
    return cfg->n_launches && cfg->n_launches <= DLOP_CARD_MAX_LAUNCHES ? DLOP_OK
                                                                        : DLOP_ERR_ARGUMENT;
}

/* Deadlines of deferred signals are on the monotonic clock. */
static s32 init_lock(struct dlop_card *card)
{
    pthread_condattr_t attributes;
    int error;

    if (pthread_mutex_init(&card->lock, NULL))
        return DLOP_ERR_THREAD;
    error = pthread_condattr_init(&attributes);
    if (!error) {
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        error = pthread_cond_init(&card->wake, &attributes);
        pthread_condattr_destroy(&attributes);
    }
    if (!error)
        return DLOP_OK;
    pthread_mutex_destroy(&card->lock);
    return DLOP_ERR_THREAD;
}

s32 dlop_card_open(const struct dlop_card_cfg *cfg, const struct dlop_card_host *host,
                   struct dlop_card **card_out)
{
    struct dlop_card *card;
    u32 n_units = 0;
    s32 status = check_cfg(cfg);

    if (status != DLOP_OK)
        return status;
    for (u32 k = 0; k < DLOP_CARD_KERNEL_COUNT; k++)
        n_units += cfg->n_units[k];
    card = calloc(1, sizeof *card + n_units * sizeof card->units[0]);
    if (!card)
        return DLOP_ERR_NO_MEMORY;
    status = init_lock(card);
    if (status != DLOP_OK) {
        free(card);
        return status;
    }
    card->cfg = *cfg;
    card->host = *host;
    card->owner = getpid();
    card->random = cfg->seed;
    for (u32 k = 0; k < DLOP_CARD_KERNEL_COUNT; k++)
        for (u32 i = 0; i < cfg->n_units[k]; i++)
            card->units[card->n_units++] = (struct dlop_card_unit){.card = card, .kernel = k};
    *card_out = card;
    return DLOP_OK;
}

static void free_memories(struct dlop_card *card)
{
    struct dlop_card_memory *next;

    for (u32 i = 0; i < card->n_units; i++)
        dlop_card_memory_destroy(card->units[i].scratch);
    for (struct dlop_card_memory *memory = card->cache; memory; memory = next) {
        next = memory->next;
        dlop_card_memory_destroy(memory);
    }
}

/* In a child the lists may be half changed by a thread that is not here: then they are left. */
static void close_foreign(struct dlop_card *card)
{
    if (pthread_mutex_trylock(&card->lock))
        return;
    if (!card->n_open)
        free_memories(card);
    free(card);
}

void dlop_card_close(struct dlop_card **card_in_out, struct dlop_card_counters *counters_out)
{
    struct dlop_card *card = *card_in_out;

    if (!card)
        return;
    if (dlop_card_is_foreign(card)) {
        *card_in_out = NULL;
        close_foreign(card);
        return;
    }
    pthread_mutex_lock(&card->lock);
    card->is_closing = 1;
    pthread_cond_broadcast(&card->wake);
    pthread_mutex_unlock(&card->lock);
    for (u32 i = 0; i < card->n_started; i++)
        pthread_join(card->units[i].handle, NULL);
    *card_in_out = NULL; /* not before: signals may look there */
    if (counters_out)
        *counters_out = card->counters;
    free_memories(card);
    pthread_cond_destroy(&card->wake);
    pthread_mutex_destroy(&card->lock);
    free(card);
}
