# Minerva's build: one file, GNU make, no configure step.
#
#   make                 build/minerva, build/libminerva.a, build/libminerva.so; and
#                        build/minerva-app where WebKitGTK is
#   make run             install what is missing, build, answer PROMPT with the bundled model
#   make test            install what is missing, build, run every test
#   make TEST=gguf test-only   the tests whose name contains "gguf", nothing installed
#   make bench | fuzz | check-layers | install | clean
#   SAN=address,undefined make test    sanitizers, in a build folder of their own
#   V=1 make             prints the commands
#   CROSS=aarch64-linux-gnu- make      the library for another machine; its tests run under
#                                      qemu-user

CFLAGS  ?= -O2 -g
PREFIX  ?= /usr/local
DESTDIR ?=
PROMPT  ?= What is Minerva?
FUZZ_SECONDS ?= 60

CROSS ?=
ifneq ($(CROSS),)
  CC := $(CROSS)gcc
  AR := $(CROSS)ar
  export PKG_CONFIG_LIBDIR := /usr/lib/$(patsubst %-,%,$(CROSS))/pkgconfig
endif
PKG_CONFIG ?= pkg-config
VERSION := $(shell cat VERSION)
MACHINE := $(shell $(CC) -dumpmachine)

comma := ,
B := build
ifneq ($(CROSS),)
  B := build-$(firstword $(subst -, ,$(MACHINE)))
endif
ifdef SAN
  B := $(B)-$(subst $(comma),-,$(SAN))
  SANFLAGS := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif

# ---- what is compiled --------------------------------------------------------------
ROOMS := base tensor format text constrain model convert backend runtime hub
LIB_SRC := $(sort $(foreach r,$(ROOMS),$(shell find src/$(r) -name '*.c' 2>/dev/null)))
CLI_SRC := $(sort $(shell find src/cli src/server -name '*.c'))
TEST_SRC := $(sort $(wildcard tests/test_*.c))
BENCH_SRC := $(sort $(wildcard bench/bench_*.c))
ifneq ($(CROSS),)
  # libevent's headers cannot be installed for two machines at once: no program, no server.
  # Emulated, the bundled model would take a quarter of an hour.
  CLI_SRC :=
  TEST_SRC := $(filter-out tests/test_server% tests/test_serve_% tests/test_load.c tests/test_chats.c \
                            tests/test_speculate.c,$(TEST_SRC))
endif

# Kernels for an instruction set are in files that end in its name.
X86_ONLY := %_avx2.c %_avx512.c %_avxvnni.c %_amx.c
ARM_ONLY := %_neon.c %_dotprod.c %_i8mm.c
ifneq ($(filter x86_64%,$(MACHINE)),)
  LIB_SRC := $(filter-out $(ARM_ONLY),$(LIB_SRC))
else ifneq ($(filter aarch64%,$(MACHINE)),)
  LIB_SRC := $(filter-out $(X86_ONLY),$(LIB_SRC))
else
  LIB_SRC := $(filter-out $(X86_ONLY) $(ARM_ONLY),$(LIB_SRC))
endif

ISA_avx2    := -mavx2 -mfma -mf16c -mbmi2
ISA_avxvnni := $(ISA_avx2) -mavxvnni
ISA_avx512  := $(ISA_avx2) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni \
               -mavx512vbmi -mavx512bf16
ISA_amx     := $(ISA_avx512) -mamx-tile -mamx-int8 -mamx-bf16
ISA_dotprod := -march=armv8.2-a+dotprod+fp16
ISA_i8mm    := -march=armv8.6-a+i8mm+bf16+fp16

PKGS := jansson libutf8proc libpcre2-8 libcrypto
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null)
CLI_LIBS   := $(shell $(PKG_CONFIG) --libs libedit libevent_core libevent_openssl libssl libcrypto sqlite3 2>/dev/null)

ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -Iinclude -Isrc -I. -fPIC -fvisibility=hidden -pthread \
             -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
             -Wno-unused-parameter -DMINERVA_VERSION='"$(VERSION)"' \
             $(PKG_CFLAGS) $(SANFLAGS) $(CFLAGS)
LIBS = $(PKG_LIBS) -lm -ldl -pthread

