/* Launches for the driver tests: see kit.h. */
#include "tests/driver/kit.h"

#include <dirent.h>
#include <ftw.h>
#include <time.h>
#include <unistd.h>

#include "host/format/jpeg.h"
#include "hw/core/image.h"
#include "tests/kernel/axis_table.h"

/* Room for n jobs: more than each of few, and than the mean of many, ever needs. */
#define IN_BYTES(n)  (((size_t)128 << 10) + (n) * ((size_t)48 << 10))
#define OUT_BYTES(n) (((size_t)192 << 10) + (n) * ((size_t)64 << 10))
#define TABLE_BYTES  ((size_t)3 * 256 * 8)
#define MAX_OUT_PX   70

/* PoCL and its compiler keep what they made when they were first used. That driver/ocl releases its
 * objects is counted in test_ocl_device.c. */
#define EXPORTED __attribute__((visibility("default")))
EXPORTED const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libpocl.so\nleak:libLLVM\nleak:libclang-cpp\n";
}

/* ---- photographs ---- */

static char *photo_paths[64];
static u32 n_photo_paths;

static int keep_jpeg(const char *path, const struct stat *info, int type, struct FTW *place)
{
    size_t length = strlen(path);

    (void)info, (void)place;
    if (type == FTW_F && length > 4 && !strcmp(path + length - 4, ".jpg") &&
        n_photo_paths < sizeof photo_paths / sizeof photo_paths[0])
        photo_paths[n_photo_paths++] = strdup(path);
    return 0;
}

/* The identity axis over n positions, at out. */
static size_t put_identity(u8 *out, u32 n)
{
    s32 *source = malloc(n * sizeof *source);
    void *table;
    size_t n_bytes;

    for (u32 i = 0; i < n; i++)
        source[i] = (s32)i;
    table = axis_copy(source, n);
    n_bytes = axis_bytes(table);
    memcpy(out, table, n_bytes);
    free(table);
    free(source);
    return n_bytes;
}

static void run_reference(const struct dlop_job *job, struct dlop_image_memory *memory,
                          struct dlop_completion *completion_out)
{
    static struct dlop_image_work work;

    memory->scratch_bytes = 0;
    memory->scratch = NULL;
    if (dlop_image_prepare(job, memory, &work) == DLOP_OK) {
        memory->scratch_bytes = work.scratch_bytes;
        memory->scratch = malloc(work.scratch_bytes ? work.scratch_bytes : 1);
    }
    dlop_image_run(job, memory, &work, completion_out);
    free(memory->scratch);
}

/* The photograph's samples, by the reference with axes that change nothing. */
static void decode_photo(struct photo *photo)
{
    size_t axes_at = (photo->jpeg_bytes + 15) & ~(size_t)15, axes_bytes;
    size_t pixels_bytes = (size_t)photo->width * photo->height * photo->channels;
    u8 *in =
        calloc(1, axes_at + DLOP_AXIS_BYTES(photo->width, 1) + DLOP_AXIS_BYTES(photo->height, 1));
    u8 table[3 * 256];
    struct dlop_completion completion;
    struct dlop_job job = {.abi_version = DLOP_ABI_VERSION,
                           .kind = DLOP_JOB_JPEG,
                           .layout = DLOP_LAYOUT_HWC,
                           .src_channels = (u8)photo->channels,
                           .out_channels = (u8)photo->channels,
                           .element_bytes = 1,
                           .in_bytes = photo->jpeg_bytes,
                           .x_axis_offset = axes_at,
                           .out_bytes = (u32)pixels_bytes,
                           .src_width_px = photo->width,
                           .src_height_px = photo->height,
                           .roi_width_px = photo->width,
                           .roi_height_px = photo->height,
                           .out_width_px = photo->width,
                           .out_height_px = photo->height};
    struct dlop_image_memory memory = {.in = in, .constants = table};

    for (u32 i = 0; i < sizeof table; i++)
        table[i] = (u8)i;
    photo->pixels = malloc(pixels_bytes);
    memcpy(in, photo->jpeg, photo->jpeg_bytes);
    axes_bytes = put_identity(in + axes_at, photo->width);
    job.y_axis_offset = axes_at + axes_bytes;
    axes_bytes += put_identity(in + job.y_axis_offset, photo->height);
    memory.out = photo->pixels;
    memory.bounds = (struct dlop_job_bounds){axes_at + axes_bytes, sizeof table, pixels_bytes};
    run_reference(&job, &memory, &completion);
    assert_int_equal(completion.status, DLOP_OK);
    free(in);
}

