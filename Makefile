# imapgate: a login helper for IMAP. `make help` lists what can be made.
#
# One file, not recursive. What is made goes to $(BUILD), nothing else is
# touched; SAN=1 and SECCOMP=0 are other programs, so they have other folders.

PREFIX ?=	/usr/local
SBINDIR ?=	$(PREFIX)/sbin
LIBEXECDIR ?=	$(PREFIX)/libexec
MANDIR ?=	$(PREFIX)/share/man
UNITDIR ?=	$(PREFIX)/lib/systemd/system
SYSUSERSDIR ?=	$(PREFIX)/lib/sysusers.d
TMPFILESDIR ?=	$(PREFIX)/lib/tmpfiles.d
MODULESDIR ?=	$(PREFIX)/lib/modules-load.d
PAMDIR ?=	/etc/pam.d
# The program looks for its options there and nowhere else (src/config/options.h).
CONFDIR =	/etc/imapgate
# For the filter; a jail is the administrator's decision.
FAIL2BANDIR ?=	/etc/fail2ban
# A Debian system has PAM's common-* files, a Fedora-like one password-auth.
PAMFILE ?=	$(if $(wildcard /etc/pam.d/password-auth),pam.d/imapgate.fedora,pam.d/imapgate)

SAN ?=		0
SECCOMP ?=	1
FUZZ_SECONDS ?=	60
# None, in a BUILD of its own, is several times as quick and sees broken promises only.
FUZZ_SANITIZE ?= address,undefined
MUTATE_SECONDS ?=	3600
PKG_CONFIG ?=	pkg-config
CLANG ?=	clang
PYTEST ?=	$(or $(shell command -v pytest-3 || command -v pytest),pytest-3)

BUILD ?=	build$(if $(filter 1,$(SAN)),/asan)$(if $(filter 0,$(SECCOMP)),/valgrind)

# What the compiler can do, asked once.
try =		$(shell echo 'int main(void) { return 0; }' | \
		    $(CC) -Werror $(1) -x c - -o /dev/null 2>/dev/null && echo ' $(1)')

WARN =		-Wall -Wextra -Wformat=2 -Wswitch-enum -Wshadow -Wstrict-prototypes \
		-Wmissing-prototypes -Werror=format-security
HARDEN :=	-fstack-protector-strong -fPIE $(call try,-fstack-clash-protection) \
		$(call try,-fcf-protection)
DEFINES =	-D_GNU_SOURCE

ifeq ($(SAN),1)
OPTIMIZE =	-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined
DEFINES +=	-DIMAPGATE_SANITIZED
# The sanitizer's own crypt(3) calls the real one, which must be there when the
# program starts: what pam_unix loads later is not found.
SAN_LIBS =	-Wl,--no-as-needed -lcrypt
else
OPTIMIZE =	-O2 -g -D_FORTIFY_SOURCE=2
endif
ifeq ($(SECCOMP),0)
DEFINES +=	-DIMAPGATE_NO_SECCOMP
endif

# libsystemd is loaded when it is needed (src/systemd.c): its headers are wanted here.
PACKAGES =	openssl pam
PKG_CFLAGS :=	$(shell $(PKG_CONFIG) --cflags $(PACKAGES) libsystemd 2>/dev/null)
OPENSSL_LIBS :=	$(or $(shell $(PKG_CONFIG) --libs openssl 2>/dev/null),-lssl -lcrypto)
PAM_LIBS :=	$(or $(shell $(PKG_CONFIG) --libs pam 2>/dev/null),-lpam)
# base64 is in the C library's resolver: two small functions, which need not be a whole library at run time.
BASE64_LIBS :=	$(or $(wildcard $(shell $(CC) -print-file-name=libresolv.a)),-lresolv)
# These two are loaded when they are needed too (src/base/lazyload.h), unless that can't be done or OpenSSL shall be in the
# program. That is quicker with TLS under inetd or tcpserver; but OpenSSL's updates must be followed by building it again.
LAZYLOAD ?=	$(if $(filter 1,$(SAN)),,$(if $(filter x86_64-% aarch64-%,$(shell $(CC) -dumpmachine)),$(if $(filter static,$(OPENSSL)),pam,ssl crypto pam)))
ifeq ($(OPENSSL),static)
OPENSSL_LIBS :=	-Wl,-Bstatic -lssl -lcrypto -Wl,-Bdynamic
endif
LIBS =		$(OPENSSL_LIBS) $(PAM_LIBS) $(BASE64_LIBS)
ifneq ($(LAZYLOAD),)
PROGRAM_LIBS =	$(if $(filter ssl,$(LAZYLOAD)),,$(OPENSSL_LIBS)) $(BASE64_LIBS)
STUBS =		$(BUILD)/lazyload-stubs.o
else
PROGRAM_LIBS =	$(LIBS)
endif
CMOCKA_LIBS =	$(or $(shell $(PKG_CONFIG) --libs cmocka 2>/dev/null),-lcmocka)

