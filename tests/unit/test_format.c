/* Unit tests of host/format: each rule of the parser on a small file made of parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/format/jpeg.h"
#include "host/format/magic.h"
#include "host/include/dlop.h"
#include "tests/unit/parse_exact.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* ---- a file made of parts: 8x8 pixels, three components, decodable ---- */

enum part {
    PART_SOI,
    PART_APP,
    PART_DQT,
    PART_SOF,
    PART_DRI,
    PART_DC,
    PART_AC,
    PART_SOS,
    PART_DATA,
    PART_MORE,
    PART_EOI,
    PART_COUNT
};

struct bytes {
    const char *bytes;
    size_t n;
};
#define BYTES(text)                                                                                \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

#define EIGHT(x)     x x x x x x x x
#define SIXTY_FOUR   EIGHT(EIGHT("\1"))
#define NO_CODES     "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define SCAN_HEADER  "\xFF\xDA\0\x0C\3\1\0\2\0\3\0\0\x3F\0"
#define FRAME_HEADER "\xFF\xC0\0\x11\x08\0\x08\0\x08\3\1\x11\0\2\x11\0\3\x11\0"

static const struct bytes plain_parts[PART_COUNT] = {
    [PART_SOI] = BYTES("\xFF\xD8"),
    [PART_APP] = BYTES(""),
    [PART_DQT] = BYTES("\xFF\xDB\0\x43\0" SIXTY_FOUR),
    [PART_SOF] = BYTES(FRAME_HEADER),
    [PART_DRI] = BYTES(""),
    /* One code of one bit for each table: difference 0, end of block. */
    [PART_DC] = BYTES("\xFF\xC4\0\x14\0\1" NO_CODES "\0"),
    [PART_AC] = BYTES("\xFF\xC4\0\x14\x10\1" NO_CODES "\0"),
    [PART_SOS] = BYTES(SCAN_HEADER),
    [PART_DATA] = BYTES("\3"),
    [PART_MORE] = BYTES(""),
    [PART_EOI] = BYTES("\xFF\xD9"),
};

static const struct bytes grey_sof = BYTES("\xFF\xC0\0\x0B\x08\0\x08\0\x08\1\1\x11\0");
static const struct bytes grey_sos = BYTES("\xFF\xDA\0\x08\1\1\0\0\x3F\0");

struct file {
    uint8_t bytes[2048];
    size_t n;
};

static void join(const struct bytes parts[PART_COUNT], struct file *file)
{
    file->n = 0;
    for (int i = 0; i < PART_COUNT; i++) {
        memcpy(file->bytes + file->n, parts[i].bytes, parts[i].n);
        file->n += parts[i].n;
    }
}

static dlop_status parse_parts(const struct bytes parts[PART_COUNT], struct dlop_jpeg_frame *frame,
                               char reason[DLOP_REASON_BYTES])
{
    struct file file;
    join(parts, &file);
    return parse_exact(file.bytes, file.n, 0, frame, reason);
}

struct change {
    enum part part;
    struct bytes bytes;
};

static dlop_status parse_changed(const struct change *changes, size_t n,
                                 struct dlop_jpeg_frame *frame, char reason[DLOP_REASON_BYTES])
{
    struct bytes parts[PART_COUNT];
    memcpy(parts, plain_parts, sizeof(parts));
    for (size_t i = 0; i < n; i++)
        parts[changes[i].part] = changes[i].bytes;
    return parse_parts(parts, frame, reason);
}

/* ---- what is accepted ---- */

static void plain_file_gives_every_field(void **state)
{
    (void)state;
    struct dlop_jpeg_frame frame;
    char reason[DLOP_REASON_BYTES];
    struct file file;

    join(plain_parts, &file);
    assert_int_equal(parse_exact(file.bytes, file.n, 1000, &frame, reason), DLOP_OK);
    assert_int_equal(frame.width_px, 8);
    assert_int_equal(frame.height_px, 8);
    assert_int_equal(frame.n_components, 3);
    assert_int_equal(frame.colour, DLOP_JPEG_YCC);
    assert_int_equal(frame.n_scans, 1);
    assert_int_equal(frame.n_huff, 2);
    assert_int_equal(frame.scan[0].begin_bytes, 1000 + file.n - 3);
    assert_int_equal(frame.scan[0].end_bytes, 1000 + file.n - 2);
    assert_int_equal(frame.scan[0].restart_interval, 0);
    assert_int_equal(frame.scan[0].n_components, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(frame.scan[0].component[i], i);
        assert_int_equal(frame.scan[0].dc_table[i], 0);
        assert_int_equal(frame.scan[0].ac_table[i], 1);
    }
    assert_int_equal(frame.quant[0][63], 1);
    assert_int_equal(frame.huff[0].n_codes[0], 1);
    assert_int_equal(frame.huff[0].n_codes[1], 0);
    assert_int_equal(frame.huff[1].symbols[0], 0);
    for (size_t i = 0; i < sizeof(frame.huff[7]); i++) /* unused tables are zero */
        assert_int_equal(((const uint8_t *)&frame.huff[7])[i], 0);
}

