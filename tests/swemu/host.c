/* A program that uses a card through XRT: random jobs over photographs, on every device, checked
 * against the plain reference to the bit.
 *
 *   host [--devices N] [--rounds N] [--forget-sync] [--peer] [--endless]
 *
 * --forget-sync leaves out the copy of the input to the card. --peer lets the second card read its
 * input in the memory of the first. --endless says "ready" and goes on
 * until somebody ends it. It runs under sim/swemu/run, which names the card image in DLOP_XCLBIN.
 */
#include <argp.h>
#include <stdbool.h>
#include <unistd.h>

#include <xrt/xrt_bo.h>
#include <xrt/xrt_device.h>
#include <xrt/xrt_kernel.h>

#include "hw/top/scratch.h"
#include "hw/top/top.h"
#include "tests/driver/kit.h"

#define MAX_DEVICES 4
#define N_PHOTOS    8
#define N_JOBS      18

enum buffer { IN, CONSTANTS, OUT, SCRATCH, JOBS, COMPLETIONS, N_BUFFERS };

static struct {
    u32 n_devices;
    u32 n_rounds;
    bool forgets_sync;
    bool is_peer;
    bool is_endless;
} options = {.n_devices = 1, .n_rounds = 1};

/* One kernel with one unit, and the buffers that it reaches. */
struct unit {
    xrtKernelHandle kernel;
    xrtBufferHandle buffers[N_BUFFERS];
    u8 *host[N_BUFFERS];
    size_t n_bytes[N_BUFFERS];
};

struct card {
    xrtDeviceHandle device;
    struct unit image;
    struct unit tensor;
};

/* ---- a kit without a driver: plain memory ---- */

static dlop_status plain_alloc(struct dlop_device *device, size_t size_bytes,
                               struct dlop_buffer *buffer_out)
{
    (void)device;
    *buffer_out = (struct dlop_buffer){.host = calloc(1, size_bytes), .size_bytes = size_bytes};
    return buffer_out->host == NULL ? DLOP_ERR_NO_MEMORY : DLOP_OK;
}

static void plain_free(struct dlop_device *device, struct dlop_buffer *buffer)
{
    (void)device;
    free(buffer->host);
    buffer->host = NULL;
}

static const struct dlop_driver plain = {.name = "plain",
                                         .memory = {.alloc = plain_alloc, .free = plain_free}};

/* ---- XRT ---- */

static void die(const char *what)
{
    fprintf(stderr, "host: %s\n", what);
    exit(1);
}

/* In two parts: offsets take another way through XRT. */
static void sync_buffer(struct unit *unit, enum buffer b, enum xclBOSyncDirection direction)
{
    const size_t first_bytes = unit->n_bytes[b] / 3;

    if (xrtBOSync(unit->buffers[b], direction, unit->n_bytes[b] - first_bytes, first_bytes) != 0 ||
        xrtBOSync(unit->buffers[b], direction, first_bytes, 0) != 0)
        die("xrtBOSync");
}

static void alloc_buffer(xrtDeviceHandle device, struct unit *unit, enum buffer b, size_t n_bytes)
{
    unit->n_bytes[b] = n_bytes;
    unit->buffers[b] =
        xrtBOAlloc(device, n_bytes, 0, (xrtMemoryGroup)xrtKernelArgGroupId(unit->kernel, (int)b));
    unit->host[b] = unit->buffers[b] == NULL ? NULL : xrtBOMap(unit->buffers[b]);
    if (unit->host[b] == NULL)
        die("xrtBOAlloc");
}

static void open_unit(xrtDeviceHandle device, const struct kit *kit, const char *name,
                      struct unit *unit)
{
    xuid_t uuid;

    if (xrtDeviceGetXclbinUUID(device, uuid) != 0)
        die("xrtDeviceGetXclbinUUID");
    unit->kernel = xrtPLKernelOpen(device, uuid, name);
    if (unit->kernel == NULL)
        die("xrtPLKernelOpen");
    alloc_buffer(device, unit, IN, kit->in.size_bytes);
    alloc_buffer(device, unit, CONSTANTS, kit->constants.size_bytes);
    alloc_buffer(device, unit, OUT, kit->out.size_bytes);
    alloc_buffer(device, unit, JOBS, KIT_MAX_JOBS * DLOP_TOP_JOB_BYTES);
    alloc_buffer(device, unit, COMPLETIONS, KIT_MAX_JOBS * DLOP_TOP_COMPLETION_BYTES);
}

