/* Devices as JSON: those of this build, and those of a context with what they did. */
#include <string.h>

#include "driver/group/group.h"
#include "host/base/metrics.h"
#include "host/base/text.h"
#include "host/run/ctx.h"

const char *dlop_device_event_name(uint32_t kind)
{
    static const char *const names[DLOP_DEVICE_EVENT_COUNT] = {
        [DLOP_DEVICE_LOST] = "lost",         [DLOP_DEVICE_BACK] = "back",
        [DLOP_DEVICE_REPLAYED] = "replayed", [DLOP_DEVICE_WRONG] = "wrong",
        [DLOP_DEVICE_HEALED] = "healed",     [DLOP_DEVICE_NOTE] = "note"};

    return kind < DLOP_DEVICE_EVENT_COUNT ? names[kind] : "unknown";
}

static void add_flag(struct dlop_text *text, const char *name, bool is_set)
{
    dlop_text_add(text, ", \"%s\": %s", name, is_set ? "true" : "false");
}

static void add_string(struct dlop_text *text, const char *name, const char *value)
{
    dlop_text_add(text, ", \"%s\": ", name);
    dlop_text_add_json_string(text, value);
}

static void add_count(struct dlop_text *text, const char *name, uint64_t value)
{
    dlop_text_add(text, ", \"%s\": %llu", name, (unsigned long long)value);
}

size_t dlop_devices_json(char *text_out, size_t size)
{
    struct dlop_text text = {.bytes = text_out, .size_bytes = size};
    const struct dlop_driver *driver = NULL;

    dlop_text_add(&text, "[");
    for (uint32_t i = 0; (driver = dlop_driver_at(i)); i++) {
        struct dlop_device_info info = {0};
        dlop_status status = driver->probe(&info);
        bool is_present = status == DLOP_OK && info.is_present;

        dlop_text_add(&text, "%s{\"name\": ", i > 0 ? ", " : "");
        dlop_text_add_json_string(&text, driver->name);
        add_flag(&text, "present", is_present);
        add_count(&text, "units", info.n_units);
        add_count(&text, "devices", info.n_devices);
        add_flag(&text, "emulation", info.is_emulation);
        add_flag(&text, "gpu", info.is_gpu);
        add_string(&text, "description", info.description);
        add_string(&text, "missing", status == DLOP_OK ? info.missing : dlop_status_text(status));
        dlop_text_add(&text, "}");
    }
    dlop_text_add(&text, "]");
    return text.n_bytes + 1;
}

/* ---- a context ---- */

static void add_stats(struct dlop_text *text, const struct dlop_group_stats *stats)
{
    dlop_text_add(text, "{\"device\": ");
    dlop_text_add_json_string(text, stats->label);
    add_string(text, "state", stats->is_lost ? "lost" : "ready");
    add_flag(text, "stands_by", !stats->shares);
    add_count(text, "units", stats->n_units);
    add_count(text, "records", stats->n_records);
    dlop_text_add(text, ", \"records_per_s\": %.1f", stats->rate_hz);
    add_count(text, "losses", stats->n_losses);
    add_count(text, "backs", stats->n_backs);
    add_count(text, "replayed", stats->n_replayed);
    add_count(text, "wrong", stats->n_wrong);
    add_count(text, "refused", stats->n_refused);
    add_count(text, "healed", stats->n_healed);
    dlop_text_add(text, "}");
}

/* The CPU alone does not count its records: the process does. */
static void add_cpu(struct dlop_text *text, const struct dlop_ctx *ctx)
{
    struct dlop_group_stats stats = {.shares = true,
                                     .n_units = ctx->driver->n_units(ctx->device),
                                     .n_records =
                                         dlop_metric_get(DLOP_STAGE_DEVICE, DLOP_METRIC_RECORDS)};

    memcpy(stats.label, "cpu", sizeof "cpu");
    add_stats(text, &stats);
}

static void add_event(struct dlop_text *text, const struct dlop_ctx_event *event)
{
    dlop_text_add(text, "{\"device\": ");
    dlop_text_add_json_string(text, event->device);
    add_string(text, "kind", dlop_device_event_name(event->kind));
    add_string(text, "status", dlop_status_name(event->status));
    add_string(text, "text", event->text);
    add_count(text, "count", event->count);
    add_count(text, "records", event->n_records);
    dlop_text_add(text, "}");
}

size_t dlop_ctx_json(dlop_ctx *ctx, char *text_out, size_t size)
{
    struct dlop_text text = {.bytes = text_out, .size_bytes = size};
    struct dlop_group_stats stats;

    dlop_text_add(&text, "{\"schema\": \"dlop.ctx/1\"");
    add_string(&text, "device", ctx->name);
    dlop_text_add(&text, ", \"devices\": [");
    if (!ctx->is_group)
        add_cpu(&text, ctx);
    for (uint32_t i = 0; ctx->is_group && dlop_group_stats_get(ctx->device, i, &stats); i++) {
        dlop_text_add(&text, "%s", i > 0 ? ", " : "");
        add_stats(&text, &stats);
    }
    dlop_text_add(&text, "], \"events\": [");
    pthread_mutex_lock(&ctx->lock);
    for (uint32_t i = 0; i < ctx->n_events; i++) {
        dlop_text_add(&text, "%s", i > 0 ? ", " : "");
        add_event(&text, &ctx->events[i]);
    }
    pthread_mutex_unlock(&ctx->lock);
    dlop_text_add(&text, "]}");
    return text.n_bytes + 1;
}
