/* Buffers that end at a page without access: one byte read or written past the end stops the test.
 *
 * guard_alloc(n) gives n bytes whose last byte is the last accessible one; the page before the
 * buffer's first page is closed, too. Free with guard_free and the same n.
 */
#ifndef DLOP_TESTS_KERNEL_GUARD_H
#define DLOP_TESTS_KERNEL_GUARD_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static inline size_t guard_inner_bytes(size_t n_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (n_bytes + page - 1) / page * page;
}

static inline uint8_t *guard_alloc(size_t n_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = guard_inner_bytes(n_bytes);
    uint8_t *base = mmap(NULL, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (base == MAP_FAILED || (inner && mprotect(base + page, inner, PROT_READ | PROT_WRITE))) {
        perror("guard_alloc");
        exit(1);
    }
    return base + page + inner - n_bytes;
}

static inline void guard_free(uint8_t *bytes, size_t n_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = guard_inner_bytes(n_bytes);

    munmap(bytes + n_bytes - inner - page, inner + 2 * page);
}

#endif
