/* The host program as the driver sees it: started, called with a deadline, ended for certain.
 *
 * The program leads a session of its own, so nothing that happens to it or to the device process
 * below it reaches the caller's process group. Its end is noticed by a process descriptor, also
 * where a forked child of the caller holds copies of the sockets.
 */
#ifndef DLOP_DRIVER_XRT_HOST_H
#define DLOP_DRIVER_XRT_HOST_H

#include <sys/types.h>

#include "driver/xrt/protocol.h"

struct dlop_xrt_host {
    pid_t pid;
    int end;             /* readable when the program has ended */
    int control;         /* channel */
    int output;          /* what the program and XRT print: the first DLOP_XRT_OUTPUT_BYTES of it */
    char run_folder[64]; /* made for the emulation and removed with the program, or empty */
};

#define DLOP_XRT_OUTPUT_BYTES 65536

/* One program with these arguments (argv[0] is its path; null at the end). is_emulation: variables
 * that XRT's emulation wants and that may be missing are set for it. DLOP_OK, DLOP_ERR_IO,
 * DLOP_ERR_NO_MEMORY; on failure *host_out is untouched. */
dlop_status dlop_xrt_host_start(const char *const argv[], bool is_emulation,
                                struct dlop_xrt_host *host_out) DLOP_MUST_USE;

struct dlop_xrt_call {
    struct dlop_xrt_request request;
    int fds[DLOP_XRT_MAX_FDS]; /* sent along, stay the caller's */
    uint32_t n_fds;
    uint32_t timeout_ms;
};

/* One call on a channel; a channel is for one thread at a time. The reply's status, or
 * DLOP_ERR_TIMEOUT, DLOP_ERR_DEVICE_LOST (the program has ended), with a text in *reply_out. */
dlop_status dlop_xrt_host_call(const struct dlop_xrt_host *host, int channel,
                               const struct dlop_xrt_call *call, struct dlop_xrt_reply *reply_out);

/* Wait for a reply to what was not asked: the program's report after its start. */
dlop_status dlop_xrt_host_wait(const struct dlop_xrt_host *host, int channel, uint32_t timeout_ms,
                               struct dlop_xrt_reply *reply_out);

/* End the program and all that it started, at once, and wait until it has ended. Any thread, more
 * than once. */
void dlop_xrt_host_kill(const struct dlop_xrt_host *host);

/* Wait for its end (up to timeout_ms, then kill it) and free what belongs to it. Returns its wait
 * status, or -1 where somebody else collected it. */
int dlop_xrt_host_end(struct dlop_xrt_host *host, uint32_t timeout_ms);

/* In a forked child: close the descriptors only. */
void dlop_xrt_host_forget(struct dlop_xrt_host *host);

/* The last line that the program or XRT printed, or "". */
void dlop_xrt_host_last_line(const struct dlop_xrt_host *host, char *line_out, size_t size);

/* A shared memory of n_bytes, zeroed; its descriptor and mapping. DLOP_OK, DLOP_ERR_NO_MEMORY. */
dlop_status dlop_xrt_share(size_t n_bytes, int *fd_out, void **mapping_out) DLOP_MUST_USE;

/* Run a program to its end, at most timeout_ms. Returns its exit status, or -1; line_out gets the
 * last line that it printed. */
int dlop_xrt_host_try(const char *const argv[], uint32_t timeout_ms, char *line_out, size_t size);

#endif
