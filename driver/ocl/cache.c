/* Files of compiled programs: see cache.h.
 *
 * Layout: struct entry_header, key, value. The checksum covers everything behind the header and the
 * sizes in it, so no flipped byte and no other length passes.
 */
#include "driver/ocl/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRY_MAGIC     "DLOPOCL1"
#define ENTRY_MAX_BYTES ((size_t)256 << 20)
#define NAME_BYTES      32

struct entry_header {
    char magic[8];
    uint64_t key_bytes, value_bytes;
    uint64_t checksum;
};

/* ---- hash: FNV-1a of 64 bits, for names and against damage, not against people ---- */

#define HASH_START UINT64_C(0xcbf29ce484222325)

static uint64_t hash_on(uint64_t hash, const void *bytes, size_t n_bytes)
{
    const uint8_t *at = bytes;

    for (size_t i = 0; i < n_bytes; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t entry_checksum(const struct entry_header *header, const void *key,
                               const void *value)
{
    uint64_t hash = hash_on(HASH_START, header, offsetof(struct entry_header, checksum));

    hash = hash_on(hash, key, header->key_bytes);
    return hash_on(hash, value, header->value_bytes);
}

static void entry_name(const struct dlop_ocl_bytes *key, char name_out[NAME_BYTES])
{
    snprintf(name_out, NAME_BYTES, "%016llx.bin",
             (unsigned long long)hash_on(HASH_START, key->bytes, key->n_bytes));
}

/* ---- folder ---- */

bool dlop_ocl_cache_folder(char *path_out, size_t size)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int length;

    if (cache && cache[0] == '/')
        length = snprintf(path_out, size, "%s/dlop/ocl", cache);
    else if (home && home[0] == '/')
        length = snprintf(path_out, size, "%s/.cache/dlop/ocl", home);
    else
        return false;
    return length > 0 && (size_t)length < size;
}

static void make_folder(const char *folder)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof path, "%s", folder) >= (int)sizeof path)
        return;
    for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    mkdir(path, 0700);
}

static bool is_ours_alone(int file)
{
    struct stat info;

    return !fstat(file, &info) && info.st_uid == geteuid() && !(info.st_mode & (S_IWGRP | S_IWOTH));
}

/* A descriptor of the folder, or -1 where it is not there or somebody else could write to it. */
static int open_folder(const char *folder)
{
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (file >= 0 && !is_ours_alone(file)) {
        close(file);
        return -1;
    }
    return file;
}

/* ---- reading ---- */

/* The whole of a file of at most ENTRY_MAX_BYTES. */
static dlop_status read_file(int file, struct dlop_ocl_bytes *file_out)
{
    struct stat info;
    size_t n_read = 0;
    char *bytes;

    if (!is_ours_alone(file) || fstat(file, &info) || !S_ISREG(info.st_mode) ||
        info.st_size < (off_t)sizeof(struct entry_header) ||
        (uint64_t)info.st_size > ENTRY_MAX_BYTES)
        return DLOP_END;
    bytes = malloc((size_t)info.st_size);
    if (!bytes)
        return DLOP_ERR_NO_MEMORY;
    while (n_read < (size_t)info.st_size) {
        ssize_t n = read(file, bytes + n_read, (size_t)info.st_size - n_read);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        n_read += (size_t)n;
    }
    *file_out = (struct dlop_ocl_bytes){bytes, n_read};
    return DLOP_OK;
}

/* Whether a file's bytes are the entry of this key, whole and undamaged. */
static bool is_entry_of(const struct dlop_ocl_bytes *file, const struct dlop_ocl_bytes *key,
                        struct entry_header *header_out)
{
    const char *after = file->bytes + sizeof *header_out;

    if (file->n_bytes < sizeof *header_out)
        return false;
    memcpy(header_out, file->bytes, sizeof *header_out);
    if (memcmp(header_out->magic, ENTRY_MAGIC, sizeof header_out->magic) != 0 ||
        header_out->key_bytes != key->n_bytes || header_out->value_bytes > ENTRY_MAX_BYTES ||
        file->n_bytes != sizeof *header_out + key->n_bytes + header_out->value_bytes)
        return false;
    return !memcmp(after, key->bytes, key->n_bytes) &&
           entry_checksum(header_out, after, after + key->n_bytes) == header_out->checksum;
}

dlop_status dlop_ocl_cache_read(const char *folder, const struct dlop_ocl_bytes *key,
                                struct dlop_ocl_bytes *value_out)
{
    int folder_file = open_folder(folder), file;
    struct dlop_ocl_bytes whole = {0};
    struct entry_header header;
    dlop_status status = DLOP_END;
    char name[NAME_BYTES];

    if (folder_file < 0)
        return DLOP_END;
    entry_name(key, name);
    file = openat(folder_file, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    close(folder_file);
    if (file < 0)
        return DLOP_END;
    status = read_file(file, &whole);
    close(file);
    if (status == DLOP_OK && !is_entry_of(&whole, key, &header))
        status = DLOP_END;
    if (status != DLOP_OK) {
        free(whole.bytes);
        return status;
    }
    memmove(whole.bytes, whole.bytes + sizeof header + header.key_bytes, header.value_bytes);
    *value_out = (struct dlop_ocl_bytes){whole.bytes, header.value_bytes};
    return DLOP_OK;
}

/* ---- writing ---- */

static bool write_all(int file, const void *bytes, size_t n_bytes)
{
    const char *at = bytes;

    while (n_bytes) {
        ssize_t n = write(file, at, n_bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        n_bytes -= (size_t)n;
    }
    return true;
}

static bool write_entry(int file, const struct dlop_ocl_bytes *key,
                        const struct dlop_ocl_bytes *value)
{
    struct entry_header header = {.key_bytes = key->n_bytes, .value_bytes = value->n_bytes};

    memcpy(header.magic, ENTRY_MAGIC, sizeof header.magic);
    header.checksum = entry_checksum(&header, key->bytes, value->bytes);
    return write_all(file, &header, sizeof header) && write_all(file, key->bytes, key->n_bytes) &&
           write_all(file, value->bytes, value->n_bytes);
}

dlop_status dlop_ocl_cache_write(const char *folder, const struct dlop_ocl_bytes *key,
                                 const struct dlop_ocl_bytes *value)
{
    char name[NAME_BYTES], path[PATH_MAX], fresh[PATH_MAX];
    int folder_file, file;
    bool is_written;

    entry_name(key, name);
    if (value->n_bytes > ENTRY_MAX_BYTES - sizeof(struct entry_header) - key->n_bytes ||
        snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path ||
        snprintf(fresh, sizeof fresh, "%s/new.XXXXXX", folder) >= (int)sizeof fresh)
        return DLOP_ERR_IO;
    make_folder(folder);
    folder_file = open_folder(folder);
    if (folder_file < 0)
        return DLOP_ERR_IO;
    close(folder_file);
    file = mkostemp(fresh, O_CLOEXEC);
    if (file < 0)
        return DLOP_ERR_IO;
    is_written = write_entry(file, key, value);
    if (close(file) || !is_written || rename(fresh, path)) {
        unlink(fresh);
        return DLOP_ERR_IO;
    }
    return DLOP_OK;
}
