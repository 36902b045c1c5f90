/* The host CPU behind the driver table: memory is the heap, launches go to the thread pool.
 *
 * Not here: threads (pool.c), what a job does (worker.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "driver/accepts.h"
#include "driver/cpu/cpu.h"
#include "driver/cpu/pool.h"
#include "driver/cpu/steps.h"

#define CPU_BUFFER_ALIGNMENT 64

struct dlop_device {
    struct dlop_cpu_pool *pool;
};

/* A buffer of `alloc` has its own address as driver_data; one of `wrap` has none. */
static dlop_status cpu_alloc(struct dlop_device *device, size_t size_bytes,
                             struct dlop_buffer *buffer_out)
{
    size_t rounded = (size_bytes + CPU_BUFFER_ALIGNMENT - 1) & ~(size_t)(CPU_BUFFER_ALIGNMENT - 1);
    void *memory;

    (void)device;
    if (rounded < size_bytes)
        return DLOP_ERR_NO_MEMORY;
    memory = aligned_alloc(CPU_BUFFER_ALIGNMENT, rounded ? rounded : CPU_BUFFER_ALIGNMENT);
    if (!memory)
        return DLOP_ERR_NO_MEMORY;
    memset(memory, 0, rounded);
    *buffer_out = (struct dlop_buffer){memory, size_bytes, memory};
    return DLOP_OK;
}

static dlop_status cpu_wrap(struct dlop_device *device, void *host, size_t size_bytes,
                            struct dlop_buffer *buffer_out)
{
    (void)device;
    if (!host && size_bytes)
        return DLOP_ERR_ARGUMENT;
    *buffer_out = (struct dlop_buffer){host, size_bytes, NULL};
    return DLOP_OK;
}

static void cpu_free(struct dlop_device *device, struct dlop_buffer *buffer)
{
    (void)device;
    if (!buffer)
        return;
    free(buffer->driver_data);
    *buffer = (struct dlop_buffer){0};
}

/* Host and device see the same bytes. */
static dlop_status cpu_transfer(struct dlop_device *device, struct dlop_buffer *buffer,
                                size_t offset, size_t n_bytes)
{
    (void)device;
    if (offset > buffer->size_bytes || n_bytes > buffer->size_bytes - offset)
        return DLOP_ERR_ARGUMENT;
    return DLOP_OK;
}

/* The processor's name as it gives it itself, or "CPU". */
static void cpu_name(char name[64])
{
    snprintf(name, 64, "CPU");
#if defined(__x86_64__)
    unsigned words[12] = {0};
    char text[sizeof words + 1] = {0};

    if ((unsigned)__get_cpuid_max(0x80000000u, NULL) < 0x80000004u)
        return;
    for (unsigned i = 0; i < 3; i++) {
        unsigned *four = words + (size_t)4 * i;
        __get_cpuid(0x80000002u + i, &four[0], &four[1], &four[2], &four[3]);
    }
    memcpy(text, words, sizeof words);
    for (size_t length = strlen(text); length && text[length - 1] == ' '; length--)
        text[length - 1] = '\0';
    snprintf(name, 64, "%s", text + strspn(text, " "));
#endif
}

static const char *cpu_vector_level(void)
{
    u32 usable = dlop_cpu_steps_usable();

    return usable & DLOP_CPU_AVX512 ? "AVX-512"
           : usable & DLOP_CPU_AVX2 ? "AVX2"
           : usable & DLOP_CPU_NEON ? "NEON"
                                    : "plain C";
}

static dlop_status cpu_probe(struct dlop_device_info *info_out)
{
    char name[64];

    cpu_name(name);
    *info_out = (struct dlop_device_info){
        .name = "cpu", .n_units = dlop_cpu_default_threads(), .n_devices = 1, .is_present = true};
    snprintf(info_out->description, sizeof info_out->description, "%s, %s", name,
             cpu_vector_level());
    return DLOP_OK;
}

static dlop_status cpu_open(const struct dlop_device_cfg *cfg, struct dlop_device **device_out)
{
    struct dlop_device *device = malloc(sizeof *device);
    uint32_t n_threads = cfg->n_threads ? cfg->n_threads : dlop_cpu_default_threads();
    dlop_status status;

    if (!device)
        return DLOP_ERR_NO_MEMORY;
    if (cfg->index > 0) {
        free(device);
        return DLOP_ERR_NO_DEVICE;
    }
    status = dlop_cpu_pool_open(n_threads, cfg->vector_level, &device->pool);
    if (status != DLOP_OK) {
        free(device);
        return status;
    }
    *device_out = device;
    return DLOP_OK;
}

static void cpu_close(struct dlop_device **device)
{
    if (!device || !*device)
        return;
    dlop_cpu_pool_close(&(*device)->pool);
    free(*device);
    *device = NULL;
}

static dlop_status cpu_submit(struct dlop_device *device, struct dlop_launch *launch)
{
    return dlop_cpu_pool_submit(device->pool, launch);
}

static uint32_t cpu_n_units(const struct dlop_device *device)
{
    return dlop_cpu_pool_n_threads(device->pool);
}

static dlop_status cpu_accepts(struct dlop_device *device, const struct dlop_job *job,
                               char *reason_out, size_t size)
{
    const char *reason = NULL;
    dlop_status status = dlop_accepts_check(job, &reason);

    (void)device;
    return dlop_accepts_answer(status, reason, reason_out, size);
}

const struct dlop_driver dlop_cpu_driver = {
    .name = "cpu",
    .memory = {.alloc = cpu_alloc,
               .wrap = cpu_wrap,
               .free = cpu_free,
               .to_device = cpu_transfer,
               .from_device = cpu_transfer},
    .probe = cpu_probe,
    .open = cpu_open,
    .close = cpu_close,
    .accepts = cpu_accepts,
    .submit = cpu_submit,
    .n_units = cpu_n_units,
};
