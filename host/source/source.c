/* Records from files and from memory.
 *
 * A source of files keeps all names in one block with a table of offsets: two allocations for a
 * million records, none per record. Nothing is opened before a record is asked for, so a file may
 * vanish in between; that is an error of this record only. Files must be regular: a directory, a
 * pipe or a device is left to the framework, whose error message the user expects.
 * Not here: read-ahead (host/run), what the bytes mean (host/format).
 */
#include "host/source/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/log.h"

struct dlop_source {
    enum dlop_source_kind kind;
    uint64_t n_records;

    /* FILES: name of record i is names + name_offset[i], zero-terminated. */
    char *names;
    size_t *name_offset;

    /* PIXELS: borrowed. */
    const uint8_t *pixels;
    uint32_t height_px, width_px, channels;
    size_t record_bytes;
};

/* ---- open and close ---- */

/* Fill the table of offsets; false unless the block holds exactly n zero-terminated names. */
static bool find_names(const char *names, size_t names_bytes, uint64_t n, size_t *offset_out)
{
    size_t at = 0;

    for (uint64_t i = 0; i < n; i++) {
        const char *end = at < names_bytes ? memchr(names + at, 0, names_bytes - at) : NULL;
        if (end == NULL)
            return false;
        offset_out[i] = at;
        at = (size_t)(end - names) + 1;
    }
    return at == names_bytes;
}

dlop_status dlop_source_open_files(dlop_ctx *ctx, const char *paths, size_t paths_bytes, uint64_t n,
                                   dlop_source **source_out)
{
    (void)ctx; /* files are read by the host whatever the device */
    if (source_out == NULL || (paths == NULL && paths_bytes > 0) || n > paths_bytes)
        return DLOP_ERR_ARGUMENT;

    dlop_status status = DLOP_ERR_NO_MEMORY;
    dlop_source *source = calloc(1, sizeof(*source));
    if (source == NULL)
        return status;
    source->kind = DLOP_SOURCE_FILES;
    source->n_records = n;
    /* One byte more, so that an empty source is not a null pointer; n <= paths_bytes keeps the
     * product far below the limit of size_t. */
    source->names = malloc(paths_bytes + 1);
    source->name_offset = malloc((n + 1) * sizeof(*source->name_offset));
    if (source->names == NULL || source->name_offset == NULL)
        goto free_source;

    status = DLOP_ERR_ARGUMENT;
    if (paths_bytes > 0)
        memcpy(source->names, paths, paths_bytes);
    if (!find_names(source->names, paths_bytes, n, source->name_offset))
        goto free_source;
    *source_out = source;
    return DLOP_OK;

free_source:
    dlop_source_close(&source);
    return status;
}

dlop_status dlop_source_open_pixels(dlop_ctx *ctx, const uint8_t *pixels, uint64_t n,
                                    uint32_t height, uint32_t width, uint32_t channels,
                                    dlop_source **source_out)
{
    (void)ctx;
    if (source_out == NULL || (pixels == NULL && n > 0) || height == 0 || width == 0 ||
        height > DLOP_MAX_SIDE_PX || width > DLOP_MAX_SIDE_PX || (channels != 1 && channels != 3))
        return DLOP_ERR_ARGUMENT;

    size_t record_bytes = (size_t)height * width * channels;
    if (n > SIZE_MAX / record_bytes)
        return DLOP_ERR_ARGUMENT;
    dlop_source *source = calloc(1, sizeof(*source));
    if (source == NULL)
        return DLOP_ERR_NO_MEMORY;
    source->kind = DLOP_SOURCE_PIXELS;
    source->n_records = n;
    source->pixels = pixels;
    source->height_px = height;
    source->width_px = width;
    source->channels = channels;
    source->record_bytes = record_bytes;
    *source_out = source;
    return DLOP_OK;
}

void dlop_source_close(dlop_source **source)
{
    if (source == NULL || *source == NULL)
        return;
    free((*source)->names);
    free((*source)->name_offset);
    free(*source);
    *source = NULL;
}

