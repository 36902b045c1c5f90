# Card entry points, compiled for the host: the emulations run them.
LIB_SRCS += hw/top/image.c hw/top/tensor.c hw/top/counted.c