static void close_unit(struct unit *unit)
{
    for (u32 b = 0; b < N_BUFFERS; b++) {
        if (unit->buffers[b] != NULL)
            xrtBOFree(unit->buffers[b]);
    }
    xrtKernelClose(unit->kernel);
}

static void open_card(struct card *card, u32 index)
{
    const char *image = getenv("DLOP_XCLBIN");

    card->device = xrtDeviceOpen(index);
    if (card->device == NULL || image == NULL || xrtDeviceLoadXclbinFile(card->device, image) != 0)
        die("the card image cannot be loaded");
}

static void open_units(struct card *card, const struct kit *kit)
{
    open_unit(card->device, kit, "dlop_image:{dlop_image_2}", &card->image);
    open_unit(card->device, kit, "dlop_tensor:{dlop_tensor_1}", &card->tensor);
}

/* One buffer for the input of both: in the first card's memory, and the second card reads it there.
 */
static void share_input(struct unit *first, xrtDeviceHandle device, struct unit *second,
                        xrtDeviceHandle second_device)
{
    const xrtMemoryGroup group = (xrtMemoryGroup)xrtKernelArgGroupId(first->kernel, IN);

    xrtBOFree(first->buffers[IN]);
    xrtBOFree(second->buffers[IN]);
    first->buffers[IN] = xrtBOAlloc(device, first->n_bytes[IN], XRT_BO_FLAGS_P2P, group);
    first->host[IN] = first->buffers[IN] == NULL ? NULL : xrtBOMap(first->buffers[IN]);
    if (first->host[IN] == NULL)
        die("no buffer for peers");
    second->buffers[IN] = xrtBOImport(second_device, xrtBOExport(first->buffers[IN]));
    if (second->buffers[IN] == NULL)
        die("xrtBOImport");
    second->host[IN] = first->host[IN];
}

/* Run the jobs that the kernel takes, and merge their outputs and completions into the kit. */
static void run_unit(struct card *card, struct unit *unit, struct kit *kit, bool wants_tensors)
{
    static struct dlop_image_work work;
    struct dlop_job jobs[KIT_MAX_JOBS];
    u32 places[KIT_MAX_JOBS], n = 0;
    const struct dlop_job_bounds bounds = {kit->in.size_bytes, kit->constants.size_bytes,
                                           kit->out.size_bytes};

    for (u32 i = 0; i < kit->launch.n_jobs; i++) {
        if ((kit->jobs[i].kind == DLOP_JOB_TENSOR) == wants_tensors) {
            places[n] = i;
            jobs[n++] = kit->jobs[i];
        }
    }
    const u64 scratch_bytes = dlop_top_scratch_bytes(jobs, n, kit->in.host, &bounds, &work);
    if (unit->buffers[SCRATCH] != NULL)
        xrtBOFree(unit->buffers[SCRATCH]);
    alloc_buffer(card->device, unit, SCRATCH, scratch_bytes > 0 ? scratch_bytes : 64);
    memcpy(unit->host[IN], kit->in.host, kit->in.size_bytes);
    memcpy(unit->host[CONSTANTS], kit->constants.host, kit->constants.size_bytes);
    memcpy(unit->host[OUT], kit->out.host, kit->out.size_bytes);
    memcpy(unit->host[JOBS], jobs, n * sizeof(jobs[0]));
    /* The host writes to memory that peers read. */
    if (!options.forgets_sync && !options.is_peer)
        sync_buffer(unit, IN, XCL_BO_SYNC_BO_TO_DEVICE);
    sync_buffer(unit, CONSTANTS, XCL_BO_SYNC_BO_TO_DEVICE);
    sync_buffer(unit, OUT, XCL_BO_SYNC_BO_TO_DEVICE);
    sync_buffer(unit, JOBS, XCL_BO_SYNC_BO_TO_DEVICE);
    xrtRunHandle run = xrtKernelRun(
        unit->kernel, unit->buffers[IN], unit->buffers[CONSTANTS], unit->buffers[OUT],
        unit->buffers[SCRATCH], unit->buffers[JOBS], unit->buffers[COMPLETIONS], bounds.in_bytes,
        bounds.constants_bytes, bounds.out_bytes, (u64)unit->n_bytes[SCRATCH], n);
    if (run == NULL || xrtRunWait(run) != ERT_CMD_STATE_COMPLETED)
        die("the run did not complete");
    xrtRunClose(run);
    sync_buffer(unit, OUT, XCL_BO_SYNC_BO_FROM_DEVICE);
    sync_buffer(unit, COMPLETIONS, XCL_BO_SYNC_BO_FROM_DEVICE);
    memcpy(kit->out.host, unit->host[OUT], kit->out.size_bytes);
    for (u32 i = 0; i < n; i++)
        memcpy(&kit->completions[places[i]],
               unit->host[COMPLETIONS] + i * DLOP_TOP_COMPLETION_BYTES, DLOP_TOP_COMPLETION_BYTES);
}