/* False where the file is none for the kernels. */
static int load_photo(const char *path, struct photo *photo)
{
    struct dlop_jpeg_frame *frame;
    char reason[DLOP_REASON_BYTES];
    FILE *file = fopen(path, "rb");
    long n_bytes;

    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    n_bytes = ftell(file);
    rewind(file);
    photo->jpeg_bytes = sizeof *frame + (size_t)n_bytes + DLOP_JPEG_PADDING_BYTES;
    photo->jpeg = calloc(1, photo->jpeg_bytes);
    assert_int_equal(fread(photo->jpeg + sizeof *frame, 1, (size_t)n_bytes, file), n_bytes);
    fclose(file);
    frame = (struct dlop_jpeg_frame *)(void *)photo->jpeg;
    if (dlop_jpeg_parse(photo->jpeg + sizeof *frame, (size_t)n_bytes, sizeof *frame, frame,
                        reason) != DLOP_OK) {
        free(photo->jpeg);
        return 0;
    }
    photo->width = frame->width_px;
    photo->height = frame->height_px;
    photo->channels = frame->n_components;
    decode_photo(photo);
    return 1;
}

u32 kit_load_photos(struct photo *photos_out, u32 n_max)
{
    const char *folder = getenv("DLOP_PHOTOS");
    u32 n = 0;

    n_photo_paths = 0;
    nftw(folder ? folder : "build/photos/tiny", keep_jpeg, 8, FTW_PHYS);
    for (u32 i = 0; i < n_photo_paths; i++) {
        if (n < n_max)
            n += (u32)load_photo(photo_paths[i], &photos_out[n]);
        free(photo_paths[i]);
    }
    return n;
}

void kit_free_photos(struct photo *photos, u32 n_photos)
{
    for (u32 i = 0; i < n_photos; i++) {
        free(photos[i].jpeg);
        free(photos[i].pixels);
    }
}

/* ---- launches ---- */

static void kit_done(struct dlop_launch *launch, dlop_status status)
{
    struct kit *kit = launch->cookie;

    atomic_store(&kit->status, status);
    atomic_fetch_add(&kit->n_done, 1);
}

void kit_open(struct kit *kit, const struct dlop_driver *driver, struct dlop_device *device)
{
    kit_open_for(kit, driver, device, KIT_MAX_JOBS);
}

void kit_open_for(struct kit *kit, const struct dlop_driver *driver, struct dlop_device *device,
                  u32 n_jobs)
{
    const struct dlop_memory_ops *memory = &driver->memory;

    memset(kit, 0, sizeof *kit);
    kit->driver = driver;
    kit->device = device;
    assert_int_equal(memory->alloc(device, IN_BYTES(n_jobs), &kit->in), DLOP_OK);
    assert_int_equal(memory->alloc(device, n_jobs * TABLE_BYTES, &kit->constants), DLOP_OK);
    assert_int_equal(memory->alloc(device, OUT_BYTES(n_jobs), &kit->out), DLOP_OK);
    kit->expected_out = malloc(kit->out.size_bytes);
    assert_non_null(kit->expected_out);
    kit->out_used = KIT_GAP_BYTES;
    kit->launch = (struct dlop_launch){.jobs = kit->jobs,
                                       .completions = kit->completions,
                                       .in = &kit->in,
                                       .constants = &kit->constants,
                                       .out = &kit->out,
                                       .done = kit_done,
                                       .cookie = kit};
}

void kit_close(struct kit *kit)
{
    kit->driver->memory.free(kit->device, &kit->in);
    kit->driver->memory.free(kit->device, &kit->constants);
    kit->driver->memory.free(kit->device, &kit->out);
    free(kit->expected_out);
}

/* Append bytes to `in` at the next multiple of 16; returns their offset. */
static u64 put_in(struct kit *kit, const void *bytes, size_t n_bytes)
{
    size_t at = (kit->in_used + 15) & ~(size_t)15;

    assert_true(at + n_bytes <= kit->in.size_bytes);
    memcpy((u8 *)kit->in.host + at, bytes, n_bytes);
    kit->in_used = at + n_bytes;
    return at;
}

/* A crop, a flip, a crop with constant, edge or mirrored padding. */
static void *copy_axis(struct random_state *random, u32 n_in, u32 n_out)
{
    s32 *source = malloc(n_out * sizeof *source);
    s32 first = random_in(random, -(s32)n_out / 2, (s32)n_in), mode = random_in(random, 0, 3);
    s32 is_flipped = random_in(random, 0, 1), last = (s32)n_in - 1;
    void *table;

    if (mode == 3)
        first = n_out <= n_in ? random_in(random, 0, (s32)(n_in - n_out)) : 0;
    for (u32 o = 0; o < n_out; o++) {
        s32 at = first + (s32)(is_flipped ? n_out - 1 - o : o);

        if (mode == 0)
            at = at < 0 || at > last ? -1 : at;
        else if (mode == 1 && at < 0)
            at = -at;
        source[o] = at < 0 ? (mode == 0 ? -1 : 0) : at > last ? last : at;
    }
    table = axis_copy(source, n_out);
    free(source);
    return table;
}

