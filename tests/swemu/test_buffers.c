/* The device process's calls about memory: what they do, and what they refuse. */
#include "tests/swemu/serve.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static int set_up_strict(void **state)
{
    (void)state;
    memset(&device, 0, sizeof(device));
    return dlop_swemu_memory_open(&device.memory, true) ? 0 : 1;
}

/* The buffer's bytes as the host maps them. */
static uint8_t *map_answered(size_t n_bytes)
{
    char name[64] = "";
    const struct dlop_swemu_field field = answered_bytes();

    assert_true(field.n_bytes < sizeof(name));
    memcpy(name, field.bytes, field.n_bytes);
    const int file = open(name, O_RDWR);
    assert_true(file >= 0);
    uint8_t *bytes = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    assert_true(bytes != MAP_FAILED);
    close(file);
    return bytes;
}

static void host_and_device_share_a_buffer(void **state)
{
    (void)state;
    assert_int_equal(alloc(ADDRESS, 100), 1);
    uint8_t *host = map_answered(PAGE);
    assert_int_equal(to_device(ADDRESS + 7, "seven", 5), 5);
    assert_memory_equal(host + 7, "seven", 5);
    host[8] = 'E';
    assert_int_equal(from_device(ADDRESS + 6, 7), 7);
    assert_memory_equal(answered_bytes().bytes, "\0sEven", 7);
    munmap(host, PAGE);
}

static void strict_memory_lies_apart(void **state)
{
    (void)state;
    assert_int_equal(alloc(ADDRESS, PAGE), 1);
    uint8_t *host = map_answered(PAGE);
    assert_int_equal(from_device(ADDRESS, 2), 2);
    assert_memory_equal(answered_bytes().bytes, "\xa5\xa5", 2);
    assert_int_equal(to_device(ADDRESS, "ab", 2), 2);
    assert_int_equal(host[0], 0);
    host[0] = 'x';
    assert_int_equal(from_device(ADDRESS, 2), 2);
    assert_memory_equal(answered_bytes().bytes, "ab", 2);
    munmap(host, PAGE);
}

static void buffers_that_cannot_be_are_refused(void **state)
{
    (void)state;
    assert_int_equal(alloc(ADDRESS, 2 * PAGE), 1);
    assert_int_equal(alloc(ADDRESS, PAGE), 0);
    assert_int_equal(alloc(ADDRESS + PAGE, PAGE), 0);
    assert_int_equal(alloc(ADDRESS - PAGE, PAGE + 1), 0);
    assert_int_equal(alloc(ADDRESS - PAGE, PAGE), 1);
    assert_int_equal(alloc(ADDRESS + 2 * PAGE, PAGE), 1);
    assert_int_equal(alloc(1, PAGE), 0);
    assert_int_equal(alloc(0, 0), 0);
    assert_int_equal(alloc(0, UINT64_MAX), 0);
    assert_int_equal(alloc(DLOP_SWEMU_MEMORY_BYTES, PAGE), 0);
    assert_int_equal(alloc(DLOP_SWEMU_MEMORY_BYTES - PAGE, PAGE + 1), 0);
    assert_int_equal(alloc(DLOP_SWEMU_MEMORY_BYTES - PAGE, PAGE), 1);
    assert_int_equal(alloc(UINT64_MAX & ~(PAGE - 1), PAGE), 0);
    assert_int_equal(device.memory.n_buffers, 4);
}

