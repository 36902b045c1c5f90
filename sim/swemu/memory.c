/* Memory of the emulated card. */
#include "sim/swemu/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/swemu/log.h"

#define FILE_NAME   "dlop-swemu"
#define STRICT_FILL 0xa5
/* Filled memory is real memory. */
#define STRICT_MAX_BYTES ((uint64_t)1 << 30)
#define RESERVED         (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

bool dlop_swemu_memory_open(struct dlop_swemu_memory *memory, bool is_strict)
{
    *memory = (struct dlop_swemu_memory){.is_strict = is_strict};
    memory->page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    memory->buffers = calloc(DLOP_SWEMU_MAX_BUFFERS, sizeof(memory->buffers[0]));
    void *base = mmap(NULL, DLOP_SWEMU_MEMORY_BYTES, PROT_NONE, RESERVED, -1, 0);
    if (base == MAP_FAILED || memory->buffers == NULL) {
        dlop_swemu_log("cannot reserve the card's address space: %s", strerror(errno));
        free(memory->buffers);
        return false;
    }
    memory->base = base;
    return true;
}

void dlop_swemu_memory_close(struct dlop_swemu_memory *memory)
{
    dlop_swemu_memory_free_all(memory);
    if (memory->base != NULL)
        munmap(memory->base, DLOP_SWEMU_MEMORY_BYTES);
    free(memory->buffers);
    *memory = (struct dlop_swemu_memory){.base = NULL};
}

