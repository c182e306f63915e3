package page

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
	served "alias-defender/aliasdefender/page"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

var (
	pictures = flag.String("pictures", "", "write pictures of the page to this directory")
	axe      = flag.String("axe", "/var/cache/aliasdefender-axe/node_modules/axe-core/axe.min.js", "axe-core, which make test-deps installs")
	open     = flag.Duration("open", time.Hour, "with -soak: how long a page stays open that must not grow")
)

const listens = "127.0.0.1:9720"

// talking is a pair with a key, each with its page.
func talking(t *testing.T) *pair.Pair {
	t.Helper()
	p := pairOf(t)
	stage.Begin(t, p)
	return p
}

// pairOf is such a pair before it begins.
func pairOf(t *testing.T) *pair.Pair {
	t.Helper()
	return stage.Pair(t, pair.Spec{PrimaryA: true, Keys: []string{stage.NewKey()}, Settings: stage.Rhythm(time.Second) + "\n[status]\nlisten = \"" + listens + "\"\n"})
}

// reached is where a host's page can be reached from here: the host has a network of its own.
func reached(t *testing.T, h *lab.Host) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	stage.Must(t, err)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			from, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer from.Close()
				var to net.Conn
				if err := h.Do(func() (err error) { to, err = net.Dial("tcp", listens); return err }); err != nil {
					return
				}
				defer to.Close()
				var both sync.WaitGroup
				both.Go(func() { _, _ = io.Copy(to, from); _ = to.(*net.TCPConn).CloseWrite() })
				both.Go(func() { _, _ = io.Copy(from, to); from.Close() })
				both.Wait()
			}()
		}
	}()
	return "http://" + ln.Addr().String() + "/"
}

// TestAFailoverIsShownWithoutAReload: the standby's page shows that it has the alias now, and
// why; the timeline and the event log follow. By when is judged in make soak.
func TestAFailoverIsShownWithoutAReload(t *testing.T) {
	p := talking(t)
	b := opened(t, reached(t, p.B))
	b.until(shows("The partner has it") + " && " + shows("it holds the alias") + " && " + shows("the Monitor started"))
	says[bool](b, `window.sameDocument = true`)
	// The page notes by its own clock when it shows what has happened.
	says[bool](b, `new MutationObserver(() => { if (!window.shownAt && document.body.textContent.includes('This host has it')) window.shownAt = Date.now(); }).observe(document.body, { subtree: true, childList: true, characterData: true }), true`)
	stage.Must(t, p.A.Crash())
	stage.Held(t, p, "b")
	taken := time.Now()
	for _, s := range p.Holders.Spans() {
		if s.By == "b" {
			taken = s.From
		}
	}
	b.until(`window.shownAt > 0`)
	late := time.UnixMilli(int64(says[float64](b, `window.shownAt`))).Sub(taken)
	stage.NewFigures(t, "from a take until the page shows it", time.Second).Add(late, stage.Stillness(p.Asker, p.Control, taken, time.Now()))
	b.until(shows("(W14)") + " || " + shows("(W11)") + " || " + shows("(W10)") + " || " + shows("(H9)"))
	b.until(`document.querySelector('#events li .kind').textContent !== '' && [...document.querySelectorAll('#events li')].some((e) => e.textContent.includes('moved'))`)
	b.until(`document.querySelector('#drawing').naturalWidth > 0`)
	if !says[bool](b, `window.sameDocument === true`) {
		t.Error("the page was loaded again")
	}
	b.until(`document.querySelector('#said').textContent.includes('This host has it')`)
}

// TestABrowserSignsInAndOut: the form asks for the token, says when it is the wrong one, and the
// page follows; without a mouse, and from another host.
func TestABrowserSignsInAndOut(t *testing.T) {
	const token = "correct-horse-battery-staple"
	file := filepath.Join(t.TempDir(), "token")
	stage.Must(t, os.WriteFile(file, []byte(token+"\n"), 0o600))
	p := stage.Pair(t, pair.Spec{PrimaryA: true, Settings: stage.Rhythm(time.Second) + fmt.Sprintf("\n[status]\nlisten = %q\ntoken_file = %q\n", listens, file)})
	stage.Must(t, p.Begin(stage.Patience))
	b := opened(t, strings.Replace(reached(t, p.A), "127.0.0.1", elsewhere, 1))
	b.until(`document.activeElement?.id === 'token'`)
	b.press("not the token" + kb.Enter)
	b.until(shows("That is not the token") + ` && document.activeElement?.id === 'token'`)
	b.press(token + kb.Enter)
	b.until(shows("This host has it") + ` && !document.querySelector('#sign-out').hidden`)
	if text := says[string](b, `location.href + document.cookie`); strings.Contains(text, token) || strings.Contains(text, "aliasdefender_") {
		t.Errorf("a script sees %s", text)
	}
	says[bool](b, `document.querySelector('#sign-out button').focus(), true`)
	b.press(kb.Enter)
	b.until(`document.activeElement?.id === 'token'`)
}

