/* Large photographs for tests and benchmarks: see large.h. */
#include "tests/driver/large.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "host/format/jpeg.h"
#include "tests/kernel/axis_table.h"
#include "tests/kernel/jpeg_oracle.h"

static void require(int is_well, const char *what)
{
    if (is_well)
        return;
    fprintf(stderr, "large photographs: %s\n", what);
    abort();
}

/* ---- photographs ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static u32 find_below(const char *folder, char **paths, u32 n, u32 n_max)
{
    DIR *directory = opendir(folder);
    struct dirent *entry;

    while (directory && n < n_max && (entry = readdir(directory))) {
        size_t length = strlen(entry->d_name);
        char path[1024];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (length > 4 && !strcmp(entry->d_name + length - 4, ".jpg"))
            paths[n++] = strdup(path);
        else
            n = find_below(path, paths, n, n_max);
    }
    if (directory)
        closedir(directory);
    return n;
}

u32 large_find(const char *folder, char **paths_out, u32 n_max)
{
    u32 n = find_below(folder, paths_out, 0, n_max);

    qsort(paths_out, n, sizeof *paths_out, by_name);
    return n;
}

static u8 *read_all(const char *path, size_t before, size_t behind, size_t *n_bytes_out)
{
    FILE *file = fopen(path, "rb");
    long n_bytes;
    u8 *memory;

    require(file && !fseek(file, 0, SEEK_END), "a file cannot be read");
    n_bytes = ftell(file);
    rewind(file);
    memory = calloc(1, before + (size_t)n_bytes + behind);
    require(memory && fread(memory + before, 1, (size_t)n_bytes, file) == (size_t)n_bytes,
            "a file cannot be read");
    fclose(file);
    *n_bytes_out = (size_t)n_bytes;
    return memory;
}

static struct picture load(const char *path)
{
    struct jpeg_decompress_struct cinfo;
    struct oracle_error error;
    struct picture picture;
    size_t n_bytes;
    u8 *file = read_all(path, 0, 0, &n_bytes);

    cinfo.err = oracle_errors(&error);
    require(!setjmp(error.on_error), "libjpeg refuses a photograph");
    jpeg_create_decompress(&cinfo);
    jpeg_mem_src(&cinfo, file, n_bytes);
    jpeg_read_header(&cinfo, TRUE);
    picture.width = cinfo.image_width;
    picture.height = cinfo.image_height;
    jpeg_destroy_decompress(&cinfo);
    picture.rgb = malloc((size_t)picture.width * picture.height * 3);
    require(picture.rgb && oracle_decode(file, n_bytes, picture.rgb) == 0,
            "libjpeg refuses a photograph");
    free(file);
    return picture;
}

struct picture large_mosaic(char **paths, u32 n_paths, u32 n_x, u32 n_y, u32 width, u32 height)
{
    struct picture picture = {.width = n_x * width, .height = n_y * height};

    picture.rgb = calloc(3, (size_t)picture.width * picture.height);
    require(picture.rgb != NULL, "no memory");
    for (u32 i = 0; i < n_x * n_y; i++) {
        struct picture photo = load(paths[i % n_paths]);
        size_t at = (size_t)(i / n_x) * height * picture.width + (size_t)(i % n_x) * width;
        u32 row_px = photo.width < width ? photo.width : width;

        for (u32 y = 0; y < height && y < photo.height; y++)
            memcpy(picture.rgb + 3 * (at + (size_t)y * picture.width),
                   photo.rgb + (size_t)3 * y * photo.width, (size_t)3 * row_px);
        free(photo.rgb);
    }
    return picture;
}

/* ---- files ---- */

/* Move a file behind a frame that the product's parser makes of it. */
static struct coded describe(const u8 *file, size_t n_bytes)
{
    struct coded coded = {.n_bytes =
                              sizeof(struct dlop_jpeg_frame) + n_bytes + DLOP_JPEG_PADDING_BYTES};
    struct dlop_jpeg_frame frame;
    char reason[DLOP_REASON_BYTES];

    if (dlop_jpeg_parse(file, n_bytes, sizeof frame, &frame, reason) != DLOP_OK)
        return (struct coded){0};
    coded.memory = calloc(1, coded.n_bytes);
    require(coded.memory != NULL, "no memory");
    memcpy(coded.memory, &frame, sizeof frame);
    memcpy(coded.memory + sizeof frame, file, n_bytes);
    return coded;
}

struct coded large_read(const char *path)
{
    size_t n_bytes;
    u8 *file = read_all(path, 0, DLOP_JPEG_PADDING_BYTES, &n_bytes);
    struct coded coded = describe(file, n_bytes);

    free(file);
    return coded;
}

static void configure(struct jpeg_compress_struct *cinfo, const struct picture *picture,
                      const struct coding *coding)
{
    cinfo->image_width = picture->width;
    cinfo->image_height = picture->height;
    cinfo->input_components = 3;
    cinfo->in_color_space = JCS_RGB;
    jpeg_set_defaults(cinfo);
    if (coding->is_grey)
        jpeg_set_colorspace(cinfo, JCS_GRAYSCALE);
    jpeg_set_quality(cinfo, coding->quality, FALSE);
    cinfo->restart_interval = coding->restart_interval;
    cinfo->optimize_coding = TRUE;
    cinfo->comp_info[0].h_samp_factor = coding->h;
    cinfo->comp_info[0].v_samp_factor = coding->v;
    if (coding->is_multi_scan) {
        cinfo->scan_info = oracle_scans;
        cinfo->num_scans = 3;
    }
}

