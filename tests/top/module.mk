# Tests of hw/top. The kit comes after the library on the command line and needs it once more.
TOP_KIT_TESTS := tests/top/test_launch
TEST_SRCS += $(TOP_KIT_TESTS:=.c)
$(TOP_KIT_TESTS:%=$(B)/%): $(B)/tests/driver/kit.o
$(foreach t,$(TOP_KIT_TESTS),$(eval TEST_LIBS_$(t) := $(B)/libdlop.a))
