package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Program is one of the administrator's programs with its arguments; the first string is
// an absolute path. An empty Program is no program.
type Program []string

// maxLinks is how many symbolic links Linux follows in one path, path_resolution(7).
const maxLinks = 40

// maxWords bounds the arguments of a program, and maxWord the bytes of each.
const maxWords, maxWord = 64, 4096

// program reads a program with its arguments.
func program(example string) parser[Program] {
	return func(v value) (Program, Mistakes) {
		if v.kind != unstable.Array {
			return nil, wrong(v, "%s; write a list of the program and its arguments, such as [%q]: no shell reads it", v.is(), example)
		}
		if len(v.items) > maxWords {
			return nil, wrong(v, "has %d words; a program with its arguments may have %d", len(v.items), maxWords)
		}
		var p Program
		var all Mistakes
		for i, item := range v.items {
			s, mistakes := text(item, example)
			switch {
			case mistakes != nil:
			case i == 0 && !filepath.IsAbs(s):
				mistakes = wrong(item, "%s is not an absolute path, such as %s: no PATH is searched for a program that runs as root", show(s), example)
			case i == 0:
				s, mistakes = absolute(example, maxPath)(item)
			case strings.ContainsRune(s, 0):
				mistakes = wrong(item, "%s has a NUL byte", show(s))
			case len(s) > maxWord:
				mistakes = wrong(item, "has %d bytes; an argument may have %d", len(s), maxWord)
			}
			all = append(all, mistakes...)
			p = append(p, s)
		}
		return p, all
	}
}

// LookAtProgram says what is wrong with a program that will run as this process's user,
// which is root; empty: nothing is wrong. Nobody else may be able to change it: neither
// the file nor a directory or symbolic link on its path. Whether it can be executed shows
// only when it runs.
func LookAtProgram(path string) string {
	// The kernel goes up from where a link has led, so nothing is cleaned: at has no links.
	at, rest := "/", path
	for links := 0; ; {
		name, more, further := strings.Cut(rest, "/")
		if name == "" || name == "." || name == ".." {
			if name == ".." {
				at = filepath.Dir(at)
			}
			if rest = more; !further {
				return "is a directory; name the program in it"
			}
			continue
		}
		dir, err := os.Lstat(at)
		if err != nil {
			return notThere(at, err)
		}
		next := filepath.Join(at, name)
		info, err := os.Lstat(next)
		if err != nil {
			return notThere(next, err)
		}
		// In a directory such as /tmp only the owner of what is in it may move that away.
		sticky := dir.Mode()&fs.ModeSticky != 0 && trustedFile(info) && trustedFile(dir)
		if problem := openToOthers(dir); problem != "" && !sticky {
			return fmt.Sprintf("root runs it, and others can replace it: the directory %s %s; 'chown root %[1]s' and 'chmod go-w %[1]s'", showPath(at), problem)
		}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return "cannot be looked at: too many symbolic links"
			}
			to, err := os.Readlink(next)
			if err != nil {
				return "cannot be looked at: " + cause(err)
			}
			if filepath.IsAbs(to) {
				at = "/"
			}
			if rest = to; further {
				rest += "/" + more
			}
		case further:
			at, rest = next, more
		case info.IsDir():
			return "is a directory; name the program in it"
		case !info.Mode().IsRegular():
			return "is not a regular file"
		default:
			if problem := openToOthers(info); problem != "" {
				return fmt.Sprintf("root runs it, and others can change it: it %s; 'chown root %s' and 'chmod go-w %[2]s'", problem, showPath(next))
			}
			return ""
		}
	}
}

// notThere says why a part of the way to a program could not be looked at.
func notThere(at string, err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return "does not exist; name a program that does"
	case errors.Is(err, fs.ErrPermission):
		return "may not be looked at: permission denied; " + toRead(os.Geteuid(), at)
	}
	return "cannot be looked at: " + cause(err)
}

// openToOthers says how others than root, and the user that runs this, can change a file
// or a directory; empty: they cannot.
func openToOthers(info fs.FileInfo) string {
	owner, group := ownerOf(info)
	switch mode := info.Mode().Perm(); {
	case !trusted(owner):
		return fmt.Sprintf("belongs to user %d", owner)
	case mode&0o002 != 0, mode&0o020 != 0 && group != 0:
		return fmt.Sprintf("has mode %04o", mode)
	}
	return ""
}

// trusted tells whether a file's owner runs this, is root, or owns the root directory, and
// so could replace everything. In a user namespace that is whoever is root outside.
func trusted(owner int) bool {
	if owner == 0 || owner == os.Geteuid() {
		return true
	}
	top, err := os.Stat("/")
	if err != nil {
		return false
	}
	of, _ := ownerOf(top)
	return owner == of
}

// ownerOf is the user and the group that a file belongs to; root's where the system does
// not tell.
func ownerOf(info fs.FileInfo) (user, group int) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid), int(s.Gid)
	}
	return 0, 0
}

func trustedFile(info fs.FileInfo) bool {
	owner, _ := ownerOf(info)
	return trusted(owner)
}
