# Sources of driver/sim.
LIB_SRCS += driver/sim/device.c driver/sim/queue.c
