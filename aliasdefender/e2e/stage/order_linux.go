package stage

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
	"alias-defender/aliasdefender/store"
)

// The exit codes of the program, as its manual page has them.
const (
	Done     = 0
	Failed   = 1
	Usage    = 2
	BadFiles = 3
)

// Obeyed runs a verb on a host, which must succeed.
func Obeyed(t *testing.T, p *pair.Pair, h *lab.Host, verb string, args ...string) {
	t.Helper()
	if out, errs, code, _ := ordered(t, p, h, verb, args); code != Done {
		t.Fatalf("%s %s on %s: exit %d\n%s%s", verb, strings.Join(args, " "), h.Name, code, out, errs)
	}
}

// Saying runs a verb on a host and checks its exit code, and that either stream has
// these words.
func Saying(t *testing.T, p *pair.Pair, h *lab.Host, want int, words []string, verb string, args ...string) string {
	t.Helper()
	out, errs, code, again := ordered(t, p, h, verb, args)
	t.Logf("%s %s on %s: exit %d\n%s%s", verb, strings.Join(args, " "), h.Name, code, out, errs)
	if code != want {
		t.Errorf("%s exits with %d, want %d", verb, code, want)
	}
	if again && code == Done && holdsAny(out, soAlready) {
		return out + errs
	}
	for _, w := range words {
		if !strings.Contains(out+errs, w) {
			t.Errorf("%s does not say %q", verb, w)
		}
	}
	return out + errs
}

// tooLate is what an order says for which there was not enough time, and which was
// withdrawn: a Monitor gives it some seconds, and a verb alone asks the network for three.
var tooLate = []string{
	": not yet: ",
	": it stays here: the partner did not answer in time",
	": the state of the NIC cannot be read",
	"it is not known whether another host answers for it",
	"whether another host has it cannot be asked",
}

// soAlready is what an order says that finds done what an earlier one wanted. The deed may
// have been under way when that was withdrawn.
var soAlready = []string{"this host has it already", "it was not on this host"}

// pace is how long an order that had too little time waits before it is given again. What it
// lacked may come within a second: a Monitor reads a kernel that is late every second.
const pace = 250 * time.Millisecond

// ordered runs a verb. On a machine that is busy with others the time for an order may be
// over first: then the order is given again, until there is an answer. In make soak, which
// is given a machine of its own, the first answer counts.
func ordered(t *testing.T, p *pair.Pair, h *lab.Host, verb string, args []string) (out, errs string, code int, again bool) {
	t.Helper()
	for ctx := Patiently(t); ; again = true {
		out, errs, code = p.Run(ctx, h, verb, args...)
		if !Again(ctx, errs, code) {
			return out, errs, code, again
		}
		t.Logf("%s on %s had too little time, and is given again: %s", verb, h.Name, errs)
		<-time.After(pace)
	}
}

// Again tells whether an order is to be given again: there was not enough time for it, or the
// kernel was so late that the router did not answer the alias at the partner.
func Again(ctx context.Context, errs string, code int) bool {
	late := strings.Contains(errs, "the partner refused the hand-over") && KernelStood(time.Now().Add(-10*time.Second), time.Now()) >= kernelLate
	return code == Failed && (late || holdsAny(errs, tooLate)) && !Soak() && ctx.Err() == nil
}

// HandsOver orders a host to hand the alias over, waits until the partner has it, and
// returns how long the order took. On a busy machine a Monitor may have been away just then,
// or confirm so late that both let go; then the alias may come back to the giver, whose log
// says so, and the order is given again. In make soak the first order counts.
func HandsOver(t *testing.T, p *pair.Pair, giver, getter *lab.Host) (took time.Duration) {
	t.Helper()
	for ctx := Patiently(t); ; {
		Hears(t, p, giver, "able")
		Hears(t, p, getter, "holding")
		ordered := time.Now()
		out, errs, code := p.Run(ctx, giver, "Handover")
		took = time.Since(ordered)
		if code == Done && given(ctx, t, p, getter, ordered) {
			Served(t, p, getter.Name)
			return took
		}
		if Soak() || ctx.Err() != nil {
			t.Fatalf("Handover on %s: exit %d, and %v have it\n%s%s", giver.Name, code, p.Holders.Holders(), out, errs)
		}
	}
}

// given waits until the getter alone has the alias, or a Monitor has said that the hand-over
// ended without success.
func given(ctx context.Context, t *testing.T, p *pair.Pair, getter *lab.Host, since time.Time) bool {
	t.Helper()
	for ctx.Err() == nil {
		within, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		err := p.Holders.Wait(within, getter.Name)
		cancel()
		if err == nil {
			return true
		}
		if Logged(since, "event=hand_over_ended", p.Monitor(p.A), p.Monitor(p.B)) {
			return false
		}
	}
	return false
}

func holdsAny(text string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// Parked is the state file of a host.
func Parked(t *testing.T, p *pair.Pair, h *lab.Host) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.File(h, "state"), store.FileName))
	Must(t, err)
	return string(text)
}

// Reload makes a host's Monitor read its files and release the aliases that have no
// row any more.
func Reload(p *pair.Pair, h *lab.Host) error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	return control.Dial(p.File(h, "sock")).ReloadAndDrop(ctx)
}

// Told is the part of Why --json about an alias that tests look at.
type Told struct {
	Holder  string          `json:"holder"`
	Journal []control.Entry `json:"journal"`
}

// Place writes a file that others may read.
func Place(t *testing.T, path, text string) {
	t.Helper()
	Must(t, os.WriteFile(path, []byte(text), 0o644))
}
