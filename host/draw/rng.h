/* PyTorch's CPU generator: one draw at a time, for the drawing rules of this folder.
 *
 * The engine is mt19937 (Matsumoto and Nishimura, 1998) seeded with the low 32 bits of the seed.
 * Everything here takes its words from dlop_rng_word in the order in which PyTorch takes them; the
 * state must have next <= 624. One thread per state. The public functions for whole arrays are in
 * host/include/dlop.h.
 */
#ifndef DLOP_HOST_DRAW_RNG_H
#define DLOP_HOST_DRAW_RNG_H

#include "host/include/dlop.h"

#define DLOP_RNG_BLOCK_WORDS 624

/* Replace the used-up block of words by the next one. */
void dlop_rng_next_block(struct dlop_rng_state *state);

/* Next 32-bit word. */
static inline uint32_t dlop_rng_word(struct dlop_rng_state *state)
{
    if (state->next >= DLOP_RNG_BLOCK_WORDS)
        dlop_rng_next_block(state);
    uint32_t word = state->key[state->next++];
    word ^= word >> 11;
    word ^= (word << 7) & 0x9D2C5680u;
    word ^= (word << 15) & 0xEFC60000u;
    return word ^ (word >> 18);
}

/* torch.rand(1): 24 bits of one word, in [0, 1). */
float dlop_rng_unit(struct dlop_rng_state *state);
/* torch.empty(1).uniform_(a, b): one word. */
float dlop_rng_uniform_one(struct dlop_rng_state *state, const struct dlop_draw_rules *rules,
                           float a, float b);
/* torch.randint(lo, hi, (1,)), lo < hi: one word, or two where the range is wide. */
int64_t dlop_rng_randint_one(struct dlop_rng_state *state, const struct dlop_draw_rules *rules,
                             int64_t lo, int64_t hi);

#endif
