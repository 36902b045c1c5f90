/* Test access: internal functions of host/draw and host/plan over flat arrays, for ctypes. */
#include <stdlib.h>
#include <string.h>

#include "host/plan/plan.h"
#include "host/run/ctx.h"

#define PEEK_API __attribute__((visibility("default")))

PEEK_API int32_t peek_draw(const struct dlop_op *ops, uint32_t n_ops,
                           const struct dlop_draw_rules *rules, struct dlop_rng_state *state,
                           uint32_t width_px, uint32_t height_px, struct dlop_drawn *drawn_out);
PEEK_API int32_t peek_bind(const struct dlop_plan_cfg *cfg, const struct dlop_drawn *drawn,
                           const uint32_t size_px[2], uint8_t *tables, size_t capacity_bytes,
                           struct dlop_job *job_out);
PEEK_API int32_t peek_plan(const struct dlop_plan_cfg *cfg, uint32_t out_px[2], char *text_out,
                           size_t size);

int32_t peek_draw(const struct dlop_op *ops, uint32_t n_ops, const struct dlop_draw_rules *rules,
                  struct dlop_rng_state *state, uint32_t width_px, uint32_t height_px,
                  struct dlop_drawn *drawn_out)
{
    return dlop_draw_record(ops, n_ops, rules, state, width_px, height_px, drawn_out);
}

/* Bind a record without a device: only the configuration counts. size_px: width, height. */
int32_t peek_bind(const struct dlop_plan_cfg *cfg, const struct dlop_drawn *drawn,
                  const uint32_t size_px[2], uint8_t *tables, size_t capacity_bytes,
                  struct dlop_job *job_out)
{
    struct dlop_plan plan = {.cfg = *cfg};
    size_t tables_bytes;

    return dlop_plan_bind(&plan, drawn, size_px[0], size_px[1], tables, capacity_bytes, 0,
                          &tables_bytes, job_out);
}

/* ---- a device that has only memory ---- */

static dlop_status heap_alloc(struct dlop_device *device, size_t size_bytes,
                              struct dlop_buffer *buffer_out)
{
    (void)device;
    *buffer_out = (struct dlop_buffer){.host = calloc(1, size_bytes), .size_bytes = size_bytes};
    return buffer_out->host ? DLOP_OK : DLOP_ERR_NO_MEMORY;
}

static void heap_free(struct dlop_device *device, struct dlop_buffer *buffer)
{
    (void)device;
    free(buffer->host);
    *buffer = (struct dlop_buffer){0};
}

static dlop_status heap_sync(struct dlop_device *device, struct dlop_buffer *buffer, size_t offset,
                             size_t n_bytes)
{
    (void)device;
    return offset + n_bytes <= buffer->size_bytes ? DLOP_OK : DLOP_ERR_ARGUMENT;
}

static dlop_status any_job(struct dlop_device *device, const struct dlop_job *job, char *reason_out,
                           size_t size)
{
    (void)device, (void)job, (void)reason_out, (void)size;
    return DLOP_OK;
}

/* Open and close a plan: its text, or the reason why there is none. out_px: height, width. */
int32_t peek_plan(const struct dlop_plan_cfg *cfg, uint32_t out_px[2], char *text_out, size_t size)
{
    static const struct dlop_driver DRIVER = {
        .name = "memory",
        .memory = {.alloc = heap_alloc, .free = heap_free, .to_device = heap_sync},
        .accepts = any_job,
    };
    struct dlop_ctx ctx = {.driver = &DRIVER};
    dlop_plan *plan = NULL;

    dlop_status status = dlop_plan_open(&ctx, cfg, &plan, text_out, size);
    if (status != DLOP_OK)
        return status;
    dlop_plan_out_size(plan, &out_px[0], &out_px[1]);
    dlop_plan_describe(plan, text_out, size);
    dlop_plan_close(&plan);
    return DLOP_OK;
}
