/* The loaded program. */
#include "sim/swemu/program.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sim/swemu/log.h"

#define MAX_METADATA_BYTES (1u << 20)
#define ENTRY_SUFFIX       "__swemu"
#define REGISTER_BYTES     4u

_Thread_local const char *dlop_swemu_running_unit;

/* ---- a unit at work ---- */

static void run_kernel(struct dlop_swemu_unit *unit)
{
    void *argv[DLOP_METADATA_MAX_ARGUMENTS];

    for (uint32_t i = 0; i < unit->kernel->n_arguments; i++)
        argv[i] = &unit->values[i];
    dlop_swemu_running_unit = unit->about->name;
    unit->entry(argv);
    dlop_swemu_running_unit = NULL;
}

static void *unit_main(void *cookie)
{
    struct dlop_swemu_unit *unit = cookie;

    pthread_mutex_lock(&unit->lock);
    for (;;) {
        while (!unit->is_busy && !unit->is_stopping)
            pthread_cond_wait(&unit->changed, &unit->lock);
        if (!unit->is_busy)
            break;
        pthread_mutex_unlock(&unit->lock);
        run_kernel(unit);
        pthread_mutex_lock(&unit->lock);
        unit->is_busy = false;
        unit->is_done = true;
        pthread_cond_broadcast(&unit->changed);
    }
    pthread_mutex_unlock(&unit->lock);
    return NULL;
}

static bool start_unit(struct dlop_swemu_unit *unit)
{
    pthread_condattr_t monotonic;

    pthread_mutex_init(&unit->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&unit->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    const int error = pthread_create(&unit->thread, NULL, unit_main, unit);
    if (error == 0)
        return true;
    dlop_swemu_log("no thread for %s: %s", unit->about->name, strerror(error));
    pthread_cond_destroy(&unit->changed);
    pthread_mutex_destroy(&unit->lock);
    return false;
}

static void stop_unit(struct dlop_swemu_unit *unit)
{
    pthread_mutex_lock(&unit->lock);
    unit->is_stopping = true;
    pthread_cond_broadcast(&unit->changed);
    pthread_mutex_unlock(&unit->lock);
    pthread_join(unit->thread, NULL);
    pthread_cond_destroy(&unit->changed);
    pthread_mutex_destroy(&unit->lock);
}

/* ---- load and unload ---- */

/* The text of a file, ended by zero, in new memory; null, and logged. */
static char *read_text(const char *path, size_t *n_bytes_out)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat about;
    char *text = NULL;
    size_t n = 0;

    if (file >= 0 && fstat(file, &about) == 0 && S_ISREG(about.st_mode) &&
        about.st_size <= MAX_METADATA_BYTES)
        text = malloc((size_t)about.st_size + 1);
    while (text != NULL && n < (size_t)about.st_size) {
        const ssize_t got = read(file, text + n, (size_t)about.st_size - n);
        if (got <= 0 && errno != EINTR)
            break;
        n += got > 0 ? (size_t)got : 0;
    }
    if (file >= 0)
        close(file);
    if (text == NULL)
        dlop_swemu_log("cannot read %s", path);
    else
        text[n] = 0;
    *n_bytes_out = n;
    return text;
}

static bool read_metadata(struct dlop_swemu_program *program, const char *path)
{
    char reason[128] = "";
    size_t n_bytes;
    char *text = read_text(path, &n_bytes);

    if (text == NULL)
        return false;
    const int32_t status =
        dlop_metadata_read(text, n_bytes, &program->metadata, reason, sizeof(reason));
    if (status != 0)
        dlop_swemu_log("%s: %s", path, reason);
    free(text);
    return status == 0;
}

static bool find_entries(struct dlop_swemu_program *program, dlop_swemu_entry *entries_out)
{
    for (uint32_t i = 0; i < program->metadata.n_kernels; i++) {
        char name[DLOP_METADATA_NAME_BYTES + sizeof(ENTRY_SUFFIX)];

        snprintf(name, sizeof(name), "%s%s", program->metadata.kernels[i].name, ENTRY_SUFFIX);
        *(void **)&entries_out[i] = dlsym(program->library, name);
        if (entries_out[i] == NULL) {
            dlop_swemu_log("the program has no %s", name);
            return false;
        }
    }
    return true;
}

bool dlop_swemu_program_start(struct dlop_swemu_program *program, const dlop_swemu_entry *entries)
{
    const struct dlop_metadata *metadata = &program->metadata;

    program->units = calloc(metadata->n_units, sizeof(program->units[0]));
    if (program->units == NULL)
        return false;
    for (uint32_t i = 0; i < metadata->n_units; i++) {
        struct dlop_swemu_unit *unit = &program->units[i];
        unit->about = &metadata->units[i];
        unit->kernel = &metadata->kernels[unit->about->kernel];
        unit->entry = entries[unit->about->kernel];
        if (!start_unit(unit))
            return false;
        program->n_units++;
    }
    return true;
}

bool dlop_swemu_program_load(struct dlop_swemu_program *program, const char *metadata_path,
                             const char *library_path)
{
    dlop_swemu_entry entries[DLOP_METADATA_MAX_KERNELS];

    if (!read_metadata(program, metadata_path))
        return false;
    program->library = dlopen(library_path, RTLD_NOW | RTLD_LOCAL);
    if (program->library == NULL)
        dlop_swemu_log("%s", dlerror());
    else if (find_entries(program, entries) && dlop_swemu_program_start(program, entries))
        return true;
    dlop_swemu_program_unload(program);
    return false;
}

