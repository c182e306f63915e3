package convert

import (
	"strings"
	"testing"
)

// hooksOf are the hooks of a configuration's settings.
func hooksOf(t *testing.T, conf string, change func(*Options)) (hooks map[string]string, remarks string) {
	t.Helper()
	_, set, remarks := converted(t, conf, change)
	hooks = map[string]string{}
	within := false
	for _, l := range set {
		if strings.HasPrefix(l, "[") {
			within = strings.HasSuffix(l, ".hooks]")
		}
		if name, value, is := strings.Cut(l, " = "); is && within {
			hooks[name] = value
		}
	}
	return hooks, remarks
}

// TestHooksAreToldWhenAnAliasWasPutBack: keepalived that is stopped removes its routes and
// tells its scripts STOP, after the Monitor has adopted the alias.
func TestHooksAreToldWhenAnAliasWasPutBack(t *testing.T) {
	hooks, _ := hooksOf(t, inside("notify /usr/local/bin/notify\nvirtual_routes {\n192.0.2.0/24 via 172.16.1.254\n}\n"), nil)
	if hooks["take"] == "" || hooks["reasserted"] != hooks["take"] || hooks["release"] != hooks["take"] {
		t.Errorf("%q", hooks)
	}
	if !strings.HasPrefix(hooks["take"], `["/hook", "INSTANCE", "web", "150", "route=`) {
		t.Errorf("routes are not the first: %s", hooks["take"])
	}
}

// TestTheTimeOfNotifyScriptsIsBounded: keepalived's is not.
func TestTheTimeOfNotifyScriptsIsBounded(t *testing.T) {
	hooks, remarks := hooksOf(t, inside("notify /usr/local/bin/notify\n"), nil)
	if hooks["timeout"] != `"1m"` || !strings.Contains(remarks, "keepalived.conf:11: vrrp_instance web: ") || !strings.Contains(remarks, "is ended after 1m") {
		t.Errorf("%q\n%s", hooks, remarks)
	}
}

// TestARouteKeepsItsFamilyAndItsInterface: a default route of IPv6 must not replace that of
// IPv4, and the interface may be named after the routes, or for all instances.
func TestARouteKeepsItsFamilyAndItsInterface(t *testing.T) {
	for _, c := range []struct{ route, want string }{
		{"inet6 default dev eth0", "-6 default dev eth0"},
		{"default via 2001:db8:1::1", "-6 default via 2001:db8:1::1"},
		{"2001:db8:9::/48 via 2001:db8:1::1 dev eth0", "-6 2001:db8:9::/48 via 2001:db8:1::1 dev eth0"},
		{"inet 192.0.2.0/24 dev eth1", "-4 192.0.2.0/24 dev eth1"},
		{"blackhole inet6 default", "-6 blackhole default"},
		{"192.0.2.0/24 via 172.16.1.254", "192.0.2.0/24 via 172.16.1.254"},
		{"192.0.2.0/24", "192.0.2.0/24 dev eth0"},
		{"inet6 192.0.2.0/24 dev eth0", ""},
		{"192.0.2.0/24 via inet6 2001:db8:1::1", ""},
	} {
		routes := "virtual_routes {\n" + c.route + "\n}\n"
		for name, conf := range map[string]string{
			"after":      inside(routes),
			"before":     strings.Replace(inside(""), "state MASTER\n", routes+"state MASTER\n", 1),
			"by default": "global_defs {\ndefault_interface eth0\n}\n" + strings.Replace(inside(routes), "interface eth0\n", "", 1),
		} {
			hooks, remarks := hooksOf(t, conf, nil)
			if c.want == "" {
				if len(hooks) != 0 || !strings.Contains(remarks, "route "+c.route) {
					t.Errorf("%s, %s: %q\n%s", c.route, name, hooks, remarks)
				}
				continue
			}
			if !strings.Contains(hooks["take"], `"route=`+c.want+`"]`) {
				t.Errorf("%s, %s: %s\n%s", c.route, name, hooks["take"], remarks)
			}
		}
	}
	got, err := Convert(options(t, inside("virtual_routes {\n192.0.2.0/24 dev eth0 no_track\n}\n")))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(got.Aliases), "no_track") {
		t.Errorf("no_track is dropped in silence:\n%s", got.Aliases)
	}
}

// TestUsersOfScriptsAreSpokenOf: here all run as root.
func TestUsersOfScriptsAreSpokenOf(t *testing.T) {
	_, remarks := hooksOf(t, inside("notify_master /usr/local/bin/notify up\nnotify_backup /usr/local/bin/notify\n"), nil)
	if !strings.Contains(remarks, "keepalived.conf:11: web: notify_master as user up:") || strings.Contains(remarks, "notify_backup") {
		t.Errorf("%s", remarks)
	}
	notifying := inside("notify /usr/local/bin/notify\n")
	scripted := func(o *Options) { o.Host.User = func(name string) bool { return name == "keepalived_script" } }
	if _, remarks = hooksOf(t, notifying, scripted); strings.Count(remarks, "run as keepalived_script under") != 1 {
		t.Errorf("keepalived's own user: %s", remarks)
	}
	for name, conf := range map[string]string{
		"with script_user": "global_defs {\nscript_user root\n}\n" + notifying, "with a user of its own": strings.Replace(notifying, "bin/notify", "bin/notify root", 1), "without a script": inside(""),
	} {
		if _, remarks = hooksOf(t, conf, scripted); strings.Contains(remarks, "keepalived_script") {
			t.Errorf("%s: %s", name, remarks)
		}
	}
	if _, remarks = hooksOf(t, notifying, nil); strings.Contains(remarks, "keepalived_script") {
		t.Errorf("there is no such user: %s", remarks)
	}
}
