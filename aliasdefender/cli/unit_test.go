package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// The strongest directory has the unit. A drop-in beside a weaker one counts too, and
// a drop-in in a stronger directory hides one of the same name.
func TestTheInstalledUnitIsReadAsSystemdDoes(t *testing.T) {
	strong, weak := t.TempDir(), t.TempDir()
	dirs := []string{strong, weak}
	if installedUnit(dirs) != nil {
		t.Fatal("there is none")
	}
	for name, text := range map[string]string{
		filepath.Join(weak, "aliasdefender.service"):              "[Service]\nPrivateTmp=yes\nUser=weak\n",
		filepath.Join(strong, "aliasdefender.service"):            "[Service]\nUser=strong\n",
		filepath.Join(weak, "aliasdefender.service.d/10.conf"):    "[Service]\nUser=dropped\n",
		filepath.Join(weak, "aliasdefender.service.d/20.conf"):    "[Service]\nUser=hidden\n",
		filepath.Join(strong, "aliasdefender.service.d/20.conf"):  "[Service]\nSupplementaryGroups=nagios\n",
		filepath.Join(strong, "aliasdefender.service.d/20.conf~"): "[Service]\nUser=backup\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	u := installedUnit(dirs)
	if u == nil || u.Last("User") != "dropped" || u.Last("SupplementaryGroups") != "nagios" || u.Last("PrivateTmp") != "" {
		t.Errorf("%+v", u)
	}
}

func TestAFileIsLookedAtWithItsDirectories(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "key")
	if err := os.WriteFile(name, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(name, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	f, err := lookAt(filepath.Join(dir, "link"))
	if err != nil || f.Path != name || f.Mode.Perm() != 0o640 || int(f.UID) != os.Getuid() {
		t.Errorf("%+v, %v", f, err)
	}
	if n := len(f.Dirs); n < 2 || f.Dirs[0].Path != dir || f.Dirs[n-1].Path != "/" {
		t.Errorf("its directories: %+v", f.Dirs)
	}
}
