/* A data loader on libjpeg-turbo: see turbo_loader.h.
 *
 * One lock guards the order of work. A thread takes the next picture when its batch has a slot,
 * makes it without the lock and counts it in; the caller waits for the batch at the front. The
 * position of an epoch that was left early jumps to its end, so that threads come to rest.
 */
#include "host/bench/turbo_loader.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jpeglib.h>

#include "driver/cpu/cpu.h"
#include "host/bench/turbo.h"
#include "host/plan/plan.h"

#define IMAGE_ELEMENTS ((size_t)3 * DLOP_TURBO_SIDE_PX * DLOP_TURBO_SIDE_PX)
#define ALIGN_BYTES    64
#define MAX_THREADS    1024

struct room {
    u8 *bytes; /* aligned to ALIGN_BYTES */
    size_t size_bytes;
};

struct maker {
    struct dlop_bench_turbo *loader;
    pthread_t thread;
    bool is_started;
    struct dlop_turbo *jpeg;
    struct dlop_cpu_worker *worker;
    struct dlop_rng_state draws;
    struct room file;
    struct room in; /* a launch's `in`: axis tables, then the crop's pixels */
};

struct slot {
    float *images;
    u32 n_done;
};

struct dlop_bench_turbo {
    struct dlop_bench_turbo_cfg cfg;
    dlop_ctx *ctx;
    dlop_plan *plan;
    char *names;
    const char **paths;
    u32 *order;
    u32 n;
    struct maker *makers;
    pthread_mutex_t lock;
    pthread_cond_t has_work, has_news;
    /* Under the lock. */
    struct slot slots[DLOP_TURBO_SLOTS];
    u32 position; /* next picture of the order */
    u32 n_handed; /* batches that the caller has asked for */
    u32 n_busy;
    bool is_closing;
    dlop_status status;
    char error[256];
};

static dlop_status make_room(struct room *room, size_t n_bytes)
{
    size_t size_bytes = (n_bytes + n_bytes / 4 + ALIGN_BYTES) & ~(size_t)(ALIGN_BYTES - 1);

    if (n_bytes <= room->size_bytes)
        return DLOP_OK;
    free(room->bytes);
    room->bytes = aligned_alloc(ALIGN_BYTES, size_bytes);
    room->size_bytes = room->bytes ? size_bytes : 0;
    return room->bytes ? DLOP_OK : DLOP_ERR_NO_MEMORY;
}

/* ---- one picture ---- */

static dlop_status read_file(const char *path, struct room *room, size_t *n_bytes_out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat facts;
    size_t n = 0;
    ssize_t part = 1;
    dlop_status status = DLOP_ERR_READ;

    if (fd < 0)
        return DLOP_ERR_READ;
    if (fstat(fd, &facts) == 0)
        status = make_room(room, (size_t)facts.st_size + 1);
    while (status == DLOP_OK && part > 0 && n < room->size_bytes) {
        part = read(fd, room->bytes + n, room->size_bytes - n);
        n += part > 0 ? (size_t)part : 0;
    }
    close(fd);
    *n_bytes_out = n;
    return status == DLOP_OK && part < 0 ? DLOP_ERR_READ : status;
}

/* Axis tables at the start of maker->in; *pixels_at_out is where pixels go, behind which the
 * region's rows fit at the width of the whole picture. */
static dlop_status bind_tables(struct maker *maker, const struct dlop_drawn *drawn, u32 width_px,
                               u32 height_px, struct dlop_job *job, size_t *pixels_at_out)
{
    const struct dlop_plan *plan = maker->loader->plan;
    size_t tables_bytes = 0, pixels_bytes = 0, at = 0;
    dlop_status status = DLOP_ERR_TOO_SMALL;

    *job = (struct dlop_job){.abi_version = DLOP_ABI_VERSION};
    /* Again with more room where the first try says that it takes more. */
    for (int i_try = 0; i_try < 3; i_try++) {
        status = make_room(&maker->in, at + pixels_bytes + ALIGN_BYTES);
        if (status == DLOP_OK)
            status = dlop_plan_bind(plan, drawn, width_px, height_px, maker->in.bytes,
                                    maker->in.size_bytes, 0, &tables_bytes, job);
        if (status != DLOP_OK && status != DLOP_ERR_TOO_SMALL)
            return status;
        at = (tables_bytes + ALIGN_BYTES - 1) & ~(size_t)(ALIGN_BYTES - 1);
        pixels_bytes = (size_t)width_px * height_px * DLOP_TURBO_CHANNELS;
        if (status == DLOP_OK && at + pixels_bytes <= maker->in.size_bytes)
            break;
        status = DLOP_ERR_TOO_SMALL;
    }
    *pixels_at_out = at;
    return status;
}

