/* Lines of the device process. */
#include "sim/swemu/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "driver/xrt/metadata.h"

void dlop_swemu_log(const char *format, ...)
{
    char line[512];
    va_list arguments;
    int n = snprintf(line, sizeof(line), "dlop-swemu: ");

    va_start(arguments, format);
    n += vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, arguments);
    va_end(arguments);
    if ((size_t)n > sizeof(line) - 2)
        n = (int)sizeof(line) - 2;
    dlop_metadata_make_printable(line);
    line[n] = '\n';
    /* One write, so that lines of two processes do not mix. */
    if (write(STDERR_FILENO, line, (size_t)n + 1) < 0)
        return;
}