/* A resize whose result is padded with fill on both sides. */
static void *padded_axis(struct random_state *random, u32 n_in, u32 n_out)
{
    const struct axis_filter *filter = &axis_filters[random_u32(random) % N_AXIS_FILTERS];
    u32 n_inner = (u32)random_in(random, 1, (s32)n_out);
    u32 before = (u32)random_in(random, 0, (s32)(n_out - n_inner)), n_taps;
    void *inner = axis_resize(filter, n_in, n_inner, 22, 0), *table;

    n_taps = axis_header(inner)->n_taps;
    table = axis_alloc(n_out, n_taps, 22, 0);
    memcpy(axis_spans(table) + before, axis_spans(inner), n_inner * sizeof(struct dlop_span));
    memcpy(axis_weights(table) + (size_t)before * n_taps, axis_weights(inner),
           (size_t)n_inner * n_taps * sizeof(s32));
    free(inner);
    return table;
}

static u64 put_axis(struct kit *kit, struct random_state *random, u32 n_in, u32 n_out)
{
    const struct axis_filter *filter = &axis_filters[random_u32(random) % N_AXIS_FILTERS];
    s32 kind = random_in(random, 0, 4);
    void *table = kind == 0   ? copy_axis(random, n_in, n_out)
                  : kind == 1 ? padded_axis(random, n_in, n_out)
                              : axis_resize(filter, n_in, n_out, kind == 2 ? 0 : 22, kind == 3);
    u64 offset = put_in(kit, table, axis_bytes(table));

    free(table);
    return offset;
}

/* A table of any elements, or one that leaves bytes as they are, which devices may treat otherwise:
 * its first part is that for single bytes. */
static void fill_pack_table(struct random_state *random, u8 *table)
{
    random_bytes(random, table, TABLE_BYTES);
    if (random_in(random, 0, 1))
        for (u32 i = 0; i < 256 * DLOP_MAX_CHANNELS; i++)
            table[i] = (u8)i;
}

/* A pack table, and room in `out`. */
static void put_table_and_out(struct kit *kit, struct random_state *random, struct dlop_job *job)
{
    job->pack_offset = (u64)(job - kit->jobs) * TABLE_BYTES;
    fill_pack_table(random, (u8 *)kit->constants.host + job->pack_offset);
    job->out_bytes =
        job->out_width_px * job->out_height_px * job->out_channels * job->element_bytes;
    job->out_offset = kit->out_used;
    kit->out_used = (kit->out_used + job->out_bytes + KIT_GAP_BYTES + 7) & ~(size_t)7;
    assert_true(kit->out_used <= kit->out.size_bytes);
}

/* The first rows of a photograph, converted as they are. */
static struct dlop_job *kit_add_tensor(struct kit *kit, struct random_state *random,
                                       const struct photo *photo, struct dlop_job *job)
{
    job->pass_order = job->grey = 0;
    job->src_height_px = (u32)random_in(random, 1, (s32)photo->height);
    job->roi_width_px = job->out_width_px = job->src_width_px;
    job->roi_height_px = job->out_height_px = job->src_height_px;
    job->in_bytes = (u64)photo->width * job->src_height_px * photo->channels;
    job->in_offset = put_in(kit, photo->pixels, job->in_bytes);
    put_table_and_out(kit, random, job);
    return job;
}

