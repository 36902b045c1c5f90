# Sources of tests: LIB_SRCS, CLI_SRCS or TEST_SRCS += path; CFLAGS_path := flags of one file; TEST_LIBS_tests/x := libraries of one test.

# hw/core: each step against an independent reference.
TEST_SRCS += tests/kernel/test_unstuff.c tests/kernel/test_huff.c tests/kernel/test_entropy.c
TEST_SRCS += tests/kernel/test_idct.c tests/kernel/test_upsample.c tests/kernel/test_colour.c
TEST_SRCS += tests/kernel/test_axis.c tests/kernel/test_pack.c tests/kernel/test_region.c
