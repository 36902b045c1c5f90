# The command line: one file per sub-command.
CLI_SRCS += host/cli/main.c host/cli/common.c host/cli/paths.c host/cli/picture.c host/cli/supervise.c
CLI_SRCS += host/cli/cmd_run.c host/cli/cmd_bench.c host/cli/cmd_decode.c host/cli/cmd_devices.c
CLI_SRCS += host/cli/cmd_selftest.c host/cli/selftest_pictures.c
CLI_LIBS += -ljansson -lspng -ljpeg
