/* A library with XRT's C entry points over memory and threads of this process, for what XRT's
 * emulation cannot show: banks that differ, memory that is not offered, runs that fail or never
 * end, an XRT that aborts.
 *
 * It is as strict as a card: device memory is apart from the host's and full of 0xa5, only what is
 * synced is there, and a buffer of another group than its argument's is an error. FAKE_XRT holds
 * "key=number,...": see faults. "Nth" counts from 1, over the process.
 */
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ert.h>
#include <xrt/xrt_bo.h>
#include <xrt/xrt_device.h>
#include <xrt/xrt_kernel.h>

#include "hw/top/top.h"

#define EXPORT __attribute__((visibility("default")))

/* Values of FAKE_XRT. */
static struct {
    const char *key;
    long value;
} faults[] = {
    {"open", 0},         /* 1: the device does not open */
    {"load", 0},         /* 1: the image is refused */
    {"kernel", 0},       /* Nth kernel handle is null */
    {"split", 0},        /* 1: each unit and argument has a group of its own */
    {"no_user", 0},      /* 1: no buffers over foreign memory */
    {"no_flags", 0},     /* 1: no host-only and no peer memory */
    {"alloc", 0},        /* Nth buffer object and all later ones are refused */
    {"sync", 0},         /* Nth copy fails */
    {"start", 0},        /* Nth run does not start */
    {"error", 0},        /* Nth run ends in an error */
    {"hang", 0},         /* Nth run never ends */
    {"wrong_record", 0}, /* Nth run: completion of another record */
    {"wrong_status", 0}, /* Nth run: a status that is none */
    {"wrong_bytes", 0},  /* Nth run: more bytes than the output has */
    {"unwritten", 0},    /* Nth run: writes nothing */
    {"abort", 0},        /* Nth run: the process aborts */
    {"exit", 0},         /* Nth run: the process exits as if all were well */
    {"child", 0},        /* Nth run never ends, and the device process exits */
    {"slow_ms", 0},      /* each run takes that much longer */
    {"close_hangs", 0},  /* 1: closing the device never ends */
};
#define N_FAULTS (sizeof faults / sizeof faults[0])

static pid_t child;

static __attribute__((constructor)) void read_faults(void)
{
    const char *text = getenv("FAKE_XRT");

    while (text && *text) {
        size_t length = strcspn(text, "=");

        for (size_t i = 0; i < N_FAULTS; i++)
            if (!strncmp(faults[i].key, text, length) && !faults[i].key[length])
                faults[i].value = strtol(text + length + 1, NULL, 10);
        text += strcspn(text, ",");
        text += *text == ',';
    }
}

static long fault(const char *key)
{
    for (size_t i = 0; i < N_FAULTS; i++)
        if (!strcmp(faults[i].key, key))
            return faults[i].value;
    abort();
}

struct object {
    u8 *host, *device;
    size_t n_bytes;
    unsigned flags, group;
    int is_foreign;
};

struct kernel {
    int unit;
    int is_tensor;
};

struct run {
    const struct kernel *kernel;
    u64 value[16]; /* of each argument: an object or a number */
    _Atomic int state;
    int is_bad; /* an argument that cannot be */
    long number;
    pthread_t thread;
    int has_thread;
};

static int device_place;
static atomic_long n_kernels, n_objects, n_syncs, n_runs;
static atomic_long n_alive; /* kernels, objects and runs that are not closed */

/* ---- device ---- */

EXPORT xrtDeviceHandle xrtDeviceOpen(unsigned int index)
{
    (void)index;
    return fault("open") ? NULL : &device_place;
}

EXPORT int xrtDeviceLoadXclbinFile(xrtDeviceHandle device, const char *path)
{
    (void)device, (void)path;
    if (fault("child")) {
        child = fork();
        if (!child) {
            signal(SIGUSR1, _exit); /* as if it had come to its end */
            for (;;)
                pause();
        }
    }
    return fault("load") ? -1 : 0;
}

