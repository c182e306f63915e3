package install

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"alias-defender/aliasdefender/e2e/stage"
)

// root is a DESTDIR, and the program that is installed into it.
type root struct {
	t       *testing.T
	dir     string
	program string
}

func newRoot(t *testing.T) *root {
	t.Helper()
	stage.Wanted(t, "make", "make")
	r := &root{t: t, dir: filepath.Join(t.TempDir(), "dest dir"), program: filepath.Join(t.TempDir(), "aliasdefender")}
	// The test checks where things go, not what is in them.
	stage.Must(t, os.WriteFile(r.program, []byte("#!/bin/sh\n[ \"$1\" = completion ] && echo \"completion for $2\"\n"), 0o755))
	return r
}

func (r *root) path(name string) string { return filepath.Join(r.dir, name) }

// try runs make with the DESTDIR and returns what it says.
func (r *root) try(args ...string) (string, error) {
	cmd := exec.Command("make", append([]string{"-s", "-C", "../../..", "DESTDIR=" + r.dir, "PROGRAM=" + r.program}, args...)...)
	// The variables of a make that runs this test must not reach ours.
	for _, v := range os.Environ() {
		switch name, _, _ := strings.Cut(v, "="); name {
		case "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR", "PREFIX", "INIT":
		default:
			cmd.Env = append(cmd.Env, v)
		}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

func (r *root) make(args ...string) string {
	r.t.Helper()
	out, err := r.try(args...)
	if err != nil {
		r.t.Fatalf("make %v: %v\n%s", args, err, out)
	}
	return out
}

// write puts a file into the DESTDIR.
func (r *root) write(name, text string) {
	r.t.Helper()
	stage.Must(r.t, os.MkdirAll(filepath.Dir(r.path(name)), 0o755))
	stage.Must(r.t, os.WriteFile(r.path(name), []byte(text), 0o644))
}

// tree is everything in the DESTDIR: a directory ends with a slash, a link shows its
// target.
func (r *root) tree() (all []string) {
	r.t.Helper()
	stage.Must(r.t, filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == r.dir {
			return err
		}
		name := strings.TrimPrefix(path, r.dir)
		switch {
		case d.IsDir():
			name += "/"
		case d.Type() == fs.ModeSymlink:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			name += " -> " + to
		}
		all = append(all, name)
		return nil
	}))
	return all
}

// files is the tree without directories, and without what every layout has.
func (r *root) files() (all []string) {
	for _, name := range r.tree() {
		if !strings.HasSuffix(name, "/") && !strings.HasPrefix(name, "/usr/local/share/") {
			all = append(all, name)
		}
	}
	return all
}

const toScript = " -> ../init.d/AliasDefender"

// What each layout has; the links of Red Hat and Solaris are those of the original's
// article.
var layouts = map[string][]string{
	"none": {},
	"systemd": {
		"/usr/local/lib/systemd/system/aliasdefender.service",
	},
	"sysv-debian": {
		"/etc/init.d/AliasDefender",
		"/etc/rc0.d/K02AliasDefender" + toScript,
		"/etc/rc1.d/K02AliasDefender" + toScript,
		"/etc/rc2.d/S99AliasDefender" + toScript,
		"/etc/rc3.d/S99AliasDefender" + toScript,
		"/etc/rc4.d/S99AliasDefender" + toScript,
		"/etc/rc5.d/S99AliasDefender" + toScript,
		"/etc/rc6.d/K02AliasDefender" + toScript,
	},
	"redhat": {
		"/etc/rc.d/init.d/AliasDefender",
		"/etc/rc.d/rc0.d/K02AliasDefender" + toScript,
		"/etc/rc.d/rc1.d/K02AliasDefender" + toScript,
		"/etc/rc.d/rc3.d/S99AliasDefender" + toScript,
	},
	"solaris": {
		"/etc/init.d/AliasDefender",
		"/etc/rc0.d/K02AliasDefender" + toScript,
		"/etc/rc1.d/K02AliasDefender" + toScript,
		"/etc/rc3.d/S99AliasDefender" + toScript,
	},
	"smf": {
		"/lib/svc/manifest/site/aliasdefender.xml",
	},
}
