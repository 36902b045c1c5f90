/* Unit tests of host/source: what is read, and what is left to the framework to complain about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/source/source.h"

#define LITERAL(text) text, sizeof(text) - 1

/* Stands before the C library's: reads come in pieces, and signals come in between. */
ssize_t pread(int fd, void *bytes, size_t n_bytes, off_t offset)
{
    static int n_calls;
    if (n_calls++ % 3 == 1) {
        errno = EINTR;
        return -1;
    }
    return syscall(SYS_pread64, fd, bytes, n_bytes < 30000 ? n_bytes : 30000, offset);
}

struct folder {
    char path[64];
};

static int make_folder(void **state)
{
    struct folder *folder = calloc(1, sizeof(*folder));
    strcpy(folder->path, "/tmp/dlop-source-XXXXXX");
    if (folder == NULL || mkdtemp(folder->path) == NULL)
        return -1;
    chmod(folder->path, 0755);
    *state = folder;
    return 0;
}

static int remove_folder(void **state)
{
    struct folder *folder = *state;
    char command[100];
    snprintf(command, sizeof(command), "rm -rf %s", folder->path);
    int status = system(command);
    free(folder);
    return status;
}

static void path_in(const struct folder *folder, const char *name, char path_out[128])
{
    snprintf(path_out, 128, "%s/%s", folder->path, name);
}

static void write_file(const char *path, const char *bytes, size_t n_bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n_bytes, file), n_bytes);
    fclose(file);
}

/* A source of one file of this name. */
static dlop_source *source_of(const char *path)
{
    dlop_source *source = NULL;
    assert_int_equal(dlop_source_open_files(NULL, path, strlen(path) + 1, 1, &source), DLOP_OK);
    return source;
}

static int n_open_files(void)
{
    int n = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n;
}

static void files_are_read_whole(void **state)
{
    char path[128], bytes[100000], read_back[sizeof(bytes) + 2];
    dlop_source *source;
    size_t n_bytes = 0;
    int fd = -1;

    path_in(*state, "photo.jpg", path);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7 >> 3);
    write_file(path, bytes, sizeof(bytes));
    source = source_of(path);
    int n_before = n_open_files();
    assert_int_equal(dlop_source_size(source, 0, &fd, &n_bytes), DLOP_OK);
    assert_int_equal(n_bytes, sizeof(bytes));
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    read_back[n_bytes + 1] = 'x'; /* only one byte more may be written */
    assert_int_equal(dlop_source_read(source, 0, fd, (uint8_t *)read_back, n_bytes), DLOP_OK);
    assert_memory_equal(read_back, bytes, sizeof(bytes));
    assert_int_equal(read_back[n_bytes + 1], 'x');
    assert_int_equal(n_open_files(), n_before);
    dlop_source_close(&source);
    assert_null(source);
}

static void empty_files_are_records_of_size_0(void **state)
{
    char path[128];
    uint8_t room;
    size_t n_bytes = 1;
    int fd = -1;

    path_in(*state, "empty.jpg", path);
    write_file(path, "", 0);
    dlop_source *source = source_of(path);
    assert_int_equal(dlop_source_size(source, 0, &fd, &n_bytes), DLOP_OK);
    assert_int_equal(n_bytes, 0);
    assert_int_equal(dlop_source_read(source, 0, fd, &room, 0), DLOP_OK);
    dlop_source_close(&source);
}

static void assert_not_readable(const char *path)
{
    size_t n_bytes = 77;
    int fd = 77, n_before = n_open_files();
    dlop_source *source = source_of(path);
    assert_int_equal(dlop_source_size(source, 0, &fd, &n_bytes), DLOP_ERR_READ);
    assert_int_equal(fd, 77);
    assert_int_equal(n_bytes, 77);
    assert_int_equal(n_open_files(), n_before);
    dlop_source_close(&source);
}

