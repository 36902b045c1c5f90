/* Compiled programs that are kept in the user's cache folder.
 *
 * An entry is one file, named by a hash of its key, with key and value in full and a checksum: it
 * is used only where the key is the same byte for byte and the checksum is right. What a driver is
 * given runs in our process, so folder and file must belong to the user and be writable by nobody
 * else. Entries may be deleted at any time. No function here knows OpenCL.
 */
#ifndef DLOP_DRIVER_OCL_CACHE_H
#define DLOP_DRIVER_OCL_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "driver/driver.h"

struct dlop_ocl_bytes {
    char *bytes;
    size_t n_bytes;
};

/* Write the folder's path, $XDG_CACHE_HOME/dlop/ocl or ~/.cache/dlop/ocl, to path_out. False where
 * neither variable gives an absolute path or it is longer than size. */
bool dlop_ocl_cache_folder(char *path_out, size_t size);

/* Find a value. DLOP_OK: *value_out is the caller's, to be freed with free. DLOP_END: no entry that
 * may be used. DLOP_ERR_NO_MEMORY. Any thread. */
DLOP_MUST_USE dlop_status dlop_ocl_cache_read(const char *folder, const struct dlop_ocl_bytes *key,
                                              struct dlop_ocl_bytes *value_out);

/* Write or replace an entry; readers see the old one or the new one. Makes the folder (0700).
 * DLOP_OK; DLOP_ERR_IO: nothing changed. Any thread. */
DLOP_MUST_USE dlop_status dlop_ocl_cache_write(const char *folder, const struct dlop_ocl_bytes *key,
                                               const struct dlop_ocl_bytes *value);

#endif