struct colour_case {
    struct bytes app;
    const char *ids;
    enum dlop_jpeg_colour colour;
};

#define JFIF "\xFF\xE0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
#define ADOBE(t)                                                                                   \
    "\xFF\xEE\0\x0E"                                                                               \
    "Adobe\0\x64\0\0\0\0" t
#define ADOBE_SHORT                                                                                \
    "\xFF\xEE\0\x0D"                                                                               \
    "Adobe\0\x64\0\0\0\0"

static void colours_are_guessed_as_libjpeg_does(void **state)
{
    (void)state;
    static const struct colour_case cases[] = {
        {BYTES(""), "\1\2\3", DLOP_JPEG_YCC},
        {BYTES(""), "RGB", DLOP_JPEG_RGB},
        {BYTES(""), "rgb", DLOP_JPEG_YCC},
        {BYTES(""), "BGR", DLOP_JPEG_YCC},
        {BYTES(JFIF), "RGB", DLOP_JPEG_YCC},
        {BYTES(ADOBE("\0")), "\1\2\3", DLOP_JPEG_RGB},
        {BYTES(ADOBE("\1")), "RGB", DLOP_JPEG_YCC},
        {BYTES(ADOBE("\2")), "RGB", DLOP_JPEG_YCC},
        {BYTES(ADOBE("\0") JFIF), "\1\2\3", DLOP_JPEG_YCC},
        {BYTES(ADOBE("\0") ADOBE("\1")), "\1\2\3", DLOP_JPEG_YCC},
        {BYTES(ADOBE_SHORT), "RGB", DLOP_JPEG_RGB},
        {BYTES("\xFF\xE0\0\x0FJFIF\0\1\1\0\0\1\0\1\0"), "RGB",
         DLOP_JPEG_RGB}, /* too short for JFIF */
        {BYTES("\xFF\xE0\0\x10JFIFX\1\1\0\0\1\0\1\0\0"), "RGB", DLOP_JPEG_RGB},
        {BYTES("\xFF\xE1\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"), "RGB", DLOP_JPEG_RGB},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        char sof[] = FRAME_HEADER, sos[] = SCAN_HEADER, reason[DLOP_REASON_BYTES];
        struct dlop_jpeg_frame frame;
        for (int k = 0; k < 3; k++) {
            sof[10 + 3 * k] = cases[i].ids[k];
            sos[5 + 2 * k] = cases[i].ids[k];
        }
        struct change changes[] = {{PART_APP, cases[i].app},
                                   {PART_SOF, {sof, sizeof(sof) - 1}},
                                   {PART_SOS, {sos, sizeof(sos) - 1}}};
        assert_int_equal(parse_changed(changes, 3, &frame, reason), DLOP_OK);
        if (frame.colour != cases[i].colour)
            fail_msg("case %zu: colour %d", i, frame.colour);
    }
}

