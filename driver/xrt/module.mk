# Sources of driver/xrt: the driver in the library, and the program that holds XRT for it.
LIB_SRCS += driver/xrt/device.c driver/xrt/memory.c driver/xrt/units.c driver/xrt/host.c
LIB_SRCS += driver/xrt/protocol.c driver/xrt/settings.c driver/xrt/preflight.c driver/xrt/image.c
LIB_SRCS += driver/xrt/metadata.c driver/xrt/xclbin.c

XRT_HOST_SRCS := driver/xrt/program/main.c driver/xrt/program/card.c driver/xrt/program/run.c
XRT_HOST_SRCS += driver/xrt/program/api.c driver/xrt/protocol.c
$(foreach s,$(XRT_HOST_SRCS),$(eval CFLAGS_$(s) += -isystem /usr/include/xrt))
XRT_HOST_OBJS := $(XRT_HOST_SRCS:%.c=$(B)/%.o)
ifeq ($(HAVE_xrt),yes)
all: $(B)/dlop-xrt-host
endif
$(B)/dlop-xrt-host: $(XRT_HOST_OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ $(LDLIBS)