// hostile is a text that wants to be markup.
const hostile = `<script>window.broken=1</script><img src=x onerror="window.broken=1">"'&`

// aStory is what a page without a Monitor shows: every part of it, with these texts in all places.
func aStory(t *testing.T, text string) (*served.Page, string) {
	t.Helper()
	now := time.Now()
	alias := record.Alias{Addr: netip.MustParseAddr("172.16.1.2"), NIC: "eth0"}
	snapshot := func(context.Context) (control.Snapshot, error) {
		at := time.Now()
		return control.Snapshot{
			Version: "1.0" + text, Started: now.Add(-26 * time.Hour), Now: at, Problems: nilIf(text == "", "a problem "+text),
			Checks: []control.Check{{Name: "web" + text, Kind: "http", State: "good", Since: now.Add(-time.Hour), Asked: at.Add(-2 * time.Second), Why: "200 OK" + text, Output: text}, {Name: "db", Kind: "tcp", State: "unknown", Why: "not asked yet" + text}},
			Routes: []control.Route{{Route: "192.0.2.32/27" + text, Via: []control.Via{{Hop: "10.1.0.2"}}, Hops: []control.Hop{{Hop: "10.1.0.2", Answer: "answered"}, {Hop: "10.1.0.3", Answer: "silent", Why: text}}, Row: "R12", Why: "good" + text, Since: now.Add(-time.Hour)}},
			Aliases: []control.Alias{{
				Alias: "172.16.1.2", Prefix: 24, NIC: "eth0:1" + text, Role: "primary", Holder: "us", Row: "H9", Why: "this host has the alias, and all is well" + text, Since: now.Add(-31 * time.Minute),
				Partner: control.Peer{Name: "host-b" + text, Answer: "answered"}, Checks: []string{"web" + text},
				Says:    &control.Says{Daemon: "heard", At: at.Add(-3 * time.Second), State: "able" + text},
				Standby: &control.Standby{Host: "partner", Ready: "yes", HandOver: "yes"},
				Facts:   []control.Fact{{Name: "nic up", Value: "yes", Since: now.Add(-26 * time.Hour), Asked: at}, {Name: "partner", Value: "answered", By: "02:00:00:00:00:02" + text, Since: now.Add(-31 * time.Minute), Asked: at.Add(-4 * time.Second)}, {Name: "service", Value: "unknown", Why: text}},
				Hooks:   []control.Hook{{Hook: "take", At: now.Add(-31 * time.Minute), Result: "ran"}},
			}, {
				Alias: "172.16.1.3", Prefix: 24, NIC: "eth0:2", Role: "secondary", Holder: "partner", Row: "W6", Why: "another host answers for it", Since: now.Add(-26 * time.Hour),
				Partner: control.Peer{Name: "host-b", Answer: "answered"}, Level: "warning",
				Says:    &control.Says{Daemon: "fallen silent", At: at.Add(-47 * time.Second), State: "holding"},
				Standby: &control.Standby{Host: "us", Ready: "no", Level: "warning", Row: "W8", Why: "the router is silent"},
				Facts:   []control.Fact{},
			}},
		}, nil
	}
	p, url := saying(t, served.Options{Host: "host-a" + text, Snapshot: snapshot})
	n := uint64(0)
	put := func(ago time.Duration, e record.Event) {
		n++
		e.Run, e.Seq, e.Time, e.Text = 1, n, now.Add(-ago), e.Text+text
		p.Put(e)
	}
	put(58*time.Minute, record.Event{Kind: record.Started, Text: "version 1.0"})
	for _, a := range []record.Alias{alias, {Addr: alias.Addr.Next(), NIC: "eth0"}} {
		put(57*time.Minute, record.Event{Kind: record.Decided, Alias: a, Decision: record.Decision{Row: "W6", Action: rules.Wait.String(), Why: "another host answers for it"}})
		put(57*time.Minute, record.Event{Kind: record.PartnerSays, Alias: a, Says: "holding", Text: "the partner says that it holds the alias", Partner: "host-b"})
	}
	put(32*time.Minute, record.Event{Kind: record.PartnerSays, Alias: alias, Says: "released", Text: "the partner says that it has let the alias go: link lost", Partner: "host-b"})
	put(31*time.Minute, record.Event{Kind: record.Moved, Level: rules.Warning, Alias: alias, Text: "take: the partner says that it cannot serve the alias", Decision: record.Decision{Row: "W11", Action: rules.Take.String()}})
	put(16*time.Minute, record.Event{Kind: record.PartnerSays, Alias: alias, Says: "holding", Text: "the partner says that it holds the alias", Partner: "host-b"})
	put(15*time.Minute, record.Event{Kind: record.PartnerSays, Alias: alias, Says: "able", Text: "the partner says that it could take the alias", Partner: "host-b"})
	put(9*time.Minute, record.Event{Kind: record.CheckGood, Check: "web", Text: "check web is good: 200 OK"})
	put(5*time.Minute, record.Event{Kind: "drill_passed", Alias: alias, Text: "drill: handed over and back; the longest gap was 0 ms"})
	return p, url
}

