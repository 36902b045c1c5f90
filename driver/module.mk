# Sources of driver: LIB_SRCS, CLI_SRCS or TEST_SRCS += path; CFLAGS_path := flags of one file; TEST_LIBS_tests/x := libraries of one test.
LIB_SRCS += driver/registry.c driver/accepts.c
