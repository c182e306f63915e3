# The targets. 'make test' installs nothing; it says which programs it lacks.

GO          ?= go
VERSION     ?= $(shell git describe --tags --always --dirty --abbrev=12 2>/dev/null || echo devel)
FUZZTIME    ?= 20s
SOAKTIME    ?= 10m
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
NFPM        ?= github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
CYCLONEDX   ?= github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
MAINTAINER  ?= The Alias Defender authors <maintainers@users.noreply.github.com>

PROGRAM  = build/aliasdefender
LDFLAGS  = -s -w -X main.version=$(VERSION)
SYSTEMS  = linux/amd64 linux/arm64 linux/386 linux/arm linux/riscv64 solaris/amd64 illumos/amd64

# Only the targets that need a C compiler look for one: to install a built program, Go
# need not be there. A compiler without the headers of the C library, which Debian
# has in a package of their own, does not count.
CCNAME  = $(shell $(GO) env CC 2>/dev/null)
CCFOUND = $(if $(CCNAME),$(shell $(CCNAME) -E -include stdlib.h -x c /dev/null >/dev/null 2>&1 && echo yes))

# What the tests need, as command:packages. On Debian test-deps installs the packages
# of each command that is missing.
PEERS = $(if $(CCFOUND),,no-C-compiler:gcc,libc6-dev) dash:dash ksh:ksh systemd-analyze:systemd unshare:util-linux setpriv:util-linux keepalived:keepalived radvd:radvd sshd:openssh-server rsync:rsync dnsmasq:dnsmasq-base nginx:nginx-light curl:curl jq:jq bird:bird2 vtysh:frr promtool:prometheus chromium:chromium npm:npm

# axe-core looks for what keeps people from using the page. Only the test of the page uses it.
AXE    = axe-core@4.14.1
AXEDIR ?= /var/cache/aliasdefender-axe
AXEJS  = $(AXEDIR)/node_modules/axe-core/axe.min.js

# Where install puts things. Each can be set; DESTDIR is put in front of all of them.
# The program looks for its files in /etc, whatever PREFIX is. (The original was in
# /usr/local/lbin: sbindir=/usr/local/lbin.)
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

# systemd, sysv-debian, redhat, solaris, smf or none. auto looks at the system in
# DESTDIR, or at this one if there is no system in DESTDIR.
INIT ?= auto

all: build

# The program is one static file: it has to run even when /usr is not there.
build:
	@mkdir -p build
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(PROGRAM) ./aliasdefender

# The packages whose tests use real network stacks, whole programs or the machine's
# own clock. They mostly wait, so they run side by side, those that take longest first.
# STACKS play the whole program, and PARTS what it is made of.
STACKS = ./aliasdefender/e2e/story ./aliasdefender/e2e/examples ./aliasdefender/lab/bench ./aliasdefender/e2e/...
PARTS  = ./aliasdefender/host ./aliasdefender/lab ./aliasdefender/lab/pair ./aliasdefender/peer ./aliasdefender/probe ./aliasdefender/daemon ./aliasdefender/cli
REAL   = $(STACKS) $(PARTS)
OTHERS = $(filter-out $(shell $(GO) list $(REAL) $(PROGRAMS) $(ALONE)),$(shell $(GO) list ./...))

# How many of STACKS' packages, and how many tests of one package, run at a time.
SIDE     ?= 3
PARALLEL ?= 3

# What the tests want and this machine has not, each said in a line: go test shows no
# skipped test of a package that passes. make test says it first, and again at its end.
missing:
	@for p in $(PEERS); do \
		command -v "$${p%%:*}" >/dev/null 2>&1 || echo "*** MISSING: $${p%%:*} (Debian: $${p#*:}): what needs it is NOT TESTED; make test-deps installs it"; \
	done; \
	[ -e $(AXEJS) ] || echo "*** MISSING: axe-core in $(AXEDIR): what needs it is NOT TESTED; make test-deps installs it"; \
	if command -v unshare >/dev/null 2>&1 && ! unshare -n true 2>/dev/null && ! unshare -rn true 2>/dev/null; then \
		echo '*** MISSING: network namespaces: most of the program is NOT TESTED; run as root, or allow user namespaces'; \
	fi

