/* Writer of xclbin files, on the vendor's own structs.
 *
 * Equal images give equal bytes: nothing but the image goes in, sections come in one order, gaps
 * are zero, and the uuid is a SHA-1 uuid of all other bytes. Interrupt ids follow the order of
 * addresses, as the reader (driver/xrt/xclbin.h) demands.
 */
#include "sim/swemu/image.h"

#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>
#include <xrt/xclbin.h>

#define MAX_UNITS ((size_t)DLOP_SWEMU_MAX_UNITS * DLOP_SWEMU_N_KERNELS)
#define UNSIGNED  (-1)
#define ALIGNMENT 8u

/* Where the sections lie and what is in them. */
struct section {
    uint32_t kind;
    const void *bytes;
    size_t n_bytes;
};
enum { N_SECTIONS = 5 };

struct layout {
    struct mem_topology *memories;
    struct ip_layout *units;
    struct connectivity *connections;
    char *metadata;
    size_t metadata_bytes;
};

static void add_memories(const struct dlop_swemu_card *card, struct mem_topology *memories)
{
    for (uint32_t i = 0; i < DLOP_SWEMU_MAX_BANK_KINDS; i++) {
        const struct dlop_swemu_banks *banks = &card->banks[i];
        for (uint32_t j = 0; j < banks->n_banks; j++) {
            struct mem_data *memory = &memories->m_mem_data[memories->m_count++];
            memory->m_type = banks->is_hbm ? MEM_HBM : MEM_DDR4;
            memory->m_used = 1;
            memory->m_size = banks->size_kib;
            memory->m_base_address = banks->base + j * (banks->size_kib << 10);
            snprintf((char *)memory->m_tag, sizeof(memory->m_tag), "%s[%u]", banks->tag, j);
        }
    }
}

/* Unit of all kernels with this number, the number-th of its kernel. */
static void add_unit(struct layout *layout, const struct dlop_swemu_card *card, const char *kernel,
                     uint32_t number)
{
    const uint32_t unit = (uint32_t)layout->units->m_count++;
    struct ip_data *ip = &layout->units->m_ip_data[unit];
    struct dlop_swemu_argument arguments[DLOP_SWEMU_N_ARGUMENTS];
    const uint32_t n_banks = dlop_swemu_n_banks(card);

    ip->m_type = IP_KERNEL;
    ip->properties = IP_INT_ENABLE_MASK | unit << IP_INTERRUPT_ID_SHIFT |
                     (uint32_t)AP_CTRL_HS << IP_CONTROL_SHIFT;
    ip->m_base_address = dlop_swemu_unit_base(unit);
    snprintf((char *)ip->m_name, sizeof(ip->m_name), "%s:%s_%u", kernel, kernel, number + 1);
    dlop_swemu_arguments_get(arguments);
    for (uint32_t i = 0; i < DLOP_SWEMU_N_ARGUMENTS; i++) {
        if (arguments[i].is_buffer) {
            const uint32_t bank = card->places[i].first + unit * card->places[i].step;
            layout->connections->m_connection[layout->connections->m_count++] =
                (struct connection){(int32_t)i, (int32_t)unit, (int32_t)(bank % n_banks)};
        }
    }
}

static void free_layout(struct layout *layout)
{
    free(layout->memories);
    free(layout->units);
    free(layout->connections);
    free(layout->metadata);
}

