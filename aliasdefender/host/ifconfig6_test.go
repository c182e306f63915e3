package host_test

import (
	"net/netip"
	"strings"
	"testing"

	"alias-defender/aliasdefender/host"
)

func TestIPv6IsNotSupportedHereAndTheErrorSaysSo(t *testing.T) {
	h := newTranscript(t, "5.10").h
	six, four := host.Placement{NIC: "iprb1", Label: "iprb1:3", Prefix: netip.MustParsePrefix("2001:db8::9/64")}, theAlias
	four.Label = "iprb1:4"
	for what, do := range map[string]func([]host.Placement) []error{"add": h.Add, "refresh": h.Refresh, "reorder": h.Reorder} {
		if errs := do([]host.Placement{six}); errs[0] == nil || !strings.Contains(errs[0].Error(), "IPv6 are not supported") {
			t.Errorf("%s: %v", what, errs[0])
		}
	}
	if errs := h.Add([]host.Placement{six, four}); errs[0] == nil || errs[1] != nil {
		t.Errorf("beside one of IPv4: %v", errs)
	}
	if errs := h.Remove([]host.Placement{six}); errs[0] != nil {
		t.Errorf("remove: %v", errs[0])
	}
}
