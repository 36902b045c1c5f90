/* Card images: what the writer makes the reader reads, and every damage is refused with a reason.
 *
 * The writer stands on the vendor's structs, the reader on offsets of its own: each checks the
 * other. Damaged images end at a page without access, so that a read past their end stops the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xrt/xclbin.h>

#include "driver/xrt/xclbin.h"
#include "driver/xrt/xclbin_format.h"
#include "sim/swemu/image.h"
#include "tests/kernel/guard.h"
#include "tests/kernel/random.h"

#define PROGRAM_BYTES 333 /* stands for the kernels: any bytes */
#define NO_ACCIDENT   "a sentence of the reader"

/* ---- the two views of the format ---- */

#define SAME(ours, theirs) _Static_assert((ours) == (theirs), #ours)
SAME(DLOP_XCLBIN_AT_LENGTH, offsetof(struct axlf, m_header.m_length));
SAME(DLOP_XCLBIN_AT_MODE, offsetof(struct axlf, m_header.m_mode));
SAME(DLOP_XCLBIN_AT_PLATFORM, offsetof(struct axlf, m_header.m_platformVBNV));
SAME(DLOP_XCLBIN_AT_UUID, offsetof(struct axlf, m_header.uuid));
SAME(DLOP_XCLBIN_AT_N_SECTIONS, offsetof(struct axlf, m_header.m_numSections));
SAME(DLOP_XCLBIN_AT_SECTIONS, offsetof(struct axlf, m_sections));
SAME(DLOP_XCLBIN_SECTION_BYTES, sizeof(struct axlf_section_header));
SAME(DLOP_XCLBIN_SECTION_KIND, offsetof(struct axlf_section_header, m_sectionKind));
SAME(DLOP_XCLBIN_SECTION_OFFSET, offsetof(struct axlf_section_header, m_sectionOffset));
SAME(DLOP_XCLBIN_SECTION_SIZE, offsetof(struct axlf_section_header, m_sectionSize));
SAME(DLOP_XCLBIN_MEM_BYTES, sizeof(struct mem_data));
SAME(DLOP_XCLBIN_MEM_USED, offsetof(struct mem_data, m_used));
SAME(DLOP_XCLBIN_MEM_SIZE_KIB, offsetof(struct mem_data, m_size));
SAME(DLOP_XCLBIN_MEM_BASE, offsetof(struct mem_data, m_base_address));
SAME(DLOP_XCLBIN_MEM_TAG, offsetof(struct mem_data, m_tag));
SAME(DLOP_XCLBIN_IP_BYTES, sizeof(struct ip_data));
SAME(DLOP_XCLBIN_IP_TYPE, offsetof(struct ip_data, m_type));
SAME(DLOP_XCLBIN_IP_PROPERTIES, offsetof(struct ip_data, properties));
SAME(DLOP_XCLBIN_IP_BASE, offsetof(struct ip_data, m_base_address));
SAME(DLOP_XCLBIN_IP_NAME, offsetof(struct ip_data, m_name));
SAME(DLOP_XCLBIN_IP_KERNEL, (unsigned)IP_KERNEL);
SAME(DLOP_XCLBIN_IP_CHAIN, (unsigned)AP_CTRL_CHAIN);
SAME(DLOP_XCLBIN_CONNECTION_BYTES, sizeof(struct connection));
SAME((int)DLOP_XCLBIN_HW, (int)XCLBIN_PR);
SAME((int)DLOP_XCLBIN_HW_EMU, (int)XCLBIN_HW_EMU);
SAME((int)DLOP_XCLBIN_SW_EMU, (int)XCLBIN_SW_EMU);
SAME((int)DLOP_XCLBIN_BITSTREAM, (int)BITSTREAM);
SAME((int)DLOP_XCLBIN_EMBEDDED_METADATA, (int)EMBEDDED_METADATA);
SAME((int)DLOP_XCLBIN_MEM_TOPOLOGY, (int)MEM_TOPOLOGY);
SAME((int)DLOP_XCLBIN_CONNECTIVITY, (int)CONNECTIVITY);
SAME((int)DLOP_XCLBIN_IP_LAYOUT, (int)IP_LAYOUT);
SAME((int)DLOP_XCLBIN_PDI, (int)PDI);

