package rehearse

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"alias-defender/aliasdefender/lab"
)

// The exit codes of a verb that was carried out.
const (
	allDone     = 0
	someRefused = 1
)

// order gives an operator's order to a host's Monitor. If the Monitor refuses to do
// something, the verdict will tell.
func (s *stage) order(ctx context.Context, name, verb string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	argv := append(s.commandOf(name, verb), args...)
	out, errs, code := s.hosts[name].RunCommand(ctx, lab.Command{Argv: argv, Dir: s.dir})
	if code != allDone && code != someRefused {
		return fmt.Errorf("%s on %s: exit %d: %s", verb, name, code, strings.TrimSpace(out+errs))
	}
	return nil
}

// commandOf is the command line of a verb with a host's files.
func (s *stage) commandOf(name, verb string) []string {
	number := slices.IndexFunc(s.plan.Machines, func(m machine) bool { return m.Name == name })
	dir := s.dirOf(number)
	return []string{lab.Self(), verb,
		"--aliases", filepath.Join(dir, "hostname.alias"), "--settings", filepath.Join(dir, "aliasdefender.toml")}
}