# Every test once, but for the search. The tests that compute (unit tests, the thousands of
# stories of two hosts, the stories of the rules) run beside those that wait on real stacks.
# A test that needs namespaces finds out whether it can have them, and says so if not;
# with CI=true it then fails. No test judges times: make soak and make bench do that.
test: missing
	@$(MAKE) --no-print-directory -j2 test-real test-pure; ended=$$?; $(MAKE) --no-print-directory missing; exit $$ended

# Linux shares out the processors between sessions first, and by nice only within one
# (sched_autogroup); and Linux 6.18 lets one session in which some compute and some wait keep
# all others, the kernel's own threads included, from a processor for seconds: then no network
# of the machine answers. So what computes has a session of its own, and what waits has one
# too, apart from whatever else is done where make was called.
apart = if command -v setsid >/dev/null 2>&1; then \
		setsid $(1) & pid=$$!; \
		trap 'kill -s TERM -- -$$pid' HUP INT TERM; \
		wait $$pid; \
	else \
		$(1); \
	fi

test-real:
	@$(call apart,$(MAKE) --no-print-directory test-waiting)

test-waiting:
	@$(MAKE) --no-print-directory -k test-page test-programs test-parts & others=$$!; \
	$(MAKE) --no-print-directory test-stacks; ended=$$?; \
	wait $$others || ended=1; exit $$ended

test-stacks:
	CGO_ENABLED=0 $(GO) test -timeout 30m -p $(SIDE) -parallel $(PARALLEL) $(TESTFLAGS) $(STACKS)

test-parts:
	CGO_ENABLED=0 $(GO) test -timeout 30m -p 1 -parallel $(PARALLEL) $(TESTFLAGS) $(PARTS)

# What starts programs, or has servers of its own, by the machine's clock, but on no real
# stack: it too must not wait for what computes. It runs with the race detector, on one
# processor as in test-computing.
PROGRAMS = ./aliasdefender/check ./aliasdefender/control ./aliasdefender/hook ./aliasdefender/page ./aliasdefender/program
test-programs: export GORACE ?= atexit_sleep_ms=0
test-programs:
	CGO_ENABLED=$(if $(CCFOUND),1,0) $(GO) test $(if $(CCFOUND),-race -cpu 1) -timeout 30m $(TESTFLAGS) $(PROGRAMS)

# The page in Chromium. What drives the browser is a module of its own, so that building and
# checking everything else does without it; it takes a minute and a half to compile.
# PAGEFLAGS='-pictures DIR' has the pictures of docs/page.md written.
test-page:
	cd $(PAGE) && CGO_ENABLED=0 $(GO) test -timeout 15m -parallel 1 $(TESTFLAGS) . -axe $(AXEJS) $(PAGEFLAGS)
PAGE = aliasdefender/e2e/page

test-pure:
	@$(call apart,nice -n 19 $(MAKE) --no-print-directory test-computing)

# The unit tests, which include defender's simulated worlds, run with the race detector,
# each package on one processor: Go 1.26 crashes when two goroutines of a bubble of
# testing/synctest look at timers at once and the race detector watches.
# The stories and the tests with very many aliases run beside them without it:
# they would take ten times as long. So do defender's worlds of IPv6, whose goroutines are
# those of IPv4, and the packages that have none.
ALONE  = ./aliasdefender/rules ./aliasdefender/detect
LONG   = SearchFindsNothingWrong|ThreeEvents
STORY  = Events|Thousand|Many|EachHour|LargeGroup|LossIsNotSilence|NothingIsRestored
test-computing: export GORACE ?= atexit_sleep_ms=0
# What a search has seen it keeps: to collect often frees little.
test-computing search: export GOGC ?= 300
test-computing:
	@if [ -z '$(CCFOUND)' ]; then \
		echo '*** NO C COMPILER ($(CCNAME)): the tests run WITHOUT the race detector; make test-deps installs one'; \
		set -x; \
		CGO_ENABLED=0 $(GO) test -timeout 30m -skip '$(LONG)' $(TESTFLAGS) $(OTHERS) $(ALONE); \
	else \
		set -x; \
		CGO_ENABLED=1 $(GO) test -race -cpu 1 -timeout 30m -skip '$(LONG)' $(TESTFLAGS) $(OTHERS) & raced=$$!; \
		ended=0; \
		CGO_ENABLED=0 $(GO) test -timeout 30m -skip '$(LONG)' $(TESTFLAGS) $(ALONE) || ended=1; \
		CGO_ENABLED=0 $(GO) test -timeout 30m -run '$(STORY)' -skip '$(LONG)' $(TESTFLAGS) ./aliasdefender/defender || ended=1; \
		CGO_ENABLED=0 $(GO) test -timeout 30m -skip '$(STORY)' $(TESTFLAGS) ./aliasdefender/defender -family IPv6 || ended=1; \
		wait $$raced || ended=1; \
		exit $$ended; \
	fi

