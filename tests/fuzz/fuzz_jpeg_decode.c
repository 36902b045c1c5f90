/* Fuzz target: parser and decoder against libjpeg as Pillow uses it.
 *
 * "Refuses or equals, never differs": what the parser accepts, libjpeg must decode; what the
 * decoder decodes, whole or a region of it, must be libjpeg's pixels. Checked with all vector
 * replacements, and for one input in eight with the scalar reference alone.
 */
#include <string.h>

#include "driver/cpu/cpu.h"
#include "host/format/jpeg.h"
#include "host/include/dlop.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/pillow_oracle.h"

#define MAX_PIXELS (1u << 18) /* of a mutant: larger ones only take time */

const struct fuzz_target fuzz_target = {.name = "fuzz_jpeg_decode", .takes_jpeg = 1};
FUZZ_COUNTS;

static uint64_t hash_of(const uint8_t *data, size_t size)
{
    uint64_t hash = 1469598103934665603u; /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ data[i]) * 1099511628211u;
    return hash;
}

/* ---- whole pictures ---- */

static void check_whole(uint32_t vector_mask, const uint8_t *data, size_t size,
                        const struct pillow_image *expected)
{
    static dlop_decoder *decoders[2];
    dlop_decoder **decoder = &decoders[vector_mask != 0];
    size_t n_bytes = (size_t)expected->width_px * expected->height_px * 3;

    if (*decoder == NULL)
        fuzz_require(dlop_decoder_open(vector_mask, decoder) == DLOP_OK, "decoder");
    uint8_t *pixels = malloc(n_bytes);
    fuzz_require(pixels != NULL, "memory");
    dlop_status status = dlop_decoder_jpeg(*decoder, data, size, 3, pixels, n_bytes);
    fuzz_require(status <= 0 && status >= -29, "status %d", status);
    if (status == DLOP_OK) {
        fuzz_require(memcmp(pixels, expected->rgb, n_bytes) == 0, "pixels, vector mask %u",
                     vector_mask);
        fuzz_counts[FUZZ_DECODED]++;
    }
    free(pixels);
}

/* ---- regions: what training jobs decode ---- */

struct region {
    uint32_t x, y, width, height;
};

/* Axis table that copies n positions in order; its bytes. */
static size_t put_copying_axis(uint8_t *bytes_out, uint32_t n)
{
    const struct dlop_axis axis = {.n_out = n, .n_taps = 1, .precision_bits = 8, .is_gather = 1};
    memcpy(bytes_out, &axis, sizeof(axis));
    for (uint32_t i = 0; i < n; i++) {
        const struct dlop_span span = {(s32)i, 1};
        const s32 weight = 1 << 8;
        memcpy(bytes_out + sizeof(axis) + i * sizeof(span), &span, sizeof(span));
        memcpy(bytes_out + sizeof(axis) + n * sizeof(span) + i * sizeof(weight), &weight,
               sizeof(weight));
    }
    return DLOP_AXIS_BYTES(n, 1);
}

