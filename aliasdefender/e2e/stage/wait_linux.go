package stage

import (
	"context"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// Must ends the test where there is an error.
func Must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Within is a context that ends after a while, or with the test.
func Within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// Held waits until just these hosts have the alias.
func Held(t *testing.T, p *pair.Pair, d time.Duration, hosts ...string) {
	t.Helper()
	if err := p.Holders.Wait(Within(t, d), hosts...); err != nil {
		t.Fatalf("want the alias held by %v: %v (held by %v)", hosts, err, p.Holders.Holders())
	}
}

// Unchanged watches for a while that the alias stays where it is: absence can
// only be waited for.
func Unchanged(t *testing.T, p *pair.Pair, d time.Duration) {
	t.Helper()
	from, before := time.Now(), p.Holders.Holders()
	<-time.After(d)
	if n := p.Holders.Tenure(from, time.Time{}).Takes; n != 0 || !slices.Equal(before, p.Holders.Holders()) {
		t.Fatalf("%d takes in %v, held by %v and before by %v", n, d, p.Holders.Holders(), before)
	}
}

// Served waits until the client is answered by a host.
func Served(t *testing.T, p *pair.Pair, d time.Duration, by string) {
	t.Helper()
	if err := p.Asker.WaitAnswer(Within(t, d), by); err != nil {
		t.Fatalf("the client is not answered by %q: %v", by, err)
	}
}

// Noisy tells whether the machine itself stood still since a moment: then what
// was measured says nothing, and the run is repeated.
func Noisy(t *testing.T, p *pair.Pair, since time.Time) bool {
	t.Helper()
	r := p.Control.Report(since, time.Time{})
	away := false
	for _, h := range []*lab.Host{p.A, p.B} {
		away = away || strings.Contains(p.Monitor(h).Output(), "this process was away")
	}
	if away || r.Stall > 200*time.Millisecond || r.Longest.Length() > 200*time.Millisecond {
		t.Logf("the machine stood still (a process was away: %v, the control client's longest gap %v): repeated", away, r.Longest.Length())
		return true
	}
	return false
}

// Runs is how often a story is played: E2E_RUNS, or once.
func Runs() int {
	if n, err := strconv.Atoi(os.Getenv("E2E_RUNS")); err == nil && n > 0 {
		return n
	}
	return 1
}

// Prefixes are the prefixes in their usual form.
func Prefixes(s ...string) (all []netip.Prefix) {
	for _, p := range s {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}
