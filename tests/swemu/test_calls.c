/* The device process's calls about programs and registers, and messages that are none.
 *
 * The calls run in this process; the program is test_kernels.so, which DLOP_BUILD leads to.
 */
#include "tests/swemu/serve.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tests/swemu/test_kernels.h"

static uint64_t write_registers(uint64_t address, const void *bytes, size_t n_bytes)
{
    message_begin(&message, 9);
    message_put_number(&message, 2, address);
    message_put_bytes(&message, 4, bytes, n_bytes);
    return served();
}

static uint32_t read_control(uint64_t base)
{
    uint32_t control = 0;

    message_begin(&message, 11);
    message_put_number(&message, 2, base);
    message_put_number(&message, 3, 4);
    assert_int_equal(served(), 1);
    memcpy(&control, answered_bytes().bytes, 4);
    return control;
}

static const char *program_path(void)
{
    static char path[PATH_MAX];
    const char *build = getenv("DLOP_BUILD");
    char relative[PATH_MAX];

    snprintf(relative, sizeof(relative), "%s/tests/swemu/test_kernels.so",
             build != NULL ? build : "build/release");
    assert_non_null(realpath(relative, path));
    return path;
}

/* The call of a load, with metadata in a file in memory. */
static uint64_t load(const char *metadata, const char *library)
{
    char path[64];
    const int file = memfd_create("metadata", 0);

    assert_true(file >= 0);
    assert_int_equal(write(file, metadata, strlen(metadata)), strlen(metadata));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    message_begin(&message, 3);
    message_put_bytes(&message, 1, path, strlen(path));
    message_put_bytes(&message, 2, library, strlen(library));
    const uint64_t is_loaded = served();
    close(file);
    return is_loaded;
}

static void set_registers(uint8_t *registers, uint64_t from, uint64_t to, uint32_t n)
{
    memset(registers, 0, 64);
    registers[0] = DLOP_SWEMU_START;
    memcpy(registers + TEST_FROM_OFFSET, &from, 8);
    memcpy(registers + TEST_TO_OFFSET, &to, 8);
    memcpy(registers + TEST_N_OFFSET, &n, 4);
}

/* ---- programs and registers ---- */

