package convert

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// includes tells whether a line includes files: by which keyword, and which.
func includes(l string) (keyword, pattern string) {
	for _, k := range []string{"include", "includer", "includem", "includew", "includeb", "includea"} {
		if after, is := strings.CutPrefix(l, k); is && after != strings.TrimLeft(after, " \t") {
			return k, strings.Trim(after, " \t")
		}
	}
	return "", ""
}

// include reads the files of an include. A relative name is one in the folder of the file
// that includes.
func (r *reader) include(at Place, keyword, pattern string) error {
	all, problem := braces(pattern)
	if problem != "" {
		return refuse(at, "%s %s", showPath(pattern), problem)
	}
	found := 0
	for _, p := range all {
		paths, err := named(filepath.Dir(at.File), p)
		if err != nil {
			return refuse(at, "%s is not a pattern of file names", showPath(pattern))
		}
		for _, path := range paths {
			found++
			if r.passesOver(at, path) {
				continue
			}
			if err := r.file(path, at); err != nil {
				return err
			}
		}
	}
	switch {
	case found > 0:
	case keyword == "include":
		r.remark(at, fmt.Sprintf("no file is %s: nothing was included; if one is on the other host, convert it there", showPath(pattern)), true)
	default:
		return refuse(at, "no file is %s", showPath(pattern))
	}
	return nil
}

// named are the files that a pattern names, seen from a folder. As in a shell, and unlike
// filepath.Glob, a name that begins with a dot is only meant where the pattern has that dot.
func named(dir, pattern string) ([]string, error) {
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(literal.Replace(dir), pattern)
	}
	paths, err := filepath.Glob(pattern)
	asked := strings.Split(filepath.Clean(pattern), "/")
	return slices.DeleteFunc(paths, func(path string) bool {
		for i, name := range strings.Split(path, "/") {
			if strings.HasPrefix(name, ".") && i < len(asked) && !strings.HasPrefix(strings.TrimPrefix(asked[i], `\`), ".") {
				return true
			}
		}
		return false
	}), err
}

// literal makes a pattern of a name that stands for that name alone.
var literal = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`)

// passesOver tells whether keepalived does not read a file that is included, and says so.
func (r *reader) passesOver(at Place, path string) bool {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return false // reading it says why
	case info.IsDir():
		r.remark(at, showPath(path)+" is a directory: like keepalived, Convert includes nothing from it", false)
	case info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0:
		r.remark(at, showPath(path)+" is executable: keepalived does not read such a file, so nothing of it is converted; if it belongs to the configuration, run chmod a-x on it and convert again", true)
	default:
		return false
	}
	return true
}

// braces expands {a,b} in a name of files, as csh does.
func braces(pattern string) (all []string, problem string) {
	all = []string{pattern}
	for i := 0; i < len(all); {
		before, rest, found := strings.Cut(all[i], "{")
		if !found {
			i++
			continue
		}
		var options []string
		depth, from, end := 0, 0, -1
		for k := range len(rest) {
			switch c := rest[k]; {
			case c == '{':
				depth++
			case c == '}' && depth > 0:
				depth--
			case (c == ',' || c == '}') && depth == 0 && end < 0:
				options = append(options, rest[from:k])
				from = k + 1
				if c == '}' {
					end = k
				}
			}
		}
		if end < 0 {
			return nil, "has a { that is not closed"
		}
		for k, o := range options {
			options[k] = before + o + rest[end+1:]
		}
		if all = slices.Replace(all, i, i+1, options...); len(all) > maxFiles {
			return nil, fmt.Sprintf("stands for more than %d names", maxFiles)
		}
	}
	return all, ""
}