struct dlop_job *kit_add(struct kit *kit, struct random_state *random, const struct photo *photo,
                         u32 kind)
{
    u32 i = kit->launch.n_jobs++;
    struct dlop_job *job = &kit->jobs[i];

    assert_true(i < KIT_MAX_JOBS);
    *job = (struct dlop_job){.abi_version = DLOP_ABI_VERSION,
                             .kind = (u8)kind,
                             .pass_order = (u8)random_in(random, 0, 1),
                             .grey = (u8)random_in(random, 0, DLOP_GREY_COUNT - 1),
                             .layout = (u8)random_in(random, 0, 1),
                             .src_channels = (u8)photo->channels,
                             .out_channels = random_in(random, 0, 2) ? 3 : 1,
                             .element_bytes = (u8)(1 << random_in(random, 0, 3)),
                             .record = random_u32(random),
                             .src_width_px = photo->width,
                             .src_height_px = photo->height,
                             .out_width_px = (u32)random_in(random, 1, MAX_OUT_PX),
                             .out_height_px = (u32)random_in(random, 1, MAX_OUT_PX)};
    random_bytes(random, job->fill, sizeof job->fill);
    if (kind == DLOP_JOB_TENSOR)
        return kit_add_tensor(kit, random, photo, job);
    job->roi_x_px = (u32)random_in(random, 0, (s32)photo->width - 1);
    job->roi_y_px = (u32)random_in(random, 0, (s32)photo->height - 1);
    job->roi_width_px = (u32)random_in(random, 1, (s32)(photo->width - job->roi_x_px));
    job->roi_height_px = (u32)random_in(random, 1, (s32)(photo->height - job->roi_y_px));
    job->in_bytes = kind == DLOP_JOB_JPEG ? photo->jpeg_bytes
                                          : (u64)photo->width * photo->height * photo->channels;
    job->in_offset =
        put_in(kit, kind == DLOP_JOB_JPEG ? photo->jpeg : photo->pixels, job->in_bytes);
    job->x_axis_offset = put_axis(kit, random, job->roi_width_px, job->out_width_px);
    job->y_axis_offset = put_axis(kit, random, job->roi_height_px, job->out_height_px);
    put_table_and_out(kit, random, job);
    return job;
}

void kit_expect(struct kit *kit)
{
    struct dlop_image_memory memory = {
        .in = kit->in.host,
        .constants = kit->constants.host,
        .out = kit->expected_out,
        .bounds = {kit->in.size_bytes, kit->constants.size_bytes, kit->out.size_bytes}};

    memset(kit->expected_out, KIT_CANARY, kit->out.size_bytes);
    for (u32 i = 0; i < kit->launch.n_jobs; i++)
        run_reference(&kit->jobs[i], &memory, &kit->expected[i]);
}

static void sleep_ms(long ms)
{
    struct timespec pause = {0, ms * 1000000};

    nanosleep(&pause, NULL);
}

static dlop_status sync_all(struct kit *kit, struct dlop_buffer *buffer)
{
    return kit->driver->memory.to_device(kit->device, buffer, 0, buffer->size_bytes);
}

void kit_sync(struct kit *kit)
{
    memset(kit->out.host, KIT_CANARY, kit->out.size_bytes);
    memset(kit->completions, 0xff, sizeof kit->completions);
    atomic_store(&kit->n_done, 0);
    assert_int_equal(sync_all(kit, &kit->in), DLOP_OK);
    assert_int_equal(sync_all(kit, &kit->constants), DLOP_OK);
    assert_int_equal(sync_all(kit, &kit->out), DLOP_OK);
}

void kit_submit(struct kit *kit)
{
    dlop_status status;

    kit_sync(kit);
    while ((status = kit->driver->submit(kit->device, &kit->launch)) == DLOP_AGAIN)
        sleep_ms(1);
    assert_int_equal(status, DLOP_OK);
}

void kit_wait(struct kit *kit)
{
    for (u32 ms = 0; ms < 60000 && !atomic_load(&kit->n_done); ms++)
        sleep_ms(1);
    assert_int_equal(atomic_load(&kit->n_done), 1);
    assert_int_equal(
        kit->driver->memory.from_device(kit->device, &kit->out, 0, kit->out.size_bytes), DLOP_OK);
}

void kit_check_completions(struct kit *kit, const struct random_state *random)
{
    assert_int_equal(atomic_load(&kit->status), DLOP_OK);
    for (u32 i = 0; i < kit->launch.n_jobs; i++) {
        const struct dlop_completion *got = &kit->completions[i], *want = &kit->expected[i];

        if (got->record != want->record || got->status != want->status ||
            got->bytes_written != want->bytes_written ||
            got->blocks_decoded != want->blocks_decoded)
            RANDOM_FAIL(random,
                        "job %u: status %d, %u bytes, %u blocks; expected %d, %u bytes, %u blocks",
                        i, got->status, got->bytes_written, got->blocks_decoded, want->status,
                        want->bytes_written, want->blocks_decoded);
    }
}

void kit_check(struct kit *kit, const struct random_state *random)
{
    const u8 *out = kit->out.host;

    kit_check_completions(kit, random);
    if (!memcmp(out, kit->expected_out, kit->out.size_bytes))
        return;
    for (size_t b = 0; b < kit->out.size_bytes; b++)
        if (out[b] != kit->expected_out[b])
            RANDOM_FAIL(random, "byte %zu of the output is %d instead of %d", b, out[b],
                        kit->expected_out[b]);
}

u32 kit_count_proc(const char *name)
{
    char path[64];
    u32 n = 0;
    DIR *folder;

    snprintf(path, sizeof path, "/proc/self/%s", name);
    folder = opendir(path);
    assert_non_null(folder);
    while (readdir(folder))
        n++;
    closedir(folder);
    return n;
}
