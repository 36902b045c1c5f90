# Tests of the emulated card and its driver. The objects come after the library on the command line
# and need it once more.
SIM_CARD_TESTS := tests/sim/test_card tests/sim/test_faults tests/sim/test_fault_runs
SIM_CARD_TESTS += tests/sim/test_steady
TEST_SRCS += $(SIM_CARD_TESTS:=.c)
$(SIM_CARD_TESTS:%=$(B)/%): $(B)/tests/sim/device.o $(B)/tests/driver/kit.o
$(foreach t,$(SIM_CARD_TESTS),$(eval TEST_LIBS_$(t) := $(B)/libdlop.a))
TEST_TIER_tests/sim/test_fault_runs := full
TEST_LIBS_tests/sim/test_steady += $(HEAP_WRAPS) -Wl,--wrap=mmap,--wrap=munmap,--wrap=mprotect

# The cycle model.
TEST_SRCS += tests/sim/test_timing.c tests/sim/test_timing_card.c
TEST_SRCS += tests/sim/test_timing_counts.c
$(B)/tests/sim/test_timing_counts: $(B)/tests/driver/kit.o
TEST_LIBS_tests/sim/test_timing_counts := $(B)/libdlop.a -ljpeg
# tests/sim/test_model.py runs the program that prints the model's tables.
tests: $(B)/tests/bench/card_model
