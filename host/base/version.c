/* Version and build of this library. The Makefile gives the commit and the flags. */
#include "host/include/dlop.h"

const char *dlop_version(void)
{
    return DLOP_VERSION;
}

const char *dlop_build_info(void)
{
    return DLOP_BUILD_INFO;
}
