package cli

import (
	"strings"
	"testing"
)

// A build gives the program its version; a program without one says which commit it
// was built from.
func TestAProgramWithoutAVersionIsDevel(t *testing.T) {
	for want, given := range map[string]string{"aliasdefender 1.2.3\n": "1.2.3", "aliasdefender devel": ""} {
		var out strings.Builder
		if code := Run(t.Context(), []string{"--version"}, Options{Version: given, Stdout: &out, Stderr: &out}); code != 0 || !strings.HasPrefix(out.String(), want) {
			t.Errorf("exit %d: %q, want %q", code, out.String(), want)
		}
	}
}
