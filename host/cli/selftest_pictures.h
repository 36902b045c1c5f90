/* Test pictures of `dlop selftest`: drawn, encoded and decoded by libjpeg-turbo, kept in anonymous
 * files. */
#ifndef DLOP_HOST_CLI_SELFTEST_PICTURES_H
#define DLOP_HOST_CLI_SELFTEST_PICTURES_H

#include <stdbool.h>
#include <stdint.h>

/* What a picture exercises. */
struct selftest_kind {
    const char *name;
    uint8_t h, v;          /* luma sampling factors; chroma has 1 x 1 */
    uint8_t n_components;  /* 1 or 3 */
    uint8_t quality;       /* 1..100 */
    uint8_t is_optimised;  /* own Huffman tables */
    uint16_t restart_mcus; /* 0 = none */
    uint16_t width_px, height_px;
};

struct selftest_picture {
    const struct selftest_kind *kind;
    int fd;            /* anonymous file with the JPEG */
    uint8_t *expected; /* libjpeg-turbo's pixels, [height][width][3] */
};

extern const struct selftest_kind SELFTEST_KINDS[];
extern const uint32_t SELFTEST_N_KINDS;

/* False, with nothing to release, where memory or file descriptors are short. */
bool selftest_picture_open(const struct selftest_kind *kind, struct selftest_picture *picture_out);
void selftest_picture_close(struct selftest_picture *picture);

#endif
