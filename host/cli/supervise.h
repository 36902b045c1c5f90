/* Starts the user's command and stays beside it: forwards signals, listens for the attachment's
 * hello. */
#ifndef DLOP_HOST_CLI_SUPERVISE_H
#define DLOP_HOST_CLI_SUPERVISE_H

#include <stdint.h>

/* What the start-up hooks of the command's Python processes told us. */
struct supervise_hello {
    uint64_t n_booted;   /* interpreters that ran the hook */
    uint64_t n_attached; /* of these, processes in which the DataLoader was patched */
};

/* Run argv[0] with the current environment and wait for its end. Returns the child's wait status,
 * or -1 with errno where it could not be started. Sets DLOP_HELLO for the child. */
int supervise_command(char **argv, struct supervise_hello *hello_out);

#endif
