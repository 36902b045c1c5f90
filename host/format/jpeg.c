/* Parser of JPEG files: one walk over the segments, one over the entropy-coded bytes.
 *
 * A row of marker_rows says what each marker means to us. The walk over the entropy-coded bytes is
 * what makes "Pillow is certain to decode it" true without decoding: libjpeg only warns about bad
 * codes, but raises or waits for more data where markers are missing or unexpected. A crop-aware
 * decoder never sees the rows below its crop, so nobody would notice later.
 *
 * Not here: application segments (jpeg_app.c), tables (jpeg_tables.c), the search for markers
 * (marker.c), other files (magic.c).
 */
#include "host/format/jpeg.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host/format/bytes.h"
#include "host/format/jpeg_app.h"
#include "host/format/jpeg_tables.h"
#include "host/format/magic.h"
#include "host/format/marker.h"
#include "host/include/dlop.h"

enum { MARKER_RST0 = 0xD0, MARKER_SOI = 0xD8, MARKER_EOI = 0xD9 };

struct parser {
    const uint8_t *bytes;
    size_t n_bytes;
    size_t at; /* next byte to look at */
    uint32_t bytes_offset;
    struct dlop_jpeg_frame *frame;
    char *reason;

    struct dlop_jpeg_app app;
    struct dlop_jpeg_tables tables;
    uint32_t restart_interval;
    uint8_t component_id[DLOP_JPEG_MAX_COMPONENTS];
    uint32_t components_done; /* bit i: component i has had its scan */
    uint32_t n_components_done;
};

/* The bytes after a marker's length field. */
struct segment {
    uint32_t marker;
    const uint8_t *body;
    size_t n_bytes;
};

typedef dlop_status (*segment_fn)(struct parser *parser, const struct segment *segment);

__attribute__((format(printf, 3, 4))) static dlop_status
refuse(struct parser *parser, dlop_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(parser->reason, DLOP_REASON_BYTES, format, arguments);
    va_end(arguments);
    return status;
}

static uint32_t div_up(uint32_t a, uint32_t b)
{
    return (a + b - 1) / b;
}

/* ---- frame header ---- */

/* Sampling factors of all components, once they are known to be 1..4. */
static dlop_status check_sampling(struct parser *parser)
{
    struct dlop_jpeg_frame *frame = parser->frame;
    uint32_t n_blocks = 0;

    for (int i = 0; i < frame->n_components; i++) {
        const struct dlop_jpeg_component *component = &frame->component[i];
        if (frame->h_max % component->h != 0 || frame->v_max % component->v != 0)
            return refuse(parser, DLOP_ERR_UNSUPPORTED, "sampling ratios that are not whole");
        n_blocks += (uint32_t)component->h * component->v;
    }
    if (n_blocks > DLOP_JPEG_MAX_BLOCKS_PER_MCU)
        return refuse(parser, DLOP_ERR_UNSUPPORTED, "more than 10 blocks in a unit");
    return DLOP_OK;
}

static dlop_status read_component(struct parser *parser, int index, const uint8_t *description)
{
    struct dlop_jpeg_frame *frame = parser->frame;
    struct dlop_jpeg_component *component = &frame->component[index];

    for (int i = 0; i < index; i++)
        if (parser->component_id[i] == description[0])
            return refuse(parser, DLOP_ERR_BAD_DATA, "two components of one number");
    parser->component_id[index] = description[0];
    component->h = description[1] >> 4;
    component->v = description[1] & 15;
    component->quant = description[2];
    if (component->h < 1 || component->h > 4 || component->v < 1 || component->v > 4)
        return refuse(parser, DLOP_ERR_BAD_DATA, "sampling factor out of range");
    if (component->quant >= DLOP_JPEG_MAX_QUANT_TABLES)
        return refuse(parser, DLOP_ERR_BAD_DATA, "quantisation table number out of range");
    /* A lone component is not interleaved: its unit is one block whatever its factors say. */
    if (frame->n_components == 1)
        component->h = component->v = 1;
    if (component->h > frame->h_max)
        frame->h_max = component->h;
    if (component->v > frame->v_max)
        frame->v_max = component->v;
    return DLOP_OK;
}

