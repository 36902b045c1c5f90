/* What the driver and its host program dlop-xrt-host say to each other.
 *
 * One SOCK_SEQPACKET pair per channel: the control channel carries memory calls, each compute unit
 * has a channel of its own. A request is answered by exactly one reply; a channel has one request
 * under way. Memory is shared: the driver makes it and sends its descriptor along. Both ends are
 * of the same build (DLOP_XRT_PROTOCOL is checked at the start), so records are plain structs.
 */
#ifndef DLOP_DRIVER_XRT_PROTOCOL_H
#define DLOP_DRIVER_XRT_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#include "driver/driver.h"
#include "hw/top/top.h"

#define DLOP_XRT_PROTOCOL    "1"
#define DLOP_XRT_CONTROL_FD  3    /* of the host program */
#define DLOP_XRT_MAX_BUFFERS 4096 /* alive at once */
#define DLOP_XRT_MAX_UNITS   64
#define DLOP_XRT_TEXT_BYTES  120

/* Jobs of one run of a unit. Its memory holds that many jobs, then that many completions, each part
 * in whole pages. */
#define DLOP_XRT_RUN_JOBS          1024u
#define DLOP_XRT_COMPLETIONS_AT    ((size_t)DLOP_XRT_RUN_JOBS * DLOP_TOP_JOB_BYTES)
#define DLOP_XRT_COMPLETIONS_BYTES ((size_t)DLOP_XRT_RUN_JOBS * DLOP_TOP_COMPLETION_BYTES)
#define DLOP_XRT_UNIT_BYTES        (DLOP_XRT_COMPLETIONS_AT + DLOP_XRT_COMPLETIONS_BYTES)

/* Completions are filled with this before a run: no status has this value. */
#define DLOP_XRT_UNWRITTEN 0x5a

/* Arguments of the host program, before one "kernel:{unit}" per compute unit. */
enum dlop_xrt_host_argument {
    DLOP_XRT_ARG_PROGRAM,
    DLOP_XRT_ARG_PROTOCOL, /* or "check": load the library, say what is missing, end */
    DLOP_XRT_ARG_LIBRARY,
    DLOP_XRT_ARG_PARENT, /* process id of the driver */
    DLOP_XRT_ARG_INDEX,  /* device */
    DLOP_XRT_ARG_XCLBIN, /* path */
    DLOP_XRT_ARG_MEMORY, /* "card", "host", "p2p" */
    DLOP_XRT_ARG_POLL,   /* "1": a run's state is asked for, waiting for it would spin */
    DLOP_XRT_ARG_UNITS
};

enum dlop_xrt_request_kind {
    DLOP_XRT_ADD_UNIT,  /* unit; descriptors: its channel, its memory */
    DLOP_XRT_ALLOC,     /* buffer, n_bytes; descriptor: its memory */
    DLOP_XRT_FREE,      /* buffer */
    DLOP_XRT_TO_DEVICE, /* buffer, offset, n_bytes */
    DLOP_XRT_RUN,       /* data, n_jobs, scratch_bytes; on a unit's channel */
    DLOP_XRT_CLOSE      /* close everything, answer, end */
};

/* The buffers of a launch, in the order of the kernels' arguments. */
enum { DLOP_XRT_IN, DLOP_XRT_CONSTANTS, DLOP_XRT_OUT, DLOP_XRT_N_DATA };
struct dlop_xrt_data {
    uint32_t buffer;
    uint64_t n_bytes; /* what the jobs may use of it */
};

struct dlop_xrt_request {
    uint32_t kind;
    uint32_t unit;
    uint32_t buffer;
    uint32_t n_jobs;
    uint64_t offset, n_bytes; /* within the buffer */
    uint64_t scratch_bytes;   /* needed by the jobs */
    struct dlop_xrt_data data[DLOP_XRT_N_DATA];
};

struct dlop_xrt_reply {
    int32_t status;
    char text[DLOP_XRT_TEXT_BYTES]; /* why not, one line */
};

#define DLOP_XRT_MAX_FDS 2

/* Send one record and at most DLOP_XRT_MAX_FDS descriptors, which stay the caller's. DLOP_OK,
 * DLOP_ERR_DEVICE_LOST (nobody at the other end). No signal is raised. */
dlop_status dlop_xrt_send(int fd, const void *record, size_t n_bytes, const int *fds,
                          uint32_t n_fds) DLOP_MUST_USE;

/* Receive one record of exactly n_bytes; waits. fds_out: [DLOP_XRT_MAX_FDS], -1 where none came;
 * null where none is expected. DLOP_OK, DLOP_ERR_DEVICE_LOST. */
dlop_status dlop_xrt_receive(int fd, void *record, size_t n_bytes, int *fds_out) DLOP_MUST_USE;

#endif
