# DLOP: make help tells what can be made here.

# ---- configuration -------------------------------------------------------------------------------
# Variables for the command line, printed by make help:
#: CC=clang            another compiler; name its folder with CONFIG=clang
#: CONFIG=name         objects, library and tests in build/name (release)
#: SAN=address,undefined or SAN=thread   sanitizer build, in a folder of its own
#: V=1                 full commands
#: OPT=-O0\ -g         optimisation
#: DLOP_INTRINSICS=0   build without vector intrinsics (1: fail where there are none)
#: WITH_fuzzer=no      leave an optional part out (yes: fail where it is missing)
#: JSON=1              make model as JSON
#: T=kernel            tests of one folder, file or several: T=kernel,python/test_hook.py
#: TIER=quick          quick, full (quick too) or long (all)
#: DLOP_REQUIRE=a,b    tests that would skip for want of these fail
#: DLOP_PYTHON=python  use this Python as it is instead of making .venv
#: PREFIX=, DESTDIR=   where make install puts things (/usr/local)
comma := ,
empty :=
ifeq ($(origin CC),default)
CC := cc
endif
SAN ?=
V ?=
T ?=
TIER ?= full
PREFIX ?= /usr/local
CONFIG ?= $(if $(SAN),san-$(subst $(comma),-,$(SAN)),release)
B := build/$(CONFIG)
PYTHON := $(or $(DLOP_PYTHON),.venv/bin/python)

VERSION := $(shell sed -n 's/^.define DLOP_VERSION "\(.*\)"/\1/p' host/include/dlop.h)
COMMIT := $(or $(shell git describe --always --dirty --exclude='*' 2>/dev/null),unknown)

# Goals that prepare the machine first, and goals that need no configuration at all.
SETUP_GOALS := demo test check bench model fuzz fuzz-smoke fuzz-guided photos vectors
PLAIN_GOALS := help setup clean
GOALS := $(or $(MAKECMDGOALS),all)

# Write text to a file unless the file holds it already: what depends on the file is made anew when
# the text changes.
remember = $(shell mkdir -p $(dir $(1)); printf '%s\n' '$(2)' | cmp -s - $(1) || \
	printf '%s\n' '$(2)' >$(1))

all:

# ---- optional parts: found once, kept in $(B)/config.mk ------------------------------------------
WITH_intrinsics := $(if $(DLOP_INTRINSICS),$(if $(filter 0,$(DLOP_INTRINSICS)),no,yes),auto)
PARTS := jansson spng libjpeg cmocka intrinsics fuzzer opencl xrt
CHOICES := $(foreach p,$(PARTS),$(p)=$(or $(WITH_$(p)),auto))

ifneq ($(filter-out $(PLAIN_GOALS),$(GOALS)),)
$(call remember,$(B)/choices,$(CC) $(CHOICES))
include $(B)/config.mk
endif
# scripts/setup touches its stamp only when it installed something.
ifneq ($(filter $(SETUP_GOALS),$(GOALS)),)
SETUP_STAMP := build/setup.stamp
build/setup.stamp: FORCE
	@scripts/setup
else
SETUP_STAMP := $(wildcard build/setup.stamp)
endif

$(B)/config.mk: scripts/detect $(B)/choices $(SETUP_STAMP)
	@echo "  CONFIG $(B)"
	@scripts/detect '$(CC)' $(CHOICES) >$@.new && mv $@.new $@

# ---- flags ---------------------------------------------------------------------------------------
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
OPT ?= $(if $(SAN),-O1,-O3) -g
# Float arithmetic of crops and tables must be what the source says: no fused multiply-add unless
# written as one.
CFLAGS += -std=c11 -D_GNU_SOURCE $(OPT) $(WARNINGS) $(WERROR) -fPIC -fvisibility=hidden
CFLAGS += -ffp-contract=off -fno-strict-overflow -pthread -I. -Ihost/include
CFLAGS += -DDLOP_INTRINSICS=$(if $(filter yes,$(HAVE_intrinsics)),1,0)
CFLAGS += -DDLOP_HAVE_OPENCL=$(if $(filter yes,$(HAVE_opencl)),1,0)
CFLAGS += -DDLOP_HAVE_XRT=$(if $(filter yes,$(HAVE_xrt)),1,0)
ifeq ($(TARGET_CPU),aarch64)
# gcc 12.2 sums comparisons wrongly (true counts -1) when it makes vectors of straight-line code for
# AArch64: codes of Huffman tables were not found. check-aarch64 fails without this flag.
CFLAGS += -fno-tree-slp-vectorize
endif
LDLIBS += -pthread -lm -ldl
ifneq ($(SAN),)
CFLAGS += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
LDFLAGS += -fsanitize=$(SAN)
endif
ifeq ($(CONFIG),fuzz-guided)
CFLAGS += -fsanitize=fuzzer-no-link
endif
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-6s %s\n' $(1) $(2))

