/* The kernels of test_kernels.c, as metadata. Argument 0 and 1 are buffers, 2 is a number. */
#ifndef DLOP_TESTS_SWEMU_TEST_KERNELS_H
#define DLOP_TESTS_SWEMU_TEST_KERNELS_H

#define TEST_ARGUMENTS                                                                             \
    "<arg name='from' id='0' addressQualifier='1' offset='0x10' size='8'/>"                        \
    "<arg name='to' id='1' addressQualifier='1' offset='0x1c' size='8'/>"                          \
    "<arg name='n' id='2' addressQualifier='0' offset='0x28' size='4'/>"
#define TEST_KERNEL(name, base)                                                                    \
    "<kernel name='" name "'>" TEST_ARGUMENTS "<instance name='" name "_1'><addrRemap base='" base \
    "'/></instance></kernel>"
#define TEST_METADATA                                                                              \
    TEST_KERNEL("add", "0x10000") TEST_KERNEL("slow", "0x20000") TEST_KERNEL("wild", "0x30000")

#define TEST_ADD_BASE  0x10000u
#define TEST_SLOW_BASE 0x20000u
#define TEST_WILD_BASE 0x30000u

#define TEST_FROM_OFFSET 0x10u
#define TEST_TO_OFFSET   0x1cu
#define TEST_N_OFFSET    0x28u

#endif