/* The bound job's region by libjpeg-turbo, and the job over its pixels. */
static dlop_status decode_region(struct maker *maker, struct dlop_job *job, size_t pixels_at)
{
    const u32 rect[4] = {job->roi_x_px, job->roi_y_px, job->roi_width_px, job->roi_height_px};
    u32 pitch_px, first_px;
    dlop_status status = dlop_turbo_read(maker->jpeg, rect, maker->in.bytes + pixels_at,
                                         maker->in.size_bytes - pixels_at, &pitch_px, &first_px);

    if (status != DLOP_OK)
        return status;
    job->kind = DLOP_JOB_PIXELS;
    job->src_channels = DLOP_TURBO_CHANNELS;
    job->in_offset = pixels_at;
    job->in_bytes = (u64)pitch_px * rect[3] * DLOP_TURBO_CHANNELS;
    job->src_width_px = pitch_px;
    job->src_height_px = rect[3];
    job->roi_x_px = first_px;
    job->roi_y_px = 0;
    return DLOP_OK;
}

static dlop_status make_image(struct maker *maker, const char *path, float *image_out)
{
    const struct dlop_plan *plan = maker->loader->plan;
    struct dlop_drawn drawn;
    struct dlop_job job;
    struct dlop_completion completion = {0};
    size_t n_bytes, pixels_at;
    u32 width_px, height_px;
    dlop_status status = read_file(path, &maker->file, &n_bytes);

    if (status == DLOP_OK)
        status = dlop_turbo_start(maker->jpeg, maker->file.bytes, n_bytes, &width_px, &height_px);
    if (status == DLOP_OK)
        status = dlop_draw_record(plan->ops, plan->cfg.n_ops, &plan->rules, &maker->draws, width_px,
                                  height_px, &drawn);
    if (status == DLOP_OK)
        status = bind_tables(maker, &drawn, width_px, height_px, &job, &pixels_at);
    if (status == DLOP_OK)
        status = decode_region(maker, &job, pixels_at);
    if (status != DLOP_OK)
        return status;
    struct dlop_buffer in = {.host = maker->in.bytes, .size_bytes = maker->in.size_bytes};
    struct dlop_buffer out = {.host = image_out, .size_bytes = IMAGE_ELEMENTS * sizeof(float)};
    struct dlop_launch buffers = {.in = &in, .constants = &plan->constants, .out = &out};
    dlop_cpu_run_job(maker->worker, &job, &buffers, &completion);
    return completion.status;
}

/* ---- threads ---- */

static bool can_take(const struct dlop_bench_turbo *loader)
{
    u32 batch = loader->position / loader->cfg.batch_size;

    /* The batch last handed out is still the caller's. */
    return loader->position < loader->n && batch + 1 < loader->n_handed + DLOP_TURBO_SLOTS;
}

static u32 batch_images(const struct dlop_bench_turbo *loader, u32 batch)
{
    u32 left = loader->n - batch * loader->cfg.batch_size;

    return left < loader->cfg.batch_size ? left : loader->cfg.batch_size;
}

static void note_failure(struct dlop_bench_turbo *loader, const char *path, dlop_status status)
{
    if (loader->status == DLOP_OK) {
        loader->status = status;
        snprintf(loader->error, sizeof loader->error, "%s: %s", path, dlop_status_text(status));
    }
}

static void *run_maker(void *cookie)
{
    struct maker *maker = cookie;
    struct dlop_bench_turbo *loader = maker->loader;

    pthread_mutex_lock(&loader->lock);
    while (!loader->is_closing) {
        if (!can_take(loader)) {
            pthread_cond_wait(&loader->has_work, &loader->lock);
            continue;
        }
        u32 position = loader->position++, batch_size = loader->cfg.batch_size;
        struct slot *slot = &loader->slots[position / batch_size % DLOP_TURBO_SLOTS];
        const char *path = loader->paths[loader->order[position]];

        loader->n_busy++;
        pthread_mutex_unlock(&loader->lock);
        dlop_status status =
            make_image(maker, path, slot->images + position % batch_size * IMAGE_ELEMENTS);
        pthread_mutex_lock(&loader->lock);
        loader->n_busy--;
        slot->n_done++;
        if (status != DLOP_OK)
            note_failure(loader, path, status);
        if (slot->n_done == batch_images(loader, position / batch_size) || loader->n_busy == 0)
            pthread_cond_signal(&loader->has_news);
    }
    pthread_mutex_unlock(&loader->lock);
    return NULL;
}

