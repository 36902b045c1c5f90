/* The emulated card behind the driver table: probing, opening, memory.
 *
 * Not here: launches (queue.c), the card (sim/).
 */
#include "driver/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "driver/accepts.h"
#include "driver/sim/queue.h"

struct dlop_device {
    pid_t owner;
    struct dlop_card_counters *counters_out; /* or null */
    struct dlop_sim_queue queue;
};

static bool is_foreign(const struct dlop_device *device)
{
    return device->owner != getpid();
}

/* ---- memory ---- */

static dlop_status sim_get(struct dlop_device *device, void *host, size_t size_bytes,
                           struct dlop_buffer *buffer_out)
{
    struct dlop_card_memory *memory;
    dlop_status status;

    if (is_foreign(device))
        return DLOP_ERR_STATE;
    status = dlop_card_alloc(device->queue.card, size_bytes, host, &memory);
    if (status == DLOP_OK)
        *buffer_out = (struct dlop_buffer){dlop_card_host_view(memory), size_bytes, memory};
    return status;
}

static dlop_status sim_alloc(struct dlop_device *device, size_t size_bytes,
                             struct dlop_buffer *buffer_out)
{
    return sim_get(device, NULL, size_bytes, buffer_out);
}

static dlop_status sim_wrap(struct dlop_device *device, void *host, size_t size_bytes,
                            struct dlop_buffer *buffer_out)
{
    if (!host && size_bytes)
        return DLOP_ERR_ARGUMENT;
    return sim_get(device, host, size_bytes, buffer_out);
}

static void sim_free(struct dlop_device *device, struct dlop_buffer *buffer)
{
    if (!buffer)
        return;
    dlop_card_free(device ? device->queue.card : NULL, buffer->driver_data);
    *buffer = (struct dlop_buffer){0};
}

static dlop_status sim_to_device(struct dlop_device *device, struct dlop_buffer *buffer,
                                 size_t offset, size_t n_bytes)
{
    if (is_foreign(device))
        return DLOP_ERR_STATE;
    return dlop_card_write(device->queue.card, buffer->driver_data, offset, n_bytes);
}

static dlop_status sim_from_device(struct dlop_device *device, struct dlop_buffer *buffer,
                                   size_t offset, size_t n_bytes)
{
    if (is_foreign(device))
        return DLOP_ERR_STATE;
    return dlop_card_read(device->queue.card, buffer->driver_data, offset, n_bytes);
}

/* ---- life ---- */

static dlop_status sim_probe(struct dlop_device_info *info_out)
{
    struct dlop_card_cfg cfg;

    dlop_card_cfg_init(&cfg);
    *info_out = (struct dlop_device_info){.name = "sim",
                                          .n_units = cfg.n_units[DLOP_CARD_IMAGE] +
                                                     cfg.n_units[DLOP_CARD_TENSOR],
                                          .n_devices = 1,
                                          .is_present = true,
                                          .is_emulation = true};
    snprintf(info_out->description, sizeof info_out->description, "emulated card, %u+%u units",
             cfg.n_units[DLOP_CARD_IMAGE], cfg.n_units[DLOP_CARD_TENSOR]);
    return DLOP_OK;
}

static void sim_notice(void *cookie, u32 notice, const char *text)
{
    static const struct {
        u32 kind;
        dlop_status status;
    } events[] = {[DLOP_CARD_IS_HEALED] = {DLOP_DEVICE_HEALED, DLOP_OK},
                  [DLOP_CARD_IS_GONE] = {DLOP_DEVICE_LOST, DLOP_ERR_DEVICE_LOST},
                  [DLOP_CARD_IS_BACK] = {DLOP_DEVICE_BACK, DLOP_OK}};

    dlop_sim_tell(cookie, events[notice].kind, events[notice].status, 0, text);
}

/* n_threads of the configuration is the number of image units; settings have the last word. */
static dlop_status read_cfg(const struct dlop_device_cfg *cfg, const struct dlop_sim_queue *queue,
                            struct dlop_card_cfg *card_cfg_out)
{
    char reason[160];
    dlop_status status;

