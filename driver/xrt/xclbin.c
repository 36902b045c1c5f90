/* Reader of card images: the container.
 *
 * Offsets are those of the file format; tests/swemu compares each with the vendor's header. The
 * layers are read from the outside in: file header, section table, memories, kernels, units, and
 * which argument reaches which memory. Each layer may rely on what the layers before it checked.
 */
#include "driver/xrt/xclbin.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/xrt/xclbin_format.h"
#include "hw/core/arith.h"

/* ---- reasons ---- */

struct reader {
    struct dlop_xclbin *xclbin;
    uint32_t ip_unit[DLOP_XCLBIN_MAX_IPS]; /* unit of an entry of the layout, or NO_UNIT */
    uint32_t n_ips;
    char *reason;
    size_t reason_size;
};

#define NO_UNIT UINT32_MAX

__attribute__((format(printf, 3, 4))) static dlop_status
refuse(struct reader *reader, dlop_status status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (reader->reason != NULL && reader->reason_size > 0) {
        vsnprintf(reader->reason, reader->reason_size, format, arguments);
        dlop_metadata_make_printable(reader->reason);
    }
    va_end(arguments);
    return status;
}

/* ---- header and section table ---- */

static dlop_status read_header(struct reader *reader)
{
    struct dlop_xclbin *x = reader->xclbin;
    const uint8_t *bytes = x->bytes;

    if (x->n_bytes < DLOP_XCLBIN_AT_SECTIONS)
        return refuse(reader, DLOP_ERR_TRUNCATED, "%zu bytes, the header has %u", x->n_bytes,
                      DLOP_XCLBIN_AT_SECTIONS);
    if (memcmp(bytes, DLOP_XCLBIN_MAGIC, DLOP_XCLBIN_MAGIC_BYTES) != 0)
        return refuse(reader, DLOP_ERR_BAD_DATA, "not an xclbin: no \"xclbin2\" at its begin");
    const uint64_t length = dlop_u64_at(bytes, DLOP_XCLBIN_AT_LENGTH);
    if (length != x->n_bytes)
        return refuse(reader, length > x->n_bytes ? DLOP_ERR_TRUNCATED : DLOP_ERR_BAD_DATA,
                      "%zu bytes, but its header says %llu", x->n_bytes,
                      (unsigned long long)length);
    x->mode = dlop_u16_at(bytes, DLOP_XCLBIN_AT_MODE);
    memcpy(x->platform, bytes + DLOP_XCLBIN_AT_PLATFORM, DLOP_XCLBIN_PLATFORM_BYTES);
    memcpy(x->uuid, bytes + DLOP_XCLBIN_AT_UUID, DLOP_XCLBIN_UUID_BYTES);
    x->n_sections = dlop_u32_at(bytes, DLOP_XCLBIN_AT_N_SECTIONS);
    if (x->n_sections > DLOP_XCLBIN_MAX_SECTIONS)
        return refuse(reader, DLOP_ERR_LIMIT, "%u sections, at most %u", x->n_sections,
                      DLOP_XCLBIN_MAX_SECTIONS);
    if ((uint64_t)x->n_sections * DLOP_XCLBIN_SECTION_BYTES > x->n_bytes - DLOP_XCLBIN_AT_SECTIONS)
        return refuse(reader, DLOP_ERR_TRUNCATED, "the table of %u sections does not fit",
                      x->n_sections);
    return DLOP_OK;
}

/* Sections lie behind the table, inside the file, and apart from each other. */
static dlop_status read_sections(struct reader *reader)
{
    struct dlop_xclbin *x = reader->xclbin;
    const uint64_t first =
        DLOP_XCLBIN_AT_SECTIONS + (uint64_t)x->n_sections * DLOP_XCLBIN_SECTION_BYTES;

    for (uint32_t i = 0; i < x->n_sections; i++) {
        const uint8_t *header =
            x->bytes + DLOP_XCLBIN_AT_SECTIONS + (size_t)i * DLOP_XCLBIN_SECTION_BYTES;
        const uint64_t offset = dlop_u64_at(header, DLOP_XCLBIN_SECTION_OFFSET);
        const uint64_t size_bytes = dlop_u64_at(header, DLOP_XCLBIN_SECTION_SIZE);

        if (offset < first || offset > x->n_bytes || size_bytes > x->n_bytes - offset)
            return refuse(reader, DLOP_ERR_BAD_DATA, "section %u lies outside the file", i);
        x->sections[i] = (struct dlop_xclbin_section){dlop_u32_at(header, DLOP_XCLBIN_SECTION_KIND),
                                                      (size_t)offset, (size_t)size_bytes};
        for (uint32_t j = 0; j < i; j++) {
            const struct dlop_xclbin_section *other = &x->sections[j];
            if (offset < other->offset + other->size_bytes && other->offset < offset + size_bytes)
                return refuse(reader, DLOP_ERR_BAD_DATA, "sections %u and %u overlap", j, i);
            if (other->kind == x->sections[i].kind && dlop_xclbin_is_read(other->kind))
                return refuse(reader, DLOP_ERR_BAD_DATA, "two sections of kind %u", other->kind);
        }
    }
    return DLOP_OK;
}

