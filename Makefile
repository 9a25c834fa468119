# disco: service discovery by heartbeats.  See README.md; "make demo" shows it.
# Everything made goes to $(B), laid out like an installed prefix.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

B      ?= build
PREFIX ?= /usr/local
CC      = gcc
AR      = ar
VERSION = 0.1

PROGRAMS = disco-hb disco-master disco-ls disco-watch
HELPERS  = disco-jq

WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings \
	-Wformat=2 -Wvla $(if $(WERROR),-Werror)
CFLAGS   = -O2 -g
HARDEN   = -fstack-protector-strong -fPIE
CPPFLAGS = -D_GNU_SOURCE -DDISCO_VERSION='"$(VERSION)"' -Ilib
COMPILE  = $(CPPFLAGS) -std=c17 $(WARNINGS) $(CFLAGS) $(SANITIZE) -MMD -MP
BSD     := $(shell pkg-config --cflags libbsd-overlay 2>/dev/null)
LDLIBS  := $(shell pkg-config --libs libbsd-overlay 2>/dev/null || echo -lbsd)
JQ_LIBS  = -ljq -lseccomp

# disco-hb runs for a millisecond at a time, thousands of times: it is static,
# by musl where there is one (4 system calls to start, glibc's static 12, the
# dynamic loader 40), and linked with nothing but libc.
HB_LIB   = name duration text state heartbeat spool stamp notify host
ifdef SANITIZE
HB_CC    = $(CC)
HB_LINK  =
else
HB_CC   := $(shell command -v musl-gcc || echo $(CC))
HB_LINK := $(shell echo 'int main(void){return 0;}' | $(HB_CC) -static -xc -o /dev/null - 2>/dev/null && echo -static)
endif

sources = $(wildcard bin/$1.c bin/$1/*.c)
objects = $(patsubst %.c,$B/obj/%.o,$(call sources,$1))
LIB     = $(patsubst %.c,$B/obj/%.o,$(wildcard lib/*.c))
HB_OBJ  = $(patsubst %.c,$B/obj-hb/%.o,$(call sources,disco-hb) $(HB_LIB:%=lib/%.c))

all: $(PROGRAMS:%=$B/bin/%) $(HELPERS:%=$B/libexec/disco/%)

$B/bin/disco-hb: $(HB_OBJ)
	@mkdir -p $(@D)
	$(HB_CC) $(CFLAGS) $(SANITIZE) $(HB_LINK) -o $@ $^

$B/obj-hb/%.o: %.c
	@mkdir -p $(@D)
	$(HB_CC) $(COMPILE) -c -o $@ $<

$B/libdisco.a: $(LIB)
	@rm -f $@
	$(AR) rcs $@ $^

$B/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(COMPILE) $(HARDEN) $(BSD) -c -o $@ $<

define program
$2: $(call objects,$1) $B/libdisco.a
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) $$(SANITIZE) -pie -Wl,-z,relro,-z,now -Wl,--as-needed -o $$@ $$^ $$(LDLIBS) $3
endef
$(foreach p,$(filter-out disco-hb,$(PROGRAMS)),$(eval $(call program,$p,$B/bin/$p)))
$(eval $(call program,disco-jq,$B/libexec/disco/disco-jq,$(JQ_LIBS)))

clean:
	rm -rf build

-include $(shell find $B -name '*.d' 2>/dev/null)

.PHONY: all clean