EXPORT int xrtDeviceGetXclbinUUID(xrtDeviceHandle device, xuid_t uuid)
{
    (void)device;
    memset(uuid, 1, sizeof(xuid_t));
    return 0;
}

/* The real one crashes where something is left: here it never ends. */
EXPORT int xrtDeviceClose(xrtDeviceHandle device)
{
    (void)device;
    while (fault("close_hangs") || n_alive)
        pause();
    return 0;
}

/* ---- kernels ---- */

EXPORT xrtKernelHandle xrtPLKernelOpen(xrtDeviceHandle device, const xuid_t uuid, const char *name)
{
    long number = atomic_fetch_add(&n_kernels, 1) + 1;
    struct kernel *kernel;

    (void)device, (void)uuid;
    if (number == fault("kernel") || !strchr(name, '{'))
        return NULL;
    kernel = calloc(1, sizeof *kernel);
    n_alive++;
    kernel->unit = (int)number - 1;
    kernel->is_tensor = !strncmp(name, "dlop_tensor", 11);
    return kernel;
}

EXPORT int xrtKernelClose(xrtKernelHandle kernel)
{
    n_alive--;
    free(kernel);
    return 0;
}

EXPORT int xrtKernelArgGroupId(xrtKernelHandle handle, int argument)
{
    const struct kernel *kernel = handle;

    return fault("split") ? 6 * kernel->unit + argument : 3;
}

/* ---- buffer objects ---- */

static struct object *make_object(void *host, size_t n_bytes, unsigned flags, unsigned group)
{
    long number = atomic_fetch_add(&n_objects, 1) + 1;
    struct object *object;

    if ((fault("alloc") && number >= fault("alloc")) || n_bytes > (size_t)1 << 32 || !n_bytes)
        return NULL;
    if (fault("no_flags") && (flags & (XRT_BO_FLAGS_HOST_ONLY | XRT_BO_FLAGS_P2P)))
        return NULL;
    object = calloc(1, sizeof *object);
    n_alive++;
    *object = (struct object){
        .host = host, .n_bytes = n_bytes, .flags = flags, .group = group, .is_foreign = !!host};
    object->device = malloc(n_bytes);
    memset(object->device, 0xa5, n_bytes);
    /* The host's mapping of peer memory is the device's memory. */
    if (!host)
        object->host = flags & XRT_BO_FLAGS_P2P ? object->device : calloc(1, n_bytes);
    return object;
}

EXPORT xrtBufferHandle xrtBOAlloc(xrtDeviceHandle device, size_t n_bytes, xrtBufferFlags flags,
                                  xrtMemoryGroup group)
{
    (void)device;
    return make_object(NULL, n_bytes, (unsigned)flags, group);
}

EXPORT xrtBufferHandle xrtBOAllocUserPtr(xrtDeviceHandle device, void *host, size_t n_bytes,
                                         xrtBufferFlags flags, xrtMemoryGroup group)
{
    (void)device;
    if (fault("no_user") || (uintptr_t)host % 4096)
        return NULL;
    return make_object(host, n_bytes, (unsigned)flags, group);
}

EXPORT int xrtBOFree(xrtBufferHandle handle)
{
    struct object *object = handle;

    if (!object->is_foreign && object->host != object->device)
        free(object->host);
    n_alive--;
    free(object->device);
    free(object);
    return 0;
}

EXPORT void *xrtBOMap(xrtBufferHandle handle)
{
    return ((struct object *)handle)->host;
}

EXPORT int xrtBOSync(xrtBufferHandle handle, enum xclBOSyncDirection direction, size_t n_bytes,
                     size_t offset)
{
    struct object *object = handle;

    if (atomic_fetch_add(&n_syncs, 1) + 1 == fault("sync") || offset > object->n_bytes ||
        n_bytes > object->n_bytes - offset || (object->flags & XRT_BO_FLAGS_DEV_ONLY))
        return -1;
    if (direction == XCL_BO_SYNC_BO_TO_DEVICE)
        memcpy(object->device + offset, object->host + offset, n_bytes);
    else
        memcpy(object->host + offset, object->device + offset, n_bytes);
    return 0;
}

