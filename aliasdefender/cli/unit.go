package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"alias-defender/aliasdefender/inspect"
)

// unitDirs are where systemd looks for units, the strongest first (systemd.unit(5)).
var unitDirs = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

// installedUnit reads the Monitor's unit with its drop-ins; nil if there is none.
func installedUnit(dirs []string) *inspect.Unit {
	var texts []string
	for _, dir := range dirs {
		if text, err := os.ReadFile(filepath.Join(dir, inspect.UnitName)); err == nil {
			texts = append(texts, string(text))
			break
		}
	}
	if len(texts) == 0 {
		return nil
	}
	// Of drop-ins with one name only the strongest counts; they are read in the order
	// of their names.
	named := map[string]string{}
	var names []string
	for _, dir := range dirs {
		found, _ := filepath.Glob(filepath.Join(dir, inspect.UnitName+".d", "*.conf")) // the pattern is correct, so there is no error
		for _, name := range found {
			if base := filepath.Base(name); named[base] == "" {
				named[base] = name
				names = append(names, base)
			}
		}
	}
	slices.Sort(names)
	for _, base := range names {
		if text, err := os.ReadFile(named[base]); err == nil {
			texts = append(texts, string(text))
		}
	}
	return inspect.ParseUnit(texts...)
}

// lookAt returns the owner and the mode of a file, and of the directories above it.
func lookAt(name string) (f inspect.File, err error) {
	if name, err = filepath.Abs(name); err != nil {
		return f, err
	}
	if name, err = filepath.EvalSymlinks(name); err != nil {
		return f, err
	}
	if f, err = statFile(name); err != nil {
		return f, err
	}
	for dir := filepath.Dir(name); ; dir = filepath.Dir(dir) {
		d, err := statFile(dir)
		if err != nil {
			return f, err
		}
		f.Dirs = append(f.Dirs, d)
		if dir == "/" || !strings.HasPrefix(dir, "/") {
			return f, nil
		}
	}
}

func statFile(name string) (inspect.File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return inspect.File{}, err
	}
	f := inspect.File{Path: name, Mode: info.Mode()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		f.UID, f.GID = sys.Uid, sys.Gid
	}
	return f, nil
}
