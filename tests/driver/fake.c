/* Devices that do as they are told: see fake.h. */
#include "tests/driver/fake.h"

#include <stdlib.h>
#include <string.h>

struct fake fakes[N_FAKES];
atomic_int fake_n_buffers;

/* The device is the fake, opened. */
struct dlop_device {
    struct fake *fake;
};

/* ---- memory: driver_data is the device's side ---- */

static dlop_status fake_alloc(struct dlop_device *device, size_t size_bytes,
                              struct dlop_buffer *buffer_out)
{
    (void)device;
    *buffer_out = (struct dlop_buffer){calloc(1, size_bytes), size_bytes, calloc(1, size_bytes)};
    atomic_fetch_add(&fake_n_buffers, 1);
    return DLOP_OK;
}

static dlop_status fake_wrap(struct dlop_device *device, void *host, size_t size_bytes,
                             struct dlop_buffer *buffer_out)
{
    (void)device;
    *buffer_out = (struct dlop_buffer){host, size_bytes, host};
    atomic_fetch_add(&fake_n_buffers, 1);
    return DLOP_OK;
}

static void fake_free(struct dlop_device *device, struct dlop_buffer *buffer)
{
    (void)device;
    if (!buffer || !buffer->driver_data)
        return;
    if (buffer->host != buffer->driver_data) {
        free(buffer->host);
        free(buffer->driver_data);
    }
    *buffer = (struct dlop_buffer){0};
    atomic_fetch_sub(&fake_n_buffers, 1);
}

static dlop_status fake_to_device(struct dlop_device *device, struct dlop_buffer *buffer,
                                  size_t offset, size_t n_bytes)
{
    struct fake *fake = device->fake;

    pthread_mutex_lock(&fake->lock);
    while (fake->is_stuck)
        pthread_cond_wait(&fake->change, &fake->lock);
    pthread_mutex_unlock(&fake->lock);
    memmove((uint8_t *)buffer->driver_data + offset, (uint8_t *)buffer->host + offset, n_bytes);
    return DLOP_OK;
}

static dlop_status fake_from_device(struct dlop_device *device, struct dlop_buffer *buffer,
                                    size_t offset, size_t n_bytes)
{
    (void)device;
    memmove((uint8_t *)buffer->host + offset, (uint8_t *)buffer->driver_data + offset, n_bytes);
    return DLOP_OK;
}

/* ---- work ---- */

void fake_run(const struct dlop_job *job, const uint8_t *in, const uint8_t *constants, uint8_t *out,
              struct dlop_completion *completion_out)
{
    bool is_damaged = job->src_width_px == FAKE_DAMAGED_WIDTH_PX;

    for (uint32_t i = 0; i < job->out_bytes && !is_damaged; i++) {
        uint8_t value = in[job->in_offset + i % job->in_bytes];

        value ^= constants[job->pack_offset + i % 256];
        if (job->kind != DLOP_JOB_TENSOR)
            value ^= in[job->x_axis_offset + 16 + i % 16] ^ in[job->y_axis_offset + 16 + i % 8];
        out[job->out_offset + i] = value;
    }
    *completion_out = (struct dlop_completion){.record = job->record,
                                               .status = is_damaged ? DLOP_ERR_BAD_DATA : DLOP_OK,
                                               .bytes_written = is_damaged ? 0 : job->out_bytes};
}

static void run_launch(struct fake *fake, struct dlop_launch *launch)
{
    for (uint32_t i = 0; i < launch->n_jobs; i++)
        fake_run(&launch->jobs[i], launch->in->driver_data, launch->constants->driver_data,
                 launch->out->driver_data, &launch->completions[i]);
    pthread_mutex_lock(&fake->lock);
    fake->n_records += launch->n_jobs;
    pthread_mutex_unlock(&fake->lock);
}

/* What some actions make of the first completion. */
static void spoil(enum fake_action action, struct dlop_completion *completion)
{
    static const int32_t statuses[FAKE_ACTION_COUNT] = {[FAKE_WRONG_STATUS] = -29,
                                                        [FAKE_SAYS_DAMAGED] = DLOP_ERR_BAD_DATA,
                                                        [FAKE_UNSUPPORTED] = DLOP_ERR_UNSUPPORTED};

    completion->record ^= action == FAKE_WRONG_RECORD ? 0x10000u : 0u;
    completion->bytes_written -= action == FAKE_WRONG_BYTES ? 1u : 0u;
    if (statuses[action] != 0) {
        completion->status = statuses[action];
        completion->bytes_written = 0;
    }
}

static void perform(struct fake *fake, enum fake_action action, struct dlop_launch *launch)
{
    static const int32_t ends[FAKE_ACTION_COUNT] = {
        [FAKE_FAIL] = DLOP_ERR_DEVICE_LOST, [FAKE_FAULT] = DLOP_ERR_DEVICE_FAULT};

    if (action != FAKE_FAIL && action != FAKE_FAULT && action != FAKE_NOTHING)
        run_launch(fake, launch);
    if (launch->n_jobs > 0)
        spoil(action, &launch->completions[0]);
    launch->done(launch, ends[action]);
}

