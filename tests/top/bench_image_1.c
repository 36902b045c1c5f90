/* The test bench of dlop_image, with the kernel in a shape of its own (module.mk): one stream in
 * rotation. */
#include "hw/top/image.c"

#include "tests/top/bench_image.c"