# CFLAGS, CPPFLAGS and LDFLAGS are left to whoever calls make.
ALL_CFLAGS =	-std=gnu17 $(WARN) $(OPTIMIZE) $(HARDEN) $(DEFINES) -Isrc $(PKG_CFLAGS) $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS =	$(OPTIMIZE) -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS)
DEPS =		-MMD -MP

# Names what is made; V=1 shows the commands.
Q =		$(if $(V),,@)

SRCS :=		$(wildcard src/*.c src/*/*.c)
HEADERS :=	$(wildcard src/*.h src/*/*.h)
OBJS :=		$(SRCS:src/%.c=$(BUILD)/%.o)
LIBOBJS :=	$(filter-out $(BUILD)/main.o,$(OBJS))
PROTOOBJS :=	$(filter $(BUILD)/proto/%,$(OBJS))

UNITS :=	$(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
HELPERS :=	$(patsubst tests/e2e/%.c,$(BUILD)/tests/%,$(wildcard tests/e2e/*.c))
PAMMODULES :=	$(patsubst tests/pam/%.c,$(BUILD)/tests/%.so,$(wildcard tests/pam/*.c))
FUZZNAMES :=	$(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAYS :=	$(FUZZNAMES:%=$(BUILD)/tests/replay_%)
FUZZERS :=	$(FUZZNAMES:%=$(BUILD)/fuzz/fuzz_%)

.PHONY: all tests check check-faults soak check-vm check-bare check-suite check-valgrind demo install uninstall deb bench lint format fuzz fuzzers fuzz-coverage prove model mutate mutate-monitor clean help
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BUILD)/imapgate ## the program (CC=clang, SAN=1, BUILD=DIR and V=1 work everywhere)

$(BUILD)/imapgate: $(OBJS) $(STUBS)
	@echo '  $@'
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(OBJS) $(STUBS) $(PROGRAM_LIBS) $(SAN_LIBS)

# What dpkg-shlibdeps(1) finds out is wanted of the libraries: the same program, linked with all of them.
$(BUILD)/imapgate-linked: $(OBJS)
	@echo '  $@'
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(OBJS) $(LIBS) $(SAN_LIBS)

# Those of a library's functions that the objects need.
LAZYLOAD_openssl =	ssl crypto
LAZYLOAD_pam =		pam
$(BUILD)/lazyload-%.h: $(OBJS)
	$(Q)nm -u $(OBJS) | awk 'NF == 2 { print $$2 }' | sort -u > $@.needed
	$(Q)for library in $(filter $(LAZYLOAD_$*),$(LAZYLOAD)); do nm -D --defined-only "$$($(CC) -print-file-name=lib$$library.so)" || exit 1; done > $@.defined
	$(Q)awk 'NF == 3 { sub(/@.*/, "", $$3); print $$3 }' $@.defined | sort -u | comm -12 - $@.needed | sed 's/.*/STUB(&)/' > $@

$(BUILD)/lazyload-stubs.o: src/base/lazyload-stubs.S $(BUILD)/lazyload-openssl.h $(BUILD)/lazyload-pam.h
	@echo '  $@'
	$(Q)$(CC) $(HARDEN) $(CFLAGS) -I$(BUILD) -c -o $@ $<

# Objects are made anew when the flags change, so `make SAN=1 BUILD=x` is never a mixture.
FLAGS =		$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(LAZYLOAD)
$(BUILD)/flags: force
	@mkdir -p $(@D); printf '%s\n' '$(FLAGS)' | cmp -s - $@ || printf '%s\n' '$(FLAGS)' > $@
.PHONY: force

$(BUILD)/%.o: src/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  $@'
	$(Q)$(CC) $(ALL_CFLAGS) $(DEPS) -c -o $@ $<

# --- programs for tests

$(BUILD)/tests/unit/%.o: tests/unit/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  $@'
	$(Q)$(CC) $(ALL_CFLAGS) -Itests $(DEPS) -c -o $@ $<

$(BUILD)/tests/e2e/%.o: tests/e2e/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  $@'
	$(Q)$(CC) $(ALL_CFLAGS) -Itests $(DEPS) -c -o $@ $<

$(BUILD)/tests/fuzz/%.o: tests/fuzz/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  $@'
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-missing-prototypes $(DEPS) -c -o $@ $<

$(UNITS): $(BUILD)/tests/%: $(BUILD)/tests/unit/%.o $(LIBOBJS)
	@echo '  $@'
	$(Q)$(CC) $(ALL_LDFLAGS) $(WRAP) -o $@ $^ $(CMOCKA_LIBS) $(LIBS) $(SAN_LIBS)

# Functions that a test plays itself, or counts.
$(BUILD)/tests/test_roles: WRAP = -Wl,--wrap=role_start -Wl,--wrap=clock_gettime -Wl,--wrap=execve
$(BUILD)/tests/test_ktls_probe: WRAP = -Wl,--wrap=setsockopt -Wl,--wrap=clock_gettime
$(BUILD)/tests/test_signer: WRAP = -Wl,--wrap=sandbox_find -Wl,--wrap=sandbox_enter

$(HELPERS): $(BUILD)/tests/%: $(BUILD)/tests/e2e/%.o $(LIBOBJS)
	@echo '  $@'
	$(Q)$(CC) $(ALL_LDFLAGS) $(WRAP) -o $@ $^ $(LIBS) $(SAN_LIBS)

# The whole program, but for what a gate and a monitor do.
$(BUILD)/tests/hostile-gate: $(BUILD)/main.o
$(BUILD)/tests/hostile-gate: WRAP = -Wl,--wrap=gate_run -Wl,--wrap=monitor_run -Wl,--wrap=accounting_init

# fuzz_msg.c has a bug() of its own.
$(BUILD)/tests/replay_msg: $(BUILD)/boundary/msg.o $(BUILD)/base/again.o

$(REPLAYS): $(BUILD)/tests/replay_%: $(BUILD)/tests/fuzz/replay.o $(BUILD)/tests/fuzz/fuzz_%.o $(PROTOOBJS)
	@echo '  $@'
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) $(SAN_LIBS)

