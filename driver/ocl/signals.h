/* The process's signals around calls that start OpenCL.
 *
 * Platforms start threads, and compilers inside them put handlers in place for nearly every signal,
 * Ctrl-C included, which end the process. Signals are the program's: threads must not take them,
 * and handlers must stay as they were.
 */
#ifndef DLOP_DRIVER_OCL_SIGNALS_H
#define DLOP_DRIVER_OCL_SIGNALS_H

#include <signal.h>

struct dlop_ocl_signals {
    sigset_t mask;                   /* of the thread */
    struct sigaction actions[_NSIG]; /* of the process */
};

/* Block all signals in this thread, hence in threads that it starts, and note the handlers. */
void dlop_ocl_signals_guard(struct dlop_ocl_signals *before_out);

/* Put back the handlers that were changed, and the thread's mask. */
void dlop_ocl_signals_restore(const struct dlop_ocl_signals *before);

#endif
