package stage

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// Patience is how long a test waits for an event. A wait ends as soon as the event
// has come, so Patience is long enough for a machine that does many other things. It
// is not a promise of the program: make soak measures how long things take.
const Patience = 3 * time.Minute

// Patiently is a context that ends with Patience, or with the test.
func Patiently(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	t.Cleanup(cancel)
	return ctx
}

// Held waits until exactly these hosts have the alias.
func Held(t *testing.T, p *pair.Pair, hosts ...string) {
	t.Helper()
	if err := p.Holders.Wait(Patiently(t), hosts...); err != nil {
		t.Fatalf("want the alias held by %v: %v (held by %v)", hosts, err, p.Holders.Holders())
	}
}

// kernelLate is how long a kernel may stand still before a Monitor may be too late with what
// the partner waits for, or with the renewal of a short lease.
const kernelLate = 500 * time.Millisecond

// Unchanged watches for a while that the alias stays where it is: to see that nothing
// happens, one can only wait.
func Unchanged(t *testing.T, p *pair.Pair, d time.Duration) {
	t.Helper()
	none := func() error { return nil }
	MovesNothing(t, p, d, none, none)
}

// MovesNothing makes a fault, and watches for a while that the alias stays where it is. If
// the kernel stands still meanwhile, the alias may move, and in the fault may not come back:
// then the fault is mended, and made again.
func MovesNothing(t *testing.T, p *pair.Pair, d time.Duration, fault, mend func() error) {
	t.Helper()
	before := p.Holders.Holders() // which files what was done before
	for tries := 3; ; tries-- {
		from := time.Now()
		Must(t, fault()) // which may have to wait for the kernel, too
		<-time.After(d)
		n := p.Holders.Tenure(from, time.Time{}).Takes
		if n == 0 && slices.Equal(before, p.Holders.Holders()) {
			return
		}
		stood := KernelStood(from.Add(-time.Second), time.Now()) // what it delayed comes a moment later
		if Soak() || tries == 1 || stood < kernelLate {
			t.Fatalf("%d takes in %v, held by %v and before by %v; the kernel stood still for %v", n, d, p.Holders.Holders(), before, stood)
		}
		t.Logf("%d takes while the kernel stood still for %v: once more", n, stood)
		Must(t, mend())
		Held(t, p, before...)
	}
}

// Served waits until a host answers the client.
func Served(t *testing.T, p *pair.Pair, by string) {
	t.Helper()
	if err := p.Asker.WaitAnswer(Patiently(t), by); err != nil {
		t.Fatalf("the client is not answered by %q: %v", by, err)
	}
}

// Alone waits until one host has the alias, whichever it is.
func Alone(t *testing.T, p *pair.Pair) {
	t.Helper()
	ctx := Patiently(t)
	for tick := time.NewTicker(10 * time.Millisecond); len(p.Holders.Holders()) != 1; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("want the alias held by one host, and not by %v", p.Holders.Holders())
		}
	}
}

// Ended waits until a Monitor has ended, which must succeed. It returns false if the kernel
// stood still, for us too: a Monitor does not wait long for what the kernel still has to do,
// and ends with Failed. Then what it leaves behind says nothing.
func Ended(t *testing.T, m *lab.Process) bool {
	t.Helper()
	from := time.Now()
	code, err := m.Wait(Patiently(t))
	Must(t, err)
	if code == Done {
		return true
	}
	stood := KernelStood(from, time.Now())
	if Soak() || code != Failed || stood < kernelLate || !Logged(from, "event=task_ended", m) {
		t.Fatalf("exit %d; the kernel stood still for %v:\n%s", code, stood, m.Output())
	}
	t.Logf("exit %d while the kernel stood still for %v: what is left behind is not looked at", code, stood)
	return false
}

// Killed kills a program and waits until it is gone, and what it had locked is free.
func Killed(t *testing.T, m *lab.Process) {
	t.Helper()
	Must(t, m.Kill())
	_, err := m.Wait(Patiently(t))
	Must(t, err)
}

// Said waits until a Monitor has logged these words. Use an event=, a row= or another
// field, which stay, and not a sentence, which may change.
func Said(t *testing.T, m *lab.Process, fields string) {
	t.Helper()
	if err := m.WaitOutput(Patiently(t), fields); err != nil {
		t.Fatal(err)
	}
}

// Prefixes are the prefixes in their usual form.
func Prefixes(s ...string) (all []netip.Prefix) {
	for _, p := range s {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}
