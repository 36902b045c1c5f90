# Tests of sim/swemu, and of the reader of card images (driver/xrt).
TEST_SRCS += tests/swemu/test_metadata.c
ifeq ($(HAVE_xrt),yes)
TEST_SRCS += tests/swemu/test_xclbin.c tests/swemu/test_repair.c
$(B)/tests/swemu/test_xclbin: $(SWEMU_IMAGE_OBJS)
TEST_LIBS_tests/swemu/test_xclbin := -luuid

# A host program for test_emulation.py.
tests: $(B)/tests/swemu/host
CFLAGS_tests/swemu/host.c := -isystem /usr/include/xrt
$(B)/tests/swemu/host: $(B)/tests/swemu/host.o $(B)/tests/driver/kit.o $(B)/libdlop.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ -lcmocka -lxrt_coreutil $(LDLIBS)

FAKE_SHIMS := $(patsubst %,$(B)/tests/swemu/fake/%/libxrt_swemu.so.2,right wrong odd)
$(B)/tests/swemu/test_repair: | $(FAKE_SHIMS) $(SWEMU_FILES)
$(FAKE_SHIMS): $(B)/tests/swemu/fake/%/libxrt_swemu.so.2: tests/swemu/fake_shim.c $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -fsanitize=%,$(CFLAGS)) -DFAKE_KIND=FAKE_$* -shared \
		-Wl,-soname,$(@F) $< -o $@
endif

# The device process needs no XRT.
TEST_SRCS += tests/swemu/test_buffers.c tests/swemu/test_calls.c
$(B)/tests/swemu/test_buffers: $(SWEMU_DEVICE_OBJS)
$(B)/tests/swemu/test_calls: $(SWEMU_DEVICE_OBJS) | $(B)/tests/swemu/test_kernels.so
$(B)/tests/swemu/test_kernels.so: $(B)/tests/swemu/test_kernels.o
	$(call say,LD,$@)
	$(Q)$(CC) -shared $(LDFLAGS) $< -o $@ $(LDLIBS)
TEST_SRCS += tests/swemu/test_process.c
$(B)/tests/swemu/test_process: $(SWEMU_DEVICE_OBJS) | $(SWEMU_LIB)/genericpciemodel $(B)/tests/swemu/test_kernels.so

# Fuzz targets: frames to the device process, with a log of the target's own; card images.
FUZZ_SRCS += tests/fuzz/fuzz_swemu.c
FUZZ_SWEMU := $(B)/tests/fuzz/fuzz_swemu $(B)/tests/fuzz/fuzz_swemu-guided
$(FUZZ_SWEMU): $(filter-out %/log.o %/metadata.o,$(SWEMU_DEVICE_OBJS))
ifeq ($(HAVE_xrt),yes)
FUZZ_SRCS += tests/fuzz/fuzz_xclbin.c
FUZZ_XCLBIN := $(B)/tests/fuzz/fuzz_xclbin $(B)/tests/fuzz/fuzz_xclbin-guided
$(FUZZ_XCLBIN): $(SWEMU_IMAGE_OBJS)
$(FUZZ_XCLBIN): LDLIBS += -luuid
endif
