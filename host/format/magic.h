/* What a file is by its first bytes, for the reason why it is not ours. */
#ifndef DLOP_HOST_FORMAT_MAGIC_H
#define DLOP_HOST_FORMAT_MAGIC_H

#include <stddef.h>
#include <stdint.h>

/* "PNG", "GIF", ..., "text", or null for bytes of no known kind. Static text. Any thread. */
const char *dlop_magic_name(const uint8_t *bytes, size_t n_bytes);

#endif
