/* The table of replaceable steps: which code runs for each of them on this processor.
 *
 * dlop_cpu_steps_init fills every slot with the reference of hw/core (but axis_x_rgb, which is a
 * shorter way that some levels have) and then overwrites those for which a replacement exists that
 * the mask (enum dlop_cpu_vector) allows and the processor can run.
 * Each replacement equals the reference on all inputs that its slot allows; tests/kernel proves it.
 * A table never changes after it was filled and may be read by all threads.
 *
 * Rows: unless a slot says otherwise, DLOP_CPU_STEP_SLACK_BYTES behind the end of an input row may
 * be read, and as many behind the end of an output row may be overwritten.
 */
#ifndef DLOP_DRIVER_CPU_STEPS_H
#define DLOP_DRIVER_CPU_STEPS_H

#include "driver/cpu/cpu.h"
#include "driver/cpu/entropy.h"

#define DLOP_CPU_STEP_SLACK_BYTES 64

struct dlop_cpu_axis;
struct dlop_cpu_pack;
struct dlop_cpu_pack_memo;

struct dlop_cpu_steps {
    /* ---- JPEG, coded: driver/cpu/entropy.h ---- */

    /* As dlop_unstuff_segment of hw/core. */
    s32 (*unstuff)(const u8 *scan, u32 n_scan_bytes, u32 *position, u32 *next_rst, u8 *segment_out,
                   u32 *n_bytes_out);
    dlop_status (*huff_build)(const struct dlop_jpeg_huff *dht, u32 huff_class,
                              struct dlop_cpu_huff *huff_out);
    u32 (*decode_mcus)(struct dlop_cpu_scan *scan, u32 n_mcus);
    u32 (*skip_mcus)(struct dlop_cpu_scan *scan, u32 n_mcus);

    /* ---- JPEG, samples ---- */

    /* [64]: where the i-th coefficient in zigzag order stands in a block of decode_mcus and idct,
     * and its quantiser in struct dlop_cpu_quant. */
    const u8 *coef_position;
    /* Dequantise and transform one block; coef, quant: 32-byte aligned. samples: 8 rows of 8,
     * stride_bytes apart, always written. Returns 0, or 1 where the record must be refused. */
    u32 (*idct)(const s16 *coef, const struct dlop_cpu_quant *quant, u8 *samples,
                size_t stride_bytes);
    /* Rows of twice as many samples: out[2 i] and out[2 i + 1] from in[i] and its neighbours.
     * in[-1] and in[n] are read: the caller repeats the edge there. n samples in. */
    void (*upsample_h2v1)(const u8 *in, u32 n, u8 *out);
    void (*upsample_h2v2)(const u8 *near_row, const u8 *far_row, u32 n, u8 *out);
    /* is_odd: parity of the output row. */
    void (*upsample_h1v2)(const u8 *near_row, const u8 *far_row, u32 is_odd, u32 n, u8 *out);

    /* ---- colour: rgbx is [n_px][4], the fourth byte 255 ---- */

    void (*ycc_to_rgbx)(const u8 *y, const u8 *cb, const u8 *cr, u32 n_px, u8 *rgbx_out);
    void (*rgb_to_rgbx)(const u8 *r, const u8 *g, const u8 *b, u32 n_px, u8 *rgbx_out);
    void (*grey_to_rgbx)(const u8 *grey, u32 n_px, u8 *rgbx_out);
    void (*rgbx_to_grey)(u8 *rgbx, u32 n_px); /* in place */

    /* ---- pixels to tensor: driver/cpu/axis.h, driver/cpu/pack.h ---- */

    void (*pixels_to_rgbx)(const u8 *pixels, u32 n_channels, u32 n_px, u8 *rgbx_out);
    void (*axis_x_plan)(struct dlop_cpu_axis *axis);
    void (*axis_x)(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out);
    void (*axis_x_rgb)(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out);
    void (*axis_y)(const struct dlop_cpu_axis *axis, u32 o, const u8 *const *rows, size_t n_bytes,
                   u8 *row_out);
    void (*pack_plan)(struct dlop_cpu_pack *pack, struct dlop_cpu_pack_memo *memo);
    void (*pack)(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out);
};

/* vector_mask: enum dlop_cpu_vector; bits for what the processor or the build lacks are ignored.
 * Any thread. */
void dlop_cpu_steps_init(u32 vector_mask, struct dlop_cpu_steps *steps_out);

/* The vector_mask bits that have code here and can run on this processor. */
u32 dlop_cpu_steps_usable(void);

/* Name of the i-th level of replacements that this build has, or null past the last, and the
 * vector_mask that allows it and what it stands on, but nothing better. Any thread. */
const char *dlop_cpu_steps_level(u32 i, u32 *vector_mask_out);

#endif
