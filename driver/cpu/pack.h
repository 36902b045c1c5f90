/* Rows of pixels to elements of the tensor: what the pack step works on.
 *
 * Rows are RGBX pixels, readable up to dlop_cpu_row_bytes (axis.h). A step writes exactly the
 * elements of its row, at any alignment.
 */
#ifndef DLOP_DRIVER_CPU_PACK_H
#define DLOP_DRIVER_CPU_PACK_H

#include <stdbool.h>
#include <stddef.h>

#include "hw/abi/abi.h"

/* A channel's table of floats that is a formula, in a form that needs no division; see
 * pack_formula.c. */
struct dlop_cpu_pack_formula {
    float mean;
    float scale_high, scale_low;
};

/* What a worker found out about the last table of floats, kept while records use equal ones. */
struct dlop_cpu_pack_memo {
    u8 table[sizeof(float) * 256 * DLOP_MAX_CHANNELS];
    u32 n_channels; /* of table; 0: nothing yet */
    bool is_formula;
    struct dlop_cpu_pack_formula formula[DLOP_MAX_CHANNELS];
    u8 byte_planes[DLOP_MAX_CHANNELS][4][256]; /* see struct dlop_cpu_pack */
};

struct dlop_cpu_pack {
    const struct dlop_job *job; /* checked */
    const u8 *table;            /* [out_channels][256] elements of element_bytes */
    u32 n_px, n_channels;       /* of a row */
    bool is_identity;           /* 8-bit elements whose table changes nothing */
    /* [n_channels] where 32-bit elements are floats that these formulas give exactly, else null. */
    const struct dlop_cpu_pack_formula *formula;
    /* [n_channels][element_bytes][256]: each byte of the elements as a table of its own, where a
     * step works that way (pack_look_up_avx512.c), else null. */
    const u8 (*byte_planes)[4][256];
};

/* job and table must stay. */
void dlop_cpu_pack_init(struct dlop_cpu_pack *pack, const struct dlop_job *job, const u8 *table);

/* ---- steps: slots pack_plan, pack and pixels_to_rgbx of struct dlop_cpu_steps ---- */

/* pack_plan: look for what is special about the table. memo: of this worker, zeroed at first; must
 * stay as long as pack. */
void dlop_cpu_pack_plan_none(struct dlop_cpu_pack *pack, struct dlop_cpu_pack_memo *memo);
void dlop_cpu_pack_plan_avx2(struct dlop_cpu_pack *pack, struct dlop_cpu_pack_memo *memo);
void dlop_cpu_pack_plan_avx512(struct dlop_cpu_pack *pack, struct dlop_cpu_pack_memo *memo);
void dlop_cpu_pack_plan_neon(struct dlop_cpu_pack *pack, struct dlop_cpu_pack_memo *memo);

/* Whether a pack step's own instructions make table, 256 floats, of the formula, bit for bit. */
typedef bool dlop_cpu_formula_check(const struct dlop_cpu_pack_formula *formula, const u8 *table);
/* Body of the pack_plan slots: find the formulas of a table of floats. */
void dlop_cpu_pack_plan_formula(struct dlop_cpu_pack *pack, struct dlop_cpu_pack_memo *memo,
                                dlop_cpu_formula_check *gives);

/* pack: row y of the record's output. out: the whole output of the record. */
void dlop_cpu_pack_reference(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out);
void dlop_cpu_pack_plain(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out);
void dlop_cpu_pack_avx2(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out);
void dlop_cpu_pack_avx512(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out);
void dlop_cpu_pack_neon(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out);

/* What a vector level's pack step is made of. */
struct dlop_cpu_pack_parts {
    /* Floats by formula, where pack->formula is not null; out: the row's, of the first plane. */
    void (*formula_to_planes)(const struct dlop_cpu_pack *pack, const u8 *row, float *out);
    void (*formula_to_rgb)(const struct dlop_cpu_pack *pack, const u8 *row, float *out);
    /* As the step: any table. */
    void (*by_table)(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out);
    /* Bytes that stay as they are: n_channels 1 or 3 of RGBX, plane_bytes apart, and RGB. */
    void (*to_planes)(const u8 *row, u32 n_px, u32 n_channels, size_t plane_bytes, u8 *out);
    void (*to_rgb)(const u8 *row, u32 n_px, u8 *out);
};
/* Body of such a step: the part that fits. */
void dlop_cpu_pack_by_parts(const struct dlop_cpu_pack_parts *parts,
                            const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out);
void dlop_cpu_formula_to_planes_avx2(const struct dlop_cpu_pack *pack, const u8 *row, float *out);
void dlop_cpu_formula_to_rgb_avx2(const struct dlop_cpu_pack *pack, const u8 *row, float *out);
void dlop_cpu_formula_to_planes_avx512(const struct dlop_cpu_pack *pack, const u8 *row, float *out);
void dlop_cpu_formula_to_rgb_avx512(const struct dlop_cpu_pack *pack, const u8 *row, float *out);
void dlop_cpu_formula_to_planes_neon(const struct dlop_cpu_pack *pack, const u8 *row, float *out);
void dlop_cpu_formula_to_rgb_neon(const struct dlop_cpu_pack *pack, const u8 *row, float *out);

/* pixels_to_rgbx: [n_px][n_channels] to [n_px][4], the fourth byte 255; n_channels 1 or 3. The
 * source may end right after its last byte; the slack behind rgbx_out may be overwritten. */
void dlop_cpu_pixels_to_rgbx_avx2(const u8 *pixels, u32 n_channels, u32 n_px, u8 *rgbx_out);
void dlop_cpu_pixels_to_rgbx_avx512(const u8 *pixels, u32 n_channels, u32 n_px, u8 *rgbx_out);
void dlop_cpu_pixels_to_rgbx_neon(const u8 *pixels, u32 n_channels, u32 n_px, u8 *rgbx_out);

#endif
