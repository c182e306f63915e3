package daemon

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
)

// TestAPageIsMadeOnceASecondHoweverManyAsk and all of them get it.
func TestAPageIsMadeOnceASecondHoweverManyAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made atomic.Int32
		p := pages{make: func(context.Context) ([]byte, error) {
			<-time.After(300 * time.Millisecond)
			return []byte{byte(made.Add(1))}, nil
		}}
		ask := func(n int) {
			answers := make(chan []byte, n)
			for range n {
				go func() {
					text, _, err := p.get(t.Context())
					if err != nil {
						t.Error(err)
					}
					answers <- text
				}()
			}
			for range n {
				if text := <-answers; len(text) != 1 || text[0] != byte(made.Load()) {
					t.Errorf("got %v of page %d", text, made.Load())
				}
			}
		}
		ask(50)
		ask(50)
		if n := made.Load(); n != 1 {
			t.Errorf("%d pages within a second", n)
		}
		<-time.After(pageLives)
		ask(50)
		if n := made.Load(); n != 2 {
			t.Errorf("%d pages, want a new one after a second", n)
		}
	})
}

// TestAReaderWhoLeavesEndsNobodysPage: and who asks a loop that hangs is told so, in time.
func TestAReaderWhoLeavesEndsNobodysPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pages{make: func(ctx context.Context) ([]byte, error) {
			select {
			case <-time.After(time.Second):
				return []byte("text"), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}}
		first, leave := context.WithCancel(t.Context())
		leave()
		if _, _, err := p.get(first); err == nil {
			t.Error("one who has left gets a page")
		}
		if text, _, err := p.get(t.Context()); err != nil || string(text) != "text" {
			t.Errorf("the next: %q, %v", text, err)
		}

		hanging := pages{make: func(ctx context.Context) ([]byte, error) { <-ctx.Done(); return nil, errors.New("hangs") }}
		began := time.Now()
		if _, _, err := hanging.get(t.Context()); err == nil || time.Since(began) != pageWithin {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// TestTheMonitorsOwnPageHasItsAliases: from the loop to the text.
func TestTheMonitorsOwnPageHasItsAliases(t *testing.T) {
	d := newDaemon(t, 2, quiet(), nil)
	d.start()
	failed := "mistakes"
	d.failed.Store(&failed)
	text, err := d.page(t.Context())
	must(t, err)
	for _, want := range []string{`aliasdefender_primary{alias="10.0.1.1",nic="eth0:1"} 1`, `aliasdefender_primary{alias="10.0.1.2",nic="eth0:2"} 1`, "aliasdefender_configuration_stale 1", `aliasdefender_build_info{version="test",go="go`} {
		if !strings.Contains(string(text), "\n"+want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

// TestAReloadNeverOpensToEverybodyWhatAskedForAToken: a reload cannot change the address. So
// files that go to a loopback address, and need no token there, leave the present one its own.
func TestAReloadNeverOpensToEverybodyWhatAskedForAToken(t *testing.T) {
	open, home := netip.MustParseAddrPort("0.0.0.0:9720"), netip.MustParseAddrPort("127.0.0.1:9720")
	for name, tt := range map[string]struct {
		now  config.Status
		asks bool // for a token, afterwards
	}{
		"another token":                {config.Status{Listen: open, Token: "another-token-of-the-kind"}, true},
		"a loopback address, no token": {config.Status{Listen: home}, true},
		"nothing":                      {config.Status{}, true},
		"another address, and a token": {config.Status{Listen: home, Token: "another-token-of-the-kind"}, true},
	} {
		m := &monitor{settings: config.Settings{Status: config.Status{Listen: open, Token: "correct-horse-battery-staple"}}, server: &control.Server{}}
		m.server.SetStatusToken(string(m.settings.Status.Token))
		m.useStatus(tt.now)
		if m.server.AsksForToken() != tt.asks {
			t.Errorf("%s: it asks for a token: %v", name, !tt.asks)
		}
	}
	m := &monitor{settings: config.Settings{Status: config.Status{Listen: home, Token: "correct-horse-battery-staple"}}, server: &control.Server{}}
	m.server.SetStatusToken(string(m.settings.Status.Token))
	m.useStatus(config.Status{Listen: home})
	if m.server.AsksForToken() {
		t.Error("at a loopback address the token is gone from the files, and is still asked for")
	}
}
