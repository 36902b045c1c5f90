/* The process's signals: see signals.h. */
#include "driver/ocl/signals.h"

void dlop_ocl_signals_guard(struct dlop_ocl_signals *before_out)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_out->mask);
    for (int number = 1; number < _NSIG; number++)
        if (sigaction(number, NULL, &before_out->actions[number]))
            before_out->actions[number].sa_handler = SIG_ERR; /* one of the C library's own */
}

void dlop_ocl_signals_restore(const struct dlop_ocl_signals *before)
{
    for (int number = 1; number < _NSIG; number++) {
        const struct sigaction *was = &before->actions[number];
        struct sigaction now;

        if (was->sa_handler != SIG_ERR && !sigaction(number, NULL, &now) &&
            now.sa_handler != was->sa_handler)
            sigaction(number, was, NULL);
    }
    pthread_sigmask(SIG_SETMASK, &before->mask, NULL);
}
