package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// process looks for a living process of that name: the name that the kernel keeps of it, 15
// bytes of it at most, or the file that it was started by. A zombie does not live.
func process(ctx context.Context, name string) Answer { return processIn(ctx, "/proc", name) }

func processIn(ctx context.Context, proc, name string) Answer {
	dir, err := os.Open(proc)
	if err != nil {
		return unknown("the processes cannot be read: " + err.Error())
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return unknown("the processes cannot be read: " + err.Error())
	}
	for _, pid := range names {
		if strings.Trim(pid, "0123456789") != "" {
			continue
		}
		if ctx.Err() != nil {
			return unknown("the processes could not be read in time")
		}
		is, err := runs(path.Join(proc, pid), name)
		switch {
		case is:
			return good("process " + pid)
		case err != nil && !errors.Is(err, fs.ErrNotExist) && !gone(err):
			return unknown("the processes cannot be read: " + err.Error())
		}
	}
	if !slices.Contains(names, "1") { // where others' processes are hidden, that one is
		return unknown("the processes of others are hidden from this one (ProtectProc of the unit, or hidepid of /proc)")
	}
	return failing(fmt.Sprintf("there is no process %q", name))
}

// runs tells whether a process has that name and lives.
func runs(dir, name string) (bool, error) {
	stat, err := os.ReadFile(dir + "/stat") // proc(5): pid (comm) state ...
	if err != nil {
		return false, err
	}
	from, to := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if from < 0 || to < from || len(stat) < to+3 {
		return false, nil
	}
	comm, state := string(stat[from+1:to]), stat[to+2]
	if state == 'Z' || state == 'X' {
		return false, nil
	}
	if comm == name {
		return true, nil
	}
	line, err := os.ReadFile(dir + "/cmdline")
	if err != nil {
		return false, err
	}
	first, _, _ := bytes.Cut(line, []byte{0})
	started := path.Base(string(first))
	return len(first) > 0 && started == name, nil
}

// gone tells whether the process has ended while it was read.
func gone(err error) bool { return errors.Is(err, syscall.ESRCH) }
