package cli

import (
	"strings"
	"testing"
)

// Only who builds gives a version; a program that has none says from what it was built.
func TestAProgramWithoutAVersionIsDevel(t *testing.T) {
	for want, given := range map[string]string{"aliasdefender 1.2.3\n": "1.2.3", "aliasdefender devel": ""} {
		var out strings.Builder
		if code := Run(t.Context(), []string{"--version"}, Options{Version: given, Stdout: &out, Stderr: &out}); code != 0 || !strings.HasPrefix(out.String(), want) {
			t.Errorf("exit %d: %q, want %q", code, out.String(), want)
		}
	}
}
