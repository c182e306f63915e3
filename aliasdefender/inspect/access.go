package inspect

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
)

// The files where the command line names no others.
const (
	DefaultAliases  = "/etc/hostname.alias"
	DefaultSettings = "/etc/aliasdefender.toml"
)

// File is a file that the Monitor has to read, or a directory on the way to it.
type File struct {
	Path     string // absolute, without symbolic links
	UID, GID uint32
	Mode     fs.FileMode
	Dirs     []File // the directories above it, the nearest first
}

// unitCannotRead: Check reads with the rights of its caller, and root may read
// everything. The unit's Monitor is root without that power, and sees neither home
// directories nor /tmp.
func unitCannotRead(s *Subject) (found []Finding) {
	u := s.judged()
	if u == nil {
		return nil
	}
	for _, f := range s.Files {
		if what, mend := u.cannotRead(f); what != "" {
			found = append(found, Finding{Mistake, f.Path,
				fmt.Sprintf("%s of this host does not let the Monitor read it: %s", u.Name, what),
				"'systemctl start' and 'restart' then fail, though this Check could read it",
				mend})
		}
	}
	return found
}

// cannotRead says why the unit's Monitor cannot read the file, and how to fix it.
func (u *Unit) cannotRead(f File) (what, mend string) {
	if by := u.hides(f.Path); by != "" {
		return by + " hides the directory that it is in",
			fmt.Sprintf("move it to /etc, such as: mv %s /etc/%s; and name it there", f.Path, path.Base(f.Path))
	}
	if !u.isRoot() || u.has("CAP_DAC_OVERRIDE") || u.has("CAP_DAC_READ_SEARCH") {
		return "", "" // or as a user whose groups we do not know
	}
	if !rootMay(f, 4) {
		mend = "chown root " + f.Path
		if f.UID == 0 {
			mend = "chmod u+r " + f.Path
		}
		return fmt.Sprintf("it belongs to user %d with mode %04o, and the Monitor is root without CAP_DAC_OVERRIDE: it reads only what the mode allows", f.UID, f.Mode.Perm()), mend
	}
	for _, dir := range f.Dirs {
		if !rootMay(dir, 1) {
			return fmt.Sprintf("the directory %s belongs to user %d with mode %04o, and the Monitor is root without CAP_DAC_OVERRIDE", dir.Path, dir.UID, dir.Mode.Perm()),
				"chmod o+x " + dir.Path + ", or keep it in /etc"
		}
	}
	return "", ""
}

// rootMay tells whether the mode allows this to a root without its powers and with
// only its own group: 4 reads, 1 passes.
func rootMay(f File, bit fs.FileMode) bool {
	switch {
	case f.UID == 0:
		return f.Mode&(bit<<6) != 0
	case f.GID == 0:
		return f.Mode&(bit<<3) != 0
	}
	return f.Mode&bit != 0
}

// unitCannotWrite: [control] socket or [state] dir is in a place that the unit does
// not let the Monitor write.
func unitCannotWrite(s *Subject) (found []Finding) {
	u := s.judged()
	if u == nil {
		return nil
	}
	set := s.Config.Settings
	for _, place := range []struct {
		setting, dir string
		severity     Severity
		comes        string
	}{
		{"control.socket", path.Dir(set.Socket), Mistake, "the Monitor does not start: it has nowhere to listen"},
		{"state.dir", set.StateDir, Warning, "what an operator parks is forgotten at the next start, and Why knows one run only"},
	} {
		about := s.Settings + ": " + place.setting
		switch by := u.hides(place.dir); {
		case by != "": // ReadWritePaths= would not help
			found = append(found, Finding{place.severity, about,
				fmt.Sprintf("%s of this host hides %s from the Monitor: %s", u.Name, place.dir, by),
				"it does not start there, or uses a directory that nobody else sees",
				fmt.Sprintf("leave %s out, or set a place below /run, /var/lib or /srv", place.setting)})
		case !u.writable(place.dir):
			found = append(found, Finding{place.severity, about,
				fmt.Sprintf("%s of this host does not let the Monitor write to %s", u.Name, place.dir),
				place.comes, edit("ReadWritePaths=" + place.dir)})
		}
	}
	return found
}

// unitNotInGroup: the Monitor cannot give the readers' socket to their group.
func unitNotInGroup(s *Subject) []Finding {
	u, r := s.judged(), s.Config.Settings.Readers
	if u == nil || r.Group == "" || s.NoReaders != "" || u.has("CAP_CHOWN") || !u.isRoot() {
		return nil
	}
	for _, group := range append(u.words("SupplementaryGroups"), u.Last("Group"), "root", "0") {
		if group == r.Group || slices.Contains(s.ReadersGroup, group) {
			return nil
		}
	}
	return []Finding{{Warning, fmt.Sprintf("%s:%d", s.Settings, r.Line),
		fmt.Sprintf("control.readers: %s of this host does not put the Monitor into the group %s", u.Name, r.Group),
		"it may not give the group its socket, and only root can ask for Status and Why",
		edit("SupplementaryGroups=" + r.Group)}}
}
