/* JPEG header parser: bytes in, frame description out, or "not ours" with a reason. Hostile input
 * is expected.
 *
 * A frame leaves here only if the kernels can decode it *and* Pillow is certain to decode it
 * without an exception: baseline or extended sequential Huffman, 8 bit, 1 or 3 components, whole
 * sampling ratios, every scan complete, nothing but stuffed bytes and expected RSTn markers up to
 * an EOI. All other files go to the framework's own decoder.
 */
#ifndef DLOP_HOST_FORMAT_JPEG_H
#define DLOP_HOST_FORMAT_JPEG_H

#include <stddef.h>

#include "driver/driver.h"
#include "hw/abi/jpeg_frame.h"

#define DLOP_REASON_BYTES 120

/* bytes_offset: where bytes[0] will stand relative to the frame's first byte; added to all scan
 * offsets. DLOP_OK; DLOP_ERR_UNSUPPORTED, DLOP_ERR_TRUNCATED, DLOP_ERR_BAD_DATA, DLOP_ERR_LIMIT
 * with one line in reason_out
 * ("progressive JPEG", "not a JPEG: PNG", ...); *frame_out is then undefined. Any thread. No
 * allocation. */
dlop_status dlop_jpeg_parse(const uint8_t *bytes, size_t n_bytes, uint32_t bytes_offset,
                            struct dlop_jpeg_frame *frame_out,
                            char reason_out[DLOP_REASON_BYTES]) DLOP_MUST_USE;

#endif
