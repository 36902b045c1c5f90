/* Where things lie in an xclbin: offsets and sizes in bytes, little endian.
 *
 * tests/swemu/test_format.c compares every line with the vendor's header.
 */
#ifndef DLOP_DRIVER_XRT_XCLBIN_FORMAT_H
#define DLOP_DRIVER_XRT_XCLBIN_FORMAT_H

#include "driver/xrt/xclbin.h"

#define DLOP_XCLBIN_MAGIC       "xclbin2"
#define DLOP_XCLBIN_MAGIC_BYTES 8u /* with its zero */

/* Header. */
#define DLOP_XCLBIN_AT_LENGTH     0x130u
#define DLOP_XCLBIN_AT_MODE       0x14cu
#define DLOP_XCLBIN_AT_PLATFORM   0x160u
#define DLOP_XCLBIN_AT_UUID       0x1a0u
#define DLOP_XCLBIN_AT_N_SECTIONS 0x1c0u
#define DLOP_XCLBIN_AT_SECTIONS   0x1c8u

/* An entry of the section table. */
#define DLOP_XCLBIN_SECTION_BYTES  40u
#define DLOP_XCLBIN_SECTION_KIND   0u
#define DLOP_XCLBIN_SECTION_OFFSET 24u
#define DLOP_XCLBIN_SECTION_SIZE   32u

/* A memory. */
#define DLOP_XCLBIN_MEM_BYTES    40u
#define DLOP_XCLBIN_MEM_USED     1u
#define DLOP_XCLBIN_MEM_SIZE_KIB 8u
#define DLOP_XCLBIN_MEM_BASE     16u
#define DLOP_XCLBIN_MEM_TAG      24u

/* A block of the design; properties: bits 1..7 interrupt, 8..15 how it is started. */
#define DLOP_XCLBIN_MAX_IPS       256u
#define DLOP_XCLBIN_IP_BYTES      80u
#define DLOP_XCLBIN_IP_TYPE       0u
#define DLOP_XCLBIN_IP_PROPERTIES 4u
#define DLOP_XCLBIN_IP_BASE       8u
#define DLOP_XCLBIN_IP_NAME       16u
#define DLOP_XCLBIN_IP_NAME_BYTES 64u
#define DLOP_XCLBIN_IP_KERNEL     1u
#define DLOP_XCLBIN_IP_CHAIN      1u /* 0: one run at a time, 1: runs may overlap */

/* Argument, block and memory, 4 bytes each. */
#define DLOP_XCLBIN_CONNECTION_BYTES 12u

/* An array of records in a section: a count of 4 bytes, then the records from `first` on. */
struct dlop_xclbin_array {
    uint32_t kind;
    uint32_t first;
    uint32_t record_bytes;
    uint32_t max;
    const char *name;
};

static const struct dlop_xclbin_array dlop_xclbin_mem_topology = {
    DLOP_XCLBIN_MEM_TOPOLOGY, 8, DLOP_XCLBIN_MEM_BYTES, DLOP_XCLBIN_MAX_BANKS, "MEM_TOPOLOGY"};
static const struct dlop_xclbin_array dlop_xclbin_ip_layout = {
    DLOP_XCLBIN_IP_LAYOUT, 8, DLOP_XCLBIN_IP_BYTES, DLOP_XCLBIN_MAX_IPS, "IP_LAYOUT"};
static const struct dlop_xclbin_array dlop_xclbin_connectivity = {
    DLOP_XCLBIN_CONNECTIVITY, 4, DLOP_XCLBIN_CONNECTION_BYTES, 4096, "CONNECTIVITY"};

/* Whether the reader looks into sections of this kind: there must not be two. */
static inline bool dlop_xclbin_is_read(uint32_t kind)
{
    return kind == DLOP_XCLBIN_BITSTREAM || kind == DLOP_XCLBIN_PDI ||
           kind == DLOP_XCLBIN_EMBEDDED_METADATA || kind == DLOP_XCLBIN_MEM_TOPOLOGY ||
           kind == DLOP_XCLBIN_CONNECTIVITY || kind == DLOP_XCLBIN_IP_LAYOUT;
}

#endif
