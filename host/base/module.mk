# Sources of host/base.
LIB_SRCS += host/base/config.c host/base/devices.c host/base/log.c host/base/metrics.c host/base/status.c
LIB_SRCS += host/base/text.c host/base/version.c
