/* XRT's library, opened at run time: see api.h. */
#include "driver/xrt/program/api.h"

#include <dlfcn.h>
#include <string.h>

const char *dlop_xrt_api_load(const char *library, struct dlop_xrt_api *api_out)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_GLOBAL);
    void *symbol;

    if (!handle)
        return dlerror();
#define DLOP_XRT_FIND(name)                                                                        \
    symbol = dlsym(handle, #name);                                                                 \
    if (!symbol)                                                                                   \
        return "the library lacks " #name;                                                         \
    memcpy(&api_out->name, &symbol, sizeof symbol);
    DLOP_XRT_API(DLOP_XRT_FIND)
#undef DLOP_XRT_FIND
    return NULL;
}
