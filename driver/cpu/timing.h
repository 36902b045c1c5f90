/* Times single steps on the parts of one real photograph, at any level of replacements.
 *
 * A material is a photograph taken apart: unstuffed bytes, coefficients, planes, rows of pixels. A
 * timing runs one slot of struct dlop_cpu_steps over it again and again and gives the least time,
 * since what makes a pass longer is the machine. Part of libdlop_bench.so only.
 */
#ifndef DLOP_DRIVER_CPU_TIMING_H
#define DLOP_DRIVER_CPU_TIMING_H

#include "driver/driver.h"
#include "hw/abi/jpeg_frame.h"

/* Rows of an axis or of packing: what a usual training asks for. */
#define DLOP_CPU_TIMING_OUT_PX 224
/* The longest source row of an axis, and its longest span. */
#define DLOP_CPU_TIMING_MAX_IN_PX 7680
#define DLOP_CPU_TIMING_MAX_TAPS  256

enum dlop_cpu_timed_step {
    DLOP_CPU_TIMED_UNSTUFF,     /* per byte of the file */
    DLOP_CPU_TIMED_HUFF_DC,     /* per table */
    DLOP_CPU_TIMED_HUFF_AC,     /* per table */
    DLOP_CPU_TIMED_DECODE_MCUS, /* entropy and inverse DCT, per block */
    DLOP_CPU_TIMED_SKIP_MCUS,   /* per block */
    DLOP_CPU_TIMED_IDCT,        /* per block */
    DLOP_CPU_TIMED_H2V1,        /* per sample out, as the next two */
    DLOP_CPU_TIMED_H2V2,
    DLOP_CPU_TIMED_H1V2,
    DLOP_CPU_TIMED_YCC, /* per pixel, as all that follow */
    DLOP_CPU_TIMED_RGB,
    DLOP_CPU_TIMED_GREY,
    DLOP_CPU_TIMED_TO_GREY,
    DLOP_CPU_TIMED_PIXELS,
    DLOP_CPU_TIMED_AXIS_PLAN, /* reading an axis table, per output */
    DLOP_CPU_TIMED_AXIS_X,    /* per output */
    DLOP_CPU_TIMED_AXIS_Y,    /* per output */
    DLOP_CPU_TIMED_PACK_PLAN, /* looking at a pack table, per table */
    DLOP_CPU_TIMED_PACK,      /* per pixel of three elements */
    DLOP_CPU_TIMED_COUNT
};

/* What to time. */
struct dlop_cpu_timing {
    u32 step; /* enum dlop_cpu_timed_step */
    /* Axis steps: a checked filter table from at most DLOP_CPU_TIMING_MAX_IN_PX positions to at
     * most DLOP_CPU_TIMING_OUT_PX, of at most DLOP_CPU_TIMING_MAX_TAPS taps, at an address
     * divisible by 4. */
    const u8 *axis_table;
    /* Packing: layout, element size and table of [3][256] elements. */
    u32 layout, element_bytes;
    const u8 *pack_table;
};

struct dlop_cpu_material;

/* Take a photograph apart. frame, checked by the parser, with n_bytes from it on, padding included,
 * must stay until close. DLOP_OK; DLOP_ERR_UNSUPPORTED: not one scan without restart markers;
 * DLOP_ERR_NO_MEMORY, or what the decoder says of the frame. */
dlop_status dlop_cpu_material_open(const struct dlop_jpeg_frame *frame, size_t n_bytes,
                                   struct dlop_cpu_material **material_out) DLOP_MUST_USE;
/* Accepts null, sets *material to null. */
void dlop_cpu_material_close(struct dlop_cpu_material **material);

/* Level i of the table of steps, the reference first: its name, or null past the last, its vector
 * mask, and whether this processor has it. */
const char *dlop_cpu_timing_level(u32 i, u32 *vector_mask_out, u32 *is_usable_out);

/* Name and unit of a step. */
const char *dlop_cpu_timed_name(u32 step);
const char *dlop_cpu_timed_unit(u32 step);

/* Run passes for at least least_ns of this thread's processor time. *ns_out: of a pass, the least
 * of several stretches; *n_units_out: units of a pass. DLOP_OK; DLOP_ERR_ARGUMENT;
 * DLOP_ERR_INTERNAL: the step refused what it must take. */
dlop_status dlop_cpu_timing_run(struct dlop_cpu_material *material,
                                const struct dlop_cpu_timing *timing, u32 vector_mask, u64 least_ns,
                                double *ns_out, double *n_units_out) DLOP_MUST_USE;

#endif
