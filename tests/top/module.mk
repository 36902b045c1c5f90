# Tests of hw/top. The kit comes after the library on the command line and needs it once more.
TOP_KIT_TESTS := tests/top/test_launch tests/top/test_kinds
TEST_SRCS += $(TOP_KIT_TESTS:=.c)
$(TOP_KIT_TESTS:%=$(B)/%): $(B)/tests/driver/kit.o
$(foreach t,$(TOP_KIT_TESTS),$(eval TEST_LIBS_$(t) := $(B)/libdlop.a))

# Test benches of the kernels: programs of their own for a vendor's C simulation, here in one.
TOP_BENCHES := image tensor image_1 image_7
TEST_SRCS += tests/top/test_benches.c
$(foreach b,$(TOP_BENCHES),$(eval CFLAGS_tests/top/bench_$(b).c := -Dmain=bench_$(b)))
CFLAGS_tests/top/bench_image_1.c += -Ddlop_image=dlop_image_1 -DDLOP_TOP_CONTEXTS=1
CFLAGS_tests/top/bench_image_7.c += -Ddlop_image=dlop_image_7 -DDLOP_TOP_CONTEXTS=7
$(B)/tests/top/test_benches: $(TOP_BENCHES:%=$(B)/tests/top/bench_%.o)
TEST_LIBS_tests/top/test_benches := $(B)/libdlop.a

# Stages alone.
TEST_SRCS += tests/top/test_decode_stages.c tests/top/test_render_stages.c