const struct dlop_xclbin_section *dlop_xclbin_find(const struct dlop_xclbin *xclbin, uint32_t kind)
{
    for (uint32_t i = 0; i < xclbin->n_sections; i++) {
        if (xclbin->sections[i].kind == kind)
            return &xclbin->sections[i];
    }
    return NULL;
}

static dlop_status check_all_there(struct reader *reader)
{
    static const struct {
        uint32_t kind, instead;
        const char *name;
    } needed[] = {
        {DLOP_XCLBIN_BITSTREAM, DLOP_XCLBIN_PDI, "BITSTREAM"},
        {DLOP_XCLBIN_EMBEDDED_METADATA, DLOP_XCLBIN_EMBEDDED_METADATA, "EMBEDDED_METADATA"},
        {DLOP_XCLBIN_MEM_TOPOLOGY, DLOP_XCLBIN_MEM_TOPOLOGY, "MEM_TOPOLOGY"},
        {DLOP_XCLBIN_CONNECTIVITY, DLOP_XCLBIN_CONNECTIVITY, "CONNECTIVITY"},
        {DLOP_XCLBIN_IP_LAYOUT, DLOP_XCLBIN_IP_LAYOUT, "IP_LAYOUT"},
    };

    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        const struct dlop_xclbin_section *section =
            dlop_xclbin_find(reader->xclbin, needed[i].kind);
        if (section == NULL)
            section = dlop_xclbin_find(reader->xclbin, needed[i].instead);
        if (section == NULL || section->size_bytes == 0)
            return refuse(reader, DLOP_ERR_BAD_DATA, "no section %s", needed[i].name);
    }
    return DLOP_OK;
}

/* ---- what is in the sections ---- */

/* An array of a section: a count, then records from `first` on. */
struct array {
    const uint8_t *records;
    uint32_t n;
    size_t record_bytes;
};

static const uint8_t *record_at(const struct array *array, uint32_t i)
{
    return array->records + i * array->record_bytes;
}

static dlop_status find_array(struct reader *reader, const struct dlop_xclbin_array *format,
                              struct array *array_out)
{
    const struct dlop_xclbin_section *section = dlop_xclbin_find(reader->xclbin, format->kind);
    const uint8_t *bytes = reader->xclbin->bytes + section->offset;

    if (section->size_bytes < format->first)
        return refuse(reader, DLOP_ERR_TRUNCATED, "%s has only %zu bytes", format->name,
                      section->size_bytes);
    const uint32_t n = dlop_u32_at(bytes, 0);
    if (n > format->max)
        return refuse(reader, DLOP_ERR_LIMIT, "%s has %u entries, at most %u", format->name, n,
                      format->max);
    if ((uint64_t)n * format->record_bytes > section->size_bytes - format->first)
        return refuse(reader, DLOP_ERR_TRUNCATED, "%s has %u entries in %zu bytes", format->name, n,
                      section->size_bytes);
    *array_out = (struct array){bytes + format->first, n, format->record_bytes};
    return DLOP_OK;
}

static dlop_status read_banks(struct reader *reader)
{
    struct dlop_xclbin *x = reader->xclbin;
    struct array array = {NULL, 0, 0};
    dlop_status status = find_array(reader, &dlop_xclbin_mem_topology, &array);

    for (uint32_t i = 0; status == DLOP_OK && i < array.n; i++) {
        const uint8_t *record = record_at(&array, i);
        const uint64_t size_kib = dlop_u64_at(record, DLOP_XCLBIN_MEM_SIZE_KIB);
        struct dlop_xclbin_bank *bank = &x->banks[i];

        memcpy(bank->tag, record + DLOP_XCLBIN_MEM_TAG, DLOP_XCLBIN_TAG_BYTES);
        bank->is_used = record[DLOP_XCLBIN_MEM_USED] != 0;
        bank->base = dlop_u64_at(record, DLOP_XCLBIN_MEM_BASE);
        bank->size_bytes = size_kib << 10;
        if (bank->is_used &&
            (size_kib > UINT64_MAX >> 10 || bank->size_bytes > UINT64_MAX - bank->base))
            return refuse(reader, DLOP_ERR_BAD_DATA, "bank %u goes past the last address", i);
        x->n_banks = i + 1;
    }
    return status;
}

