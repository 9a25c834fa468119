# disco: service discovery by heartbeats.  See README.md; "make demo" shows it.
# Everything made goes to $(B), laid out like an installed prefix.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

B       = build
PREFIX ?= /usr/local
CC      = gcc
AR      = ar
VERSION = 0.1

PROGRAMS = disco-hb disco-master disco-ls disco-watch disco-serve disco-token
HELPERS  = disco-http disco-jq

WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings \
	-Wformat=2 -Wvla $(if $(WERROR),-Werror)
CFLAGS   = -O2 -g
HARDEN   = -fstack-protector-strong -fPIE
CPPFLAGS = -D_GNU_SOURCE -DDISCO_VERSION='"$(VERSION)"' -Ilib
COMPILE  = $(CPPFLAGS) -std=c17 $(WARNINGS) $(CFLAGS) $(SANITIZE) -MMD -MP
BSD     := $(shell pkg-config --cflags libbsd-overlay 2>/dev/null)
LDLIBS  := $(shell pkg-config --libs libbsd-overlay 2>/dev/null || echo -lbsd)
JQ_LIBS  = -ljq -lseccomp
HTTP_LIBS = -lcurl -lcjson
SERVE_LIBS = -levent -levent_openssl -lssl -lcrypto -lwslay -lcjson -lz -lmd -lresolv -lseccomp -lm

# A short line for each file; make V=1 shows the commands.
say = $(if $V,,@echo "$1 $@";)

# disco-hb runs for a millisecond at a time, thousands of times: it is static,
# by musl where there is one (4 system calls to start, glibc's static 12, the
# dynamic loader 40), and linked with nothing but libc.  Two segments, not four,
# and data on few pages make its start cheaper; musl has no relro for what is static anyway.
HB_LIB   = name duration text state heartbeat spool stamp notify host helper trust
ifdef SANITIZE
HB_CC    = $(CC)
HB_LINK  =
else
HB_CC   := $(shell command -v musl-gcc || echo $(CC))
HB_LINK := $(shell echo 'int main(void){return 0;}' | $(HB_CC) -static -xc -o /dev/null - 2>/dev/null && \
	echo -static -Wl,-z,noseparate-code,-z,norelro)
endif