/* SOF0, SOF1: precision, height, width, number of components, three bytes for each. */
static dlop_status read_frame(struct parser *parser, const struct segment *segment)
{
    struct dlop_jpeg_frame *frame = parser->frame;
    const uint8_t *body = segment->body;

    if (frame->n_components != 0)
        return refuse(parser, DLOP_ERR_BAD_DATA, "second frame header");
    if (segment->n_bytes < 6)
        return refuse(parser, DLOP_ERR_BAD_DATA, "frame header of a wrong length");
    uint32_t n_components = body[5];
    if (body[0] != 8)
        return refuse(parser, DLOP_ERR_UNSUPPORTED, "%u-bit JPEG", body[0]);
    if (n_components == 4)
        return refuse(parser, DLOP_ERR_UNSUPPORTED, "CMYK JPEG");
    if (n_components != 1 && n_components != 3)
        return refuse(parser, DLOP_ERR_UNSUPPORTED, "JPEG of %u components", n_components);
    if (segment->n_bytes != 6 + 3 * (size_t)n_components)
        return refuse(parser, DLOP_ERR_BAD_DATA, "frame header of a wrong length");

    frame->height_px = dlop_be16(body + 1);
    frame->width_px = dlop_be16(body + 3);
    if (frame->height_px == 0)
        return refuse(parser, DLOP_ERR_UNSUPPORTED, "height that follows the scan or is 0");
    if (frame->width_px == 0)
        return refuse(parser, DLOP_ERR_BAD_DATA, "width of 0");
    if (frame->height_px > DLOP_MAX_SIDE_PX || frame->width_px > DLOP_MAX_SIDE_PX)
        return refuse(parser, DLOP_ERR_LIMIT, "%u x %u pixels are over the limit", frame->width_px,
                      frame->height_px);

    frame->n_components = (uint8_t)n_components;
    const uint8_t *description = body + 6;
    for (int i = 0; i < frame->n_components; i++, description += 3) {
        dlop_status status = read_component(parser, i, description);
        if (status != DLOP_OK)
            return status;
    }
    return check_sampling(parser);
}

/* ---- tables and other small segments ---- */

static dlop_status read_huff(struct parser *parser, const struct segment *segment)
{
    const char *reason =
        dlop_jpeg_tables_take_huff(&parser->tables, segment->body, segment->n_bytes);
    return reason == NULL ? DLOP_OK : refuse(parser, DLOP_ERR_BAD_DATA, "%s", reason);
}

static dlop_status read_quant(struct parser *parser, const struct segment *segment)
{
    /* A frame has one set of quantisation tables for all its scans. */
    if (parser->frame->n_scans > 0)
        return refuse(parser, DLOP_ERR_UNSUPPORTED, "quantisation tables between scans");
    const char *reason = dlop_jpeg_tables_take_quant(&parser->tables, segment->body,
                                                     segment->n_bytes, parser->frame);
    return reason == NULL ? DLOP_OK : refuse(parser, DLOP_ERR_BAD_DATA, "%s", reason);
}

static dlop_status read_restart_interval(struct parser *parser, const struct segment *segment)
{
    if (segment->n_bytes != 2)
        return refuse(parser, DLOP_ERR_BAD_DATA, "restart interval segment of a wrong length");
    parser->restart_interval = dlop_be16(segment->body);
    return DLOP_OK;
}

static dlop_status read_app(struct parser *parser, const struct segment *segment)
{
    if (parser->frame->n_scans > 0)
        return DLOP_OK; /* Pillow has stopped looking, and libjpeg has decided on the colours */
    const char *reason =
        dlop_jpeg_app_check(segment->marker & 15, segment->body, segment->n_bytes, &parser->app);
    return reason == NULL ? DLOP_OK : refuse(parser, DLOP_ERR_UNSUPPORTED, "%s", reason);
}

static dlop_status skip_comment(struct parser *parser, const struct segment *segment)
{
    (void)parser, (void)segment;
    return DLOP_OK;
}

/* ---- scans ---- */

/* As libjpeg guesses: JFIF is YCbCr, then Adobe's word counts, then the components' numbers. */
static enum dlop_jpeg_colour decide_colour(const struct parser *parser)
{
    if (parser->frame->n_components == 1)
        return DLOP_JPEG_GREY;
    if (parser->app.has_jfif)
        return DLOP_JPEG_YCC;
    if (parser->app.has_adobe)
        return parser->app.adobe_transform == 0 ? DLOP_JPEG_RGB : DLOP_JPEG_YCC;
    return memcmp(parser->component_id, "RGB", 3) == 0 ? DLOP_JPEG_RGB : DLOP_JPEG_YCC;
}