static void arrays_begin_where_the_vendor_puts_them(void **state)
{
    (void)state;
    assert_int_equal(dlop_xclbin_mem_topology.first, offsetof(struct mem_topology, m_mem_data));
    assert_int_equal(dlop_xclbin_ip_layout.first, offsetof(struct ip_layout, m_ip_data));
    assert_int_equal(dlop_xclbin_connectivity.first, offsetof(struct connectivity, m_connection));
}

/* ---- helpers ---- */

static uint8_t *build(const char *card, bool is_hw_emu, size_t *n_bytes_out)
{
    static uint8_t program[PROGRAM_BYTES];
    struct dlop_swemu_image image = {.card = dlop_swemu_card_get(card),
                                     .is_hw_emu = is_hw_emu,
                                     .n_units = {2, 1},
                                     .time_s = 1234567,
                                     .program = program,
                                     .program_bytes = sizeof(program)};

    assert_non_null(image.card);
    for (size_t i = 0; i < sizeof(program); i++)
        program[i] = (uint8_t)(i * 7);
    uint8_t *bytes = dlop_swemu_build_xclbin(&image, n_bytes_out);
    assert_non_null(bytes);
    return bytes;
}

/* Open and verify an image that ends where memory ends; when it is refused there must be a reason
 * of one line. */
static dlop_status judge(const uint8_t *bytes, size_t n_bytes)
{
    uint8_t *guarded = guard_alloc(n_bytes);
    struct dlop_xclbin *xclbin = NULL;
    char reason[200] = NO_ACCIDENT;

    memcpy(guarded, bytes, n_bytes);
    dlop_status status = dlop_xclbin_open(guarded, n_bytes, &xclbin, reason, sizeof(reason));
    assert_int_equal(status == DLOP_OK, xclbin != NULL);
    if (status == DLOP_OK) {
        status = dlop_xclbin_verify(xclbin, reason, sizeof(reason));
        dlop_xclbin_close(&xclbin);
        assert_null(xclbin);
    }
    if (status != DLOP_OK) {
        assert_string_not_equal(reason, NO_ACCIDENT);
        assert_true(strlen(reason) > 10 && strchr(reason, '\n') == NULL);
    }
    guard_free(guarded, n_bytes);
    return status;
}

/* Structure only, with the reason. */
static dlop_status open_only(const uint8_t *bytes, size_t n_bytes, char *reason, size_t size)
{
    struct dlop_xclbin *xclbin = NULL;
    const dlop_status status = dlop_xclbin_open(bytes, n_bytes, &xclbin, reason, size);

    if (status == DLOP_OK)
        dlop_xclbin_close(&xclbin);
    return status;
}

static struct axlf_section_header *section(uint8_t *bytes, uint32_t kind)
{
    struct axlf *header = (struct axlf *)(void *)bytes;

    for (uint32_t i = 0; i < header->m_header.m_numSections; i++) {
        if (header->m_sections[i].m_sectionKind == kind)
            return &header->m_sections[i];
    }
    fail_msg("no section %u", kind);
    return NULL;
}

static void *content(uint8_t *bytes, uint32_t kind)
{
    return bytes + section(bytes, kind)->m_sectionOffset;
}

/* ---- what is right ---- */