# A PAM module is loaded into other programs too, so no sanitizer is in it.
$(PAMMODULES): $(BUILD)/tests/%.so: tests/pam/%.c
	@mkdir -p $(@D)
	@echo '  $@'
	$(Q)$(CC) -std=gnu17 $(WARN) -O2 -g -D_GNU_SOURCE -fPIC -shared -o $@ $< -lpam

# A name service, for a test with an nsswitch.conf of its own.
NSSMODULE =	$(BUILD)/tests/libnss_testdown.so.2
$(NSSMODULE): tests/nss/nss_testdown.c
	@mkdir -p $(@D)
	@echo '  $@'
	$(Q)$(CC) -std=gnu17 $(WARN) -O2 -g -D_GNU_SOURCE -fPIC -shared -o $@ $<

# Preloaded into the program, which may have a sanitizer or none.
$(BUILD)/tests/inject.so: tests/faults/inject.c
	@mkdir -p $(@D)
	@echo '  $@'
	$(Q)$(CC) -std=gnu17 $(WARN) -O2 -g -D_GNU_SOURCE -fPIC -shared -o $@ $<

$(BUILD)/demo-mailbox: tests/demo/demo-mailbox.c $(BUILD)/flags
	@echo '  $@'
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $<

tests: $(BUILD)/imapgate $(BUILD)/demo-mailbox $(UNITS) $(HELPERS) $(PAMMODULES) $(REPLAYS) $(BUILD)/tests/inject.so $(NSSMODULE)