/* Units (MCUs) of a scan: blocks of the one component, or groups of blocks of all. */
static uint64_t n_units_of(const struct dlop_jpeg_frame *frame, const struct dlop_jpeg_scan *scan)
{
    uint32_t h = frame->h_max, v = frame->v_max;
    uint32_t unit_h = 8 * h, unit_v = 8 * v;

    if (scan->n_components == 1) {
        const struct dlop_jpeg_component *component = &frame->component[scan->component[0]];
        unit_h = 8 * h / component->h;
        unit_v = 8 * v / component->v;
    }
    return (uint64_t)div_up(frame->width_px, unit_h) * div_up(frame->height_px, unit_v);
}

/* Find the end of the entropy-coded bytes that start at parser->at. On the way: stuffed bytes, and
 * restart markers exactly as the interval asks for. */
static dlop_status walk_scan(struct parser *parser, struct dlop_jpeg_scan *scan)
{
    const uint8_t *p = parser->bytes + parser->at, *end = parser->bytes + parser->n_bytes;
    uint64_t n_units = n_units_of(parser->frame, scan), n_restarts = 0;
    uint64_t n_expected = scan->restart_interval == 0 ? 0 : (n_units - 1) / scan->restart_interval;

    scan->begin_bytes = parser->bytes_offset + (uint32_t)parser->at;
    for (;;) {
        p = dlop_find_marker(p, end);
        if (p == end)
            return refuse(parser, DLOP_ERR_TRUNCATED, "file ends inside a scan");
        if ((p[1] & ~7) != MARKER_RST0)
            break;
        if (n_restarts == n_expected || (p[1] & 7) != (n_restarts & 7))
            return refuse(parser, DLOP_ERR_BAD_DATA, "unexpected restart marker");
        n_restarts++;
        p += 2;
    }
    if (n_restarts != n_expected)
        return refuse(parser, DLOP_ERR_BAD_DATA, "restart markers are missing");
    parser->at = (size_t)(p - parser->bytes);
    scan->end_bytes = parser->bytes_offset + (uint32_t)parser->at;
    return DLOP_OK;
}

static dlop_status read_scan_component(struct parser *parser, struct dlop_jpeg_scan *scan,
                                       uint32_t entry, const uint8_t *description)
{
    struct dlop_jpeg_frame *frame = parser->frame;
    uint32_t index = 0;

    while (index < frame->n_components && parser->component_id[index] != description[0])
        index++;
    /* libjpeg-turbo knows no other order of interleaved components than the frame's. */
    if (index == frame->n_components || (scan->n_components > 1 && index != entry))
        return refuse(parser, DLOP_ERR_BAD_DATA, "scan of unknown components");
    if (parser->components_done >> index & 1)
        return refuse(parser, DLOP_ERR_UNSUPPORTED, "second scan of a component");
    if (!parser->tables.has_quant[frame->component[index].quant])
        return refuse(parser, DLOP_ERR_BAD_DATA, "no quantisation table for a component");
    parser->components_done |= 1u << index;
    parser->n_components_done++;

    scan->component[entry] = (uint8_t)index;
    const char *reason = dlop_jpeg_tables_use_huff(
        &parser->tables, DLOP_JPEG_DC, description[1] >> 4, frame, &scan->dc_table[entry]);
    if (reason == NULL)
        reason = dlop_jpeg_tables_use_huff(&parser->tables, DLOP_JPEG_AC, description[1] & 15,
                                           frame, &scan->ac_table[entry]);
    return reason == NULL ? DLOP_OK : refuse(parser, DLOP_ERR_BAD_DATA, "%s", reason);
}

/* SOS: number of components, two bytes for each, first and last coefficient, bit positions; then
 * the entropy-coded bytes. */