void dlop_swemu_program_unload(struct dlop_swemu_program *program)
{
    for (uint32_t i = 0; i < program->n_units; i++)
        stop_unit(&program->units[i]);
    free(program->units);
    if (program->library != NULL)
        dlclose(program->library);
    program->library = NULL;
    program->units = NULL;
    program->n_units = 0;
}

/* ---- registers ---- */

/* The unit with these registers and where in them the address is; null, and logged. */
static struct dlop_swemu_unit *find_unit(struct dlop_swemu_program *program, uint64_t address,
                                         size_t n_bytes, size_t *offset_out)
{
    for (uint32_t i = 0; i < program->n_units; i++) {
        const uint64_t base = program->units[i].about->base;
        if (address >= base && address - base < DLOP_METADATA_REGISTER_BYTES) {
            *offset_out = (size_t)(address - base);
            if (n_bytes % REGISTER_BYTES == 0 && *offset_out % REGISTER_BYTES == 0 &&
                n_bytes <= DLOP_METADATA_REGISTER_BYTES - *offset_out)
                return &program->units[i];
        }
    }
    dlop_swemu_log("%zu bytes at 0x%" PRIx64 " are no registers", n_bytes, address);
    return NULL;
}

static enum dlop_swemu_access start(struct dlop_swemu_unit *unit,
                                    const struct dlop_swemu_memory *memory)
{
    enum dlop_swemu_access access = DLOP_SWEMU_ACCESS_OK;

    pthread_mutex_lock(&unit->lock);
    for (uint32_t i = 0; !unit->is_busy && i < unit->kernel->n_arguments; i++) {
        const struct dlop_metadata_argument *argument = &unit->kernel->arguments[i];
        uint64_t value = 0;

        memcpy(&value, unit->registers + argument->register_offset, argument->size_bytes);
        if (argument->qualifier == DLOP_METADATA_BUFFER) {
            const uint8_t *bytes = dlop_swemu_memory_at(memory, value, 1);
            if (bytes == NULL) {
                dlop_swemu_log("%s: argument %s: no buffer at device address 0x%" PRIx64,
                               unit->about->name, argument->name, value);
                access = DLOP_SWEMU_ACCESS_FATAL;
            }
            value = (uint64_t)(uintptr_t)bytes;
        }
        unit->values[i] = value;
    }
    /* A start of a busy unit is lost, as on a card. */
    if (access == DLOP_SWEMU_ACCESS_OK && !unit->is_busy) {
        unit->is_busy = true;
        unit->is_done = false;
        pthread_cond_broadcast(&unit->changed);
    }
    pthread_mutex_unlock(&unit->lock);
    return access;
}

enum dlop_swemu_access dlop_swemu_program_write(struct dlop_swemu_program *program,
                                                const struct dlop_swemu_memory *memory,
                                                uint64_t address, const uint8_t *bytes,
                                                size_t n_bytes)
{
    size_t offset;
    struct dlop_swemu_unit *unit = find_unit(program, address, n_bytes, &offset);

    if (unit == NULL)
        return DLOP_SWEMU_ACCESS_REFUSED;
    if (n_bytes == 0)
        return DLOP_SWEMU_ACCESS_OK;
    const bool has_control = offset == 0;
    if (has_control)
        memcpy(unit->registers + REGISTER_BYTES, bytes + REGISTER_BYTES, n_bytes - REGISTER_BYTES);
    else
        memcpy(unit->registers + offset, bytes, n_bytes);
    if (has_control && (bytes[0] & DLOP_SWEMU_START) != 0)
        return start(unit, memory);
    return DLOP_SWEMU_ACCESS_OK;
}

/* Control register of a unit; reading it clears the done bit. */
static uint32_t read_control(struct dlop_swemu_unit *unit, uint32_t wait_us)
{
    uint32_t control = DLOP_SWEMU_START;
    struct timespec end;
    int error = 0;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += (long)wait_us * 1000;
    end.tv_sec += end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    pthread_mutex_lock(&unit->lock);
    while (wait_us > 0 && unit->is_busy && error == 0)
        error = pthread_cond_timedwait(&unit->changed, &unit->lock, &end);
    if (!unit->is_busy) {
        control = (unit->is_done ? DLOP_SWEMU_DONE : 0) | DLOP_SWEMU_IDLE;
        unit->is_done = false;
    }
    pthread_mutex_unlock(&unit->lock);
    return control;
}

enum dlop_swemu_access dlop_swemu_program_read(struct dlop_swemu_program *program, uint32_t wait_us,
                                               uint64_t address, uint8_t *bytes_out, size_t n_bytes)
{
    size_t offset;
    struct dlop_swemu_unit *unit = find_unit(program, address, n_bytes, &offset);

    if (unit == NULL)
        return DLOP_SWEMU_ACCESS_REFUSED;
    memcpy(bytes_out, unit->registers + offset, n_bytes);
    if (offset == 0 && n_bytes > 0) {
        const uint32_t control = read_control(unit, wait_us);
        memcpy(bytes_out, &control, sizeof(control));
    }
    return DLOP_SWEMU_ACCESS_OK;
}
