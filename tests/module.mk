# Sources of tests: LIB_SRCS, CLI_SRCS or TEST_SRCS += path; CFLAGS_path := flags of one file; TEST_LIBS_tests/x := libraries of one test.

# host/run: batches in flight.
TEST_SRCS += tests/unit/test_run_loader.c tests/unit/test_run_needs.c tests/unit/test_run_heap.c
TEST_SRCS += tests/unit/test_run_decoder.c
TEST_LIBS_tests/unit/test_run_decoder := -ljpeg
TEST_LIBS_tests/unit/test_run_loader := -ljpeg
TEST_SRCS += tests/unit/test_run_states.c tests/unit/test_run_random.c
TEST_LIBS_tests/unit/test_run_random := -ljpeg
TEST_LIBS_tests/unit/test_run_needs := -ljpeg
TEST_LIBS_tests/unit/test_run_states := -ljpeg -Wl,--wrap=pthread_create
TEST_LIBS_tests/unit/test_run_heap := -ljpeg -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
TEST_LIBS_tests/unit/test_run_heap += -Wl,--wrap=aligned_alloc,--wrap=posix_memalign,--wrap=free
TEST_SRCS += tests/unit/test_run_open.c
TEST_LIBS_tests/unit/test_run_open := -ljpeg -Wl,--wrap=calloc,--wrap=aligned_alloc,--wrap=free
TEST_LIBS_tests/unit/test_run_open += -Wl,--wrap=pthread_mutex_init,--wrap=pthread_mutex_destroy
TEST_LIBS_tests/unit/test_run_open += -Wl,--wrap=pthread_cond_init,--wrap=pthread_cond_destroy
TEST_LIBS_tests/unit/test_run_open += -Wl,--wrap=pthread_condattr_init
TEST_LIBS_tests/unit/test_run_open += -Wl,--wrap=pthread_condattr_destroy

# hw/core: each step against an independent reference.
TEST_SRCS += tests/kernel/test_unstuff.c tests/kernel/test_huff.c tests/kernel/test_entropy.c
TEST_SRCS += tests/kernel/test_idct.c tests/kernel/test_upsample.c tests/kernel/test_colour.c
TEST_SRCS += tests/kernel/test_axis.c tests/kernel/test_pack.c tests/kernel/test_region.c
TEST_SRCS += tests/kernel/test_image.c tests/kernel/test_pipeline.c tests/kernel/test_job_check.c
TEST_SRCS += tests/kernel/test_photos.c
TEST_LIBS_tests/kernel/test_image := -ljpeg
TEST_LIBS_tests/kernel/test_photos := -ljpeg
TEST_LIBS_tests/kernel/test_job_check := -ljpeg

# host/draw, host/plan: internal functions for the Python tests of tests/draw and tests/plan.
tests: $(B)/tests/draw/peek.so
$(B)/tests/draw/peek.so: $(B)/tests/draw/peek.o $(B)/libdlop.a
	$(call say,LD,$@)
	$(Q)$(CC) -shared $(LDFLAGS) $^ -o $@ $(LDLIBS)

# driver/cpu: replacements of the axis and pack steps, and one suite for all drivers.
TEST_SRCS += tests/kernel/check_axis.c tests/kernel/check_pack.c
include tests/driver/module.mk

# driver/cpu: replacements of the JPEG steps, and the decoder that is made of them.
TEST_SRCS += tests/kernel/check_jpeg.c tests/kernel/check_jpeg_coded.c
TEST_SRCS += tests/kernel/check_jpeg_frames.c
TEST_SRCS += tests/kernel/check_jpeg_entry.c
TEST_LIBS_tests/kernel/check_jpeg_frames := -ljpeg
TEST_LIBS_tests/kernel/check_jpeg_entry := -ljpeg

# host/base, host/source, host/format.
TEST_SRCS += tests/unit/test_base.c tests/unit/test_source.c
FUZZ_SRCS += tests/fuzz/fuzz_jpeg_parse.c tests/fuzz/fuzz_jpeg_decode.c
FUZZ_SRCS += tests/fuzz/fuzz_job.c tests/fuzz/fuzz_text.c
TEST_SRCS += tests/unit/test_format.c tests/unit/test_format_vectors.c tests/unit/test_marker.c
TEST_SRCS += tests/vectors/test_vectors.c
TEST_SRCS += tests/unit/test_draw.c tests/unit/test_plan.c tests/unit/test_axis_build.c

# Devices of a run: words of --device, self-test, context.
TEST_SRCS += tests/unit/test_devices.c
$(B)/tests/unit/test_devices: $(B)/tests/driver/fake.o
TEST_LIBS_tests/unit/test_devices := $(B)/libdlop.a

# Programs that time parts of the library; not tests.
TEST_LIBS_tests/bench/decode_bench := -lturbojpeg -ljpeg
TEST_LIBS_tests/bench/split_bench := $(B)/libdlop.a -ljpeg
TEST_LIBS_tests/bench/card_model := -ljansson
$(B)/tests/bench/split_bench: $(B)/tests/driver/large.o
$(B)/tests/bench/%: $(B)/tests/bench/%.o $(B)/libdlop.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ $(TEST_LIBS_tests/bench/$*) $(LDLIBS)

# host/bench: not in the library, so its objects are named here.
TEST_SRCS += tests/unit/test_bench_turbo.c tests/unit/test_bench_kernels.c
$(B)/tests/unit/test_bench_turbo $(B)/tests/unit/test_bench_kernels: $(BENCH_SRCS:%.c=$(B)/%.o)
TEST_LIBS_tests/unit/test_bench_turbo := $(B)/libdlop.a -ljpeg
TEST_LIBS_tests/unit/test_bench_kernels := $(B)/libdlop.a -ljpeg
