/* Memory of the emulated card.
 *
 * Key idea: the card's address space is one sparse reservation of the process, and each buffer a
 * file in memory mapped into it at its device address. The host maps the same file through
 * /proc/<pid>/fd/<n>, so nothing has to be cleaned up after a crash, and a wild access of a kernel
 * faults instead of hitting something else.
 *
 * In strict mode the kernels see memory of their own, filled with 0xa5: what the host did not sync
 * is wrong data, as on a card.
 */
#ifndef DLOP_SIM_SWEMU_MEMORY_H
#define DLOP_SIM_SWEMU_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The cards of card.h end at 288 GiB. */
#define DLOP_SWEMU_MEMORY_BYTES ((uint64_t)1 << 39)
#define DLOP_SWEMU_MAX_BUFFERS  65536u
#define DLOP_SWEMU_NAME_BYTES   48u

struct dlop_swemu_buffer {
    uint64_t address;
    uint64_t size_bytes; /* whole pages */
    int file;            /* the one whose name the host has */
};

struct dlop_swemu_memory {
    uint8_t *base; /* of device address 0 */
    uint64_t page_bytes;
    bool is_strict;
    struct dlop_swemu_buffer *buffers; /* in order of addresses, apart from each other */
    uint32_t n_buffers;
};

/* Reserve the address space. False, and logged, without memory. All functions: one thread. */
bool dlop_swemu_memory_open(struct dlop_swemu_memory *memory, bool is_strict);
void dlop_swemu_memory_close(struct dlop_swemu_memory *memory);

/* New zeroed buffer at an address that the host chose. name_out gets the file to map. False, and
 * logged: outside the card, not at a page, over another buffer, too many, no memory. */
bool dlop_swemu_memory_alloc(struct dlop_swemu_memory *memory, uint64_t address,
                             uint64_t size_bytes, char name_out[DLOP_SWEMU_NAME_BYTES]);
/* False when no buffer begins there. */
bool dlop_swemu_memory_free(struct dlop_swemu_memory *memory, uint64_t address);
void dlop_swemu_memory_free_all(struct dlop_swemu_memory *memory);

/* Where n_bytes from this device address on are, or null when no buffer holds them all. */
uint8_t *dlop_swemu_memory_at(const struct dlop_swemu_memory *memory, uint64_t address,
                              uint64_t n_bytes);

/* Put a buffer of another device, given by the name of its file, where a buffer was allocated.
 * False, and logged. */
bool dlop_swemu_memory_import(struct dlop_swemu_memory *memory, const char *name, uint64_t address,
                              uint64_t size_bytes);

/* Copy between a buffer and the file of a buffer of another device. False, and logged. */
struct dlop_swemu_copy {
    const char *name;
    bool to_file;
    uint64_t address;
    uint64_t file_offset;
    uint64_t n_bytes;
};
bool dlop_swemu_memory_copy(struct dlop_swemu_memory *memory, const struct dlop_swemu_copy *copy);

#endif