static void copies_stay_in_one_buffer(void **state)
{
    static const uint8_t zeros[PAGE + 1];

    (void)state;
    assert_int_equal(alloc(ADDRESS, PAGE), 1);
    assert_int_equal(alloc(ADDRESS + PAGE, PAGE), 1);
    assert_int_equal(to_device(ADDRESS, zeros, PAGE), PAGE);
    assert_int_equal(to_device(ADDRESS, zeros, PAGE + 1), 0);
    assert_int_equal(to_device(ADDRESS + PAGE - 1, zeros, 2), 0);
    assert_int_equal(to_device(ADDRESS - 1, zeros, 1), 0);
    assert_int_equal(from_device(ADDRESS, PAGE + 1), 0);
    assert_int_equal(from_device(ADDRESS, UINT64_MAX), 0);
    assert_int_equal(from_device(UINT64_MAX, 2), 0);
    assert_int_equal(from_device(ADDRESS + 2 * PAGE, 1), 0);
    /* A size that is not that of the data. */
    message_begin(&message, 6);
    message_put_number(&message, 3, ADDRESS);
    message_put_bytes(&message, 4, "abc", 3);
    message_put_number(&message, 5, 4);
    assert_int_equal(served(), 0);
}

/* XRT adds the offset of a copy itself in software emulation, and sends both in the other. */
static void offsets_of_copies_count_in_hardware_emulation(void **state)
{
    (void)state;
    for (uint32_t is_hw_emu = 0; is_hw_emu < 2; is_hw_emu++) {
        const uint64_t address = ADDRESS + is_hw_emu * PAGE;
        device.is_hw_emu = is_hw_emu != 0;
        assert_int_equal(alloc(address, PAGE), 1);
        message_begin(&message, 6);
        message_put_number(&message, 3, address);
        message_put_bytes(&message, 4, "ab", 2);
        message_put_number(&message, 5, 2);
        message_put_number(&message, 6, 3);
        assert_int_equal(served(), 2);
        assert_int_equal(from_device(address, 5), 5);
        assert_memory_equal(answered_bytes().bytes, is_hw_emu ? "\0\0\0ab" : "ab\0\0\0", 5);
        message_begin(&message, 7);
        message_put_number(&message, 4, address);
        message_put_number(&message, 5, 1);
        message_put_number(&message, 6, 4);
        assert_int_equal(served(), 1);
        assert_memory_equal(answered_bytes().bytes, is_hw_emu ? "b" : "a", 1);
        message_put_number(&message, 6, PAGE);
        assert_int_equal(served(), is_hw_emu ? 0 : 1);
    }
}

static void free_takes_the_begin_of_a_buffer(void **state)
{
    static const struct {
        uint64_t address, is_freed;
    } cases[] = {{ADDRESS + PAGE, 0}, {0, 0}, {ADDRESS, 1}, {ADDRESS, 0}};

    (void)state;
    assert_int_equal(alloc(ADDRESS, 2 * PAGE), 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        message_begin(&message, 5);
        message_put_number(&message, 1, cases[i].address);
        assert_int_equal(served(), cases[i].is_freed);
    }
    assert_int_equal(to_device(ADDRESS, "a", 1), 0);
    assert_int_equal(alloc(ADDRESS, PAGE), 1);
}

static uint64_t import(const char *name, uint64_t address, uint64_t n_bytes)
{
    message_begin(&message, 27);
    message_put_bytes(&message, 1, name, strlen(name));
    message_put_number(&message, 2, address);
    message_put_number(&message, 3, n_bytes);
    return served();
}

