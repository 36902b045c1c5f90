/* Full-frame JPEG decode beside libjpeg-turbo: milliseconds per image, one thread, from bytes in
 * memory to RGBX pixels in memory.
 *
 *     decode_bench [--rounds N] [--crop] FILE...
 *
 * Contestants take turns, each with all images, so that nobody finds in a cache or in the branch
 * predictor what was left there when the same image was decoded just before. Each image counts with
 * its median over the rounds. Pixels are compared first: a contestant that
 * differs from libjpeg-turbo ends the benchmark. --crop adds the middle 42 % of each frame, the
 * mean area of RandomResizedCrop, for the decoders that can leave out the rest.
 */
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jpeglib.h>
#include <turbojpeg.h>

#include "driver/cpu/jpeg.h"
#include "driver/cpu/steps.h"
#include "host/format/jpeg.h"

#define MAX_ROUNDS 99

struct image {
    const char *path;
    u8 *memory; /* frame, file, padding */
    size_t n_bytes;
    u8 *file;
    size_t file_bytes;
    struct dlop_jpeg_frame *frame;
    struct dlop_rect full, crop;
    double (*ms)[MAX_ROUNDS]; /* [N_CONTESTANTS][round] */
};

struct machine {
    tjhandle turbo;
    struct dlop_cpu_jpeg *jpeg;
    struct dlop_cpu_steps plain, best;
    u8 *pixels, *expected;
};

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "decode_bench: %s: %s\n", path, what);
    exit(1);
}

/* ---- contestants: each leaves the rectangle's pixels in machine->pixels
 * --------------------------
 */

static bool run_turbojpeg(struct machine *machine, const struct image *image,
                          const struct dlop_rect *rect)
{
    return tjDecompress2(machine->turbo, image->file, image->file_bytes, machine->pixels,
                         (int)rect->width, (int)rect->width * 4, (int)rect->height, TJPF_RGBX,
                         0) == 0;
}

static bool run_libjpeg(struct machine *machine, const struct image *image,
                        const struct dlop_rect *rect)
{
    struct jpeg_decompress_struct decoder;
    struct jpeg_error_mgr errors;
    JDIMENSION x = rect->x, width = rect->width;
    size_t stride;

    decoder.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&decoder);
    jpeg_mem_src(&decoder, image->file, image->file_bytes);
    jpeg_read_header(&decoder, TRUE);
    decoder.out_color_space = JCS_EXT_RGBX;
    jpeg_start_decompress(&decoder);
    if (rect->width < image->full.width)
        jpeg_crop_scanline(&decoder, &x, &width);
    if (rect->y > 0)
        jpeg_skip_scanlines(&decoder, rect->y);
    stride = (size_t)width * 4;
    while (decoder.output_scanline < rect->y + rect->height) {
        u32 n_left = rect->y + rect->height - decoder.output_scanline;
        JSAMPROW rows[4];

        for (u32 i = 0; i < 4; i++)
            rows[i] = machine->pixels + (decoder.output_scanline - rect->y + i) * stride;
        jpeg_read_scanlines(&decoder, rows, n_left < 4 ? n_left : 4);
    }
    jpeg_abort_decompress(&decoder);
    jpeg_destroy_decompress(&decoder);
    return true;
}

static bool run_dlop(struct machine *machine, const struct dlop_cpu_steps *steps,
                     const struct image *image, const struct dlop_rect *rect)
{
    char reason[DLOP_REASON_BYTES];
    u32 n_blocks;

    if (dlop_jpeg_parse(image->file, image->file_bytes, sizeof(struct dlop_jpeg_frame),
                        image->frame, reason) != DLOP_OK)
        return false;
    if (dlop_cpu_jpeg_decode(machine->jpeg, steps, image->frame, image->n_bytes, rect, &n_blocks) !=
        DLOP_OK)
        return false;
    for (u32 y = 0; y < rect->height; y++)
        dlop_cpu_jpeg_row(machine->jpeg, steps, y, machine->pixels + (size_t)y * rect->width * 4);
    return true;
}

