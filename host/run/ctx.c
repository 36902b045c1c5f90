/* A context: the device or devices of a run, opened through a driver's table, and what can be asked
 * of all devices.
 *
 * The CPU alone is opened as it is. Anything else becomes a group (driver/group) whose resort is
 * the CPU, so that nothing else in the library knows of several devices or of fail-over. Not here:
 * JSON about them (devices.c), the self-test (check.c).
 */
#include "host/run/ctx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/cpu/cpu.h"
#include "driver/group/group.h"
#include "host/base/config.h"
#include "host/base/devices.h"
#include "host/base/log.h"
#include "host/run/check.h"

#define DEFAULT_TIMEOUT_S 10
#define MAX_TIMEOUT_S     86400

void dlop_ctx_cfg_init(struct dlop_ctx_cfg *cfg)
{
    *cfg = (struct dlop_ctx_cfg){
        .size_bytes = sizeof *cfg,
        .vector_level = UINT32_MAX,
        .device = "auto",
        .device_timeout_s = DEFAULT_TIMEOUT_S,
    };
}

/* ---- events ---- */

/* The entry of events like this one, new or old; null where the table is full. */
static struct dlop_ctx_event *find_event(struct dlop_ctx *ctx,
                                         const struct dlop_device_event *event)
{
    for (uint32_t i = 0; i < ctx->n_events; i++) {
        struct dlop_ctx_event *known = &ctx->events[i];

        if (known->kind == event->kind && known->status == event->status &&
            !strcmp(known->device, event->device))
            return known;
    }
    if (ctx->n_events == DLOP_CTX_MAX_EVENTS)
        return NULL;
    struct dlop_ctx_event *fresh = &ctx->events[ctx->n_events++];
    *fresh = (struct dlop_ctx_event){.kind = event->kind, .status = event->status};
    snprintf(fresh->device, sizeof fresh->device, "%s", event->device);
    snprintf(fresh->text, sizeof fresh->text, "%s", event->text);
    return fresh;
}

/* Count; log the first of each kind, status and device. */
static void take_event(void *cookie, const struct dlop_device_event *event)
{
    static const int32_t levels[DLOP_DEVICE_EVENT_COUNT] = {
        [DLOP_DEVICE_LOST] = DLOP_LOG_WARN,     [DLOP_DEVICE_BACK] = DLOP_LOG_WARN,
        [DLOP_DEVICE_REPLAYED] = DLOP_LOG_WARN, [DLOP_DEVICE_WRONG] = DLOP_LOG_WARN,
        [DLOP_DEVICE_HEALED] = DLOP_LOG_INFO,   [DLOP_DEVICE_NOTE] = DLOP_LOG_INFO};
    struct dlop_ctx *ctx = cookie;

    if (event->kind >= DLOP_DEVICE_EVENT_COUNT)
        return;
    pthread_mutex_lock(&ctx->lock);
    struct dlop_ctx_event *entry = find_event(ctx, event);
    bool is_first = entry && entry->count == 0;
    if (entry) {
        entry->count++;
        entry->n_records += event->n_jobs;
    }
    pthread_mutex_unlock(&ctx->lock);
    /* What is wrong with a device that does not open. */
    bool is_refusal = event->kind == DLOP_DEVICE_NOTE && event->status != DLOP_OK;
    int32_t level = is_refusal ? DLOP_LOG_ERROR : levels[event->kind];
    const char *why = event->status != DLOP_OK ? dlop_status_text(event->status) : "";
    char records[32] = "";
    if (event->n_jobs > 0)
        snprintf(records, sizeof records, " (%u records)", event->n_jobs);
    dlop_log_write(is_first ? level : DLOP_LOG_DEBUG, "run", "device \"%s\" %s: %s%s%s%s",
                   event->device, dlop_device_event_name(event->kind), event->text,
                   *why ? ": " : "", why, records);
}

/* ---- open ---- */

/* A copy of a driver's settings from its variable, kept by the context; null: none. False: out of
 * memory. */
