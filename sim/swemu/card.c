/* The cards and kernels of the emulation, as tables. */
#include "sim/swemu/card.h"

#include <string.h>

#define ARGUMENT(name) DLOP_SWEMU_ARGUMENT_##name
#define FIRST_REGISTER 0x10u
#define POINTER_STEP   12u /* HLS leaves four bytes behind each 64-bit register */
#define SMALL_STEP     8u
#define POINTER_BYTES  8u

/* What all units share lies in one bank for all of them, so that a host can put it there before it
 * knows which unit runs; what belongs to a unit is spread. */
const struct dlop_swemu_card dlop_swemu_cards[] = {
    {
        .name = "ddr",
        .platform = "dlop_swemu_ddr_1_0",
        .banks = {{"DDR", false, 2, 0x0, 4u << 20}},
        .places = {[ARGUMENT(out)] = {1, 0}, [ARGUMENT(scratch)] = {1, 0}},
    },
    {
        .name = "u280",
        .platform = "dlop_swemu_u280_1_0",
        .banks = {{"HBM", true, 32, 0x0, 256u << 10}, {"DDR", false, 2, 0x4000000000, 16u << 20}},
        .places = {[ARGUMENT(in)] = {0, 0},
                   [ARGUMENT(constants)] = {1, 0},
                   [ARGUMENT(out)] = {32, 0},
                   [ARGUMENT(scratch)] = {2, 3},
                   [ARGUMENT(jobs)] = {3, 3},
                   [ARGUMENT(completions)] = {4, 3}},
    },
};
const uint32_t dlop_swemu_n_cards = sizeof(dlop_swemu_cards) / sizeof(dlop_swemu_cards[0]);

/* The images are most of the work. */
#define KERNEL(kernel, kinds)                                                                      \
    [DLOP_SWEMU_KERNEL_##                                                                          \
        kernel] = {#kernel, DLOP_SWEMU_KERNEL_##kernel == DLOP_SWEMU_KERNEL_dlop_image ? 2 : 1},
const struct dlop_swemu_kernel dlop_swemu_kernels[DLOP_SWEMU_N_KERNELS] = {
    DLOP_TOP_KERNELS(KERNEL)};

#define DESCRIBE(c_type, name_, is_buffer_)                                                        \
    {.name = #name_, .type = #c_type, .size_bytes = sizeof(c_type), .is_buffer = is_buffer_},
static const struct dlop_swemu_argument described[DLOP_SWEMU_N_ARGUMENTS] = {
    DLOP_TOP_ARGUMENTS(DESCRIBE)};

void dlop_swemu_arguments_get(struct dlop_swemu_argument arguments_out[DLOP_SWEMU_N_ARGUMENTS])
{
    uint32_t offset = FIRST_REGISTER;

    memcpy(arguments_out, described, sizeof(described));
    for (uint32_t i = 0; i < DLOP_SWEMU_N_ARGUMENTS; i++) {
        arguments_out[i].register_offset = offset;
        offset += arguments_out[i].size_bytes == POINTER_BYTES ? POINTER_STEP : SMALL_STEP;
    }
}

const struct dlop_swemu_card *dlop_swemu_card_get(const char *name)
{
    for (uint32_t i = 0; i < dlop_swemu_n_cards; i++) {
        if (strcmp(dlop_swemu_cards[i].name, name) == 0)
            return &dlop_swemu_cards[i];
    }
    return NULL;
}

uint32_t dlop_swemu_n_banks(const struct dlop_swemu_card *card)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < DLOP_SWEMU_MAX_BANK_KINDS; i++)
        n += card->banks[i].n_banks;
    return n;
}
