/* Driver test: compiled programs in the user's cache folder, alone and under a device. Whatever is
 * wrong with an entry, it is not used, and the next build replaces it. */
#include "tests/driver/ocl_kit.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/ocl/cache.h"

static char scratch[64], folder[96];
static const struct dlop_ocl_bytes key = {"platform\ndevice\nsource", 22};
static const struct dlop_ocl_bytes value = {"machine code \0 and more", 23};

static int make_scratch(void **state)
{
    (void)state;
    ocl_scratch_make(scratch);
    snprintf(folder, sizeof folder, "%s/a/dlop/ocl", scratch);
    return 0;
}

static int remove_scratch(void **state)
{
    (void)state;
    ocl_scratch_remove(scratch);
    return 0;
}

/* ---- files ---- */

/* The path of the one entry; fails where there is more than one, or anything else. */
static void only_entry(char path_out[400])
{
    DIR *entries = opendir(folder);
    struct dirent *entry;
    uint32_t n = 0;

    assert_non_null(entries);
    while ((entry = readdir(entries)))
        if (entry->d_name[0] != '.') {
            snprintf(path_out, 400, "%s/%s", folder, entry->d_name);
            n++;
        }
    closedir(entries);
    assert_int_equal(n, 1);
}

static size_t read_entry(const char *path, char *bytes, size_t size)
{
    FILE *file = fopen(path, "rb");
    size_t n_bytes;

    assert_non_null(file);
    n_bytes = fread(bytes, 1, size, file);
    fclose(file);
    return n_bytes;
}

static void write_entry(const char *path, const char *bytes, size_t n_bytes)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n_bytes, file), n_bytes);
    fclose(file);
}

static void assert_is_read(void)
{
    struct dlop_ocl_bytes got = {0};

    assert_int_equal(dlop_ocl_cache_read(folder, &key, &got), DLOP_OK);
    assert_int_equal(got.n_bytes, value.n_bytes);
    assert_memory_equal(got.bytes, value.bytes, value.n_bytes);
    free(got.bytes);
}

static void assert_is_not_read(void)
{
    struct dlop_ocl_bytes got = {0};

    assert_int_equal(dlop_ocl_cache_read(folder, &key, &got), DLOP_END);
    assert_null(got.bytes);
}

/* ---- cache alone ---- */

