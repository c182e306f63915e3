package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/lab"
)

// pids returns the processes of a daemon: itself and those that it has forked.
func pids(p *lab.Process) ([]int, error) {
	all := []int{p.Pid()}
	for i := 0; i < len(all); i++ {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", all[i], all[i]))
		if err != nil {
			return nil, fmt.Errorf("the children of %s: %w", p.Name, err)
		}
		children, err := parseChildren(b)
		if err != nil {
			return nil, err
		}
		all = append(all, children...)
	}
	return all, nil
}

// parseChildren reads /proc/PID/task/TID/children (proc(5)).
func parseChildren(b []byte) (all []int, err error) {
	for f := range strings.FieldsSeq(string(b)) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			return nil, fmt.Errorf("children: %w", err)
		}
		all = append(all, pid)
	}
	return all, nil
}

// cost is the time that a daemon has used, and the memory that it occupies.
type cost struct {
	pids          []int
	cpu           time.Duration // all threads', user and system
	resident      int           // kB, VmRSS of all its processes
	proportionate int           // kB, Pss: pages shared with others are counted in parts
}

func costOf(p *lab.Process) (c cost, err error) {
	if c.pids, err = pids(p); err != nil {
		return c, err
	}
	for _, pid := range c.pids {
		cpu, err := cpuOf(pid)
		if err != nil {
			return c, err
		}
		c.cpu += cpu
		rss, err := kilobytes(fmt.Sprintf("/proc/%d/status", pid), "VmRSS")
		if err != nil {
			return c, err
		}
		c.resident += rss
		pss, err := kilobytes(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss")
		if err != nil {
			return c, err
		}
		c.proportionate += pss
	}
	return c, nil
}

// cpuOf reads the processor-time clock of a process, as clock_getcpuclockid(3)
// makes it. It is utime + stime of /proc/PID/stat, in nanoseconds: that file
// counts in 10 ms, more than some daemons use in a minute.
func cpuOf(pid int) (time.Duration, error) {
	const sched = 2 // CPUCLOCK_SCHED
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|sched), &ts); err != nil {
		return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

func kilobytes(file, key string) (int, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	n, err := parseKilobytes(b, key)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	return n, nil
}

// parseKilobytes reads a line "Key:   123 kB" of a file in /proc.
func parseKilobytes(b []byte, key string) (int, error) {
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), ":")
		if name != key {
			continue
		}
		number, unit, _ := strings.Cut(strings.TrimSpace(value), " ")
		n, err := strconv.Atoi(number)
		if err != nil || unit != "kB" {
			return 0, fmt.Errorf("%s: %q is no number of kB", key, strings.TrimSpace(value))
		}
		return n, nil
	}
	return 0, fmt.Errorf("there is no %s", key)
}

// kill sends SIGKILL to all processes of a daemon, the forked ones first. Otherwise
// keepalived's last process would end in an orderly way when its parent dies, or be
// started again by it.
func kill(p *lab.Process) error {
	all, err := pids(p)
	if err != nil {
		return err
	}
	// A process that sees its child die may end by itself; none of them runs any more
	// when the first one dies.
	for _, pid := range all {
		if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
			return err
		}
	}
	for _, pid := range slices.Backward(all) {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			return err
		}
	}
	return nil
}