static bool make_layout(const struct dlop_swemu_image *image, struct layout *layout_out)
{
    struct layout layout = {.memories = NULL};
    FILE *file = open_memstream(&layout.metadata, &layout.metadata_bytes);
    bool is_written = file != NULL;

    if (file != NULL) {
        dlop_swemu_write_metadata(image, file);
        is_written = ferror(file) == 0;
        is_written = fclose(file) == 0 && is_written;
    }
    layout.memories = calloc(1, sizeof(struct mem_topology) +
                                    dlop_swemu_n_banks(image->card) * sizeof(struct mem_data));
    layout.units = calloc(1, sizeof(struct ip_layout) + MAX_UNITS * sizeof(struct ip_data));
    layout.connections =
        calloc(1, sizeof(struct connectivity) +
                      MAX_UNITS * DLOP_SWEMU_N_ARGUMENTS * sizeof(struct connection));
    if (!is_written || layout.memories == NULL || layout.units == NULL ||
        layout.connections == NULL) {
        free_layout(&layout);
        return false;
    }
    add_memories(image->card, layout.memories);
    for (uint32_t i = 0; i < DLOP_SWEMU_N_KERNELS; i++) {
        for (uint32_t j = 0; j < image->n_units[i]; j++)
            add_unit(&layout, image->card, dlop_swemu_kernels[i].name, j);
    }
    *layout_out = layout;
    return true;
}

static size_t align(size_t n)
{
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void fill_header(const struct dlop_swemu_image *image, size_t n_bytes, struct axlf *header)
{
    memcpy(header->m_magic, "xclbin2", sizeof(header->m_magic));
    header->m_signature_length = UNSIGNED;
    memset(header->reserved, 0xff, sizeof(header->reserved));
    memset(header->m_keyBlock, 0xff, sizeof(header->m_keyBlock));
    header->m_uniqueId = image->time_s;
    header->m_header.m_timeStamp = image->time_s;
    header->m_header.m_length = n_bytes;
    header->m_header.m_versionMajor = 2;
    header->m_header.m_versionMinor = 13;
    header->m_header.m_mode = image->is_hw_emu ? XCLBIN_HW_EMU : XCLBIN_SW_EMU;
    header->m_header.m_numSections = N_SECTIONS;
    snprintf((char *)header->m_header.m_platformVBNV, sizeof(header->m_header.m_platformVBNV), "%s",
             image->card->platform);
}

uint8_t *dlop_swemu_build_xclbin(const struct dlop_swemu_image *image, size_t *n_bytes_out)
{
    const size_t header_bytes =
        sizeof(struct axlf) + (N_SECTIONS - 1) * sizeof(struct axlf_section_header);
    struct layout layout;

    if (!make_layout(image, &layout))
        return NULL;
    const struct section sections[N_SECTIONS] = {
        {BITSTREAM, image->program, image->program_bytes},
        {EMBEDDED_METADATA, layout.metadata, layout.metadata_bytes},
        {MEM_TOPOLOGY, layout.memories,
         offsetof(struct mem_topology, m_mem_data) +
             (size_t)layout.memories->m_count * sizeof(struct mem_data)},
        {IP_LAYOUT, layout.units,
         offsetof(struct ip_layout, m_ip_data) +
             (size_t)layout.units->m_count * sizeof(struct ip_data)},
        {CONNECTIVITY, layout.connections,
         offsetof(struct connectivity, m_connection) +
             (size_t)layout.connections->m_count * sizeof(struct connection)},
    };
    size_t n_bytes = align(header_bytes);
    for (uint32_t i = 0; i < N_SECTIONS; i++)
        n_bytes = align(n_bytes + sections[i].n_bytes);
    uint8_t *bytes = calloc(1, n_bytes);
    struct axlf *header = calloc(1, header_bytes);
    if (bytes != NULL && header != NULL) {
        static const uuid_t name_space;
        size_t at = align(header_bytes);

        fill_header(image, n_bytes, header);
        for (uint32_t i = 0; i < N_SECTIONS; i++) {
            header->m_sections[i].m_sectionKind = sections[i].kind;
            header->m_sections[i].m_sectionOffset = at;
            header->m_sections[i].m_sectionSize = sections[i].n_bytes;
            memcpy(bytes + at, sections[i].bytes, sections[i].n_bytes);
            at = align(at + sections[i].n_bytes);
        }
        memcpy(bytes, header, header_bytes);
        uuid_generate_sha1(header->m_header.uuid, name_space, (const char *)bytes, n_bytes);
        memcpy(bytes, header, header_bytes);
        *n_bytes_out = n_bytes;
    } else {
        free(bytes);
        bytes = NULL;
    }
    free(header);
    free_layout(&layout);
    return bytes;
}
