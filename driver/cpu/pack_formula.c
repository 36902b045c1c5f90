/* Tables of floats that are a formula, computed instead of looked up: how the formula is found.
 *
 * Key idea: frameworks fill the table with ((v / 255) - mean) / deviation, each operation rounded
 * to float. A division by a constant d is y * high + y * low with high = 1 / d rounded to float and
 * low = 1 / d - high, the first product fused with the sum: correctly rounded almost always. So
 * mean and deviation are searched near what the table's ends suggest, and a candidate is accepted
 * only if the very instructions that will run give all 256 entries bit for bit; any other table is
 * looked up. What is computed is thus always what the table holds.
 */
#include "driver/cpu/pack.h"

#include <string.h>

/* A mean or deviation that the table's ends give is off by rounding errors of few units in the
 * last place. */
#define SEARCH_ULPS 4

/* The float n units in the last place away from x; x itself where that leaves the floats. */
static float ulps_away(float x, s32 n)
{
    u32 bits;
    float moved;

    memcpy(&bits, &x, sizeof bits);
    bits += (u32)n;
    memcpy(&moved, &bits, sizeof moved);
    return moved - moved == 0 ? moved : x;
}

static bool formula_find(const u8 *table, dlop_cpu_formula_check *gives,
                         struct dlop_cpu_pack_formula *formula_out)
{
    float first, last;

    memcpy(&first, table, sizeof first);
    memcpy(&last, table + 255 * sizeof last, sizeof last);
    /* Ends that are equal, not finite or too far apart leave no deviation to search. */
    if (!(last - first > 1e-30f && last - first < 1e30f))
        return false;
    for (s32 i = -SEARCH_ULPS; i <= SEARCH_ULPS; i++) {
        double deviation = (double)ulps_away(1 / (last - first), i);
        struct dlop_cpu_pack_formula formula = {.scale_high = (float)(1 / deviation)};

        formula.scale_low = (float)(1 / deviation - (double)formula.scale_high);
        for (s32 j = -SEARCH_ULPS; j <= SEARCH_ULPS; j++) {
            formula.mean = ulps_away(-first * (float)deviation, j);
            if (gives(&formula, table)) {
                *formula_out = formula;
                return true;
            }
        }
    }
    return false;
}

void dlop_cpu_pack_plan_formula(struct dlop_cpu_pack *pack, struct dlop_cpu_pack_memo *memo,
                                dlop_cpu_formula_check *gives)
{
    u32 n_channels = pack->n_channels;
    size_t n_bytes = n_channels * (size_t)256 * sizeof(float);

    if (pack->job->element_bytes != sizeof(float))
        return;
    if (memo->n_channels != n_channels || memcmp(memo->table, pack->table, n_bytes) != 0) {
        memcpy(memo->table, pack->table, n_bytes);
        memo->n_channels = n_channels;
        memo->is_formula = true;
        for (u32 c = 0; c < n_channels && memo->is_formula; c++)
            memo->is_formula =
                formula_find(pack->table + 1024 * (size_t)c, gives, &memo->formula[c]);
    }
    pack->formula = memo->is_formula ? memo->formula : NULL;
}
