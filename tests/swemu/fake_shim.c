/* Stands for an emulation shim of XRT: the function that grows the message buffer under the same
 * name, right or wrong.
 *
 * FAKE_KIND: right keeps what realloc returns; wrong drops it, as Debian's build does; odd has room
 * for more than is tried.
 */
#include <stdint.h>
#include <stdlib.h>

#define FAKE_right     0
#define FAKE_wrong     1
#define FAKE_odd       2
#define ODD_ROOM_BYTES 1000

#define EXPORTED __attribute__((visibility("default")))

struct fake_shim {
    uint64_t other[37];
    void *buffer;
    uint64_t size_bytes;
};

EXPORTED size_t _ZN12xclcpuemhal29CpuemShim10alloc_voidEm(struct fake_shim *shim, size_t n_bytes);
EXPORTED void *fake_shim_grow(size_t n_bytes);

size_t _ZN12xclcpuemhal29CpuemShim10alloc_voidEm(struct fake_shim *shim, size_t n_bytes)
{
    if (shim->size_bytes == 0) {
        shim->buffer = malloc(n_bytes);
        return n_bytes;
    }
    if (shim->size_bytes < n_bytes && FAKE_KIND == FAKE_odd && n_bytes < ODD_ROOM_BYTES)
        return n_bytes;
    if (shim->size_bytes < n_bytes && FAKE_KIND != FAKE_wrong)
        shim->buffer = realloc(shim->buffer, n_bytes);
    else if (shim->size_bytes < n_bytes && realloc(shim->buffer, n_bytes) == NULL)
        free(shim->buffer);
    return n_bytes;
}

/* The buffer after two messages: one of 16 bytes, one of n_bytes. */
void *fake_shim_grow(size_t n_bytes)
{
    static struct fake_shim shim;

    shim.size_bytes = _ZN12xclcpuemhal29CpuemShim10alloc_voidEm(&shim, 16);
    shim.size_bytes = _ZN12xclcpuemhal29CpuemShim10alloc_voidEm(&shim, n_bytes);
    return shim.buffer;
}
