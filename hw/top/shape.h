/* Sizes that a card image is built with: how much each stage holds on chip.
 *
 * None of them shows in a result. The text of the stages has these as the bounds of its loops and
 * arrays; README.md has a table of what follows from them.
 */
#ifndef DLOP_HW_TOP_SHAPE_H
#define DLOP_HW_TOP_SHAPE_H

#include "hw/abi/abi.h"
#include "hw/abi/jpeg_frame.h"

/* Jobs of a wave: they pass through the stages together, and their JPEG streams take turns in the
 * entropy stage, one symbol each. So a stream has this many clocks for its symbol. */
#ifndef DLOP_TOP_CONTEXTS
#define DLOP_TOP_CONTEXTS 4
#endif

/* Waves that have their data in scratch at a time. */
#define DLOP_TOP_SCRATCH_PARTS 3u

/* Unstuffed bytes of each stream that the entropy stage gets at a time. A multiple of the 4 that a
 * refill takes. */
#define DLOP_TOP_CHUNK_BYTES 64u
/* Stuffed bytes that a chunk can take: two for each of its own, and a marker. */
#define DLOP_TOP_CHUNK_TAKES_BYTES (2u * DLOP_TOP_CHUNK_BYTES + 2u)
/* Stuffed bytes of each stream that are read from memory at a time, and a ring for these and for
 * what a chunk left. At least a chunk's are read; the ring is a power of two. */
#define DLOP_TOP_LOAD_BYTES 256u
#define DLOP_TOP_LINE_BYTES 512u

/* Symbols that a stream can have in one step: all bits of the chunk and of the 64-bit window, and
 * one block of zeros past the end of the data; a code has at least one bit. */
#define DLOP_TOP_STEP_SYMBOLS (8u * DLOP_TOP_CHUNK_BYTES + 64u + 64u)
/* A block has at least two symbols. */
#define DLOP_TOP_STEP_BLOCKS (DLOP_TOP_CONTEXTS * DLOP_TOP_STEP_SYMBOLS / 2u)
/* Coefficients of a stream that a step can have. */
#define DLOP_TOP_STEP_EVENTS DLOP_TOP_STEP_SYMBOLS

/* Huffman tables of a stream: DC and AC of each component of the scan. */
#define DLOP_TOP_TABLES (2u * DLOP_JPEG_MAX_COMPONENTS)
/* Quantisation tables of all streams. */
#define DLOP_TOP_QUANT_TABLES (DLOP_TOP_CONTEXTS * DLOP_JPEG_MAX_QUANT_TABLES)

/* Pixels that the later stages work on at a time. */
#define DLOP_TOP_STRIP_PX 256u
/* Entries of an axis table that are on chip at a time: spans of whole strips. */
#define DLOP_TOP_SPANS   1024u
#define DLOP_TOP_WEIGHTS 8192u

#endif
