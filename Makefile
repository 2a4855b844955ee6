# httpsrv: build, test and install.
#
#   make [release]   build/release/{libhttpsrv.a,libhttpsrv.so,httpsrv} and ./httpsrv
#   make debug|asan|tsan      the same beside it, in build/debug, build/asan, build/tsan
#   make check-c T=tests/base/test_buf     build and run one C test under the sanitizers
#   make test        everything: lint, C tests, fuzz replay, specs, acceptance;
#                    PHASES="c specs" runs only some (see tests/run)
#   make fuzz        libFuzzer for FUZZ_SECONDS (60) on each target
#   make test-api    shows that each public function is proved by the tests named in docs/api.md
#   make docs        the reference as a site: build/docs/index.html
#   make soak MINUTES=10      reloads under mixed load, then killed workers: memory, descriptors, Lua states level
#   make lint bench deps run install clean
#
# Variables: BUILD=build, CC=gcc or clang, CFLAGS, LUAJIT=luajit (the name for pkg-config), V=1 to
# see the commands, PREFIX=/usr/local and DESTDIR for install.
#
# New files are found by their place: core/**.c and bindings/*.c go into the library, lua/**.lua
# is embedded in it, tests/<floor>/test_*.c are programs of their own. core/server/main.c is the
# only source of the command that is not in the library.
#
# GNU make; recipes use only a POSIX shell, sed and the compiler.

BUILD ?= build
MODE ?= release
PREFIX ?= /usr/local
DESTDIR ?=
PKG_CONFIG ?= pkg-config
LUAJIT ?= luajit
FUZZ_SECONDS ?= 60
V ?=

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin AR),default)
AR := ar
endif
OBJCOPY ?= objcopy
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
Q := $(if $(V),,@)

# Each compiler has its own folder, so that switching between them costs nothing.
COMPILER := $(if $(findstring clang,$(notdir $(firstword $(CC)))),clang,gcc)
TAG := $(if $(filter clang,$(COMPILER)),-clang)
D := $(BUILD)/$(MODE)$(TAG)

# --- Libraries ---------------------------------------------------------------------------------
# LuaRocks names the headers of the Lua that it runs under itself, which may not be LuaJIT, and
# an empty LUA_LIBDIR: take its folder only when LuaJIT is really there.
ifneq ($(and $(LUA_INCDIR),$(wildcard $(LUA_INCDIR)/luajit.h)),)
LUAJIT_CFLAGS := -isystem $(LUA_INCDIR)
LUAJIT_LIBS := $(if $(LUA_LIBDIR),-L$(LUA_LIBDIR)) -lluajit-5.1
else
LUAJIT_CFLAGS := $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(LUAJIT) 2>/dev/null))
LUAJIT_LIBS := $(shell $(PKG_CONFIG) --libs $(LUAJIT) 2>/dev/null)
endif
PKGS := libevent_core zlib libcrypto json-c libxml-2.0 libcrypt
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null)
CMOCKA_LIBS := $(shell $(PKG_CONFIG) --libs cmocka 2>/dev/null || echo -lcmocka)

# --- Flags -------------------------------------------------------------------------------------
CPPFLAGS_ALL := -D_GNU_SOURCE -Icore -Icore/include $(LUAJIT_CFLAGS) $(PKG_CFLAGS) $(CPPFLAGS)
WARN := -Wall -Wextra -Wconversion -Wshadow -Werror
# -fPIC: one set of objects serves the archive, the shared library and the command.
# -fno-semantic-interposition: our own functions are ours; they may be inlined all the same.
# -fvisibility=hidden: only what is marked HTTPSRV_API can be called from outside: the documented
# API, and what Lua looks up through FFI (ffi.C sees nothing else).
# -funwind-tables: LuaJIT unwinds through our C frames when it throws.
BASE_CFLAGS := -std=gnu11 $(WARN) -g -pthread -fPIC -fno-semantic-interposition -fvisibility=hidden \
	-funwind-tables
