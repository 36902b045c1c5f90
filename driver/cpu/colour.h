/* Replacements of the colour steps. Contract: slots of steps.h. */
#ifndef DLOP_DRIVER_CPU_COLOUR_H
#define DLOP_DRIVER_CPU_COLOUR_H

#include "hw/abi/port.h"

void dlop_cpu_ycc_to_rgbx_plain(const u8 *y, const u8 *cb, const u8 *cr, u32 n_px, u8 *rgbx_out);
void dlop_cpu_grey_to_rgbx_plain(const u8 *grey, u32 n_px, u8 *rgbx_out);

void dlop_cpu_ycc_to_rgbx_avx2(const u8 *y, const u8 *cb, const u8 *cr, u32 n_px, u8 *rgbx_out);
void dlop_cpu_rgb_to_rgbx_avx2(const u8 *r, const u8 *g, const u8 *b, u32 n_px, u8 *rgbx_out);
void dlop_cpu_grey_to_rgbx_avx2(const u8 *grey, u32 n_px, u8 *rgbx_out);
void dlop_cpu_rgbx_to_grey_avx2(u8 *rgbx, u32 n_px);

void dlop_cpu_ycc_to_rgbx_avx512(const u8 *y, const u8 *cb, const u8 *cr, u32 n_px, u8 *rgbx_out);
void dlop_cpu_rgb_to_rgbx_avx512(const u8 *r, const u8 *g, const u8 *b, u32 n_px, u8 *rgbx_out);
void dlop_cpu_rgbx_to_grey_avx512(u8 *rgbx, u32 n_px);

void dlop_cpu_ycc_to_rgbx_neon(const u8 *y, const u8 *cb, const u8 *cr, u32 n_px, u8 *rgbx_out);
void dlop_cpu_rgb_to_rgbx_neon(const u8 *r, const u8 *g, const u8 *b, u32 n_px, u8 *rgbx_out);
void dlop_cpu_grey_to_rgbx_neon(const u8 *grey, u32 n_px, u8 *rgbx_out);
void dlop_cpu_rgbx_to_grey_neon(u8 *rgbx, u32 n_px);

#endif
