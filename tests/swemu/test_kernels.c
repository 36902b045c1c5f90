/* Kernels for the tests of the device process: one that works, one that takes its time, and one
 * that goes astray. */
#include <stdint.h>
#include <time.h>

#include "tests/swemu/test_kernels.h"

#define EXPORTED __attribute__((visibility("default")))

EXPORTED void add__swemu(void *const argv[]);
EXPORTED void slow__swemu(void *const argv[]);
EXPORTED void wild__swemu(void *const argv[]);

/* to[i] = from[i] + n, n values. */
void add__swemu(void *const argv[])
{
    const int32_t *from = *(const int32_t *const *)argv[0];
    int32_t *to = *(int32_t *const *)argv[1];
    const int32_t n = *(const int32_t *)argv[2];

    for (int32_t i = 0; i < n; i++)
        to[i] = from[i] + n;
}

/* n milliseconds. */
void slow__swemu(void *const argv[])
{
    const int32_t ms = *(const int32_t *)argv[2];
    const struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000};

    nanosleep(&pause, NULL);
}

/* Writes n bytes behind the begin of a buffer. */
void wild__swemu(void *const argv[])
{
    (*(volatile uint8_t *const *)argv[1])[*(const int32_t *)argv[2]] = 1;
}
