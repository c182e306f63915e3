package inspect

import (
	"io/fs"
	"os"
	"testing"

	"alias-defender/aliasdefender/config"
)

// installed is the good host with the unit that is shipped, and the files that it
// starts a Monitor with.
func installed(t *testing.T, dropIns ...string) *Subject {
	t.Helper()
	unit, err := os.ReadFile("../../init/aliasdefender.service")
	if err != nil {
		t.Fatal(err)
	}
	s := good()
	s.Aliases, s.Settings = DefaultAliases, DefaultSettings
	s.Unit = ParseUnit(append([]string{string(unit)}, dropIns...)...)
	s.Config.Settings = config.Settings{Socket: "/run/aliasdefender/control.sock", StateDir: "/var/lib/aliasdefender"}
	etc := []File{{Path: "/etc", Mode: fs.ModeDir | 0o755}, {Path: "/", Mode: fs.ModeDir | 0o755}}
	s.Files = []File{{Path: DefaultAliases, Mode: 0o644, Dirs: etc}, {Path: DefaultSettings, Mode: 0o644, Dirs: etc},
		{Path: "/etc/aliasdefender.key", Mode: 0o600, Dirs: etc}}
	return s
}

// TestCheckJudgesAsTheUnitWould is about the unit that is shipped: what it hardens is
// what these findings are about.
func TestCheckJudgesAsTheUnitWould(t *testing.T) {
	key := func(s *Subject) *File { return &s.Files[2] }
	for _, c := range []struct {
		name   string
		dropIn string
		change func(*Subject)
		want   []string
	}{
		{"as it is installed", "", func(*Subject) {}, nil},
		{"another's key", "", func(s *Subject) { key(s).UID = 1000 },
			[]string{"mistake /etc/aliasdefender.key aliasdefender.service of this host does not let the Monitor read it: it belongs to user 1000 with mode 0600"}},
		{"another's key that all may read", "", func(s *Subject) { key(s).UID, key(s).GID, key(s).Mode = 1000, 1000, 0o604 }, nil},
		{"another's key that all but root's group may read", "", func(s *Subject) { key(s).UID, key(s).Mode = 1000, 0o604 },
			[]string{"mistake /etc/aliasdefender.key"}},
		{"another's key that root's group may read", "", func(s *Subject) { key(s).UID, key(s).Mode = 1000, 0o640 }, nil},
		{"root's key that not even root may read", "", func(s *Subject) { key(s).Mode = 0 },
			[]string{"mistake /etc/aliasdefender.key aliasdefender.service of this host does not let the Monitor read it: it belongs to user 0 with mode 0000"}},
		{"a directory that is closed", "", func(s *Subject) {
			key(s).Dirs = []File{{Path: "/srv/ad", UID: 1000, Mode: fs.ModeDir | 0o700}}
		}, []string{"mistake /etc/aliasdefender.key aliasdefender.service of this host does not let the Monitor read it: the directory /srv/ad"}},
		{"a key in /root", "", func(s *Subject) { key(s).Path = "/root/key" },
			[]string{"mistake /root/key aliasdefender.service of this host does not let the Monitor read it: ProtectHome hides"}},
		{"a key in /tmp", "", func(s *Subject) { key(s).Path = "/tmp/key" },
			[]string{"mistake /tmp/key aliasdefender.service of this host does not let the Monitor read it: PrivateTmp hides"}},
		{"/tmp of its own switched off", "[Service]\nPrivateTmp=no\n", func(s *Subject) { key(s).Path = "/tmp/key" }, nil},
		{"all of root's powers", "[Service]\nCapabilityBoundingSet=~\n", func(s *Subject) { key(s).UID = 1000 }, nil},
		{"none of root's powers", "[Service]\nCapabilityBoundingSet=\n", func(s *Subject) { key(s).UID = 1000 },
			[]string{"mistake /etc/aliasdefender.key", "mistake aliasdefender.service aliasdefender.service of this host does not give the Monitor CAP_NET_ADMIN and CAP_NET_RAW"}},
		{"one power more", "[Service]\nCapabilityBoundingSet=CAP_DAC_READ_SEARCH\n", func(s *Subject) { key(s).UID = 1000 }, nil},
		{"all powers but one", "[Service]\nCapabilityBoundingSet=~\nCapabilityBoundingSet=~CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH\n", func(s *Subject) { key(s).UID = 1000 },
			[]string{"mistake /etc/aliasdefender.key"}},
		{"Check of other files", "", func(s *Subject) { s.Aliases, key(s).UID = "/tmp/new.alias", 1000 }, nil},
		{"no unit", "", func(s *Subject) { s.Unit, key(s).UID = nil, 1000 }, nil},
		{"state elsewhere", "", func(s *Subject) { s.Config.Settings.StateDir = "/srv/ad" },
			[]string{"warning /etc/aliasdefender.toml: state.dir aliasdefender.service of this host does not let the Monitor write to /srv/ad"}},
		{"state elsewhere, allowed", "[Service]\nReadWritePaths=/srv\n", func(s *Subject) { s.Config.Settings.StateDir = "/srv/ad" }, nil},
		{"a directory that only begins like one", "[Service]\nReadWritePaths=/srv/a\n", func(s *Subject) { s.Config.Settings.StateDir = "/srv/ad" },
			[]string{"warning /etc/aliasdefender.toml: state.dir"}},
		{"a socket elsewhere", "", func(s *Subject) { s.Config.Settings.Socket = "/srv/ad/sock" },
			[]string{"mistake /etc/aliasdefender.toml: control.socket aliasdefender.service of this host does not let the Monitor write to /srv/ad"}},
		{"state in a home, which no line allows", "[Service]\nReadWritePaths=/root\n", func(s *Subject) { s.Config.Settings.StateDir = "/root/ad" },
			[]string{"warning /etc/aliasdefender.toml: state.dir aliasdefender.service of this host hides /root/ad from the Monitor: ProtectHome"}},
		{"readers", "", func(s *Subject) { s.Config.Settings.Readers = config.Readers{Group: "nagios", Line: 3} },
			[]string{"warning /etc/aliasdefender.toml:3 control.readers: aliasdefender.service of this host does not put the Monitor into the group nagios"}},
		{"readers whose group it is in", "[Service]\nSupplementaryGroups=adm nagios\n", func(s *Subject) { s.Config.Settings.Readers = config.Readers{Group: "nagios", Line: 3} }, nil},
		{"readers by a number, whose group it is in by its name", "[Service]\nSupplementaryGroups=nagios\n", func(s *Subject) {
			s.Config.Settings.Readers, s.ReadersGroup = config.Readers{Group: "114", Line: 3}, []string{"114", "nagios"}
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := installed(t, c.dropIn)
			c.change(s)
			expect(t, everything(s), c.want...)
		})
	}
}

func TestTheUnitsCommandLineTellsWhichFilesItReads(t *testing.T) {
	u := ParseUnit("[Service]\nExecStart=/usr/sbin/aliasdefender \\\n  Monitor --settings=/srv/a.toml --aliases /srv/a.alias\n")
	if a, s := u.option("--aliases", "x"), u.option("--settings", "x"); a != "/srv/a.alias" || s != "/srv/a.toml" {
		t.Errorf("%s and %s", a, s)
	}
}