/* Three scans; the DC table is defined anew before the last one, with another code. */
static void scans_keep_the_tables_that_they_began_with(void **state)
{
    (void)state;
    static const struct change changes[] = {
        {PART_SOS, BYTES("\xFF\xDA\0\x08\1\2\0\0\x3F\0")},
        {PART_MORE, BYTES("\xFF\xDA\0\x08\1\1\0\0\x3F\0"
                          "\3"
                          "\xFF\xC4\0\x14\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\5"
                          "\xFF\xDD\0\4\0\7"
                          "\xFF\xE5\0\3x"
                          "\xFF\xFF\xFF\xDA\0\x08\1\3\0\0\x3F\0"
                          "\3")}};
    struct dlop_jpeg_frame frame;
    char reason[DLOP_REASON_BYTES];

    assert_int_equal(parse_changed(changes, N_ELEMENTS(changes), &frame, reason), DLOP_OK);
    assert_int_equal(frame.n_scans, 3);
    assert_int_equal(frame.n_huff, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(frame.scan[i].component[0], i == 0 ? 1 : i == 1 ? 0 : 2);
    assert_int_equal(frame.scan[1].dc_table[0], frame.scan[0].dc_table[0]);
    assert_int_not_equal(frame.scan[2].dc_table[0], frame.scan[1].dc_table[0]);
    assert_int_equal(frame.scan[2].ac_table[0], frame.scan[1].ac_table[0]);
    const struct dlop_jpeg_huff *anew = &frame.huff[frame.scan[2].dc_table[0]];
    assert_int_equal(anew->n_codes[1], 1);
    assert_int_equal(anew->symbols[0], 5);
    assert_int_equal(frame.huff[frame.scan[0].dc_table[0]].n_codes[0], 1);
    assert_int_equal(frame.scan[1].restart_interval, 0);
    assert_int_equal(frame.scan[2].restart_interval, 7);
}

/* ---- restart markers: grey, 8 x 80 pixels are ten units ---- */

struct restart_case {
    const char *interval;
    struct bytes data;
    dlop_status status;
};

static void restart_markers_must_be_the_announced_ones(void **state)
{
    (void)state;
    static const struct restart_case cases[] = {
        {"\0\3",
         BYTES("a\xFF\xD0"
               "b\xFF\xD1"
               "c\xFF\xD2"
               "d"),
         DLOP_OK},
        {"\0\3",
         BYTES("a\xFF\0\xFF\xD0"
               "b\xFF\xD1\xFF\xD2"
               "d"),
         DLOP_OK},
        {"\0\5",
         BYTES("a\xFF\xD0"
               "b"),
         DLOP_OK},
        {"\0\x0A", BYTES("a"), DLOP_OK},
        {"\1\0", BYTES("a"), DLOP_OK},
        {"\0\0", BYTES("a"), DLOP_OK},
        {"\0\1", BYTES("\xFF\xD0\xFF\xD1\xFF\xD2\xFF\xD3\xFF\xD4\xFF\xD5\xFF\xD6\xFF\xD7\xFF\xD0"),
         DLOP_OK},
        {"\0\0",
         BYTES("a\xFF\xD0"
               "b"),
         DLOP_ERR_BAD_DATA},
        {"\0\5",
         BYTES("a\xFF\xD1"
               "b"),
         DLOP_ERR_BAD_DATA},
        {"\0\5", BYTES("a"), DLOP_ERR_BAD_DATA},
        {"\0\5",
         BYTES("a\xFF\xD0"
               "b\xFF\xD1"
               "c"),
         DLOP_ERR_BAD_DATA},
        {"\0\3",
         BYTES("a\xFF\xD0"
               "b\xFF\xD2"
               "c\xFF\xD1"
               "d"),
         DLOP_ERR_BAD_DATA},
        {"\0\5",
         BYTES("a\xFF\xFF\xD0"
               "b"),
         DLOP_ERR_BAD_DATA},
        {"\0\0", BYTES("a\xFF\xFF\0b"), DLOP_ERR_BAD_DATA},
        {"\0\0",
         BYTES("a\xFF\xE0\0\2"
               "b"),
         DLOP_ERR_BAD_DATA},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        char sof[] = "\xFF\xC0\0\x0B\x08\0\x50\0\x08\1\1\x11\0", dri[] = "\xFF\xDD\0\4??";
        char reason[DLOP_REASON_BYTES];
        struct dlop_jpeg_frame frame;
        memcpy(dri + 4, cases[i].interval, 2);
        struct change changes[] = {{PART_SOF, {sof, sizeof(sof) - 1}},
                                   {PART_DRI, {dri, sizeof(dri) - 1}},
                                   {PART_SOS, grey_sos},
                                   {PART_DATA, cases[i].data}};
        dlop_status status = parse_changed(changes, N_ELEMENTS(changes), &frame, reason);
        if (status != cases[i].status)
            fail_msg("case %zu: status %d, %s", i, status, reason);
    }
}

/* 20 x 24 pixels, 2x2: 4 groups; one component alone: 9 blocks of luma, 4 of chroma. */
static void restart_intervals_count_units_of_the_scan(void **state)
{
    (void)state;
    static const char sof[] = "\xFF\xC0\0\x11\x08\0\x18\0\x14\3\1\x22\0\2\x11\0\3\x11\0";
    static const struct change together[] = {{PART_SOF, {sof, sizeof(sof) - 1}},
                                             {PART_DRI, BYTES("\xFF\xDD\0\4\0\3")},
                                             {PART_DATA, BYTES("a\xFF\xD0"
                                                               "b")}};
    static const struct change alone[] = {{PART_SOF, {sof, sizeof(sof) - 1}},
                                          {PART_DRI, BYTES("\xFF\xDD\0\4\0\3")},
                                          {PART_SOS, BYTES("\xFF\xDA\0\x08\1\1\0\0\x3F\0")},
                                          {PART_DATA, BYTES("a\xFF\xD0"
                                                            "b\xFF\xD1"
                                                            "c")},
                                          {PART_MORE, BYTES("\xFF\xDA\0\x08\1\2\0\0\x3F\0"
                                                            "a\xFF\xD0"
                                                            "b"
                                                            "\xFF\xDA\0\x08\1\3\0\0\x3F\0"
                                                            "a\xFF\xD0"
                                                            "b")}};
    struct dlop_jpeg_frame frame;
    char reason[DLOP_REASON_BYTES];
    assert_int_equal(parse_changed(together, N_ELEMENTS(together), &frame, reason), DLOP_OK);
    assert_int_equal(parse_changed(alone, N_ELEMENTS(alone), &frame, reason), DLOP_OK);
}

/* ---- what is refused ---- */

struct refusal {
    enum part part;
    struct bytes bytes;
    dlop_status status;
    const char *reason;
};

static const struct refusal refusals[] = {
    {PART_SOI, BYTES("\xFF\xD8\xFF\xD8"), DLOP_ERR_BAD_DATA, "second start"},
    {PART_SOI, BYTES(" \xFF\xD8"), DLOP_ERR_UNSUPPORTED, "not a JPEG"},
    {PART_APP, BYTES("\0"), DLOP_ERR_UNSUPPORTED, "not a JPEG"},
    {PART_APP, BYTES("\xFF\1"), DLOP_ERR_BAD_DATA, "unknown marker 0x01"},
    {PART_APP, BYTES("\xFF\xF7\0\2"), DLOP_ERR_BAD_DATA, "unknown marker 0xF7"},
    {PART_APP, BYTES("\xFF\xE5\0\1"), DLOP_ERR_BAD_DATA, "shorter than its length"},
    {PART_APP, BYTES("\xFF\xE5\x7F\xFFx"), DLOP_ERR_TRUNCATED, "inside a segment"},
    {PART_APP, BYTES("\xFF\xE5\0\2x"), DLOP_ERR_BAD_DATA, "bytes between segments"},
    {PART_APP, BYTES("\xFF\xE5\0\2\xFF\xD1"), DLOP_ERR_BAD_DATA, "restart marker outside"},
    {PART_APP, BYTES("\xFF\xD9"), DLOP_ERR_BAD_DATA, "end of image before"},
    {PART_APP, BYTES("\xFF\xDC\0\4\0\1"), DLOP_ERR_UNSUPPORTED, "number of lines"},
    {PART_APP, BYTES("\xFF\xE0\0\7JFIF\0"), DLOP_ERR_UNSUPPORTED, "JFIF segment"},
    {PART_APP, BYTES("\xFF\xE1\0\7Exif\0"), DLOP_ERR_UNSUPPORTED, "Exif segment"},
    {PART_APP,
     BYTES("\xFF\xE1\0\x0F"
           "Exif\0\0II*\0\x08\0\0"),
     DLOP_ERR_UNSUPPORTED, "Exif data"},
    {PART_APP,
     BYTES("\xFF\xE1\0\x10"
           "Exif\0\0II+\0\x08\0\0\0"),
     DLOP_ERR_UNSUPPORTED, "Exif"},
    {PART_APP,
     BYTES("\xFF\xEE\0\x08"
           "Adobe\0"),
     DLOP_ERR_UNSUPPORTED, "Adobe segment"},
    {PART_APP, BYTES("\xFF\xE2\0\x0FICC_PROFILE\0\1"), DLOP_ERR_UNSUPPORTED, "ICC profile"},
    {PART_APP, BYTES("\xFF\xE2\0\7MPF\0x"), DLOP_ERR_UNSUPPORTED, "MPF"},
    {PART_APP,
     BYTES("\xFF\xED\0\x16Photoshop 3.0\0"
           "8BIM\0\1"),
     DLOP_ERR_UNSUPPORTED, "Photoshop data"},
    {PART_DQT, BYTES(""), DLOP_ERR_BAD_DATA, "no quantisation table"},
    {PART_DQT, BYTES("\xFF\xDB\0\x42\0" EIGHT("1234567") "1234567"), DLOP_ERR_BAD_DATA,
     "quantisation table segment"},
    {PART_DQT, BYTES("\xFF\xDB\0\x43\4" SIXTY_FOUR), DLOP_ERR_BAD_DATA, "kind or number"},
    {PART_DQT, BYTES("\xFF\xDB\0\x43\x20" SIXTY_FOUR), DLOP_ERR_BAD_DATA, "kind or number"},
    {PART_SOF, BYTES(""), DLOP_ERR_BAD_DATA, "without a frame header"},
    {PART_SOF, BYTES(FRAME_HEADER FRAME_HEADER), DLOP_ERR_BAD_DATA, "second frame"},
    {PART_SOF, BYTES("\xFF\xC0\0\7\x08\0\x08\0\x08"), DLOP_ERR_BAD_DATA, "frame header of a wrong"},
    {PART_SOF, BYTES("\xFF\xC0\0\x0C\x08\0\x08\0\x08\1\1\x11\0\0"), DLOP_ERR_BAD_DATA,
     "frame header of a wrong"},
    {PART_SOF, BYTES("\xFF\xC1\0\x0B\x0C\0\x08\0\x08\1\1\x11\0"), DLOP_ERR_UNSUPPORTED, "12-bit"},
    {PART_SOF, BYTES("\xFF\xC0\0\x0B\x08\0\0\0\x08\1\1\x11\0"), DLOP_ERR_UNSUPPORTED, "height"},
    {PART_SOF, BYTES("\xFF\xC0\0\x0B\x08\0\x08\0\0\1\1\x11\0"), DLOP_ERR_BAD_DATA, "width of 0"},
    {PART_SOF, BYTES("\xFF\xC0\0\x0B\x08\xFF\xDD\0\x08\1\1\x11\0"), DLOP_ERR_LIMIT, "8 x 65501"},
    {PART_SOF, BYTES("\xFF\xC0\0\x0B\x08\0\x08\xFF\xDD\1\1\x11\0"), DLOP_ERR_LIMIT, "65501 x 8"},
    {PART_SOF, BYTES("\xFF\xC0\0\x0B\x08\0\x08\0\x08\1\1\x50\0"), DLOP_ERR_BAD_DATA, "factor"},
    {PART_SOF, BYTES("\xFF\xC0\0\x0B\x08\0\x08\0\x08\1\1\x15\0"), DLOP_ERR_BAD_DATA, "factor"},
    {PART_SOF, BYTES("\xFF\xC0\0\x0B\x08\0\x08\0\x08\1\1\x01\0"), DLOP_ERR_BAD_DATA, "factor"},
    {PART_SOF, BYTES("\xFF\xC0\0\x0B\x08\0\x08\0\x08\1\1\x11\4"), DLOP_ERR_BAD_DATA,
     "table number out"},
    {PART_SOF,
     BYTES("\xFF\xC0\0\x14\x08\0\x08\0\x08\4"
           "\1\x11\0\2\x11\0\3\x11\0\4\x11\0"),
     DLOP_ERR_UNSUPPORTED, "CMYK"},
    {PART_SOF,
     BYTES("\xFF\xC0\0\x0E\x08\0\x08\0\x08\2"
           "\1\x11\0\2\x11\0"),
     DLOP_ERR_UNSUPPORTED, "2 components"},
    {PART_SOF, BYTES("\xFF\xC0\0\x11\x08\0\x08\0\x08\3\1\x11\0\1\x11\0\3\x11\0"), DLOP_ERR_BAD_DATA,
     "two components of one number"},
    {PART_SOF, BYTES("\xFF\xC0\0\x11\x08\0\x08\0\x08\3\1\x31\0\2\x21\0\3\x11\0"),
     DLOP_ERR_UNSUPPORTED, "not whole"},
    {PART_SOF, BYTES("\xFF\xC0\0\x11\x08\0\x08\0\x08\3\1\x13\0\2\x12\0\3\x11\0"),
     DLOP_ERR_UNSUPPORTED, "not whole"},
    {PART_SOF, BYTES("\xFF\xC0\0\x11\x08\0\x08\0\x08\3\1\x42\0\2\x12\0\3\x11\0"),
     DLOP_ERR_UNSUPPORTED, "more than 10 blocks"},
    {PART_SOF, BYTES("\xFF\xC2\0\2"), DLOP_ERR_UNSUPPORTED, "progressive JPEG"},
    {PART_SOF, BYTES("\xFF\xC3\0\2"), DLOP_ERR_UNSUPPORTED, "lossless JPEG"},
    {PART_SOF, BYTES("\xFF\xC5\0\2"), DLOP_ERR_UNSUPPORTED, "hierarchical JPEG"},
    {PART_SOF, BYTES("\xFF\xC9\0\2"), DLOP_ERR_UNSUPPORTED, "arithmetic-coded JPEG"},
    {PART_SOF, BYTES("\xFF\xCA\0\2"), DLOP_ERR_UNSUPPORTED, "arithmetic-coded progressive"},
    {PART_SOF, BYTES("\xFF\xCF\0\2"), DLOP_ERR_UNSUPPORTED, "arithmetic-coded hierarchical"},
    {PART_DRI, BYTES("\xFF\xDD\0\5\0\0\0"), DLOP_ERR_BAD_DATA, "restart interval segment"},
    {PART_DC, BYTES(""), DLOP_ERR_BAD_DATA, "the file does not have"},
    {PART_DC, BYTES("\xFF\xC4\0\x14\0\2" NO_CODES "\0"), DLOP_ERR_BAD_DATA, "symbols than"},
    {PART_DC, BYTES("\xFF\xC4\0\x13\0\1" NO_CODES), DLOP_ERR_BAD_DATA, "symbols than"},
    {PART_DC, BYTES("\xFF\xC4\0\x15\0\1" NO_CODES "\0\0"), DLOP_ERR_BAD_DATA, "wrong length"},
    {PART_DC, BYTES("\xFF\xC4\0\x14\x20\1" NO_CODES "\0"), DLOP_ERR_BAD_DATA, "class or number"},
    {PART_DC, BYTES("\xFF\xC4\0\x14\4\1" NO_CODES "\0"), DLOP_ERR_BAD_DATA, "class or number"},
    {PART_DC, BYTES("\xFF\xC4\0\x15\0\2" NO_CODES "\0\1"), DLOP_ERR_BAD_DATA, "no prefix code"},
    {PART_DC, BYTES("\xFF\xC4\0\x17\0\1\1\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\2\3"), DLOP_ERR_BAD_DATA,
     "no prefix code"},
    {PART_DC,
     BYTES("\xFF\xC4\1\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2\xFF" SIXTY_FOUR SIXTY_FOUR SIXTY_FOUR
               SIXTY_FOUR "\1"),
     DLOP_ERR_BAD_DATA, "symbols than"},
    {PART_DC, BYTES("\xFF\xC4\0\x14\0\1" NO_CODES "\x0C"), DLOP_ERR_BAD_DATA, "beyond 11 bits"},
    {PART_SOS, BYTES("\xFF\xDA\0\x0D\3\1\0\2\0\3\0\0\x3F\0\0"), DLOP_ERR_BAD_DATA, "scan header"},
    {PART_SOS, BYTES("\xFF\xDA\0\2"), DLOP_ERR_BAD_DATA, "scan header of"},
    {PART_SOS, BYTES("\xFF\xDA\0\6\0\0\x3F\0"), DLOP_ERR_UNSUPPORTED, "scan of 0"},
    {PART_SOS, BYTES("\xFF\xDA\0\x0A\2\1\0\2\0\0\x3F\0"), DLOP_ERR_UNSUPPORTED, "scan of 2 of 3"},
    {PART_SOS, BYTES("\xFF\xDA\0\x0C\3\1\0\2\0\4\0\0\x3F\0"), DLOP_ERR_BAD_DATA, "unknown"},
    {PART_SOS, BYTES("\xFF\xDA\0\x0C\3\1\0\3\0\2\0\0\x3F\0"), DLOP_ERR_BAD_DATA, "unknown"},
    {PART_SOS, BYTES("\xFF\xDA\0\x0C\3\1\0\1\0\3\0\0\x3F\0"), DLOP_ERR_BAD_DATA, "unknown"},
    {PART_SOS, BYTES("\xFF\xDA\0\x0C\3\1\x10\2\0\3\0\0\x3F\0"), DLOP_ERR_BAD_DATA, "does not have"},
    {PART_SOS, BYTES("\xFF\xDA\0\x0C\3\1\4\2\0\3\0\0\x3F\0"), DLOP_ERR_BAD_DATA, "does not have"},
    {PART_SOS, BYTES("\xFF\xDA\0\x0C\3\1\0\2\0\3\0\1\x3F\0"), DLOP_ERR_BAD_DATA, "not sequential"},
    {PART_SOS, BYTES("\xFF\xDA\0\x0C\3\1\0\2\0\3\0\0\x3E\0"), DLOP_ERR_BAD_DATA, "not sequential"},
    {PART_SOS, BYTES("\xFF\xDA\0\x0C\3\1\0\2\0\3\0\0\x3F\x10"), DLOP_ERR_BAD_DATA, "not sequen"},
    {PART_MORE, BYTES("\xFF\xFE\0\2"), DLOP_ERR_BAD_DATA, "no end of image"},
    {PART_MORE, BYTES(SCAN_HEADER "\3"), DLOP_ERR_BAD_DATA, "no end of image"},
    {PART_MORE, BYTES("\xFF\xFF\0"), DLOP_ERR_BAD_DATA, "no end of image"},
    {PART_EOI, BYTES(""), DLOP_ERR_TRUNCATED, "inside a scan"},
    {PART_EOI, BYTES("\xFF"), DLOP_ERR_TRUNCATED, "inside a scan"},
    {PART_EOI, BYTES("\xFF\xFF"), DLOP_ERR_TRUNCATED, "before its last segment"},
};

static void every_rule_refuses_with_its_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(refusals); i++) {
        const struct refusal *refusal = &refusals[i];
        struct change change = {refusal->part, refusal->bytes};
        struct dlop_jpeg_frame frame;
        char reason[DLOP_REASON_BYTES];
        dlop_status status = parse_changed(&change, 1, &frame, reason);
        if (status != refusal->status || strstr(reason, refusal->reason) == NULL)
            fail_msg("case %zu: expected %d \"%s\", got %d \"%s\"", i, refusal->status,
                     refusal->reason, status, reason);
    }
}

