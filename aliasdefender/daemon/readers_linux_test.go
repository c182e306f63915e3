package daemon

import (
	"path/filepath"
	"strings"
	"testing"

	"alias-defender/aliasdefender/control"
)

// A group that is gone must not keep a host from defending its aliases: the Monitor
// says it wherever it is asked.
func TestAGroupOfReadersThatIsGoneIsAProblemAndNoMore(t *testing.T) {
	d := newDaemon(t, 1, quiet(), nil)
	lock, err := control.Acquire(filepath.Join(filepath.Dir(d.table), "other"))
	must(t, err)
	defer lock.Release()
	server := control.NewServer(lock, "test", control.Handlers{})
	must(t, server.Listen())
	defer server.Close()
	d.monitor.settings.Readers.Group = "no-such-group"
	d.openReaders(server)
	if all := d.problems(nil); len(all) != 1 || !strings.Contains(all[0], `[control] readers has no effect: no group "no-such-group"`) {
		t.Errorf("problems: %q", all)
	}
}