dlop_status dlop_bench_turbo_start(struct dlop_bench_turbo *loader, const uint32_t *order)
{
    for (u32 i = 0; i < loader->n; i++)
        if (order[i] >= loader->n)
            return DLOP_ERR_ARGUMENT;
    pthread_mutex_lock(&loader->lock);
    loader->position = loader->n;
    while (loader->n_busy > 0)
        pthread_cond_wait(&loader->has_news, &loader->lock);
    memcpy(loader->order, order, loader->n * sizeof *order);
    for (u32 i = 0; i < DLOP_TURBO_SLOTS; i++)
        loader->slots[i].n_done = 0;
    loader->position = loader->n_handed = 0;
    pthread_cond_broadcast(&loader->has_work);
    pthread_mutex_unlock(&loader->lock);
    return DLOP_OK;
}

dlop_status dlop_bench_turbo_next(struct dlop_bench_turbo *loader, float **images_out,
                                  uint32_t *n_out)
{
    u32 n_batches = (loader->n + loader->cfg.batch_size - 1) / loader->cfg.batch_size;
    dlop_status status;

    pthread_mutex_lock(&loader->lock);
    if (loader->n_handed == n_batches) {
        pthread_mutex_unlock(&loader->lock);
        return DLOP_END;
    }
    u32 batch = loader->n_handed++, n = batch_images(loader, batch);
    struct slot *slot = &loader->slots[batch % DLOP_TURBO_SLOTS];
    if (batch > 0) /* the caller's last one is free again */
        loader->slots[(batch - 1) % DLOP_TURBO_SLOTS].n_done = 0;
    pthread_cond_broadcast(&loader->has_work);
    while (slot->n_done < n && loader->status == DLOP_OK)
        pthread_cond_wait(&loader->has_news, &loader->lock);
    status = loader->status;
    pthread_mutex_unlock(&loader->lock);
    if (status != DLOP_OK)
        return status;
    *images_out = slot->images;
    *n_out = n;
    return DLOP_OK;
}

/* ---- open and close ---- */

/* ToTensor and Normalize in the framework's own float arithmetic. */
static void fill_pack_table(float table[3 * 256])
{
    static const float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};

    for (u32 c = 0; c < 3; c++)
        for (u32 i = 0; i < 256; i++)
            table[256 * c + i] = ((float)i / 255.0f - mean[c]) / deviation[c];
}

static dlop_status open_plan(struct dlop_bench_turbo *loader)
{
    const double low = (float)(3.0 / 4), high = (float)(4.0 / 3);
    const int32_t side = DLOP_TURBO_SIDE_PX;
    const struct dlop_op random_ops[2] = {
        {.kind = DLOP_OP_RESIZED_CROP,
         .i = {side, side, DLOP_FILTER_BILINEAR},
         .f = {0.08f, 1, low, high, logf(0.75f), logf((float)high)}},
        {.kind = DLOP_OP_FLIP_X, .f = {0.5}},
    };
    const struct dlop_op fixed_op = {.kind = DLOP_OP_RESIZE,
                                     .i = {side, side, DLOP_FILTER_BILINEAR}};
    float table[3 * 256];
    struct dlop_ctx_cfg ctx_cfg;
    struct dlop_plan_cfg cfg;
    struct dlop_draw_rules rules;
    char reason[128];

    dlop_ctx_cfg_init(&ctx_cfg);
    ctx_cfg.device = "cpu";
    dlop_status status = dlop_ctx_open(&ctx_cfg, &loader->ctx);
    if (status != DLOP_OK)
        return status;
    fill_pack_table(table);
    dlop_draw_rules_init(&rules);
    rules.exp_kind = DLOP_EXP_LIBM;
    dlop_plan_cfg_init(&cfg);
    cfg.n_ops = loader->cfg.is_fixed ? 1 : 2;
    cfg.ops = loader->cfg.is_fixed ? &fixed_op : random_ops;
    cfg.rules = &rules;
    cfg.src_channels = cfg.out_channels = 3;
    cfg.element_bytes = sizeof(float);
    cfg.resampler = DLOP_RESAMPLER_PILLOW;
    cfg.pass_rule = loader->cfg.pass_rule;
    cfg.pack_table = table;
    return dlop_plan_open(loader->ctx, &cfg, &loader->plan, reason, sizeof reason);
}

static dlop_status copy_paths(struct dlop_bench_turbo *loader, const char *paths,
                              size_t paths_bytes)
{
    size_t at = 0;

    loader->names = malloc(paths_bytes);
    loader->paths = calloc(loader->n, sizeof *loader->paths);
    loader->order = calloc(loader->n, sizeof *loader->order);
    if (!loader->names || !loader->paths || !loader->order)
        return DLOP_ERR_NO_MEMORY;
    memcpy(loader->names, paths, paths_bytes);
    for (u32 i = 0; i < loader->n; i++) {
        const char *end = at < paths_bytes ? memchr(paths + at, 0, paths_bytes - at) : NULL;

        if (!end)
            return DLOP_ERR_ARGUMENT;
        loader->paths[i] = loader->names + at;
        at = (size_t)(end - paths) + 1;
    }
    return DLOP_OK;
}

