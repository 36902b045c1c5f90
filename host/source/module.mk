# Sources of host/source.
LIB_SRCS += host/source/source.c