# The window of `minerva app`, a program of its own, where WebKitGTK is.  Never instrumented.
APP_PKGS := webkit2gtk-4.1 gtk+-3.0
ifeq ($(CROSS),)
  APP_SRC := $(if $(shell $(PKG_CONFIG) --exists $(APP_PKGS) 2>/dev/null && echo yes),$(sort $(wildcard src/app/*.c)))
endif
APP_OBJ := $(APP_SRC:%.c=$(B)/%.o)
$(APP_OBJ): SANFLAGS :=
$(APP_OBJ): PKG_CFLAGS = $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(APP_PKGS)))

LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
CLI_OBJ := $(CLI_SRC:%.c=$(B)/%.o)
TEST_BIN := $(TEST_SRC:tests/%.c=$(B)/tests/%)
BENCH_BIN := $(BENCH_SRC:bench/%.c=$(B)/bench/%)

.PHONY: all run test test-only bench fuzz check-layers install uninstall clean deps
.DELETE_ON_ERROR:

all: $(if $(CLI_SRC),$(B)/minerva) $(if $(APP_SRC),$(B)/minerva-app) $(B)/libminerva.a $(B)/libminerva.so

V ?=
Q := $(if $(V),,@)
say = @$(if $(V),:,printf '  %-3s %s\n' $(1) $(2))
JOBS := -j$(shell nproc 2>/dev/null || echo 2)

# ---- rules -------------------------------------------------------------------------
isa_of = $(ISA_$(lastword $(subst _, ,$(basename $(notdir $(1))))))

# Kernels are compiled without sanitizers: instrumented, the larger ones take minutes and a
# gigabyte.  What they read is bounded by guard pages in tests/test_kernels.c instead.
plain_isa = $(if $(call isa_of,$(1)),$(if $(SAN),-fno-sanitize=all -O2))

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) $(call isa_of,$<) $(call plain_isa,$<) -MMD -MP -c -o $@ $<

# The web page is compressed into the program; its policy is a header and a meta element.
WEB := web/dist/index.html
$(B)/web/page.gz: $(WEB)
	@mkdir -p $(@D)
	$(Q)gzip -9nc $< >$@

$(B)/web/server/web_policy.h: $(WEB)
	@mkdir -p $(@D)
	$(Q)sed -n -e 's/.*http-equiv="Content-Security-Policy" content="\([^"]*\)".*/#define MN_WEB_POLICY "\1"/p' \
	    -e 's/^<!-- sources \([0-9a-f]*\) -->.*/#define MN_WEB_STAMP "\1"/p' $< >$@

$(B)/src/server/web_page.o: ALL_CFLAGS += -I$(B)/web -DMN_WEB_PAGE='"$(B)/web/page.gz"'
$(B)/src/server/web_page.o: $(B)/web/page.gz $(B)/web/server/web_policy.h

$(B)/libminerva.a: $(LIB_OBJ)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $^

$(B)/libminerva.so: $(LIB_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,libminerva.so.0 $(SANFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/minerva: $(CLI_OBJ) $(B)/libminerva.a
	$(call say,LD,$@)
	$(Q)$(CC) $(SANFLAGS) $(LDFLAGS) -o $@ $^ $(CLI_LIBS) $(LIBS)

$(B)/minerva-app: $(APP_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(shell $(PKG_CONFIG) --libs $(APP_PKGS)) -pthread

$(B)/tests/%: $(B)/tests/%.o $(B)/libminerva.a
	$(call say,LD,$@)
	$(Q)$(CC) $(SANFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) -lcmocka $(LIBS)

# The hub that tests talk to, also as a program of its own.
$(B)/tests/test_hub_pull $(B)/tests/run_hub_server: $(B)/tests/hub_server.o

# The server's parser is no part of the library.
$(B)/tests/test_http_parse: $(B)/src/server/http_parse.o
$(B)/tests/test_chats: $(B)/src/server/chat_store.o
$(B)/tests/test_chats: LIBS := $(B)/libminerva.a -lsqlite3 $(LIBS)

# The server over a scheduler on a fixed clock, for tests of it under load.
CLOCKWORK := scheduler_create scheduler_free scheduler_submit scheduler_get_stats \
             request_cancel request_release
SERVER_OBJ := $(filter $(B)/src/server/%,$(CLI_OBJ))
$(B)/tests/load_server: $(B)/tests/load_server.o $(B)/tests/clockwork.o $(SERVER_OBJ) \
                        $(B)/libminerva.a
	$(call say,LD,$@)
	$(Q)$(CC) $(SANFLAGS) $(LDFLAGS) $(CLOCKWORK:%=-Wl$(comma)--wrap=minerva_%) -o $@ $^ \
	    $(CLI_LIBS) $(LIBS)
ifneq ($(CLI_SRC),)
  $(B)/tests/test_load $(B)/bench/bench_load: | $(B)/tests/load_server
  $(B)/bench/bench_load: LIBS += -lcmocka
endif

$(B)/bench/%: $(B)/bench/%.o $(B)/libminerva.a
	$(call say,LD,$@)
	$(Q)$(CC) $(SANFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)

# ---- what people type --------------------------------------------------------------
deps:
	@scripts/deps

# The packages may have arrived a moment ago, so the real work is a make of its own.
run: deps
	@$(MAKE) --no-print-directory $(JOBS) all
	@$(B)/minerva run "$(PROMPT)"

test: deps
	@$(MAKE) --no-print-directory $(JOBS) test-only

test-only: all check-layers $(TEST_BIN) $(if $(CLI_SRC),$(B)/tests/run_hub_server)
	@scripts/run-tests $(B) $(TEST)

bench: all $(BENCH_BIN)
	@for b in $(BENCH_BIN); do $$b || exit 1; done

check-layers:
	@scripts/check-layers

# Each fuzz/fuzz_NAME.c with the corpus fuzz/corpus/NAME, by clang's libFuzzer.
FUZZ_SRC := $(sort $(wildcard fuzz/fuzz_*.c))
fuzz:
	@FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/run-fuzzers $(if $(FUZZ),$(FUZZ),$(FUZZ_SRC:fuzz/fuzz_%.c=%))

# For scripts/run-fuzzers: a fuzzer links the library's sources built with clang.
build-fuzz/%: fuzz/%.c $(LIB_SRC)
	@mkdir -p $(@D)
	$(MAKE) --no-print-directory CC=clang B=build-fuzz/lib \
	    SANFLAGS="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all" \
	    build-fuzz/lib/libminerva.a
	clang -std=c11 -D_GNU_SOURCE -Iinclude -Isrc $(PKG_CFLAGS) -O1 -g \
	    -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o $@ $< \
	    build-fuzz/lib/libminerva.a $(LIBS)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig \
	    $(DESTDIR)$(PREFIX)/include
	install -m 755 $(B)/minerva $(DESTDIR)$(PREFIX)/bin/
	if [ -n "$(APP_SRC)" ]; then \
	    install -d $(DESTDIR)$(PREFIX)/libexec/minerva $(DESTDIR)$(PREFIX)/share/applications; \
	    install -m 755 $(B)/minerva-app $(DESTDIR)$(PREFIX)/libexec/minerva/; \
	    sed -e 's|@PREFIX@|$(PREFIX)|' scripts/minerva.desktop.in \
	        > $(DESTDIR)$(PREFIX)/share/applications/minerva.desktop; fi
	install -m 644 include/minerva.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 $(B)/libminerva.a $(DESTDIR)$(PREFIX)/lib/
	install -m 755 $(B)/libminerva.so $(DESTDIR)$(PREFIX)/lib/libminerva.so.0
	ln -sf libminerva.so.0 $(DESTDIR)$(PREFIX)/lib/libminerva.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' scripts/minerva.pc.in \
	    > $(DESTDIR)$(PREFIX)/lib/pkgconfig/minerva.pc
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed -e 's|@PREFIX@|$(PREFIX)|' scripts/minerva.service.in \
	    > $(DESTDIR)$(PREFIX)/lib/systemd/system/minerva.service
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/minerva/models
	install -m 644 docs/minerva.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 scripts/completion.bash \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/minerva
	install -m 644 scripts/completion.zsh $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_minerva
	if [ -e models/minerva-nano.gguf ]; then \
	    install -m 644 models/minerva-nano.gguf $(DESTDIR)$(PREFIX)/share/minerva/models/; fi

uninstall:
	cd $(DESTDIR)$(PREFIX) && rm -rf bin/minerva include/minerva.h lib/libminerva.a \
	    lib/libminerva.so lib/libminerva.so.0 lib/pkgconfig/minerva.pc \
	    lib/systemd/system/minerva.service \
	    libexec/minerva share/applications/minerva.desktop \
	    share/man/man1/minerva.1 share/bash-completion/completions/minerva \
	    share/zsh/site-functions/_minerva share/minerva

clean:
	rm -rf build build-*
