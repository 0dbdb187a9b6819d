# confd.  Everything made is in build/.
#
#   make            build/confd, and build/confd.stripped, which is installed
#   make check      unit tests, end-to-end tests, layers, lint
#   make help       the other targets
#
# V=1 shows the commands, WERROR=0 lets warnings pass, SIM=0 leaves out the
# software TEE.

VERSION = 0.1.0
COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

ifeq ($(origin CC),default)
CC = gcc
endif
AR ?= ar
STRIP ?= strip
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
DESTDIR ?=
SIM ?= 1
WERROR ?= 1
FUZZ_SECONDS ?= 10

# B is where this build lies: the sanitizers' and the fuzzers' are beside it.
B ?= build
DEPS ?= build/deps

# The stripped program may not grow past this; one that is looked into may.
MAX_BYTES = $(if $(SANITIZE)$(COVERAGE),99000000,5000000)

ifeq ($(V),1)
Q =
say = @:
else
Q = @
say = @printf '  %-7s %s\n'
MAKEFLAGS += --no-print-directory
endif

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

### Flags

WARN = -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wwrite-strings -Wcast-qual \
	-Wpointer-arith -Wformat=2 -Wundef -Wenum-conversion -Wconversion
ifneq ($(WERROR),0)
WARN += -Werror
endif

CPPFLAGS_ALL = -D_GNU_SOURCE -I. -isystem $(DEPS)/include $(CPPFLAGS)
CFLAGS_ALL = -std=gnu2x -O2 -g -fPIE -ffunction-sections -fdata-sections \
	-ffile-prefix-map=$(CURDIR)=. \
	-ffile-prefix-map=$(abspath $(DEPS))=build/deps \
	$(WARN) $(HARDEN) $(CFLAGS)