func nilIf(empty bool, text string) []string {
	if empty {
		return nil
	}
	return []string{text}
}

// ready waits until a page shows all parts of the story.
func (b *browser) ready() {
	b.t.Helper()
	b.until(`document.querySelectorAll('#aliases article').length === 2 && document.querySelectorAll('#events li').length > 5 && document.querySelector('#drawing').naturalWidth > 0`)
}

// TestHostileNamesAreText wherever they stand, and nothing of them runs.
func TestHostileNamesAreText(t *testing.T) {
	_, url := aStory(t, hostile)
	b := opened(t, url)
	b.ready()
	says[bool](b, `document.querySelectorAll('details').forEach((d) => { d.open = true; }), true`)
	b.until(`document.querySelectorAll('#pieces tr').length > 0 && document.querySelectorAll('article table td').length > 0`)
	if n := says[int](b, `document.querySelectorAll('script:not([src="/page.js"]), img[onerror], img[src="x"]').length + (window.broken ? 100 : 0)`); n != 0 {
		t.Errorf("something became markup: %d", n)
	}
	text := says[string](b, `document.body.textContent + document.title`)
	if n := strings.Count(text, hostile); n < 15 {
		t.Errorf("the text is there %d times only:\n%s", n, text)
	}
}

// saying serves a page without a Monitor.
func saying(t *testing.T, o served.Options) (p *served.Page, url string) {
	t.Helper()
	p = served.New(o)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = p.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	mux := http.NewServeMux()
	p.Routes(mux, p.Stream)
	p.OpenRoutes(mux)
	mux.HandleFunc("GET /sign-in", func(w http.ResponseWriter, _ *http.Request) { p.SignIn(w, true) })
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	t.Cleanup(web.CloseClientConnections)
	return p, web.URL + "/"
}

// TestAPageThatIsOpenedWhileTheLoopHangsSaysSo, and follows when the loop answers again.
func TestAPageThatIsOpenedWhileTheLoopHangsSaysSo(t *testing.T) {
	var answers atomic.Bool
	_, url := saying(t, served.Options{Host: "host-a", Snapshot: func(context.Context) (control.Snapshot, error) {
		if !answers.Load() {
			return control.Snapshot{}, errors.New("it is held up")
		}
		return control.Snapshot{Version: "1.0", Now: time.Now(), Started: time.Now()}, nil
	}})
	b := opened(t, url)
	b.until(shows("its loop does not answer: it is held up. No news from this Monitor for") + " && " + shows("no news") + " && !" + shows("connecting"))
	answers.Store(true)
	b.until(shows("Version 1.0") + " && " + shows("live") + " && document.querySelector('#stale').hidden")
}

// TestAPageThatGetsNothingAtAllSaysSo, also one that has never got anything.
func TestAPageThatGetsNothingAtAllSaysSo(t *testing.T) {
	_, url := saying(t, served.Options{Host: "host-a", Snapshot: func(ctx context.Context) (control.Snapshot, error) {
		<-t.Context().Done()
		return control.Snapshot{}, t.Context().Err()
	}})
	b := opened(t, url)
	b.until(shows("No news from this Monitor for") + " && " + shows("no news"))
}

