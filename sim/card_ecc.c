/* Errors of card memory and their correction, as with check bits on every word.
 *
 * The check bits are not there: each memory has a list of the bytes that a fault has changed, which
 * tells what check bits would tell. The bits are really flipped, so that without the correction a
 * kernel would work on wrong data. A fault strikes only memory that is the card's alone and that
 * nobody uses at the moment; before a command or a copy uses it, single flips are turned back.
 * Two flips in one word are known, but stay until the word is written anew.
 */
#include "sim/card_internal.h"

void dlop_card_ecc_strike(struct dlop_card *card, struct dlop_card_memory *memory, u64 at,
                          u64 n_bytes, u32 is_double)
{
    u32 bit = (u32)dlop_card_random(card) % 8, other = 1 + (u32)dlop_card_random(card) % 7;
    struct dlop_card_flip *flip = &memory->flips[memory->n_flips];

    if (memory->bytes == memory->host || !n_bytes || memory->n_flips == CARD_MAX_FLIPS)
        return;
    flip->at = at + dlop_card_random(card) % n_bytes;
    for (u32 i = 0; i < memory->n_flips; i++)
        if (memory->flips[i].at / 8 == flip->at / 8)
            return;
    flip->mask = (u8)(1u << bit | (is_double ? 1u << (bit + other) % 8 : 0));
    flip->is_double = is_double;
    flip->is_reported = 0;
    memory->bytes[flip->at] ^= flip->mask;
    memory->n_flips++;
    card->counters.injected[is_double ? DLOP_CARD_DOUBLE_FLIP : DLOP_CARD_BIT_FLIP]++;
}

static void forget_flip(struct dlop_card_memory *memory, u32 i)
{
    memory->flips[i] = memory->flips[--memory->n_flips];
}

u32 dlop_card_ecc_scrub(struct dlop_card *card, struct dlop_card_memory *memory)
{
    u32 n_healed = 0;

    for (u32 i = memory->n_flips; i-- > 0;) {
        if (memory->flips[i].is_double)
            continue;
        memory->bytes[memory->flips[i].at] ^= memory->flips[i].mask;
        forget_flip(memory, i);
        n_healed++;
    }
    card->counters.healed[DLOP_CARD_BIT_FLIP] += n_healed;
    return n_healed;
}

struct dlop_card_flip *dlop_card_ecc_find_double(struct dlop_card_memory *memory, u64 at,
                                                 u64 n_bytes)
{
    for (u32 i = 0; i < memory->n_flips; i++)
        if (memory->flips[i].is_double && memory->flips[i].at - at < n_bytes)
            return &memory->flips[i];
    return NULL;
}

void dlop_card_ecc_overwrite(struct dlop_card *card, struct dlop_card_memory *memory, u64 at,
                             u64 n_bytes)
{
    for (u32 i = memory->n_flips; i-- > 0;) {
        const struct dlop_card_flip *flip = &memory->flips[i];

        if (flip->at - at >= n_bytes)
            continue;
        if (!flip->is_reported)
            card->counters.healed[flip->is_double ? DLOP_CARD_DOUBLE_FLIP : DLOP_CARD_BIT_FLIP]++;
        forget_flip(memory, i);
    }
}
