/* The XML of a card image: what is taken, and what is refused with which reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "driver/xrt/metadata.h"
#include "hw/abi/status.h"
#include "tests/kernel/guard.h"

#define ARGUMENT(id, offset)                                                                       \
    "<arg name=\"a" id "\" id=\"" id "\" addressQualifier=\"0\" offset=\"" offset "\" "            \
    "size=\"4\"/>"
#define UNIT(name, base)                                                                           \
    "<instance name='" name "'><addrRemap port=\"p\" base=\"" base "\"/></instance>"
#define KERNEL(name, inside) "<kernel name=\"" name "\">" inside "</kernel>"

static struct dlop_metadata metadata;

/* Read from memory that ends with the text. */
static int32_t read_text(const char *text, char *reason, size_t size)
{
    const size_t n_bytes = strlen(text);
    char *guarded = (char *)guard_alloc(n_bytes);

    memcpy(guarded, text, n_bytes);
    const int32_t status = dlop_metadata_read(guarded, n_bytes, &metadata, reason, size);
    guard_free((uint8_t *)guarded, n_bytes);
    return status;
}

static void what_is_needed_is_taken(void **state)
{
    (void)state;
    assert_int_equal(
        read_text("<?xml version='1.0'?><!DOCTYPE x><!-- <kernel> > --><project note='a > b'>"
                  "<arg outside='yes'/>"
                  "<kernel other=\"1\" name='two' >" ARGUMENT("1", "0x18")
                      ARGUMENT("0", "16") "<arg name=\"\" id=\"\"/>" UNIT("late", "0x30000")
                          UNIT("early",
                               "4096") "</kernel>" KERNEL("one", UNIT("u", "0x20000")) "</project>",
                  NULL, 0),
        DLOP_OK);
    assert_int_equal(metadata.n_kernels, 2);
    assert_int_equal(metadata.n_units, 3);
    assert_int_equal(metadata.kernels[0].n_arguments, 2);
    assert_string_equal(metadata.kernels[0].arguments[1].name, "a1");
    assert_int_equal(metadata.kernels[0].arguments[1].register_offset, 0x18);
    assert_string_equal(metadata.units[0].name, "two:early");
    assert_string_equal(metadata.units[1].name, "one:u");
    assert_int_equal(metadata.units[1].kernel, 1);
    assert_string_equal(metadata.units[2].name, "two:late");
}

static void what_is_wrong_is_refused(void **state)
{
    static const struct {
        const char *text;
        const char *reason;
    } cases[] = {
        {"", "no compute unit"},
        {"<project></project>", "no compute unit"},
        {"<kernel name='k'>", "kernel without end"},
        {"<kernel name='k'", "tag without end"},
        {"<kernel name='k>", "tag without end"},
        {"<!-- <kernel>", "comment without end"},
        {"</kernel>", "did not begin"},
        {"<kernel>", "name: kernel"},
        {"<kernel name=k>", "attribute without a value"},
        {"<kernel name>", "name: kernel"},
        {"<kernel name=''>", "length of a name"},
        {"<kernel name='a:b'>", "a name: a:b"},
        {"<kernel name='a&amp;b'>", "a name"},
        {"<kernel name='123456789012345678901234567890123456789012345678901234567890"
         "1234'>",
         "length of a name"},
        {"<kernel name='k'><kernel name='l'>", "kernel inside"},
        {KERNEL("k", UNIT("u", "0")) KERNEL("k", UNIT("v", "0x10000")), "two kernels"},
        {KERNEL("k", ARGUMENT("1", "0x10")), "numbered from 0"},
        {KERNEL("k", ARGUMENT("32", "0x10")), "over its limit: 32"},
        {KERNEL("k", ARGUMENT("-1", "0x10")), "not a number: -1"},
        {KERNEL("k", ARGUMENT("0x", "0x10")), "not a number: 0x"},
        {KERNEL("k", ARGUMENT("18446744073709551616", "0x10")), "over its limit"},
        {KERNEL("k", ARGUMENT("0", "0xc")), "registers of an argument"},
        {KERNEL("k", ARGUMENT("0", "0xffd")), "registers of an argument"},
        {KERNEL("k", ARGUMENT("0", "0x1001")), "over its limit"},
        {KERNEL("k", ARGUMENT("0", "0x10") ARGUMENT("1", "0x13")), "in one place"},
        {KERNEL("k", ARGUMENT("0", "0x10") ARGUMENT("0", "0x20")), "in one place"},
        {KERNEL("k", "<arg name='b' id='0' addressQualifier='1' offset='16' size='4'/>"),
         "no address"},
        {KERNEL("k", "<addrRemap base='0'/>"), "without an instance"},
        {KERNEL("k", "<instance name='u'/>"), "no compute unit"},
        {KERNEL("k", UNIT("u", "0") UNIT("v", "0xfff")), "two compute units"},
        {KERNEL("k", UNIT("u", "0") UNIT("u", "0x10000")), "two compute units"},
        {KERNEL("k", UNIT("u", "0xffffffffffffffff")), "over its limit"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char reason[128] = "";
        const int32_t status = read_text(cases[i].text, reason, sizeof(reason));

        if (status != DLOP_ERR_BAD_DATA && status != DLOP_ERR_LIMIT)
            fail_msg("%s: status %d", cases[i].text, status);
        if (strstr(reason, cases[i].reason) == NULL)
            fail_msg("%s: \"%s\" instead of \"%s\"", cases[i].text, reason, cases[i].reason);
    }
}

/* n times a piece of text with a number in it, inside a kernel or not. */
static int32_t read_many(uint32_t n, const char *format, const char *before, const char *behind)
{
    static char text[1 << 16];
    size_t at = (size_t)snprintf(text, sizeof(text), "%s", before);

    for (uint32_t i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, format, i, i);
    snprintf(text + at, sizeof(text) - at, "%s", behind);
    return read_text(text, NULL, 0);
}

static void limits_are_kept(void **state)
{
    static const char unit[] = "<instance name='u%u'><addrRemap base='%u0000'/></instance>";
    static const char kernel[] =
        "<kernel name='k%u'><instance name='u'><addrRemap base='%u0000'/></instance></kernel>";

    (void)state;
    assert_int_equal(read_many(DLOP_METADATA_MAX_UNITS, unit, "<kernel name='k'>", "</kernel>"),
                     DLOP_OK);
    assert_int_equal(metadata.n_units, DLOP_METADATA_MAX_UNITS);
    assert_int_equal(read_many(DLOP_METADATA_MAX_UNITS + 1, unit, "<kernel name='k'>", "</kernel>"),
                     DLOP_ERR_LIMIT);
    assert_int_equal(read_many(DLOP_METADATA_MAX_KERNELS, kernel, "", ""), DLOP_OK);
    assert_int_equal(read_many(DLOP_METADATA_MAX_KERNELS + 1, kernel, "", ""), DLOP_ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_needed_is_taken),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(limits_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
