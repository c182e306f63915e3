package cli

import (
	"bytes"
	"strings"
	"testing"
)

func TestRehearseRefusesWhatItCannotDo(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--only", "flood"}, exitUsage, "is not a scenario"},
		{[]string{"--only", "handover"}, exitUsage, "the settings have no key"},
		{[]string{"--interval", "1ms"}, exitUsage, "out of range"},
		{[]string{"--aliases", "/no/such/file"}, exitConfig, "does not exist"},
		{[]string{"now"}, exitUsage, "takes no argument"},
	} {
		var out, errs bytes.Buffer
		if code := Run(t.Context(), append([]string{"Rehearse"}, tt.args...), Options{Version: "test", Stdout: &out, Stderr: &errs}); code != tt.code || !strings.Contains(errs.String(), tt.want) {
			t.Errorf("%v: exit %d, %q; want %d, %q", tt.args, code, errs.String(), tt.code, tt.want)
		}
	}
}
