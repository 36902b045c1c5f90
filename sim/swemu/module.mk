# Sim of XRT without a card: device process, shim repair, card images and what writes them. Programs
# of their own, and only where XRT's headers are.

# The device process. It reads the XML of a card image as the driver does.
SWEMU_DEVICE_SRCS := sim/swemu/log.c sim/swemu/wire.c sim/swemu/memory.c sim/swemu/program.c
SWEMU_DEVICE_SRCS += sim/swemu/calls.c sim/swemu/hwemu.c
SWEMU_DEVICE_OBJS := $(SWEMU_DEVICE_SRCS:%.c=$(B)/%.o) $(B)/driver/xrt/metadata.o
# What writes card images.
SWEMU_IMAGE_OBJS := $(B)/sim/swemu/card.o $(B)/sim/swemu/describe.o $(B)/sim/swemu/xclbin_write.o
SWEMU_OBJS := $(SWEMU_DEVICE_OBJS) $(SWEMU_IMAGE_OBJS) $(B)/sim/swemu/device.o
SWEMU_OBJS += $(B)/sim/swemu/mkxclbin.o $(B)/sim/swemu/entry.o $(B)/sim/swemu/shim_repair.o

# Nothing that depends on the place or the time of the build goes into what a card image holds.
SWEMU_REPRODUCIBLE := -s -Wl,--build-id=none
SWEMU_LIB := $(B)/sim/swemu
XCLBIN := $(B)/xclbin
# The tree that XRT takes as its own installation.
XRT_ROOT := $(B)/xrt-root
XRT_MODEL := data/emulation/unified/cpu_em/generic_pcie/model/genericpciemodel
XRT_LIB ?= /usr/lib/x86_64-linux-gnu
SWEMU_CARDS := ddr u280

