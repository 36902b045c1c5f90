/* Where the next marker stands among entropy-coded bytes. */
#ifndef DLOP_HOST_FORMAT_MARKER_H
#define DLOP_HOST_FORMAT_MARKER_H

#include <stdint.h>

/* The first 0xFF in [p, end) that is followed, in there too, by another byte than 0: the restart
 * marker or other marker that ends these coded bytes. `end` where there is none. Reads nothing
 * outside [p, end). Any thread. */
const uint8_t *dlop_find_marker(const uint8_t *p, const uint8_t *end);

#endif