/* Index of the first buffer that ends behind the address. */
static uint32_t find(const struct dlop_swemu_memory *memory, uint64_t address)
{
    uint32_t low = 0;
    uint32_t high = memory->n_buffers;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const struct dlop_swemu_buffer *buffer = &memory->buffers[middle];
        if (buffer->address + buffer->size_bytes <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The buffer that begins there, or null. */
static struct dlop_swemu_buffer *find_exact(const struct dlop_swemu_memory *memory,
                                            uint64_t address)
{
    const uint32_t i = find(memory, address);
    const bool is_found = i < memory->n_buffers && memory->buffers[i].address == address;

    return is_found ? &memory->buffers[i] : NULL;
}

uint8_t *dlop_swemu_memory_at(const struct dlop_swemu_memory *memory, uint64_t address,
                              uint64_t n_bytes)
{
    const uint32_t i = find(memory, address);

    if (i == memory->n_buffers || memory->buffers[i].address > address)
        return NULL;
    const uint64_t offset = address - memory->buffers[i].address;
    if (n_bytes > memory->buffers[i].size_bytes - offset)
        return NULL;
    return memory->base + address;
}

/* ---- life of a buffer ---- */

static int new_file(uint64_t size_bytes)
{
    const int file = memfd_create(FILE_NAME, MFD_CLOEXEC);

    if (file >= 0 && ftruncate(file, (off_t)size_bytes) != 0) {
        const int why = errno;
        close(file);
        errno = why;
        return -1;
    }
    return file;
}

static bool map_file(struct dlop_swemu_memory *memory, uint64_t address, uint64_t size_bytes,
                     int file)
{
    return mmap(memory->base + address, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                file, 0) != MAP_FAILED;
}

/* The reservation again. It cannot fail for want of memory, but it may for want of mappings: then
 * the old one stays, which no host can reach any more. */
static void unmap(struct dlop_swemu_memory *memory, const struct dlop_swemu_buffer *buffer)
{
    if (mmap(memory->base + buffer->address, buffer->size_bytes, PROT_NONE, RESERVED | MAP_FIXED,
             -1, 0) == MAP_FAILED)
        dlop_swemu_log("buffer at 0x%" PRIx64 " stays mapped: %s", buffer->address,
                       strerror(errno));
}

/* Why there can be no buffer, or null. */
static const char *why_not(const struct dlop_swemu_memory *memory, uint64_t address,
                           uint64_t size_bytes)
{
    if (memory->n_buffers == DLOP_SWEMU_MAX_BUFFERS)
        return "too many buffers";
    if (address % memory->page_bytes != 0 || size_bytes == 0)
        return "not at a page, or empty";
    if (address >= DLOP_SWEMU_MEMORY_BYTES || size_bytes > DLOP_SWEMU_MEMORY_BYTES - address)
        return "outside the card's memory";
    if (memory->is_strict && size_bytes > STRICT_MAX_BYTES)
        return "too large for strict mode";
    const uint32_t i = find(memory, address);
    if (i < memory->n_buffers && memory->buffers[i].address < address + size_bytes)
        return "over another buffer";
    return NULL;
}

static uint64_t whole_pages(const struct dlop_swemu_memory *memory, uint64_t size_bytes)
{
    return size_bytes > DLOP_SWEMU_MEMORY_BYTES
               ? size_bytes
               : (size_bytes + memory->page_bytes - 1) / memory->page_bytes * memory->page_bytes;
}

/* Memory of the kernels apart from the host's file. */
static bool map_own(struct dlop_swemu_memory *memory, uint64_t address, uint64_t size_bytes)
{
    if (mmap(memory->base + address, size_bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        return false;
    memset(memory->base + address, STRICT_FILL, size_bytes);
    return true;
}

bool dlop_swemu_memory_alloc(struct dlop_swemu_memory *memory, uint64_t address,
                             uint64_t size_bytes, char name_out[DLOP_SWEMU_NAME_BYTES])
{
    const uint64_t whole_bytes = whole_pages(memory, size_bytes);
    const char *why = why_not(memory, address, whole_bytes);

    if (why != NULL) {
        dlop_swemu_log("no buffer of %" PRIu64 " bytes at 0x%" PRIx64 ": %s", size_bytes, address,
                       why);
        return false;
    }
    const int file = new_file(whole_bytes);
    const bool is_mapped =
        file >= 0 && (memory->is_strict ? map_own(memory, address, whole_bytes)
                                        : map_file(memory, address, whole_bytes, file));
    if (!is_mapped) {
        dlop_swemu_log("no buffer of %" PRIu64 " bytes at 0x%" PRIx64 ": %s", size_bytes, address,
                       strerror(errno));
        if (file >= 0)
            close(file);
        return false;
    }
    const uint32_t i = find(memory, address);
    memmove(&memory->buffers[i + 1], &memory->buffers[i],
            (memory->n_buffers - i) * sizeof(memory->buffers[0]));
    memory->buffers[i] = (struct dlop_swemu_buffer){address, whole_bytes, file};
    memory->n_buffers++;
    snprintf(name_out, DLOP_SWEMU_NAME_BYTES, "/proc/%d/fd/%d", (int)getpid(), file);
    return true;
}

bool dlop_swemu_memory_free(struct dlop_swemu_memory *memory, uint64_t address)
{
    struct dlop_swemu_buffer *buffer = find_exact(memory, address);

    if (buffer == NULL)
        return false;
    unmap(memory, buffer);
    close(buffer->file);
    const uint32_t i = (uint32_t)(buffer - memory->buffers);
    memory->n_buffers--;
    memmove(&memory->buffers[i], &memory->buffers[i + 1],
            (memory->n_buffers - i) * sizeof(memory->buffers[0]));
    return true;
}

void dlop_swemu_memory_free_all(struct dlop_swemu_memory *memory)
{
    while (memory->n_buffers > 0)
        dlop_swemu_memory_free(memory, memory->buffers[memory->n_buffers - 1].address);
}

/* ---- buffers of other devices ---- */

/* Whether this is /proc/<digits>/fd/<digits>, the only files that a host can know, and leads to a
 * buffer of a device process: a host must not get at other files through this one. */
static bool is_buffer_name(const char *name)
{
    static const char wanted[] = "/memfd:" FILE_NAME " ";
    char target[64];
    int end = 0;

    if (sscanf(name, "/proc/%*9[0-9]/fd/%*9[0-9]%n", &end) != 0 || end == 0 || name[end] != 0)
        return false;
    const ssize_t n = readlink(name, target, sizeof(target));
    return n >= (ssize_t)sizeof(wanted) && memcmp(target, wanted, sizeof(wanted) - 1) == 0;
}

/* The file behind a name, with at least so many bytes; -1, and logged. */
static int open_buffer(const char *name, uint64_t least_bytes)
{
    struct stat about;

    if (!is_buffer_name(name)) {
        dlop_swemu_log("not the name of a buffer: %.40s", name);
        return -1;
    }
    const int file = open(name, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0) {
        dlop_swemu_log("%s: %s", name, strerror(errno));
        return -1;
    }
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode) ||
        (uint64_t)about.st_size < least_bytes) {
        dlop_swemu_log("%s: not a buffer of %" PRIu64 " bytes", name, least_bytes);
        close(file);
        return -1;
    }
    return file;
}

bool dlop_swemu_memory_import(struct dlop_swemu_memory *memory, const char *name, uint64_t address,
                              uint64_t size_bytes)
{
    struct dlop_swemu_buffer *buffer = find_exact(memory, address);

    if (buffer == NULL || whole_pages(memory, size_bytes) > buffer->size_bytes) {
        dlop_swemu_log("import to 0x%" PRIx64 ": no buffer of that size is there", address);
        return false;
    }
    const int file = open_buffer(name, buffer->size_bytes);
    if (file < 0)
        return false;
    /* The host knows the buffer by the name that it got at alloc: let that lead to the new file. */
    const bool is_mapped = dup3(file, buffer->file, O_CLOEXEC) >= 0 &&
                           map_file(memory, address, buffer->size_bytes, file);
    if (!is_mapped)
        dlop_swemu_log("import of %s: %s", name, strerror(errno));
    close(file);
    return is_mapped;
}

bool dlop_swemu_memory_copy(struct dlop_swemu_memory *memory, const struct dlop_swemu_copy *copy)
{
    uint8_t *bytes = dlop_swemu_memory_at(memory, copy->address, copy->n_bytes);
    uint64_t done = 0;

    if (bytes == NULL || copy->n_bytes > INT64_MAX - DLOP_SWEMU_MEMORY_BYTES ||
        copy->file_offset > DLOP_SWEMU_MEMORY_BYTES) {
        dlop_swemu_log("copy of %" PRIu64 " bytes at 0x%" PRIx64 ": no buffer holds them",
                       copy->n_bytes, copy->address);
        return false;
    }
    const int file = open_buffer(copy->name, copy->file_offset + copy->n_bytes);
    if (file < 0)
        return false;
    while (done < copy->n_bytes) {
        const off_t at = (off_t)(copy->file_offset + done);
        const size_t rest = (size_t)(copy->n_bytes - done);
        const ssize_t n = copy->to_file ? pwrite(file, bytes + done, rest, at)
                                        : pread(file, bytes + done, rest, at);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            dlop_swemu_log("copy with %s: %s", copy->name, n == 0 ? "ends" : strerror(errno));
            break;
        }
        done += n > 0 ? (uint64_t)n : 0;
    }
    close(file);
    return done == copy->n_bytes;
}
