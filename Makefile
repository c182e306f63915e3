# What can be made. 'make test' installs nothing; what it misses it says.

GO          ?= go
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
FUZZTIME    ?= 20s
SOAKTIME    ?= 10m
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2

PROGRAM  = build/aliasdefender
LDFLAGS  = -s -w -X main.version=$(VERSION)
SYSTEMS  = linux/amd64 linux/arm64 linux/386 linux/arm linux/riscv64 solaris/amd64 illumos/amd64

# Asked only by the targets that want to know: who installs a built program need
# not have Go. A compiler without the headers of the C library, which Debian installs
# apart, is none.
CCNAME  = $(shell $(GO) env CC 2>/dev/null)
CCFOUND = $(if $(CCNAME),$(shell $(CCNAME) -E -include stdlib.h -x c /dev/null >/dev/null 2>&1 && echo yes))

# What the tests want, as command:packages; test-deps installs on Debian the
# packages of a command that is missing.
PEERS = $(if $(CCFOUND),,no-C-compiler:gcc,libc6-dev) dash:dash ksh:ksh systemd-analyze:systemd unshare:util-linux setpriv:util-linux keepalived:keepalived

# Where install puts things; each can be set, and DESTDIR goes before all of them.
# The program looks for its files in /etc, whatever PREFIX is. (The original's
# place for the program was /usr/local/lbin: sbindir=/usr/local/lbin.)
DESTDIR    ?=
PREFIX     ?= /usr/local
sbindir    ?= $(PREFIX)/sbin
sysconfdir ?= /etc
mandir     ?= $(PREFIX)/share/man
docdir     ?= $(PREFIX)/share/doc/aliasdefender
unitdir    ?= $(PREFIX)/lib/systemd/system
smfdir     ?= /lib/svc/manifest/site
bashdir    ?= $(PREFIX)/share/bash-completion/completions
zshdir     ?= $(PREFIX)/share/zsh/site-functions
fishdir    ?= $(PREFIX)/share/fish/vendor_completions.d

# systemd, sysv-debian, redhat, solaris, smf or none; auto looks at the system in
# DESTDIR, and if there is none at this one.
INIT ?= auto

all: build

# Everything but the address itself is static: the program has to run when
# /usr is not there.
build:
	@mkdir -p build
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(PROGRAM) ./aliasdefender

# The packages whose tests hold real network stacks, whole programs or the machine's
# own clock: they mostly wait, and go side by side.
REAL   = ./aliasdefender/e2e/... ./aliasdefender/host ./aliasdefender/lab/... ./aliasdefender/peer ./aliasdefender/probe ./aliasdefender/daemon ./aliasdefender/cli
OTHERS = $(shell $(GO) list ./... | grep -Ev '/aliasdefender/(e2e/|host$$|lab|peer$$|probe$$|daemon$$|cli$$)')

# How many of REAL's packages, and of one package's tests, are played at a time.
SIDE     ?= 4
PARALLEL ?= 4
ALONGSIDE = -p $(SIDE) -parallel $(PARALLEL)

# What the tests want and this machine has not, each said in a line: go test shows no
# skipped test of a package that passes. make test says it first, and again at its end.
missing:
	@for p in $(PEERS); do \
		command -v "$${p%%:*}" >/dev/null 2>&1 || echo "*** MISSING: $${p%%:*} (Debian: $${p#*:}): what needs it is NOT TESTED; make test-deps installs it"; \
	done; \
	if command -v unshare >/dev/null 2>&1 && ! unshare -n true 2>/dev/null && ! unshare -rn true 2>/dev/null; then \
		echo '*** MISSING: network namespaces: most of the program is NOT TESTED; run as root, or allow user namespaces'; \
	fi

# Every test once. What computes (unit tests, the thousands of stories of two hosts, the
# search of the rules) is nice to what waits on real stacks, which is played meanwhile.
# Tests with namespaces find out themselves whether they can have them, say so, and
# fail where CI=true. No time is judged here: that is for make soak and make bench.
test: missing
	@$(MAKE) --no-print-directory -j2 test-real test-pure; ended=$$?; $(MAKE) --no-print-directory missing; exit $$ended

test-real:
	CGO_ENABLED=0 $(GO) test -timeout 30m $(ALONGSIDE) $(TESTFLAGS) $(REAL)