static dlop_status run_region(struct dlop_cpu_worker *worker, const uint8_t *data, size_t size,
                              const struct region *region, struct dlop_buffer *out)
{
    static const char channels_of[] = {1, 3, 3};
    char reason[DLOP_REASON_BYTES];
    size_t source_bytes = sizeof(struct dlop_jpeg_frame) + size + DLOP_JPEG_PADDING_BYTES;
    size_t x_at = (source_bytes + 63) & ~(size_t)63;
    size_t y_at = x_at + DLOP_AXIS_BYTES(region->width, 1);
    struct dlop_buffer in = {.size_bytes = y_at + DLOP_AXIS_BYTES(region->height, 1)};
    uint8_t pack[3 * 256];
    struct dlop_buffer constants = {.host = pack, .size_bytes = sizeof(pack)};

    uint8_t *bytes = in.host = aligned_alloc(64, (in.size_bytes + 63) & ~(size_t)63);
    fuzz_require(bytes != NULL, "memory");
    struct dlop_jpeg_frame *frame = in.host;
    dlop_status status = dlop_jpeg_parse(data, size, sizeof(*frame), frame, reason);
    fuzz_require(status == DLOP_OK, "parsed before, now %d", status);
    memcpy(bytes + sizeof(*frame), data, size);
    memset(bytes + sizeof(*frame) + size, 0, DLOP_JPEG_PADDING_BYTES);
    put_copying_axis(bytes + x_at, region->width);
    put_copying_axis(bytes + y_at, region->height);
    for (size_t i = 0; i < sizeof(pack); i++)
        pack[i] = (uint8_t)i;

    uint8_t channels = (uint8_t)channels_of[frame->colour];
    struct dlop_job job = {.abi_version = DLOP_ABI_VERSION,
                           .kind = DLOP_JOB_JPEG,
                           .layout = DLOP_LAYOUT_HWC,
                           .src_channels = channels,
                           .out_channels = 3,
                           .element_bytes = 1,
                           .in_bytes = source_bytes,
                           .x_axis_offset = x_at,
                           .y_axis_offset = y_at,
                           .out_bytes = (uint32_t)out->size_bytes,
                           .src_width_px = frame->width_px,
                           .src_height_px = frame->height_px,
                           .roi_x_px = region->x,
                           .roi_y_px = region->y,
                           .roi_width_px = region->width,
                           .roi_height_px = region->height,
                           .out_width_px = region->width,
                           .out_height_px = region->height};
    struct dlop_launch buffers = {.in = &in, .constants = &constants, .out = out};
    struct dlop_completion completion = {0};
    dlop_cpu_run_job(worker, &job, &buffers, &completion);
    free(in.host);
    return completion.status;
}

static void check_region(uint32_t vector_mask, const uint8_t *data, size_t size,
                         const struct pillow_image *expected, struct fuzz_random *random)
{
    static struct dlop_cpu_worker *workers[2];
    struct dlop_cpu_worker **worker = &workers[vector_mask != 0];
    struct region region = {.x = (uint32_t)fuzz_below(random, expected->width_px),
                            .y = (uint32_t)fuzz_below(random, expected->height_px)};

    region.width = 1 + (uint32_t)fuzz_below(random, expected->width_px - region.x);
    region.height = 1 + (uint32_t)fuzz_below(random, expected->height_px - region.y);
    if (*worker == NULL)
        fuzz_require(dlop_cpu_worker_open(vector_mask, worker) == DLOP_OK, "worker");
    size_t row_bytes = (size_t)region.width * 3;
    struct dlop_buffer out = {.size_bytes = row_bytes * region.height};
    out.host = malloc(out.size_bytes);
    fuzz_require(out.host != NULL, "memory");
    dlop_status status = run_region(*worker, data, size, &region, &out);
    fuzz_require(status <= 0 && status >= -29, "status %d", status);
    for (uint32_t y = 0; status == DLOP_OK && y < region.height; y++) {
        size_t first_px = (size_t)(region.y + y) * expected->width_px + region.x;
        fuzz_require(memcmp((uint8_t *)out.host + y * row_bytes, expected->rgb + 3 * first_px,
                            row_bytes) == 0,
                     "region %u %u %u %u, row %u, vector mask %u", region.x, region.y, region.width,
                     region.height, y, vector_mask);
    }
    free(out.host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_random random = {hash_of(data, size)};
    struct dlop_image_info info;
    struct pillow_image expected;

    if (size > FUZZ_MAX_BYTES || dlop_jpeg_info(data, size, &info, NULL, 0) != DLOP_OK ||
        (uint64_t)info.width_px * info.height_px > MAX_PIXELS)
        return 0;
    fuzz_counts[FUZZ_ACCEPTED]++;
    int is_decoded = pillow_decode(data, size, MAX_PIXELS, &expected);
    fuzz_require(is_decoded, "accepted, but libjpeg raises");
    fuzz_require(expected.width_px == info.width_px && expected.height_px == info.height_px,
                 "%u x %u, libjpeg %u x %u", info.width_px, info.height_px, expected.width_px,
                 expected.height_px);

    check_whole(UINT32_MAX, data, size, &expected);
    check_region(UINT32_MAX, data, size, &expected, &random);
    if (fuzz_one_in(&random, 8)) {
        check_whole(0, data, size, &expected);
        check_region(0, data, size, &expected, &random);
    }
    free(expected.rgb);
    return 0;
}