static dlop_status read_scan(struct parser *parser, const struct segment *segment)
{
    struct dlop_jpeg_frame *frame = parser->frame;
    const uint8_t *body = segment->body;

    if (frame->n_components == 0)
        return refuse(parser, DLOP_ERR_BAD_DATA, "scan without a frame header");
    uint32_t n = segment->n_bytes > 0 ? body[0] : 0;
    if (segment->n_bytes != 4 + 2 * (size_t)n)
        return refuse(parser, DLOP_ERR_BAD_DATA, "scan header of a wrong length");
    if (n != 1 && n != frame->n_components)
        return refuse(parser, DLOP_ERR_UNSUPPORTED, "scan of %u of %u components", n,
                      frame->n_components);
    if (memcmp(body + segment->n_bytes - 3, "\0\x3F\0", 3) != 0)
        return refuse(parser, DLOP_ERR_BAD_DATA, "scan header that is not sequential");

    frame->colour = (uint8_t)decide_colour(parser); /* the same for all scans: see read_app */
    struct dlop_jpeg_scan *scan = &frame->scan[frame->n_scans++];
    scan->n_components = (uint8_t)n;
    scan->restart_interval = parser->restart_interval;
    const uint8_t *description = body + 1;
    for (uint32_t i = 0; i < n; i++, description += 2) {
        dlop_status status = read_scan_component(parser, scan, i, description);
        if (status != DLOP_OK)
            return status;
    }
    return walk_scan(parser, scan);
}

/* ---- segments ---- */

struct marker_row {
    uint8_t first, last;
    segment_fn read; /* or null: refused with status and reason */
    dlop_status status;
    const char *reason;
};

static const struct marker_row marker_rows[] = {
    {0xC0, 0xC1, read_frame, DLOP_OK, NULL},
    {0xC4, 0xC4, read_huff, DLOP_OK, NULL},
    {0xDA, 0xDA, read_scan, DLOP_OK, NULL},
    {0xDB, 0xDB, read_quant, DLOP_OK, NULL},
    {0xDD, 0xDD, read_restart_interval, DLOP_OK, NULL},
    {0xE0, 0xEF, read_app, DLOP_OK, NULL},
    {0xFE, 0xFE, skip_comment, DLOP_OK, NULL},
    {0xC2, 0xC2, NULL, DLOP_ERR_UNSUPPORTED, "progressive JPEG"},
    {0xC3, 0xC3, NULL, DLOP_ERR_UNSUPPORTED, "lossless JPEG"},
    {0xC5, 0xC7, NULL, DLOP_ERR_UNSUPPORTED, "hierarchical JPEG"},
    {0xC8, 0xC8, NULL, DLOP_ERR_UNSUPPORTED, "JPEG with an extension"},
    {0xC9, 0xC9, NULL, DLOP_ERR_UNSUPPORTED, "arithmetic-coded JPEG"},
    {0xCA, 0xCA, NULL, DLOP_ERR_UNSUPPORTED, "arithmetic-coded progressive JPEG"},
    {0xCB, 0xCB, NULL, DLOP_ERR_UNSUPPORTED, "arithmetic-coded lossless JPEG"},
    {0xCC, 0xCC, NULL, DLOP_ERR_UNSUPPORTED, "arithmetic-coded JPEG"},
    {0xCD, 0xCF, NULL, DLOP_ERR_UNSUPPORTED, "arithmetic-coded hierarchical JPEG"},
    {0xD0, 0xD7, NULL, DLOP_ERR_BAD_DATA, "restart marker outside a scan"},
    {0xD8, 0xD8, NULL, DLOP_ERR_BAD_DATA, "second start of image"},
    {0xD9, 0xD9, NULL, DLOP_ERR_BAD_DATA, "end of image before the last scan"},
    {0xDC, 0xDC, NULL, DLOP_ERR_UNSUPPORTED, "number of lines in a segment of its own"},
    {0xDE, 0xDF, NULL, DLOP_ERR_UNSUPPORTED, "hierarchical JPEG"},
};

static const struct marker_row *find_marker(uint32_t marker)
{
    for (size_t i = 0; i < sizeof(marker_rows) / sizeof(marker_rows[0]); i++)
        if (marker >= marker_rows[i].first && marker <= marker_rows[i].last)
            return &marker_rows[i];
    return NULL;
}

/* A marker may be preceded by any number of 0xFF, but by nothing else: libjpeg and Pillow skip
 * other bytes, each in its own way. */
static dlop_status next_marker(struct parser *parser, uint32_t *marker_out)
{
    const uint8_t *bytes = parser->bytes;
    size_t at = parser->at;

    if (at < parser->n_bytes && bytes[at] != 0xFF)
        return refuse(parser, DLOP_ERR_BAD_DATA, "bytes between segments");
    while (at < parser->n_bytes && bytes[at] == 0xFF)
        at++;
    if (at == parser->n_bytes)
        return refuse(parser, DLOP_ERR_TRUNCATED, "file ends before its last segment");
    *marker_out = bytes[at];
    parser->at = at + 1;
    return DLOP_OK;
}

