package daemon

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/config"
)

// Files that were cut short may have lost aliases and routes at once: both are named.
func TestWhatFilesHaveLostIsNamedByItsKind(t *testing.T) {
	row := config.Alias{Addr: netip.MustParseAddr("10.0.0.8"), Label: "eth0:1"}
	rowLine := "hostname.alias: the row of alias 10.0.0.8 on eth0:1 is gone, and this host holds that alias\n"
	routeLine := "the [[route]] of 192.0.2.32/27 is gone, and this host keeps that route\n"
	var many lack
	manyLines := ""
	for i := range mostNamed + 2 {
		many.routes = append(many.routes, fmt.Sprintf("192.0.2.%d/32", i))
		if i < mostNamed {
			manyLines += fmt.Sprintf("the [[route]] of 192.0.2.%d/32 is gone, and this host keeps that route\n", i)
		}
	}
	for _, tt := range []struct {
		lack         lack
		lines, kinds string
	}{
		{lack{rows: []config.Alias{row}}, rowLine, "rows of aliases that this host holds"},
		{lack{routes: []string{"192.0.2.32/27"}}, routeLine, "routes that this host keeps"},
		{lack{rows: []config.Alias{row}, routes: []string{"192.0.2.32/27"}}, rowLine + routeLine, "rows of aliases that this host holds and routes that this host keeps"},
		{many, manyLines + "and 2 more routes are gone that this host keeps\n", "routes that this host keeps"},
	} {
		tt.lack.file = "hostname.alias"
		if diff := cmp.Diff(tt.lines+notDropped, tt.lack.Error()); diff != "" || tt.lack.kinds() != tt.kinds {
			t.Errorf("%q\n%s", tt.lack.kinds(), diff)
		}
	}
}