static bool run_dlop_plain(struct machine *machine, const struct image *image,
                           const struct dlop_rect *rect)
{
    return run_dlop(machine, &machine->plain, image, rect);
}

static bool run_dlop_best(struct machine *machine, const struct image *image,
                          const struct dlop_rect *rect)
{
    return run_dlop(machine, &machine->best, image, rect);
}

static const struct contestant {
    const char *name;
    bool (*run)(struct machine *machine, const struct image *image, const struct dlop_rect *rect);
    bool is_cropping;
} contestants[] = {
    {"libjpeg-turbo, TurboJPEG", run_turbojpeg, false},
    {"libjpeg-turbo, libjpeg", run_libjpeg, false},
    {"dlop, plain C", run_dlop_plain, false},
    {"dlop", run_dlop_best, false},
    {"libjpeg-turbo, libjpeg, crop", run_libjpeg, true},
    {"dlop, plain C, crop", run_dlop_plain, true},
    {"dlop, crop", run_dlop_best, true},
};
#define N_CONTESTANTS (sizeof(contestants) / sizeof(contestants[0]))

static const struct dlop_rect *rect_of(const struct contestant *contestant,
                                       const struct image *image)
{
    return contestant->is_cropping ? &image->crop : &image->full;
}

/* ---- images -------------------------------------------------------------------------------------
 */

/* Returns false where the file is not one for the kernels. */
static bool load(const char *path, struct image *image)
{
    FILE *file = fopen(path, "rb");
    char reason[DLOP_REASON_BYTES];
    long size = 0;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0)
        fail("cannot be read", path);
    rewind(file);
    image->path = path;
    image->file_bytes = (size_t)size;
    image->n_bytes = sizeof(*image->frame) + image->file_bytes + DLOP_JPEG_PADDING_BYTES;
    image->memory = calloc(1, image->n_bytes);
    image->ms = calloc(N_CONTESTANTS, sizeof(*image->ms));
    if (image->memory == NULL || image->ms == NULL)
        fail("out of memory", path);
    image->frame = (struct dlop_jpeg_frame *)(void *)image->memory;
    image->file = image->memory + sizeof(*image->frame);
    if (fread(image->file, 1, image->file_bytes, file) != image->file_bytes)
        fail("cannot be read", path);
    fclose(file);
    if (dlop_jpeg_parse(image->file, image->file_bytes, sizeof(*image->frame), image->frame,
                        reason) != DLOP_OK) {
        fprintf(stderr, "decode_bench: %s left out: %s\n", path, reason);
        free(image->memory);
        free(image->ms);
        return false;
    }
    image->full = (struct dlop_rect){0, 0, image->frame->width_px, image->frame->height_px};
    /* 0.65 of each side, a little off the centre. */
    image->crop = (struct dlop_rect){image->full.width / 6, image->full.height / 6,
                                     (image->full.width * 65 + 99) / 100,
                                     (image->full.height * 65 + 99) / 100};
    return true;
}

static void compare(struct machine *machine, const struct image *image)
{
    const size_t n_px = (size_t)image->full.width * image->full.height;

    if (!run_libjpeg(machine, image, &image->full))
        fail("libjpeg cannot decode it", image->path);
    memcpy(machine->expected, machine->pixels, 4 * n_px);
    for (size_t c = 0; c < N_CONTESTANTS; c++) {
        if (contestants[c].is_cropping)
            continue;
        if (!contestants[c].run(machine, image, &image->full))
            fail(contestants[c].name, image->path);
        for (size_t i = 0; i < n_px; i++) {
            if (memcmp(machine->expected + 4 * i, machine->pixels + 4 * i, 3) != 0)
                fail("pixels differ", image->path);
        }
    }
}

/* ---- measuring ----------------------------------------------------------------------------------
 */

/* Processor time of this thread: others may use the machine, too. */
static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void measure(struct machine *machine, struct image *images, size_t n_images, u32 round,
                    bool has_crop)
{
    for (size_t c = 0; c < N_CONTESTANTS; c++) {
        if (contestants[c].is_cropping && !has_crop)
            continue;
        for (size_t i = 0; i < n_images; i++) {
            double begin = now_ms();

            contestants[c].run(machine, &images[i], rect_of(&contestants[c], &images[i]));
            images[i].ms[c][round] = now_ms() - begin;
        }
    }
}

