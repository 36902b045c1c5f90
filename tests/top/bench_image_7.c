/* The test bench of dlop_image, with the kernel in a shape of its own (module.mk): seven streams in
 * rotation. */
#include "hw/top/image.c"

#include "tests/top/bench_image.c"
