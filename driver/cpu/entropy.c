/* Entropy decoding in plain C shaped for a CPU: tables, bit positions, unstuffing, runs of MCUs. */
#include "driver/cpu/entropy.h"

#include <string.h>

#include "driver/cpu/entropy_loop.h"
#include "driver/cpu/idct.h"
#include "hw/core/unstuff.h"

/* AC entries of one symbol: as many as its code has continuations. */
static void fill_ac(struct dlop_cpu_huff *huff, u32 code, u32 entry)
{
    u32 code_bits = DLOP_HUFF_CODE_BITS(entry), size = DLOP_HUFF_SIZE(entry);
    u32 total_bits = code_bits + size;
    u32 spare_bits = DLOP_CPU_AC_LOOKUP_BITS - code_bits;
    u32 advance = DLOP_HUFF_ADVANCE(entry);
    u32 *out = &huff->lookup.ac[code << spare_bits];

    if (advance == DLOP_HUFF_ADVANCE_EOB)
        advance = DLOP_CPU_EOB_ADVANCE;
    for (u32 i = 0; i < 1u << spare_bits; i++) {
        if (entry & DLOP_HUFF_BAD)
            out[i] = DLOP_CPU_BAD_ADVANCE << 8 | code_bits;
        else if (total_bits > DLOP_CPU_AC_LOOKUP_BITS)
            out[i] = size << 16 | advance << 8 | DLOP_CPU_AC_LONG | code_bits;
        else
            out[i] =
                (u32)value_of((u64)i << (64 - spare_bits), size) << 16 | advance << 8 | total_bits;
    }
}

static void fill_dc(struct dlop_cpu_huff *huff, u32 code, u32 entry)
{
    u32 spare_bits = DLOP_CPU_DC_LOOKUP_BITS - DLOP_HUFF_CODE_BITS(entry);

    for (u32 i = 0; i < 1u << spare_bits; i++)
        huff->lookup.dc[(code << spare_bits) + i] = entry;
}

dlop_status dlop_cpu_huff_build(const struct dlop_jpeg_huff *dht, u32 huff_class,
                                struct dlop_cpu_huff *huff_out)
{
    u32 is_ac = huff_class == DLOP_HUFF_AC, code = 0, symbol = 0, bits;
    u32 lookup_bits = is_ac ? DLOP_CPU_AC_LOOKUP_BITS : DLOP_CPU_DC_LOOKUP_BITS;

    if (dlop_huff_assign(dht, huff_class, &huff_out->core) != DLOP_OK)
        return DLOP_ERR_BAD_DATA;
    for (bits = 1; bits <= lookup_bits; bits++) {
        for (u32 i = 0; i < dht->n_codes[bits - 1]; i++, code++, symbol++)
            (is_ac ? fill_ac : fill_dc)(huff_out, code, huff_out->core.entry[symbol]);
        code *= 2;
    }
    /* What is left begins longer codes, or none. */
    for (code /= 2; code < 1u << lookup_bits; code++) {
        if (is_ac)
            huff_out->lookup.ac[code] = DLOP_CPU_AC_LONG;
        else
            huff_out->lookup.dc[code] = 0;
    }
    return DLOP_OK;
}

void dlop_cpu_bits_seek(struct dlop_cpu_scan *scan, u64 position_bits)
{
    scan->bits = (struct dlop_cpu_bits){.next = scan->segment + position_bits / 8};
    refill(&scan->bits);
    drop(&scan->bits, position_bits % 8);
}

u64 dlop_cpu_bits_position(const struct dlop_cpu_scan *scan)
{
    return 8 * (u64)(scan->bits.next - scan->segment) - (scan->bits.n_bits & 63);
}

s32 dlop_cpu_unstuff_end(const u8 *scan, u32 n_scan_bytes, u32 *position, u32 *next_rst)
{
    u32 n_left = n_scan_bytes - *position, marker = n_left >= 2 ? scan[*position + 1] : 0;

    *position += n_left < 2 ? n_left : 2;
    if (n_left == 0)
        return DLOP_END;
    if (marker != DLOP_RST0 + *next_rst)
        return DLOP_ERR_BAD_DATA;
    *next_rst = (*next_rst + 1) & 7;
    return DLOP_OK;
}

s32 dlop_cpu_unstuff_plain(const u8 *scan, u32 n_scan_bytes, u32 *position, u32 *next_rst,
                           u8 *segment_out, u32 *n_bytes_out)
{
    const u8 *in = scan + *position, *end = scan + n_scan_bytes;
    u8 *out = segment_out;

    for (;;) {
        const u8 *ff = in < end ? memchr(in, 0xff, (size_t)(end - in)) : NULL;
        size_t n = (size_t)((ff != NULL ? ff : end) - in);

        if (n > 0)
            memcpy(out, in, n);
        out += n;
        in += n;
        if (ff == NULL || end - ff < 2 || ff[1] != 0)
            break;
        *out++ = 0xff;
        in += 2;
    }
    *position = (u32)(in - scan);
    *n_bytes_out = (u32)(out - segment_out);
    return dlop_cpu_unstuff_end(scan, n_scan_bytes, position, next_rst);
}

u32 dlop_cpu_decode_mcus_plain(struct dlop_cpu_scan *scan, u32 n_mcus)
{
    return run_mcus(scan, n_mcus, dlop_cpu_coef_position_plain, dlop_cpu_idct_plain);
}

u32 dlop_cpu_skip_mcus_plain(struct dlop_cpu_scan *scan, u32 n_mcus)
{
    return skip_mcus(scan, n_mcus);
}
