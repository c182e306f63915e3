package control

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNowIsAskedOfOneAliasOrOfAll(t *testing.T) {
	socket, _ := serve(t, Handlers{Now: func(_ context.Context, alias string) ([]Now, error) {
		if alias == "10.0.0.9" {
			return nil, &Refusal{Kind: KindNoAlias, Text: "no such alias"}
		}
		return []Now{{Alias: alias, Above: []Lack{{Row: "W1", Needs: []string{"x", "y"}, Together: true}}}}, nil
	}})
	for _, alias := range []string{"", "fe80::1%eth0"} {
		got, err := Dial(socket).Now(t.Context(), alias)
		want := []Now{{Alias: alias, Above: []Lack{{Row: "W1", Needs: []string{"x", "y"}, Together: true}}}}
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%q: %v\n%s", alias, err, d)
		}
	}
	if _, err := Dial(socket).Now(t.Context(), "10.0.0.9"); err == nil || err.Error() != "no such alias" {
		t.Errorf("%v", err)
	}
}
