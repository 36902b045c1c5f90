/* Entries of the kernels for the device process: from a list of values to a call.
 *
 * For each kernel k of the table there is k__swemu(argv), argv[i] being where the value of argument
 * i lies: a host pointer for a buffer, the register's bytes for a scalar.
 */
#include "sim/swemu/card.h"

/* The first comma is dropped by the macro that takes the list. */
#define VALUE(type, name, is_buffer)           , *(type const *)argv[DLOP_SWEMU_ARGUMENT_##name]
#define CALL(kernel, ...)                      CALL_WITHOUT_FIRST(kernel, __VA_ARGS__)
#define CALL_WITHOUT_FIRST(kernel, first, ...) kernel(__VA_ARGS__)

#define ENTRY(kernel, kinds)                                                                       \
    __attribute__((visibility("default"))) void kernel##__swemu(void *const argv[]);               \
    void kernel##__swemu(void *const argv[])                                                       \
    {                                                                                              \
        CALL(kernel, first DLOP_TOP_ARGUMENTS(VALUE));                                             \
    }

DLOP_TOP_KERNELS(ENTRY)
