/* Launches for the driver tests: random jobs over real photographs, with what the plain reference
 * of hw/core makes of them.
 *
 * A kit holds one launch: its three buffers on the device, jobs, completions, and the expected
 * bytes of the whole `out` buffer, gaps between the outputs included. kit_check compares.
 */
#ifndef DLOP_TESTS_DRIVER_KIT_H
#define DLOP_TESTS_DRIVER_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "driver/driver.h"
#include "hw/abi/jpeg_frame.h"
#include "tests/kernel/random.h"

#define KIT_MAX_JOBS 64

/* Bytes between outputs that no job may write. */
#define KIT_GAP_BYTES 32
#define KIT_CANARY    0xa5

/* A photograph as a job's source: frame, file and padding for JPEG, samples for PIXELS. */
struct photo {
    u8 *jpeg;
    size_t jpeg_bytes;
    u8 *pixels; /* [height][width][channels] */
    u32 width, height, channels;
};

/* All .jpg files below the folder of DLOP_PHOTOS or build/photos/tiny, up to n_max; 0 where there
 * is none. */
u32 kit_load_photos(struct photo *photos_out, u32 n_max);
void kit_free_photos(struct photo *photos, u32 n_photos);

struct kit {
    const struct dlop_driver *driver;
    struct dlop_device *device;
    struct dlop_buffer in, constants, out;
    size_t in_used, out_used; /* bytes */
    u8 *expected_out;         /* [out.size_bytes] */
    struct dlop_completion expected[KIT_MAX_JOBS];
    struct dlop_job jobs[KIT_MAX_JOBS];
    struct dlop_completion completions[KIT_MAX_JOBS];
    struct dlop_launch launch;
    atomic_uint n_done;         /* how often `done` was called */
    _Atomic dlop_status status; /* with which status */
};

/* Buffers of capacities that hold KIT_MAX_JOBS jobs of kit_add_*. */
void kit_open(struct kit *kit, const struct dlop_driver *driver, struct dlop_device *device);
/* The same for at most n_jobs. */
void kit_open_for(struct kit *kit, const struct dlop_driver *driver, struct dlop_device *device,
                  u32 n_jobs);
void kit_close(struct kit *kit);

/* Add a job: a photograph, random region, axes, grey, layout, element size, table. kind: enum
 * dlop_job_kind. Returns it, so that a test may spoil it before kit_expect. */
struct dlop_job *kit_add(struct kit *kit, struct random_state *random, const struct photo *photo,
                         u32 kind);

/* Run all jobs by the reference, into the expected bytes and completions. */
void kit_expect(struct kit *kit);

/* Fill `out` with the canary and make all buffers visible to the device. */
void kit_sync(struct kit *kit);
/* kit_sync and submit; waits while the queue is full. */
void kit_submit(struct kit *kit);
/* Wait for `done`, at most 60 s, and make `out` visible to the host. */
void kit_wait(struct kit *kit);
/* Compare status and completions with the reference. */
void kit_check_completions(struct kit *kit, const struct random_state *random);
/* The same and every byte of `out`. */
void kit_check(struct kit *kit, const struct random_state *random);

/* Entries of /proc/self/NAME: threads ("task") or descriptors ("fd"). */
u32 kit_count_proc(const char *name);

#endif