static bool take_settings(struct dlop_ctx *ctx, const struct dlop_driver *driver,
                          const char **settings_out)
{
    static const struct {
        const char *driver;
        enum dlop_option_id option;
    } variables[] = {{"sim", DLOP_OPTION_SIM}, {"ocl", DLOP_OPTION_OCL}, {"xrt", DLOP_OPTION_XRT}};
    const char *text = NULL;

    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        if (!strcmp(driver->name, variables[i].driver))
            text = getenv(dlop_option_at(variables[i].option)->environment);
    *settings_out = NULL;
    if (!text || !*text)
        return true;
    *settings_out = ctx->settings[ctx->n_settings++] = strdup(text);
    return *settings_out != NULL;
}

static bool is_cpu(const struct dlop_driver *driver)
{
    return !strcmp(driver->name, dlop_cpu_driver.name);
}

/* What stands for auto: the CPU and every card that is there. */
static void choose_automatically(struct dlop_device_choices *choices)
{
    const struct dlop_driver *driver = NULL;

    for (uint32_t i = 0; (driver = dlop_driver_at(i)) && choices->n < DLOP_DEVICES_MAX; i++) {
        struct dlop_device_info info = {0};

        if (is_cpu(driver) || (driver->may_be_automatic() && driver->probe(&info) == DLOP_OK &&
                               dlop_device_is_automatic(&info)))
            choices->choice[choices->n++] = (struct dlop_device_choice){.driver = driver};
    }
}

/* Say why a device that was named is not used; its status. */
static dlop_status refuse(const struct dlop_device_choice *choice, dlop_status status)
{
    struct dlop_device_info info = {0};
    const char *why = dlop_status_text(status);

    if (choice->driver->probe(&info) == DLOP_OK && !info.is_present) {
        status = DLOP_ERR_NO_DEVICE;
        why = info.missing;
    }
    if (choice->index > 0)
        dlop_log_error("run", "device \"%s:%u\" cannot be opened: %s", choice->driver->name,
                       choice->index, why);
    else
        dlop_log_error("run", "device \"%s\" cannot be opened: %s", choice->driver->name, why);
    return status;
}

static dlop_status open_cpu(struct dlop_ctx *ctx, const struct dlop_device_choice *choice)
{
    struct dlop_device_cfg cfg = {.n_threads = ctx->cfg.n_threads,
                                  .vector_level = ctx->cfg.vector_level,
                                  .index = choice->index};

    ctx->driver = choice->driver;
    dlop_status status = ctx->driver->open(&cfg, &ctx->device);
    return status == DLOP_OK ? status : refuse(choice, status);
}

static dlop_status open_member(void *cookie, const struct dlop_driver *driver,
                               const struct dlop_device_cfg *cfg, struct dlop_device **device_out,
                               double *rate_hz_out)
{
    const struct dlop_ctx *ctx = cookie;
    /* A first launch may wait for programs to be built or a card to be loaded. */
    uint32_t timeout_ms = 6000 * ctx->cfg.device_timeout_s;

    return dlop_check_open(driver, cfg, timeout_ms, device_out, rate_hz_out);
}

/* Several devices, or one that is not the CPU. */
static dlop_status open_group(struct dlop_ctx *ctx, const struct dlop_device_choices *choices,
                              bool is_auto)
{
    struct dlop_group_member members[DLOP_DEVICES_MAX];
    const struct dlop_device_choice cpu = {.driver = dlop_driver_get(dlop_cpu_driver.name)};
    const struct dlop_device_choice *named[DLOP_DEVICES_MAX + 1]; /* as members; the resort last */
    struct dlop_group_cfg cfg = {
        .members = members,
        .resort = {.driver = dlop_driver_get(dlop_cpu_driver.name),
                   .cfg = {.n_threads = ctx->cfg.n_threads, .vector_level = ctx->cfg.vector_level}},
        .timeout_ms = 1000 * ctx->cfg.device_timeout_s,
        .open_member = open_member,
        .open_cookie = ctx,
        .on_event = take_event,
        .event_cookie = ctx};
    uint32_t failed = 0;

    for (uint32_t i = 0; i < choices->n; i++) {
        const struct dlop_device_choice *choice = &choices->choice[i];

        if (is_cpu(choice->driver)) {
            if (choice->index > 0)
                return refuse(choice, DLOP_ERR_NO_DEVICE);
            cfg.resort_shares = true;
            continue;
        }
        struct dlop_group_member *member = &members[cfg.n_members];
        *member = (struct dlop_group_member){
            .driver = choice->driver,
            .cfg = {.vector_level = ctx->cfg.vector_level, .index = choice->index},
            .may_be_absent = is_auto};
        if (!take_settings(ctx, choice->driver, &member->cfg.settings))
            return DLOP_ERR_NO_MEMORY;
        named[cfg.n_members++] = choice;
    }
    ctx->driver = &dlop_group_driver;
    ctx->is_group = true;
    named[cfg.n_members] = &cpu;
    dlop_status status = dlop_group_open(&cfg, &ctx->device, &failed);
    return status == DLOP_OK ? status : refuse(named[failed], status);
}

