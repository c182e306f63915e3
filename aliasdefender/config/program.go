package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"alias-defender/aliasdefender/files"
)

// maxCA is more than all certificates that a system trusts need, in bytes.
const maxCA = 1 << 20

// maxLinks is how many symbolic links Linux follows in one path, path_resolution(7).
const maxLinks = 40

// lookAtChecks looks at the files that checks name: programs, which run as root, and
// certificates.
func (f *SettingsFile) lookAtChecks() {
	for _, c := range f.checks {
		if c.kind.value == CheckCommand && !c.command.bad && len(c.command.value) > 0 {
			if problem := programProblem(c.command.value[0]); problem != "" {
				f.mistake(c.command.line, c.command.field, problem)
			}
		}
		if c.caFile.isSet() && !c.caFile.bad {
			ca, problem := readCA(c.caFile.value)
			if problem != "" {
				f.mistake(c.caFile.line, c.caFile.field, showPath(c.caFile.value)+" "+problem)
			}
			c.ca = ca
		}
	}
}

// readCA reads a file of certificates. If it is not good, it says what to do.
func readCA(path string) (text []byte, problem string) {
	text, err := files.Read(path, files.Want{Most: maxCA})
	strange := (*files.Error)(nil)
	switch {
	case errors.As(err, &strange) && strange.Problem == files.TooLarge:
		return nil, fmt.Sprintf("is larger than %d bytes; is it the right file?", maxCA)
	case errors.As(err, &strange):
		return nil, "is no regular file; name a file of certificates"
	case errors.Is(err, fs.ErrNotExist):
		return nil, "does not exist; name a file of certificates in PEM"
	case errors.Is(err, fs.ErrPermission):
		return nil, "may not be read: permission denied; " + toRead(os.Geteuid(), path)
	case err != nil:
		return nil, "cannot be read: " + cause(err)
	case !x509.NewCertPool().AppendCertsFromPEM(text):
		return nil, "has no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----"
	}
	return text, ""
}

// programProblem says why a program must not be run as root, and what to do; empty if it
// may be. Whoever can change the program, or put another in its place, could run anything
// as root: so neither it nor a folder on the way to it, links and all, may be writable by
// others. A folder like /tmp, where users may delete only what is theirs, is as good as
// what stands in it.
func programProblem(path string) string {
	shown := showPath(path)
	at, rest := "/", parts(path)
	links := 0
	sticky := false // the folder: what stands in it may be deleted by its owner only
	for {
		info, err := os.Lstat(at)
		last := len(rest) == 0
		switch {
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
			return fmt.Sprintf("%s does not exist; write the path of a program that does", shown)
		case err != nil:
			return fmt.Sprintf("%s cannot be looked at: %s", shown, cause(err))
		}
		mode := info.Mode()
		owner, group := owners(info)
		if owner != 0 && owner != os.Geteuid() {
			return fmt.Sprintf("%s belongs to user %d, who could have anything run as root; 'chown root %s'", which(at, path), owner, showPath(at))
		}
		if mode&fs.ModeSymlink != 0 {
			if links++; links > maxLinks {
				return fmt.Sprintf("%s is a loop of symbolic links", shown)
			}
			to, err := os.Readlink(at)
			if err != nil {
				return fmt.Sprintf("%s cannot be looked at: %s", shown, cause(err))
			}
			// The folder of the link was good, and so is the way up from there.
			at = filepath.Dir(at)
			if filepath.IsAbs(to) {
				at = "/"
			}
			rest = append(parts(to), rest...)
		} else {
			sticky = mode.IsDir() && mode&fs.ModeSticky != 0
			others := mode.Perm()&0o002 != 0 || mode.Perm()&0o020 != 0 && group != 0
			switch {
			case others && !(sticky && !last):
				return fmt.Sprintf("%s can be changed by others than root (mode %04o), who could have anything run as root; 'chmod go-w %s'", which(at, path), mode.Perm(), showPath(at))
			case last && !mode.IsRegular():
				return fmt.Sprintf("%s is no program: it is not a regular file", shown)
			case last && mode.Perm()&0o111 == 0:
				return fmt.Sprintf("%s is not executable; 'chmod 755 %s'", shown, shown)
			case last:
				return ""
			}
		}
		if len(rest) > 0 {
			at, rest = filepath.Join(at, rest[0]), rest[1:]
		}
	}
}

// parts are the names in a path.
func parts(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// which names what is wrong on the way to a program.
func which(at, path string) string {
	if at == path {
		return showPath(path)
	}
	return fmt.Sprintf("%s, which leads to %s,", showPath(at), showPath(path))
}

// owners are the numbers of the user and the group that a file belongs to; 0 if the
// system does not tell.
func owners(info fs.FileInfo) (user, group int) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid), int(s.Gid)
	}
	return 0, 0
}