static void what_is_no_readable_file_is_refused(void **state)
{
    char path[128], link[128];

    assert_not_readable("");
    path_in(*state, "missing.jpg", path);
    assert_not_readable(path);
    path_in(*state, "folder.jpg", path);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_not_readable(path);
    path_in(*state, "link.jpg", link);
    assert_int_equal(symlink(path, link), 0);
    assert_not_readable(link);
    path_in(*state, "pipe.jpg", path);
    assert_int_equal(mkfifo(path, 0644), 0);
    assert_not_readable(path); /* and does not wait for a writer */
    assert_not_readable("/dev/zero");

    path_in(*state, "secret.jpg", path);
    write_file(path, LITERAL("bytes"));
    assert_int_equal(chmod(path, 0), 0);
    bool is_root = geteuid() == 0;
    if (is_root)
        assert_int_equal(seteuid(65534), 0);
    assert_not_readable(path);
    if (is_root)
        assert_int_equal(seteuid(0), 0);
}

/* Another owner's file may not be opened without an access time, but may be read. */
static void files_of_others_are_read(void **state)
{
    char path[128];
    size_t n_bytes = 0;
    int fd = -1;

    if (geteuid() != 0) {
        print_message("SKIP root: another owner is needed\n");
        skip();
    }
    path_in(*state, "others.jpg", path);
    write_file(path, LITERAL("bytes"));
    dlop_source *source = source_of(path);
    assert_int_equal(seteuid(65534), 0);
    dlop_status status = dlop_source_size(source, 0, &fd, &n_bytes);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(status, DLOP_OK);
    assert_int_equal(n_bytes, 5);
    close(fd);
    dlop_source_close(&source);
}

static void files_that_change_size_are_errors(void **state)
{
    static const struct {
        off_t before, after;
    } sizes[] = {{5, 0}, {5, 4}, {5, 6}, {0, 1}, {65000, 65001}, {65000, 200000}, {65000, 64999}};
    char path[128];
    uint8_t bytes[65002];

    path_in(*state, "changing.jpg", path);
    write_file(path, LITERAL("bytes"));
    for (size_t i = 0; i < 3 * sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t n_bytes = 0;
        int fd = -1;
        assert_int_equal(truncate(path, sizes[i / 3].before), 0);
        int n_before = n_open_files();
        dlop_source *source = source_of(path);
        assert_int_equal(dlop_source_size(source, 0, &fd, &n_bytes), DLOP_OK);
        assert_int_equal(truncate(path, sizes[i / 3].after), 0);
        bytes[n_bytes + 1] = 'x';
        assert_int_equal(dlop_source_read(source, 0, fd, bytes, n_bytes), DLOP_ERR_READ);
        assert_int_equal(bytes[n_bytes + 1], 'x');
        assert_int_equal(n_open_files(), n_before);
        dlop_source_close(&source);
    }
}

static void names_are_copied_and_found(void **state)
{
    char path[2][128], names[300];
    size_t n_bytes;
    int fd;
    dlop_source *source = NULL;

    path_in(*state, "a.jpg", path[0]);
    path_in(*state, "b \xFF.jpg", path[1]);
    write_file(path[0], LITERAL("three"));
    write_file(path[1], LITERAL("seven b"));
    size_t names_bytes = (size_t)snprintf(names, sizeof(names), "%s%c%c%s", path[0], 0, 0, path[1]);
    assert_int_equal(dlop_source_open_files(NULL, names, names_bytes + 1, 3, &source), DLOP_OK);
    memset(names, 'x', sizeof(names));
    assert_int_equal(dlop_source_n_records(source), 3);
    assert_int_equal(dlop_source_kind_of(source), DLOP_SOURCE_FILES);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(dlop_source_size(source, 2 * (uint64_t)i, &fd, &n_bytes), DLOP_OK);
        assert_int_equal(n_bytes, i == 0 ? 5 : 7);
        close(fd);
    }
    assert_int_equal(dlop_source_size(source, 1, &fd, &n_bytes), DLOP_ERR_READ);
    assert_int_equal(dlop_source_size(source, 3, &fd, &n_bytes), DLOP_ERR_ARGUMENT);
    uint32_t shape[3];
    assert_null(dlop_source_pixels(source, 0, &shape[0], &shape[1], &shape[2]));
    dlop_source_close(&source);
    dlop_source_close(&source);
    dlop_source_close(NULL);
}

struct names_case {
    const char *names;
    size_t n_bytes;
    uint64_t n;
};

