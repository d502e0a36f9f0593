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
CFLAGS_S := $(CBASE) -O2 -fPIE -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables \
            -fno-unwind-tables -ffile-prefix-map=$(CURDIR)=. -isystem $(D)/include/slirp
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
	@$(call stamp,$(CFLAGS_S) $(LFLAGS_S) $(LIBS_S),$(D)/stamp/*)

$(O)/%.o: %.c $(O)/flags
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC_S) $(CFLAGS_S) -c $< -o $@

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

clean:
	rm -rf build/asan build/fuzz build/x86_64 build/aarch64 build/rootlet

distclean:
	rm -rf build

FORCE:
.PHONY: all clean distclean FORCE
-include $(wildcard $(O)/*/*.d)
