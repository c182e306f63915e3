package operator

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
)

// factOf finds a fact of a decision.
func factOf(t *testing.T, w stage.Told, i int, name string) (value string, asked time.Time) {
	t.Helper()
	for _, f := range w.Journal[i].Facts {
		if f.Name == name {
			return f.Value, f.Asked
		}
	}
	t.Fatalf("decision %d has no fact %q", i, name)
	return "", time.Time{}
}

// TestWhyTellsOfACrash compares what Why says with what the lab did and saw: who had
// the alias, when that host died, and when the alias came up on the other.
func TestWhyTellsOfACrash(t *testing.T) {
	t.Parallel()
	p := stage.Begun(t)
	stage.Said(t, p.Monitor(p.B), "row=W6")
	crash := time.Now()
	stage.Must(t, p.A.Crash())
	stage.Held(t, p, "b")
	stage.Served(t, p, "b")
	var taken time.Time // seen by the lab's own watch of the kernels
	for _, s := range p.Holders.Spans() {
		if s.By == "b" {
			taken = s.From
		}
	}

	asking := time.Now()
	out, errs, code := p.Run(stage.Patiently(t), p.B, "Why", "10.77.0.100", "--json")
	var told []stage.Told
	if err := json.Unmarshal([]byte(out), &told); err != nil || code != 0 || len(told) != 1 {
		t.Fatalf("exit %d, %v:\n%s%s", code, err, out, errs)
	}
	take := -1
	for i, e := range told[0].Journal {
		if e.Action == "take" {
			take = i
		}
	}
	if take < 1 {
		t.Fatalf("Why tells of no take:\n%s", out)
	}
	e, before := told[0].Journal[take], told[0].Journal[take-1]
	if e.Row != "W14" || e.Reason != "partner silent" || told[0].Holder != "us" {
		t.Errorf("row %s, %s, held by %s; want W14 and us", e.Row, e.Reason, told[0].Holder)
	}
	if taken.IsZero() || e.At.Before(crash) || e.At.After(asking) {
		t.Errorf("Why says that it was taken at %v, the host died at %v, and Why was asked at %v", e.At, crash, asking)
	}
	for name, want := range map[string]string{"alias elsewhere": "silent", "partner": "silent", "router": "answered"} {
		value, asked := factOf(t, told[0], take, name)
		if value != want || asked.Before(crash) || asked.After(e.At) {
			t.Errorf("%s %s, asked at %v; want %s, asked between the crash at %v and the take at %v", name, value, asked, want, crash, e.At)
		}
	}
	if before.Row != "W6" || before.At.After(crash) {
		t.Errorf("before the take: %s at %v; want W6 from before the crash", before.Row, before.At)
	}
	// The first sign of A may be its answer to a ping, which has no name: then the
	// log has no name either.
	unnamed := regexp.MustCompile(`row=W6 .*alias answered \(`).MatchString(p.Monitor(p.B).Output())
	if by := before.Facts[4].By; unnamed != (by == "another host") || !unnamed && by != "partner" && by != p.A.NIC("eth0").MAC.String() {
		t.Errorf("served by %q", by)
	}

	text, _, _ := p.Run(stage.Patiently(t), p.B, "Why", "--last", "3")
	t.Logf("Why:\n%s", text)
	story := regexp.MustCompile(`(?m)^` + e.At.Local().Format("15:04:05.000") +
		`  took it \(W14\): alias and partner are silent, and the router answers\.
    alias silent \(asked \d+ms before\), partner silent \(asked \d+(\.\d)?m?s before\), router answered \(asked \d+(\.\d)?m?s before\); link good$`)
	if !story.MatchString(text) {
		t.Errorf("want in it %s", story)
	}
	if n := strings.Count(text, "\n    alias "); n > 3 {
		t.Errorf("%d decisions told, asked for 3", n)
	}
}

func TestWhyWithoutAMonitorAndForNoAlias(t *testing.T) {
	t.Parallel()
	p := stage.Begun(t)
	stage.Saying(t, p, p.A, 1, []string{"10.77.0.9 is no alias of the running Monitor's file, which has 10.77.0.100"}, "Why", "10.77.0.9")
	stage.Saying(t, p, p.A, 1, []string{"10.77.0.9 is no alias of the running Monitor's ", "which has 10.77.0.100; a row that is new there needs a Reload"},
		"AddAlias", "10.77.0.9")
	stage.Killed(t, p.Monitor(p.A))
	stage.Saying(t, p, p.A, 1, []string{"no Monitor is running", "start it again"}, "Why")
	stage.Saying(t, p, p.A, 1, []string{"10.77.0.9 is no alias of ", "which has 10.77.0.100"}, "RemoveAlias", "10.77.0.9")
	stage.Must(t, p.Monitor(p.B).Freeze())
	stage.Saying(t, p, p.B, 1, []string{"the Monitor there does not answer"}, "AddAlias")
	stage.Held(t, p, "a")
}