static void what_is_written_is_read(void **state)
{
    (void)state;
    const struct dlop_ocl_bytes other = {"platform\ndevice\nsourcf", 22};
    struct dlop_ocl_bytes got = {0};
    struct stat info;
    char path[400];

    assert_is_not_read();
    assert_int_equal(dlop_ocl_cache_write(folder, &key, &value), DLOP_OK);
    assert_is_read();
    assert_int_equal(dlop_ocl_cache_read(folder, &other, &got), DLOP_END);
    assert_int_equal(dlop_ocl_cache_write(folder, &key, &value), DLOP_OK);
    assert_is_read();
    only_entry(path);
    assert_int_equal(stat(folder, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

/* Every byte flipped in turn, cut at every length, one byte too many, the entry of another key. */
static void damaged_entries_are_not_used(void **state)
{
    (void)state;
    const struct dlop_ocl_bytes other = {"another", 7};
    char path[400], bytes[512];
    size_t n_bytes;

    assert_int_equal(dlop_ocl_cache_write(folder, &other, &value), DLOP_OK);
    only_entry(path);
    n_bytes = read_entry(path, bytes, sizeof bytes);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(dlop_ocl_cache_write(folder, &key, &value), DLOP_OK);
    only_entry(path);
    write_entry(path, bytes, n_bytes);
    assert_is_not_read();

    assert_int_equal(dlop_ocl_cache_write(folder, &key, &value), DLOP_OK);
    n_bytes = read_entry(path, bytes, sizeof bytes);
    for (size_t i = 0; i < n_bytes; i++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes[i] = (char)(bytes[i] ^ 1 << bit);
            write_entry(path, bytes, n_bytes);
            assert_is_not_read();
            bytes[i] = (char)(bytes[i] ^ 1 << bit);
        }
        write_entry(path, bytes, i);
        assert_is_not_read();
    }
    bytes[n_bytes] = 0;
    write_entry(path, bytes, n_bytes + 1);
    assert_is_not_read();
    write_entry(path, bytes, n_bytes);
    assert_is_read();
}

/* What others could have written runs in nobody's process. */
static void entries_that_others_can_write_are_not_used(void **state)
{
    (void)state;
    char path[400], moved[400];

    assert_int_equal(dlop_ocl_cache_write(folder, &key, &value), DLOP_OK);
    only_entry(path);
    assert_int_equal(chmod(path, 0620), 0);
    assert_is_not_read();
    assert_int_equal(chmod(path, 0600), 0);
    assert_is_read();
    assert_int_equal(chmod(folder, 0777), 0);
    assert_is_not_read();
    assert_int_equal(dlop_ocl_cache_write(folder, &key, &value), DLOP_ERR_IO);
    assert_int_equal(chmod(folder, 0700), 0);
    assert_is_read();
    snprintf(moved, sizeof moved, "%s/elsewhere", scratch);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(symlink(moved, path), 0);
    assert_is_not_read();
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_is_not_read();
}

static void a_folder_that_cannot_be_made_is_an_error(void **state)
{
    (void)state;
    char file[128];

    snprintf(file, sizeof file, "%s/a", scratch);
    write_entry(file, "", 0);
    assert_int_equal(dlop_ocl_cache_write(folder, &key, &value), DLOP_ERR_IO);
    assert_is_not_read();
}

static void the_folder_follows_the_environment(void **state)
{
    (void)state;
    char before[512], path[128];

    snprintf(before, sizeof before, "%s", getenv("XDG_CACHE_HOME") ? getenv("XDG_CACHE_HOME") : "");
    setenv("XDG_CACHE_HOME", "/x", 1);
    assert_true(dlop_ocl_cache_folder(path, sizeof path));
    assert_string_equal(path, "/x/dlop/ocl");
    assert_false(dlop_ocl_cache_folder(path, 5));
    setenv("XDG_CACHE_HOME", "not/absolute", 1);
    setenv("HOME", "/h", 1);
    assert_true(dlop_ocl_cache_folder(path, sizeof path));
    assert_string_equal(path, "/h/.cache/dlop/ocl");
    unsetenv("HOME");
    assert_false(dlop_ocl_cache_folder(path, sizeof path));
    setenv("XDG_CACHE_HOME", before, 1);
}

/* ---- under a device ---- */

static const struct dlop_ocl_api *real;
static uint32_t n_from_source, n_from_binary;

static cl_program CL_API_CALL count_source(cl_context context, cl_uint n, const char **texts,
                                           const size_t *lengths, cl_int *error_out)
{
    n_from_source++;
    return real->CreateProgramWithSource(context, n, texts, lengths, error_out);
}

static cl_program CL_API_CALL count_binary(cl_context context, cl_uint n,
                                           const cl_device_id *devices, const size_t *lengths,
                                           const unsigned char **binaries, cl_int *status_out,
                                           cl_int *error_out)
{
    n_from_binary++;
    return real->CreateProgramWithBinary(context, n, devices, lengths, binaries, status_out,
                                         error_out);
}

static void open_and_count(const char *source, uint32_t want_source, uint32_t want_binary)
{
    struct dlop_device *device = NULL;
    struct dlop_ocl_api api = *real;

    api.CreateProgramWithSource = count_source;
    api.CreateProgramWithBinary = count_binary;
    n_from_source = n_from_binary = 0;
    assert_int_equal(ocl_open_with(&api, source, folder, NULL, NULL, &device), DLOP_OK);
    dlop_ocl_driver.close(&device);
    assert_int_equal(n_from_source, want_source);
    assert_int_equal(n_from_binary, want_binary);
}

/* The second open builds nothing; another source, or a damaged entry, is built from source and the
 * entry replaced. A binary that only the driver can refuse is built from source, too. */
static void a_device_uses_and_replaces_entries(void **state)
{
    (void)state;
    struct dlop_ocl_bytes binary = {0}, source_key;
    char other[2048], path[400];
    static char bytes[1 << 20];
    size_t n_bytes, key_bytes;

    if (!(real = ocl_api()))
        skip();
    open_and_count(ocl_tiny_source, 1, 0);
    open_and_count(ocl_tiny_source, 0, 1);
    only_entry(path);
    n_bytes = read_entry(path, bytes, sizeof bytes);
    bytes[n_bytes - 9] ^= 4;
    write_entry(path, bytes, n_bytes);
    open_and_count(ocl_tiny_source, 1, 0);
    open_and_count(ocl_tiny_source, 0, 1);
    write_entry(path, bytes, n_bytes / 2);
    open_and_count(ocl_tiny_source, 1, 0);
    open_and_count(ocl_tiny_source, 0, 1);
    /* An entry that is whole and right, of a value that is no program. */
    memcpy(&key_bytes, bytes + 8, sizeof key_bytes);
    source_key = (struct dlop_ocl_bytes){bytes + 32, key_bytes};
    binary = (struct dlop_ocl_bytes){"nonsense", 8};
    assert_int_equal(dlop_ocl_cache_write(folder, &source_key, &binary), DLOP_OK);
    open_and_count(ocl_tiny_source, 1, 1);
    open_and_count(ocl_tiny_source, 0, 1);
    only_entry(path);
    snprintf(other, sizeof other, "%s\n", ocl_tiny_source);
    open_and_count(other, 1, 0);
    open_and_count(other, 0, 1);
    open_and_count(ocl_tiny_source, 0, 1);
}

int main(void)
{
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, make_scratch, remove_scratch)
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(what_is_written_is_read),
        IN_SCRATCH(damaged_entries_are_not_used),
        IN_SCRATCH(entries_that_others_can_write_are_not_used),
        IN_SCRATCH(a_folder_that_cannot_be_made_is_an_error),
        IN_SCRATCH(a_device_uses_and_replaces_entries),
        IN_SCRATCH(the_folder_follows_the_environment), /* last: HOME is gone afterwards */
    };

    return cmocka_run_group_tests_name("driver/ocl cache", tests, NULL, NULL);
}
