/* Pictures on disk for the command line: whole-file read, .npy and .png write. */
#ifndef DLOP_HOST_CLI_PICTURE_H
#define DLOP_HOST_CLI_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 8-bit RGB, [height][width][3]. */
struct picture {
    uint8_t *pixels;
    uint32_t height_px, width_px;
};

/* Read a file whole; caller frees. Null with errno on failure. */
uint8_t *picture_read_file(const char *path, size_t *n_bytes_out);
/* Write to a temporary name beside path, then rename: path is whole or untouched. False with errno.
 * */
bool picture_write_npy(const char *path, const struct picture *picture);
bool picture_write_png(const char *path, const struct picture *picture);

#endif