# The proof of the rules: every order of two events, and of three that disturb a hand-over,
# each at any moment; and every order of three between two Monitors.
search:
	CGO_ENABLED=0 $(GO) test -timeout 30m -run '$(LONG)' $(TESTFLAGS) ./aliasdefender/rules
	CGO_ENABLED=0 $(GO) test -timeout 30m -run '$(LONG)' $(TESTFLAGS) ./aliasdefender/defender -family IPv4

# The race detector where make test does not use it, because it makes programs on real
# stacks slow. The programs that tests start have it too; without GORACE each of them
# would sleep for a second at its end. What tries shell scripts finds no races.
# RACE='./aliasdefender/peer' runs a part.
RACE = $(shell $(GO) list $(REAL) | grep -Ev '/e2e/(install|initscript|packages|readme)$$|/(daemon|host)$$')
BUBBLES = ./aliasdefender/daemon ./aliasdefender/host # on one processor, as in test-pure
race: export GORACE ?= atexit_sleep_ms=0
race:
	@if [ -z '$(CCFOUND)' ]; then echo 'race: no C compiler ($(CCNAME)); make test-deps installs one' >&2; exit 1; fi
	CGO_ENABLED=1 $(GO) test -race -timeout 30m -p 2 -parallel 3 $(TESTFLAGS) $(RACE)
	CGO_ENABLED=1 $(GO) test -race -cpu 1 -timeout 30m $(TESTFLAGS) $(BUBBLES)

# Two hours: random faults, with new seeds, which are printed, for SOAKTIME in four set-ups
# side by side; dozens of each heal, crash and kind of hand-over at the rhythms that users
# have; and web servers that die. Here times are judged; each is printed in a line
# "figure:". If the machine's own noise explains more than a fifth of a run, the run fails
# and says so. What fails keeps nothing else from being played. SOAKS='story route' plays a part.
SOAKS ?= chaos story handover peer initscript ipv6 service route examples metrics page day
soak:
	@mkdir -p build
	@failed=; for p in $(SOAKS); do \
		$(MAKE) --no-print-directory soak-$$p >build/soak-$$p.log 2>&1 || failed="$$failed build/soak-$$p.log"; \
		grep -E 'figure:|^ *--- (FAIL|SKIP)|noise of the machine|-seed [0-9]| deeds in ' build/soak-$$p.log || true; \
	done; \
	if [ -n "$$failed" ]; then echo "soak: these have failed:$$failed"; exit 1; fi

SOAKTEST = CGO_ENABLED=0 $(GO) test -v -count 1 -timeout 0
soak-chaos:
	$(SOAKTEST) -parallel 4 ./aliasdefender/e2e/chaos -soak -chaos $(SOAKTIME) $(TESTFLAGS)
soak-page:
	cd $(PAGE) && $(SOAKTEST) -parallel 1 . -soak -open $(SOAKTIME) -axe $(AXEJS) $(TESTFLAGS)
soak-day:
	$(SOAKTEST) -run RandomEvents ./aliasdefender/defender -day 24h -seed 0 $(TESTFLAGS)
soak-%:
	$(SOAKTEST) -parallel 1 ./aliasdefender/e2e/$* -soak $(TESTFLAGS)

test-deps: test-debs
	@[ -e $(AXEJS) ] || { mkdir -p $(AXEDIR) && npm install --prefix $(AXEDIR) --ignore-scripts --no-audit --no-fund $(AXE); }

