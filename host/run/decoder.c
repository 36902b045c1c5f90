/* Single pictures on the calling thread: one CPU worker and one buffer that is kept between calls.
 *
 * Same parser, binding and kernels as the loader, without its threads. Not here: batches.
 */
#include <stdlib.h>
#include <string.h>

#include "driver/cpu/cpu.h"
#include "host/format/jpeg.h"
#include "host/plan/plan.h"
#include "host/run/ctx.h"
#include "host/run/pixels.h"

#define DECODER_ALIGN_BYTES 64
/* Sides of pictures fit the library's 32-bit arithmetic. */
#define DECODER_MAX_SIDE_PX (1u << 24)
#define DECODER_FIRST_BYTES ((size_t)64 << 10)

struct dlop_decoder {
    struct dlop_cpu_worker *worker;
    uint8_t *bytes;
    size_t size_bytes;
};

/* Make the buffer hold n_bytes; its content is lost when it moves. */
static dlop_status make_room(struct dlop_decoder *decoder, size_t n_bytes)
{
    if (n_bytes <= decoder->size_bytes)
        return DLOP_OK;
    if (n_bytes > SIZE_MAX / 2)
        return DLOP_ERR_NO_MEMORY;
    size_t size_bytes =
        (n_bytes + n_bytes / 4 + DECODER_ALIGN_BYTES) & ~(size_t)(DECODER_ALIGN_BYTES - 1);
    uint8_t *larger = aligned_alloc(DECODER_ALIGN_BYTES, size_bytes);
    if (!larger)
        return DLOP_ERR_NO_MEMORY;
    free(decoder->bytes);
    decoder->bytes = larger;
    decoder->size_bytes = size_bytes;
    return DLOP_OK;
}

dlop_status dlop_decoder_open(uint32_t vector_level, dlop_decoder **decoder_out)
{
    if (!decoder_out)
        return DLOP_ERR_ARGUMENT;
    struct dlop_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder)
        return DLOP_ERR_NO_MEMORY;
    dlop_status status = dlop_cpu_worker_open(vector_level, &decoder->worker);
    if (status == DLOP_OK)
        status = make_room(decoder, DECODER_FIRST_BYTES);
    if (status != DLOP_OK) {
        dlop_decoder_close(&decoder);
        return status;
    }
    *decoder_out = decoder;
    return DLOP_OK;
}

void dlop_decoder_close(dlop_decoder **decoder)
{
    if (!decoder || !*decoder)
        return;
    if ((*decoder)->worker)
        dlop_cpu_worker_close(&(*decoder)->worker);
    free((*decoder)->bytes);
    free(*decoder);
    *decoder = NULL;
}

dlop_status dlop_decoder_jpeg(dlop_decoder *decoder, const uint8_t *bytes, size_t n_bytes,
                              uint32_t channels, uint8_t *pixels_out, size_t pixels_bytes)
{
    char reason[DLOP_REASON_BYTES];

    if (!decoder || !bytes || !pixels_out || (channels != 1 && channels != 3 && channels != 4))
        return DLOP_ERR_ARGUMENT;
    if (n_bytes > UINT32_MAX / 2)
        return DLOP_ERR_LIMIT;
    size_t used_bytes = sizeof(struct dlop_jpeg_frame) + n_bytes + DLOP_JPEG_PADDING_BYTES;
    dlop_status status = make_room(decoder, used_bytes);
    if (status != DLOP_OK)
        return status;
    struct dlop_jpeg_frame *frame = (struct dlop_jpeg_frame *)(void *)decoder->bytes;
    status = dlop_jpeg_parse(bytes, n_bytes, sizeof *frame, frame, reason);
    if (status != DLOP_OK)
        return status;
    memcpy(decoder->bytes + sizeof *frame, bytes, n_bytes);
    memset(decoder->bytes + sizeof *frame + n_bytes, 0, DLOP_JPEG_PADDING_BYTES);
    return dlop_cpu_decode_jpeg(decoder->worker, frame, used_bytes, channels, pixels_out,
                                pixels_bytes);
}

/* Bind the steps, with the pixels' region at the start of the buffer and the tables behind it. */
static dlop_status bind_pixels(struct dlop_decoder *decoder, const struct dlop_plan *plan,
                               const struct dlop_drawn *drawn, const uint8_t *pixels,
                               uint32_t height_px, uint32_t width_px, struct dlop_job *job)
{
    size_t channels = plan->cfg.src_channels, tables_bytes = 0;
    size_t room_bytes = (size_t)height_px * width_px * channels + DLOP_JPEG_PADDING_BYTES;
    size_t offset = (room_bytes + DECODER_ALIGN_BYTES - 1) & ~(size_t)(DECODER_ALIGN_BYTES - 1);
    dlop_status status = DLOP_ERR_TOO_SMALL;

    *job = (struct dlop_job){.abi_version = DLOP_ABI_VERSION};
    /* The second try has the room that the first one asked for. */
    for (int i_try = 0; i_try < 2 && status == DLOP_ERR_TOO_SMALL; i_try++) {
        status = make_room(decoder, offset + tables_bytes);
        if (status == DLOP_OK)
            status = dlop_plan_bind(plan, drawn, width_px, height_px, decoder->bytes + offset,
                                    decoder->size_bytes - offset, offset, &tables_bytes, job);
    }
    if (status != DLOP_OK)
        return status;
    dlop_pixels_take(job, pixels, width_px, channels, decoder->bytes, 0);
    return DLOP_OK;
}

static dlop_status run_pixels(struct dlop_decoder *decoder, const struct dlop_plan *plan,
                              const struct dlop_job *job, void *out, size_t out_bytes)
{
    struct dlop_buffer in = {.host = decoder->bytes, .size_bytes = decoder->size_bytes};
    struct dlop_buffer out_buffer = {.host = out, .size_bytes = out_bytes};
    struct dlop_launch buffers = {.in = &in, .constants = &plan->constants, .out = &out_buffer};
    struct dlop_completion completion = {0};

    dlop_cpu_run_job(decoder->worker, job, &buffers, &completion);
    return completion.status;
}

dlop_status dlop_plan_run_pixels(dlop_plan *plan, dlop_decoder *decoder,
                                 struct dlop_rng_state *state, const uint8_t *pixels,
                                 uint32_t height, uint32_t width, void *out, size_t out_bytes,
                                 uint32_t *out_height, uint32_t *out_width)
{
    struct dlop_drawn drawn;
    struct dlop_job job;

    if (!plan || !decoder || !state || !pixels || !out || !out_height || !out_width ||
        height == 0 || width == 0 || height > DECODER_MAX_SIDE_PX || width > DECODER_MAX_SIDE_PX)
        return DLOP_ERR_ARGUMENT;
    if (!plan->constants.host)
        return DLOP_ERR_UNSUPPORTED;
    struct dlop_rng_state drawn_state = *state;
    dlop_status status = dlop_draw_record(plan->ops, plan->cfg.n_ops, &plan->rules, &drawn_state,
                                          width, height, &drawn);
    if (status == DLOP_OK)
        status = bind_pixels(decoder, plan, &drawn, pixels, height, width, &job);
    if (status == DLOP_OK && job.out_bytes != out_bytes)
        status = DLOP_ERR_TOO_SMALL;
    if (status == DLOP_OK)
        status = run_pixels(decoder, plan, &job, out, out_bytes);
    if (status != DLOP_OK)
        return status;
    *state = drawn_state;
    *out_height = job.out_height_px;
    *out_width = job.out_width_px;
    return DLOP_OK;
}
