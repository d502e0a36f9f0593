# make            build/rootlet, one static executable (libraries through build-static.sh)
# make demo       the main job, shown from nothing on a fresh machine
# make check      everything that is tested, from nothing on a fresh machine
# More: setup check-asan lint fuzz bench install uninstall clean distclean. V=1 shows commands. ARCH=aarch64 builds for it.

VERSION := 0.1.0
NATIVE  := $(shell uname -m)
ARCH    ?= $(NATIVE)
PREFIX  ?= /usr/local
BINDIR  ?= $(PREFIX)/bin
MANDIR  ?= $(PREFIX)/share/man

Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-5s %s\n' $(1) $@)
.DELETE_ON_ERROR:
.SUFFIXES:

LIB_SRC := $(sort $(wildcard core/*.c net/*.c))
APP_SRC := $(sort $(wildcard applets/*.c))
UNITS   := $(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/*.c)))
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(filter-out tests/fuzz/driver.c,$(sort $(wildcard tests/fuzz/*.c))))

# ---------------------------------------------------------------- flags
WARN  := -Wall -Wextra -Werror -Wno-missing-field-initializers -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2
CBASE := -std=gnu11 $(WARN) -D_GNU_SOURCE -DROOTLET_VERSION='"$(VERSION)"' -I. -g -fstack-protector-strong -MMD -MP

# The static build: sections that nobody uses are left out; the name of this folder stays out of the bytes.
O      := build/$(ARCH)
D      := build/deps/$(ARCH)
CROSS  := $(if $(filter $(NATIVE),$(ARCH)),,$(ARCH)-linux-gnu-)
CC_S   := $(D)/bin/musl-cc
CFLAGS_S := $(CBASE) -fPIE -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables \
            -fno-unwind-tables -ffile-prefix-map=$(CURDIR)=. -isystem $(D)/include/slirp \
            -isystem $(D)/include/yyjson
# Data goes through net/; the rest is for size.
OPT     := -Os
OPT_NET := -O2
OPT_S    = $(if $(filter net/%,$<),$(OPT_NET),$(OPT))
LFLAGS_S := -static-pie -Wl,--gc-sections,-z,relro,-z,now,-z,noexecstack,-z,text,--build-id=none
LIBS_S   := -lmicrohttpd -lslirp -lglib-2.0 -lyyjson -lz

# The build with sanitizers: glibc, and the distribution's own libraries.
A      := build/asan
CC_A   ?= gcc
PKGS   := slirp glib-2.0 libmicrohttpd zlib
SAN    := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_A = $(CBASE) -O1 $(SAN) -isystem $(D)/include/yyjson $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(PKGS)))
LIBS_A   = $(shell pkg-config --libs $(PKGS))

all: $(O)/rootlet $(if $(CROSS),,build/rootlet)

# ---------------------------------------------------------------- the static executable
$(D)/ready: build-static.sh
	$(Q)ARCH=$(ARCH) ./build-static.sh deps && touch $@

# A stamp that changes only when compiler, flags or libraries do; all objects depend on it.
stamp = mkdir -p $(@D); echo '$(subst ','\'',$(1))' | cat - $(2) > $@.new; cmp -s $@.new $@ && rm $@.new || mv $@.new $@
$(O)/flags: $(D)/ready FORCE
	@$(call stamp,$(CFLAGS_S) $(OPT) $(OPT_NET) $(LFLAGS_S) $(LIBS_S),$(D)/stamp/*)

$(O)/%.o: %.c $(O)/flags
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC_S) $(CFLAGS_S) $(OPT_S) -c $< -o $@

$(O)/libcore.a: $(LIB_SRC:%.c=$(O)/%.o)
	$(call say,AR)
	$(Q)mkdir -p $(@D) && rm -f $@ && $(CROSS)ar rcsD $@ $^

$(O)/rootlet.debug: $(APP_SRC:%.c=$(O)/%.o) $(O)/libcore.a
	$(call say,LINK)
	$(Q)$(CC_S) $(CFLAGS_S) $(LFLAGS_S) $^ $(LIBS_S) -o $@

$(O)/rootlet: $(O)/rootlet.debug
	$(call say,STRIP)
	$(Q)$(CROSS)strip -s $< -o $@ && ARCH=$(ARCH) ./build-static.sh verify $@

build/rootlet: build/$(NATIVE)/rootlet
	$(Q)ln -f $< $@

# ---------------------------------------------------------------- the build with sanitizers
$(A)/flags: FORCE
	@$(call stamp,$(CC_A) $(CFLAGS_A) $(LIBS_A))

$(A)/%.o: %.c $(A)/flags $(D)/ready
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC_A) $(CFLAGS_A) -c $< -o $@

$(D)/lib/yyjson.c: $(D)/ready ;
$(A)/yyjson.o: $(D)/lib/yyjson.c $(A)/flags
	$(call say,CC)
	$(Q)$(CC_A) -O1 -g $(SAN) -w -I$(D)/include/yyjson -c $< -o $@

$(A)/libcore.a: $(LIB_SRC:%.c=$(A)/%.o) $(A)/yyjson.o
	$(call say,AR)
	$(Q)rm -f $@ && ar rcsD $@ $^

$(A)/rootlet: $(APP_SRC:%.c=$(A)/%.o) $(A)/libcore.a
	$(call say,LINK)
	$(Q)$(CC_A) $(SAN) $^ $(LIBS_A) -o $@

# What is embedded is no include, so the compiler's list of dependencies leaves it out.
$(O)/core/licenses.o $(A)/core/licenses.o: LICENSE

# ---------------------------------------------------------------- tests
UNIT_S := $(UNITS:%=$(O)/unit/%)
UNIT_A := $(UNITS:%=$(A)/unit/%)
FUZZ_A := $(FUZZERS:%=$(A)/fuzz/%)
CLI    := $(sort $(wildcard tests/cli/*.t))

$(UNIT_S): $(O)/unit/%: $(O)/tests/unit/%.o $(O)/libcore.a
	$(call say,LINK)
	$(Q)mkdir -p $(@D) && $(CC_S) $(CFLAGS_S) $(LFLAGS_S) $^ $(LIBS_S) -o $@
$(UNIT_A): $(A)/unit/%: $(A)/tests/unit/%.o $(A)/libcore.a
	$(call say,LINK)
	$(Q)mkdir -p $(@D) && $(CC_A) $(SAN) $^ $(LIBS_A) -o $@
# What tests use that is no test itself: the tracer of the walk through start-up's faults, the load for the forwarder, the judge of a
# config.json.
HELPERS := $(patsubst tests/lib/%.c,$(O)/tests/lib/%,$(sort $(wildcard tests/lib/*.c)))
$(HELPERS): %: %.o $(O)/libcore.a
	$(call say,LINK)
	$(Q)$(CC_S) $(CFLAGS_S) $(LFLAGS_S) $^ $(LIBS_S) -o $@
# A fuzz target includes the .c file that it tests, so that file's object in the archive is not linked.
$(FUZZ_A): $(A)/fuzz/%: $(A)/tests/fuzz/%.o $(A)/tests/fuzz/driver.o $(A)/libcore.a
	$(call say,LINK)
	$(Q)mkdir -p $(@D) && $(CC_A) $(SAN) $^ $(LIBS_A) -o $@

# Packages first, then everything else with all processors.
PARALLEL = $(MAKE) --no-print-directory -j$(shell nproc)
setup:
	$(Q)tests/setup check

demo:
	$(Q)tests/setup demo
	$(Q)$(PARALLEL) all
	$(Q)tests/demo

check:
	$(Q)tests/setup check
	$(Q)$(PARALLEL) all $(HELPERS) $(UNIT_S) $(UNIT_A) $(FUZZ_A)
	$(Q)tests/run $(UNIT_S) $(UNIT_A) $(FUZZ_A) tests/lint/lint.t $(sort $(wildcard tests/build/*.t)) $(CLI)

check-asan:
	$(Q)tests/setup check
	$(Q)$(PARALLEL) $(A)/rootlet $(UNIT_A) $(FUZZ_A)
	$(Q)tests/run $(UNIT_A) $(FUZZ_A)

# One test, or some: make test T='tests/cli/t0100-maps.t build/x86_64/unit/subid'
test: all $(HELPERS) $(filter build/%,$(T))
	$(Q)tests/run -v $(T)

check lint: export CFLAGS_LINT = $(filter-out -MMD -MP,$(subst ',,$(CFLAGS_A)))
lint: $(D)/ready
	$(Q)tests/lint/lint.t

format:
	clang-format -i $(wildcard applets/*.[ch] core/*.[ch] net/*.[ch] tests/unit/*.[ch] tests/fuzz/*.[ch] tests/lib/*.c)

# make fuzz T=portspec SECONDS=60; new inputs go to build/fuzz/corpus, crashes to build/fuzz.
T ?=
SECONDS ?= 60
fuzz:
	$(Q)test -f tests/fuzz/$(T).c || { echo "make fuzz T=NAME, NAME one of: $(FUZZERS)"; exit 1; }
	$(Q)$(PARALLEL) A=build/fuzz CC_A=clang SAN='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all' \
		build/fuzz/libcore.a build/fuzz/tests/fuzz/$(T).o
	$(Q)clang -fsanitize=fuzzer,address,undefined build/fuzz/tests/fuzz/$(T).o build/fuzz/libcore.a $(LIBS_A) -o build/fuzz/$(T)
	$(Q)mkdir -p build/fuzz/corpus/$(T)
	$(Q)build/fuzz/$(T) -max_total_time=$(SECONDS) -artifact_prefix=build/fuzz/$(T)- build/fuzz/corpus/$(T) tests/fuzz/corpus/$(T)

bench: all $(HELPERS)
	$(Q)tests/setup bench
	$(Q)tests/bench/run

# ---------------------------------------------------------------- installing
MANUALS := $(sort $(wildcard applets/*.1))
# The names of the programs that it stands in for, from the applets' own tables. Not nsenter: a machine with a compiler has util-linux's,
# which everybody's scripts would then find behind ours. `rootlet --install DIR` makes that link too, where it is wanted.
ALIASES := $(filter-out nsenter,$(shell sed -n 's/^ *\.aliases = "\([^"]*\)".*/\1/p' $(APP_SRC) /dev/null))
install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1
	install -m 755 $(O)/rootlet $(DESTDIR)$(BINDIR)/rootlet
	$(if $(MANUALS),install -m 644 $(MANUALS) $(DESTDIR)$(MANDIR)/man1/)
	$(foreach a,$(ALIASES),ln -sfn rootlet $(DESTDIR)$(BINDIR)/$(a) &&) :

# Only links that lead to rootlet: a program of somebody else's with that name stays.
uninstall:
	for a in $(ALIASES); do test "$$(readlink "$(DESTDIR)$(BINDIR)/$$a")" != rootlet || rm "$(DESTDIR)$(BINDIR)/$$a"; done
	rm -f $(DESTDIR)$(BINDIR)/rootlet $(MANUALS:applets/%=$(DESTDIR)$(MANDIR)/man1/%)

# The libraries and the programs unpacked for tests (build/peers) stay; distclean removes them too.
clean:
	rm -rf build/asan build/fuzz build/lint build/x86_64 build/aarch64 build/rootlet

distclean:
	rm -rf build

FORCE:
.PHONY: all setup demo check check-asan test lint format fuzz bench install uninstall clean distclean FORCE
-include $(wildcard $(O)/*/*.d $(O)/tests/*/*.d $(A)/*/*.d $(A)/tests/*/*.d)
