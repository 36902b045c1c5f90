/* PyTorch's CPU generator: engine, conversions of words to numbers, and the state as PyTorch saves
 * it.
 *
 * Key idea: PyTorch computes every draw of the input pipeline from whole words of one mt19937, so
 * equal words in equal order are equal draws; what differs between builds (fused multiply-add,
 * width of randint) are the rules. Not here: normal, exponential and multinomial draws, whose bits
 * depend on vendor libraries; exp (exp.c).
 */
#include <math.h>
#include <string.h>

#include "driver/driver.h"
#include "host/draw/rng.h"

/* ---- engine ---- */

#define MIDDLE_WORD 397
/* Of the recurrence that spreads a seed over the block. */
#define SEED_MULTIPLIER 1812433253u

static uint32_t seed_recurrence(uint32_t previous, uint32_t i)
{
    return SEED_MULTIPLIER * (previous ^ (previous >> 30)) + i;
}

void dlop_rng_seed(struct dlop_rng_state *state_out, uint64_t seed)
{
    state_out->key[0] = (uint32_t)seed;
    for (uint32_t i = 1; i < DLOP_RNG_BLOCK_WORDS; i++)
        state_out->key[i] = seed_recurrence(state_out->key[i - 1], i);
    state_out->next = DLOP_RNG_BLOCK_WORDS;
}

/* Top bit of one word, other bits of the next one, times the companion matrix. */
static uint32_t twist(uint32_t upper, uint32_t lower)
{
    uint32_t mixed = (upper & 0x80000000u) | (lower & 0x7FFFFFFFu);
    return (mixed >> 1) ^ ((0u - (lower & 1u)) & 0x9908B0DFu);
}

void dlop_rng_next_block(struct dlop_rng_state *state)
{
    uint32_t *key = state->key;
    const int n = DLOP_RNG_BLOCK_WORDS, m = MIDDLE_WORD;
    int i = 0;

    for (; i < n - m; i++)
        key[i] = key[i + m] ^ twist(key[i], key[i + 1]);
    for (; i < n - 1; i++)
        key[i] = key[i + m - n] ^ twist(key[i], key[i + 1]);
    key[n - 1] = key[m - 1] ^ twist(key[n - 1], key[0]);
    state->next = 0;
}

static uint64_t wide_word(struct dlop_rng_state *state)
{
    uint64_t high = dlop_rng_word(state);
    return high << 32 | dlop_rng_word(state);
}

/* ---- single draws ---- */

float dlop_rng_unit(struct dlop_rng_state *state)
{
    return (float)(dlop_rng_word(state) & 0xFFFFFFu) * 0x1p-24f;
}

float dlop_rng_uniform_one(struct dlop_rng_state *state, const struct dlop_draw_rules *rules,
                           float a, float b)
{
    float x = dlop_rng_unit(state), range = b - a;

    return rules->uniform_is_fused ? fmaf(x, range, a) : x * range + a;
}

int64_t dlop_rng_randint_one(struct dlop_rng_state *state, const struct dlop_draw_rules *rules,
                             int64_t lo, int64_t hi)
{
    uint64_t range = (uint64_t)hi - (uint64_t)lo;
    bool is_wide = rules->randint_wide_log2 < 64 && range >> rules->randint_wide_log2;
    uint64_t drawn = is_wide ? wide_word(state) : (uint64_t)dlop_rng_word(state);

    /* An empty range is the whole of 64 bits. Unsigned sums wrap, as the framework's do. */
    return (int64_t)((uint64_t)lo + (range ? drawn % range : drawn));
}

/* ---- arrays ---- */

void dlop_draw_rules_init(struct dlop_draw_rules *rules)
{
    *rules = (struct dlop_draw_rules){
        .size_bytes = sizeof *rules,
        .uniform_is_fused = 1,
        .exp_kind = DLOP_EXP_ROUNDED,
        .randint_wide_log2 = 28,
    };
}

void dlop_rng_uniform(struct dlop_rng_state *state, const struct dlop_draw_rules *rules, float a,
                      float b, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = dlop_rng_uniform_one(state, rules, a, b);
}

void dlop_rng_randint(struct dlop_rng_state *state, const struct dlop_draw_rules *rules, int64_t lo,
                      int64_t hi, int64_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = dlop_rng_randint_one(state, rules, lo, hi);
}