# The race detector is with the unit tests, which include defender's simulated worlds,
# and not with the stories, the search and very many aliases, which it would make ten
# times as long.
test-pure:
	@if [ -z '$(CCFOUND)' ]; then \
		echo '*** NO C COMPILER ($(CCNAME)): the tests run WITHOUT the race detector; make test-deps installs one'; \
		set -x; \
		CGO_ENABLED=0 nice -n 3 $(GO) test -timeout 30m $(TESTFLAGS) $(OTHERS); \
	else \
		set -ex; \
		CGO_ENABLED=1 nice -n 3 $(GO) test -race -timeout 30m $(TESTFLAGS) $(OTHERS); \
		CGO_ENABLED=0 nice -n 3 $(GO) test -timeout 30m -run 'Events|Search|Thousand|Many' $(TESTFLAGS) ./aliasdefender/defender ./aliasdefender/rules; \
	fi

# The race detector where make test has none, for it makes a program with real stacks
# late. The programs that tests start have it too, and would sleep for a second at
# each end. REAL='./aliasdefender/peer' is a part of it.
race: export GORACE ?= atexit_sleep_ms=0
race:
	@if [ -z '$(CCFOUND)' ]; then echo 'race: no C compiler ($(CCNAME)); make test-deps installs one' >&2; exit 1; fi
	CGO_ENABLED=1 $(GO) test -race -timeout 30m -p 2 -parallel 3 $(TESTFLAGS) $(REAL)

# For an hour: random faults, each heal, crash and way to hand over by the dozen, at the
# rhythms that users have, with new seeds, which are printed. Here times are judged. Each
# line "figure:" is one. A run of which the machine's own noise explains more than a fifth
# has failed, and says so.
soak:
	CGO_ENABLED=0 $(GO) test -v -count 1 -timeout 0 -parallel 1 ./aliasdefender/e2e/chaos -soak -chaos $(SOAKTIME) $(TESTFLAGS)
	@mkdir -p build
	@set -e; failed=; for p in story handover peer initscript; do \
		CGO_ENABLED=0 $(GO) test -v -count 1 -timeout 0 -parallel 1 ./aliasdefender/e2e/$$p -soak $(TESTFLAGS) >build/soak-$$p.log 2>&1 || failed=$$p; \
		grep -E 'figure:|^ *--- (FAIL|SKIP)|noise of the machine' build/soak-$$p.log || true; \
		if [ -n "$$failed" ]; then echo "soak: $$failed has failed: build/soak-$$failed.log"; exit 1; fi; \
	done
	CGO_ENABLED=0 $(GO) test -v -count 1 -timeout 0 -run RandomEvents ./aliasdefender/defender -day 24h -seed 0 $(TESTFLAGS)