# What may break when memory is already being corrupted:
# -fstack-protector-strong: an overrun array on the stack ends the process, not the return address.
# _FORTIFY_SOURCE=2: libc calls whose target size is known are checked.
# PIE, with relro and now: nothing sits at a known address, and no function pointer of the dynamic
# linker stays writable after start.
HARDEN_CFLAGS := -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
HARDEN_LDFLAGS := -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack
# gcc sees uninitialised variables that are none when it optimises around its own instrumentation.
SAN_CFLAGS := -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all \
	$(if $(filter gcc,$(COMPILER)),-Wno-maybe-uninitialized)

# -fno-plt: with -z now, calls into libraries need no stub.
# -flto: calls between files cost what calls within one do. Fat objects hold ordinary code beside what
# is optimised at the link, so the archive is of use to any linker; only gcc makes such.
LTO := $(if $(filter gcc,$(COMPILER)),-flto=auto -ffat-lto-objects)

ifeq ($(MODE),release)
MODE_CFLAGS := -O2 -fno-plt $(LTO) $(HARDEN_CFLAGS)
MODE_LDFLAGS := $(HARDEN_LDFLAGS)
else ifeq ($(MODE),debug)
MODE_CFLAGS := -O0 -fno-omit-frame-pointer
else ifeq ($(MODE),asan)
SAN := -fsanitize=address,undefined
MODE_CFLAGS := $(SAN) $(SAN_CFLAGS)
MODE_LDFLAGS := $(SAN)
else ifeq ($(MODE),tsan)
SAN := -fsanitize=thread
MODE_CFLAGS := $(SAN) $(SAN_CFLAGS)
MODE_LDFLAGS := $(SAN)
else ifeq ($(MODE),fuzz)
SAN := -fsanitize=address,undefined
MODE_CFLAGS := $(SAN) -fsanitize=fuzzer-no-link $(SAN_CFLAGS)
MODE_LDFLAGS := $(SAN)
else
$(error MODE=$(MODE): one of release, debug, asan, tsan, fuzz)
endif

CFLAGS_ALL := $(BASE_CFLAGS) $(MODE_CFLAGS) $(CFLAGS)
LDFLAGS_ALL := -pthread $(MODE_LDFLAGS) $(LDFLAGS)
LIBS := $(LUAJIT_LIBS) $(PKG_LIBS) -lm -ldl

