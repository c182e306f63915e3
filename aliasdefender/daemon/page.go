package daemon

import (
	"context"
	"os"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/page"
	"alias-defender/aliasdefender/record"
)

// pageBytes is how much of the event log is read for the page, when it is first opened: some
// eight thousand events, which take a tenth of a second.
const pageBytes = 8 << 20

// newPage makes the page for browsers.
func (m *monitor) newPage(cfg *config.Config) *page.Page {
	name, err := os.Hostname()
	if err != nil {
		name = "this host"
	}
	o := page.Options{Host: name, Snapshot: func(ctx context.Context) (control.Snapshot, error) { return m.status(ctx, false) }}
	if dir := cfg.Settings.StateDir; cfg.Settings.Events.Size > 0 {
		o.Load = func(each func(record.Event)) error {
			_, err := record.Scan(dir, pageBytes, each)
			return err
		}
	}
	return page.New(o)
}

// webPage is the page for package control; nil: there is none.
func (m *monitor) webPage() control.Page {
	if m.events.page == nil {
		return nil
	}
	return m.events.page
}