static void wrong_tables_of_names_are_refused(void **state)
{
    (void)state;
    static const struct names_case cases[] = {
        {"a\0b", 3, 2},         /* the last name does not end */
        {"a\0b\0", 4, 3},       /* fewer names than said */
        {"a\0b\0c\0", 6, 2},    /* more names than said */
        {"a\0", 2, 0},          /* names, but none said */
        {"a\0", 2, UINT64_MAX}, /* would overflow the table of offsets */
        {"a\0", 2, UINT64_MAX / 8 + 2},
        {NULL, 4, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        dlop_source *source = NULL;
        assert_int_equal(
            dlop_source_open_files(NULL, cases[i].names, cases[i].n_bytes, cases[i].n, &source),
            DLOP_ERR_ARGUMENT);
        assert_null(source);
    }
    dlop_source *source = NULL;
    assert_int_equal(dlop_source_open_files(NULL, NULL, 0, 0, &source), DLOP_OK);
    assert_int_equal(dlop_source_n_records(source), 0);
    dlop_source_close(&source);
    assert_int_equal(dlop_source_open_files(NULL, "", 1, 1, NULL), DLOP_ERR_ARGUMENT);
}

static void pixels_are_borrowed(void **state)
{
    (void)state;
    static uint8_t pixels[3 * 4 * 5 * 3];
    uint8_t copy[4 * 5 * 3];
    uint32_t height = 0, width = 0, channels = 0;
    dlop_source *source = NULL;
    size_t n_bytes = 0;
    int fd = 0;

    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i] = (uint8_t)i;
    assert_int_equal(dlop_source_open_pixels(NULL, pixels, 3, 4, 5, 3, &source), DLOP_OK);
    assert_int_equal(dlop_source_kind_of(source), DLOP_SOURCE_PIXELS);
    assert_int_equal(dlop_source_n_records(source), 3);
    assert_ptr_equal(dlop_source_pixels(source, 2, &height, &width, &channels), pixels + 120);
    assert_int_equal(height, 4);
    assert_int_equal(width, 5);
    assert_int_equal(channels, 3);
    assert_null(dlop_source_pixels(source, 3, &height, &width, &channels));
    assert_int_equal(dlop_source_size(source, 1, &fd, &n_bytes), DLOP_OK);
    assert_int_equal(fd, -1);
    assert_int_equal(n_bytes, 60);
    assert_int_equal(dlop_source_read(source, 1, fd, copy, 60), DLOP_OK);
    assert_memory_equal(copy, pixels + 60, 60);
    assert_int_equal(dlop_source_read(source, 1, fd, copy, 59), DLOP_ERR_ARGUMENT);
    assert_int_equal(dlop_source_read(source, 3, fd, copy, 60), DLOP_ERR_ARGUMENT);
    dlop_source_close(&source);
}

static void wrong_shapes_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint64_t n;
        uint32_t height, width, channels;
    } shapes[] = {{1, 0, 4, 3},     {1, 4, 0, 3},     {1, 4, 4, 2},         {1, 4, 4, 4},
                  {1, 65501, 4, 3}, {1, 4, 65501, 3}, {UINT64_MAX, 4, 4, 3}};
    uint8_t pixels[48] = {0};
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        dlop_source *source = NULL;
        assert_int_equal(dlop_source_open_pixels(NULL, pixels, shapes[i].n, shapes[i].height,
                                                 shapes[i].width, shapes[i].channels, &source),
                         DLOP_ERR_ARGUMENT);
        assert_null(source);
    }
    dlop_source *source = NULL;
    assert_int_equal(dlop_source_open_pixels(NULL, NULL, 1, 4, 4, 3, &source), DLOP_ERR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_are_read_whole, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(empty_files_are_records_of_size_0, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(what_is_no_readable_file_is_refused, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(files_of_others_are_read, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(files_that_change_size_are_errors, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(names_are_copied_and_found, make_folder, remove_folder),
        cmocka_unit_test(wrong_tables_of_names_are_refused),
        cmocka_unit_test(pixels_are_borrowed),
        cmocka_unit_test(wrong_shapes_are_refused),
    };
    return cmocka_run_group_tests_name("unit/source", tests, NULL, NULL);
}
