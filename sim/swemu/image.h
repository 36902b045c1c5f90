/* Writers of everything that XRT reads about an emulated card: the xclbin and its sections, and
 * emconfig.json. All come from the kernel table (hw/top/top.h) and a card (card.h). */
#ifndef DLOP_SIM_SWEMU_IMAGE_H
#define DLOP_SIM_SWEMU_IMAGE_H

#include <stddef.h>
#include <stdio.h>

#include "sim/swemu/card.h"

#define DLOP_SWEMU_MAX_UNITS 16 /* of one kernel */

struct dlop_swemu_image {
    const struct dlop_swemu_card *card;
    bool is_hw_emu;
    uint32_t n_units[DLOP_SWEMU_N_KERNELS]; /* 1..DLOP_SWEMU_MAX_UNITS each */
    uint64_t time_s;                        /* since 1970: SOURCE_DATE_EPOCH of a build */
    const void *program;                    /* sw_emu: shared object; hw_emu: zip */
    size_t program_bytes;
};

/* Units are numbered through all kernels, in the order of the table. */
uint64_t dlop_swemu_unit_base(uint32_t unit);

/* Both write text; errors stay in the stream. */
void dlop_swemu_write_metadata(const struct dlop_swemu_image *image, FILE *file);
void dlop_swemu_write_emconfig(const struct dlop_swemu_card *card, uint32_t n_devices, FILE *file);

/* The whole xclbin in new memory, which the caller frees; null without memory. Equal images give
 * equal bytes. */
uint8_t *dlop_swemu_build_xclbin(const struct dlop_swemu_image *image, size_t *n_bytes_out);

#endif