static void add_medians(struct image *image, u32 n_rounds, double sum_ms[])
{
    for (size_t c = 0; c < N_CONTESTANTS; c++) {
        qsort(image->ms[c], n_rounds, sizeof(image->ms[c][0]), compare_doubles);
        sum_ms[c] += image->ms[c][n_rounds / 2];
    }
}

static void print_results(const double sum_ms[], double n_images, double n_bytes, bool has_crop)
{
    printf("%.0f images, %.0f bytes each\n", n_images, n_bytes / n_images);
    printf("%-30s %9s %9s %9s %8s\n", "", "ms/image", "images/s", "MB/s", "ratio");
    for (size_t c = 0; c < N_CONTESTANTS; c++) {
        const size_t base = contestants[c].is_cropping ? 4 : 0;

        if (contestants[c].is_cropping && !has_crop)
            continue;
        printf("%-30s %9.3f %9.0f %9.1f %8.2f\n", contestants[c].name, sum_ms[c] / n_images,
               n_images * 1e3 / sum_ms[c], n_bytes / sum_ms[c] * 1e-3, sum_ms[base] / sum_ms[c]);
    }
}

/* Read options and images; returns the images, at most argc of them. */
static struct image *parse_arguments(int argc, char **argv, size_t *n_images_out, u32 *n_rounds_out,
                                     bool *has_crop_out)
{
    struct image *images = calloc((size_t)argc, sizeof(*images));

    if (images == NULL)
        fail("out of memory", "images");
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--crop") == 0) {
            *has_crop_out = true;
        } else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            *n_rounds_out = (u32)strtoul(argv[++i], NULL, 10);
            if (*n_rounds_out < 1 || *n_rounds_out > MAX_ROUNDS)
                fail("1..99 rounds", argv[i]);
        } else if (load(argv[i], &images[*n_images_out])) {
            *n_images_out += 1;
        }
    }
    return images;
}

static void open_machine(struct machine *machine, const struct image *images, size_t n_images)
{
    size_t n_px = 0;

    for (size_t i = 0; i < n_images; i++) {
        size_t n = (size_t)images[i].full.width * images[i].full.height;

        n_px = n > n_px ? n : n_px;
    }
    machine->turbo = tjInitDecompress();
    machine->pixels = malloc(4 * n_px + DLOP_CPU_ROW_SLACK_BYTES);
    machine->expected = malloc(4 * n_px);
    if (machine->turbo == NULL || machine->pixels == NULL || machine->expected == NULL ||
        dlop_cpu_jpeg_open(&machine->jpeg) != DLOP_OK)
        fail("out of memory", "decoder");
    dlop_cpu_steps_init(DLOP_CPU_PLAIN_C, &machine->plain);
    dlop_cpu_steps_init(UINT32_MAX, &machine->best);
}

int main(int argc, char **argv)
{
    struct machine machine;
    double sum_ms[N_CONTESTANTS] = {0}, n_bytes = 0;
    size_t n_images = 0;
    u32 n_rounds = 5;
    bool has_crop = false;
    struct image *images = parse_arguments(argc, argv, &n_images, &n_rounds, &has_crop);

    open_machine(&machine, images, n_images);
    for (size_t i = 0; i < n_images; i++)
        compare(&machine, &images[i]);
    for (u32 round = 0; round < n_rounds; round++)
        measure(&machine, images, n_images, round, has_crop);
    for (size_t i = 0; i < n_images; i++) {
        add_medians(&images[i], n_rounds, sum_ms);
        n_bytes += (double)images[i].file_bytes;
        free(images[i].memory);
        free(images[i].ms);
    }
    if (n_images > 0)
        print_results(sum_ms, (double)n_images, n_bytes, has_crop);
    free(images);
    free(machine.pixels);
    free(machine.expected);
    tjDestroy(machine.turbo);
    dlop_cpu_jpeg_close(&machine.jpeg);
    return n_images > 0 ? 0 : 1;
}
