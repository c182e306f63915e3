package daemon

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/record"
)

// TestLinesThatCannotBeReadAreCountedWhoeverIsFirst has the file read before the
// writer has ended the line that a crash tore, and after.
func TestLinesThatCannotBeReadAreCountedWhoeverIsFirst(t *testing.T) {
	for name, text := range map[string]string{
		"the writer was later":  "no event\n{\"time\":\"2026-",
		"the writer was faster": "no event\n{\"time\":\"2026-\n",
	} {
		t.Run(name, func(t *testing.T) {
			cfg := &config.Config{Settings: config.Settings{StateDir: t.TempDir(), Events: config.Events{Size: 1 << 20}}}
			if err := os.WriteFile(filepath.Join(cfg.Settings.StateDir, record.LogName), []byte(text), 0o640); err != nil {
				t.Fatal(err)
			}
			var said bytes.Buffer
			log := logrus.New()
			log.SetOutput(&said)
			m := newMonitor(Options{}, cfg, log, nil)
			close(m.read)
			if err := m.loadEvents(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(said.String(), "event=event_log lines=2") {
				t.Errorf("said: %q", said.String())
			}
		})
	}
}
