/* Table of first bytes. Names only: nothing here decides how a record is decoded. */
#include "host/format/magic.h"

#include <stdbool.h>
#include <string.h>

struct magic_row {
    const char *name;
    uint8_t at_bytes; /* where the signature stands */
    uint8_t n;
    const char *signature;
};

static const struct magic_row rows[] = {
    {"PNG", 0, 8, "\x89PNG\r\n\x1A\n"},
    {"GIF", 0, 4, "GIF8"},
    {"WebP", 8, 4, "WEBP"},
    {"BMP", 0, 2, "BM"},
    {"TIFF", 0, 4, "II*\0"},
    {"TIFF", 0, 4, "MM\0*"},
    {"BigTIFF", 0, 4, "II+\0"},
    {"BigTIFF", 0, 4, "MM\0+"},
    {"JPEG 2000", 4, 8, "jP  \r\n\x87\n"},
    {"JPEG 2000 code stream", 0, 4, "\xFF\x4F\xFF\x51"},
    {"JPEG XL", 0, 2, "\xFF\x0A"},
    {"JPEG XL", 4, 8, "JXL \r\n\x87\n"},
    {"AVIF", 4, 8, "ftypavif"},
    {"HEIF", 4, 8, "ftypheic"},
    {"HEIF", 4, 8, "ftypmif1"},
    {"PSD", 0, 4, "8BPS"},
    {"icon", 0, 4, "\0\0\1\0"},
    {"PDF", 0, 5, "%PDF-"},
    {"gzip", 0, 2, "\x1F\x8B"},
    {"ZIP", 0, 4, "PK\3\4"},
    {"HTML", 0, 5, "<!DOC"},
    {"HTML", 0, 5, "<html"},
};

/* Netpbm: P1 to P6 and a blank. */
static bool is_netpbm(const uint8_t *bytes, size_t n_bytes)
{
    return n_bytes >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' &&
           (bytes[2] == '\n' || bytes[2] == ' ' || bytes[2] == '\r' || bytes[2] == '\t');
}

/* The first bytes, at most 64, are printable or blank. */
static bool is_text(const uint8_t *bytes, size_t n_bytes)
{
    size_t n = n_bytes < 64 ? n_bytes : 64;
    for (size_t i = 0; i < n; i++)
        if (bytes[i] > 0x7E || (bytes[i] < 0x20 && memchr("\t\n\r\f", bytes[i], 4) == NULL))
            return false;
    return n > 0;
}

const char *dlop_magic_name(const uint8_t *bytes, size_t n_bytes)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (n_bytes >= (size_t)rows[i].at_bytes + rows[i].n &&
            memcmp(bytes + rows[i].at_bytes, rows[i].signature, rows[i].n) == 0)
            return rows[i].name;
    if (is_netpbm(bytes, n_bytes))
        return "Netpbm";
    return is_text(bytes, n_bytes) ? "text" : NULL;
}