sources = $(wildcard bin/$1.c bin/$1/*.c)
objects = $(patsubst %.c,$B/obj/%.o,$(call sources,$1))
LIB     = $(patsubst %.c,$B/obj/%.o,$(wildcard lib/*.c))
HB_OBJ  = $(patsubst %.c,$B/obj-hb/%.o,$(call sources,disco-hb) $(HB_LIB:%=lib/%.c))

SHARED = $(patsubst lib/%,$B/share/disco/%,$(wildcard lib/procs/*.jq lib/fail2ban/*.conf))

all: $(PROGRAMS:%=$B/bin/%) $(HELPERS:%=$B/libexec/disco/%) $B/bin/disco-http $(SHARED) $B/share/disco/web/index.html

$(SHARED): $B/share/disco/%: lib/%
	@mkdir -p $(@D)
	$(call say,CP) cp $< $@

# People use it too, but where it is looked for it must not be another.
$B/bin/disco-http:
	@mkdir -p $(@D)
	@ln -sf ../libexec/disco/disco-http $@

$B/bin/disco-hb: $(HB_OBJ)
	@mkdir -p $(@D)
	$(call say,LD) $(HB_CC) $(CFLAGS) $(SANITIZE) $(HB_LINK) -o $@ $^

$B/obj-hb/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC) $(HB_CC) $(COMPILE) -c -o $@ $<

$B/libdisco.a: $(LIB)
	@rm -f $@
	$(call say,AR) $(AR) rcs $@ $^

$B/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC) $(CC) $(COMPILE) $(HARDEN) $(BSD) -c -o $@ $<

define program
$2: $(call objects,$1) $B/libdisco.a
	@mkdir -p $$(@D)
	$$(call say,LD) $$(CC) $$(CFLAGS) $$(SANITIZE) -pie -Wl,-z,relro,-z,now -Wl,--as-needed -o $$@ $$^ $$(LDLIBS) $3
endef
$(eval $(call program,disco-serve,$B/bin/disco-serve,$(SERVE_LIBS)))
$(eval $(call program,disco-token,$B/bin/disco-token,-lmd))
$(foreach p,$(filter-out disco-hb disco-serve disco-token,$(PROGRAMS)),$(eval $(call program,$p,$B/bin/$p)))
$(eval $(call program,disco-http,$B/libexec/disco/disco-http,$(HTTP_LIBS)))
$(eval $(call program,disco-jq,$B/libexec/disco/disco-jq,$(JQ_LIBS)))

# The dashboard.  Without npm it is a plain page; "make web" tries npm again.
WEB = $B/share/disco/web
$(WEB)/index.html: web/install $(wildcard web/*.* web/js/*.js)
	$(call say,WEB) web/install $(abspath $(WEB))

web:
	@[ -d $(WEB)/vendor ] || rm -f $(WEB)/index.html
	@$(MAKE) --no-print-directory $(WEB)/index.html

# Tests.  A unit test is one C file that prints TAP; the others are bats.

UNITS = $(patsubst tests/unit/%.c,$B/tests/%,$(wildcard tests/unit/*.c))
BATS  = $(wildcard tests/*.bats tests/fault/*.bats)

$B/tests/%: $B/obj/tests/unit/%.o $B/libdisco.a
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(CFLAGS) $(SANITIZE) -pie -o $@ $^ $(LDLIBS)

$B/tests/test_sandbox: LDLIBS += -lseccomp
$B/tests/test_alarms: LDLIBS += -lm

# Static programs let nothing be preloaded.
$B/tests/disco-hb: $(call objects,disco-hb) $B/libdisco.a
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(CFLAGS) $(SANITIZE) -pie -o $@ $^ $(LDLIBS)

$B/tests/short.so: tests/fault/short.c
$B/tests/clock.so: tests/clock.c
$B/tests/%.so:
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(CPPFLAGS) -std=c17 $(WARNINGS) -O2 -fPIC -shared -o $@ $<

# What drives the browser; where it can't be had those tests are skipped.
BROWSER = $B/tests/browser
$(BROWSER)/installed: tests/browser/package.json tests/browser/package-lock.json
	@mkdir -p $(BROWSER) && cp $^ $(BROWSER)
	$(call say,NPM) cd $(BROWSER) && npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1 && touch $(@F) || \
		echo "tests/browser: npm ci failed: no tests of the dashboard" >&2

tools: all $(UNITS) $B/tests/clock.so $B/tests/short.so $B/tests/disco-hb $B/tests/bench/load \
	$(BROWSER)/installed

# prove runs them all, three at a time for most of them wait, and its summary is the last thing said.
check: tools
	DISCO_BUILD=$(abspath $B) prove -j3 --timer --comments -e tests/run $(UNITS) $(BATS)

ASAN = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
# All but the dashboard's, which is no C.
check-asan:
	$(MAKE) B=build/asan SANITIZE='$(ASAN)' CFLAGS='-O1 -g' tools
	ASAN_OPTIONS=detect_leaks=0 DISCO_SANITIZED=1 DISCO_BUILD=$(abspath build/asan) \
		prove -j3 --timer --comments -e tests/run $(UNITS:$B/%=build/asan/%) \
		$(filter-out tests/browser.bats,$(BATS))

# Every system call of the programs' main jobs fails in each way: some 20 minutes.
fault: tools
	DISCO_BUILD=$(abspath $B) tests/fault/fault.py
	DISCO_BUILD=$(abspath $B) tests/fault/race.py 1000

# The unit tests and each program's main job under valgrind.
check-valgrind: tools
	SEEDS=30 DISCO_BUILD=$(abspath $B) prove --comments -e 'tests/run --valgrind' $(UNITS) tests/valgrind.bats

# Fuzzers: tests/fuzz/NAME.c says what holds whatever is read, and libFuzzer looks for what breaks it.
# disco-serve is there without its main; some of its functions are the fuzzer's.
FUZZERS    = $(patsubst tests/fuzz/%.c,$B/fuzz/%,$(wildcard tests/fuzz/*.c))
FUZZ_ASAN  = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
WRAP_frame = pace_keep
WRAP_query = http_error http_caller
WRAP_talk  = message_new client_say client_send client_queue client_hungry pace_keep

$B/libserve.a: $(filter-out %/main.o,$(call objects,disco-serve))
	@rm -f $@
	$(call say,AR) $(AR) rcs $@ $^

$B/fuzz/%: $B/obj/tests/fuzz/%.o $B/libserve.a $B/libdisco.a
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(CFLAGS) $(SANITIZE) -fsanitize=fuzzer $(WRAP_$*:%=-Wl,--wrap=%) \
		-Wl,--as-needed -o $@ $^ $(LDLIBS) $(SERVE_LIBS) $(JQ_LIBS)

fuzzers: $(FUZZERS)

# For a night: make fuzz SECONDS=1800
FUZZ_B      = build/fuzz
FUZZ_SIZES  = -DTEXT_READ=8192
SECONDS     = 60
fuzz-build:
	$(MAKE) B=$(FUZZ_B) CC=clang-14 CFLAGS='-O1 -g' SANITIZE='$(FUZZ_ASAN) $(FUZZ_SIZES)' fuzzers

fuzz: fuzz-build
	tests/fuzz/run -s $(SECONDS) $(FUZZ_B)

# How many lines of each file the tests reach; a process in a cage can't tell its own.
coverage:
	@tests/need gcovr
	$(MAKE) B=build/cov SANITIZE=--coverage CFLAGS='-O0 -g' tools
	-DISCO_BUILD=$(abspath build/cov) prove -j2 -e tests/run $(UNITS:$B/%=build/cov/%) \
		$(filter-out tests/browser.bats tests/fuzz.bats tests/valgrind.bats,$(BATS))
	gcovr -r . --object-directory build/cov -f lib/ build/cov

# Both daemons under load for MINUTES, then each of them killed as often as KILLS says, under less of
# it, for all have to come back each time.  SOAK for more options, see tests/soak/soak.py -h.
MINUTES = 10
KILLS   = 1000
SOAK_KILLS = --tick 200ms --warn 2 --touched 500 --posted 50 --held 60 --sent 5 --connected 0 --far 0 \
	--churn 5 --watchers 12 --sockets 10 --limit 15
soak: all
	tests/soak/soak.py --build $B --minutes $(MINUTES) $(SOAK)
	tests/soak/soak.py --build $B --minutes 0 --kills $(KILLS) $(SOAK_KILLS) $(SOAK)

# The bench: floors and loads in C, the rest in Python.  floor is linked as disco-hb is.
BENCH = $(patsubst tests/bench/%.c,$B/tests/bench/%,$(wildcard tests/bench/*.c))

$B/tests/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(COMPILE) $(BSD) -o $@ $< $(LDLIBS)

$B/tests/bench/floor: tests/bench/floor.c
	@mkdir -p $(@D)
	$(call say,LD) $(HB_CC) $(COMPILE) $(HB_LINK) -o $@ $<

# Against peers and floors, in 15 minutes: a table of ratios, $B/bench.md.  ONLY="hb list" for a part.
ONLY =
bench:
	@tests/need $(BUILD_NEEDS) $(BENCH_NEEDS)
	@$(MAKE) --silent all $(BENCH)
	DISCO_BUILD=$(abspath $B) tests/bench/bench.py $(ONLY:%=--only %) $(BRIEF:%=--brief)

SHELLS = tests/run tests/fuzz/run tests/need tests/demo .ci/run tests/helper.bash lib/completion/disco.bash \
	web/install $(BATS)
C_FILES = $(wildcard lib/*.[ch] bin/*.c bin/*/*.[ch] tests/*.c tests/unit/*.[ch] tests/fault/*.c \
	tests/fuzz/*.[ch] tests/bench/*.c)
MODULES = $(wildcard web/js/*.js web/plain.js tests/browser/*.js tests/bench/*.mjs)
lint:
	mandoc -Tlint -Wwarning man/*.[1-8]
	shellcheck -x $(SHELLS)
	clang-format --dry-run -Werror $(C_FILES)
	cppcheck -q --std=c11 --error-exitcode=1 --inline-suppr --enable=warning,portability \
		--suppress=missingIncludeSystem --include=tests/cppcheck.h -D_GNU_SOURCE -Ilib $(filter %.c,$(C_FILES))
	if command -v node >/dev/null; then for f in $(MODULES); do node --check $$f || exit 1; done; fi
	$(MAKE) B=build/clang CC=clang-14 HB_CC=clang-14 WERROR=1 all
	$(MAKE) B=build/gcc WERROR=1 all

# What is missing is installed from Debian's packages, and said; a node of another origin serves.
BUILD_NEEDS = gcc libc6-dev make pkg-config libbsd-dev libjq-dev libseccomp-dev musl-tools \
	libcurl4-openssl-dev libssl-dev libevent-dev libwslay-dev libcjson-dev zlib1g-dev libmd-dev curl \
	$(if $(shell command -v npm),,npm)
TEST_NEEDS  = $(BUILD_NEEDS) bats jq python3 strace perl procps bsdutils util-linux e2fsprogs iproute2 \
	mandoc shellcheck clang-14 libclang-rt-14-dev clang-format cppcheck valgrind tmux zsh systemd openssl chromium \
	prometheus $(if $(shell command -v node),,nodejs)

BENCH_NEEDS = python3 jq curl redis-server redis-tools etcd-server etcd-client chromium \
	$(if $(shell command -v node),,nodejs)

test:
	@tests/need $(TEST_NEEDS)
	@$(MAKE) check

demo:
	@tests/need $(BUILD_NEEDS)
	@$(MAKE) --silent all
	@tests/demo

# DESTDIR is for packagers.
MAN = $(wildcard man/*.[1-8])
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/disco
	install $(PROGRAMS:%=$B/bin/%) $(DESTDIR)$(PREFIX)/bin
	install $(HELPERS:%=$B/libexec/disco/%) $(DESTDIR)$(PREFIX)/libexec/disco
	ln -sf ../libexec/disco/disco-http $(DESTDIR)$(PREFIX)/bin/disco-http
	cd $B/share && find disco -type f -exec install -D -m 644 {} $(abspath $(DESTDIR)$(PREFIX))/share/{} \;
	for page in $(MAN); do \
		dir=$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}; \
		install -d $$dir && install -m 644 $$page $$dir || exit 1; done
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	for p in $(PROGRAMS) disco-http; do \
		install -m 644 lib/completion/disco.bash \
			$(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$p || exit 1; done
	install -d $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	install -m 644 lib/completion/_disco $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in lib/systemd/*; do sed 's|@PREFIX@|$(PREFIX)|' $$unit \
		>$(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/} || exit 1; done

clean:
	rm -rf build

-include $(shell find $B -name '*.d' 2>/dev/null)

.PHONY: all web tools check check-asan check-valgrind fault fuzz fuzz-build fuzzers soak bench coverage lint test demo install clean