static dlop_status next_segment(struct parser *parser, uint32_t marker)
{
    const struct marker_row *row = find_marker(marker);

    if (row == NULL)
        return refuse(parser, DLOP_ERR_BAD_DATA, "unknown marker 0x%02X", marker);
    if (row->read == NULL)
        return refuse(parser, row->status, "%s", row->reason);

    size_t left = parser->n_bytes - parser->at;
    uint32_t length = left < 2 ? 2 : dlop_be16(parser->bytes + parser->at);
    if (length < 2)
        return refuse(parser, DLOP_ERR_BAD_DATA, "segment shorter than its length field");
    if (left < 2 || left < length)
        return refuse(parser, DLOP_ERR_TRUNCATED, "file ends inside a segment");
    struct segment segment = {marker, parser->bytes + parser->at + 2, length - 2};
    parser->at += length;
    return row->read(parser, &segment);
}

static dlop_status read_segments(struct parser *parser)
{
    struct dlop_jpeg_frame *frame = parser->frame;
    uint32_t marker = 0;

    do {
        dlop_status status = next_marker(parser, &marker);
        if (status == DLOP_OK)
            status = next_segment(parser, marker);
        if (status != DLOP_OK)
            return status;
    } while (frame->n_components == 0 || parser->n_components_done < frame->n_components);

    dlop_status status = next_marker(parser, &marker);
    if (status == DLOP_OK && marker != MARKER_EOI)
        return refuse(parser, DLOP_ERR_BAD_DATA, "no end of image after the last scan");
    return status;
}

static dlop_status check_start(struct parser *parser)
{
    const uint8_t *bytes = parser->bytes;
    size_t n = parser->n_bytes;

    if (n == 0)
        return refuse(parser, DLOP_ERR_BAD_DATA, "empty file");
    if (n < 3 || bytes[0] != 0xFF || bytes[1] != MARKER_SOI || bytes[2] != 0xFF) {
        const char *name = dlop_magic_name(bytes, n);
        return refuse(parser, DLOP_ERR_UNSUPPORTED, "not a JPEG: %s",
                      name == NULL ? "unknown kind of file" : name);
    }
    if ((uint64_t)parser->bytes_offset + n + DLOP_JPEG_PADDING_BYTES > UINT32_MAX)
        return refuse(parser, DLOP_ERR_LIMIT, "file of more than 4 GB");
    parser->at = 2;
    return DLOP_OK;
}

dlop_status dlop_jpeg_parse(const uint8_t *bytes, size_t n_bytes, uint32_t bytes_offset,
                            struct dlop_jpeg_frame *frame_out, char reason_out[DLOP_REASON_BYTES])
{
    struct parser parser = {.bytes = bytes,
                            .n_bytes = n_bytes,
                            .bytes_offset = bytes_offset,
                            .frame = frame_out,
                            .reason = reason_out};

    memset(frame_out, 0, offsetof(struct dlop_jpeg_frame, huff));
    dlop_status status = check_start(&parser);
    if (status == DLOP_OK)
        status = read_segments(&parser);
    if (status == DLOP_OK)
        memset(&frame_out->huff[frame_out->n_huff], 0,
               (DLOP_JPEG_MAX_HUFF_TABLES - frame_out->n_huff) * sizeof(frame_out->huff[0]));
    return status;
}

dlop_status dlop_jpeg_info(const uint8_t *bytes, size_t n_bytes, struct dlop_image_info *info_out,
                           char *reason_out, size_t size)
{
    struct dlop_jpeg_frame frame;
    char reason[DLOP_REASON_BYTES] = "";

    if ((bytes == NULL && n_bytes > 0) || info_out == NULL)
        return DLOP_ERR_ARGUMENT;
    dlop_status status = dlop_jpeg_parse(bytes, n_bytes, 0, &frame, reason);
    if (size > 0)
        snprintf(reason_out, size, "%s", reason);
    if (status != DLOP_OK)
        return status;
    *info_out = (struct dlop_image_info){.width_px = frame.width_px,
                                         .height_px = frame.height_px,
                                         .n_components = frame.n_components,
                                         .colour = frame.colour};
    return DLOP_OK;
}