static void check_units(const struct dlop_xclbin *xclbin, const struct dlop_swemu_card *card)
{
    struct dlop_swemu_argument arguments[DLOP_SWEMU_N_ARGUMENTS];

    dlop_swemu_arguments_get(arguments);
    for (uint32_t u = 0; u < xclbin->metadata.n_units; u++) {
        const struct dlop_metadata_kernel *kernel =
            &xclbin->metadata.kernels[xclbin->metadata.units[u].kernel];

        assert_int_equal(xclbin->metadata.units[u].base, dlop_swemu_unit_base(u));
        assert_int_equal(xclbin->units[u].interrupt, u);
        assert_int_equal(kernel->n_arguments, DLOP_SWEMU_N_ARGUMENTS);
        for (uint32_t a = 0; a < kernel->n_arguments; a++) {
            const struct dlop_metadata_argument *argument = &kernel->arguments[a];
            const uint32_t bank = card->places[a].first + u * card->places[a].step;

            assert_string_equal(argument->name, arguments[a].name);
            assert_int_equal(argument->register_offset, arguments[a].register_offset);
            assert_int_equal(argument->size_bytes, arguments[a].size_bytes);
            assert_int_equal(argument->qualifier == DLOP_METADATA_BUFFER, arguments[a].is_buffer);
            assert_int_equal(xclbin->units[u].banks[a],
                             arguments[a].is_buffer ? (uint64_t)1 << bank : 0);
        }
    }
}

static void reader_finds_what_the_writer_put(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < dlop_swemu_n_cards * 2; c++) {
        const struct dlop_swemu_card *card = &dlop_swemu_cards[c / 2];
        struct dlop_xclbin *xclbin = NULL;
        size_t n_bytes;
        uint8_t *bytes = build(card->name, c % 2 != 0, &n_bytes);

        assert_int_equal(judge(bytes, n_bytes), DLOP_OK);
        assert_int_equal(dlop_xclbin_open(bytes, n_bytes, &xclbin, NULL, 0), DLOP_OK);
        assert_int_equal(xclbin->mode, c % 2 != 0 ? DLOP_XCLBIN_HW_EMU : DLOP_XCLBIN_SW_EMU);
        assert_string_equal(xclbin->platform, card->platform);
        assert_int_equal(xclbin->n_banks, dlop_swemu_n_banks(card));
        assert_string_equal(xclbin->banks[0].tag, c / 2 == 0 ? "DDR[0]" : "HBM[0]");
        assert_int_equal(xclbin->banks[1].base, card->banks[0].size_kib << 10);
        assert_int_equal(xclbin->banks[1].size_bytes, card->banks[0].size_kib << 10);
        assert_int_equal(xclbin->metadata.n_kernels, 2);
        assert_int_equal(xclbin->metadata.n_units, 3);
        assert_string_equal(xclbin->metadata.units[1].name, "dlop_image:dlop_image_2");
        assert_string_equal(xclbin->metadata.units[2].name, "dlop_tensor:dlop_tensor_1");
        const struct dlop_xclbin_section *program = dlop_xclbin_find(xclbin, DLOP_XCLBIN_BITSTREAM);
        assert_int_equal(program->size_bytes, PROGRAM_BYTES);
        assert_int_equal(bytes[program->offset + 3], 21);
        check_units(xclbin, card);
        dlop_xclbin_close(&xclbin);
        free(bytes);
    }
}

static void equal_images_are_equal_bytes(void **state)
{
    size_t n_a, n_b, n_c;
    uint8_t *a = build("ddr", false, &n_a);
    uint8_t *b = build("ddr", false, &n_b);
    uint8_t *c = build("ddr", true, &n_c);

    (void)state;
    assert_int_equal(n_a, n_b);
    assert_memory_equal(a, b, n_a);
    /* Another image has another uuid. */
    assert_memory_not_equal(a + DLOP_XCLBIN_AT_UUID, c + DLOP_XCLBIN_AT_UUID, 16);
    free(a);
    free(b);
    free(c);
}

/* ---- damage ---- */

