/* A machine with one card, as the driver's pre-flight sees it, in a scratch folder; XRT is played
 * by fake_xrt.so. */
#ifndef DLOP_TESTS_XRT_SITE_H
#define DLOP_TESTS_XRT_SITE_H

#include <limits.h>

struct site {
    char folder[64];            /* all below it */
    char build[PATH_MAX - 128]; /* the build folder of this test program */
};

/* Make the folder and set the environment: XILINX_XRT, DLOP_XCLBIN, DLOP_XRT. Returns 0 where the
 * build has no card image (make xclbin). */
int site_open(struct site *site);
/* Remove the folder. */
void site_close(struct site *site);

/* Write text to a file below the folder. */
void site_write(const struct site *site, const char *name, const void *bytes, size_t n_bytes);
/* A copy of the build's emulation image with another mode (of the format) and a uuid that is no
 * hash. Each `from` in it becomes `to`, of the same length, unless null. */
void site_write_image(const struct site *site, const char *name, unsigned char mode,
                      const char *from, const char *to);

#endif
