# Sources of driver/xrt.
LIB_SRCS += driver/xrt/device.c