static void buffers_of_another_device_are_imported(void **state)
{
    char name[64];
    const int other = memfd_create("dlop-swemu", 0);

    (void)state;
    assert_int_equal(ftruncate(other, 2 * (off_t)PAGE), 0);
    assert_int_equal(pwrite(other, "theirs", 6, 0), 6);
    snprintf(name, sizeof(name), "/proc/%d/fd/%d", (int)getpid(), other);
    assert_int_equal(alloc(ADDRESS, 2 * PAGE), 1);
    uint8_t *before = map_answered(PAGE);
    struct dlop_swemu_field at_alloc = answered_bytes();
    char own_name[64] = "";
    memcpy(own_name, at_alloc.bytes, at_alloc.n_bytes);

    assert_int_equal(import(name, ADDRESS + PAGE, PAGE), 0);
    assert_int_equal(import(name, ADDRESS, 3 * PAGE), 0);
    assert_int_equal(import("/etc/passwd", ADDRESS, 2 * PAGE), 0);
    assert_int_equal(import("/proc/self/fd/0", ADDRESS, 2 * PAGE), 0);
    assert_int_equal(import("/proc/1/fd/1/../../../etc/passwd", ADDRESS, 2 * PAGE), 0);
    /* Another file in memory. */
    char foreign_name[64];
    const int foreign = memfd_create("dlop-other", 0);
    assert_int_equal(ftruncate(foreign, 2 * (off_t)PAGE), 0);
    snprintf(foreign_name, sizeof(foreign_name), "/proc/%d/fd/%d", (int)getpid(), foreign);
    assert_int_equal(import(foreign_name, ADDRESS, 2 * PAGE), 0);
    close(foreign);
    assert_int_equal(import(name, ADDRESS, 2 * PAGE), 1);
    assert_int_equal(from_device(ADDRESS, 6), 6);
    assert_memory_equal(answered_bytes().bytes, "theirs", 6);
    /* The name that the host got at alloc leads to the imported buffer. */
    const int again = open(own_name, O_RDONLY);
    uint8_t *bytes = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, again, 0);
    assert_true(bytes != MAP_FAILED);
    assert_memory_equal(bytes, "theirs", 6);
    munmap(bytes, PAGE);
    munmap(before, PAGE);
    close(again);
    /* Too short a file. */
    assert_int_equal(ftruncate(other, (off_t)PAGE), 0);
    assert_int_equal(import(name, ADDRESS, 2 * PAGE), 0);
    close(other);
}

static uint64_t copy_with_file(uint32_t call, const char *name, uint64_t n_bytes,
                               const uint64_t offsets[2])
{
    message_begin(&message, call);
    message_put_number(&message, 1, ADDRESS);
    message_put_bytes(&message, 2, name, strlen(name));
    message_put_number(&message, 3, n_bytes);
    message_put_number(&message, 4, offsets[0]);
    message_put_number(&message, 5, offsets[1]);
    return served();
}

static void copies_between_devices(void **state)
{
    const uint64_t at_2_5[2] = {2, 5}, far[2] = {PAGE, 0}, wrapping[2] = {UINT64_MAX, UINT64_MAX};
    char name[64], bytes[8];
    const int other = memfd_create("dlop-swemu", 0);

    (void)state;
    assert_int_equal(ftruncate(other, (off_t)PAGE), 0);
    snprintf(name, sizeof(name), "/proc/%d/fd/%d", (int)getpid(), other);
    assert_int_equal(alloc(ADDRESS, PAGE), 1);
    assert_int_equal(to_device(ADDRESS, "0123456789", 10), 10);
    assert_int_equal(copy_with_file(22, name, 3, at_2_5), 1);
    assert_int_equal(pread(other, bytes, 3, 5), 3);
    assert_memory_equal(bytes, "234", 3);
    /* From the file's byte 2 to the buffer's byte 5: zeros. */
    assert_int_equal(copy_with_file(50, name, 2, at_2_5), 1);
    assert_int_equal(from_device(ADDRESS, 8), 8);
    assert_memory_equal(answered_bytes().bytes,
                        "01234\0\0"
                        "7",
                        8);
    assert_int_equal(copy_with_file(22, name, PAGE, at_2_5), 0);
    assert_int_equal(copy_with_file(22, name, 1, far), 0);
    assert_int_equal(copy_with_file(50, name, 1, far), 0);
    assert_int_equal(copy_with_file(22, name, 1, wrapping), 0);
    assert_int_equal(copy_with_file(50, name, 1, wrapping), 0);
    assert_int_equal(copy_with_file(22, "/dev/null", 1, at_2_5), 0);
    close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(host_and_device_share_a_buffer),
        cmocka_unit_test_setup_teardown(strict_memory_lies_apart, set_up_strict, tear_down),
        TEST(buffers_that_cannot_be_are_refused),
        TEST(copies_stay_in_one_buffer),
        TEST(offsets_of_copies_count_in_hardware_emulation),
        TEST(free_takes_the_begin_of_a_buffer),
        TEST(buffers_of_another_device_are_imported),
        TEST(copies_between_devices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