void dlop_rng_randperm(struct dlop_rng_state *state, int64_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (int64_t)i;
    for (size_t i = 0; i + 1 < n; i++) {
        size_t other = i + dlop_rng_word(state) % (n - i);
        int64_t swapped = out[i];
        out[i] = out[other];
        out[other] = swapped;
    }
}

int64_t dlop_rng_seed64(struct dlop_rng_state *state)
{
    return (int64_t)(wide_word(state) & INT64_MAX);
}

/* ---- PyTorch's saved state ---- */

/* torch.get_rng_state() in bytes: u64 seed, s32 left, s32 is_seeded, u64 next, u64 words[624], then
 * cached normals. `left` words remain of the block, plus one. */
enum {
    BLOB_LEFT = 8,
    BLOB_IS_SEEDED = 12,
    BLOB_NEXT = 16,
    BLOB_WORDS = 24,
    BLOB_BYTES = 5056,
};

static int32_t blob_s32(const uint8_t *blob, size_t at)
{
    int32_t value;
    memcpy(&value, blob + at, sizeof value);
    return value;
}

static uint64_t blob_u64(const uint8_t *blob, size_t at)
{
    uint64_t value;
    memcpy(&value, blob + at, sizeof value);
    return value;
}

dlop_status dlop_rng_from_torch(const uint8_t *blob, size_t size_bytes,
                                struct dlop_rng_state *state_out)
{
    if (!blob || !state_out || size_bytes != BLOB_BYTES)
        return DLOP_ERR_ARGUMENT;
    int32_t left = blob_s32(blob, BLOB_LEFT);
    uint64_t next = blob_u64(blob, BLOB_NEXT);
    if (blob_s32(blob, BLOB_IS_SEEDED) != 1 || left < 1 || left > DLOP_RNG_BLOCK_WORDS)
        return DLOP_ERR_ARGUMENT;
    /* A state that was only seeded has no block yet and says 0; else both fields agree. */
    uint32_t n_used = (uint32_t)(DLOP_RNG_BLOCK_WORDS + 1 - left);
    if (next != n_used && !(next == 0 && left == 1))
        return DLOP_ERR_ARGUMENT;
    for (size_t i = 0; i < DLOP_RNG_BLOCK_WORDS; i++)
        if (blob_u64(blob, BLOB_WORDS + 8 * i) > UINT32_MAX)
            return DLOP_ERR_ARGUMENT;

    for (size_t i = 0; i < DLOP_RNG_BLOCK_WORDS; i++)
        state_out->key[i] = (uint32_t)blob_u64(blob, BLOB_WORDS + 8 * i);
    state_out->next = n_used;
    return DLOP_OK;
}

/* Whether the block is what a seed was spread to: then PyTorch writes next = 0 for "used up". */
static bool is_only_seeded(const struct dlop_rng_state *state)
{
    if (state->next != DLOP_RNG_BLOCK_WORDS)
        return false;
    for (uint32_t i = 1; i < DLOP_RNG_BLOCK_WORDS; i++)
        if (state->key[i] != seed_recurrence(state->key[i - 1], i))
            return false;
    return true;
}

dlop_status dlop_rng_to_torch(const struct dlop_rng_state *state, uint8_t *blob, size_t size_bytes)
{
    if (!state || !blob || size_bytes != BLOB_BYTES || blob_s32(blob, BLOB_IS_SEEDED) != 1)
        return DLOP_ERR_ARGUMENT;
    /* 0 cannot be: a block is made when its first word is taken. */
    if (state->next < 1 || state->next > DLOP_RNG_BLOCK_WORDS)
        return DLOP_ERR_ARGUMENT;

    int32_t left = (int32_t)(DLOP_RNG_BLOCK_WORDS + 1 - state->next);
    uint64_t next = is_only_seeded(state) ? 0 : state->next;
    memcpy(blob + BLOB_LEFT, &left, sizeof left);
    memcpy(blob + BLOB_NEXT, &next, sizeof next);
    for (size_t i = 0; i < DLOP_RNG_BLOCK_WORDS; i++) {
        uint64_t word = state->key[i];
        memcpy(blob + BLOB_WORDS + 8 * i, &word, sizeof word);
    }
    return DLOP_OK;
}
