/* Images per second of whole devices: JPEG files in memory to float tensors of 224 x 224, all of
 * the frame resized (bilinear), one launch per round.
 *
 *     driver_bench [--rounds N] [--jobs N] [--settings TEXT] FILE...
 *
 * Contestants take turns round by round, so that a busy machine hits all of them alike; each counts
 * with its median. Their outputs are compared: one that differs from the first, the plain
 * reference, ends the benchmark. --settings goes to the ocl device. Also said: how long opening the
 * OpenCL device took (with XDG_CACHE_HOME and POCL_CACHE_DIR in an empty folder: the first time).
 */
#include <setjmp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "driver/driver.h"
#include "hw/abi/jpeg_frame.h"
#include "host/format/jpeg.h"
#include "tests/kernel/axis_table.h"

#define SIDE_PX    224
#define OUT_BYTES  (3 * SIDE_PX * SIDE_PX * 4)
#define MAX_ROUNDS 99
#define MAX_JOBS   1024

static struct contestant {
    const char *name, *driver;
    uint32_t vector_level;
    struct dlop_device *device;
    const struct dlop_driver *table;
    double images_per_s[MAX_ROUNDS];
} contestants[] = {
    {.name = "cpu, reference", .driver = "cpu", .vector_level = 0},
    {.name = "cpu, vectors", .driver = "cpu", .vector_level = UINT32_MAX},
    {.name = "ocl", .driver = "ocl", .vector_level = UINT32_MAX},
};
#define N_CONTESTANTS (sizeof contestants / sizeof contestants[0])

/* One launch's content, made once. */
static u8 *input;
static size_t input_bytes;
static float table[3][256];
static struct dlop_job jobs[MAX_JOBS];
static struct dlop_completion completions[MAX_JOBS];
static u8 *expected;
static atomic_int n_done;

