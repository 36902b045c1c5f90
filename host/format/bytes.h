/* Big-endian numbers in a file's bytes. */
#ifndef DLOP_HOST_FORMAT_BYTES_H
#define DLOP_HOST_FORMAT_BYTES_H

#include <stdint.h>

static inline uint32_t dlop_be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t dlop_be32(const uint8_t *p)
{
    return dlop_be16(p) << 16 | dlop_be16(p + 2);
}

#endif