struct coded large_encode(const struct picture *picture, const struct coding *coding)
{
    struct jpeg_compress_struct cinfo;
    struct oracle_error error;
    unsigned long n_bytes = 0;
    struct coded coded;
    u8 *file = NULL, *padded;

    cinfo.err = oracle_errors(&error);
    require(!setjmp(error.on_error), "libjpeg refuses to encode");
    jpeg_create_compress(&cinfo);
    jpeg_mem_dest(&cinfo, &file, &n_bytes);
    configure(&cinfo, picture, coding);
    jpeg_start_compress(&cinfo, TRUE);
    while (cinfo.next_scanline < picture->height) {
        u8 *row = picture->rgb + (size_t)3 * cinfo.next_scanline * picture->width;

        jpeg_write_scanlines(&cinfo, &row, 1);
    }
    jpeg_finish_compress(&cinfo);
    jpeg_destroy_compress(&cinfo);
    padded = calloc(1, n_bytes + DLOP_JPEG_PADDING_BYTES);
    require(padded != NULL, "no memory");
    memcpy(padded, file, n_bytes);
    coded = describe(padded, n_bytes);
    require(coded.memory != NULL, "the parser refuses a sound file");
    free(padded);
    free(file);
    return coded;
}

/* ---- launches ---- */

void large_open(struct large_launch *large, size_t in_bytes, u32 n_jobs)
{
    float *table;

    memset(large, 0, sizeof *large);
    large->in =
        (struct dlop_buffer){aligned_alloc(64, (in_bytes + 63) & ~(size_t)63), in_bytes, NULL};
    large->constants =
        (struct dlop_buffer){calloc(3 * 256, sizeof(float)), 3 * 256 * sizeof(float), NULL};
    large->out = (struct dlop_buffer){calloc(n_jobs, LARGE_OUT_BYTES),
                                      (size_t)n_jobs * LARGE_OUT_BYTES, NULL};
    require(large->in.host && large->constants.host && large->out.host, "no memory");
    table = large->constants.host;
    for (u32 i = 0; i < 3 * 256; i++)
        table[i] = ((float)(i % 256) / 255.0f - 0.45f) / 0.22f;
    large->launch = (struct dlop_launch){.jobs = large->jobs,
                                         .completions = large->completions,
                                         .in = &large->in,
                                         .constants = &large->constants,
                                         .out = &large->out};
}

void large_close(struct large_launch *large)
{
    free(large->in.host);
    free(large->constants.host);
    free(large->out.host);
}

static u64 append(struct large_launch *large, const void *bytes, size_t n_bytes)
{
    size_t at = (large->in_used + 15) & ~(size_t)15;

    require(at + n_bytes <= large->in.size_bytes, "the launch's input is full");
    memcpy((u8 *)large->in.host + at, bytes, n_bytes);
    large->in_used = at + n_bytes;
    return at;
}

static u64 append_axis(struct large_launch *large, u32 n_in)
{
    void *axis = axis_resize(&axis_filters[1], n_in, LARGE_SIDE_PX, 22, 0);
    u64 at = append(large, axis, axis_bytes(axis));

    free(axis);
    return at;
}

struct dlop_job *large_add(struct large_launch *large, const struct coded *coded,
                           const u32 *rectangle)
{
    const struct dlop_jpeg_frame *frame = (const void *)coded->memory;
    const u32 all[4] = {0, 0, frame->width_px, frame->height_px};
    const u32 *roi = rectangle ? rectangle : all;
    u32 i = large->launch.n_jobs++;
    struct dlop_job *job = &large->jobs[i];

    require((i + 1) * (size_t)LARGE_OUT_BYTES <= large->out.size_bytes, "too many jobs");
    *job = (struct dlop_job){.abi_version = DLOP_ABI_VERSION,
                             .kind = DLOP_JOB_JPEG,
                             .src_channels = frame->n_components,
                             .out_channels = 3,
                             .element_bytes = 4,
                             .record = i,
                             .in_offset = append(large, coded->memory, coded->n_bytes),
                             .in_bytes = coded->n_bytes,
                             .out_offset = (u64)i * LARGE_OUT_BYTES,
                             .out_bytes = LARGE_OUT_BYTES,
                             .src_width_px = frame->width_px,
                             .src_height_px = frame->height_px,
                             .roi_x_px = roi[0],
                             .roi_y_px = roi[1],
                             .roi_width_px = roi[2],
                             .roi_height_px = roi[3],
                             .out_width_px = LARGE_SIDE_PX,
                             .out_height_px = LARGE_SIDE_PX};
    job->x_axis_offset = append_axis(large, roi[2]);
    job->y_axis_offset = append_axis(large, roi[3]);
    return job;
}
