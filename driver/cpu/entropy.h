/* Entropy-coded segments on the CPU: the bit reader, the lookup tables and one scan in progress.
 *
 * Same results as the steps of hw/core, in another shape. Bytes are unstuffed by a pass of their
 * own, so that the reader fetches eight at a time without looking at them. One lookup of 11 bits
 * gives code and value together for almost every coefficient. Coefficients are stored as coded, at
 * the place where the inverse DCT wants them; it multiplies by the quantisers itself.
 *
 * Hostile input: a block reads at most DLOP_CPU_BLOCK_MAX_BYTES, whatever its bits say; the reader
 * stands at most one MCU behind the last byte of its segment when it is checked again; positions
 * past the last coefficient lead to a dummy.
 */
#ifndef DLOP_DRIVER_CPU_ENTROPY_H
#define DLOP_DRIVER_CPU_ENTROPY_H

#include <stddef.h>

#include "driver/driver.h"
#include "hw/abi/jpeg_frame.h"
#include "hw/core/huff_table.h"

/* Bits of the lookups for one symbol, and for as many AC symbols as fit. */
#define DLOP_CPU_LOOKUP_BITS 9
#define DLOP_CPU_GROUP_BITS  11

/* A DC difference takes at most 16 + 11 bits, each of 63 coefficients 16 + 10. */
#define DLOP_CPU_BLOCK_MAX_BYTES 209
/* Readable bytes that follow a segment in memory: one MCU begun at its end, the eight bytes that a
 * refill loads, and the fewer than eight by which `next` may stand behind the consumed bits. */
#define DLOP_CPU_SEGMENT_SLACK_BYTES (DLOP_JPEG_MAX_BLOCKS_PER_MCU * DLOP_CPU_BLOCK_MAX_BYTES + 24)

/* A group: one or two AC coefficients and, where it follows within the lookup, the end of the
 * block.
 *     bits  0-5   bits to drop, DLOP_CPU_GROUP_MAX_BITS at most
 *     bits  8-15  how far the coefficient index advances in all
 *     bits 16-23  how far for the first coefficient, whose value first[] says
 *     bits 24-31  value of the second, 0 where there is none
 * In first[] n bits of the value may be missing, those that follow the lookup:
 *     bits  0-4   31 - n
 *     bits  5-15  the value with n zeros in their place, a signed number
 * DLOP_CPU_LONG: the code is longer than the lookup, or all of its value follows, or it is none. */
#define DLOP_CPU_LONG           0x80u
#define DLOP_CPU_GROUP_MAX_BITS 20 /* a code of 10 bits and a value of 10 */

/* The index after a step, where it is above 63:
 *     64         all coefficients were coded
 *     65..96     beyond the block: the step's first coefficient was the block's last, or damage
 *     129..191   an end of block: 128 more than without
 *     others     beyond the block and then an end of block, or a step that is no group at all */
#define DLOP_CPU_END_ADVANCE 128u
#define DLOP_CPU_NO_ADVANCE  255u
#define DLOP_CPU_N_INDICES   (64u + DLOP_CPU_NO_ADVANCE)
/* An end of block alone: it says zero for the next coefficient, so that nothing is overwritten. */
#define DLOP_CPU_END_ALONE          (0x00010100u * (DLOP_CPU_END_ADVANCE + 1))
#define DLOP_CPU_IS_COMPLETE(index) ((index) == 64 || (index) - (DLOP_CPU_END_ADVANCE + 1) < 63)

/* A block's coefficients and behind them the dummy, 64-byte aligned. */
#define DLOP_CPU_COEF_DUMMY 64u
#define DLOP_CPU_COEF_ROOM  96u

/* Decode tables of one Huffman table; DC tables have the first two parts only. */
struct dlop_cpu_huff {
    struct dlop_huff_table core;          /* the CPU's form leaves core.lookup alone */
    u32 entry[1 << DLOP_CPU_LOOKUP_BITS]; /* as core.entry; 0: longer, or no code */
    u32 group[1 << DLOP_CPU_GROUP_BITS];
    s16 first[1 << DLOP_CPU_GROUP_BITS];
    u16 skip[1 << DLOP_CPU_GROUP_BITS]; /* bits 0-5: bits to drop; 8-15: advance of the index */
};

