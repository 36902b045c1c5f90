/* libjpeg-turbo as oracle of the kernel tests: it makes the files, describes them and decodes them.
 *
 * A frame is described from what libjpeg's own header reader found, not by the product's parser, so
 * the two stay independent. Pictures are drawn: gradients, discs and strokes, with photograph-like
 * smooth parts and hard edges.
 */
#ifndef DLOP_TESTS_KERNEL_JPEG_ORACLE_H
#define DLOP_TESTS_KERNEL_JPEG_ORACLE_H

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "hw/abi/jpeg_frame.h"

/* How a file is to be made. */
struct jpeg_case {
    u32 width_px, height_px, n_components;
    u8 h[3], v[3];
    int quality;          /* 1..100, libjpeg's scale */
    u32 quant_percent;    /* not 0: tables of up to 16 bits instead of quality; up to 6000, beyond
                            which the encoder divides by zero */
    u32 restart_interval; /* in MCUs, 0 = none */
    int is_optimised;     /* own Huffman tables instead of the standard ones */
    int has_three_tables; /* each component has Huffman tables of its own (with is_optimised) */
    int is_multi_scan;    /* one scan for each component */
    int is_rgb;           /* components are R, G, B (Adobe marker, transform 0) */
    u32 phase;            /* another picture */
};

struct oracle_error {
    struct jpeg_error_mgr base;
    jmp_buf on_error;
};

static inline void oracle_exit(j_common_ptr common)
{
    longjmp(((struct oracle_error *)common->err)->on_error, 1);
}

static inline void oracle_silence(j_common_ptr common, int level)
{
    if (level < 0)
        common->err->num_warnings++;
}

static inline struct jpeg_error_mgr *oracle_errors(struct oracle_error *error)
{
    jpeg_std_error(&error->base);
    error->base.error_exit = oracle_exit;
    error->base.emit_message = oracle_silence;
    return &error->base;
}

/* Channel c of the drawn picture. */
static inline u8 oracle_pixel(u32 x, u32 y, u32 c, u32 phase)
{
    u32 p = phase * 37 + c * 91;
    u32 dx = (x + p) % 53, dy = (y + phase * 11) % 47;
    s32 level = (s32)((x * (3 + c) + y * (5 - c) + p) % 211) + 20;

    if ((dx - 26) * (dx - 26) + (dy - 23) * (dy - 23) < 150)
        level = (s32)(220 - 60 * c + (dx * dy) % 17);
    if ((x * 7 + y * 3 + phase) % 41 < 3)
        level = c == phase % 3 ? 250 : 5;
    return (u8)(level < 0 ? 0 : level > 255 ? 255 : level);
}

/* One scan for each component, in the order 0, 2, 1. */
static const jpeg_scan_info oracle_scans[3] = {
    {1, {0, 0, 0, 0}, 0, 63, 0, 0}, {1, {2, 0, 0, 0}, 0, 63, 0, 0}, {1, {1, 0, 0, 0}, 0, 63, 0, 0}};

static inline void oracle_configure(struct jpeg_compress_struct *cinfo, const struct jpeg_case *how)
{
    cinfo->image_width = how->width_px;
    cinfo->image_height = how->height_px;
    cinfo->input_components = (int)how->n_components;
    cinfo->in_color_space = how->n_components == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(cinfo);
    if (how->is_rgb)
        jpeg_set_colorspace(cinfo, JCS_RGB);
    jpeg_set_quality(cinfo, how->quality, FALSE);
    if (how->quant_percent)
        jpeg_set_linear_quality(cinfo, (int)how->quant_percent, FALSE);
    cinfo->restart_interval = how->restart_interval;
    cinfo->optimize_coding = how->is_optimised != 0;
    for (u32 i = 0; i < how->n_components; i++) {
        cinfo->comp_info[i].h_samp_factor = how->h[i];
        cinfo->comp_info[i].v_samp_factor = how->v[i];
        if (how->has_three_tables)
            cinfo->comp_info[i].dc_tbl_no = cinfo->comp_info[i].ac_tbl_no = (int)(3 - i);
    }
    if (how->is_multi_scan) {
        cinfo->scan_info = oracle_scans;
        cinfo->num_scans = 3;
    }
}

/* Make a file; *bytes_out is malloc's. 0, or -1 where libjpeg refuses the case. */
static inline int oracle_encode(const struct jpeg_case *how, u8 **bytes_out,
                                unsigned long *n_bytes_out)
{
    struct jpeg_compress_struct cinfo;
    struct oracle_error error;
    u8 *row = malloc((size_t)how->width_px * 3);

    *bytes_out = NULL;
    *n_bytes_out = 0;
    cinfo.err = oracle_errors(&error);
    if (setjmp(error.on_error)) {
        jpeg_destroy_compress(&cinfo);
        free(row);
        free(*bytes_out);
        return -1;
    }
    jpeg_create_compress(&cinfo);
    jpeg_mem_dest(&cinfo, bytes_out, n_bytes_out);
    oracle_configure(&cinfo, how);
    jpeg_start_compress(&cinfo, TRUE);
    for (u32 y = 0; y < how->height_px; y++) {
        for (u32 i = 0; i < how->width_px * how->n_components; i++)
            row[i] = oracle_pixel(i / how->n_components, y, i % how->n_components, how->phase);
        jpeg_write_scanlines(&cinfo, &row, 1);
    }
    jpeg_finish_compress(&cinfo);
    jpeg_destroy_compress(&cinfo);
    free(row);
    return 0;
}