/* Refused only in the middle of a picture of several scans. */
static void rules_between_scans(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {PART_MORE, BYTES("\xFF\xDB\0\x43\0" SIXTY_FOUR), DLOP_ERR_UNSUPPORTED, "between scans"},
        {PART_MORE,
         BYTES("\xFF\xDA\0\x08\1\1\0\0\x3F\0"
               "\3"),
         DLOP_ERR_UNSUPPORTED, "second scan"},
        {PART_MORE, BYTES(SCAN_HEADER "\3"), DLOP_ERR_UNSUPPORTED, "second scan"},
        {PART_MORE, BYTES(""), DLOP_ERR_BAD_DATA, "end of image before the last scan"},
        {PART_MORE, BYTES("\xFF\xE2\0\7MPF\0x"), DLOP_ERR_BAD_DATA, "before the last scan"},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct change changes[] = {{PART_SOS, BYTES("\xFF\xDA\0\x08\1\1\0\0\x3F\0")},
                                   {cases[i].part, cases[i].bytes}};
        struct dlop_jpeg_frame frame;
        char reason[DLOP_REASON_BYTES];
        dlop_status status = parse_changed(changes, 2, &frame, reason);
        if (status != cases[i].status || strstr(reason, cases[i].reason) == NULL)
            fail_msg("case %zu: %d \"%s\"", i, status, reason);
    }
}