static void every_changed_byte_is_refused(void **state)
{
    struct random_state random = random_start(random_seed());
    uint32_t n_by_structure = 0;
    size_t n_bytes;
    uint8_t *bytes = build("ddr", false, &n_bytes);

    (void)state;
    for (size_t i = 0; i < n_bytes; i++) {
        const uint8_t was = bytes[i];
        /* One bit, and a byte of any other value. */
        const uint8_t values[] = {(uint8_t)(was ^ 1u << i % 8),
                                  (uint8_t)(was + random_in(&random, 1, 255))};
        for (uint32_t k = 0; k < 2; k++) {
            bytes[i] = values[k];
            n_by_structure += open_only(bytes, n_bytes, NULL, 0) != DLOP_OK;
            if (judge(bytes, n_bytes) == DLOP_OK)
                RANDOM_FAIL(&random, "byte %zu as %d instead of %d was accepted", i, values[k],
                            was);
        }
        bytes[i] = was;
    }
    assert_int_equal(judge(bytes, n_bytes), DLOP_OK);
    /* The structure alone must have caught a good part: names, counts, offsets, order. */
    assert_in_range(n_by_structure, n_bytes / 20, 2 * n_bytes - 1);
    free(bytes);
}

static void every_truncation_is_refused(void **state)
{
    size_t n_bytes;
    uint8_t *bytes = build("u280", true, &n_bytes);

    (void)state;
    for (size_t n = 0; n < n_bytes; n++) {
        assert_int_not_equal(judge(bytes, n), DLOP_OK);
        /* And where the header knows of it. */
        if (n >= DLOP_XCLBIN_AT_SECTIONS) {
            uint8_t *shorter = malloc(n);
            assert_non_null(shorter);
            memcpy(shorter, bytes, n);
            ((struct axlf *)(void *)shorter)->m_header.m_length = n;
            assert_int_not_equal(judge(shorter, n), DLOP_OK);
            free(shorter);
        }
    }
    assert_int_equal(judge(bytes, n_bytes), DLOP_OK);
    free(bytes);
}

static void what_is_behind_the_end_is_refused(void **state)
{
    size_t n_bytes;
    uint8_t *bytes = build("ddr", false, &n_bytes);
    uint8_t *longer = calloc(1, n_bytes + 1);

    (void)state;
    assert_non_null(longer);
    memcpy(longer, bytes, n_bytes);
    assert_int_equal(open_only(longer, n_bytes + 1, NULL, 0), DLOP_ERR_BAD_DATA);
    free(longer);
    free(bytes);
}

/* One thing made wrong, and a word of the reason. The uuid plays no part: open alone refuses. */
typedef void (*spoil_fn)(uint8_t *bytes, size_t n_bytes);
#define SPOIL(name) static void name(uint8_t *bytes, size_t n_bytes)

