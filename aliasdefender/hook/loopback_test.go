package hook

import (
	"net/netip"
	"slices"
	"testing"

	"alias-defender/aliasdefender/config"
)

// The role is what Status shows: of an address that many hosts have at once, shared.
func TestAHookIsToldThatAnAddressIsShared(t *testing.T) {
	a := config.Alias{NIC: "lo", Addr: netip.MustParseAddr("192.0.2.33"), Prefix: netip.MustParsePrefix("192.0.2.33/32"), Partner: config.Partner{Name: config.NoPartner}, Primary: true}
	env := environment(a, said{event: config.HookTake})
	for _, want := range []string{"AD_ROLE=shared", "AD_PARTNER=-"} {
		if !slices.Contains(env, want) {
			t.Errorf("no %s in %q", want, env)
		}
	}
}
