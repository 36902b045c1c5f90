# Sources of driver/ocl.
LIB_SRCS += driver/ocl/device.c
