package peer

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// shortLease is the shortest lease that the settings allow.
const shortLease = 3 * time.Second

// leaseOver is by how much later at most the kernel takes an alias off: it counts in
// seconds, and looks a moment later.
const leaseOver = shortLease + 2*time.Second

// relieved is how long a standby may need from the end of a lease, at a rhythm of 200
// ms: for the silence, and for fresh answers of router and partner.
const relieved = 200*time.Millisecond + 5*50*time.Millisecond

// slack is for the take itself (a look, the add, the announcement), and for a machine
// that runs all hosts at once and other things besides.
const slack = 300 * time.Millisecond

// leased is a pair with a short lease, at 200 ms.
func leased(t *testing.T, keys ...string) *pair.Pair {
	t.Helper()
	p := stage.Pair(t, pair.Spec{PrimaryA: true, Settings: stage.Rhythm(200*time.Millisecond) + "\nlease = \"3s\"", Keys: keys})
	if len(keys) > 0 {
		stage.Begin(t, p)
		return p
	}
	stage.Must(t, p.Begin(stage.Patience))
	stage.Said(t, p.Monitor(p.B), "row=W6")
	return p
}

// lapses waits until the kernel has taken A's alias off, not too early, and B has it.
// It returns how long nobody had it.
func lapses(t *testing.T, p *pair.Pair, since time.Time) (nobody time.Duration) {
	t.Helper()
	leasedFor(t, p.A, shortLease)
	stage.Held(t, p)
	off := time.Now()
	if d := off.Sub(since); d < shortLease*2/3-time.Second {
		t.Errorf("A's alias was gone after %v, and its lease is renewed after a third of %v", d, shortLease)
	}
	stage.Held(t, p, "b")
	nobody = time.Since(off)
	stage.Served(t, p, "b")
	figure := stage.NewFigures(t, "nobody has it after a dead daemon's lease", relieved+slack)
	figure.Add(nobody, stage.Stillness(p.Asker, p.Control, off, time.Now()))
	if both := p.Holders.Tenure(since, time.Time{}).LongestBoth; both > 0 {
		t.Errorf("held by both for %v", both)
	}
	return nobody
}

// leasedFor requires that the kernel was told to let the alias go by then.
func leasedFor(t *testing.T, h *lab.Host, most time.Duration) {
	t.Helper()
	stage.Must(t, h.Do(func() error {
		all, err := netlink.AddrList(nil, netlink.FAMILY_V4)
		for _, a := range all {
			if a.IP.String() == pair.Alias.String() && time.Duration(a.ValidLft)*time.Second > most {
				t.Errorf("%s keeps the alias for %d s, want a lease of %v at most", h.Name, a.ValidLft, most)
			}
		}
		return err
	}))
}

func TestDeadDaemonIsRelievedWhenItsLeaseEnds(t *testing.T) {
	t.Parallel()
	p := leased(t, stage.NewKey())
	killed := time.Now()
	stage.Must(t, p.Monitor(p.A).Kill())
	nobody := lapses(t, p, killed)
	t.Logf("nobody had it for %v; the client's gap: %v", nobody, p.Asker.Gap(killed).Length())
	stage.Said(t, p.Monitor(p.B), "row=W12 reason=\"partner's daemon dead\"") // the line comes after the address
	stage.Unchanged(t, p, 2*time.Second)
}

// Without a key a primary's alias stays for ever, as in the original. If somebody
// takes it off by hand, the partner does not take over while the host answers.
func TestDeadDaemonWithoutAKeyIsNotRelieved(t *testing.T) {
	t.Parallel()
	p := leased(t)
	stage.Must(t, p.Monitor(p.A).Kill())
	stage.Unchanged(t, p, leaseOver+time.Second)
	stage.Must(t, p.A.NIC("eth0").DelAddr(pair.Alias))
	stage.Held(t, p)
	stage.Until(t, p, p.B, "W12", func(_ control.Snapshot, a control.Alias) bool { return a.Row == "W12" })
	stage.Unchanged(t, p, 3*time.Second)
}

func TestFrozenDaemonIsRelievedAndForgets(t *testing.T) {
	t.Parallel()
	p := leased(t, stage.NewKey())
	sniff, err := p.User.Port().Sniff()
	stage.Must(t, err)
	a := p.Monitor(p.A)
	frozen := time.Now()
	stage.Must(t, a.Freeze())
	nobody := lapses(t, p, frozen)
	t.Logf("nobody had it for %v; the client's gap: %v", nobody, p.Asker.Gap(frozen).Length())
	thawed := time.Now()
	mac := p.A.NIC("eth0").MAC.String()
	defer func() {
		t.Helper()
		if f, said := sniff.Last(func(f lab.Frame) bool { return f.Claim(pair.Alias) && f.EthSrc.String() == mac }); said && f.At.After(thawed) {
			t.Errorf("A, which has lost the alias, announced it: %v", f)
		}
	}()
	stage.Must(t, a.Signal(unix.SIGCONT))
	stage.Said(t, a, "action=forget")
	if strings.Contains(a.Output(), "event=pair_misfit") {
		t.Errorf("A's own pause is taken for a mistake in the files:\n%s", a.Output())
	}
	stage.Unchanged(t, p, 3*time.Second)
	if g := stage.Gaps(p.Asker, p.Control, thawed); len(g) > 0 {
		t.Errorf("the client's gaps after the thaw: %v", g)
	}
}

// A restart keeps the alias, however long it takes, and then the next daemon holds it
// on a lease again.
func TestRestartWithinAndBeyondTheLeaseIsNotNoticed(t *testing.T) {
	t.Parallel()
	p := leased(t, stage.NewKey())
	for _, away := range []time.Duration{0, leaseOver + time.Second} {
		from := time.Now()
		stage.Must(t, p.Monitor(p.A).Signal(unix.SIGUSR2))
		if !stage.Ended(t, p.Monitor(p.A)) {
			return
		}
		if away > 0 {
			stage.Unchanged(t, p, away)
		}
		m, err := p.Start(p.A)
		stage.Must(t, err)
		stage.Said(t, m, "action=adopt")
		stage.Hears(t, p, p.B, "holding")
		stage.Unchanged(t, p, time.Second)
		if g := stage.Gaps(p.Asker, p.Control, from); len(g) > 0 {
			t.Errorf("away for %v: the client's gaps %v", away, g)
		}
		if h := p.Holders.Holders(); !slices.Equal(h, []string{"a"}) {
			t.Errorf("away for %v: held by %v", away, h)
		}
	}
	stage.Must(t, p.Monitor(p.A).Kill())
	lapses(t, p, time.Now()) // the lease is finite again
}
