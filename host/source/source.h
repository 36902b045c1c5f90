/* Records of a data set: names or memory in, bytes out. Read-ahead is the runtime's business; a
 * source only fetches one record. */
#ifndef DLOP_HOST_SOURCE_SOURCE_H
#define DLOP_HOST_SOURCE_SOURCE_H

#include "driver/driver.h"
#include "host/include/dlop.h"

enum dlop_source_kind { DLOP_SOURCE_FILES, DLOP_SOURCE_PIXELS, DLOP_SOURCE_KIND_COUNT };

uint64_t dlop_source_n_records(const dlop_source *source);
enum dlop_source_kind dlop_source_kind_of(const dlop_source *source);

/* FILES: size of the file now. PIXELS: bytes of a record. DLOP_ERR_READ with the cause in the log
 * at debug level. */
dlop_status dlop_source_size(dlop_source *source, uint64_t index, int *fd_out,
                             size_t *n_bytes_out) DLOP_MUST_USE;
/* FILES: read exactly what dlop_source_size announced, close fd; a file that is shorter or longer
 * by now is DLOP_ERR_READ. bytes_out: room for n_bytes + 1, the last of which is undefined. PIXELS:
 * room for n_bytes. Any thread; one pread loop, EINTR-safe. */
dlop_status dlop_source_read(dlop_source *source, uint64_t index, int fd, uint8_t *bytes_out,
                             size_t n_bytes) DLOP_MUST_USE;
/* PIXELS only: address of a record and the shape of all records. */
const uint8_t *dlop_source_pixels(const dlop_source *source, uint64_t index, uint32_t *height_out,
                                  uint32_t *width_out, uint32_t *channels_out);

#endif
