package cli

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/inspect"
)

func TestADrillIsPrintedWhereItBelongs(t *testing.T) {
	for _, c := range []struct {
		d              control.Drill
		stdout, stderr string
	}{
		{control.Drill{Outcome: control.DrillGood, Text: "there and back", Aliases: []control.Drilled{{Alias: "10.0.0.1"}, {Alias: "10.0.0.2"}}},
			"10.0.0.1, 10.0.0.2: there and back\n", ""},
		{control.Drill{Outcome: control.DrillFailed, Text: "the drill failed", Next: "see Why", Aliases: []control.Drilled{{Alias: "10.0.0.1"}}},
			"", "aliasdefender: 10.0.0.1: the drill failed\n                 next: see Why\n"},
		{refusedByCheck([]inspect.Finding{{Severity: inspect.Warning, About: "eth0", What: "it has no carrier"}, {}}),
			"", "aliasdefender: refused: Check finds eth0: warning: it has no carrier, and 1 more\n                 next: 'aliasdefender Check' says why it matters and how to mend it\n"},
	} {
		var stdout, stderr bytes.Buffer
		(&app{stdout: &stdout, stderr: &stderr}).showDrill(c.d)
		if d := cmp.Diff(c.stdout+"|"+c.stderr, stdout.String()+"|"+stderr.String()); d != "" {
			t.Error(d)
		}
	}
}

func TestAllThatThisHostHasAreDrilledAndAGroupOnce(t *testing.T) {
	web := &control.Group{Name: "web"}
	s := control.Snapshot{Aliases: []control.Alias{
		{Alias: "10.0.0.1", Holder: "us", Group: web}, {Alias: "10.0.0.2", Holder: "partner"}, {Alias: "10.0.0.3", Holder: "us", Group: web},
		{Alias: "10.0.0.4", Holder: "us", Role: "shared"}, {Alias: "10.0.0.5", Holder: "us", Group: &control.Group{Name: "mail"}}, {Alias: "10.0.0.6", Holder: "us"},
	}}
	if d := cmp.Diff([]string{"10.0.0.1", "10.0.0.5", "10.0.0.6"}, drillable(s)); d != "" {
		t.Error(d)
	}
}

// An operator has to know what was done before an error.
func TestDrillsBeforeAnErrorAreSaid(t *testing.T) {
	good, gone := control.Drill{Outcome: control.DrillGood, Text: "there and back"}, errors.New("the Monitor has gone")
	var asked []string
	done, err := drills(t.Context(), []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, func(_ context.Context, alias string) (control.Drill, error) {
		if asked = append(asked, alias); alias == "10.0.0.2" {
			return control.Drill{}, gone
		}
		return good, nil
	})
	if len(done) != 1 || done[0].Text != good.Text || !errors.Is(err, gone) || len(asked) != 2 {
		t.Errorf("%+v, %v; asked: %v", done, err, asked)
	}
}

func TestDrillsEndWithTheFirstThatIsNotGood(t *testing.T) {
	done, err := drills(t.Context(), []string{"10.0.0.1", "10.0.0.2"}, func(context.Context, string) (control.Drill, error) {
		return control.Drill{}, &control.Refusal{Kind: control.KindDrill, Text: "it is parked"}
	})
	if err != nil || len(done) != 1 || done[0].Outcome != control.DrillRefused || done[0].Text != "refused: it is parked" {
		t.Errorf("%+v, %v", done, err)
	}
}

func TestADrillIsForbiddenByWhatIsRedAndByANetworkThatCannotBeAsked(t *testing.T) {
	network := inspect.Finding{Severity: inspect.Unknown, About: inspect.AboutNetwork}
	found := []inspect.Finding{{Severity: inspect.Warning}, {Severity: inspect.Unknown, About: "eth0"}, network, {Severity: inspect.Fault}, {Severity: inspect.Mistake}}
	for lacking, want := range map[string]int{"": 2, "no rights": 3} {
		if got := forbidding(&inspect.Subject{Live: &inspect.Live{CannotAsk: lacking}}, append([]inspect.Finding{}, found...)); len(got) != want {
			t.Errorf("%q: %+v", lacking, got)
		}
	}
}
