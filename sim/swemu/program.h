/* The loaded program: kernels from a shared object, and compute units with their registers.
 *
 * Each unit has a thread of its own, so that units overlap as on a card. Arguments are taken from
 * the registers, and their buffers looked up, when the host writes the start bit: what it writes
 * while the unit runs is for the next run.
 */
#ifndef DLOP_SIM_SWEMU_PROGRAM_H
#define DLOP_SIM_SWEMU_PROGRAM_H

#include <pthread.h>

#include "driver/xrt/metadata.h"
#include "sim/swemu/memory.h"

/* Control register of a unit. */
#define DLOP_SWEMU_START 0x01u
#define DLOP_SWEMU_DONE  0x02u
#define DLOP_SWEMU_IDLE  0x04u

typedef void (*dlop_swemu_entry)(void *const argv[]);

struct dlop_swemu_unit {
    const struct dlop_metadata_unit *about;
    const struct dlop_metadata_kernel *kernel;
    dlop_swemu_entry entry;
    uint8_t registers[DLOP_METADATA_REGISTER_BYTES]; /* main thread only */
    uint64_t values[DLOP_METADATA_MAX_ARGUMENTS];    /* of this run */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_busy; /* these three under the lock */
    bool is_done; /* and the host has not seen it */
    bool is_stopping;
};

struct dlop_swemu_program {
    void *library;
    struct dlop_metadata metadata;
    struct dlop_swemu_unit *units; /* [n_units], or null */
    uint32_t n_units;
};

/* All functions: one thread, the one that owns the memory. */

/* Load the kernels of a shared object, by the metadata of an XML file, and start the units. False,
 * and logged, where that does not work; nothing is loaded then. */
bool dlop_swemu_program_load(struct dlop_swemu_program *program, const char *metadata_path,
                             const char *library_path);
/* The same with kernels at hand, entries[k] being that of kernel k. */
bool dlop_swemu_program_start(struct dlop_swemu_program *program, const dlop_swemu_entry *entries);
/* Wait for units that run, then stop them and drop the kernels. */
void dlop_swemu_program_unload(struct dlop_swemu_program *program);

/* What became of an access to registers. */
enum dlop_swemu_access {
    DLOP_SWEMU_ACCESS_OK,
    DLOP_SWEMU_ACCESS_REFUSED, /* no such register; logged */
    DLOP_SWEMU_ACCESS_FATAL,   /* a start with arguments that no card could survive; logged */
};

/* Write whole registers of four bytes. The control register is last, whatever the order. */
enum dlop_swemu_access dlop_swemu_program_write(struct dlop_swemu_program *program,
                                                const struct dlop_swemu_memory *memory,
                                                uint64_t address, const uint8_t *bytes,
                                                size_t n_bytes);
/* Read. A read of the control register of a busy unit waits up to wait_us for its end: fewer polls
 * for a host that spins. */
enum dlop_swemu_access dlop_swemu_program_read(struct dlop_swemu_program *program, uint32_t wait_us,
                                               uint64_t address, uint8_t *bytes_out,
                                               size_t n_bytes);

/* Name of the unit whose kernel this thread runs, or null. For the fault handler. */
extern _Thread_local const char *dlop_swemu_running_unit;

#endif