/* Decode with libjpeg's defaults to [height][width][3]. 0 without, 1 with warnings, -1 on an error
 * that ends the decoding. */
static inline int oracle_decode(const u8 *bytes, size_t n_bytes, u8 *rgb)
{
    struct jpeg_decompress_struct cinfo;
    struct oracle_error error;
    int has_warnings;

    cinfo.err = oracle_errors(&error);
    if (setjmp(error.on_error)) {
        jpeg_destroy_decompress(&cinfo);
        return -1;
    }
    jpeg_create_decompress(&cinfo);
    jpeg_mem_src(&cinfo, bytes, n_bytes);
    jpeg_read_header(&cinfo, TRUE);
    cinfo.out_color_space = JCS_RGB;
    jpeg_start_decompress(&cinfo);
    while (cinfo.output_scanline < cinfo.output_height) {
        u8 *row = rgb + (size_t)cinfo.output_scanline * cinfo.output_width * 3;
        jpeg_read_scanlines(&cinfo, &row, 1);
    }
    jpeg_finish_decompress(&cinfo);
    has_warnings = cinfo.err->num_warnings != 0;
    jpeg_destroy_decompress(&cinfo);
    return has_warnings;
}

static const u8 oracle_natural_order[64] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48,
    41, 34, 27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
    30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

static inline u8 oracle_add_table(struct dlop_jpeg_frame *frame, const JHUFF_TBL *table)
{
    struct dlop_jpeg_huff *huff = &frame->huff[frame->n_huff];

    memcpy(huff->n_codes, table->bits + 1, 16);
    memcpy(huff->symbols, table->huffval, 256);
    return frame->n_huff++;
}

/* The scan that libjpeg has just read the header of. */
static inline void oracle_add_scan(struct jpeg_decompress_struct *cinfo, const u8 *bytes,
                                   u32 n_bytes, u32 bytes_offset, struct dlop_jpeg_frame *frame)
{
    struct dlop_jpeg_scan *scan = &frame->scan[frame->n_scans++];
    u32 at = (u32)(cinfo->src->next_input_byte - bytes);

    scan->begin_bytes = at + bytes_offset;
    while (at + 1 < n_bytes && (bytes[at] != 0xff || bytes[at + 1] == 0 ||
                                (bytes[at + 1] >= 0xd0 && bytes[at + 1] <= 0xd7)))
        at++;
    scan->end_bytes = at + bytes_offset;
    scan->restart_interval = cinfo->restart_interval;
    scan->n_components = (u8)cinfo->comps_in_scan;
    for (int i = 0; i < cinfo->comps_in_scan; i++) {
        const jpeg_component_info *c = cinfo->cur_comp_info[i];
        scan->component[i] = (u8)c->component_index;
        scan->dc_table[i] = oracle_add_table(frame, cinfo->dc_huff_tbl_ptrs[c->dc_tbl_no]);
        scan->ac_table[i] = oracle_add_table(frame, cinfo->ac_huff_tbl_ptrs[c->ac_tbl_no]);
        for (int k = 0; k < 64; k++)
            frame->quant[c->component_index][k] = c->quant_table->quantval[oracle_natural_order[k]];
    }
}

static inline void oracle_add_sizes(const struct jpeg_decompress_struct *cinfo,
                                    struct dlop_jpeg_frame *frame)
{
    frame->width_px = cinfo->image_width;
    frame->height_px = cinfo->image_height;
    frame->n_components = (u8)cinfo->num_components;
    frame->colour = cinfo->jpeg_color_space == JCS_GRAYSCALE ? DLOP_JPEG_GREY
                    : cinfo->jpeg_color_space == JCS_RGB     ? DLOP_JPEG_RGB
                                                             : DLOP_JPEG_YCC;
    frame->h_max = (u8)cinfo->max_h_samp_factor;
    frame->v_max = (u8)cinfo->max_v_samp_factor;
    for (int i = 0; i < cinfo->num_components; i++) {
        frame->component[i].h = (u8)cinfo->comp_info[i].h_samp_factor;
        frame->component[i].v = (u8)cinfo->comp_info[i].v_samp_factor;
        frame->component[i].quant = (u8)i;
    }
}

/* Describe a sound file whose first byte will stand bytes_offset after the frame. 0, or -1. */
static inline int oracle_describe(const u8 *bytes, u32 n_bytes, u32 bytes_offset,
                                  struct dlop_jpeg_frame *frame)
{
    struct jpeg_decompress_struct cinfo;
    struct oracle_error error;
    int status;

    memset(frame, 0, sizeof *frame);
    cinfo.err = oracle_errors(&error);
    if (setjmp(error.on_error)) {
        jpeg_destroy_decompress(&cinfo);
        return -1;
    }
    jpeg_create_decompress(&cinfo);
    jpeg_mem_src(&cinfo, bytes, n_bytes);
    jpeg_read_header(&cinfo, TRUE);
    cinfo.buffered_image = TRUE;
    jpeg_start_decompress(&cinfo);
    oracle_add_sizes(&cinfo, frame);
    oracle_add_scan(&cinfo, bytes, n_bytes, bytes_offset, frame);
    while ((status = jpeg_consume_input(&cinfo)) != JPEG_REACHED_EOI)
        if (status == JPEG_REACHED_SOS)
            oracle_add_scan(&cinfo, bytes, n_bytes, bytes_offset, frame);
    jpeg_destroy_decompress(&cinfo);
    return 0;
}

#endif
