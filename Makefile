# DLOP: make help tells what can be made here.

# ---- configuration ------------------------------------------------------------------------------------------------------
CC ?= cc
CONFIG ?= release
SAN ?=
V ?=
PREFIX ?= /usr/local
ifneq ($(SAN),)
CONFIG := san-$(subst $(comma),-,$(SAN))
endif
comma := ,
B := build/$(CONFIG)
VERSION := $(shell sed -n 's/^.define DLOP_VERSION "\(.*\)"/\1/p' host/include/dlop.h)
COMMIT := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)

# ---- flags --------------------------------------------------------------------------------------------------------------
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
OPT ?= -O3 -g
# Float arithmetic of crops and tables must be what the source says: no fused multiply-add unless written as one.
CFLAGS += -std=c11 -D_GNU_SOURCE $(OPT) $(WARNINGS) -fPIC -fvisibility=hidden -ffp-contract=off -fno-strict-overflow -pthread -I. -Ihost/include
LDLIBS += -pthread -lm -ldl
ifneq ($(SAN),)
CFLAGS += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
LDFLAGS += -fsanitize=$(SAN)
endif
Q := $(if $(V),,@)
say = $(if $(V),,@echo "  $(1) $(2)";)

# ---- sources: each folder lists its own ---------------------------------------------------------------------------------
LIB_SRCS :=
CLI_SRCS :=
TEST_SRCS :=
include driver/module.mk driver/cpu/module.mk
include host/base/module.mk host/source/module.mk host/format/module.mk host/draw/module.mk host/plan/module.mk host/run/module.mk
include host/cli/module.mk
include tests/module.mk

LIB_OBJS := $(LIB_SRCS:%.c=$(B)/%.o)
CLI_OBJS := $(CLI_SRCS:%.c=$(B)/%.o)
TESTS := $(TEST_SRCS:%.c=$(B)/%)

# ---- rules --------------------------------------------------------------------------------------------------------------
.PHONY: all lib tests clean
all: lib build/dlop
lib: $(B)/libdlop.a $(B)/libdlop.so
tests: $(TESTS)

$(B)/%.o: %.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(CFLAGS_$<) -MMD -MP -c $< -o $@

$(B)/libdlop.a: $(LIB_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/libdlop.so: $(LIB_OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,libdlop.so $(LDFLAGS) $^ -o $@ $(LDLIBS)

$(B)/dlop: $(CLI_OBJS) $(B)/libdlop.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ $(LDLIBS) -ljansson

build/dlop: $(B)/dlop $(B)/libdlop.so
	$(Q)ln -sf $(CONFIG)/dlop build/dlop && ln -sf $(CONFIG)/libdlop.so build/libdlop.so

$(TESTS): $(B)/%: $(B)/%.o $(B)/libdlop.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ -lcmocka $(TEST_LIBS_$*) $(LDLIBS)

clean:
	rm -rf build

-include $(LIB_OBJS:.o=.d) $(CLI_OBJS:.o=.d) $(TESTS:=.d)