SPOIL(section_behind_the_end)
{
    section(bytes, IP_LAYOUT)->m_sectionOffset = n_bytes + 8;
}
SPOIL(section_too_long)
{
    struct axlf_section_header *last = section(bytes, CONNECTIVITY);
    last->m_sectionSize = n_bytes - last->m_sectionOffset + 1;
}
SPOIL(section_wraps_around)
{
    (void)n_bytes;
    section(bytes, CONNECTIVITY)->m_sectionSize = UINT64_MAX - 7;
}
SPOIL(section_over_the_table)
{
    (void)n_bytes;
    section(bytes, MEM_TOPOLOGY)->m_sectionOffset = DLOP_XCLBIN_AT_SECTIONS;
}
SPOIL(sections_overlap)
{
    (void)n_bytes;
    section(bytes, BITSTREAM)->m_sectionSize += 16;
}
SPOIL(section_twice)
{
    (void)n_bytes;
    section(bytes, BITSTREAM)->m_sectionKind = IP_LAYOUT;
}
SPOIL(too_many_sections)
{
    (void)n_bytes;
    ((struct axlf *)(void *)bytes)->m_header.m_numSections = 65;
}
SPOIL(table_past_the_end)
{
    (void)n_bytes;
    ((struct axlf *)(void *)bytes)->m_header.m_numSections = 0xffffffff;
}
SPOIL(too_many_banks)
{
    (void)n_bytes;
    ((struct mem_topology *)content(bytes, MEM_TOPOLOGY))->m_count = 65;
}
SPOIL(more_banks_than_bytes)
{
    (void)n_bytes;
    ((struct mem_topology *)content(bytes, MEM_TOPOLOGY))->m_count++;
}
SPOIL(negative_units)
{
    (void)n_bytes;
    ((struct ip_layout *)content(bytes, IP_LAYOUT))->m_count = -1;
}
SPOIL(more_connections_than_bytes)
{
    (void)n_bytes;
    ((struct connectivity *)content(bytes, CONNECTIVITY))->m_count++;
}
SPOIL(fewer_units)
{
    (void)n_bytes;
    ((struct ip_layout *)content(bytes, IP_LAYOUT))->m_count--;
}
SPOIL(fewer_connections)
{
    (void)n_bytes;
    ((struct connectivity *)content(bytes, CONNECTIVITY))->m_count--;
}
SPOIL(unknown_bank)
{
    (void)n_bytes;
    ((struct connectivity *)content(bytes, CONNECTIVITY))->m_connection[0].mem_data_index = 2;
}
SPOIL(unknown_argument)
{
    (void)n_bytes;
    ((struct connectivity *)content(bytes, CONNECTIVITY))->m_connection[0].arg_index = -1;
}
SPOIL(unknown_ip)
{
    (void)n_bytes;
    ((struct connectivity *)content(bytes, CONNECTIVITY))->m_connection[0].m_ip_layout_index = 3;
}
SPOIL(unused_bank)
{
    (void)n_bytes;
    ((struct mem_topology *)content(bytes, MEM_TOPOLOGY))->m_mem_data[0].m_used = 0;
}
SPOIL(endless_bank)
{
    (void)n_bytes;
    ((struct mem_topology *)content(bytes, MEM_TOPOLOGY))->m_mem_data[1].m_size = UINT64_MAX >> 10;
}
SPOIL(other_order)
{
    struct ip_data *ips = ((struct ip_layout *)content(bytes, IP_LAYOUT))->m_ip_data;
    const uint32_t first = ips[0].properties;

    (void)n_bytes;
    ips[0].properties = ips[2].properties;
    ips[2].properties = first;
}
SPOIL(other_address)
{
    (void)n_bytes;
    ((struct ip_layout *)content(bytes, IP_LAYOUT))->m_ip_data[1].m_base_address += 4;
}
SPOIL(other_name)
{
    (void)n_bytes;
    ((struct ip_layout *)content(bytes, IP_LAYOUT))->m_ip_data[1].m_name[3] = 'x';
}
SPOIL(free_running)
{
    (void)n_bytes;
    ((struct ip_layout *)content(bytes, IP_LAYOUT))->m_ip_data[1].properties |= AP_CTRL_NONE << 8;
}
SPOIL(no_magic)
{
    (void)n_bytes;
    bytes[7] = '2';
}

