# Random numbers and augmentation parameters exactly as the frameworks draw them.
LIB_SRCS += host/draw/draw.c host/draw/exp.c host/draw/rng.c
