# Sources of driver/xrt.
LIB_SRCS += driver/xrt/device.c
LIB_SRCS += driver/xrt/metadata.c driver/xrt/xclbin.c
