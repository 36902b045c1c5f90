/* Unit test: the contestant on libjpeg-turbo. Its rectangles against whole pictures by libjpeg, and
 * its batches over epochs, some left early. Needs the photographs that make photos cuts. */
#include "tests/kernel/kernel.h"

#include <ftw.h>

#include "driver/cpu/jpeg.h"
#include "host/bench/turbo.h"
#include "host/bench/turbo_loader.h"

#define MAX_FILES       40
#define MAX_FILE_BYTES  (1 << 16)
#define MAX_PIXEL_BYTES (128 * 128 * 3)
#define IMAGE_FLOATS    ((size_t)3 * DLOP_TURBO_SIDE_PX * DLOP_TURBO_SIDE_PX)

static char paths[MAX_FILES][256];
static u32 n_paths;

static int keep_jpeg(const char *path, const struct stat *facts, int kind, struct FTW *where)
{
    size_t length = strlen(path);

    (void)facts;
    (void)where;
    if (kind == FTW_F && n_paths < MAX_FILES && length < sizeof paths[0] && length > 4 &&
        !strcmp(path + length - 4, ".jpg"))
        strcpy(paths[n_paths++], path);
    return 0;
}

static size_t read_photo(const char *path, u8 bytes[MAX_FILE_BYTES])
{
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    size_t n = fread(bytes, 1, MAX_FILE_BYTES, file);
    fclose(file);
    return n;
}

static void check_rect(struct random_state *random, struct dlop_turbo *turbo, const char *path,
                       const u32 rect[4])
{
    static u8 bytes[MAX_FILE_BYTES], whole[MAX_PIXEL_BYTES], part[MAX_PIXEL_BYTES];
    const u32 none[4] = {0};
    u32 width, height, pitch, first, whole_pitch, whole_first;
    size_t n = read_photo(path, bytes);

    assert_int_equal(dlop_turbo_start(turbo, bytes, n, &width, &height), DLOP_OK);
    assert_int_equal(dlop_turbo_read(turbo, none, part, sizeof part, &pitch, &first),
                     DLOP_ERR_ARGUMENT);
    assert_int_equal(dlop_turbo_read(turbo, (const u32[]){0, 0, width, height}, whole, sizeof whole,
                                     &whole_pitch, &whole_first),
                     DLOP_OK);
    assert_int_equal(whole_pitch, width);
    assert_int_equal(whole_first, 0);
    assert_int_equal(dlop_turbo_start(turbo, bytes, n, &width, &height), DLOP_OK);
    assert_int_equal(dlop_turbo_read(turbo, rect, part, sizeof part, &pitch, &first), DLOP_OK);
    assert_true(first + rect[2] <= pitch);
    for (u32 y = 0; y < rect[3]; y++)
        if (memcmp(part + ((size_t)y * pitch + first) * 3,
                   whole + ((size_t)(rect[1] + y) * width + rect[0]) * 3, (size_t)rect[2] * 3))
            RANDOM_FAIL(random, "%s: row %u of %u,%u %ux%u differs", path, y, rect[0], rect[1],
                        rect[2], rect[3]);
}

/* Cuts at every place relative to MCUs and edges, in every sampling. */
static void rectangles_equal_the_whole_picture(void **state)
{
    struct random_state random = random_start(random_seed());
    static u8 bytes[MAX_FILE_BYTES];
    struct dlop_turbo *turbo;
    u32 width, height;

    (void)state;
    assert_int_equal(dlop_turbo_open(&turbo), DLOP_OK);
    for (u32 i = 0; i < n_paths; i++) {
        size_t n = read_photo(paths[i], bytes);

        assert_int_equal(dlop_turbo_start(turbo, bytes, n, &width, &height), DLOP_OK);
        for (u32 k = 0; k < 60; k++) {
            s32 x = random_in(&random, 0, (s32)width - 1),
                y = random_in(&random, 0, (s32)height - 1);
            const u32 rect[4] = {(u32)x, (u32)y, (u32)random_in(&random, 1, (s32)width - x),
                                 (u32)random_in(&random, 1, (s32)height - y)};

            check_rect(&random, turbo, paths[i], rect);
        }
    }
    dlop_turbo_close(&turbo);
    assert_null(turbo);
}

static void damaged_files_are_refused(void **state)
{
    static u8 bytes[MAX_FILE_BYTES], pixels[MAX_PIXEL_BYTES];
    struct dlop_turbo *turbo;
    u32 width, height, pitch, first;
    size_t n = read_photo(paths[0], bytes);

    (void)state;
    assert_int_equal(dlop_turbo_open(&turbo), DLOP_OK);
    assert_int_equal(dlop_turbo_start(turbo, bytes, 0, &width, &height), DLOP_ERR_BAD_DATA);
    assert_int_equal(dlop_turbo_start(turbo, bytes, 20, &width, &height), DLOP_ERR_BAD_DATA);
    bytes[0] = 0;
    assert_int_equal(dlop_turbo_start(turbo, bytes, n, &width, &height), DLOP_ERR_BAD_DATA);
    bytes[0] = 0xff;
    assert_int_equal(dlop_turbo_start(turbo, bytes, n, &width, &height), DLOP_OK);
    const u32 wide[4] = {1, 0, width, height}, good[4] = {0, 0, width, height};
    assert_int_equal(dlop_turbo_read(turbo, wide, pixels, sizeof pixels, &pitch, &first),
                     DLOP_ERR_ARGUMENT);
    assert_int_equal(dlop_turbo_read(turbo, good, pixels, 100, &pitch, &first), DLOP_ERR_TOO_SMALL);
    assert_int_equal(dlop_turbo_read(turbo, good, pixels, sizeof pixels, &pitch, &first), DLOP_OK);
    dlop_turbo_close(&turbo);
}

