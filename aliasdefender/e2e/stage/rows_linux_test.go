package stage

import (
	"strings"
	"testing"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/lab/pair"
)

// TestAThousandRowsAreTaken by the program: only make soak begins with so many.
func TestAThousandRowsAreTaken(t *testing.T) {
	for _, of := range []pair.Addresses{pair.IPv4, pair.IPv6} {
		rows := RowsOf(of, 1000, true)
		all, err := config.ParseAliases(strings.NewReader(Table(of.OwnB.Addr(), rows)), "hostname.alias")
		if err != nil || len(all) != 1000 {
			t.Errorf("%d rows: %v", len(all), err)
		}
		for _, r := range rows {
			if r.Alias.Addr() == of.RouterAt.Addr() {
				t.Errorf("%v: the router's address", r)
			}
		}
	}
}