check: tests ## all tests; T=starttls runs those whose names match, SAN=1 under the sanitizers
	@IMAPGATE_BUILD='$(abspath $(BUILD))' PYTEST='$(PYTEST)' tests/check '$(T)'

$(BUILD)/vm-mailbox: tests/vm/mailbox.c $(BUILD)/flags
	@echo '  $@'
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $<

# A program for another processor is built by tests/vm/check, with libraries that it fetches first.
VM_ARCH ?=	amd64
check-vm: $(if $(filter amd64,$(VM_ARCH)),$(BUILD)/imapgate $(BUILD)/vm-mailbox $(BUILD)/tests/test_ktls_probe) ## kernel TLS, in a virtual machine; T=keeper narrows down, VM_KERNEL=linux-image-amd64 is another kernel, VM_ARCH=arm64 another processor
	@IMAPGATE_BUILD='$(abspath $(BUILD))' VM_ARCH='$(VM_ARCH)' tests/vm/check $(T)

check-faults: tests ## let each system call of each process fail, one at a time; takes long (T="superserver-tls" is one connection)
	@IMAPGATE_BUILD='$(abspath $(BUILD))' tests/faults/sweep.py $(T)

SECONDS ?=	600
soak: tests ## hundreds of clients of all kinds at once, with reloads and renewals, for SECONDS=600; SEED= repeats what they do
	@IMAPGATE_BUILD='$(abspath $(BUILD))' timeout $$(($(SECONDS) + 120)) tests/soak/soak.py '$(SECONDS)' '$(SEED)'

check-bare: $(BUILD)/imapgate ## the README's commands, all of them, in a Debian that debootstrap makes (SUITE=trixie); takes some ten minutes
	@PYTEST='$(PYTEST)' SUITE='$(SUITE)' tests/boot/bare

check-suite: ## all tests in a Debian that debootstrap makes, SUITE=trixie; T= narrows down
	@SUITE='$(SUITE)' tests/boot/suite '$(T)'

check-valgrind: ## one login over TLS under valgrind, in a build without the seccomp filter
	@$(MAKE) --no-print-directory SECCOMP=0 SAN=0 BUILD=build/valgrind tests
	@IMAPGATE_BUILD='$(abspath build/valgrind)' tests/valgrind

demo: $(BUILD)/imapgate $(BUILD)/demo-mailbox ## try it on loopback, without root; MAILBOX="$PWD/src/imapgate-dovecot" chains that
	@IMAPGATE_BUILD='$(abspath $(BUILD))' MAILBOX='$(MAILBOX)' tests/demo/demo

# What is paid for each login must be small and known: static programs, but for the clients.
BENCH :=	$(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))
$(BUILD)/bench/%: tests/bench/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  $@'
	$(Q)$(CC) -std=gnu17 $(WARN) -O2 $(DEFINES) $(CFLAGS) $(if $(filter loadgen,$*),-o $@ $< -lssl -lcrypto,-static -o $@ $<)

bench: $(BUILD)/imapgate $(BENCH) ## measure against the floor and peers (root; tests/bench/README.md; RUN="--help" for options)
	-@$(MAKE) --no-print-directory OPENSSL=static BUILD='$(BUILD)/static' SAN=0 SECCOMP=1
	@IMAPGATE_BUILD='$(abspath $(BUILD))' tests/bench/run $(RUN)

# --- fuzzing: clang's libFuzzer, with proto/ compiled for it

FUZZ_CFLAGS =	-std=gnu17 $(WARN) -Wno-missing-prototypes -O1 -g -fno-omit-frame-pointer \
		-fsanitize=fuzzer-no-link$(FUZZ_SANITIZE:%=,%) $(FUZZ_COVERAGE) $(DEFINES) -Isrc $(PKG_CFLAGS)