static dlop_status read_metadata(struct reader *reader)
{
    struct dlop_xclbin *x = reader->xclbin;
    const struct dlop_xclbin_section *section = dlop_xclbin_find(x, DLOP_XCLBIN_EMBEDDED_METADATA);

    return dlop_metadata_read((const char *)x->bytes + section->offset, section->size_bytes,
                              &x->metadata, reader->reason, reader->reason_size);
}

static uint32_t find_unit(const struct dlop_metadata *metadata, const char *name)
{
    for (uint32_t i = 0; i < metadata->n_units; i++) {
        if (strcmp(metadata->units[i].name, name) == 0)
            return i;
    }
    return NO_UNIT;
}

/* Interrupt ids must grow with the bases: emulation numbers units by base, cards by id. */
static dlop_status check_order(struct reader *reader, uint64_t found)
{
    const struct dlop_xclbin *x = reader->xclbin;
    const bool is_emulation = x->mode == DLOP_XCLBIN_SW_EMU || x->mode == DLOP_XCLBIN_HW_EMU;

    for (uint32_t i = 0; i < x->metadata.n_units; i++) {
        if ((found >> i & 1) == 0)
            return refuse(reader, DLOP_ERR_BAD_DATA, "%s is not in IP_LAYOUT",
                          x->metadata.units[i].name);
        if (is_emulation && i > 0 && x->units[i - 1].interrupt >= x->units[i].interrupt)
            return refuse(reader, DLOP_ERR_BAD_DATA,
                          "%s and %s: interrupt ids are not in order of addresses",
                          x->metadata.units[i - 1].name, x->metadata.units[i].name);
    }
    return DLOP_OK;
}

static dlop_status read_units(struct reader *reader)
{
    struct dlop_xclbin *x = reader->xclbin;
    struct array array = {NULL, 0, 0};
    uint64_t found = 0;
    dlop_status status = find_array(reader, &dlop_xclbin_ip_layout, &array);

    if (status != DLOP_OK)
        return status;
    reader->n_ips = array.n;
    for (uint32_t i = 0; i < array.n; i++) {
        const uint8_t *record = record_at(&array, i);
        char name[DLOP_XCLBIN_IP_NAME_BYTES + 1] = {0};

        reader->ip_unit[i] = NO_UNIT;
        if (dlop_u32_at(record, DLOP_XCLBIN_IP_TYPE) != DLOP_XCLBIN_IP_KERNEL)
            continue;
        memcpy(name, record + DLOP_XCLBIN_IP_NAME, DLOP_XCLBIN_IP_NAME_BYTES);
        const uint32_t unit = find_unit(&x->metadata, name);
        if (unit == NO_UNIT)
            return refuse(reader, DLOP_ERR_BAD_DATA, "%s of IP_LAYOUT is not in the metadata",
                          name);
        if ((found >> unit & 1) != 0 ||
            dlop_u64_at(record, DLOP_XCLBIN_IP_BASE) != x->metadata.units[unit].base)
            return refuse(reader, DLOP_ERR_BAD_DATA, "%s has two addresses", name);
        const uint32_t properties = dlop_u32_at(record, DLOP_XCLBIN_IP_PROPERTIES);
        x->units[unit].interrupt = properties >> 1 & 0x7f;
        if ((properties >> 8 & 0xff) > DLOP_XCLBIN_IP_CHAIN)
            return refuse(reader, DLOP_ERR_BAD_DATA, "%s is not started by its control register",
                          name);
        reader->ip_unit[i] = unit;
        found |= (uint64_t)1 << unit;
    }
    return check_order(reader, found);
}

static dlop_status check_reached(struct reader *reader)
{
    const struct dlop_xclbin *x = reader->xclbin;

    for (uint32_t i = 0; i < x->metadata.n_units; i++) {
        const struct dlop_metadata_kernel *kernel =
            &x->metadata.kernels[x->metadata.units[i].kernel];
        for (uint32_t a = 0; a < kernel->n_arguments; a++) {
            if (kernel->arguments[a].qualifier == DLOP_METADATA_BUFFER && x->units[i].banks[a] == 0)
                return refuse(reader, DLOP_ERR_BAD_DATA, "argument %s of %s reaches no memory",
                              kernel->arguments[a].name, x->metadata.units[i].name);
        }
    }
    return DLOP_OK;
}

