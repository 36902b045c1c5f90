/* A context: one device, opened through its driver's table, and what can be asked of all
 * devices. */
#include "host/run/ctx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/cpu/cpu.h"
#include "host/base/log.h"
#include "host/base/text.h"

void dlop_ctx_cfg_init(struct dlop_ctx_cfg *cfg)
{
    *cfg = (struct dlop_ctx_cfg){
        .size_bytes = sizeof *cfg,
        .vector_level = UINT32_MAX,
        .device = "auto",
    };
}

/* First driver, in order of preference, whose device is there; or the one of that name. */
static const struct dlop_driver *find_driver(const char *name)
{
    const struct dlop_driver *driver = NULL;

    if (strcmp(name, "auto") != 0)
        return dlop_driver_get(name);
    for (uint32_t i = 0; (driver = dlop_driver_at(i)); i++) {
        struct dlop_device_info info = {0};
        if (driver->probe(&info) == DLOP_OK && info.is_present)
            return driver;
    }
    return NULL;
}

dlop_status dlop_ctx_open(const struct dlop_ctx_cfg *cfg, dlop_ctx **ctx_out)
{
    if (!cfg || !ctx_out || cfg->size_bytes != sizeof *cfg || !cfg->device)
        return DLOP_ERR_ARGUMENT;
    const struct dlop_driver *driver = find_driver(cfg->device);
    if (!driver) {
        dlop_log_error("run", "no device \"%s\"", cfg->device);
        return DLOP_ERR_NO_DEVICE;
    }
    struct dlop_ctx *ctx = calloc(1, sizeof *ctx);
    if (!ctx)
        return DLOP_ERR_NO_MEMORY;
    ctx->driver = driver;
    ctx->cfg = *cfg;
    ctx->cfg.device = driver->name; /* the caller's text need not live on */
    struct dlop_device_cfg device_cfg = {.n_threads = cfg->n_threads,
                                         .vector_level = cfg->vector_level};
    dlop_status status = driver->open(&device_cfg, &ctx->device);
    if (status != DLOP_OK) {
        dlop_log_error("run", "device \"%s\" cannot be opened: %s", driver->name,
                       dlop_status_text(status));
        free(ctx);
        return status;
    }
    dlop_log_info("run", "device \"%s\" opened with %u units", driver->name,
                  driver->n_units(ctx->device));
    *ctx_out = ctx;
    return DLOP_OK;
}

void dlop_ctx_close(dlop_ctx **ctx)
{
    if (!ctx || !*ctx)
        return;
    (*ctx)->driver->close(&(*ctx)->device);
    free(*ctx);
    *ctx = NULL;
}

const char *dlop_ctx_device(const dlop_ctx *ctx)
{
    return ctx->driver->name;
}

uint32_t dlop_ctx_n_units(const dlop_ctx *ctx)
{
    return ctx->driver->n_units(ctx->device);
}

uint32_t dlop_default_n_threads(void)
{
    return dlop_cpu_default_threads();
}

size_t dlop_devices_json(char *text_out, size_t size)
{
    struct dlop_text text = {.bytes = text_out, .size_bytes = size};
    const struct dlop_driver *driver = NULL;

    dlop_text_add(&text, "[");
    for (uint32_t i = 0; (driver = dlop_driver_at(i)); i++) {
        struct dlop_device_info info = {0};
        dlop_status status = driver->probe(&info);
        dlop_text_add(&text, "%s{\"name\": ", i > 0 ? ", " : "");
        dlop_text_add_json_string(&text, driver->name);
        dlop_text_add(&text, ", \"present\": %s, \"units\": %u, \"description\": ",
                      status == DLOP_OK && info.is_present ? "true" : "false", info.n_units);
        dlop_text_add_json_string(&text, info.description);
        dlop_text_add(&text, ", \"missing\": ");
        dlop_text_add_json_string(&text,
                                  status == DLOP_OK ? info.missing : dlop_status_text(status));
        dlop_text_add(&text, "}");
    }
    dlop_text_add(&text, "]");
    return text.n_bytes + 1;
}