static dlop_status open_slots(struct dlop_bench_turbo *loader)
{
    size_t n_bytes = loader->cfg.batch_size * IMAGE_ELEMENTS * sizeof(float);

    for (u32 i = 0; i < DLOP_TURBO_SLOTS; i++) {
        loader->slots[i].images = aligned_alloc(ALIGN_BYTES, n_bytes);
        if (!loader->slots[i].images)
            return DLOP_ERR_NO_MEMORY;
        memset(loader->slots[i].images, 0, n_bytes);
    }
    return DLOP_OK;
}

static dlop_status open_makers(struct dlop_bench_turbo *loader)
{
    loader->makers = calloc(loader->cfg.n_threads, sizeof *loader->makers);
    if (!loader->makers)
        return DLOP_ERR_NO_MEMORY;
    for (u32 i = 0; i < loader->cfg.n_threads; i++) {
        struct maker *maker = &loader->makers[i];
        dlop_status status = dlop_turbo_open(&maker->jpeg);

        maker->loader = loader;
        dlop_rng_seed(&maker->draws, loader->cfg.seed + i);
        if (status == DLOP_OK)
            status = dlop_cpu_worker_open(UINT32_MAX, &maker->worker);
        if (status != DLOP_OK)
            return status;
        if (pthread_create(&maker->thread, NULL, run_maker, maker))
            return DLOP_ERR_THREAD;
        maker->is_started = true;
    }
    return DLOP_OK;
}

dlop_status dlop_bench_turbo_open(const char *paths, size_t paths_bytes, uint32_t n,
                                  const struct dlop_bench_turbo_cfg *cfg,
                                  struct dlop_bench_turbo **loader_out)
{
    if (!paths || !cfg || !loader_out || n == 0 || n > UINT32_MAX / 2 || cfg->batch_size == 0 ||
        cfg->batch_size > 65536 || cfg->n_threads == 0 || cfg->n_threads > MAX_THREADS)
        return DLOP_ERR_ARGUMENT;
    struct dlop_bench_turbo *loader = calloc(1, sizeof *loader);
    if (!loader)
        return DLOP_ERR_NO_MEMORY;
    loader->cfg = *cfg;
    loader->n = loader->position = n;
    pthread_mutex_init(&loader->lock, NULL);
    pthread_cond_init(&loader->has_work, NULL);
    pthread_cond_init(&loader->has_news, NULL);
    dlop_status status = copy_paths(loader, paths, paths_bytes);
    if (status == DLOP_OK)
        status = open_plan(loader);
    if (status == DLOP_OK)
        status = open_slots(loader);
    if (status == DLOP_OK)
        status = open_makers(loader);
    if (status != DLOP_OK) {
        dlop_bench_turbo_close(&loader);
        return status;
    }
    *loader_out = loader;
    return DLOP_OK;
}

static void close_makers(struct dlop_bench_turbo *loader)
{
    pthread_mutex_lock(&loader->lock);
    loader->is_closing = true;
    pthread_cond_broadcast(&loader->has_work);
    pthread_mutex_unlock(&loader->lock);
    for (u32 i = 0; loader->makers && i < loader->cfg.n_threads; i++) {
        struct maker *maker = &loader->makers[i];

        if (maker->is_started)
            pthread_join(maker->thread, NULL);
        dlop_turbo_close(&maker->jpeg);
        dlop_cpu_worker_close(&maker->worker);
        free(maker->file.bytes);
        free(maker->in.bytes);
    }
    free(loader->makers);
}

void dlop_bench_turbo_close(struct dlop_bench_turbo **loader_in_out)
{
    struct dlop_bench_turbo *loader = loader_in_out ? *loader_in_out : NULL;

    if (!loader)
        return;
    close_makers(loader);
    for (u32 i = 0; i < DLOP_TURBO_SLOTS; i++)
        free(loader->slots[i].images);
    dlop_plan_close(&loader->plan);
    dlop_ctx_close(&loader->ctx);
    pthread_cond_destroy(&loader->has_news);
    pthread_cond_destroy(&loader->has_work);
    pthread_mutex_destroy(&loader->lock);
    free(loader->order);
    free(loader->paths);
    free(loader->names);
    free(loader);
    *loader_in_out = NULL;
}

const char *dlop_bench_turbo_error(const struct dlop_bench_turbo *loader)
{
    return loader->error;
}

#define TEXT_OF(x)  #x
#define VALUE_OF(x) TEXT_OF(x)

const char *dlop_bench_turbo_version(void)
{
#ifdef LIBJPEG_TURBO_VERSION
    return VALUE_OF(LIBJPEG_TURBO_VERSION);
#else
    return "not libjpeg-turbo";
#endif
}
