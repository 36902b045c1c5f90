/* Tables of the JPEG decoder. Building a decode table costs as much as a few thousand symbols, and
 * files that an encoder wrote with its standard tables all have the same ones: the last tables are
 * kept and found by their bytes. */
#include <string.h>

#include "driver/cpu/jpeg_internal.h"
#include "hw/core/dequantise.h"

static bool is_same_source(const struct dlop_jpeg_huff *a, const struct dlop_jpeg_huff *b)
{
    u32 n_symbols = 0;

    for (u32 i = 0; i < 16; i++)
        n_symbols += a->n_codes[i];
    return n_symbols <= sizeof(a->symbols) &&
           memcmp(a->n_codes, b->n_codes, sizeof(a->n_codes)) == 0 &&
           memcmp(a->symbols, b->symbols, n_symbols) == 0;
}

dlop_status dlop_cpu_jpeg_table(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                                const struct dlop_jpeg_huff *source, u32 huff_class,
                                const struct dlop_cpu_huff **huff_out)
{
    struct dlop_cpu_kept_table *kept = huff_class == DLOP_HUFF_AC ? jpeg->ac : jpeg->dc;
    struct dlop_cpu_kept_table *oldest = &kept[0];
    dlop_status status;

    jpeg->n_table_uses++;
    for (u32 i = 0; i < DLOP_CPU_KEPT_TABLES; i++) {
        if (kept[i].build == steps->huff_build && is_same_source(source, &kept[i].source)) {
            kept[i].last_use = jpeg->n_table_uses;
            *huff_out = &kept[i].huff;
            return DLOP_OK;
        }
        if (kept[i].last_use < oldest->last_use)
            oldest = &kept[i];
    }
    oldest->build = NULL;
    status = steps->huff_build(source, huff_class, &oldest->huff);
    if (status != DLOP_OK)
        return status;
    oldest->build = steps->huff_build;
    oldest->source = *source;
    oldest->last_use = jpeg->n_table_uses;
    *huff_out = &oldest->huff;
    return DLOP_OK;
}

void dlop_cpu_quant_init(const struct dlop_cpu_steps *steps, const u16 *zigzag,
                         struct dlop_cpu_quant *quant_out)
{
    const u32 max_ac = (1u << DLOP_HUFF_MAX_AC_SIZE) - 1;

    quant_out->is_limit_needed = 0;
    for (u32 i = 0; i < 64; i++) {
        u32 at = steps->coef_position[i], factor = zigzag[i];
        u32 limit = factor == 0 ? DLOP_DEQUANTISE_MAX : DLOP_DEQUANTISE_MAX / factor;

        quant_out->factor[at] = (u16)factor;
        quant_out->limit[at] = (u16)limit;
        if (i > 0 && limit < max_ac)
            quant_out->is_limit_needed = 1;
    }
}
