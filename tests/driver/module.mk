# Tests of driver. suite.c runs for every driver that is present. The kit comes after the library on
# the command line and needs it once more.
DRIVER_KIT_TESTS := tests/driver/suite tests/driver/test_heap tests/driver/test_worker
DRIVER_KIT_TESTS += tests/driver/test_pool
TEST_SRCS += $(DRIVER_KIT_TESTS:=.c) tests/driver/test_registry.c tests/driver/test_affinity.c
$(DRIVER_KIT_TESTS:%=$(B)/%): $(B)/tests/driver/kit.o
$(B)/tests/driver/suite: $(B)/tests/driver/suite_launches.o
TEST_TIMEOUT_tests/driver/suite := 900
$(foreach t,$(DRIVER_KIT_TESTS),$(eval TEST_LIBS_$(t) := $(B)/libdlop.a))
HEAP_WRAPS := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free
HEAP_WRAPS += -Wl,--wrap=aligned_alloc,--wrap=posix_memalign
# Jobs that threads share.
TEST_SRCS += tests/driver/test_split.c
$(B)/tests/driver/test_split: $(B)/tests/driver/kit.o $(B)/tests/driver/large.o
TEST_LIBS_tests/driver/test_split := $(B)/libdlop.a -ljpeg
# Who helps with them.
TEST_SRCS += tests/driver/test_help.c
TEST_LIBS_tests/driver/test_help := $(B)/libdlop.a -Wl,--wrap=dlop_cpu_run_job
TEST_LIBS_tests/driver/test_help += -Wl,--wrap=dlop_cpu_lead_job,--wrap=dlop_cpu_team_help
TEST_LIBS_tests/driver/test_heap += $(HEAP_WRAPS)
TEST_LIBS_tests/driver/test_pool += -Wl,--wrap=pthread_create

# Several devices as one, over members that do as they are told.
TEST_SRCS += tests/driver/test_group.c tests/driver/test_divide.c
$(B)/tests/driver/test_group: $(B)/tests/driver/fake.o
TEST_LIBS_tests/driver/test_group := $(B)/libdlop.a

# driver/ocl beyond what the suite asks of every driver.
ifeq ($(HAVE_opencl),yes)
OCL_TESTS := tests/driver/test_ocl_cache tests/driver/test_ocl_faults tests/driver/test_ocl_find
OCL_TESTS += tests/driver/test_ocl_device tests/driver/test_ocl_steps
TEST_SRCS += $(OCL_TESTS:=.c)
$(OCL_TESTS:%=$(B)/%): $(B)/tests/driver/ocl_kit.o $(B)/tests/driver/kit.o
$(foreach t,$(OCL_TESTS),$(eval TEST_LIBS_$(t) := $(B)/libdlop.a))
TEST_LIBS_tests/driver/test_ocl_device += $(HEAP_WRAPS)
TEST_LIBS_tests/driver/test_ocl_find += -Wl,--wrap=dlop_ocl_api_get
endif
# 10,000 launches over an emulated card with faults.
TEST_SRCS += tests/driver/test_group_faults.c
$(B)/tests/driver/test_group_faults: $(B)/tests/driver/kit.o
TEST_LIBS_tests/driver/test_group_faults := $(B)/libdlop.a
TEST_TIER_tests/driver/test_group_faults := full