# Installs Debian's packages, but starts no service: Debian asks policy-rc.d before it starts
# one. A shell that a signal ends runs no trap of EXIT, unless the signal has a trap too.
POLICY = /usr/sbin/policy-rc.d
test-debs:
	@missing=; for p in $(PEERS); do \
		command -v "$${p%%:*}" >/dev/null 2>&1 || missing="$$missing $$(echo "$${p#*:}" | tr , " ")"; \
	done; \
	if [ -z "$$missing" ]; then echo "test-deps: all there"; exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
		echo "test-deps: missing:$$missing; this is no Debian: install them by hand" >&2; exit 1; fi; \
	if [ "$$(id -u)" != 0 ]; then \
		echo "test-deps: missing:$$missing; run as root, or apt-get install them" >&2; exit 1; fi; \
	if [ ! -e $(POLICY) ]; then \
		trap 'rm -f $(POLICY)' EXIT; trap 'exit 1' HUP INT TERM; \
		printf '#!/bin/sh\nexit 101\n' > $(POLICY); chmod 755 $(POLICY); \
	fi; \
	apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing

# The Debian systems that test-system boots, and what make install laid out for them.
SYSTEMDIR ?= /var/cache/aliasdefender-system

# Boots two real Debian systems by systemd-nspawn on hosts of the lab, with what make
# install lays out, and others with the deb: docs/init.md. It needs root, and takes half an hour.
# TESTFLAGS='-run Stories/NetworkManager' runs a part. It prints what it measured, and
# writes it to build/system.md.
test-system: build
	@if [ "$$(id -u)" != 0 ]; then echo 'test-system: run as root: systems are booted' >&2; exit 1; fi
	@set -e; for kind in systemd:systemd sysv:sysv-debian; do \
		dir=$(SYSTEMDIR)/$${kind%:*}; \
		if [ ! -e $$dir.made ]; then echo "test-system: no Debian system in $$dir: run make test-system-deps" >&2; exit 1; fi; \
		rm -rf $$dir-program; \
		$(LAYOUT) DESTDIR=$$dir-program INIT=$${kind#*:} sh init/install install >/dev/null; \
	done
	@rm -f $(SYSTEMDIR)/packages/SHA256SUMS
	@$(MAKE) --no-print-directory packages PACKAGES=$(abspath $(SYSTEMDIR))/packages >/dev/null || \
		echo '*** MISSING: the deb, because make packages fails: what installs it is NOT TESTED'
	CGO_ENABLED=0 $(GO) test -v -count 1 -timeout 2h ./aliasdefender/e2e/system -system $(abspath $(SYSTEMDIR)) -report $(CURDIR)/build/system.md \
		-packages "$$(if [ -e $(SYSTEMDIR)/packages/SHA256SUMS ]; then echo $(abspath $(SYSTEMDIR))/packages; fi)" $(TESTFLAGS)

# The new systems are all in SYSTEMDIR, and run only inside test-system.
test-system-deps: PEERS = debootstrap:debootstrap systemd-nspawn:systemd-container unshare:util-linux
test-system-deps: test-debs
	sh aliasdefender/e2e/system/root systemd $(SYSTEMDIR)/systemd
	sh aliasdefender/e2e/system/root sysv $(SYSTEMDIR)/sysv

# If the program is there it is not built again, so root need not have Go. install
# starts and enables nothing, and overwrites no configuration.
install: $(PROGRAM)
	@$(LAYOUT) sh init/install install

# Removes exactly what install has laid out, except a configuration that was changed.
uninstall:
	@$(LAYOUT) sh init/install uninstall

LAYOUT = DESTDIR='$(DESTDIR)' INIT='$(INIT)' PROGRAM='$(PROGRAM)' sbindir='$(sbindir)' sysconfdir='$(sysconfdir)' \
	unitdir='$(unitdir)' smfdir='$(smfdir)' mandir='$(mandir)' docdir='$(docdir)' bashdir='$(bashdir)' zshdir='$(zshdir)' fishdir='$(fishdir)'

$(PROGRAM):
	$(MAKE) build

# deb, rpm and apk for amd64 and arm64, their sums, and what modules are in them:
# docs/packages.md. MAINTAINER is who answers for them, and may have an apostrophe.
PACKAGES = build/packages
quoted   = '$(subst ','\'',$(1))'
packages:
	@GO=$(call quoted,$(GO)) VERSION=$(call quoted,$(VERSION)) MAINTAINER=$(call quoted,$(MAINTAINER)) \
		NFPM=$(call quoted,$(NFPM)) CYCLONEDX=$(call quoted,$(CYCLONEDX)) OUT=$(call quoted,$(PACKAGES)) sh packaging/build

# Makes them here and in another clone, at another place and under another umask, compares the
# sums, then what is in the formats, and asks lintian if it is there.
packages-check:
	@if [ -n "$$(git status --porcelain)" ]; then \
		echo 'packages-check: commit first: another clone has only what is committed' >&2; exit 1; fi
	@$(MAKE) --no-print-directory packages
	@rm -rf build/packages-check; mkdir -p build/packages-check; umask 077; git clone -q . build/packages-check/clone
	@umask 077; $(MAKE) --no-print-directory -C build/packages-check/clone packages PACKAGES=$(CURDIR)/build/packages-check/again >/dev/null
	cmp $(PACKAGES)/SHA256SUMS build/packages-check/again/SHA256SUMS
	@rm -rf build/packages-check
	CGO_ENABLED=0 $(GO) test -v -count 1 ./aliasdefender/e2e/packages -run OfMadePackages -packages $(abspath $(PACKAGES)) $(TESTFLAGS)
	@if command -v lintian >/dev/null 2>&1; then \
		cd $(PACKAGES) && set -x && lintian --allow-root --fail-on error $$(sed -n 's/^[0-9a-f]*  \(.*\.deb\)$$/\1/p' SHA256SUMS); \
		else echo '*** MISSING: lintian (Debian: lintian): the deb is NOT CHECKED by it'; fi

# The sample of the article, rehearsed: real Monitors in namespaces of this machine.
demo: build
	$(PROGRAM) Rehearse

# The same faults for keepalived and for Alias Defender, in one lab: docs/benchmarks.md.
# It first says how long it takes. BENCHFLAGS='-only crash -runs 5' runs a part.
bench: build
	CGO_ENABLED=0 $(GO) build -o build/bench ./aliasdefender/lab/bench
	build/bench -program $(PROGRAM) $(BENCHFLAGS)

lint: lint-format lint-modules lint-vet lint-static lint-systems

lint-format:
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "gofmt -w these:"; echo "$$files"; exit 1; fi

# go.mod must name what the code imports, and the modules must be those of go.sum.
lint-modules:
	$(GO) mod tidy -diff
	cd $(PAGE) && $(GO) mod tidy -diff
	$(GO) mod verify

# Each system has its own files and types, and each machine its own word length: one of
# each is vetted, tests too. lint-systems builds for all.
lint-vet:
	$(GO) vet ./...
	cd $(PAGE) && CGO_ENABLED=0 $(GO) vet ./...
	@set -e; for s in linux/386 solaris/amd64; do \
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

# Each fuzz target for FUZZTIME, found by its name. Go shortens an input that reaches new
# code at most ten times. By default it does so for a minute, which would use up FUZZTIME:
# nothing new would be tried, and Go would call its own deadline a failure. It sometimes
# does so all the same; a failure that it has found an input for names that input.
fuzz:
	@mkdir -p build
	@set -e; grep -rl --include='*_test.go' '^func Fuzz' . | sort | while read -r file; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
			echo "$$target in $${file%/*} for $(FUZZTIME)"; \
			if $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$${file%/*}" >build/fuzz.log 2>&1; then \
				tail -n 1 build/fuzz.log; \
			else \
				cat build/fuzz.log; \
				grep -qx ' *context deadline exceeded' build/fuzz.log; \
				if grep -Eq 'Failing input|panic|seed#' build/fuzz.log; then exit 1; fi; \
				echo 'that was the end of its time: nothing was found'; \
			fi; \
		done; \
	done

# In these two packages a line that no test reaches is a decision that nobody has
# checked.
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

.PHONY: all build missing test test-real test-waiting test-stacks test-parts test-programs test-page test-debs test-pure test-computing search race soak soak-chaos soak-page soak-day test-deps test-system test-system-deps install uninstall packages packages-check demo bench lint lint-format lint-modules lint-vet lint-static lint-systems sizes fuzz cover clean