static void tables_that_no_scan_uses_are_not_judged(void **state)
{
    (void)state;
    static const struct change change = {PART_DRI, BYTES("\xFF\xC4\0\x15\1\2" NO_CODES "\0\1")};
    struct dlop_jpeg_frame frame;
    char reason[DLOP_REASON_BYTES];
    assert_int_equal(parse_changed(&change, 1, &frame, reason), DLOP_OK);
}

static void grey_has_no_sampling(void **state)
{
    (void)state;
    static const struct change changes[] = {
        {PART_SOF, BYTES("\xFF\xC0\0\x0B\x08\0\x08\0\x08\1\1\x43\0")},
        {PART_SOS, BYTES("\xFF\xDA\0\x08\1\1\0\0\x3F\0")}};
    struct dlop_jpeg_frame frame;
    char reason[DLOP_REASON_BYTES];
    assert_int_equal(parse_changed(changes, 2, &frame, reason), DLOP_OK);
    assert_int_equal(frame.colour, DLOP_JPEG_GREY);
    assert_int_equal(frame.h_max, 1);
    assert_int_equal(frame.v_max, 1);
    assert_int_equal(frame.component[0].h, 1);
    assert_int_equal(frame.component[0].v, 1);
}

static void offsets_beyond_32_bits_are_over_the_limit(void **state)
{
    (void)state;
    struct dlop_jpeg_frame frame;
    char reason[DLOP_REASON_BYTES];
    struct file file;
    join(plain_parts, &file);
    uint32_t last = UINT32_MAX - DLOP_JPEG_PADDING_BYTES - (uint32_t)file.n;
    assert_int_equal(parse_exact(file.bytes, file.n, last, &frame, reason), DLOP_OK);
    assert_int_equal(parse_exact(file.bytes, file.n, last + 1, &frame, reason), DLOP_ERR_LIMIT);
    assert_int_equal(parse_exact(file.bytes, file.n, UINT32_MAX, &frame, reason), DLOP_ERR_LIMIT);
}