/* ---- rounds ---- */

static void fill(struct kit *kit, struct random_state *random, const struct photo *photos,
                 u32 n_photos)
{
    kit->launch.n_jobs = 0;
    kit->in_used = 0;
    kit->out_used = KIT_GAP_BYTES;
    for (u32 i = 0; i < N_JOBS; i++)
        kit_add(kit, random, &photos[random_u32(random) % n_photos], i % DLOP_JOB_KIND_COUNT);
    kit_expect(kit);
    memset(kit->out.host, KIT_CANARY, kit->out.size_bytes);
    atomic_store(&kit->status, DLOP_OK);
}

static void run_rounds(const struct photo *photos, u32 n_photos)
{
    struct card cards[MAX_DEVICES] = {{.device = NULL}};
    struct kit kit;

    kit_open(&kit, &plain, NULL);
    /* Loading an image unmaps the buffers of all devices of the process: all images first. */
    for (u32 i = 0; i < options.n_devices; i++)
        open_card(&cards[i], i);
    for (u32 i = 0; i < options.n_devices; i++)
        open_units(&cards[i], &kit);
    if (options.is_peer)
        share_input(&cards[0].image, cards[0].device, &cards[1].image, cards[1].device);
    for (u32 round = 0; round < options.n_rounds || options.is_endless; round++) {
        for (u32 i = 0; i < options.n_devices; i++) {
            struct random_state random = random_start(random_seed() + round * MAX_DEVICES + i);
            fill(&kit, &random, photos, n_photos);
            run_unit(&cards[i], &cards[i].image, &kit, false);
            run_unit(&cards[i], &cards[i].tensor, &kit, true);
            kit_check(&kit, &random);
        }
        if (options.is_endless && round == 0) {
            puts("ready");
            fflush(stdout);
        }
    }
    /* What was imported before what it was imported from. */
    for (u32 i = options.n_devices; i-- > 0;) {
        close_unit(&cards[i].image);
        close_unit(&cards[i].tensor);
        xrtDeviceClose(cards[i].device);
    }
    kit_close(&kit);
}

/* XRT crashes in its destructors where a handle is still open: a failed check ends before them. */
static bool is_done;

static void leave_early(void)
{
    fflush(NULL);
    if (!is_done)
        _exit(1);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    switch (key) {
    case 'd':
        options.n_devices = (u32)atoi(text);
        if (options.n_devices < 1 || options.n_devices > MAX_DEVICES)
            argp_usage(state);
        return 0;
    case 'r':
        options.n_rounds = (u32)atoi(text);
        return 0;
    case 'f':
        options.forgets_sync = true;
        return 0;
    case 'p':
        options.is_peer = true;
        options.n_devices = 2;
        return 0;
    case 'e':
        options.is_endless = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv)
{
    static const struct argp_option known[] = {
        {"devices", 'd', "N", 0, "", 0},   {"rounds", 'r', "N", 0, "", 0},
        {"forget-sync", 'f', 0, 0, "", 0}, {"peer", 'p', 0, 0, "", 0},
        {"endless", 'e', 0, 0, "", 0},     {0}};
    static const struct argp argp = {known, parse, NULL, NULL, NULL, NULL, NULL};
    struct photo photos[N_PHOTOS];

    if (argp_parse(&argp, argc, argv, 0, NULL, NULL) != 0)
        return 2;
    const u32 n_photos = kit_load_photos(photos, N_PHOTOS);
    if (n_photos == 0)
        die("no photographs; make photos cuts them");
    atexit(leave_early);
    run_rounds(photos, n_photos);
    is_done = true;
    kit_free_photos(photos, n_photos);
    printf("%u devices, %u rounds, all equal\n", options.n_devices, options.n_rounds);
    return 0;
}
