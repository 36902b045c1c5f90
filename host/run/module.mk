# Sources of host/run: the context, loaders with their batches, and single pictures.
LIB_SRCS += host/run/ctx.c host/run/loader.c host/run/batch.c host/run/schedule.c host/run/readers.c host/run/arena.c host/run/decoder.c