/* The next bits of a segment, most significant first. A refill leaves 64 true bits, and at most two
 * symbols, which take 20 and 26 bits, come before the next one: when a lookup is made before the
 * refill, so that it need not wait for it, its 16 bits are true. */
struct dlop_cpu_bits {
    u64 window;     /* bits below the first n_bits are the true next ones or zero */
    u64 n_bits;     /* modulo 64; higher bits are noise */
    const u8 *next; /* first byte of which no bit counts as loaded */
};

/* Quantisers in the order of steps->coef_position, and the largest coded value that each allows:
 * floor(16383 / quantiser). */
struct dlop_cpu_quant {
    _Alignas(32) u16 factor[64];
    _Alignas(32) u16 limit[64];
    u32 is_limit_needed; /* some AC value that can be coded exceeds its limit */
};

/* One block of an MCU. */
struct dlop_cpu_block {
    const struct dlop_cpu_huff *dc, *ac;
    const struct dlop_cpu_quant *quant;
    u8 *samples; /* of the next MCU, unless its blocks are skipped */
    size_t stride_bytes;
    u32 step_bytes; /* from one MCU's samples to the next's */
    u32 component;  /* index into dc_pred */
};

/* A scan in progress: everything that a run of MCUs needs. */
struct dlop_cpu_scan {
    struct dlop_cpu_bits bits;
    const u8 *segment; /* unstuffed bytes of the restart segment, as far as they are known */
    u32 n_segment_bytes;
    const u8 *limit; /* a run ends before an MCU when bits.next stands behind it */
    u32 n_blocks;    /* per MCU */
    s32 dc_pred[DLOP_JPEG_MAX_COMPONENTS];
    dlop_status status; /* DLOP_OK until a run refuses a block */
    struct dlop_cpu_block block[DLOP_JPEG_MAX_BLOCKS_PER_MCU];
};

/* Fill a decode table. DLOP_OK, or DLOP_ERR_BAD_DATA as dlop_huff_build of hw/core. */
dlop_status dlop_cpu_huff_build(const struct dlop_jpeg_huff *dht, u32 huff_class,
                                struct dlop_cpu_huff *huff_out) DLOP_MUST_USE;

/* Stand at the given bit of scan->segment. */
void dlop_cpu_bits_seek(struct dlop_cpu_scan *scan, u64 position_bits);

/* Position of the next bit, counted from the first of scan->segment. */
u64 dlop_cpu_bits_position(const struct dlop_cpu_scan *scan);

/* Decode up to n_mcus MCUs of a scan: entropy and, unless they are skipped, inverse DCT into the
 * planes. Returns how many were begun and ended; fewer where the segment's bytes are used up
 * (scan->limit) or where scan->status is no longer DLOP_OK. These are slots of dlop_cpu_steps. */
u32 dlop_cpu_decode_mcus_plain(struct dlop_cpu_scan *scan, u32 n_mcus);
u32 dlop_cpu_skip_mcus_plain(struct dlop_cpu_scan *scan, u32 n_mcus);
u32 dlop_cpu_decode_mcus_avx2(struct dlop_cpu_scan *scan, u32 n_mcus);
u32 dlop_cpu_skip_mcus_avx2(struct dlop_cpu_scan *scan, u32 n_mcus);
u32 dlop_cpu_decode_mcus_neon(struct dlop_cpu_scan *scan, u32 n_mcus); /* idct_neon.c */

/* End of an unstuffing: step over what stands at *position, the scan's end or a 0xFF that no zero
 * follows. Statuses of dlop_unstuff_segment. */
s32 dlop_cpu_unstuff_end(const u8 *scan, u32 n_scan_bytes, u32 *position, u32 *next_rst);

/* Replacement of dlop_unstuff_segment in hw/core, with the same parameters; 64 bytes behind the
 * bytes written may be overwritten. */
s32 dlop_cpu_unstuff_plain(const u8 *scan, u32 n_scan_bytes, u32 *position, u32 *next_rst,
                           u8 *segment_out, u32 *n_bytes_out);
s32 dlop_cpu_unstuff_avx2(const u8 *scan, u32 n_scan_bytes, u32 *position, u32 *next_rst,
                          u8 *segment_out, u32 *n_bytes_out);
s32 dlop_cpu_unstuff_avx512(const u8 *scan, u32 n_scan_bytes, u32 *position, u32 *next_rst,
                            u8 *segment_out, u32 *n_bytes_out);

#endif