/* ---- the loader ---- */

static struct dlop_bench_turbo *open_loader(u32 n, u32 batch_size, u32 n_threads, const char *last)
{
    struct dlop_bench_turbo_cfg cfg = {.n_threads = n_threads,
                                       .batch_size = batch_size,
                                       .is_fixed = 1,
                                       .pass_rule = DLOP_PASS_RULE_SHRINK,
                                       .seed = 5};
    struct dlop_bench_turbo *loader = NULL;
    static char names[MAX_FILES * 256];
    size_t n_bytes = 0;

    for (u32 i = 0; i < n; i++) {
        const char *path = last && i == n - 1 ? last : paths[i];

        memcpy(names + n_bytes, path, strlen(path) + 1);
        n_bytes += strlen(path) + 1;
    }
    assert_int_equal(dlop_bench_turbo_open(names, n_bytes - 1, n, &cfg, &loader),
                     DLOP_ERR_ARGUMENT);
    assert_int_equal(dlop_bench_turbo_open(names, n_bytes, n, &cfg, &loader), DLOP_OK);
    return loader;
}

/* Every picture is at its place of the order, whatever the threads do and the epochs before. */
static void batches_hold_the_pictures_of_the_order(void **state)
{
    enum { N = 22, BATCH = 4 };
    static float wanted[N][16];
    u32 order[N], n, at;
    float *images;

    (void)state;
    for (u32 n_threads = 1; n_threads <= 3; n_threads++) {
        struct dlop_bench_turbo *loader = open_loader(N, BATCH, n_threads, NULL);

        for (u32 epoch = 0; epoch < 12; epoch++) {
            for (u32 i = 0; i < N; i++)
                order[i] = epoch == 0 ? i : (i * 5 + epoch) % N;
            assert_int_equal(dlop_bench_turbo_start(loader, order), DLOP_OK);
            for (at = 0; at < N && !(epoch % 3 == 1 && at >= 8); at += n) {
                assert_int_equal(dlop_bench_turbo_next(loader, &images, &n), DLOP_OK);
                assert_int_equal(n, N - at < BATCH ? N - at : BATCH);
                for (u32 k = 0; k < n; k++) {
                    float *mark = images + k * IMAGE_FLOATS + 7 * DLOP_TURBO_SIDE_PX;

                    if (n_threads == 1 && epoch == 0)
                        memcpy(wanted[at + k], mark, sizeof wanted[0]);
                    assert_memory_equal(mark, wanted[order[at + k]], sizeof wanted[0]);
                }
            }
            if (at >= N)
                assert_int_equal(dlop_bench_turbo_next(loader, &images, &n), DLOP_END);
        }
        order[3] = N;
        assert_int_equal(dlop_bench_turbo_start(loader, order), DLOP_ERR_ARGUMENT);
        dlop_bench_turbo_close(&loader);
        assert_null(loader);
    }
    assert_memory_not_equal(wanted[0], wanted[1], sizeof wanted[0]);
}

static void a_file_that_fails_is_named(void **state)
{
    enum { N = 6 };
    struct dlop_bench_turbo *loader = open_loader(N, 3, 2, "/nowhere/photo.jpg");
    const u32 order[N] = {0, 1, 2, 3, 4, 5};
    dlop_status status;
    float *images;
    u32 n;

    (void)state;
    assert_string_equal(dlop_bench_turbo_error(loader), "");
    assert_int_equal(dlop_bench_turbo_start(loader, order), DLOP_OK);
    do
        status = dlop_bench_turbo_next(loader, &images, &n);
    while (status == DLOP_OK);
    assert_int_equal(status, DLOP_ERR_READ);
    assert_non_null(strstr(dlop_bench_turbo_error(loader), "/nowhere/photo.jpg"));
    dlop_bench_turbo_close(&loader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rectangles_equal_the_whole_picture),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(batches_hold_the_pictures_of_the_order),
        cmocka_unit_test(a_file_that_fails_is_named),
    };

    nftw("build/photos/tiny", keep_jpeg, 8, FTW_PHYS);
    if (n_paths < MAX_FILES) {
        printf("SKIP photos: no photographs; run make photos\n");
        return 77;
    }
    return cmocka_run_group_tests_name("unit/bench_turbo", tests, NULL, NULL);
}
