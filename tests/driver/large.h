/* Large photographs for the tests and benchmarks of shared jobs: pictures put together from the
 * photographs of a folder, encoded by libjpeg as asked for, and jobs that resize them.
 *
 * Everything here ends the program on a failure.
 */
#ifndef DLOP_TESTS_DRIVER_LARGE_H
#define DLOP_TESTS_DRIVER_LARGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "driver/driver.h"
#include "hw/abi/jpeg_frame.h"

#define LARGE_MAX_JOBS 128
#define LARGE_SIDE_PX  224

struct picture {
    u8 *rgb; /* [height][width][3] */
    u32 width, height;
};

/* How a picture is encoded. */
struct coding {
    const char *name;
    int h, v; /* sampling of the first component */
    int is_grey, is_multi_scan;
    u32 restart_interval; /* in MCUs */
    int quality;
};

/* A JPEG behind its frame, with padding: a job's source. */
struct coded {
    u8 *memory;
    size_t n_bytes;
};

/* Paths of the .jpg files below a folder, in order, at most n_max; they are malloc's. */
u32 large_find(const char *folder, char **paths_out, u32 n_max);

/* A picture of n_x by n_y photographs, each cut to width x height, from those paths in
 * turn. */
struct picture large_mosaic(char **paths, u32 n_paths, u32 n_x, u32 n_y, u32 width, u32 height);
struct coded large_encode(const struct picture *picture, const struct coding *coding);
/* A file as it is; memory is null where it is none for the kernels. */
struct coded large_read(const char *path);

/* A launch of jobs that resize (bilinear) to float planes of LARGE_SIDE_PX. */
struct large_launch {
    struct dlop_buffer in, constants, out; /* plain memory */
    size_t in_used;
    struct dlop_job jobs[LARGE_MAX_JOBS];
    struct dlop_completion completions[LARGE_MAX_JOBS];
    struct dlop_launch launch; /* done, cookie: the caller's */
};

#define LARGE_OUT_BYTES (3 * LARGE_SIDE_PX * LARGE_SIDE_PX * 4)

/* in_bytes: of all frames, files and axis tables. */
void large_open(struct large_launch *large, size_t in_bytes, u32 n_jobs);
void large_close(struct large_launch *large);

/* Add a job for a rectangle (x, y, width, height) of a JPEG, or for all of it (null). */
struct dlop_job *large_add(struct large_launch *large, const struct coded *coded,
                           const u32 *rectangle);

#endif
