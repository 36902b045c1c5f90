# Tests of driver/xrt that need no emulation: XRT's entry points are played by fake_xrt.so. They read
# the card images of sim/swemu, so they are there only where XRT's headers are.
ifeq ($(HAVE_xrt),yes)
XRT_TESTS := tests/xrt/test_faults tests/xrt/test_preflight
TEST_SRCS += $(XRT_TESTS:=.c)
$(XRT_TESTS:%=$(B)/%): $(B)/tests/xrt/site.o $(B)/tests/driver/kit.o | $(B)/tests/xrt/fake_xrt.so
$(foreach t,$(XRT_TESTS),$(eval TEST_LIBS_$(t) := $(B)/libdlop.a))

# Run by tests/swemu/test_driver.py, over the emulation.
tests: $(B)/tests/xrt/emulated
$(B)/tests/xrt/emulated: $(B)/tests/xrt/emulated.o $(B)/tests/driver/kit.o $(B)/libdlop.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ -lcmocka $(LDLIBS)

CFLAGS_tests/xrt/fake_xrt.c := -isystem /usr/include/xrt
$(B)/tests/xrt/fake_xrt.so: $(B)/tests/xrt/fake_xrt.o $(B)/libdlop.a
	$(call say,LD,$@)
	$(Q)$(CC) -shared $(LDFLAGS) $^ -o $@ $(LDLIBS)
endif