# ---- sources: each folder lists its own ----------------------------------------------------------
# LIB_SRCS, CLI_SRCS, TEST_SRCS and FUZZ_SRCS += path.c; GEN_SRCS += path.c below $(B) that a rule of
# the folder makes; CFLAGS_path.c := flags of one file; CLI_LIBS; BENCH_SRCS and BENCH_LIBS of
# libdlop_bench.so;
# TEST_LIBS_path and TEST_TIER_path and TEST_TIMEOUT_path (seconds), path without .c, of one test.
LIB_SRCS :=
GEN_SRCS :=
CLI_SRCS :=
CLI_LIBS :=
BENCH_SRCS :=
BENCH_LIBS :=
TEST_SRCS :=
FUZZ_SRCS :=
include hw/top/module.mk sim/module.mk sim/swemu/module.mk
include driver/module.mk driver/cpu/module.mk driver/sim/module.mk driver/ocl/module.mk
include driver/xrt/module.mk driver/group/module.mk
include host/base/module.mk host/source/module.mk host/format/module.mk host/draw/module.mk
include host/plan/module.mk host/run/module.mk host/cli/module.mk host/bench/module.mk
include tests/module.mk tests/top/module.mk tests/sim/module.mk tests/swemu/module.mk tests/xrt/module.mk

GEN_OBJS := $(GEN_SRCS:%.c=$(B)/%.o)
LIB_OBJS := $(LIB_SRCS:%.c=$(B)/%.o) $(GEN_OBJS)
CLI_OBJS := $(CLI_SRCS:%.c=$(B)/%.o)
BENCH_OBJS := $(BENCH_SRCS:%.c=$(B)/%.o)
TESTS := $(TEST_SRCS:%.c=$(B)/%)
FUZZERS := $(FUZZ_SRCS:%.c=$(B)/%)
FUZZ_COMMON_SRCS := tests/fuzz/driver.c tests/fuzz/mutate.c tests/fuzz/pillow_oracle.c

# The one file that knows commit and flags, so that a new commit compiles one file anew.
BUILD_INFO_SRC := host/base/version.c
BUILD_INFO := commit $(COMMIT), $(CC) $(OPT)$(if $(SAN), -fsanitize=$(SAN)), $(CONFIG)
CFLAGS_$(BUILD_INFO_SRC) := -DDLOP_BUILD_INFO='"$(BUILD_INFO)"'
ifneq ($(filter-out $(PLAIN_GOALS),$(GOALS)),)
$(call remember,$(B)/flags,$(CC) $(CFLAGS) $(LDFLAGS) $(LDLIBS))
$(call remember,$(B)/build_info,$(BUILD_INFO))
endif

# ---- rules ---------------------------------------------------------------------------------------
.PHONY: all lib tests fuzzers clean FORCE
.DELETE_ON_ERROR:
.SECONDARY:
all: lib $(B)/dlop $(B)/libdlop_bench.so $(if $(filter release,$(CONFIG)),build/dlop) #: command and library (default)
lib: $(B)/libdlop.a $(B)/libdlop.so #: library only
tests: $(TESTS) #: test programs, not run

$(B)/%.o: %.c $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(CFLAGS_$<) -MMD -MP -c $< -o $@

$(GEN_OBJS): %.o: %.c $(B)/flags
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD_INFO_SRC:%.c=$(B)/%.o): $(B)/build_info

