/* Entry points of a card, the same for HLS, OpenCL and every emulation.
 *
 * A launch gives whole batches of jobs to one compute unit. All pointers are to the card's memory;
 * sizes bound every access. jobs and completions are records of hw/abi/abi.h as little-endian bytes
 * ([n_jobs][128] and [n_jobs][32]), so that a card and a host agree whatever their compilers do
 * with structs. Each completion is written once, after the job's output.
 *
 * scratch is the unit's own working memory, of at least dlop_top_scratch_bytes for these jobs
 * (scratch.h); a job that needs more gets DLOP_ERR_TOO_SMALL. Content before and after: any.
 */
#ifndef DLOP_HW_TOP_TOP_H
#define DLOP_HW_TOP_TOP_H

#include "hw/abi/abi.h"

#define DLOP_TOP_JOB_BYTES        128
#define DLOP_TOP_COMPLETION_BYTES 32

/* The kernels of a card image. X(name, mask of 1 << enum dlop_job_kind that it runs). Both take the
 * arguments of DLOP_TOP_ARGUMENTS in this order. */
#define DLOP_TOP_KERNELS(X)                                                                        \
    X(dlop_image, 1u << DLOP_JOB_JPEG | 1u << DLOP_JOB_PIXELS)                                     \
    X(dlop_tensor, 1u << DLOP_JOB_TENSOR)

/* X(C type, name, is a buffer) */
#define DLOP_TOP_ARGUMENTS(X)                                                                      \
    X(const u8 *, in, 1)                                                                           \
    X(const u8 *, constants, 1)                                                                    \
    X(u8 *, out, 1)                                                                                \
    X(u8 *, scratch, 1)                                                                            \
    X(const u8 *, jobs, 1)                                                                         \
    X(u8 *, completions, 1)                                                                        \
    X(u64, in_bytes, 0)                                                                            \
    X(u64, constants_bytes, 0)                                                                     \
    X(u64, out_bytes, 0)                                                                           \
    X(u64, scratch_bytes, 0)                                                                       \
    X(u32, n_jobs, 0)

/* JPEG and PIXELS jobs; a job of another kind gets DLOP_ERR_UNSUPPORTED. */
void dlop_image(const u8 *in, const u8 *constants, u8 *out, u8 *scratch, const u8 *jobs,
                u8 *completions, u64 in_bytes, u64 constants_bytes, u64 out_bytes,
                u64 scratch_bytes, u32 n_jobs);
/* TENSOR jobs; others get DLOP_ERR_UNSUPPORTED. */
void dlop_tensor(const u8 *in, const u8 *constants, u8 *out, u8 *scratch, const u8 *jobs,
                 u8 *completions, u64 in_bytes, u64 constants_bytes, u64 out_bytes,
                 u64 scratch_bytes, u32 n_jobs);

#endif