/* ---- what it holds ---- */

uint64_t dlop_source_n_records(const dlop_source *source)
{
    return source->n_records;
}

enum dlop_source_kind dlop_source_kind_of(const dlop_source *source)
{
    return source->kind;
}

const uint8_t *dlop_source_pixels(const dlop_source *source, uint64_t index, uint32_t *height_out,
                                  uint32_t *width_out, uint32_t *channels_out)
{
    if (source->kind != DLOP_SOURCE_PIXELS || index >= source->n_records)
        return NULL;
    *height_out = source->height_px;
    *width_out = source->width_px;
    *channels_out = source->channels;
    return source->pixels + index * source->record_bytes;
}

/* ---- bytes of a record ---- */

/* Log at debug level why a file failed: the user sees the framework's own exception. */
static dlop_status read_failed(const char *name, const char *what)
{
    dlop_log_record(DLOP_LOG_DEBUG, "source", "%s: %s", name, what);
    return DLOP_ERR_READ;
}

/* Nonblocking, so that opening a pipe without a writer does not hang. */
static int open_with_flags(const char *name, int flags)
{
    int fd;
    do
        fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* Reading ahead is no use of the file, but only its owner may ask for no access time. */
static int open_file(const char *name)
{
    int fd = open_with_flags(name, O_NOATIME);
    return fd < 0 && errno == EPERM ? open_with_flags(name, 0) : fd;
}

dlop_status dlop_source_size(dlop_source *source, uint64_t index, int *fd_out, size_t *n_bytes_out)
{
    struct stat about;

    if (index >= source->n_records)
        return DLOP_ERR_ARGUMENT;
    if (source->kind == DLOP_SOURCE_PIXELS) {
        *fd_out = -1;
        *n_bytes_out = source->record_bytes;
        return DLOP_OK;
    }

    const char *name = source->names + source->name_offset[index];
    int fd = open_file(name);
    if (fd < 0)
        return read_failed(name, strerrordesc_np(errno));
    const char *why_not = fstat(fd, &about) != 0    ? strerrordesc_np(errno)
                          : !S_ISREG(about.st_mode) ? "not a regular file"
                                                    : NULL;
    if (why_not != NULL) {
        close(fd);
        return read_failed(name, why_not);
    }
    *fd_out = fd;
    *n_bytes_out = (size_t)about.st_size;
    return DLOP_OK;
}

/* Read n_bytes from the file's start, or say why not. One byte more is asked for: whether it comes
 * tells whether the file ends there, and saves another call for its size. */
static const char *read_all(int fd, uint8_t *bytes_out, size_t n_bytes)
{
    for (size_t done = 0;;) {
        ssize_t n = pread(fd, bytes_out + done, n_bytes + 1 - done, (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return strerrordesc_np(errno);
        done += (size_t)n;
        if (done > n_bytes)
            return "file became longer while it was read";
        if (done == n_bytes)
            return NULL;
        if (n == 0)
            return "file became shorter while it was read";
    }
}

static dlop_status copy_pixels(const dlop_source *source, uint64_t index, uint8_t *bytes_out,
                               size_t n_bytes)
{
    if (n_bytes != source->record_bytes)
        return DLOP_ERR_ARGUMENT;
    memcpy(bytes_out, source->pixels + index * source->record_bytes, n_bytes);
    return DLOP_OK;
}

dlop_status dlop_source_read(dlop_source *source, uint64_t index, int fd, uint8_t *bytes_out,
                             size_t n_bytes)
{
    if (index >= source->n_records)
        return DLOP_ERR_ARGUMENT;
    if (source->kind == DLOP_SOURCE_PIXELS)
        return copy_pixels(source, index, bytes_out, n_bytes);

    const char *why_not = read_all(fd, bytes_out, n_bytes);
    close(fd);
    if (why_not != NULL)
        return read_failed(source->names + source->name_offset[index], why_not);
    return DLOP_OK;
}