LDFLAGS_ALL = -Wl,--gc-sections $(LINK) $(LDFLAGS)
# A static link warns of libevent's resolver fallback, which nothing here
# calls; everything else that the linker says is shown.
link = $(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $(1) $(LDLIBS) \
	2>$@.said || { cat $@.said >&2; exit 1; }; \
	grep -v -e 'statically linked applications' -e ': in function ' \
		$@.said >&2 || true
LDLIBS = -L$(DEPS)/lib -lmbedtls -lmbedx509 -lmbedcrypto -lcjson \
	-Wl,-Bstatic -levent_core -levent_extra -lseccomp -lz

# gcc of Debian 12 knows all of these; the sanitizers want none of them.
ifdef SANITIZE
HARDEN = -fsanitize=$(SANITIZE) -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
LINK = $(HARDEN) -pie
LDLIBS += -Wl,-Bdynamic
else ifdef COVERAGE
HARDEN = -O0 --coverage -fprofile-update=atomic
LINK = --coverage -pie
LDLIBS += -Wl,-Bdynamic
else
HARDEN = -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
	-fstack-clash-protection -ftrivial-auto-var-init=zero \
	-fzero-call-used-regs=used-gpr
ifeq ($(shell uname -m),x86_64)
HARDEN += -fcf-protection=full
endif
LINK = -static-pie -Wl,-z,relro,-z,now,-z,noexecstack
endif

### Sources

SRC := $(sort $(wildcard core/*.c core/io/*.c attest/*.c attest/tee/*.c \
	proxy/*.c proxy/adapter/*.c sandbox/*.c cmd/*.c cmd/portal/*.c))
# The software TEE and its absence are two files of one interface.
ifeq ($(SIM),0)
SRC := $(filter-out attest/tee/sim.c,$(SRC))
else
SRC := $(filter-out attest/tee/sim_none.c,$(SRC))
endif
LIB_OBJ = $(patsubst %.c,$(B)/obj/%.o,$(filter-out cmd/confd.c,$(SRC)))

# Unit tests and what they share, in one program.
UNIT_DIRS = $(wildcard test/core test/attest test/proxy test/sandbox test/cmd)
UNIT_SRC := $(sort $(wildcard test/*.c) \
	$(if $(UNIT_DIRS),$(shell find $(UNIT_DIRS) -name '*.c')))
UNIT_OBJ = $(UNIT_SRC:%.c=$(B)/obj/%.o)

# Programs of their own: what tests play against, and what they measure with.
PROG_SRC := $(sort $(wildcard test/fake/*.c test/hostile/*.c test/guest/*.c))
PROGS = $(PROG_SRC:%.c=$(B)/%)
BENCH_SRC := $(sort $(wildcard test/bench/*.c))
BENCHES = $(BENCH_SRC:%.c=$(B)/%)
FUZZ_SRC := $(sort $(wildcard test/fuzz/fuzz_*.c))
FUZZERS = $(FUZZ_SRC:%.c=$(B)/%)

# A shell script says $$CONFD, so that one set of tests serves every build.
RUN = CONFD=$(abspath $(B)/confd) BUILD=$(abspath $(B))
UNIT = $(B)/test/unit

### The program

.PHONY: all
all: $(B)/confd $(B)/confd.stripped $(B)/confd-gpu-helper

$(B)/confd: $(B)/obj/cmd/confd.o $(B)/libconfd.a \
		$(if $(SANITIZE),$(B)/obj/test/sanitize/options.o)
	$(say) LINK $@
	$(Q)$(call link,$^)

# Asks NVIDIA's library, which a static program cannot load: a program of its
# own, named to a worker by --gpu-helper.
$(B)/confd-gpu-helper: $(B)/obj/cmd/gpu-helper/gpu_helper.o $(B)/libconfd.a
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS_ALL) -Wl,--gc-sections $(LINK:-static-pie=-pie) \
		$(LDFLAGS) -o $@ $^ $(LDLIBS) -Wl,-Bdynamic -ldl

# Stripped, and not larger than we promise.
$(B)/confd.stripped: $(B)/confd
	$(Q)$(STRIP) -o $@.new $<
	$(Q)size=$$(stat -c %s $@.new); \
	printf '  SIZE    %s: %s bytes stripped\n' $< $$size; \
	if [ $$size -gt $(MAX_BYTES) ]; then \
		echo 'more than $(MAX_BYTES)' >&2; exit 1; \
	fi
	$(Q)mv $@.new $@

# Made anew each time, so that no member outlives its source.
$(B)/libconfd.a: $(LIB_OBJ) $(B)/sources
	$(say) AR $@
	$(Q)rm -f $@
	$(Q)$(AR) rcsD $@ $(LIB_OBJ)

$(B)/obj/%.o: %.c $(B)/flags $(DEPS)/stamp | build/version.h
	$(say) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

# Files that change only when their text does.  What depends on them is
# remade then, and not otherwise.
$(B)/flags: text = $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL)
$(B)/sources: text = $(SRC) $(UNIT_SRC)
build/version.h: text = \
	\#define CONFD_VERSION "$(VERSION)"$n\#define CONFD_COMMIT "$(COMMIT)"
define n


endef
$(B)/flags $(B)/sources build/version.h: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)printf '%s\n' '$(subst $n,' ',$(text))' | \
		cmp -s - $@ || printf '%s\n' '$(subst $n,' ',$(text))' >$@
FORCE:

### The libraries

.PHONY: deps
deps: $(DEPS)/stamp

ifeq ($(DEPS),build/deps)
$(DEPS)/stamp: .make/deps.sh .make/fetch.sh core/mbedtls_config.h
	$(Q)CC='$(CC)' .make/deps.sh $(DEPS)
	$(Q)touch $@
endif

### Tests

$(UNIT): $(UNIT_OBJ) $(B)/libconfd.a $(B)/sources
	$(say) LINK $@
	$(Q)mkdir -p $(@D)
	$(Q)$(call link,$(UNIT_OBJ) $(B)/libconfd.a)

$(PROGS) $(BENCHES): $(B)/test/%: $(B)/obj/test/%.o $(B)/libconfd.a
	$(say) LINK $@
	$(Q)mkdir -p $(@D)
	$(Q)$(call link,$(filter %.o,$^) $(filter %.a,$^))

# Signs as hardware does, with what forges evidence for the unit tests.
FORGES = attest/hw_world attest/tee/snp_forge attest/tee/snp_forge_rsa \
	attest/tee/tdx_forge attest/tee/gpu_forge attest/tee/tsm_fake \
	core/pki_forge
$(B)/test/fake/tsm_daemon: $(FORGES:%=$(B)/obj/test/%.o)

# A library that answers as NVIDIA's does, for the helper's tests.
NVML = $(B)/test/fake/nvml.so
$(NVML): test/fake/nvml/nvml.c $(B)/flags
	$(say) LINK $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(filter-out -fPIE,$(CFLAGS_ALL)) -fPIC \
		-shared -o $@ $<

.PHONY: tests test
tests: all $(if $(UNIT_SRC),$(UNIT)) $(PROGS) $(NVML)

# The tests alone: test/run has the unit tests among others.
test: tests
	$(Q).make/tools.sh
	$(Q)if [ -x test/run ]; then $(RUN) test/run; else $(RUN) $(UNIT); fi

.PHONY: check
check: layers lint
	$(Q)$(MAKE) test

.PHONY: asan
asan:
	$(Q)$(MAKE) B=build/asan SANITIZE=address,undefined tests
	$(Q)ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 \
	UBSAN_OPTIONS=print_stacktrace=1 \
	$(MAKE) B=build/asan SANITIZE=address,undefined test

.PHONY: coverage
coverage:
	$(Q)$(MAKE) B=build/coverage COVERAGE=1 tests
	$(Q)find build/coverage -name '*.gcda' -delete
	$(Q)rc=0; $(MAKE) B=build/coverage COVERAGE=1 test || rc=$$?; \
	.make/coverage.sh build/coverage/obj; exit $$rc

.PHONY: fuzz fuzzers
fuzz:
	$(Q).make/need.sh clang 'libclang-rt-dev|libclang-rt-14-dev'
	$(Q)$(MAKE) B=build/fuzz CC=clang fuzzers \
		SANITIZE=fuzzer-no-link,address,undefined
	$(Q).make/fuzz.sh $(FUZZ_SECONDS) $(FUZZ_SRC:%.c=build/fuzz/%)

fuzzers: $(FUZZERS)
$(FUZZERS): $(B)/test/%: $(B)/obj/test/%.o $(B)/libconfd.a
	$(say) LINK $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ \
		$(LDLIBS)

.PHONY: layers lint repro bench demo
layers:
	$(Q).make/layers.sh --self-test
	$(Q).make/layers.sh

lint:
	$(Q).make/lint.sh

repro: $(DEPS)/stamp
	$(Q)COMMIT='$(COMMIT)' .make/repro.sh '$(abspath $(DEPS))'

bench: all $(BENCHES)
	$(Q)if [ -x test/bench/run ]; then $(RUN) test/bench/run; else \
		for b in $(BENCHES); do echo "== $$b"; $(RUN) $$b || exit 1; done; \
	fi

demo: all
	$(Q)$(B)/confd demo

### Installation

# The program knows its applets and their options: it names the symlinks and
# writes the completions.
.PHONY: install
install: all
	$(Q)install -d '$(DESTDIR)$(BINDIR)'
	$(Q)install -m 755 $(B)/confd.stripped '$(DESTDIR)$(BINDIR)/confd'
	$(Q)install -s -m 755 $(B)/confd-gpu-helper '$(DESTDIR)$(BINDIR)'
	$(Q)rm -rf $(B)/links && mkdir -p $(B)/links
	$(Q)$(B)/confd --install $(B)/links
	$(Q)for link in $$(ls $(B)/links); do \
		ln -sf confd '$(DESTDIR)$(BINDIR)'/$$link || exit 1; \
	done
	$(Q)for page in $(sort $(wildcard man/*.[1-8])); do \
		install -D -m 644 -t '$(DESTDIR)$(MANDIR)'/man$${page##*.} $$page \
			|| exit 1; \
	done
	$(Q).make/completions.sh $(B)/confd '$(DESTDIR)$(DATADIR)'

.PHONY: clean distclean help
clean:
	$(Q)find build -mindepth 1 -maxdepth 1 ! -name 'deps*' \
		-exec rm -rf {} + 2>/dev/null || true

distclean:
	$(Q)rm -rf build

help:
	@echo 'all        build/confd (default)'
	@echo 'deps       the libraries it links, into build/deps'
	@echo 'check      layers, lint, all tests;  test: the tests alone'
	@echo 'asan       the tests under address and undefined sanitizers'
	@echo 'fuzz       each fuzzer for FUZZ_SECONDS (10)'
	@echo 'coverage   the tests, with lines covered per folder'
	@echo 'bench      measure'
	@echo 'repro      build in two places and compare'
	@echo 'demo       every role on this machine'
	@echo 'install    PREFIX, DESTDIR'
	@echo 'clean      all but the libraries;  distclean: those too'