# --- Sources -----------------------------------------------------------------------------------
find_files = $(sort $(shell [ ! -d $(1) ] || find $(1) -name '$(2)' -type f))
MAIN_SRC := core/server/main.c
LIB_SRC := $(filter-out $(MAIN_SRC),$(call find_files,core,*.c) $(call find_files,bindings,*.c))
LUA_SRC := $(filter-out %.d.lua lua/types/%,$(call find_files,lua,*.lua))
TEST_SRC := $(wildcard tests/*/test_*.c)
SUPPORT_SRC := $(wildcard tests/support/*.c)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
HEADERS := $(call find_files,core/include,*.h)

obj = $(patsubst %.c,$(D)/obj/%.o,$(1))
LUA_C := $(BUILD)/gen/lua_modules.c
LUA_OBJ := $(D)/obj/gen/lua_modules.o
PAGE_C := $(BUILD)/gen/admin_page.c
PAGE_OBJ := $(D)/obj/gen/admin_page.o
LIB_OBJ := $(call obj,$(LIB_SRC)) $(LUA_OBJ) $(PAGE_OBJ)
MAIN_OBJ := $(call obj,$(MAIN_SRC))
SUPPORT_OBJ := $(call obj,$(SUPPORT_SRC))
TESTS := $(TEST_SRC:%.c=$(D)/%)
FUZZERS := $(FUZZ_SRC:tests/fuzz/fuzz_%.c=$(D)/fuzz/%)

# What programs are linked with, and what is installed: the shared object carries the number of its
# binary interface in its name; the static one is a single object whose inner names are local, so that
# they cannot collide with those of a program. libhttpsrv.a is for the tests, which look inside.
SERVER_H := core/include/httpsrv/server.h
VERSION := $(shell sed -n 's/^.define HTTPSRV_VERSION "\(.*\)"/\1/p' $(SERVER_H))
ABI := $(shell sed -n 's/^.define HTTPSRV_ABI \([0-9]*\)/\1/p' $(SERVER_H))
LIB_MAP := core/libhttpsrv.map
LIB_A := $(D)/libhttpsrv.a
LIB_SO := $(D)/libhttpsrv.so
LIB_STATIC := $(D)/static/libhttpsrv.a
MAN := $(D)/man/httpsrv.1 $(D)/man/httpsrv.conf.5
EXE := $(if $(wildcard $(MAIN_SRC)),$(D)/httpsrv)

.PHONY: all release debug asan tsan lib tests fuzzers check-c test test-api api-prove api-table man docs lint fuzz bench soak run deps \
	install install-lib clean help link FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: $(LIB_A) $(EXE) $(if $(filter release,$(MODE)),$(LIB_SO) link)

release debug asan tsan:
	$(Q)$(MAKE) --no-print-directory MODE=$@ all

lib: $(LIB_A)
man: $(MAN)
tests: $(TESTS)
fuzzers: $(FUZZERS)

# ./httpsrv is the last release build of the tree; a build elsewhere leaves it alone.
link: $(EXE)
ifeq ($(BUILD),build)
	$(if $(EXE),$(Q)ln -sfn $(EXE) httpsrv)
endif

# --- Rules -------------------------------------------------------------------------------------
# Written only when its text changes, so that other flags, another compiler or a file that came
# or went rebuilds what depends on it, and nothing else does.
define write_if_changed
	$(Q)mkdir -p $(@D)
	$(Q)printf '%s\n' '$(subst ','\'',$(1))' > $@.$$$$ && \
	if cmp -s $@.$$$$ $@; then rm -f $@.$$$$; else mv -f $@.$$$$ $@; fi
endef

$(D)/flags: FORCE
	$(Q)$(PKG_CONFIG) --exists $(PKGS) && test -n '$(LUAJIT_LIBS)' || \
	{ echo "httpsrv: libraries are missing (LuaJIT, $(PKGS)): run 'make deps'" >&2; exit 1; }
	$(call write_if_changed,$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(LIBS))

$(D)/objects: FORCE
	$(call write_if_changed,$(LIB_OBJ))

$(D)/obj/%.o: %.c $(D)/flags
	$(Q)mkdir -p $(@D)
	$(if $(V),,@echo '  CC    $(MODE) $<')
	$(Q)$(CC) $(CPPFLAGS_ALL) $(EXTRA_CPPFLAGS) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(D)/obj/bindings/%.o: EXTRA_CPPFLAGS := -I.
$(D)/obj/core/server/%.o: EXTRA_CPPFLAGS := -I.
$(D)/obj/tests/%.o: EXTRA_CPPFLAGS := -I. -Itests/support

# The Lua modules as C string literals.
$(LUA_C): FORCE
	$(Q)mkdir -p $(@D)
	$(Q)sh bindings/embed.sh $(LUA_SRC) > $@.$$$$ && \
	if cmp -s $@.$$$$ $@; then rm -f $@.$$$$; else mv -f $@.$$$$ $@; fi

$(LUA_OBJ): $(LUA_C) bindings/lua_modules.h $(D)/flags
	$(Q)mkdir -p $(@D)
	$(if $(V),,@echo '  CC    $(MODE) $<')
	$(Q)$(CC) -I. $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c -o $@ $<

# The live page of the admin listener likewise.
$(PAGE_C): core/server/live.html core/server/embed.sh
	$(Q)mkdir -p $(@D)
	$(Q)sh core/server/embed.sh core/server/live.html > $@.$$$$ && mv -f $@.$$$$ $@

$(PAGE_OBJ): $(PAGE_C) core/server/admin_page.h $(D)/flags
	$(Q)mkdir -p $(@D)
	$(if $(V),,@echo '  CC    $(MODE) $<')
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c -o $@ $<

$(LIB_A): $(LIB_OBJ) $(D)/objects
	$(if $(V),,@echo '  AR    $@')
	$(Q)rm -f $@ && $(AR) rcsD $@ $(LIB_OBJ)

$(LIB_SO): $(LIB_OBJ) $(D)/objects $(LIB_MAP)
	$(if $(V),,@echo '  LD    $@')
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -shared -Wl,-soname,libhttpsrv.so.$(ABI) -Wl,-z,defs \
		-Wl,--version-script=$(LIB_MAP) -o $@ $(LIB_OBJ) $(LIBS)
	$(Q)ln -sfn libhttpsrv.so $@.$(ABI)

$(LIB_STATIC): $(LIB_OBJ) $(D)/objects
	$(Q)mkdir -p $(@D)
	$(if $(V),,@echo '  LD    $@')
	$(Q)rm -f $@ && $(CC) $(BASE_CFLAGS) -O2 $(if $(filter release,$(MODE)),$(LTO) $(if $(LTO),-flinker-output=nolto-rel)) \
		-r -nostdlib -o $(@D)/httpsrv.o $(LIB_OBJ) && \
	$(OBJCOPY) --localize-hidden $(@D)/httpsrv.o && $(AR) rcsD $@ $(@D)/httpsrv.o

# All objects, not the archive: what only FFI or a C module calls must be in as well.
$(D)/httpsrv: $(MAIN_OBJ) $(LIB_OBJ) $(D)/objects
	$(if $(V),,@echo '  LD    $@')
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -pie -rdynamic -o $@ $(MAIN_OBJ) $(LIB_OBJ) $(LIBS)

$(D)/tests/%: $(D)/obj/tests/%.o $(SUPPORT_OBJ) $(LIB_A)
	$(Q)mkdir -p $(@D)
	$(if $(V),,@echo '  LD    $@')
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -rdynamic $(shell cat tests/support/LDFLAGS) -o $@ $< $(SUPPORT_OBJ) $(LIB_A) \
		$(CMOCKA_LIBS) $(LIBS)

# A fuzz target runs under libFuzzer in MODE=fuzz, and else replays stored inputs.
$(D)/fuzz/%: $(D)/obj/tests/fuzz/fuzz_%.o $(D)/obj/tests/fuzz/replay_main.o $(SUPPORT_OBJ) $(LIB_A)
	$(Q)mkdir -p $(@D)
	$(if $(V),,@echo '  LD    $@')
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(if $(filter fuzz,$(MODE)),-fsanitize=fuzzer) -o $@ $< \
		$(if $(filter fuzz,$(MODE)),,$(D)/obj/tests/fuzz/replay_main.o) \
		$(SUPPORT_OBJ) $(LIB_A) $(CMOCKA_LIBS) $(LIBS)

# The manual pages, by a program that has the tables of commands and settings.
$(D)/mkman: $(D)/obj/docs/man/man.o $(LIB_A)
	$(if $(V),,@echo '  LD    $@')
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(LIB_A) $(LIBS)

$(MAN): $(D)/mkman
	$(Q)mkdir -p $(@D)
	$(Q)$(D)/mkman $(subst .,,$(suffix $@)) > $@

-include $(D)/obj/docs/man/man.d $(patsubst %.o,%.d,$(LIB_OBJ) $(MAIN_OBJ) $(SUPPORT_OBJ) $(call obj,$(TEST_SRC) $(FUZZ_SRC)))

# --- Tests -------------------------------------------------------------------------------------
SAN_ENV := ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1 \
	UBSAN_OPTIONS=print_stacktrace=1

check-c:
	@test -n '$(T)' || { echo 'make check-c T=tests/<floor>/test_<file>' >&2; exit 2; }
	$(Q)$(MAKE) --no-print-directory MODE=asan $(BUILD)/asan$(TAG)/$(T:.c=)
	$(SAN_ENV) timeout -k 5 120 $(BUILD)/asan$(TAG)/$(T:.c=)

test: deps
	$(Q)BUILD='$(BUILD)' MAKE='$(MAKE)' JOBS='$(JOBS)' sh tests/run $(PHASES)

# The table of public functions and tests, docs/api.md, and the proof of its cells (see tests/api/prove): unoptimised, so
# that no call is compiled into its caller, and with AddressSanitizer, so that what is not freed is noticed.
LUA_TOOL := $(shell command -v lua5.1 || command -v luajit)
API_LUA_PATH := LUA_PATH='tests/lint/?.lua;tests/api/?.lua;;'

api-table:
	$(Q)$(API_LUA_PATH) $(LUA_TOOL) tests/api/table.lua write .

test-api: deps
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) MODE=debug BUILD='$(BUILD)/api' CFLAGS='-fsanitize=address $(CFLAGS)' \
		LDFLAGS='-fsanitize=address $(LDFLAGS)' api-prove

api-prove: $(TESTS) $(EXE)
	$(Q)$(API_LUA_PATH) API_DIR='$(D)' API_LUA='$(LUA_TOOL)' API_COMPILE='$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL)' \
		API_LINK='$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -rdynamic' API_LIBS='$(LIBS)' API_TEST_LIBS='$(CMOCKA_LIBS)' \
		ONLY='$(ONLY)' FRESH='$(FRESH)' JOBS='$(JOBS)' tests/api/prove

# The reference as a site in build/docs. Its parser of comments is LDoc, of Markdown cmark-gfm.
docs: man
	$(Q)rm -rf '$(BUILD)/docs'
	$(Q)LUA_PATH='docs/site/?.lua;tests/lint/?.lua;tests/api/?.lua;;' $(LUA_TOOL) docs/site/build.lua . '$(BUILD)/docs' $(MAN)

lint:
	$(Q)BUILD='$(BUILD)' sh tests/lint/run

fuzz:
	$(Q)$(MAKE) --no-print-directory CC=clang MODE=fuzz fuzzers
	$(Q)BUILD='$(BUILD)' FUZZ_SECONDS='$(FUZZ_SECONDS)' sh tests/fuzz/run

# The mixed load of tests/threats/45_soak.py, reloads for MINUTES (10) and killed workers for a fifth of that.
soak: release
	$(Q)HTTPSRV='$(abspath $(BUILD))/release/httpsrv' MINUTES='$(or $(MINUTES),10)' tests/threats/45_soak.py

bench: release
	$(Q)tests/bench/run

# --- Use ---------------------------------------------------------------------------------------
deps:
	$(Q)sh tests/deps.sh

run: deps
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) MODE=release all
	$(BUILD)/release$(TAG)/httpsrv serve examples --workers 0

BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include/httpsrv
LUADIR ?= $(PREFIX)/share/lua/5.1
MANDIR ?= $(PREFIX)/share/man

define PC
prefix=$(PREFIX)
libdir=$(LIBDIR:$(PREFIX)/%=$${prefix}/%)
includedir=$(INCLUDEDIR:$(PREFIX)/%=$${prefix}/%)

Name: httpsrv
Description: Lua-scriptable HTTP server, as a library
Version: $(VERSION)
Requires.private: $(LUAJIT) $(PKGS)
Libs: -L$${libdir} -lhttpsrv
Libs.private: -pthread -lm -ldl
Cflags: -I$${includedir}
endef
export PC

# What a C program needs: the library, its headers, httpsrv.pc.
install-lib: $(LIB_SO) $(LIB_STATIC)
	install -d '$(DESTDIR)$(LIBDIR)/pkgconfig'
	install -m 644 $(LIB_STATIC) '$(DESTDIR)$(LIBDIR)/libhttpsrv.a'
	install -m 755 $(LIB_SO) '$(DESTDIR)$(LIBDIR)/libhttpsrv.so.$(VERSION)'
	ln -sfn libhttpsrv.so.$(VERSION) '$(DESTDIR)$(LIBDIR)/libhttpsrv.so.$(ABI)'
	ln -sfn libhttpsrv.so.$(ABI) '$(DESTDIR)$(LIBDIR)/libhttpsrv.so'
	printf '%s\n' "$$PC" > '$(DESTDIR)$(LIBDIR)/pkgconfig/httpsrv.pc'
	set -e; for f in $(HEADERS:core/include/%=%); do \
		install -D -m 644 core/include/$$f '$(DESTDIR)$(INCLUDEDIR)'/$$f; done

install: all man install-lib
	install -d '$(DESTDIR)$(BINDIR)'
	install -m 755 $(D)/httpsrv '$(DESTDIR)$(BINDIR)/httpsrv'
	set -e; for f in $(MAN); do install -D -m 644 $$f '$(DESTDIR)$(MANDIR)'/man$${f##*.}/$${f##*/}; done
	set -e; for f in $(patsubst lua/%,%,$(call find_files,lua,*.lua)); do \
		install -D -m 644 lua/$$f '$(DESTDIR)$(LUADIR)'/$$f; done

clean:
	rm -rf $(BUILD) httpsrv

help:
	@sed -n '2,21s/^# \{0,1\}//p' Makefile