static void set_name(struct dlop_ctx *ctx)
{
    struct dlop_group_stats stats;
    size_t at = 0;

    snprintf(ctx->name, sizeof ctx->name, "%s", ctx->driver->name);
    for (uint32_t i = 0; ctx->is_group && dlop_group_stats_get(ctx->device, i, &stats); i++)
        if (stats.shares && at < sizeof ctx->name)
            at += (size_t)snprintf(ctx->name + at, sizeof ctx->name - at, "%s%s", at > 0 ? "," : "",
                                   stats.label);
}

static dlop_status open_devices(struct dlop_ctx *ctx, const char *text)
{
    struct dlop_device_choices choices;
    char reason[256];

    if (dlop_device_choices_parse(text, &choices, reason, sizeof reason) != DLOP_OK) {
        dlop_log_error("run", "no device: %s", reason);
        return DLOP_ERR_NO_DEVICE;
    }
    bool is_auto = choices.n == 0;
    if (is_auto)
        choose_automatically(&choices);
    dlop_status status =
        choices.n == 1 && is_cpu(choices.choice[0].driver) && choices.choice[0].index == 0
            ? open_cpu(ctx, &choices.choice[0])
            : open_group(ctx, &choices, is_auto);
    if (status != DLOP_OK)
        return status;
    set_name(ctx);
    return DLOP_OK;
}

static void free_ctx(struct dlop_ctx *ctx)
{
    for (uint32_t i = 0; i < ctx->n_settings; i++)
        free(ctx->settings[i]);
    pthread_mutex_destroy(&ctx->lock);
    free(ctx);
}

dlop_status dlop_ctx_open(const struct dlop_ctx_cfg *cfg, dlop_ctx **ctx_out)
{
    if (!cfg || !ctx_out || cfg->size_bytes != sizeof *cfg || !cfg->device ||
        cfg->device_timeout_s == 0 || cfg->device_timeout_s > MAX_TIMEOUT_S)
        return DLOP_ERR_ARGUMENT;
    struct dlop_ctx *ctx = calloc(1, sizeof *ctx);
    if (!ctx)
        return DLOP_ERR_NO_MEMORY;
    if (pthread_mutex_init(&ctx->lock, NULL)) {
        free(ctx);
        return DLOP_ERR_NO_MEMORY;
    }
    ctx->cfg = *cfg;
    dlop_status status = open_devices(ctx, cfg->device);
    if (status != DLOP_OK) {
        free_ctx(ctx);
        return status;
    }
    ctx->cfg.device = ctx->name; /* the caller's text need not live on */
    dlop_log_info("run", "device \"%s\" opened with %u units", ctx->name,
                  ctx->driver->n_units(ctx->device));
    *ctx_out = ctx;
    return DLOP_OK;
}

void dlop_ctx_close(dlop_ctx **ctx)
{
    if (!ctx || !*ctx)
        return;
    (*ctx)->driver->close(&(*ctx)->device);
    free_ctx(*ctx);
    *ctx = NULL;
}

const char *dlop_ctx_device(const dlop_ctx *ctx)
{
    return ctx->name;
}

uint32_t dlop_ctx_n_units(const dlop_ctx *ctx)
{
    return ctx->driver->n_units(ctx->device);
}

uint32_t dlop_default_n_threads(void)
{
    return dlop_cpu_default_threads();
}