static void info_tells_size_and_reason(void **state)
{
    (void)state;
    struct dlop_image_info info = {.width_px = 77};
    char reason[10] = "unchanged";
    struct file file;

    assert_int_equal(dlop_jpeg_info((const uint8_t *)"GIF89a", 6, &info, reason, 10),
                     DLOP_ERR_UNSUPPORTED);
    assert_string_equal(reason, "not a JPE");
    assert_int_equal(info.width_px, 77);
    assert_int_equal(dlop_jpeg_info(NULL, 0, &info, NULL, 0), DLOP_ERR_BAD_DATA);
    assert_int_equal(dlop_jpeg_info(NULL, 1, &info, NULL, 0), DLOP_ERR_ARGUMENT);
    struct bytes parts[PART_COUNT];
    memcpy(parts, plain_parts, sizeof(parts));
    parts[PART_SOF] = grey_sof;
    parts[PART_SOS] = grey_sos;
    join(parts, &file);
    assert_int_equal(dlop_jpeg_info(file.bytes, file.n, NULL, NULL, 0), DLOP_ERR_ARGUMENT);
    assert_int_equal(dlop_jpeg_info(file.bytes, file.n, &info, reason, 10), DLOP_OK);
    assert_string_equal(reason, "");
    assert_int_equal(info.width_px, 8);
    assert_int_equal(info.height_px, 8);
    assert_int_equal(info.n_components, 1);
    assert_int_equal(info.colour, DLOP_JPEG_GREY);
}