static void kernels_run_on_their_buffers(void **state)
{
    static const int32_t from[3] = {10, 20, 30}, to[3] = {13, 23, 33};
    uint8_t registers[64];

    (void)state;
    assert_int_equal(load(TEST_METADATA, program_path()), 1);
    assert_int_equal(alloc(ADDRESS, PAGE), 1);
    assert_int_equal(alloc(ADDRESS + PAGE, PAGE), 1);
    assert_int_equal(to_device(ADDRESS, from, sizeof(from)), sizeof(from));
    assert_int_equal(read_control(TEST_ADD_BASE), DLOP_SWEMU_IDLE);
    set_registers(registers, ADDRESS, ADDRESS + PAGE, 3);
    assert_int_equal(write_registers(TEST_ADD_BASE, registers, sizeof(registers)), 1);
    uint32_t control = DLOP_SWEMU_START;
    for (uint32_t i = 0; i < 1000 && control == DLOP_SWEMU_START; i++)
        control = read_control(TEST_ADD_BASE);
    assert_int_equal(control, DLOP_SWEMU_DONE | DLOP_SWEMU_IDLE);
    assert_int_equal(read_control(TEST_ADD_BASE), DLOP_SWEMU_IDLE);
    assert_int_equal(from_device(ADDRESS + PAGE, sizeof(to)), sizeof(to));
    assert_memory_equal(answered_bytes().bytes, to, sizeof(to));
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static void busy_units_hold_nobody_up(void **state)
{
    uint8_t registers[64];

    (void)state;
    assert_int_equal(load(TEST_METADATA, program_path()), 1);
    assert_int_equal(alloc(ADDRESS, PAGE), 1);
    set_registers(registers, ADDRESS, ADDRESS, 200);
    const double start_ms = now_ms();
    assert_int_equal(write_registers(TEST_SLOW_BASE, registers, sizeof(registers)), 1);
    assert_int_equal(read_control(TEST_SLOW_BASE), DLOP_SWEMU_START);
    set_registers(registers, ADDRESS, ADDRESS, 1);
    assert_int_equal(write_registers(TEST_ADD_BASE, registers, sizeof(registers)), 1);
    while (read_control(TEST_ADD_BASE) == DLOP_SWEMU_START)
        ;
    /* The other unit still works; a start of it is lost. */
    assert_int_equal(read_control(TEST_SLOW_BASE), DLOP_SWEMU_START);
    assert_int_equal(write_registers(TEST_SLOW_BASE, registers, sizeof(registers)), 1);
    while (read_control(TEST_SLOW_BASE) == DLOP_SWEMU_START)
        ;
    assert_true(now_ms() - start_ms >= 200);
    assert_int_equal(read_control(TEST_SLOW_BASE), DLOP_SWEMU_IDLE);
}

static void registers_are_checked(void **state)
{
    static const struct {
        uint64_t base, offset, n_bytes, is_there;
    } cases[] = {
        {TEST_ADD_BASE, 0x10, 4, 1},          {TEST_ADD_BASE, 0xffc, 4, 1},
        {TEST_ADD_BASE, 0x10, 0, 1},          {TEST_ADD_BASE, 0x10, 64, 1},
        {TEST_ADD_BASE, 0x10, 68, 0},         {TEST_ADD_BASE, 0x1000, 4, 0},
        {TEST_ADD_BASE, 0xffc, 8, 0},         {TEST_ADD_BASE, 0x12, 4, 0},
        {TEST_ADD_BASE, 0x10, 3, 0},          {0, 0, 4, 0},
        {TEST_ADD_BASE, UINT64_MAX, 4, 0},    {UINT64_MAX, 1, 4, 0},
        {TEST_ADD_BASE, 0x10, UINT64_MAX, 0},
    };
    uint32_t value = 17;

    (void)state;
    assert_int_equal(load(TEST_METADATA, program_path()), 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        message_begin(&message, 52);
        message_put_number(&message, 1, cases[i].base);
        message_put_number(&message, 2, cases[i].offset);
        message_put_number(&message, 3, cases[i].n_bytes);
        assert_int_equal(served(), cases[i].is_there);
        assert_int_equal(answered_bytes().n_bytes, cases[i].is_there ? cases[i].n_bytes : 0);
    }
    message_begin(&message, 51);
    message_put_number(&message, 1, TEST_ADD_BASE);
    message_put_number(&message, 2, 0x28);
    message_put_bytes(&message, 3, &value, 4);
    assert_int_equal(served(), 1);
    message_begin(&message, 52);
    message_put_number(&message, 1, TEST_ADD_BASE);
    message_put_number(&message, 2, 0x28);
    message_put_number(&message, 3, 4);
    assert_int_equal(served(), 1);
    assert_memory_equal(answered_bytes().bytes, &value, 4);
    assert_int_equal(write_registers(TEST_ADD_BASE + 0xffc, "12345678", 8), 0);
    assert_int_equal(write_registers(5, "1234", 4), 0);
}

static void starts_without_a_buffer_are_fatal(void **state)
{
    uint8_t registers[64];

    (void)state;
    assert_int_equal(load(TEST_METADATA, program_path()), 1);
    assert_int_equal(alloc(ADDRESS, PAGE), 1);
    set_registers(registers, ADDRESS, ADDRESS + PAGE, 1);
    message_begin(&message, 9);
    message_put_number(&message, 2, TEST_ADD_BASE);
    message_put_bytes(&message, 4, registers, sizeof(registers));
    assert_int_equal(serve(), DLOP_SWEMU_FATAL);
    assert_int_equal(read_control(TEST_ADD_BASE), DLOP_SWEMU_IDLE);
}

static void programs_that_do_not_load_are_refused(void **state)
{
    char long_path[PATH_MAX + 8];

    (void)state;
    memset(long_path, 'a', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = 0;
    assert_int_equal(load(TEST_METADATA, "/nowhere/kernels.so"), 0);
    assert_int_equal(load(TEST_METADATA, "libc.so.6"), 0);
    assert_int_equal(load(TEST_METADATA, long_path), 0);
    assert_int_equal(load("<kernel name='add'>", program_path()), 0);
    assert_int_equal(load(TEST_KERNEL("other", "0x10000"), program_path()), 0);
    assert_int_equal(device.program.n_units, 0);
    message_begin(&message, 3);
    message_put_bytes(&message, 1, "/nowhere/metadata.xml", 21);
    message_put_bytes(&message, 2, program_path(), strlen(program_path()));
    assert_int_equal(served(), 0);
    message_begin(&message, 3);
    message_put_bytes(&message, 1, "a\0b", 3);
    message_put_bytes(&message, 2, "", 0);
    assert_int_equal(served(), 0);
    /* A device of memory only. */
    message_begin(&message, 3);
    message_put_bytes(&message, 1, "", 0);
    message_put_bytes(&message, 2, "", 0);
    assert_int_equal(served(), 1);
    /* And again. */
    assert_int_equal(load(TEST_METADATA, program_path()), 1);
    assert_int_equal(load(TEST_METADATA, program_path()), 1);
    assert_int_equal(device.program.n_units, 3);
}

static void close_forgets_everything(void **state)
{
    (void)state;
    for (uint64_t all = 0; all < 2; all++) {
        assert_int_equal(load(TEST_METADATA, program_path()), 1);
        assert_int_equal(alloc(ADDRESS, PAGE), 1);
        message_begin(&message, DLOP_SWEMU_CALL_CLOSE);
        message_put_bytes(&message, 2, "handle", 6);
        message_put_number(&message, 3, all);
        assert_int_equal(serve(), all ? DLOP_SWEMU_CLOSE : DLOP_SWEMU_ANSWER);
        assert_int_equal(answer_find(answer, n_answer, 1).value, 1);
        assert_int_equal(device.memory.n_buffers, 0);
        assert_int_equal(device.program.n_units, 0);
    }
}

/* ---- messages that are none ---- */

static void broken_messages_are_fatal(void **state)
{
    static const struct {
        uint32_t call;
        const char *bytes;
        size_t n_bytes;
    } cases[] = {
        {0, "", 0},                     /* no such call */
        {8, "\x10\0\x22\0", 4},         /* only in hardware emulation */
        {4, "", 0},                     /* no field */
        {4, "\x08\x01", 2},             /* one is missing */
        {4, "\x0a\x01\x31\x10\x01", 5}, /* bytes for a number */
        {4, "\x08", 1},                 /* no value */
        {4, "\x08\xff", 2},             /* value without end */
        {4, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x01", 14}, /* too long */
        {4, "\x0b\x01", 2}, /* a type that is not used */
        {4, "\x00\x01", 2}, /* field 0 */
        {27,
         "\x0a\x7f"
         "a",
         3}, /* more bytes than there are */
        {27,
         "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
         "a",
         12},
        {4, "\x08\x01\x10\x01\x18\xff", 6}, /* behind all that is needed */
        {27,
         "\x10\x01\x18\x01\x0a\x7f"
         "a",
         7},
        {4, "\x09\x01\x02", 3}, /* half a value of 64 bits */
        {4, "\x0d\x01\x02", 3}, /* and of 32 */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        message_begin(&message, cases[i].call);
        memcpy(message.bytes + message.n_bytes, cases[i].bytes, cases[i].n_bytes);
        message.n_bytes += cases[i].n_bytes;
        message_set_length(&message);
        if (serve() != DLOP_SWEMU_FATAL)
            fail_msg("case %zu was served", i);
        assert_int_equal(n_answer, 0);
    }
    assert_int_equal(device.memory.n_buffers, 0);
}

static void headers_are_checked(void **state)
{
    struct dlop_swemu_request request;

    (void)state;
    for (uint32_t i = 0; i < DLOP_SWEMU_REQUEST_HEADER_BYTES; i++) {
        message_begin(&message, 4);
        assert_true(dlop_swemu_header_parse(message.bytes, &request));
        message.bytes[i] ^= 0x80;
        /* Bytes 1..4 are a length below the limit or above, 10..13 another call. */
        const bool may_be = (i >= 1 && i <= 3) || i >= 10;
        assert_int_equal(dlop_swemu_header_parse(message.bytes, &request), may_be);
    }
}

static void hardware_emulation_has_more_calls(void **state)
{
    (void)state;
    device.is_hw_emu = true;
    assert_int_equal(alloc(ADDRESS, PAGE), 1);
    message_begin(&message, 8);
    message_put_number(&message, 2, ADDRESS + 1);
    message_put_bytes(&message, 4, "raw", 3);
    assert_int_equal(served(), 1);
    message_put_number(&message, 2, ADDRESS + PAGE - 2);
    assert_int_equal(served(), 0);
    message_begin(&message, 10);
    message_put_number(&message, 2, ADDRESS);
    message_put_number(&message, 3, 4);
    assert_int_equal(served(), 1);
    assert_memory_equal(answered_bytes().bytes, "\0raw", 4);
    message_put_number(&message, 3, PAGE + 1);
    assert_int_equal(served(), 0);
    for (uint32_t call = 14; call <= 20; call++) {
        message_begin(&message, call);
        assert_int_equal(serve(), DLOP_SWEMU_ANSWER);
    }
    message_begin(&message, 17);
    assert_true(served() > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(kernels_run_on_their_buffers),
        TEST(busy_units_hold_nobody_up),
        TEST(registers_are_checked),
        TEST(starts_without_a_buffer_are_fatal),
        TEST(programs_that_do_not_load_are_refused),
        TEST(close_forgets_everything),
        TEST(broken_messages_are_fatal),
        TEST(headers_are_checked),
        TEST(hardware_emulation_has_more_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