# Installs, and starts no service: Debian asks policy-rc.d before it does.
test-deps:
	@missing=; for p in $(PEERS); do \
		command -v "$${p%%:*}" >/dev/null 2>&1 || missing="$$missing $$(echo "$${p#*:}" | tr , " ")"; \
	done; \
	if [ -z "$$missing" ]; then echo "test-deps: all there"; exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
		echo "test-deps: missing:$$missing; this is no Debian: install them by hand" >&2; exit 1; fi; \
	if [ "$$(id -u)" != 0 ]; then \
		echo "test-deps: missing:$$missing; run as root, or apt-get install them" >&2; exit 1; fi; \
	policy=/usr/sbin/policy-rc.d; \
	if [ ! -e $$policy ]; then \
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT; \
		printf '#!/bin/sh\nexit 101\n' > $$policy; chmod 755 $$policy; \
	fi; \
	apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing

# Where the Debian system is that test-system boots, and what make install laid out for it.
SYSTEMDIR ?= /var/cache/aliasdefender-system

# Two real Debian systems, booted by systemd-nspawn on hosts of the lab, with what make
# install lays out: docs/init.md. As root, for half an hour; a part of it:
# TESTFLAGS='-run Stories/NetworkManager'. What it has measured is printed, and is in
# build/system.md.
test-system: build
	@if [ "$$(id -u)" != 0 ]; then echo 'test-system: run as root: systems are booted' >&2; exit 1; fi
	@set -e; for kind in systemd:systemd sysv:sysv-debian; do \
		dir=$(SYSTEMDIR)/$${kind%:*}; \
		if [ ! -e $$dir.made ]; then echo "test-system: no Debian system in $$dir: run make test-system-deps" >&2; exit 1; fi; \
		rm -rf $$dir-program; \
		$(LAYOUT) DESTDIR=$$dir-program INIT=$${kind#*:} sh init/install install >/dev/null; \
	done
	CGO_ENABLED=0 $(GO) test -v -count 1 -timeout 2h ./aliasdefender/e2e/system -system $(abspath $(SYSTEMDIR)) -report $(CURDIR)/build/system.md $(TESTFLAGS)

# Nothing of the new systems runs outside test-system, and they are all in SYSTEMDIR.
test-system-deps: PEERS = debootstrap:debootstrap systemd-nspawn:systemd-container unshare:util-linux
test-system-deps: test-deps
	sh aliasdefender/e2e/system/root systemd $(SYSTEMDIR)/systemd
	sh aliasdefender/e2e/system/root sysv $(SYSTEMDIR)/sysv

# Nothing is built where the program is there: root need not have Go. Nothing is
# started or enabled, and no configuration is overwritten.
install: $(PROGRAM)
	@$(LAYOUT) sh init/install install

# Just what install has laid out; a configuration that was changed stays.
uninstall:
	@$(LAYOUT) sh init/install uninstall

LAYOUT = DESTDIR='$(DESTDIR)' INIT='$(INIT)' PROGRAM='$(PROGRAM)' sbindir='$(sbindir)' sysconfdir='$(sysconfdir)' \
	unitdir='$(unitdir)' smfdir='$(smfdir)' mandir='$(mandir)' docdir='$(docdir)' bashdir='$(bashdir)' zshdir='$(zshdir)' fishdir='$(fishdir)'

$(PROGRAM):
	$(MAKE) build

# The sample of the article, rehearsed: real Monitors in namespaces of this machine.
demo: build
	$(PROGRAM) Rehearse

# The same faults for keepalived and for us, in one lab: docs/benchmarks.md. It
# says first how long it takes; BENCHFLAGS='-only crash -runs 5' is a part of it.
bench: build
	CGO_ENABLED=0 $(GO) build -o build/bench ./aliasdefender/lab/bench
	build/bench -program $(PROGRAM) $(BENCHFLAGS)

lint: lint-format lint-modules lint-vet lint-static lint-systems

lint-format:
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "gofmt -w these:"; echo "$$files"; exit 1; fi

# go.mod says what the code imports, and the modules are what go.sum says.
lint-modules:
	$(GO) mod tidy -diff
	$(GO) mod verify

# The files of each system have their own types, and the words of each machine
# their own length.
lint-vet:
	$(GO) vet ./...
	@set -e; for s in $(SYSTEMS); do \
		echo "vet for $$s"; \
		GOOS=$${s%/*} GOARCH=$${s#*/} CGO_ENABLED=0 $(GO) vet ./...; \
	done

lint-static:
	$(GO) run $(STATICCHECK) ./...

lint-systems:
	@set -e; for s in $(SYSTEMS); do \
		echo "build for $$s"; \
		GOOS=$${s%/*} GOARCH=$${s#*/} CGO_ENABLED=0 $(GO) build -o /dev/null ./aliasdefender; \
	done

# A program for each system, in build/, and its size in bytes.
sizes:
	@set -e; mkdir -p build; for s in $(SYSTEMS); do \
		program=build/aliasdefender-$${s%/*}-$${s#*/}; \
		GOOS=$${s%/*} GOARCH=$${s#*/} CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $$program ./aliasdefender; \
		printf '%-16s %9d\n' $$s $$(wc -c < $$program); \
	done

# Each fuzz target for FUZZTIME, found by its name. Inputs that reach new code are made
# shorter ten times and not for a minute, which would be all the time there is: then nothing
# is tried, and Go calls its own deadline a failure.
fuzz:
	@set -e; grep -rl --include='*_test.go' '^func Fuzz' . | sort | while read -r file; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
			echo "$$target in $${file%/*} for $(FUZZTIME)"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$${file%/*}"; \
		done; \
	done

# The two packages where a line that no test reaches is a decision that nobody
# has looked at.
cover:
	@mkdir -p build
	@set -e; for p in rules config; do \
		$(GO) test -short -coverprofile=build/$$p.cover ./aliasdefender/$$p; \
		$(GO) tool cover -func=build/$$p.cover | awk -v p=$$p '/^total:/ { n = $$3 + 0; found = 1; \
			if (n <= 95) { print p ": " n "% of the statements are covered; more than 95% are wanted"; exit 1 } } \
			END { if (!found) { print p ": no coverage measured"; exit 1 } }'; \
	done

clean:
	rm -rf build

.PHONY: all build missing test test-real test-pure race soak test-deps test-system test-system-deps install uninstall demo bench lint lint-format lint-modules lint-vet lint-static lint-systems sizes fuzz cover clean
