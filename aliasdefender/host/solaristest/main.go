package solaristest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// programs are what a Machine answers to.
var programs = []string{"ifconfig", "uname", "netstat", "route", "arp"}

// stateName is the file in which a machine's programs keep it.
const stateName = "machine.json"

// Build builds the program that Install lays out, into a directory, and returns its
// path. It is built without the race detector, whatever the test has.
func Build(dir string) (program string, err error) {
	program = filepath.Join(dir, "programs")
	cmd := exec.Command("go", "build", "-race=false", "-buildvcs=false", "-o", program, "alias-defender/aliasdefender/host/solaristest/programs")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%v: %w\n%s", cmd, err, out)
	}
	return program, nil
}

// Install puts a machine's programs into a directory: links to the one that Build has
// built. If real is set they act on the network namespace in which they run.
func Install(dir, program string, m *Machine, real bool) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range programs {
		if err := os.Symlink(program, filepath.Join(dir, name)); err != nil && !os.IsExist(err) {
			return err
		}
	}
	return write(filepath.Join(dir, stateName), saved{Machine: m, Real: real})
}

// saved is the state file.
type saved struct {
	*Machine
	Real bool // Apply to the kernel of this namespace
}

// Main ends the process with a machine's answer, as the program by whose name it was
// called.
func Main() {
	os.Exit(answer(filepath.Dir(os.Args[0]), filepath.Base(os.Args[0]), os.Args[1:], os.Stdout, os.Stderr))
}

// answer runs one command line on the machine of a directory.
func answer(dir, name string, args []string, stdout, stderr io.Writer) int {
	var out, errs string
	var code int
	err := with(dir, func(m *Machine) { out, errs, code = m.Run(name, args...) })
	if err != nil {
		errs, code = errs+fmt.Sprintf("%s: %v\n", name, err), 1
	}
	fmt.Fprint(stdout, out)
	fmt.Fprint(stderr, errs)
	return code
}

// Clash is Conflict for the machine of a directory. Where that is real, call it
// in the machine's namespace.
func Clash(dir string, addr netip.Addr) error {
	return with(dir, func(m *Machine) { m.Conflict(addr) })
}

// with changes the machine of a directory, one at a time, and what is real of it.
func with(dir string, change func(*Machine)) error {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	for {
		err = unix.FcntlFlock(lock.Fd(), unix.F_SETLKW, &unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart})
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	path := filepath.Join(dir, stateName)
	var s saved
	if err == nil {
		s, err = read(path)
	}
	if err == nil && s.Real {
		err = s.look()
	}
	if err != nil {
		return err
	}
	before := slices.Clone(s.Units)
	change(s.Machine)
	if s.Real {
		err = s.apply(before)
	}
	return errors.Join(err, write(path, s))
}

func read(path string) (s saved, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return saved{}, err
	}
	return s, json.Unmarshal(text, &s)
}

// write replaces the file in one step.
func write(path string, s saved) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
