/* Fuzz target: card images and their metadata. The first byte chooses: an image, or only the XML.
 * What is accepted must keep the reader's promises, and what is refused has a reason. */
#include <string.h>

#include "driver/xrt/xclbin.h"
#include "sim/swemu/image.h"
#include "tests/fuzz/fuzz.h"

static size_t make_seed(uint32_t index, uint8_t *bytes_out);

const struct fuzz_target fuzz_target = {.name = "fuzz_xclbin", .make_seed = make_seed};
FUZZ_COUNTS;

enum { CHOICE_IMAGE, CHOICE_METADATA, CHOICE_COUNT };

static size_t make_seed(uint32_t index, uint8_t *bytes_out)
{
    static const uint8_t program[] = "kernels";
    struct dlop_swemu_image image = {
        .card = &dlop_swemu_cards[index / CHOICE_COUNT % dlop_swemu_n_cards],
        .n_units = {2, 1},
        .program = program,
        .program_bytes = sizeof(program)};
    size_t n_bytes = 0;

    if (index >= CHOICE_COUNT * dlop_swemu_n_cards)
        return 0;
    bytes_out[0] = (uint8_t)(index % CHOICE_COUNT);
    if (index % CHOICE_COUNT == CHOICE_IMAGE) {
        uint8_t *bytes = dlop_swemu_build_xclbin(&image, &n_bytes);
        fuzz_require(bytes != NULL && n_bytes < FUZZ_MAX_BYTES, "seed");
        memcpy(bytes_out + 1, bytes, n_bytes);
        free(bytes);
    } else {
        FILE *file = fmemopen(bytes_out + 1, FUZZ_MAX_BYTES - 1, "w");
        fuzz_require(file != NULL, "seed");
        dlop_swemu_write_metadata(&image, file);
        n_bytes = (size_t)ftell(file);
        fclose(file);
    }
    return 1 + n_bytes;
}

static void check_reason(const char *reason, size_t size)
{
    const char *end = memchr(reason, 0, size);

    fuzz_require(end != NULL && end > reason, "reason");
    for (; reason < end; reason++)
        fuzz_require(*reason >= ' ' && *reason <= '~', "reason is not printable");
}

static void check_name(const char *name)
{
    fuzz_require(memchr(name, 0, DLOP_METADATA_NAME_BYTES) != NULL && name[0] != 0, "name");
}

static void check_metadata(const struct dlop_metadata *metadata)
{
    fuzz_require(metadata->n_kernels >= 1 && metadata->n_kernels <= DLOP_METADATA_MAX_KERNELS,
                 "kernels");
    fuzz_require(metadata->n_units >= 1 && metadata->n_units <= DLOP_METADATA_MAX_UNITS, "units");
    for (uint32_t k = 0; k < metadata->n_kernels; k++) {
        const struct dlop_metadata_kernel *kernel = &metadata->kernels[k];
        check_name(kernel->name);
        fuzz_require(kernel->n_arguments <= DLOP_METADATA_MAX_ARGUMENTS, "arguments");
        for (uint32_t a = 0; a < kernel->n_arguments; a++) {
            const struct dlop_metadata_argument *argument = &kernel->arguments[a];
            check_name(argument->name);
            fuzz_require(argument->size_bytes >= 1 && argument->size_bytes <= 8 &&
                             argument->register_offset + argument->size_bytes <=
                                 DLOP_METADATA_REGISTER_BYTES,
                         "registers of argument %u", a);
        }
    }
    for (uint32_t u = 0; u < metadata->n_units; u++) {
        check_name(metadata->units[u].name);
        fuzz_require(metadata->units[u].kernel < metadata->n_kernels, "kernel of unit %u", u);
        fuzz_require(u == 0 || metadata->units[u].base - metadata->units[u - 1].base >=
                                   DLOP_METADATA_REGISTER_BYTES,
                     "order of units");
    }
}

/* Only what the writer made has the uuid of its content. */
static void check_is_seed(const struct dlop_xclbin *xclbin)
{
    static uint8_t seed[FUZZ_MAX_BYTES];

    for (uint32_t i = 0; i < CHOICE_COUNT * dlop_swemu_n_cards; i += CHOICE_COUNT) {
        const size_t n_bytes = make_seed(i, seed) - 1;
        if (n_bytes == xclbin->n_bytes && memcmp(seed + 1, xclbin->bytes, n_bytes) == 0)
            return;
    }
    fuzz_require(0, "a changed image was taken as unchanged");
}

static void check_image(const struct dlop_xclbin *xclbin)
{
    char reason[128] = "";

    check_metadata(&xclbin->metadata);
    fuzz_require(xclbin->n_sections <= DLOP_XCLBIN_MAX_SECTIONS, "sections");
    fuzz_require(xclbin->n_banks <= DLOP_XCLBIN_MAX_BANKS, "banks");
    for (uint32_t i = 0; i < xclbin->n_sections; i++) {
        const struct dlop_xclbin_section *section = &xclbin->sections[i];
        fuzz_require(section->offset <= xclbin->n_bytes &&
                         section->size_bytes <= xclbin->n_bytes - section->offset,
                     "section %u", i);
    }
    for (uint32_t u = 0; u < xclbin->metadata.n_units; u++) {
        const struct dlop_metadata_kernel *kernel =
            &xclbin->metadata.kernels[xclbin->metadata.units[u].kernel];
        for (uint32_t a = 0; a < kernel->n_arguments; a++) {
            const uint64_t banks = xclbin->units[u].banks[a];
            fuzz_require(xclbin->n_banks == 64 || banks >> xclbin->n_banks == 0, "banks");
            fuzz_require(banks != 0 || kernel->arguments[a].qualifier != DLOP_METADATA_BUFFER,
                         "argument without memory");
        }
    }
    const bool is_emulation =
        xclbin->mode == DLOP_XCLBIN_SW_EMU || xclbin->mode == DLOP_XCLBIN_HW_EMU;
    if (dlop_xclbin_verify(xclbin, reason, sizeof(reason)) != DLOP_OK) {
        check_reason(reason, sizeof(reason));
        return;
    }
    fuzz_counts[FUZZ_DECODED]++;
    if (is_emulation)
        check_is_seed(xclbin);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dlop_metadata metadata;
    struct dlop_xclbin *xclbin = NULL;
    char reason[128] = "";
    dlop_status status;

    if (size == 0)
        return 0;
    if (data[0] % CHOICE_COUNT == CHOICE_METADATA) {
        status =
            dlop_metadata_read((const char *)data + 1, size - 1, &metadata, reason, sizeof(reason));
        if (status == DLOP_OK)
            check_metadata(&metadata);
    } else {
        status = dlop_xclbin_open(data + 1, size - 1, &xclbin, reason, sizeof(reason));
        if (status == DLOP_OK)
            check_image(xclbin);
        dlop_xclbin_close(&xclbin);
    }
    if (status == DLOP_OK)
        fuzz_counts[FUZZ_ACCEPTED]++;
    else
        check_reason(reason, sizeof(reason));
    return 0;
}