static dlop_status read_connections(struct reader *reader)
{
    struct dlop_xclbin *x = reader->xclbin;
    struct array array = {NULL, 0, 0};
    dlop_status status = find_array(reader, &dlop_xclbin_connectivity, &array);

    if (status != DLOP_OK)
        return status;
    for (uint32_t i = 0; i < array.n; i++) {
        const uint8_t *record = record_at(&array, i);
        const uint32_t argument = dlop_u32_at(record, 0);
        const uint32_t ip = dlop_u32_at(record, 4);
        const uint32_t bank = dlop_u32_at(record, 8);

        if (ip >= reader->n_ips || bank >= x->n_banks)
            return refuse(reader, DLOP_ERR_BAD_DATA, "connection %u: no unit %u or no bank %u", i,
                          ip, bank);
        const uint32_t unit = reader->ip_unit[ip];
        if (unit == NO_UNIT)
            continue;
        if (argument >= x->metadata.kernels[x->metadata.units[unit].kernel].n_arguments)
            return refuse(reader, DLOP_ERR_BAD_DATA, "connection %u: %s has no argument %u", i,
                          x->metadata.units[unit].name, argument);
        if (!x->banks[bank].is_used)
            return refuse(reader, DLOP_ERR_BAD_DATA, "connection %u: bank %u is not used", i, bank);
        x->units[unit].banks[argument] |= (uint64_t)1 << bank;
    }
    return check_reached(reader);
}

dlop_status dlop_xclbin_open(const uint8_t *bytes, size_t n_bytes, struct dlop_xclbin **xclbin_out,
                             char *reason_out, size_t size)
{
    static dlop_status (*const layers[])(struct reader *) = {
        read_header,   read_sections, check_all_there,  read_banks,
        read_metadata, read_units,    read_connections,
    };
    struct reader reader = {.reason = reason_out, .reason_size = size};
    dlop_status status = DLOP_OK;

    reader.xclbin = calloc(1, sizeof(*reader.xclbin));
    if (reader.xclbin == NULL)
        return refuse(&reader, DLOP_ERR_NO_MEMORY, "out of memory");
    reader.xclbin->bytes = bytes;
    reader.xclbin->n_bytes = n_bytes;
    for (size_t i = 0; status == DLOP_OK && i < sizeof(layers) / sizeof(layers[0]); i++)
        status = layers[i](&reader);
    if (status == DLOP_OK)
        *xclbin_out = reader.xclbin;
    else
        free(reader.xclbin);
    return status;
}

void dlop_xclbin_close(struct dlop_xclbin **xclbin)
{
    free(*xclbin);
    *xclbin = NULL;
}

/* ---- content ---- */

typedef void (*uuid_generate_fn)(uint8_t *uuid_out, const uint8_t *name_space, const char *bytes,
                                 size_t n_bytes);

/* libuuid comes with XRT, which needs it: opened where it is wanted. */
static dlop_status hash_content(struct reader *reader, uint8_t *uuid_out)
{
    static const uint8_t name_space[DLOP_XCLBIN_UUID_BYTES];
    const struct dlop_xclbin *x = reader->xclbin;
    void *library = dlopen("libuuid.so.1", RTLD_NOW | RTLD_LOCAL);
    dlop_status status = DLOP_ERR_NO_LIBRARY;
    uuid_generate_fn generate = NULL;

    if (library != NULL)
        *(void **)&generate = dlsym(library, "uuid_generate_sha1");
    if (generate == NULL) {
        refuse(reader, status, "libuuid is missing; install libuuid1");
        goto close_library;
    }
    uint8_t *copy = malloc(x->n_bytes);
    if (copy == NULL) {
        status = refuse(reader, DLOP_ERR_NO_MEMORY, "out of memory");
        goto close_library;
    }
    memcpy(copy, x->bytes, x->n_bytes);
    memset(copy + DLOP_XCLBIN_AT_UUID, 0, DLOP_XCLBIN_UUID_BYTES);
    generate(uuid_out, name_space, (const char *)copy, x->n_bytes);
    free(copy);
    status = DLOP_OK;
close_library:
    if (library != NULL)
        dlclose(library);
    return status;
}

dlop_status dlop_xclbin_verify(const struct dlop_xclbin *xclbin, char *reason_out, size_t size)
{
    struct dlop_xclbin image = *xclbin;
    struct reader reader = {.xclbin = &image, .reason = reason_out, .reason_size = size};
    const bool is_emulation =
        xclbin->mode == DLOP_XCLBIN_SW_EMU || xclbin->mode == DLOP_XCLBIN_HW_EMU;
    /* Version 5 says that the uuid is a hash. A damaged mode does not get around the check. */
    const bool is_hash = xclbin->uuid[6] >> 4 == 5;
    uint8_t uuid[DLOP_XCLBIN_UUID_BYTES];

    if (!is_emulation && !is_hash)
        return DLOP_OK;
    dlop_status status = hash_content(&reader, uuid);
    if (status == DLOP_OK && memcmp(uuid, xclbin->uuid, sizeof(uuid)) != 0)
        status =
            refuse(&reader, DLOP_ERR_BAD_DATA, "content was changed: it is not what its uuid says");
    return status;
}
