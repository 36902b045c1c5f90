/* Reader of card images: the xclbin container, with every offset and count checked.
 *
 * Plain C over bytes; needs no XRT, and no call of it ends the process. The image that
 * dlop_xclbin_open returns has been checked as far as a host relies on it: sections lie inside the
 * file and apart from each other, counts fit, each kernel argument of each compute unit has a
 * memory, and the two orders in which XRT numbers units are the same (in an emulation image a
 * difference runs the wrong kernel and reports success).
 */
#ifndef DLOP_DRIVER_XRT_XCLBIN_H
#define DLOP_DRIVER_XRT_XCLBIN_H

#include "driver/driver.h"
#include "driver/xrt/metadata.h"

#define DLOP_XCLBIN_MAX_SECTIONS   64
#define DLOP_XCLBIN_MAX_BANKS      64
#define DLOP_XCLBIN_UUID_BYTES     16
#define DLOP_XCLBIN_TAG_BYTES      16
#define DLOP_XCLBIN_PLATFORM_BYTES 64

/* Values of the file format. */
enum dlop_xclbin_mode { DLOP_XCLBIN_HW = 1, DLOP_XCLBIN_HW_EMU = 4, DLOP_XCLBIN_SW_EMU = 5 };
enum dlop_xclbin_kind {
    DLOP_XCLBIN_BITSTREAM = 0,
    DLOP_XCLBIN_EMBEDDED_METADATA = 2,
    DLOP_XCLBIN_MEM_TOPOLOGY = 6,
    DLOP_XCLBIN_CONNECTIVITY = 7,
    DLOP_XCLBIN_IP_LAYOUT = 8,
    DLOP_XCLBIN_PDI = 18,
};

struct dlop_xclbin_section {
    uint32_t kind; /* enum dlop_xclbin_kind, or another */
    size_t offset; /* into the file */
    size_t size_bytes;
};

struct dlop_xclbin_bank {
    char tag[DLOP_XCLBIN_TAG_BYTES + 1]; /* "DDR[0]" */
    bool is_used;
    uint64_t base;       /* of the card's addresses */
    uint64_t size_bytes; /* base + size_bytes does not wrap */
};

/* A compute unit; unit i of an image is unit i of its metadata. */
struct dlop_xclbin_unit {
    uint32_t interrupt; /* 0..127 */
    /* Bit b of banks[a]: argument a of the unit reaches banks[b]. */
    uint64_t banks[DLOP_METADATA_MAX_ARGUMENTS];
};

struct dlop_xclbin {
    const uint8_t *bytes; /* the caller's */
    size_t n_bytes;
    uint32_t mode; /* enum dlop_xclbin_mode, or another value of the format */
    uint8_t uuid[DLOP_XCLBIN_UUID_BYTES];
    char platform[DLOP_XCLBIN_PLATFORM_BYTES + 1];
    uint32_t n_sections;
    uint32_t n_banks;
    struct dlop_xclbin_section sections[DLOP_XCLBIN_MAX_SECTIONS];
    struct dlop_xclbin_bank banks[DLOP_XCLBIN_MAX_BANKS]; /* index = XRT's memory index */
    struct dlop_metadata metadata;                        /* kernels, arguments, units */
    struct dlop_xclbin_unit units[DLOP_METADATA_MAX_UNITS];
};

/* Check and read an image of n_bytes. The bytes stay the caller's and must outlive the image.
 * reason_out (size bytes, may be null) gets one line where the image is refused.
 * DLOP_OK; DLOP_ERR_TRUNCATED, DLOP_ERR_BAD_DATA, DLOP_ERR_LIMIT; DLOP_ERR_NO_MEMORY. On failure
 * *xclbin_out is untouched. Any thread; does not touch the file system. */
DLOP_MUST_USE dlop_status dlop_xclbin_open(const uint8_t *bytes, size_t n_bytes,
                                           struct dlop_xclbin **xclbin_out, char *reason_out,
                                           size_t size);

/* Accepts null; sets *xclbin to null. */
void dlop_xclbin_close(struct dlop_xclbin **xclbin);

/* Whether the content is what it was when the image was built: the uuid of our emulation images is
 * a SHA-1 of all other bytes. Images of cards carry any uuid and are signed instead: their content
 * is not checked here. DLOP_OK; DLOP_ERR_BAD_DATA with the reason; DLOP_ERR_NO_LIBRARY without
 * libuuid; DLOP_ERR_NO_MEMORY. Any thread. */
DLOP_MUST_USE dlop_status dlop_xclbin_verify(const struct dlop_xclbin *xclbin, char *reason_out,
                                             size_t size);

/* The only section of this kind, or null. */
const struct dlop_xclbin_section *dlop_xclbin_find(const struct dlop_xclbin *xclbin, uint32_t kind);

#endif
