package cli

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/control"
)

// If a restart forgets an order, the order was not carried out as it was meant:
// RemoveAlias keeps an alias off a sick host, and a script has to learn that this
// will not last.
func TestAnOrderThatIsNotRememberedFails(t *testing.T) {
	for name, tt := range map[string]struct {
		out    control.Outcome
		code   int
		stderr string
	}{
		"remembered": {control.Outcome{}, exitDone, ""},
		"not remembered": {control.Outcome{NotRemembered: "/srv: no space left on device; make room there"}, exitFailed,
			"aliasdefender: not remembered over a restart: /srv: no space left on device; make room there; this order holds until the next start of a Monitor, and no longer\n"},
		"written anew": {control.Outcome{Anew: "/srv/parked could not be read and was written anew"}, exitDone,
			"aliasdefender: /srv/parked could not be read and was written anew\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			tt.out.Alias, tt.out.Done, tt.out.Text = "172.16.1.2", true, "released"
			err := (&app{stdout: &stdout, stderr: &stderr}).showOutcomes([]control.Outcome{tt.out, tt.out})
			code := exitDone
			if e := (*exit)(nil); errors.As(err, &e) {
				code = e.code
			}
			if d := cmp.Diff(tt.stderr, stderr.String()); d != "" || code != tt.code {
				t.Errorf("exit code %d; %s", code, d)
			}
			if d := cmp.Diff("172.16.1.2: released\n172.16.1.2: released\n", stdout.String()); d != "" {
				t.Error(d)
			}
		})
	}
}