$(B)/libdlop.a: $(LIB_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/libdlop.so: $(LIB_OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,libdlop.so $(if $(SAN),,-Wl$(comma)-z$(comma)defs) $(LDFLAGS) $^ -o $@ $(LDLIBS)

# The command line needs these parts.
NEEDED := $(strip $(foreach p,jansson spng libjpeg,$(if $(filter no,$(HAVE_$(p))),$(p))))
.PHONY: needed
needed:
	$(if $(NEEDED),@echo "missing: $(NEEDED); run scripts/setup" >&2; exit 1,@:)
$(CLI_OBJS) $(BENCH_OBJS): | needed

$(B)/dlop: $(CLI_OBJS) $(B)/libdlop.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ $(CLI_LIBS) $(LDLIBS)

# What dlop bench measures in C, with a copy of the library inside: the symbols of both stay apart.
$(B)/libdlop_bench.so: $(BENCH_OBJS) $(B)/libdlop.a
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,libdlop_bench.so -Wl,--exclude-libs,ALL $(LDFLAGS) $^ -o $@ \
		$(BENCH_LIBS) $(LDLIBS)

build/dlop: $(B)/dlop $(B)/libdlop.so
	$(Q)ln -sfn $(CONFIG)/libdlop.so build/libdlop.so && ln -sfn $(CONFIG)/dlop build/dlop

$(TESTS): $(B)/%: $(B)/%.o $(B)/libdlop.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ -lcmocka $(TEST_LIBS_$*) $(LDLIBS)

# Fuzz targets with the plain driver, and guided by coverage (clang, CONFIG=fuzz-guided).
$(B)/tests/fuzz/common.a: $(FUZZ_COMMON_SRCS:%.c=$(B)/%.o)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(FUZZERS): $(B)/%: $(B)/%.o $(B)/tests/fuzz/common.a $(B)/libdlop.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ -ljpeg $(LDLIBS)

$(FUZZERS:%=%-guided): $(B)/%-guided: $(B)/%.o $(B)/tests/fuzz/pillow_oracle.o $(B)/libdlop.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer $^ -o $@ -ljpeg $(LDLIBS)

.PHONY: xclbin
xclbin: #: card images for the real XRT, TARGET=sw_emu (default), hw_emu or hw (sim/swemu)

clean: #: remove what was built, but not .venv
	rm -rf build

# ---- demo and test -------------------------------------------------------------------------------
.PHONY: setup photos vectors demo test bench model fuzz fuzz-smoke fuzz-guided fuzz-guided-run
PHOTO_SETS ?= imagenet tiny q90-420 large cifar

setup: #: install what is missing: Debian packages, .venv
	@scripts/setup

build/photos/%/stats.json: tests/data/make_photos tests/data/photos.txt | $(SETUP_STAMP)
	$(Q)$(PYTHON) tests/data/make_photos --set $*

photos: $(PHOTO_SETS:%=build/photos/%/stats.json) #: photo sets for demo, tests and benchmarks

demo: all build/photos/imagenet/stats.json #: an unmodified training script, with and without DLOP
	$(Q)DLOP_PYTHON=$(PYTHON) tests/demo/run

# One line per test program: path, tier, time limit in seconds.
define tests_list
$(foreach t,$(TEST_SRCS:.c=),$(B)/$(t) $(or $(TEST_TIER_$(t)),quick) $(or $(TEST_TIMEOUT_$(t)),300)
)
endef

test: all tests photos vectors #: set up, build and run the tests (see T, TIER)
	$(file >$(B)/tests.list,$(tests_list))
	$(Q)tests/run --build $(B) --python $(PYTHON) --tier $(TIER) $(if $(T),--select $(T)) \
		$(if $(SAN),--only-c)

bench: all build/photos/imagenet/stats.json #: images per second beside the script's own loader
	$(Q)DLOP_PYTHON=$(PYTHON) $(B)/dlop bench loader --data build/photos/imagenet/train --cores 1

model: $(B)/tests/bench/card_model build/photos/imagenet/stats.json #: what the cycle model says of cards
	$(Q)$< $(if $(JSON),--json) build/photos/imagenet

vectors: build/vectors/manifest.tsv #: files of every kind for tests and fuzzing
build/vectors/manifest.tsv: tests/vectors/make_vectors build/photos/tiny/stats.json
	$(Q)$(PYTHON) tests/vectors/make_vectors

fuzz-smoke: all vectors #: a fixed number of fuzzing runs of each target
	$(Q)$(MAKE) SAN=address,undefined N=1000 fuzz
	$(Q)$(PYTHON) tests/fuzz/pillow --library $(B)/libdlop.so --n 3000

fuzz: vectors $(FUZZERS) #: N=100000 mutants with sane headers, 10 N of any kind (give SAN, too)
	$(Q)tests/fuzz/run --n $(or $(N),100000) --seed $(or $(SEED),1) $(FUZZERS)

fuzz-guided: vectors #: fuzzing guided by coverage, SECONDS=60 for each target
	$(Q)$(MAKE) CC=clang CONFIG=fuzz-guided SAN=address,undefined fuzz-guided-run

fuzz-guided-run: $(FUZZERS:%=%-guided)
	$(Q)tests/fuzz/run --guided $(or $(SECONDS),60) $^

# ---- check: what CI and developers run before a submission ---------------------------------------
.PHONY: check check-format check-lint check-headers check-symbols check-analyse check-python
.PHONY: check-compilers check-install check-san check-fuzz fmt
C_FILES = $(shell find hw sim driver host tests -name '*.[ch]' -not -path 'tests/lint/*')
PY_FILES := host/python tests scripts

CHECKS := format lint headers symbols analyse python compilers install san fuzz
check: $(CHECKS:%=check-%) #: lints, analyser, other compilers, sanitizers
	@echo "check: all passed"

check-format:
	$(Q)clang-format --dry-run -Werror $(C_FILES)

check-lint:
	$(Q)tests/lint/run

.PHONY: hw-lint
hw-lint: #: the C subset of what becomes hardware (part of check)
	$(Q)tests/lint/hw

check-headers:
	$(Q)tests/headers/run

check-symbols: all
	$(Q)tests/lint/symbols $(B)/libdlop.so $(B)/libdlop.a $(B)/libdlop_bench.so

check-analyse: lib
	$(Q)tests/lint/analyse $(LIB_SRCS) $(CLI_SRCS) $(BENCH_SRCS)

check-python: $(SETUP_STAMP)
	$(Q)$(PYTHON) -m ruff check -q $(PY_FILES) && $(PYTHON) -m ruff format -q --check $(PY_FILES)

.PHONY: check-aarch64
check-aarch64: #: NEON kernels, cross built and run under qemu-user (not part of check)
	$(Q)tests/kernel/aarch64

check-compilers:
	$(Q)$(MAKE) CC=gcc CONFIG=gcc WERROR=-Werror all tests
	$(Q)$(MAKE) CC=clang CONFIG=clang WERROR=-Werror all tests
	$(Q)$(MAKE) CONFIG=plain WERROR=-Werror DLOP_INTRINSICS=0 WITH_opencl=no WITH_xrt=no all tests

check-install: all
	$(Q)rm -rf $(B)/stage && $(MAKE) install DESTDIR=$(B)/stage PREFIX=/usr
	$(Q)cd $(B)/stage && mv usr moved && moved/bin/dlop --version && moved/bin/dlop selftest
	$(Q)$(B)/stage/moved/bin/dlop run --json $(PYTHON) -c 'import torch.utils.data' 2>&1 | \
		grep '"state": "attached"'

check-san:
	$(Q)$(MAKE) SAN=address,undefined TIER=quick test
	$(Q)$(MAKE) SAN=thread TIER=quick T=driver,sim,unit test

check-fuzz:
	$(Q)$(MAKE) fuzz-smoke

fmt: #: format C and Python sources
	clang-format -i $(C_FILES)
	$(PYTHON) -m ruff format $(PY_FILES) && $(PYTHON) -m ruff check -q --fix $(PY_FILES)

# ---- install -------------------------------------------------------------------------------------
.PHONY: install
ROOT = $(DESTDIR)$(PREFIX)
install: all #: command, library, header and Python package to DESTDIR/PREFIX
	$(Q)install -D -m 755 $(B)/dlop $(ROOT)/bin/dlop
	$(Q)install -D -m 644 $(B)/libdlop.so $(ROOT)/lib/libdlop.so
	$(Q)install -D -m 644 $(B)/libdlop_bench.so $(ROOT)/lib/libdlop_bench.so
	$(Q)install -D -m 644 host/include/dlop.h $(ROOT)/include/dlop.h
ifeq ($(HAVE_xrt),yes)
	$(Q)install -D -m 755 $(B)/dlop-xrt-host $(ROOT)/lib/dlop/dlop-xrt-host
endif
	$(Q)cd host/python && find . -name '*.py' -o -name py.typed | while read -r file; do \
		install -D -m 644 "$$file" "$(abspath $(ROOT))/lib/dlop/python/$$file" || exit 1; done

# ---- help ----------------------------------------------------------------------------------------
.PHONY: help
help: #: this text
	@echo "make [goal] [variables]"
	@sed -n 's/^\([a-z-]*\):.*#: \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'
	@echo "variables"
	@sed -n 's/^#: /  /p' Makefile

# Of every object that was ever compiled here.
-include $(shell find $(B) -name '*.d' 2>/dev/null)