    dlop_card_cfg_init(card_cfg_out);
    if (cfg->n_threads)
        card_cfg_out->n_units[DLOP_CARD_IMAGE] =
            cfg->n_threads < DLOP_CARD_MAX_UNITS ? cfg->n_threads : DLOP_CARD_MAX_UNITS;
    status = dlop_card_cfg_parse(cfg->settings, card_cfg_out, reason, sizeof reason);
    if (status != DLOP_OK)
        dlop_sim_tell(queue, DLOP_DEVICE_NOTE, status, 0, reason);
    return status;
}

static dlop_status open_card(struct dlop_device *device, const struct dlop_device_cfg *cfg)
{
    struct dlop_sim_queue *queue = &device->queue;
    const struct dlop_card_host host = {dlop_sim_queue_signal, sim_notice, queue};
    struct dlop_card_cfg card_cfg;
    dlop_status status;

    device->owner = getpid();
    queue->on_event = cfg->on_event;
    queue->event_cookie = cfg->event_cookie;
    status = read_cfg(cfg, queue, &card_cfg);
    if (status != DLOP_OK)
        return status;
    queue->n_slots = card_cfg.n_launches;
    for (u32 k = 0; k < DLOP_CARD_KERNEL_COUNT; k++)
        queue->n_units[k] = card_cfg.n_units[k];
    if (pthread_mutex_init(&queue->lock, NULL))
        return DLOP_ERR_THREAD;
    status = dlop_card_open(&card_cfg, &host, &queue->card);
    if (status != DLOP_OK)
        pthread_mutex_destroy(&queue->lock);
    return status;
}

static dlop_status sim_open(const struct dlop_device_cfg *cfg, struct dlop_device **device_out)
{
    struct dlop_device *device;
    dlop_status status;

    if (cfg->index > 0)
        return DLOP_ERR_NO_DEVICE;
    device = calloc(1, sizeof *device);
    if (!device)
        return DLOP_ERR_NO_MEMORY;
    status = open_card(device, cfg);
    if (status != DLOP_OK) {
        free(device);
        return status;
    }
    *device_out = device;
    return DLOP_OK;
}

/* In a child the queue's lock may be held for ever; nothing here takes it. */
static void sim_close(struct dlop_device **device_in_out)
{
    struct dlop_device *device;

    if (!device_in_out || !*device_in_out)
        return;
    device = *device_in_out;
    *device_in_out = NULL;
    dlop_card_close(&device->queue.card, device->counters_out);
    dlop_sim_queue_free(&device->queue);
    if (!is_foreign(device))
        pthread_mutex_destroy(&device->queue.lock);
    free(device);
}

/* ---- launches ---- */

static dlop_status sim_accepts(struct dlop_device *device, const struct dlop_job *job,
                               char *reason_out, size_t size)
{
    const char *reason = NULL;
    dlop_status status = dlop_accepts_check(job, &reason);

    (void)device;
    return dlop_accepts_answer(status, reason, reason_out, size);
}

static dlop_status sim_submit(struct dlop_device *device, struct dlop_launch *launch)
{
    return is_foreign(device) ? DLOP_ERR_STATE : dlop_sim_queue_submit(&device->queue, launch);
}

static uint32_t sim_n_units(const struct dlop_device *device)
{
    return device->queue.n_units[DLOP_CARD_IMAGE] + device->queue.n_units[DLOP_CARD_TENSOR];
}

/* ---- for tests ---- */

struct dlop_card *dlop_sim_card(struct dlop_device *device)
{
    return device->queue.card;
}

void dlop_sim_watch(struct dlop_device *device, struct dlop_card_counters *counters_out)
{
    device->counters_out = counters_out;
}

const struct dlop_driver dlop_sim_driver = {
    .name = "sim",
    .memory = {.alloc = sim_alloc,
               .wrap = sim_wrap,
               .free = sim_free,
               .to_device = sim_to_device,
               .from_device = sim_from_device},
    .probe = sim_probe,
    .open = sim_open,
    .close = sim_close,
    .accepts = sim_accepts,
    .submit = sim_submit,
    .n_units = sim_n_units,
};
