/* Certainty about application segments.
 *
 * Pillow reads some of them in Python when a file is opened: indexing past the end of a short
 * segment raises there and makes the file "unidentified", though libjpeg would decode it. Which
 * lengths are safe differs a little between Pillow 9 and 13; a segment passes only where all of
 * them are. A segment that is merely useless passes: Pillow ignores what it does not know.
 */
#include "host/format/jpeg_app.h"

#include <string.h>

#include "host/format/bytes.h"

/* One segment of a kind: starts with the signature, and must then have at least this many bytes. */
struct app_row {
    uint32_t number;
    uint8_t n_signature;
    const char *signature;
    size_t min_bytes;
    const char *(*check)(const uint8_t *body, size_t n_bytes, struct dlop_jpeg_app *app);
    const char *reason;
};

/* 14 bytes and a zero after the name make it JFIF for libjpeg. */
static const char *check_jfif(const uint8_t *body, size_t n_bytes, struct dlop_jpeg_app *app)
{
    if (n_bytes >= 14 && body[4] == 0)
        app->has_jfif = true;
    return NULL;
}

static const char *check_adobe(const uint8_t *body, size_t n_bytes, struct dlop_jpeg_app *app)
{
    if (n_bytes >= 12) {
        app->has_adobe = true;
        app->adobe_transform = body[11];
    }
    return NULL;
}

/* ---- directories in TIFF's form ---- */

enum { TYPE_LONG = 4, TYPE_RATIONAL = 5, TYPE_BYTES = 7, ENTRY_BYTES = 12 };

struct tiff {
    const uint8_t *bytes;
    size_t n_bytes;
    bool is_little;
};

static uint32_t tiff_u16(const struct tiff *tiff, size_t at)
{
    const uint8_t *p = tiff->bytes + at;
    return tiff->is_little ? (uint32_t)p[1] << 8 | p[0] : dlop_be16(p);
}

static uint32_t tiff_u32(const struct tiff *tiff, size_t at)
{
    return tiff->is_little ? tiff_u16(tiff, at + 2) << 16 | tiff_u16(tiff, at)
                           : tiff_u16(tiff, at) << 16 | tiff_u16(tiff, at + 2);
}

/* Bytes of one value of a type; 0 for types that Pillow skips. */
static size_t value_bytes_of(uint32_t type)
{
    static const uint8_t bytes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8};
    return type < sizeof(bytes) ? bytes[type] : 0;
}

/* Where the first directory stands, or 0 unless it is complete with the values that stand
 * elsewhere: Pillow warns of whatever is missing and forgets the entries behind. */
static size_t find_directory(const struct tiff *tiff)
{
    size_t directory = tiff_u32(tiff, 4);
    uint64_t total_bytes = 0;

    if (directory + 2 > tiff->n_bytes ||
        directory + 2 + (size_t)tiff_u16(tiff, directory) * ENTRY_BYTES + 4 > tiff->n_bytes)
        return 0;
    for (size_t i = 0; i < tiff_u16(tiff, directory); i++) {
        size_t at = directory + 2 + i * ENTRY_BYTES;
        uint64_t n_bytes =
            tiff_u32(tiff, at + 4) * (uint64_t)value_bytes_of(tiff_u16(tiff, at + 2));
        total_bytes += n_bytes > 4 ? n_bytes : 0;
        if (n_bytes > 4 && tiff_u32(tiff, at + 8) + n_bytes > tiff->n_bytes)
            return 0;
    }
    return total_bytes <= tiff->n_bytes ? directory : 0;
}

/* ---- Exif: Pillow looks up the resolution when JFIF has none ---- */

/* Every entry of the resolution must be a rational number: as text or bytes of length 1, Pillow
 * would index past their end. */
static bool is_plain_exif(const struct tiff *tiff)
{
    enum { TAG_X_RESOLUTION = 0x011A };
    size_t directory = find_directory(tiff);

    if (directory == 0)
        return false;
    for (size_t i = 0; i < tiff_u16(tiff, directory); i++) {
        size_t at = directory + 2 + i * ENTRY_BYTES;
        if (tiff_u16(tiff, at) == TAG_X_RESOLUTION && tiff_u16(tiff, at + 2) != TYPE_RATIONAL)
            return false;
    }
    return true;
}

static const char *check_exif(const uint8_t *body, size_t n_bytes, struct dlop_jpeg_app *app)
{
    static const char reason[] = "Exif data that Pillow may not read or warns about";
    struct tiff tiff = {.bytes = body + 6, .n_bytes = n_bytes - 6};

    /* Newer versions join several segments, older ones take the first. */
    if (app->n_exif++ > 0)
        return "several Exif segments";
    if (tiff.n_bytes < 8 || body[5] != 0 || memcmp(tiff.bytes, "Exif", 4) == 0)
        return reason;
    tiff.is_little = memcmp(tiff.bytes, "II", 2) == 0;
    if (!tiff.is_little && memcmp(tiff.bytes, "MM", 2) != 0)
        return NULL; /* not TIFF at all: Pillow says so to itself and goes on */
    if (tiff.bytes[2] == 43 || tiff.bytes[3] == 43)
        return reason; /* BigTIFF, with offsets of 64 bits */
    return is_plain_exif(&tiff) ? NULL : reason;
}

