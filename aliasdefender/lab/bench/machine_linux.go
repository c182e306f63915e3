package main

import (
	"bufio"
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// program returns the path of the aliasdefender to measure: the one named, or
// this tree's, built into dir.
func program(ctx context.Context, named, dir string) (string, error) {
	if named != "" {
		return filepath.Abs(named)
	}
	path := filepath.Join(dir, ours)
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, "alias-defender/aliasdefender")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build aliasdefender: %w; start bench in the tree, or name a program with -program\n%s", err, out)
	}
	return path, nil
}

// findKeepalived is the command to run if the user named none: Debian installs it
// where a user's PATH does not lead.
func findKeepalived() string {
	const debian = "/usr/sbin/keepalived"
	if path, err := exec.LookPath(keepalived); err == nil {
		return path
	}
	return debian
}

// newSession finds out which programs are measured, and on which machine.
func newSession(ctx context.Context, o options) (s Session, err error) {
	s = Session{At: time.Now().Round(time.Second), Seed: o.seed, Noise: ms(o.noise), Cores: runtime.NumCPU()}
	if s.Keepalived, err = version(ctx, o.keepalived); err != nil {
		return s, fmt.Errorf("keepalived: %w; make test-deps installs it, or name it with -keepalived", err)
	}
	if s.AliasDefender, err = version(ctx, o.program); err != nil {
		return s, fmt.Errorf("aliasdefender: %w; name a program with -program", err)
	}
	info, err := buildinfo.ReadFile(o.program)
	if err != nil {
		return s, fmt.Errorf("aliasdefender: %w", err)
	}
	s.Go = info.GoVersion
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return s, err
	}
	s.CPU = parseModel(b)
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return s, err
	}
	s.Kernel = unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
	return s, nil
}

// version is the first line that a program prints about itself.
func version(ctx context.Context, program string) (string, error) {
	out, err := exec.CommandContext(ctx, program, "--version").CombinedOutput()
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(first), nil
}

// parseModel reads the processor's name from /proc/cpuinfo. Some architectures have
// it under another key, and some not at all.
func parseModel(b []byte) string {
	for _, want := range []string{"model name", "Model", "Hardware", "uarch", "cpu model"} {
		for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
			key, value, _ := strings.Cut(s.Text(), ":")
			if strings.TrimSpace(key) == want {
				return strings.TrimSpace(value)
			}
		}
	}
	return runtime.GOARCH
}