FUZZPROTO =	$(patsubst src/%.c,$(BUILD)/fuzz/src/%.o,$(wildcard src/proto/*.c))

$(BUILD)/fuzz/src/%.o: src/%.c
	@mkdir -p $(@D)
	@echo '  $@'
	$(Q)$(CLANG) $(FUZZ_CFLAGS) $(DEPS) -c -o $@ $<

$(BUILD)/fuzz/fuzz_%.o: tests/fuzz/fuzz_%.c
	@mkdir -p $(@D)
	@echo '  $@'
	$(Q)$(CLANG) $(FUZZ_CFLAGS) $(DEPS) -c -o $@ $<

$(BUILD)/fuzz/fuzz_msg: $(BUILD)/fuzz/src/boundary/msg.o $(BUILD)/fuzz/src/base/again.o

$(FUZZERS): $(BUILD)/fuzz/fuzz_%: $(BUILD)/fuzz/fuzz_%.o $(FUZZPROTO)
	@echo '  $@'
	$(Q)$(CLANG) -fsanitize=fuzzer$(FUZZ_SANITIZE:%=,%) $(FUZZ_COVERAGE) -o $@ $^ $(LIBS)

fuzz: $(FUZZERS) ## fuzz each target for FUZZ_SECONDS=60; finds are kept in $(BUILD)/fuzz
	@test -n '$(FUZZNAMES)' || { echo 'make fuzz: there is no tests/fuzz/fuzz_*.c' >&2; exit 1; }
	@set -e; for name in $(FUZZNAMES); do \
		echo "== fuzz_$$name, $(FUZZ_SECONDS) s"; \
		mkdir -p $(BUILD)/fuzz/corpus/$$name tests/fuzz/corpus/$$name; \
		$(BUILD)/fuzz/fuzz_$$name -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1 -verbosity=0 \
		    $(patsubst %,-dict=%,$(wildcard tests/fuzz/imap.dict)) -artifact_prefix=$(BUILD)/fuzz/$$name- $(BUILD)/fuzz/corpus/$$name tests/fuzz/corpus/$$name; \
	done

# A build of its own, which counts; what `make fuzz` has found counts with the corpus.
fuzz-coverage: ## show which lines of what is fuzzed the corpus reaches (clang, llvm)
	@$(MAKE) --no-print-directory BUILD='$(BUILD)/coverage' FUZZ_COVERAGE='-fprofile-instr-generate -fcoverage-mapping' fuzzers
	@FUZZERS='$(BUILD)/coverage/fuzz' FOUND='$(BUILD)/fuzz/corpus' tests/fuzz/coverage $(FUZZNAMES)

fuzzers: $(FUZZERS)

prove: ## prove with Frama-C that the parsers are free of undefined behaviour (T="sasl proxy" are some of them; packages: frama-c-base)
	@IMAPGATE_BUILD='$(abspath $(BUILD))' tests/prove/run $(T)

model: ## verify with spin the life of a connection in each order of events, crashes and reloads included (package: spin)
	@IMAPGATE_BUILD='$(abspath $(BUILD))' tests/model/run
	@IMAPGATE_BUILD='$(abspath $(BUILD))' tests/model/run self-test

mutate: ## make one small fault at a time in the parsers: do the unit tests see it? MUTATE_SECONDS=3600 is the longest, T=sasl.c narrows down
	@IMAPGATE_BUILD='$(abspath $(BUILD))' nice tests/mutate/mutate.py --seconds $(MUTATE_SECONDS) $(T)

# A fault takes from some seconds to two minutes, so a sample is drawn.
MUTATE_SAMPLE ?=	100
mutate-monitor: tests ## the same in the monitor, for MUTATE_SAMPLE=100 faults, with the end-to-end tests (root); SEED= draws others, T=keeper.c narrows down
	@IMAPGATE_BUILD='$(abspath $(BUILD))' PYTEST='$(PYTEST)' nice -n 15 tests/mutate/monitor.py --sample $(MUTATE_SAMPLE) --seed $(or $(SEED),1) $(T)

# --- what keeps the code as it should be

# An object whose source has gone or moved is no part of the program.
STALE =		$(filter-out $(OBJS) $(STUBS),$(wildcard $(BUILD)/*.o $(patsubst src/%/,$(BUILD)/%/*.o,$(wildcard src/*/))))