static dlop_status fake_submit(struct dlop_device *device, struct dlop_launch *launch)
{
    struct fake *fake = device->fake;
    enum fake_action action = FAKE_RUN;

    pthread_mutex_lock(&fake->lock);
    fake->n_submits++;
    if (fake->next_action < fake->n_actions)
        action = fake->actions[fake->next_action++];
    if (action == FAKE_HOLD)
        fake->held[fake->n_held++] = launch;
    pthread_mutex_unlock(&fake->lock);
    if (action == FAKE_AGAIN)
        return DLOP_AGAIN;
    if (action == FAKE_REFUSE)
        return DLOP_ERR_DEVICE_LOST;
    if (action != FAKE_HOLD)
        perform(fake, action, launch);
    return DLOP_OK;
}

/* ---- life ---- */

static dlop_status fake_open(const struct dlop_device_cfg *cfg, struct dlop_device **device_out)
{
    struct fake *fake = &fakes[cfg->index];
    dlop_status status = DLOP_OK;

    pthread_mutex_lock(&fake->lock);
    fake->n_opens++;
    if (fake->n_open_failures > 0) {
        fake->n_open_failures--;
        status = DLOP_ERR_NO_DEVICE;
    }
    pthread_mutex_unlock(&fake->lock);
    if (status != DLOP_OK)
        return status;
    *device_out = malloc(sizeof **device_out);
    (*device_out)->fake = fake;
    return DLOP_OK;
}

static struct dlop_launch *take_held(struct fake *fake)
{
    struct dlop_launch *launch = NULL;

    pthread_mutex_lock(&fake->lock);
    if (fake->n_held > 0)
        launch = fake->held[--fake->n_held];
    pthread_mutex_unlock(&fake->lock);
    return launch;
}

static void fake_close(struct dlop_device **device)
{
    struct fake *fake;
    struct dlop_launch *launch;

    if (!device || !*device)
        return;
    fake = (*device)->fake;
    pthread_mutex_lock(&fake->lock);
    while (fake->is_releasing || (fake->is_closed_late && fake->n_held > 0))
        pthread_cond_wait(&fake->change, &fake->lock);
    fake->n_closes++;
    pthread_mutex_unlock(&fake->lock);
    while ((launch = take_held(fake)))
        launch->done(launch, DLOP_ERR_DEVICE_LOST);
    free(*device);
    *device = NULL;
}

static dlop_status fake_accepts(struct dlop_device *device, const struct dlop_job *job,
                                char *reason_out, size_t size)
{
    (void)job;
    if (reason_out && size)
        reason_out[0] = '\0';
    return device->fake->accept_status;
}

static dlop_status fake_probe(struct dlop_device_info *info_out)
{
    *info_out = (struct dlop_device_info){.name = "fake", .n_units = 1, .is_present = true};
    return DLOP_OK;
}

static uint32_t fake_n_units(const struct dlop_device *device)
{
    (void)device;
    return 2;
}

const struct dlop_driver fake_driver = {
    .name = "fake",
    .memory = {.alloc = fake_alloc,
               .wrap = fake_wrap,
               .free = fake_free,
               .to_device = fake_to_device,
               .from_device = fake_from_device},
    .probe = fake_probe,
    .open = fake_open,
    .close = fake_close,
    .accepts = fake_accepts,
    .submit = fake_submit,
    .n_units = fake_n_units,
};

/* ---- for tests ---- */

void fake_reset(void)
{
    for (uint32_t i = 0; i < N_FAKES; i++) {
        fakes[i] = (struct fake){0};
        pthread_mutex_init(&fakes[i].lock, NULL);
        pthread_cond_init(&fakes[i].change, NULL);
    }
    atomic_store(&fake_n_buffers, 0);
}

void fake_push(struct fake *fake, enum fake_action action)
{
    pthread_mutex_lock(&fake->lock);
    fake->actions[fake->n_actions++] = (uint8_t)action;
    pthread_mutex_unlock(&fake->lock);
}

uint32_t fake_release(struct fake *fake)
{
    struct dlop_launch *launch;
    uint32_t n = 0;

    pthread_mutex_lock(&fake->lock);
    fake->is_releasing = true;
    pthread_mutex_unlock(&fake->lock);
    while ((launch = take_held(fake))) {
        perform(fake, FAKE_RUN, launch);
        n++;
    }
    pthread_mutex_lock(&fake->lock);
    fake->is_releasing = false;
    pthread_cond_broadcast(&fake->change);
    pthread_mutex_unlock(&fake->lock);
    return n;
}

void fake_set_stuck(struct fake *fake, bool is_stuck)
{
    pthread_mutex_lock(&fake->lock);
    fake->is_stuck = is_stuck;
    pthread_cond_broadcast(&fake->change);
    pthread_mutex_unlock(&fake->lock);
}

uint32_t fake_count(struct fake *fake, const uint32_t *counter)
{
    pthread_mutex_lock(&fake->lock);
    uint32_t n = *counter;
    pthread_mutex_unlock(&fake->lock);
    return n;
}
