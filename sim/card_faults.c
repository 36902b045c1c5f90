/* Faults of the card: which command meets which, what they spoil, and the book of what became of
 * them.
 *
 * Faults are drawn when a launch starts, from the card's own generator, and count as injected when
 * they really happen (a record can only be spoilt where there is a good one). The host settles each
 * launch with the status that it gave its caller; the book compares. The host never sees which
 * faults were drawn: it must find them.
 * Not here: memory errors (card_ecc.c), delivery of signals (card_unit.c).
 */
#include "hw/top/record.h"
#include "hw/top/top.h"
#include "hw/top/verify.h"
#include "sim/card_internal.h"

#define PPM 1000000u
/* Completions: what is flipped by CORRUPT are record, status, bytes written and blocks. */
#define MEANING_BYTES    16
#define MAX_CORRUPT_BITS 8

u64 dlop_card_random(struct dlop_card *card)
{
    u64 z = card->random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* ---- drawing ---- */

/* Flip bits of `in`, constants or jobs now, or of the output when the command has run. */
static void draw_flip(struct dlop_card *card, struct dlop_card_command *command, u32 is_double)
{
    struct dlop_card_memory *read[] = {command->in, command->constants};
    u32 place = (u32)dlop_card_random(card) % 4;

    if (place < 2 && !read[place]->n_users)
        dlop_card_ecc_strike(card, read[place], 0, read[place]->n_bytes, is_double);
    else if (place < 3)
        dlop_card_ecc_strike(card, command->jobs, command->jobs_at,
                             (u64)command->n_jobs * DLOP_TOP_JOB_BYTES, is_double);
    else
        command->faults_drawn |= 1u << (is_double ? DLOP_CARD_DOUBLE_FLIP : DLOP_CARD_BIT_FLIP);
}

void dlop_card_draw_faults(struct dlop_card *card, struct dlop_card_command *commands,
                           u32 n_commands)
{
    for (u32 i = 0; i < n_commands; i++) {
        commands[i].faults_drawn = commands[i].faults_applied = 0;
        commands[i].is_refusal_forged = commands[i].has_met_poison = 0;
    }
    for (u32 fault = 0; fault < DLOP_CARD_GONE && n_commands; fault++) {
        struct dlop_card_command *command;

        if (!card->cfg.rate_ppm[fault] || dlop_card_random(card) % PPM >= card->cfg.rate_ppm[fault])
            continue;
        command = &commands[dlop_card_random(card) % n_commands];
        if (fault == DLOP_CARD_BIT_FLIP || fault == DLOP_CARD_DOUBLE_FLIP)
            draw_flip(card, command, fault == DLOP_CARD_DOUBLE_FLIP);
        else
            command->faults_drawn |= 1u << fault;
    }
}

u32 dlop_card_inject(struct dlop_card *card, struct dlop_card_command *command, u32 fault)
{
    if (!(command->faults_drawn >> fault & 1))
        return 0;
    command->faults_applied |= 1u << fault;
    card->counters.injected[fault]++;
    return 1;
}

/* ---- spoiling ---- */

static u8 *completion_at(const struct dlop_card_command *command, u32 i)
{
    return command->completions->bytes + command->completions_at +
           (u64)i * DLOP_TOP_COMPLETION_BYTES;
}

/* A record that ended well, at random; n_jobs where there is none. */
static u32 find_good_record(struct dlop_card *card, const struct dlop_card_command *command)
{
    u32 first = command->n_jobs ? (u32)(dlop_card_random(card) % command->n_jobs) : 0;

    for (u32 i = 0; i < command->n_jobs; i++) {
        u32 at = (first + i) % command->n_jobs;

        if (dlop_u32_at(completion_at(command, at), 4) == DLOP_OK)
            return at;
    }
    return command->n_jobs;
}

/* A good record reported as bad, or the whole command as failed. */
static s32 give_wrong_status(struct dlop_card *card, struct dlop_card_command *command)
{
    u32 i = find_good_record(card, command);
    struct dlop_completion refusal = {.status = DLOP_ERR_BAD_DATA};

    if (!dlop_card_inject(card, command, DLOP_CARD_WRONG_STATUS))
        return DLOP_OK;
    if (i == command->n_jobs || dlop_card_random(card) % 2)
        return DLOP_ERR_DEVICE_FAULT;
    refusal.record = dlop_u32_at(completion_at(command, i), 0);
    dlop_completion_write(&refusal, completion_at(command, i));
    command->is_refusal_forged = 1;
    return DLOP_OK;
}

/* Flip bits of one completion. One refusal never becomes another one: no host could tell, and none
 * would act otherwise. */
static void corrupt_completion(struct dlop_card *card, struct dlop_card_command *command)
{
    u32 n_bits = 1 + (u32)dlop_card_random(card) % MAX_CORRUPT_BITS, is_refusal;
    u8 mask[MEANING_BYTES] = {0}, *bytes;

    if (!command->n_jobs || !dlop_card_inject(card, command, DLOP_CARD_CORRUPT))
        return;
    bytes = completion_at(command, (u32)(dlop_card_random(card) % command->n_jobs));
    is_refusal = dlop_u32_at(bytes, 4) != DLOP_OK;
    for (u32 i = 0; i < n_bits; i++) {
        u32 bit = (u32)dlop_card_random(card) % (8 * MEANING_BYTES);

        mask[bit / 8] |= (u8)(1u << bit % 8);
    }
    if (is_refusal && !dlop_u32_at(mask, 0) && !dlop_u64_at(mask, 8) &&
        dlop_top_is_status((s32)(dlop_u32_at(bytes, 4) ^ dlop_u32_at(mask, 4))))
        mask[0] = 1;
    for (u32 i = 0; i < MEANING_BYTES; i++)
        bytes[i] ^= mask[i];
}

/* Flip bits of one record's output. */
static s32 flip_output(struct dlop_card *card, struct dlop_card_command *command, u32 fault,
                       u32 *n_healed)
{
    u32 i = find_good_record(card, command), bit = (u32)dlop_card_random(card) % 8;
    u32 other = (bit + 1 + (u32)dlop_card_random(card) % 7) % 8;
    struct dlop_job job;
    u8 *byte;

    if (i == command->n_jobs || command->out->bytes == command->out->host ||
        !dlop_card_inject(card, command, fault))
        return DLOP_OK;
    dlop_job_read(command->jobs->bytes + command->jobs_at + (u64)i * DLOP_TOP_JOB_BYTES, &job);
    byte = command->out->bytes + job.out_offset + dlop_card_random(card) % job.out_bytes;
    *byte ^= (u8)(1u << bit);
    if (fault == DLOP_CARD_DOUBLE_FLIP) {
        *byte ^= (u8)(1u << other);
        return DLOP_ERR_DEVICE_FAULT;
    }
    *byte ^= (u8)(1u << bit); /* memory corrects it before it signals the end */
    command->faults_applied &= ~(1u << fault);
    card->counters.healed[fault]++;
    ++*n_healed;
    return DLOP_OK;
}

s32 dlop_card_spoil(struct dlop_card *card, struct dlop_card_command *command, u32 *n_healed_in_out)
{
    s32 first = flip_output(card, command, DLOP_CARD_BIT_FLIP, n_healed_in_out);
    s32 second = flip_output(card, command, DLOP_CARD_DOUBLE_FLIP, n_healed_in_out);
    s32 third = give_wrong_status(card, command);

    corrupt_completion(card, command);
    return first != DLOP_OK ? first : second != DLOP_OK ? second : third;
}

/* ---- the book ---- */

/* Faults with which a launch may end well. */
#define HEALED_BY_WAITING (1u << DLOP_CARD_LATE | 1u << DLOP_CARD_SLOW)
/* A duplicate is settled when its second signal comes. */
#define SETTLED_ELSEWHERE (1u << DLOP_CARD_DUPLICATE)

static void settle_command(struct dlop_card_counters *counters,
                           const struct dlop_card_command *command, s32 status)
{
    for (u32 fault = 0; fault < DLOP_CARD_GONE; fault++) {
        u32 bit = 1u << fault;

        if (!(command->faults_applied & ~SETTLED_ELSEWHERE & bit))
            continue;
        if (status != DLOP_OK || (fault == DLOP_CARD_WRONG_STATUS && command->is_refusal_forged))
            counters->reported[fault]++;
        else if (HEALED_BY_WAITING & bit)
            counters->healed[fault]++;
        else
            counters->missed++;
    }
}

void dlop_card_settle(struct dlop_card *card, const struct dlop_card_command *commands,
                      u32 n_commands, s32 status)
{
    const u32 harmless = HEALED_BY_WAITING | SETTLED_ELSEWHERE;
    u32 has_cause = 0;

    pthread_mutex_lock(&card->lock);
    for (u32 i = 0; i < n_commands; i++) {
        const struct dlop_card_command *command = &commands[i];

        settle_command(&card->counters, command, status);
        has_cause |= (command->faults_applied & ~harmless) | command->has_met_poison |
                     (command->epoch != card->epoch);
    }
    if (status != DLOP_OK && !has_cause)
        card->counters.false_alarms++;
    pthread_mutex_unlock(&card->lock);
}

void dlop_card_settle_duplicate(struct dlop_card *card)
{
    pthread_mutex_lock(&card->lock);
    card->counters.healed[DLOP_CARD_DUPLICATE]++;
    pthread_mutex_unlock(&card->lock);
}

void dlop_card_get_counters(struct dlop_card *card, struct dlop_card_counters *counters_out)
{
    pthread_mutex_lock(&card->lock);
    *counters_out = card->counters;
    pthread_mutex_unlock(&card->lock);
}
