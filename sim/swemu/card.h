/* Cards that the emulation looks like: memories, and which of them each kernel argument reaches. */
#ifndef DLOP_SIM_SWEMU_CARD_H
#define DLOP_SIM_SWEMU_CARD_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/top/top.h"

#define DLOP_SWEMU_COUNT_ARGUMENT(type, name, is_buffer) DLOP_SWEMU_ARGUMENT_##name,
enum dlop_swemu_argument_number {
    DLOP_TOP_ARGUMENTS(DLOP_SWEMU_COUNT_ARGUMENT) DLOP_SWEMU_N_ARGUMENTS
};
#undef DLOP_SWEMU_COUNT_ARGUMENT

/* n_banks memories of one kind, one behind the other. */
struct dlop_swemu_banks {
    const char *tag; /* with the number in brackets: "HBM" gives HBM[0], ... */
    bool is_hbm;
    uint32_t n_banks;
    uint64_t base; /* of the first */
    uint64_t size_kib;
};

/* Unit u reaches bank first + u * step with this argument. */
struct dlop_swemu_place {
    uint32_t first;
    uint32_t step;
};

#define DLOP_SWEMU_MAX_BANK_KINDS 2
struct dlop_swemu_card {
    const char *name;     /* for --card */
    const char *platform; /* what XRT shows */
    struct dlop_swemu_banks banks[DLOP_SWEMU_MAX_BANK_KINDS];
    struct dlop_swemu_place places[DLOP_SWEMU_N_ARGUMENTS]; /* of buffers; others are not read */
};

/* Argument of every kernel, as the compiler sees it. */
struct dlop_swemu_argument {
    const char *name;
    const char *type;
    uint32_t size_bytes;
    bool is_buffer;
    uint32_t register_offset;
};

/* Kernels of the table, and how many compute units each has unless said otherwise. */
struct dlop_swemu_kernel {
    const char *name;
    uint32_t n_units;
};

#define DLOP_SWEMU_COUNT_KERNEL(name, kinds) DLOP_SWEMU_KERNEL_##name,
enum dlop_swemu_kernel_number { DLOP_TOP_KERNELS(DLOP_SWEMU_COUNT_KERNEL) DLOP_SWEMU_N_KERNELS };
#undef DLOP_SWEMU_COUNT_KERNEL

extern const struct dlop_swemu_card dlop_swemu_cards[];
extern const uint32_t dlop_swemu_n_cards;
extern const struct dlop_swemu_kernel dlop_swemu_kernels[DLOP_SWEMU_N_KERNELS];

/* Fill the table of arguments; register offsets as HLS gives them. */
void dlop_swemu_arguments_get(struct dlop_swemu_argument arguments_out[DLOP_SWEMU_N_ARGUMENTS]);

/* Null when there is none of that name. */
const struct dlop_swemu_card *dlop_swemu_card_get(const char *name);
uint32_t dlop_swemu_n_banks(const struct dlop_swemu_card *card);

#endif
