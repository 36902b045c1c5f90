/* Times the CPU's steps one by one, for `dlop bench kernels` through ctypes: which cases there are,
 * on which levels, and a run of one on the photographs that were given. Exported by
 * libdlop_bench.so. One thread per object. */
#ifndef DLOP_HOST_BENCH_KERNELS_H
#define DLOP_HOST_BENCH_KERNELS_H

#include "driver/driver.h"
#include "host/include/dlop.h"

struct dlop_bench_kernels;

/* DLOP_OK, DLOP_ERR_NO_MEMORY. */
DLOP_API dlop_status dlop_bench_kernels_open(struct dlop_bench_kernels **kernels_out);
/* Accepts null, sets *kernels to null. */
DLOP_API void dlop_bench_kernels_close(struct dlop_bench_kernels **kernels);

/* Add a JPEG file, copied. DLOP_OK; what the parser says; DLOP_ERR_UNSUPPORTED: restart markers or
 * several scans; DLOP_ERR_LIMIT: 64 are there; DLOP_ERR_NO_MEMORY. */
DLOP_API dlop_status dlop_bench_kernels_add(struct dlop_bench_kernels *kernels,
                                            const uint8_t *bytes, size_t n_bytes);

/* Case i: its step, or null past the last; what goes in, and what the unit of its time is. */
DLOP_API const char *dlop_bench_kernels_case(const struct dlop_bench_kernels *kernels, uint32_t i,
                                             const char **input_out, const char **unit_out);
/* Level i, the reference first: its name, or null past the last, its vector mask, and whether this
 * processor has it. */
DLOP_API const char *dlop_bench_kernels_level(uint32_t i, uint32_t *vector_mask_out,
                                              uint32_t *is_usable_out);
/* ns per unit of a case over all photographs, least_ns of processor time in all. DLOP_OK;
 * DLOP_ERR_ARGUMENT: no such case, or no photograph; DLOP_ERR_NO_MEMORY, DLOP_ERR_INTERNAL. */
DLOP_API dlop_status dlop_bench_kernels_run(struct dlop_bench_kernels *kernels, uint32_t i,
                                            uint32_t vector_mask, uint64_t least_ns,
                                            double *ns_per_unit_out);

#endif
