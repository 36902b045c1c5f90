/* libjpeg used as Pillow uses it: the oracle of the decode fuzzer. */
#ifndef DLOP_TESTS_FUZZ_PILLOW_ORACLE_H
#define DLOP_TESTS_FUZZ_PILLOW_ORACLE_H

#include <stddef.h>
#include <stdint.h>

struct pillow_image {
    uint32_t width_px, height_px;
    uint8_t *rgb; /* [height][width][3]; the caller frees it */
};

/* 1 and *image_out where Pillow would decode without an exception, else 0. Files of more than
 * max_pixels count as refused. */
int pillow_decode(const uint8_t *bytes, size_t n_bytes, uint64_t max_pixels,
                  struct pillow_image *image_out);

#endif
