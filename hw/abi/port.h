/* Dialect of the kernel sources: C11 on the host, OpenCL C, HLS C. The only file of hw/ with #ifdef
 * on a compiler. */
#ifndef DLOP_HW_ABI_PORT_H
#define DLOP_HW_ABI_PORT_H

#if defined(__OPENCL_C_VERSION__)
typedef uchar u8;
typedef char s8;
typedef ushort u16;
typedef short s16;
typedef uint u32;
typedef int s32;
typedef ulong u64;
typedef long s64;
/* Address space of constant tables, and of the bytes of buffers and scratch memory. */
#define DLOP_TABLE                    __constant
#define DLOP_GLOBAL                   __global
#define DLOP_ASSERT_SIZE(type, bytes) struct dlop_size_is_asserted_by_the_host
#else
#include <stdint.h>
typedef uint8_t u8;
typedef int8_t s8;
typedef uint16_t u16;
typedef int16_t s16;
typedef uint32_t u32;
typedef int32_t s32;
typedef uint64_t u64;
typedef int64_t s64;
#define DLOP_TABLE static const
#define DLOP_GLOBAL
#if defined(__cplusplus)
#define DLOP_ASSERT_SIZE(type, bytes) static_assert(sizeof(type) == (bytes), "size of " #type)
#elif __STDC_VERSION__ >= 201112L
#define DLOP_ASSERT_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), "size of " #type)
#else
#define DLOP_ASSERT_SIZE(type, bytes)                                                              \
    extern u8 dlop_size_assertion[sizeof(type) == (bytes) ? 1 : -1]
#endif
#endif

/* A kernel step is static in a header: a file that includes several steps need not use each of
 * them. */
#if defined(__GNUC__)
#define DLOP_STEP static __attribute__((unused))
#else
#define DLOP_STEP static
#endif

/* Vendor pragmas exist only under synthesis: every other compiler sees nothing. */
#if defined(__SYNTHESIS__) && !defined(__BAMBU__)
#define DLOP_PRAGMA_TEXT(x) #x
#define DLOP_HLS(x)         _Pragma(DLOP_PRAGMA_TEXT(HLS x))
#else
#define DLOP_HLS(x)
#endif

#endif
