# Sources of host/run: the context and its devices, loaders with their batches, single pictures.
LIB_SRCS += host/run/ctx.c host/run/devices.c host/run/check.c host/run/loader.c host/run/batch.c
LIB_SRCS += host/run/schedule.c host/run/readers.c host/run/arena.c host/run/decoder.c
