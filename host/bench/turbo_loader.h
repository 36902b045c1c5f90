/* A data loader in C: libjpeg-turbo's crop decode and this library's resize, in threads.
 *
 * What an experienced programmer would write without DLOP's decoder: one libjpeg object and one
 * resizer per thread, each picture read from its file, cropped, resized, flipped and normalised
 * straight into its place in a batch; a few batches are made ahead. Batches are [n][3][224][224]
 * floats of RandomResizedCrop(224), flip, normalise, drawn by the framework's rules from a stream
 * per thread. No heap call per picture but those of libjpeg's own pools.
 *
 * For `dlop bench` through ctypes: these functions are exported by libdlop_bench.so.
 */
#ifndef DLOP_HOST_BENCH_TURBO_LOADER_H
#define DLOP_HOST_BENCH_TURBO_LOADER_H

#include "driver/driver.h"
#include "host/include/dlop.h"

#define DLOP_TURBO_SIDE_PX 224
/* Batches that are being made, made ahead, or in the caller's hands. */
#define DLOP_TURBO_SLOTS 4

struct dlop_bench_turbo_cfg {
    uint32_t n_threads, batch_size; /* at least 1 each */
    uint32_t is_fixed;              /* whole pictures resized, no flip: to compare pixels */
    uint32_t pass_rule;             /* enum dlop_pass_rule */
    uint64_t seed;
};

struct dlop_bench_turbo;

/* paths: n zero-terminated names one after the other, copied. DLOP_OK; DLOP_ERR_ARGUMENT,
 * DLOP_ERR_NO_MEMORY, DLOP_ERR_THREAD. One thread per object. */
DLOP_API dlop_status dlop_bench_turbo_open(const char *paths, size_t paths_bytes, uint32_t n,
                                           const struct dlop_bench_turbo_cfg *cfg,
                                           struct dlop_bench_turbo **loader_out);
/* Accepts null, sets *loader to null. Batches handed out are gone then. */
DLOP_API void dlop_bench_turbo_close(struct dlop_bench_turbo **loader);

/* Begin an epoch over the files order[0..n); order: copied; n as given to open. What is left of an
 * earlier epoch is dropped. DLOP_OK; DLOP_ERR_ARGUMENT: an index out of range. */
DLOP_API dlop_status dlop_bench_turbo_start(struct dlop_bench_turbo *loader, const uint32_t *order);
/* The next batch, waiting for it: *n_out pictures at *images_out, which are the caller's until the
 * next call. DLOP_OK; DLOP_END: the epoch is over; DLOP_ERR_READ and others: a file could not be
 * made, dlop_bench_turbo_error says which. */
DLOP_API dlop_status dlop_bench_turbo_next(struct dlop_bench_turbo *loader, float **images_out,
                                           uint32_t *n_out);
/* The first file that failed, or an empty text. */
DLOP_API const char *dlop_bench_turbo_error(const struct dlop_bench_turbo *loader);
/* Version of libjpeg-turbo whose headers were there when this was built. */
DLOP_API const char *dlop_bench_turbo_version(void);

#endif
