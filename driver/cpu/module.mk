# Sources of driver/cpu. Files of one vector level are compiled for it and called only where the
# processor has it (steps.c).
LIB_SRCS += driver/cpu/steps.c
LIB_SRCS += driver/cpu/jpeg.c driver/cpu/jpeg_row.c driver/cpu/jpeg_scan.c driver/cpu/jpeg_tables.c
LIB_SRCS += driver/cpu/entropy.c driver/cpu/idct.c driver/cpu/upsample.c driver/cpu/colour.c
LIB_SRCS += driver/cpu/jpeg_split.c driver/cpu/team.c driver/cpu/order.c
LIB_SRCS += driver/cpu/device.c driver/cpu/pool.c driver/cpu/worker.c driver/cpu/affinity.c
LIB_SRCS += driver/cpu/stream.c driver/cpu/axis.c driver/cpu/pack.c
ifeq ($(HAVE_intrinsics),yes)
LIB_SRCS += driver/cpu/pack_formula.c
ifeq ($(TARGET_CPU),aarch64)
LIB_SRCS += driver/cpu/idct_neon.c driver/cpu/upsample_neon.c driver/cpu/colour_neon.c
LIB_SRCS += driver/cpu/axis_neon.c driver/cpu/pack_neon.c driver/cpu/pack_formula_neon.c
else
CPU_AVX2_SRCS := driver/cpu/entropy_avx2.c driver/cpu/idct_avx2.c
CPU_AVX2_SRCS += driver/cpu/upsample_avx2.c driver/cpu/colour_avx2.c
CPU_AVX2_SRCS += driver/cpu/axis_avx2.c driver/cpu/pack_avx2.c
CPU_AVX2_SRCS += driver/cpu/pack_formula_avx2.c
CPU_AVX2_FLAGS := -mavx2 -mfma -mbmi -mbmi2
CPU_AVX512_SRCS := driver/cpu/entropy_avx512.c
CPU_AVX512_SRCS += driver/cpu/upsample_avx512.c driver/cpu/colour_avx512.c
CPU_AVX512_SRCS += driver/cpu/axis_avx512.c driver/cpu/axis_plan_avx512.c
CPU_AVX512_SRCS += driver/cpu/axis_far_avx512.c driver/cpu/pack_avx512.c
CPU_AVX512_SRCS += driver/cpu/pack_formula_avx512.c driver/cpu/pack_look_up_avx512.c
CPU_AVX512_FLAGS := $(CPU_AVX2_FLAGS) -mavx512f -mavx512bw -mavx512dq -mavx512vl
CPU_AVX512_FLAGS += -mavx512vbmi -mavx512vbmi2 -mavx512vnni
LIB_SRCS += $(CPU_AVX2_SRCS) $(CPU_AVX512_SRCS)
$(foreach f,$(CPU_AVX2_SRCS),$(eval CFLAGS_$(f) := $(CPU_AVX2_FLAGS)))
$(foreach f,$(CPU_AVX512_SRCS),$(eval CFLAGS_$(f) := $(CPU_AVX512_FLAGS)))
endif
endif