/* ---- runs ---- */

EXPORT xrtRunHandle xrtRunOpen(xrtKernelHandle kernel)
{
    struct run *run = calloc(1, sizeof *run);

    n_alive++;
    run->kernel = kernel;
    run->state = ERT_CMD_STATE_NEW;
    return run;
}

EXPORT int xrtRunSetArg(xrtRunHandle handle, int index, ...)
{
    struct run *run = handle;
    va_list arguments;

    va_start(arguments, index);
    if (index < 6) {
        const struct object *object = va_arg(arguments, void *);

        run->value[index] = (u64)(uintptr_t)object;
        run->is_bad |= !object || (int)object->group !=
                                      xrtKernelArgGroupId((void *)(uintptr_t)run->kernel, index);
    } else if (index < 10) {
        run->value[index] = va_arg(arguments, u64);
    } else {
        run->value[index] = va_arg(arguments, u32);
    }
    va_end(arguments);
    return 0;
}

static u8 *device_memory(const struct run *run, int index)
{
    return ((struct object *)(uintptr_t)run->value[index])->device;
}

static void spoil(const struct run *run, const char *key, size_t offset, u32 value)
{
    if (run->number == fault(key))
        memcpy(device_memory(run, 5) + offset, &value, sizeof value);
}

static void compute(const struct run *run)
{
    (run->kernel->is_tensor ? dlop_tensor : dlop_image)(
        device_memory(run, 0), device_memory(run, 1), device_memory(run, 2), device_memory(run, 3),
        device_memory(run, 4), device_memory(run, 5), run->value[6], run->value[7], run->value[8],
        run->value[9], (u32)run->value[10]);
    spoil(run, "wrong_record", 0, 0xdeadbeef);
    spoil(run, "wrong_status", 4, (u32)-29);
    spoil(run, "wrong_bytes", 8, 0x7fffffff);
}

static void *run_main(void *argument)
{
    struct run *run = argument;

    if (fault("slow_ms"))
        usleep((useconds_t)fault("slow_ms") * 1000);
    if (run->number == fault("abort"))
        abort();
    if (run->number == fault("exit"))
        _exit(0);
    if (run->number == fault("child"))
        kill(child, SIGUSR1);
    if (run->number == fault("hang") || run->number == fault("child"))
        return NULL;
    if (run->is_bad || run->number == fault("error")) {
        run->state = ERT_CMD_STATE_ERROR;
        return NULL;
    }
    if (run->number != fault("unwritten"))
        compute(run);
    run->state = ERT_CMD_STATE_COMPLETED;
    return NULL;
}

EXPORT int xrtRunStart(xrtRunHandle handle)
{
    struct run *run = handle;

    run->number = atomic_fetch_add(&n_runs, 1) + 1;
    if (run->number == fault("start"))
        return -1;
    run->state = ERT_CMD_STATE_RUNNING;
    run->has_thread = !pthread_create(&run->thread, NULL, run_main, run);
    return run->has_thread ? 0 : -1;
}

EXPORT enum ert_cmd_state xrtRunState(xrtRunHandle handle)
{
    return (enum ert_cmd_state)((struct run *)handle)->state;
}

EXPORT enum ert_cmd_state xrtRunWait(xrtRunHandle handle)
{
    struct run *run = handle;

    if (run->has_thread)
        pthread_join(run->thread, NULL);
    run->has_thread = 0;
    while (run->state == ERT_CMD_STATE_RUNNING)
        pause();
    return (enum ert_cmd_state)run->state;
}

EXPORT int xrtRunClose(xrtRunHandle handle)
{
    n_alive--;
    free(handle);
    return 0;
}