static void fail(const char *what, const char *name)
{
    fprintf(stderr, "driver_bench: %s: %s\n", name, what);
    exit(1);
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void report(void *cookie, const struct dlop_device_event *event)
{
    (void)cookie;
    printf("%s: %s\n", event->device, event->text);
}

/* ---- what is run ---- */

static u64 append(const void *bytes, size_t n_bytes)
{
    size_t at = (input_bytes + 15) & ~(size_t)15;

    input = realloc(input, at + n_bytes);
    if (!input)
        fail("out of memory", "input");
    memset(input + input_bytes, 0, at - input_bytes);
    memcpy(input + at, bytes, n_bytes);
    input_bytes = at + n_bytes;
    return at;
}

static u64 append_axis(u32 n_in)
{
    void *axis = axis_resize(&axis_filters[1], n_in, SIDE_PX, 22, 0);
    u64 at = append(axis, axis_bytes(axis));

    free(axis);
    return at;
}

/* Returns whether the kernels take the file. */
static int add_file(const char *path, struct dlop_job *job)
{
    FILE *file = fopen(path, "rb");
    struct dlop_jpeg_frame frame;
    char reason[DLOP_REASON_BYTES];
    u8 *memory;
    long n_bytes;
    size_t all_bytes;

    if (!file || fseek(file, 0, SEEK_END))
        fail("cannot be read", path);
    n_bytes = ftell(file);
    rewind(file);
    all_bytes = sizeof frame + (size_t)n_bytes + DLOP_JPEG_PADDING_BYTES;
    memory = calloc(1, all_bytes);
    if (!memory || fread(memory + sizeof frame, 1, (size_t)n_bytes, file) != (size_t)n_bytes)
        fail("cannot be read", path);
    fclose(file);
    if (dlop_jpeg_parse(memory + sizeof frame, (size_t)n_bytes, sizeof frame, &frame, reason) !=
        DLOP_OK) {
        free(memory);
        return 0;
    }
    memcpy(memory, &frame, sizeof frame);
    *job = (struct dlop_job){.abi_version = DLOP_ABI_VERSION,
                             .kind = DLOP_JOB_JPEG,
                             .src_channels = frame.n_components,
                             .out_channels = 3,
                             .element_bytes = 4,
                             .in_offset = append(memory, all_bytes),
                             .in_bytes = all_bytes,
                             .out_bytes = OUT_BYTES,
                             .src_width_px = frame.width_px,
                             .src_height_px = frame.height_px,
                             .roi_width_px = frame.width_px,
                             .roi_height_px = frame.height_px,
                             .out_width_px = SIDE_PX,
                             .out_height_px = SIDE_PX};
    job->x_axis_offset = append_axis(frame.width_px);
    job->y_axis_offset = append_axis(frame.height_px);
    free(memory);
    return 1;
}

static void add_files(char **paths, int n_paths, u32 n_jobs)
{
    u32 n_files = 0;

    for (int i = 0; i < n_paths && n_files < n_jobs; i++)
        n_files += (u32)add_file(paths[i], &jobs[n_files]);
    if (!n_files)
        fail("no JPEG file for the kernels", "input");
    for (u32 i = 0; i < n_jobs; i++) {
        jobs[i] = jobs[i % n_files];
        jobs[i].record = i;
        jobs[i].out_offset = (u64)i * OUT_BYTES;
    }
    for (u32 i = 0; i < 3 * 256; i++)
        table[i / 256][i % 256] = ((float)(i % 256) / 255.0f - 0.45f) / 0.22f;
}

/* ---- running ---- */

static void done(struct dlop_launch *launch, dlop_status status)
{
    (void)launch;
    atomic_store(&n_done, status == DLOP_OK ? 1 : -1);
}

struct buffers {
    struct dlop_buffer in, constants, out;
};

static void open_contestant(struct contestant *contestant, const char *settings,
                            struct buffers *buffers, u32 n_jobs)
{
    struct dlop_device_cfg cfg = {.vector_level = contestant->vector_level,
                                  .settings = strcmp(contestant->driver, "ocl") ? NULL : settings,
                                  .on_event = report};
    const struct dlop_memory_ops *memory;
    struct dlop_device_info info = {0};
    double begin;

    contestant->table = dlop_driver_get(contestant->driver);
    memory = &contestant->table->memory;
    if (contestant->table->probe(&info) != DLOP_OK || !info.is_present) {
        printf("%-16s %s\n", contestant->name, info.missing);
        return;
    }
    begin = seconds();
    if (contestant->table->open(&cfg, &contestant->device) != DLOP_OK)
        fail("cannot be opened", contestant->name);
    printf("%-16s %s, opened in %.3f s\n", contestant->name, info.description, seconds() - begin);
    if (memory->alloc(contestant->device, input_bytes, &buffers->in) ||
        memory->alloc(contestant->device, sizeof table, &buffers->constants) ||
        memory->alloc(contestant->device, (size_t)n_jobs * OUT_BYTES, &buffers->out))
        fail("out of memory", contestant->name);
    memcpy(buffers->in.host, input, input_bytes);
    memcpy(buffers->constants.host, table, sizeof table);
}

/* Input to the device, launch, output from it: all of it counts. */
static double run(const struct contestant *contestant, struct buffers *buffers, u32 n_jobs)
{
    const struct dlop_memory_ops *memory = &contestant->table->memory;
    struct dlop_launch launch = {.jobs = jobs,
                                 .completions = completions,
                                 .n_jobs = n_jobs,
                                 .in = &buffers->in,
                                 .constants = &buffers->constants,
                                 .out = &buffers->out,
                                 .done = done};
    double begin = seconds();
    int is_well;

    atomic_store(&n_done, 0);
    is_well = !memory->to_device(contestant->device, &buffers->in, 0, input_bytes) &&
              !memory->to_device(contestant->device, &buffers->constants, 0, sizeof table) &&
              !contestant->table->submit(contestant->device, &launch);
    while (is_well && !atomic_load(&n_done))
        usleep(200);
    is_well = is_well && atomic_load(&n_done) == 1 &&
              !memory->from_device(contestant->device, &buffers->out, 0, buffers->out.size_bytes);
    for (u32 i = 0; i < n_jobs; i++)
        is_well = is_well && completions[i].status == DLOP_OK;
    if (!is_well)
        fail("the launch failed", contestant->name);
    return n_jobs / (seconds() - begin);
}

static void compare(const struct contestant *contestant, const struct buffers *buffers)
{
    if (!expected) {
        expected = malloc(buffers->out.size_bytes);
        if (!expected)
            fail("out of memory", contestant->name);
        memcpy(expected, buffers->out.host, buffers->out.size_bytes);
    }
    if (memcmp(expected, buffers->out.host, buffers->out.size_bytes) != 0)
        fail("differs from the reference", contestant->name);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    u32 n_rounds = 5, n_jobs = 64;
    const char *settings = NULL;
    struct buffers buffers[N_CONTESTANTS] = {0};
    int at = 1;

    for (; at + 1 < argc && argv[at][0] == '-'; at += 2) {
        if (!strcmp(argv[at], "--rounds"))
            n_rounds = (u32)atoi(argv[at + 1]);
        else if (!strcmp(argv[at], "--jobs"))
            n_jobs = (u32)atoi(argv[at + 1]);
        else
            settings = argv[at + 1];
    }
    if (n_rounds < 1 || n_rounds > MAX_ROUNDS || n_jobs < 1 || n_jobs > MAX_JOBS)
        fail("1..99 rounds, 1..1024 jobs", "usage");
    add_files(argv + at, argc - at, n_jobs);
    for (size_t c = 0; c < N_CONTESTANTS; c++)
        open_contestant(&contestants[c], settings, &buffers[c], n_jobs);
    for (u32 round = 0; round < n_rounds; round++) {
        for (size_t c = 0; c < N_CONTESTANTS; c++) {
            if (!contestants[c].device)
                continue;
            contestants[c].images_per_s[round] = run(&contestants[c], &buffers[c], n_jobs);
            compare(&contestants[c], &buffers[c]);
        }
    }
    for (size_t c = 0; c < N_CONTESTANTS; c++) {
        double *rate = contestants[c].images_per_s;

        qsort(rate, n_rounds, sizeof *rate, by_value);
        printf("%-16s %8.0f images/s  (%.0f to %.0f in %u rounds of %u)\n", contestants[c].name,
               rate[n_rounds / 2], rate[0], rate[n_rounds - 1], n_rounds, n_jobs);
    }
    return 0;
}