lint: $(OBJS) ## prove the boundary from the objects, check headers, shape and manual
	@$(if $(STALE),rm $(STALE))
	@CC='$(CC)' tests/lint/boundary self-test
	@CC='$(CC)' tests/lint/boundary '$(BUILD)'
	@CC='$(CC)' CFLAGS='-std=gnu17 $(WARN) -D_GNU_SOURCE -Isrc $(PKG_CFLAGS)' tests/lint/headers $(HEADERS)
	@tests/lint/shape $(SRCS) $(HEADERS)
	@tests/lint/quotes
	@IMAPGATE_BUILD='$(abspath $(BUILD))' tests/model/run compare
	@! mandoc -T lint src/imapgate.8 src/imapgate-dovecot.8 2>/dev/null | grep -v 'referenced manual not found' && echo 'lint: the manuals are clean'

format: ## put the spacing of functions right (clang-format)
	tests/lint/format $(SRCS) $(wildcard tests/*/*.c)

# --- installing: a service is its own file and what all of them have in common, systemd/hardening

UNITFILES :=	$(wildcard systemd/*.socket systemd/*.service)
# Their names until 0.1, for one release: enabled sockets, drop-ins and habits go on.
OLDUNITS :=	imapgate-inetd.socket imapgates-inetd.socket imapgate-inetd@.service imapgates-inetd@.service
CONFFILE =	sed 's,/usr/local/libexec,$(LIBEXECDIR),' src/imapgate.conf

install: $(BUILD)/imapgate ## to PREFIX=/usr/local, under DESTDIR; UNITDIR, PAMDIR ... can be set
	install -d '$(DESTDIR)$(SBINDIR)' '$(DESTDIR)$(LIBEXECDIR)' '$(DESTDIR)$(MANDIR)/man8' '$(DESTDIR)$(UNITDIR)' \
	    '$(DESTDIR)$(SYSUSERSDIR)' '$(DESTDIR)$(TMPFILESDIR)' '$(DESTDIR)$(MODULESDIR)' '$(DESTDIR)$(PAMDIR)' \
	    '$(DESTDIR)$(FAIL2BANDIR)/filter.d' '$(DESTDIR)$(CONFDIR)'
	install -m 0755 $(BUILD)/imapgate '$(DESTDIR)$(SBINDIR)/imapgate'
	install -m 0755 src/imapgate-dovecot '$(DESTDIR)$(LIBEXECDIR)/imapgate-dovecot'
	@# Paths of what is installed are those of this installation; an administrator's own scripts stay in /usr/local.
	for page in imapgate.8 imapgate-dovecot.8; do \
		sed 's,/usr/local/sbin/imapgate,$(SBINDIR)/imapgate,g; s,/usr/local/libexec/imapgate-dovecot,$(LIBEXECDIR)/imapgate-dovecot,g' src/$$page > '$(DESTDIR)$(MANDIR)/man8'/$$page && \
		chmod 0644 '$(DESTDIR)$(MANDIR)/man8'/$$page || exit 1; \
	done
	install -m 0644 $(filter %.socket,$(UNITFILES)) '$(DESTDIR)$(UNITDIR)'
	for unit in $(notdir $(filter %.service,$(UNITFILES))); do \
		sed 's,/usr/local/sbin,$(SBINDIR),; s,/usr/local/libexec,$(LIBEXECDIR),' systemd/$$unit systemd/hardening > '$(DESTDIR)$(UNITDIR)'/$$unit && \
		chmod 0644 '$(DESTDIR)$(UNITDIR)'/$$unit || exit 1; \
	done
	for unit in $(OLDUNITS); do \
		ln -sf "$${unit%%-*}-per-connection$${unit##*-inetd}" '$(DESTDIR)$(UNITDIR)'/$$unit || exit 1; \
	done
	install -m 0644 systemd/sysusers.conf '$(DESTDIR)$(SYSUSERSDIR)/imapgate.conf'
	install -m 0644 systemd/tmpfiles.conf '$(DESTDIR)$(TMPFILESDIR)/imapgate.conf'
	install -m 0644 systemd/modules-load.conf '$(DESTDIR)$(MODULESDIR)/imapgate.conf'
	install -m 0644 fail2ban/filter.d/imapgate.conf '$(DESTDIR)$(FAIL2BANDIR)/filter.d/imapgate.conf'
	@if [ -e '$(DESTDIR)$(PAMDIR)/imapgate' ]; then \
		echo 'kept: $(DESTDIR)$(PAMDIR)/imapgate is there already'; \
	else \
		echo "install -m 0644 $(PAMFILE) '$(DESTDIR)$(PAMDIR)/imapgate'"; \
		install -m 0644 $(PAMFILE) '$(DESTDIR)$(PAMDIR)/imapgate'; \
	fi
	@if [ -e '$(DESTDIR)$(CONFDIR)/imapgate.conf' ]; then \
		echo 'kept: $(DESTDIR)$(CONFDIR)/imapgate.conf is there already'; \
		grep -q '^[[:blank:]]*program[[:blank:]]*=' '$(DESTDIR)$(CONFDIR)/imapgate.conf' || \
		    echo 'it has no line "program = ...", which the systemd units need: see src/imapgate.conf'; \
	else \
		echo "$(CONFFILE) > '$(DESTDIR)$(CONFDIR)/imapgate.conf'"; \
		$(CONFFILE) > '$(DESTDIR)$(CONFDIR)/imapgate.conf' && chmod 0644 '$(DESTDIR)$(CONFDIR)/imapgate.conf'; \
	fi

uninstall: ## remove what install put there; settings that were changed stay
	rm -f '$(DESTDIR)$(SBINDIR)/imapgate' '$(DESTDIR)$(LIBEXECDIR)/imapgate-dovecot' '$(DESTDIR)$(MANDIR)/man8/imapgate.8' '$(DESTDIR)$(MANDIR)/man8/imapgate-dovecot.8'
	rm -f $(UNITFILES:systemd/%='$(DESTDIR)$(UNITDIR)/%') $(OLDUNITS:%='$(DESTDIR)$(UNITDIR)/%')
	rm -f '$(DESTDIR)$(SYSUSERSDIR)/imapgate.conf' '$(DESTDIR)$(TMPFILESDIR)/imapgate.conf' '$(DESTDIR)$(MODULESDIR)/imapgate.conf'
	rm -f '$(DESTDIR)$(FAIL2BANDIR)/filter.d/imapgate.conf'
	@if cmp -s $(PAMFILE) '$(DESTDIR)$(PAMDIR)/imapgate'; then rm -f '$(DESTDIR)$(PAMDIR)/imapgate'; fi
	@if $(CONFFILE) | cmp -s - '$(DESTDIR)$(CONFDIR)/imapgate.conf'; then rm -f '$(DESTDIR)$(CONFDIR)/imapgate.conf'; fi
	@[ ! -d '$(DESTDIR)$(CONFDIR)' ] || rmdir --ignore-fail-on-non-empty '$(DESTDIR)$(CONFDIR)'

# In a copy, since dpkg-buildpackage writes beside the tree; and nothing but Debian's flags.
deb: ## a Debian package in $(BUILD)/deb (packages: build-essential debhelper lintian)
	rm -rf '$(BUILD)/deb' && mkdir -p '$(BUILD)/deb/imapgate'
	tar -c --exclude=./build --exclude=./.git . | tar -x -C '$(BUILD)/deb/imapgate'
	cd '$(BUILD)/deb/imapgate' && env -i PATH="$$PATH" HOME="$$HOME" dpkg-buildpackage -us -uc -b
	lintian --fail-on error '$(BUILD)'/deb/*.changes

clean: ## remove the build folder
	rm -rf build $(filter-out build/%,$(BUILD))

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

-include $(OBJS:.o=.d) $(wildcard $(BUILD)/tests/*/*.d $(BUILD)/fuzz/*.d $(BUILD)/fuzz/src/*.d $(BUILD)/fuzz/src/*/*.d)