static void each_wrong_thing_has_its_reason(void **state)
{
    static const struct {
        const char *name;
        spoil_fn spoil;
        const char *reason;
    } cases[] = {
#define CASE(name, reason) {#name, name, reason}
        CASE(section_behind_the_end, "outside the file"),
        CASE(section_too_long, "outside the file"),
        CASE(section_wraps_around, "outside the file"),
        CASE(section_over_the_table, "outside the file"),
        CASE(sections_overlap, "overlap"),
        CASE(section_twice, "two sections of kind 8"),
        CASE(too_many_sections, "65 sections, at most 64"),
        CASE(table_past_the_end, "sections, at most"),
        CASE(too_many_banks, "MEM_TOPOLOGY has 65 entries, at most 64"),
        CASE(more_banks_than_bytes, "MEM_TOPOLOGY has 3 entries in 88 bytes"),
        CASE(negative_units, "IP_LAYOUT has 4294967295 entries"),
        CASE(more_connections_than_bytes, "CONNECTIVITY has 19 entries in"),
        CASE(fewer_units, "dlop_tensor:dlop_tensor_1 is not in IP_LAYOUT"),
        CASE(fewer_connections, "argument completions of dlop_tensor:dlop_tensor_1 reaches no"),
        CASE(unknown_bank, "no bank 2"),
        CASE(unknown_argument, "has no argument 4294967295"),
        CASE(unknown_ip, "no unit 3"),
        CASE(unused_bank, "bank 0 is not used"),
        CASE(endless_bank, "bank 1 goes past the last address"),
        CASE(other_order, "interrupt ids are not in order of addresses"),
        CASE(other_address, "dlop_image:dlop_image_2 has two addresses"),
        CASE(other_name, "is not in the metadata"),
        CASE(free_running, "not started by its control register"),
        CASE(no_magic, "not an xclbin"),
#undef CASE
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char reason[200] = "";
        size_t n_bytes;
        uint8_t *bytes = build("ddr", false, &n_bytes);

        assert_int_equal(open_only(bytes, n_bytes, reason, sizeof(reason)), DLOP_OK);
        cases[i].spoil(bytes, n_bytes);
        if (open_only(bytes, n_bytes, reason, sizeof(reason)) == DLOP_OK)
            fail_msg("%s was accepted", cases[i].name);
        if (strstr(reason, cases[i].reason) == NULL)
            fail_msg("%s: \"%s\" instead of \"%s\"", cases[i].name, reason, cases[i].reason);
        assert_int_not_equal(judge(bytes, n_bytes), DLOP_OK);
        free(bytes);
    }
}

static void each_section_is_needed(void **state)
{
    static const uint32_t kinds[] = {BITSTREAM, EMBEDDED_METADATA, MEM_TOPOLOGY, IP_LAYOUT,
                                     CONNECTIVITY};

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        char reason[200] = "";
        size_t n_bytes;
        uint8_t *bytes = build("ddr", false, &n_bytes);

        section(bytes, kinds[i])->m_sectionKind = BUILD_METADATA;
        assert_int_equal(open_only(bytes, n_bytes, reason, sizeof(reason)), DLOP_ERR_BAD_DATA);
        assert_non_null(strstr(reason, "no section"));
        free(bytes);
    }
}

/* Interrupt order is a trap of the emulations only. */
static void cards_may_number_units_as_they_like(void **state)
{
    size_t n_bytes;
    uint8_t *bytes = build("ddr", false, &n_bytes);

    (void)state;
    other_order(bytes, n_bytes);
    ((struct axlf *)(void *)bytes)->m_header.m_mode = XCLBIN_PR;
    assert_int_equal(open_only(bytes, n_bytes, NULL, 0), DLOP_OK);
    free(bytes);
}

static void short_reasons_end(void **state)
{
    const uint8_t nothing[1] = {0};
    char reason[6] = "######";

    (void)state;
    assert_int_equal(open_only(nothing, sizeof(nothing), reason, sizeof(reason)),
                     DLOP_ERR_TRUNCATED);
    assert_int_equal(strlen(reason), 5);
    assert_int_equal(open_only(nothing, 0, reason, 0), DLOP_ERR_TRUNCATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_begin_where_the_vendor_puts_them),
        cmocka_unit_test(reader_finds_what_the_writer_put),
        cmocka_unit_test(equal_images_are_equal_bytes),
        cmocka_unit_test(every_changed_byte_is_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(what_is_behind_the_end_is_refused),
        cmocka_unit_test(each_wrong_thing_has_its_reason),
        cmocka_unit_test(each_section_is_needed),
        cmocka_unit_test(cards_may_number_units_as_they_like),
        cmocka_unit_test(short_reasons_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