$(SWEMU_LIB)/genericpciemodel: $(B)/sim/swemu/device.o $(SWEMU_DEVICE_OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $(SWEMU_REPRODUCIBLE) $^ -o $@ $(LDLIBS)

$(SWEMU_LIB)/mkxclbin: $(B)/sim/swemu/mkxclbin.o $(SWEMU_IMAGE_OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ -luuid $(LDLIBS)

# All kernels of hw/top, whichever files they are in.
$(SWEMU_LIB)/kernels.so: $(B)/sim/swemu/entry.o $(patsubst %.c,$(B)/%.o,$(filter hw/top/%,$(LIB_SRCS)))
	$(call say,LD,$@)
	$(Q)$(CC) -shared $(LDFLAGS) $(SWEMU_REPRODUCIBLE) $^ -o $@ $(LDLIBS)

$(SWEMU_LIB)/libxrt_%.so.2: $(B)/sim/swemu/shim_repair.o
	$(call say,LD,$@)
	$(Q)$(CC) -shared $(LDFLAGS) -Wl,-soname,libdlop_$*_repair.so $< -o $@ \
		-Wl,--no-as-needed -L$(XRT_LIB) -l:libxrt_$*.so.2 $(LDLIBS)

# Hardware emulation unpacks a zip and starts simulate.sh in it: fixed order, modes and times.
$(SWEMU_LIB)/%/metadata.xml: $(SWEMU_LIB)/mkxclbin
	@mkdir -p $(@D)
	$(Q)$< metadata --mode hw_emu --card $* --output $@

$(SWEMU_LIB)/%/hw_emu.zip: $(SWEMU_LIB)/%/metadata.xml $(SWEMU_LIB)/genericpciemodel \
		$(SWEMU_LIB)/kernels.so sim/swemu/simulate.sh
	$(call say,ZIP,$@)
	$(Q)rm -rf $@ $(@D)/zip && mkdir -p $(@D)/zip/$(XSIM)
	$(Q)install -m 644 $< $(SWEMU_LIB)/kernels.so $(@D)/zip/$(XSIM)
	$(Q)install -m 755 $(SWEMU_LIB)/genericpciemodel sim/swemu/simulate.sh $(@D)/zip/$(XSIM)
	$(Q)cd $(@D)/zip && touch -d @$${SOURCE_DATE_EPOCH:-315619200} $(XSIM_FILES) && \
		TZ=UTC zip -X -D -q -0 ../hw_emu.zip $(XSIM_FILES)
XSIM := behav_waveform/xsim
XSIM_FILES := $(addprefix $(XSIM)/,genericpciemodel kernels.so metadata.xml simulate.sh)

# dlop.sw_emu.xclbin is of the first card, dlop-CARD.sw_emu.xclbin of another.
xclbin_name = $(XCLBIN)/dlop$(if $(filter-out ddr,$(1)),-$(1)).$(2).xclbin
define xclbin_rules
$(call xclbin_name,$(1),sw_emu): $(SWEMU_LIB)/mkxclbin $(SWEMU_LIB)/kernels.so
	$$(call say,XCLBIN,$$@)
	@mkdir -p $$(@D)
	$(Q)$$< xclbin --mode sw_emu --card $(1) --program $(SWEMU_LIB)/kernels.so --output $$@
$(call xclbin_name,$(1),hw_emu): $(SWEMU_LIB)/mkxclbin $(SWEMU_LIB)/$(1)/hw_emu.zip
	$$(call say,XCLBIN,$$@)
	@mkdir -p $$(@D)
	$(Q)$$< xclbin --mode hw_emu --card $(1) --program $(SWEMU_LIB)/$(1)/hw_emu.zip --output $$@
$(XRT_ROOT)/$(1)/emconfig.json: $(SWEMU_LIB)/mkxclbin
	@mkdir -p $$(@D)
	$(Q)$$< emconfig --card $(1) --devices 2 --output $$@
endef
$(foreach card,$(SWEMU_CARDS),$(eval $(call xclbin_rules,$(card))))

$(XRT_ROOT)/$(XRT_MODEL): $(SWEMU_LIB)/genericpciemodel
	@mkdir -p $(@D)
	$(Q)cp $< $@
$(XRT_ROOT)/lib/libxrt_%emu.so.2: $(SWEMU_LIB)/libxrt_%emu.so.2
	@mkdir -p $(@D)
	$(Q)cp $< $@
$(XRT_ROOT)/lib/libxrt_core.so.2 $(XRT_ROOT)/lib/libxrt_noop.so.2:
	@mkdir -p $(@D)
	$(Q)ln -sfn $(XRT_LIB)/$(@F) $@

SWEMU_FILES := $(XRT_ROOT)/$(XRT_MODEL) $(SWEMU_CARDS:%=$(XRT_ROOT)/%/emconfig.json)
SWEMU_FILES += $(patsubst %,$(XRT_ROOT)/lib/libxrt_%.so.2,swemu hwemu core noop)
XCLBINS = $(foreach card,$(SWEMU_CARDS),$(call xclbin_name,$(card),$(1)))

.PHONY: xclbin-sw_emu xclbin-hw_emu xclbin-hw xclbin-all
xclbin: xclbin-$(or $(TARGET),sw_emu)
xclbin-all: xclbin-sw_emu xclbin-hw_emu
ifeq ($(HAVE_xrt),yes)
xclbin-sw_emu: $(SWEMU_FILES) $(call XCLBINS,sw_emu)
xclbin-hw_emu: $(SWEMU_FILES) $(call XCLBINS,hw_emu)
tests: $(if $(shell command -v zip),xclbin-all,xclbin-sw_emu)
else
xclbin-sw_emu xclbin-hw_emu:
	@echo "card images for emulation need XRT's headers and libraries: apt-get install libxrt-dev zip unzip" >&2
	@exit 1
endif
PLATFORM ?= xilinx_u280_gen3x16_xdma_1_202211_1
xclbin-hw:
	@printf '%s\n' "An image for a card needs AMD's Vitis (v++ in PATH) and the card's platform files:" \
		"  v++ --compile --target hw --platform $(PLATFORM) -I. -k KERNEL -o KERNEL.xo hw/top/*.c" \
		"for each KERNEL of hw/top/top.h, then" \
		"  v++ --link --target hw --platform $(PLATFORM) --config hw/link/CARD.cfg -o dlop.hw.xclbin *.xo" >&2
	@exit 1