// TestAHealthyPageWithSlowSnapshotsNeverTurnsGrey: they come rarely, and say when.
func TestAHealthyPageWithSlowSnapshotsNeverTurnsGrey(t *testing.T) {
	n := 0
	_, url := saying(t, served.Options{Host: "host-a", Snapshot: func(context.Context) (control.Snapshot, error) {
		time.Sleep(275 * time.Millisecond) // that is what it takes: the next one comes 5.5 s after it
		n++
		return control.Snapshot{Version: fmt.Sprint("number ", n), Now: time.Now(), Started: time.Now()}, nil
	}})
	b := opened(t, url)
	says[bool](b, `window.grey = 0, new MutationObserver(() => { if (document.body.classList.contains('is-stale')) window.grey++; }).observe(document.body, { attributes: true }), true`)
	b.until(shows("number 2"))
	b.until(shows("number 3"))
	if n := says[int](b, `window.grey`); n != 0 {
		t.Errorf("it was grey %d times", n)
	}
}

// TestThePageNeedsNoMouse: each thing that can be used is reached by the Tab key, in the order in
// which it stands, and is seen to be.
func TestThePageNeedsNoMouse(t *testing.T) {
	_, url := aStory(t, "")
	b := opened(t, url)
	b.ready()
	wanted := says[int](b, `[...document.querySelectorAll('a[href], button, select, input, summary, [tabindex="0"]')].filter((n) => n.checkVisibility()).length`)
	seen := map[string]bool{}
	for range wanted {
		b.press(kb.Tab)
		what := says[string](b, `(() => { const n = document.activeElement; n.dataset.order ??= String(document.querySelectorAll('[data-order]').length); return n.tagName + n.dataset.order + ' ' + (getComputedStyle(n).outlineStyle !== 'none'); })()`)
		if strings.HasPrefix(what, "BODY") || !strings.HasSuffix(what, "true") {
			t.Errorf("Tab leads to %s", what)
		}
		seen[what] = true
	}
	if len(seen) != wanted {
		t.Errorf("Tab reaches %d of %d: %v", len(seen), wanted, seen)
	}
	says[bool](b, `document.querySelector('article summary').focus(), true`)
	b.press(kb.Enter)
	b.until(`document.querySelector('article details').open && document.querySelectorAll('article details table tbody tr').length === 3`)
	says[bool](b, `document.querySelector('#kind').focus(), true`)
	b.press("d") // the first kind that begins so
	b.until(`document.querySelector('#kind').value !== '' && document.querySelectorAll('#events li').length < 5`)
}

// TestAxeFindsNothingSerious in light, in dark and on a phone, with everything open, and on the
// page that asks for the token.
func TestAxeFindsNothingSerious(t *testing.T) {
	stage.WantedFile(t, *axe, "axe-core")
	_, url := aStory(t, "")
	b := opened(t, url)
	source := stage.Read(t, *axe)
	for _, look := range []struct {
		name        string
		dark        bool
		width, high int
		path        string
	}{{"light", false, 1280, 900, ""}, {"dark", true, 1280, 900, ""}, {"phone", false, 390, 844, ""}, {"sign-in", false, 1280, 900, "sign-in"}, {"sign-in-dark", true, 390, 844, "sign-in"}} {
		b.size(look.width, look.high)
		b.dark(look.dark)
		b.open(url + look.path)
		if look.path == "" {
			b.ready()
		}
		b.picture(look.name)
		says[bool](b, `document.querySelectorAll('details').forEach((d) => { d.open = true; }), true`)
		if look.path == "" {
			b.until(`document.querySelectorAll('#pieces tr').length > 0`)
		}
		if wide := says[bool](b, `document.documentElement.scrollWidth > document.documentElement.clientWidth`); wide {
			t.Errorf("%s: the page is wider than the screen", look.name)
		}
		says[bool](b, source+";true")
		var found []struct {
			ID, Impact, Help string
			Nodes            []struct{ HTML string }
		}
		text := says[string](b, `axe.run().then((r) => JSON.stringify(r.violations))`)
		stage.Must(t, json.Unmarshal([]byte(text), &found))
		for _, v := range found {
			t.Errorf("%s: %s (%s): %s: %+v", look.name, v.ID, v.Impact, v.Help, v.Nodes)
		}
	}
}
