# Sources of driver/ocl; without OpenCL's headers the driver only says so.
ifeq ($(HAVE_opencl),yes)
LIB_SRCS += driver/ocl/device.c driver/ocl/api.c driver/ocl/find.c driver/ocl/settings.c
LIB_SRCS += driver/ocl/program.c driver/ocl/cache.c driver/ocl/memory.c driver/ocl/slot.c
LIB_SRCS += driver/ocl/signals.c

# The kernels' source, as text inside the library.
GEN_SRCS += driver/ocl/kernels.c
$(B)/driver/ocl/kernels.c: scripts/embed_text
	$(call say,TEXT,hw/top/kernels.cl)
	@mkdir -p $(@D)
	$(Q)scripts/embed_text dlop_ocl_kernels hw/top/kernels.cl $@
else
LIB_SRCS += driver/ocl/absent.c
endif
