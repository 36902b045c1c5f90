/* Whole-file input, and output that never leaves a half-written file behind. */
#include "host/cli/picture.h"

#include <errno.h>
#include <spng.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

uint8_t *picture_read_file(const char *path, size_t *n_bytes_out)
{
    struct stat info;
    uint8_t *bytes = NULL;
    FILE *file = fopen(path, "rbe");

    if (!file)
        return NULL;
    if (fstat(fileno(file), &info) || S_ISDIR(info.st_mode)) {
        errno = S_ISDIR(info.st_mode) ? EISDIR : errno;
    } else if ((bytes = malloc((size_t)info.st_size + 1)) != NULL) {
        *n_bytes_out = fread(bytes, 1, (size_t)info.st_size, file);
        if (*n_bytes_out != (size_t)info.st_size) {
            free(bytes);
            bytes = NULL;
            errno = EIO;
        }
    }
    fclose(file);
    return bytes;
}

static bool write_file(const char *path, const void *head, size_t head_bytes, const void *body,
                       size_t body_bytes)
{
    char temporary[4096 + 8];

    if ((size_t)snprintf(temporary, sizeof(temporary), "%s.part", path) >= sizeof(temporary)) {
        errno = ENAMETOOLONG;
        return false;
    }
    FILE *file = fopen(temporary, "wbe");
    if (!file)
        return false;
    bool is_written = fwrite(head, 1, head_bytes, file) == head_bytes &&
                      fwrite(body, 1, body_bytes, file) == body_bytes;
    is_written = !fclose(file) && is_written && !rename(temporary, path);
    if (!is_written) {
        int write_errno = errno;
        unlink(temporary);
        errno = write_errno;
    }
    return is_written;
}

/* NumPy's format 1.0: magic, little-endian header length, a Python dictionary padded so that the
 * data starts at a multiple of 64 (numpy/lib/format.py). */
bool picture_write_npy(const char *path, const struct picture *picture)
{
    char header[128];

    memset(header, ' ', sizeof(header));
    memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10);
    int n = snprintf(header + 10, sizeof(header) - 10,
                     "{'descr': '|u1', 'fortran_order': False, 'shape': (%u, %u, 3), }",
                     picture->height_px, picture->width_px);
    header[10 + n] = ' ';
    header[sizeof(header) - 1] = '\n';
    return write_file(path, header, sizeof(header), picture->pixels,
                      3ull * picture->height_px * picture->width_px);
}

bool picture_write_png(const char *path, const struct picture *picture)
{
    struct spng_ihdr header = {
        .width = picture->width_px,
        .height = picture->height_px,
        .bit_depth = 8,
        .color_type = SPNG_COLOR_TYPE_TRUECOLOR,
    };
    size_t pixels_bytes = 3ull * picture->height_px * picture->width_px;
    size_t png_bytes = 0;
    int error = SPNG_EMEM;
    spng_ctx *encoder = spng_ctx_new(SPNG_CTX_ENCODER);

    if (!encoder)
        return false;
    spng_set_option(encoder, SPNG_ENCODE_TO_BUFFER, 1);
    spng_set_ihdr(encoder, &header);
    error = spng_encode_image(encoder, picture->pixels, pixels_bytes, SPNG_FMT_PNG,
                              SPNG_ENCODE_FINALIZE);
    void *png = error ? NULL : spng_get_png_buffer(encoder, &png_bytes, &error);
    bool is_written = png && write_file(path, png, png_bytes, NULL, 0);
    if (!png)
        errno = ENOMEM;
    int write_errno = errno;
    free(png);
    spng_ctx_free(encoder);
    errno = write_errno;
    return is_written;
}
