package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestARowOfALoopbackInterfaceIsReadAsItWasMeant(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want []Alias
	}{
		"an address, and no partner":         {"lo:1|192.0.2.33|/32|-|false", []Alias{row(1, "lo:1", "192.0.2.33", 32, "-", false)}},
		"as Solaris calls it":                {"lo0:1|192.0.2.33|/32|-|false", []Alias{row(1, "lo0:1", "192.0.2.33", 32, "-", false)}},
		"a subnet, by its network address":   {"lo:1|192.0.2.32|255.255.255.224|-|true", []Alias{row(1, "lo:1", "192.0.2.32", 27, "-", true)}},
		"a subnet, by its broadcast address": {"lo:1|192.0.2.63|/27|-|true", []Alias{row(1, "lo:1", "192.0.2.63", 27, "-", true)}},
		"an address of IPv6":                 {"lo:2|2001:db8::|128|-|true", []Alias{row(1, "lo:2", "2001:db8::", 128, "-", true)}},
		"a partner, which is asked nothing":  {"lo:1|192.0.2.33|/32|web2|true", []Alias{row(1, "lo:1", "192.0.2.33", 32, "web2", true)}},
		"a partner of the other family":      {"lo:1|2001:db8::2|128|172.16.1.5|true", []Alias{row(1, "lo:1", "2001:db8::2", 128, "172.16.1.5", true)}},
	} {
		t.Run(name, func(t *testing.T) {
			readAs(t, tt.text, tt.want)
			readAs(t, tt.want[0].Row(), tt.want) // and when it is written down again
			if !tt.want[0].Loopback() {
				t.Error("it is not known as one")
			}
		})
	}
}

func TestOnlyItsOwnSettingsReachALoopbackAlias(t *testing.T) {
	const table = "lo:1|192.0.2.33|/32|-|true\nlo:2|192.0.2.34|/32|web2|true\neth0:1|172.16.1.2|24|web2|true"
	for name, tt := range map[string]struct {
		settings        string
		alone, pair, on OnServiceFailure
	}{
		"nothing": {"", ServiceRelease, ServiceRelease, ServiceKeep},
		"all that is for pairs": {"router = \"172.16.1.254\"\nwitnesses = [\"172.16.1.253\"]\nfailback = true\nlease = \"90s\"",
			ServiceRelease, ServiceRelease, ServiceKeep},
		"keep, for all":        {"on_service_failure = \"keep\"", ServiceRelease, ServiceKeep, ServiceKeep},
		"keep, for one":        {"[alias.\"192.0.2.34\"]\non_service_failure = \"keep\"", ServiceRelease, ServiceKeep, ServiceKeep},
		"release, for one":     {"[alias.\"192.0.2.33\"]\non_service_failure = \"release\"", ServiceRelease, ServiceRelease, ServiceKeep},
		"release, for all":     {"on_service_failure = \"release\"", ServiceRelease, ServiceRelease, ServiceRelease},
		"a channel with paths": {"[peer.paths]\nweb2 = [\"10.0.0.2\"]", ServiceRelease, ServiceRelease, ServiceKeep},
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := ParseAliases(strings.NewReader(table), "hostname.alias")
			if err != nil {
				t.Fatal(err)
			}
			f, err := ParseSettings(strings.NewReader(tt.settings), "aliasdefender.toml")
			if err != nil {
				t.Fatal(err)
			}
			cfg, err := Join(rows, f)
			if err != nil {
				t.Fatal(err)
			}
			got := []OnServiceFailure{cfg.Aliases[0].OnServiceFailure, cfg.Aliases[1].OnServiceFailure, cfg.Aliases[2].OnServiceFailure}
			if diff := cmp.Diff([]OnServiceFailure{tt.alone, tt.pair, tt.on}, got); diff != "" {
				t.Error(diff)
			}
			for _, a := range cfg.Aliases[:2] {
				if a.Router.IsValid() || a.Witnesses != nil || a.Failback || a.Lease != 0 {
					t.Errorf("%s has what only pairs have: %+v", a.Addr, a)
				}
				if a.Interval != DefaultInterval {
					t.Errorf("%s: interval %s", a.Addr, a.Interval)
				}
			}
			if pairs := cfg.Pairs(); len(pairs) != 1 || pairs[0].NIC != "eth0" {
				t.Errorf("pairs: %+v", pairs)
			}
		})
	}
}
