/* Kernel test: real photographs through the product's parser and the reference, against
 * libjpeg-turbo's pixels; whole and in random regions. Needs the set that make photos cuts. */
#include "tests/kernel/kernel.h"

#include <ftw.h>

#include "host/format/jpeg.h"
#include "tests/kernel/job.h"
#include "tests/kernel/jpeg_oracle.h"

#define MAX_PHOTOS 120

static char *paths[MAX_PHOTOS];
static u32 n_paths;

static int keep_jpeg(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    size_t length = strlen(path);

    (void)status;
    (void)place;
    if (kind == FTW_F && n_paths < MAX_PHOTOS && length > 4 && !strcmp(path + length - 4, ".jpg"))
        paths[n_paths++] = strdup(path);
    return 0;
}

/* malloc's. */
static u8 *read_file(const char *path, size_t *n_bytes_out)
{
    FILE *file = fopen(path, "rb");
    u8 *bytes;

    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *n_bytes_out = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(*n_bytes_out);
    assert_int_equal(fread(bytes, 1, *n_bytes_out, file), *n_bytes_out);
    fclose(file);
    return bytes;
}

/* Decode a region and compare it with that of the oracle's picture. */
static void check_region(const char *path, const struct dlop_jpeg_frame *frame,
                         const struct test_job_cfg *common, const u8 *rgb, const u32 rect[4])
{
    struct test_table x = table_gather(rect[2], 0, 1), y = table_gather(rect[3], 0, 1);
    struct test_job_cfg cfg = *common;
    struct test_job test;
    size_t row_bytes = (size_t)rect[2] * 3;

    memcpy(cfg.rect, rect, sizeof cfg.rect);
    cfg.x = &x;
    cfg.y = &y;
    test_job_open(&test, &cfg);
    s32 status = test_job_run(&test);
    if (status != DLOP_OK)
        fail_msg("%s: status %d", path, status);
    for (u32 row = 0; row < rect[3]; row++) {
        size_t first_px = (size_t)(rect[1] + row) * frame->width_px + rect[0];
        if (memcmp(test.memory.out + row * row_bytes, rgb + 3 * first_px, row_bytes) != 0)
            fail_msg("%s: row %u of region %u,%u %ux%u differs", path, row, rect[0], rect[1],
                     rect[2], rect[3]);
    }
    test_job_close(&test);
    table_close(&x);
    table_close(&y);
}

static void check_photo(const char *path, struct random_state *random)
{
    size_t n_bytes;
    u8 *bytes = read_file(path, &n_bytes);
    struct dlop_jpeg_frame frame;
    char reason[DLOP_REASON_BYTES];

    if (dlop_jpeg_parse(bytes, n_bytes, sizeof frame, &frame, reason) != DLOP_OK)
        fail_msg("%s: %s", path, reason);
    u32 width = frame.width_px, height = frame.height_px;
    u8 *rgb = malloc((size_t)width * height * 3);
    assert_int_equal(oracle_decode(bytes, n_bytes, rgb), 0);

    struct test_job_cfg cfg = {.kind = DLOP_JOB_JPEG,
                               .layout = DLOP_LAYOUT_HWC,
                               .src_channels = frame.n_components,
                               .out_channels = 3,
                               .element_bytes = 1,
                               .src_width_px = width,
                               .src_height_px = height};
    u8 *source = test_job_jpeg_source(&frame, bytes, n_bytes, &cfg.source_bytes);
    cfg.source = source;
    check_region(path, &frame, &cfg, rgb, (u32[4]){0, 0, width, height});
    for (u32 i = 0; i < 3; i++) {
        u32 rect[4];
        rect[0] = (u32)random_in(random, 0, (s32)width - 1);
        rect[1] = (u32)random_in(random, 0, (s32)height - 1);
        rect[2] = (u32)random_in(random, 1, (s32)(width - rect[0]));
        rect[3] = (u32)random_in(random, 1, (s32)(height - rect[1]));
        check_region(path, &frame, &cfg, rgb, rect);
    }
    free(source);
    free(rgb);
    free(bytes);
}

static void photographs_equal_libjpeg_turbo(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());

    for (u32 i = 0; i < n_paths; i++)
        check_photo(paths[i], &random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(photographs_equal_libjpeg_turbo),
    };
    const char *folder = getenv("DLOP_PHOTOS");

    nftw(folder ? folder : "build/photos/tiny", keep_jpeg, 8, FTW_PHYS);
    if (n_paths == 0) {
        printf("SKIP photos: no photographs; run make photos\n");
        return 77;
    }
    int status = cmocka_run_group_tests_name("kernel/photos", tests, NULL, NULL);
    for (u32 i = 0; i < n_paths; i++)
        free(paths[i]);
    return status;
}
