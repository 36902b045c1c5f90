/* Application segments of a JPEG file: what they say about colour, and whether Pillow's own parser,
 * which looks into them before libjpeg does, is certain not to raise. */
#ifndef DLOP_HOST_FORMAT_JPEG_APP_H
#define DLOP_HOST_FORMAT_JPEG_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dlop_jpeg_app {
    bool has_jfif;  /* a JFIF segment as libjpeg knows it */
    bool has_adobe; /* an Adobe segment as libjpeg knows it; the last one counts */
    uint8_t adobe_transform;
    uint32_t n_exif, n_mpf;
};

/* Look at the body of segment APP0 + number that stands before the first scan. Null and *app
 * updated, or the reason why Pillow may not open the file (static text). Any thread. */
const char *dlop_jpeg_app_check(uint32_t number, const uint8_t *body, size_t n_bytes,
                                struct dlop_jpeg_app *app);

#endif