/* ---- MPF: several pictures in one file, as phones write them; the first is the photograph ---- */

/* Where the one entry of a tag stands, or 0 where there is none or more than one. */
static size_t find_only_entry(const struct tiff *tiff, size_t directory, uint32_t tag)
{
    size_t n_entries = tiff_u16(tiff, directory), found = 0;

    for (size_t i = 0; i < n_entries; i++) {
        size_t at = directory + 2 + i * ENTRY_BYTES;
        if (tiff_u16(tiff, at) != tag)
            continue;
        if (found != 0)
            return 0;
        found = at;
    }
    return found;
}

/* Pillow reads 16 bytes for each of the announced pictures; all of them must be there. */
static bool is_plain_mpf(const struct tiff *tiff)
{
    enum { TAG_N_PICTURES = 0xB001, TAG_PICTURES = 0xB002, PICTURE_BYTES = 16 };
    size_t directory = find_directory(tiff);

    if (directory == 0)
        return false;
    size_t number = find_only_entry(tiff, directory, TAG_N_PICTURES);
    size_t pictures = find_only_entry(tiff, directory, TAG_PICTURES);
    if (number == 0 || tiff_u16(tiff, number + 2) != TYPE_LONG || tiff_u32(tiff, number + 4) != 1 ||
        pictures == 0 || tiff_u16(tiff, pictures + 2) != TYPE_BYTES)
        return false;

    size_t n_pictures = tiff_u32(tiff, number + 8);
    size_t n_bytes = tiff_u32(tiff, pictures + 4), at = tiff_u32(tiff, pictures + 8);
    if (n_pictures == 0 || n_pictures * PICTURE_BYTES > n_bytes)
        return false;
    for (size_t i = 0; i < n_pictures; i++)
        if (tiff_u32(tiff, at + i * PICTURE_BYTES) >> 24 & 7)
            return false; /* not JPEG */
    return true;
}

static const char *check_mpf(const uint8_t *body, size_t n_bytes, struct dlop_jpeg_app *app)
{
    struct tiff tiff = {.bytes = body + 4, .n_bytes = n_bytes - 4};

    tiff.is_little = memcmp(tiff.bytes, "II*\0", 4) == 0;
    if (app->n_mpf++ > 0 || (!tiff.is_little && memcmp(tiff.bytes, "MM\0*", 4) != 0) ||
        !is_plain_mpf(&tiff))
        return "several pictures in one file (MPO) that Pillow may not read";
    return NULL;
}

/* ---- Photoshop: a list of named blocks ---- */

static const char *check_photoshop(const uint8_t *body, size_t n_bytes, struct dlop_jpeg_app *app)
{
    uint64_t at = 14;
    (void)app;

    while (at + 4 <= n_bytes && memcmp(body + at, "8BIM", 4) == 0) {
        at += 4;
        if (at + 2 > n_bytes)
            return NULL; /* Pillow notices that these bytes are missing, ... */
        at += 2;
        if (at >= n_bytes)
            return "Photoshop data that ends too early"; /* ... but not that this one is */
        at += 1u + body[at];
        at += at & 1;
        if (at + 4 > n_bytes)
            return NULL;
        at += 4 + (uint64_t)dlop_be32(body + at);
        at += at & 1;
    }
    return NULL;
}

static const struct app_row rows[] = {
    {0, 4, "JFIF", 7, check_jfif, "JFIF segment that is too short"},
    {1, 5, "Exif", 6, check_exif, "Exif segment that is too short"},
    {2, 12, "ICC_PROFILE", 14, NULL, "ICC profile segment that is too short"},
    {2, 4, "MPF", 12, check_mpf, "MPF segment that is too short"},
    {13, 14, "Photoshop 3.0", 14, check_photoshop, "Photoshop segment that is too short"},
    {14, 5, "Adobe", 7, check_adobe, "Adobe segment that is too short"},
};

const char *dlop_jpeg_app_check(uint32_t number, const uint8_t *body, size_t n_bytes,
                                struct dlop_jpeg_app *app)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct app_row *row = &rows[i];
        if (row->number != number || n_bytes < row->n_signature ||
            memcmp(body, row->signature, row->n_signature) != 0)
            continue;
        if (n_bytes < row->min_bytes)
            return row->reason;
        return row->check != NULL ? row->check(body, n_bytes, app) : NULL;
    }
    return NULL;
}
