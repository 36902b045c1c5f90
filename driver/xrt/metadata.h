/* The XML of a card image: kernels, their arguments and compute units.
 *
 * It is section EMBEDDED_METADATA of an xclbin. Only what a host needs is read, and all of it is
 * checked: a struct that dlop_metadata_read filled holds names that end and numbers in range.
 */
#ifndef DLOP_DRIVER_XRT_METADATA_H
#define DLOP_DRIVER_XRT_METADATA_H

#include <stddef.h>
#include <stdint.h>

#define DLOP_METADATA_MAX_KERNELS    16
#define DLOP_METADATA_MAX_ARGUMENTS  32 /* of one kernel */
#define DLOP_METADATA_MAX_UNITS      64 /* of all kernels */
#define DLOP_METADATA_NAME_BYTES     64 /* with the zero at the end */
#define DLOP_METADATA_REGISTER_BYTES 0x1000u

enum dlop_metadata_qualifier {
    DLOP_METADATA_SCALAR = 0,
    DLOP_METADATA_BUFFER = 1,
    DLOP_METADATA_STREAM = 4,
};

struct dlop_metadata_argument {
    char name[DLOP_METADATA_NAME_BYTES];
    uint32_t qualifier;       /* enum dlop_metadata_qualifier */
    uint32_t register_offset; /* offset + size <= DLOP_METADATA_REGISTER_BYTES */
    uint32_t size_bytes;      /* 1..8 */
};

struct dlop_metadata_kernel {
    char name[DLOP_METADATA_NAME_BYTES];
    uint32_t n_arguments;
    struct dlop_metadata_argument arguments[DLOP_METADATA_MAX_ARGUMENTS];
};

struct dlop_metadata_unit {
    char name[DLOP_METADATA_NAME_BYTES]; /* "kernel:unit" */
    uint32_t kernel;                     /* index into kernels */
    uint64_t base;                       /* of its registers; no two units share a register */
};

struct dlop_metadata {
    uint32_t n_kernels;
    uint32_t n_units;
    struct dlop_metadata_kernel kernels[DLOP_METADATA_MAX_KERNELS];
    struct dlop_metadata_unit units[DLOP_METADATA_MAX_UNITS]; /* in order of base */
};

/* Read the XML of n_bytes; a zero byte in it ends it. DLOP_OK; DLOP_ERR_BAD_DATA or DLOP_ERR_LIMIT
 * with the reason in reason_out (size bytes, may be null), *metadata_out is then of no use. Any
 * thread. */
int32_t dlop_metadata_read(const char *text, size_t n_bytes, struct dlop_metadata *metadata_out,
                           char *reason_out, size_t size);

/* Replace what is no printable ASCII character: reasons quote what came from a file. */
void dlop_metadata_make_printable(char *text);

#endif