struct magic_case {
    struct bytes bytes;
    const char *name;
};

static void kinds_of_files_are_named(void **state)
{
    (void)state;
    static const struct magic_case cases[] = {
        {BYTES("\x89PNG\r\n\x1A\n...."), "PNG"},
        {BYTES("GIF89a"), "GIF"},
        {BYTES("RIFF....WEBPVP8 "), "WebP"},
        {BYTES("BM......"), "BMP"},
        {BYTES("II*\0...."), "TIFF"},
        {BYTES("MM\0*...."), "TIFF"},
        {BYTES("P6\n8 8\n"), "Netpbm"},
        {BYTES("<html>"), "HTML"},
        {BYTES("P7"), "text"},
        {BYTES("hello\nworld\t"), "text"},
        {BYTES("\x89PN"), NULL},
        {BYTES("hello\0"), NULL},
        {BYTES("RIFF....WEB"), "text"},
        {BYTES(""), NULL},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        const char *name = dlop_magic_name((const uint8_t *)cases[i].bytes.bytes, cases[i].bytes.n);
        if (cases[i].name == NULL)
            assert_null(name);
        else
            assert_string_equal(name, cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_file_gives_every_field),
        cmocka_unit_test(colours_are_guessed_as_libjpeg_does),
        cmocka_unit_test(scans_keep_the_tables_that_they_began_with),
        cmocka_unit_test(restart_markers_must_be_the_announced_ones),
        cmocka_unit_test(restart_intervals_count_units_of_the_scan),
        cmocka_unit_test(every_rule_refuses_with_its_reason),
        cmocka_unit_test(rules_between_scans),
        cmocka_unit_test(tables_that_no_scan_uses_are_not_judged),
        cmocka_unit_test(grey_has_no_sampling),
        cmocka_unit_test(offsets_beyond_32_bits_are_over_the_limit),
        cmocka_unit_test(info_tells_size_and_reason),
        cmocka_unit_test(kinds_of_files_are_named),
    };
    return cmocka_run_group_tests_name("unit/format", tests, NULL, NULL);
}
