// Package cli is the command line of Alias Defender. It turns what was typed into
// one call and one exit code, and the answer into what a terminal shows; each verb
// has its file.
//
// It decides nothing about aliases. Package daemon runs a Monitor, package rehearse
// a rehearsal; the other verbs ask the running Monitor over its socket.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/daemon"
	"alias-defender/aliasdefender/logs"
)

// The files, where the command line names no others.
const (
	defaultAliases  = "/etc/hostname.alias"
	defaultSettings = "/etc/aliasdefender.toml"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitConfig = 3
	exitActed  = 4 // the Monitor has taken an alias, and exit_after ended it
)

// Options are what the command line does not say. Version and the streams must be
// set.
type Options struct {
	Version string // "": use the commit that the program was built from
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer

	// Aliases is the default path of the table of aliases; empty:
	// /etc/hostname.alias.
	Aliases string

	// Open opens the network that a Monitor works on, or a verb that works without
	// one; nil: this host's.
	Open func() (daemon.System, error)
}

// Run is the program: it carries out a command line, without the program's name, and
// returns the exit code. When ctx ends, a Monitor ends as on TERM.
func Run(ctx context.Context, args []string, o Options) int {
	stdout := logs.Escape(o.Stdout)
	o.Stdout = stdout
	a := newApp(o)
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(ctx)
	code, text := verdict(err)
	// Whoever reads half of a file must not take it for all.
	if lost := stdout.Lost(); lost != nil && !errors.Is(err, lost) {
		code = cmp.Or(code, exitFailed)
		text = strings.TrimPrefix(fmt.Sprintf("%s\nstandard output: %v; what was printed is not whole", text, lost), "\n")
	}
	if text != "" {
		// One line for each, with the program's name: in a boot log they stand among
		// the lines of other programs.
		for line := range strings.Lines(text) {
			logs.Prefixed(a.stderr, logrus.ErrorLevel, "aliasdefender: "+line)
		}
	}
	return code
}

// app is what the verbs share: the streams and the common flags.
type app struct {
	version string
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer

	open func() (daemon.System, error) // opens the network; reading it needs no privilege

	aliases       string
	settings      string
	settingsNamed bool // named on the command line, so the file must be there
}

func newApp(o Options) *app {
	// Names of NICs, the partner's words and texts of errors come from outside. All
	// output of the verbs goes through one place that makes it printable.
	a := &app{version: o.Version, stdin: o.Stdin, stdout: logs.Escape(o.Stdout), stderr: logs.Escape(o.Stderr), open: o.Open, aliases: o.Aliases}
	if a.version == "" {
		a.version = builtFrom()
	}
	if a.open == nil {
		a.open = daemon.OpenHost
	}
	if a.aliases == "" {
		a.aliases = defaultAliases
	}
	return a
}

// load reads both files. Its error has every mistake.
func (a *app) load() (*config.Config, error) {
	return config.Load(a.aliases, a.settings, a.settingsNamed)
}

// loadWithKeys is load for callers that need the keys of the peer channel too.
func (a *app) loadWithKeys() (*config.Config, error) {
	return config.LoadWithKeys(a.aliases, a.settings, a.settingsNamed)
}

// root is the command line without a verb.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "aliasdefender VERB",
		Short: "Keep an alias IP alive on one of two hosts",
		Args:  cobra.ArbitraryArgs, // so that we get unknown verbs
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("no verb given; choose one of %s; try 'aliasdefender --help'", verbs(c))
			}
			if like := c.SuggestionsFor(args[0]); len(like) > 0 {
				return usagef("%q is not a verb; did you mean %s?", args[0], strings.Join(like, " or "))
			}
			return usagef("%q is not a verb: %s; try 'aliasdefender --help'", args[0], verbs(c))
		},
		SilenceErrors:     true, // run prints errors, once and on one line
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SuggestionsMinimumDistance = 2
	root.SetVersionTemplate("aliasdefender {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%v; try '%s --help'", err, c.CommandPath())
	})
	flags := root.PersistentFlags()
	flags.StringVar(&a.aliases, "aliases", a.aliases, "the table of aliases")
	flags.StringVar(&a.settings, "settings", defaultSettings, "the settings; the default file need not exist")
	flags.Bool("version", false, "print the version")
	root.PersistentPreRun = func(c *cobra.Command, _ []string) {
		a.settingsNamed = c.Flags().Changed("settings")
	}
	root.AddCommand(a.monitorCmd(), a.addAliasCmd(), a.removeAliasCmd(), a.handoverCmd(), a.maintenanceCmd(), a.statusCmd(), a.whyCmd(),
		a.checkCmd(), a.convertCmd(), a.drillCmd(), a.reloadCmd(), a.rehearseCmd(), a.genKeyCmd(), a.completionCmd())
	for _, c := range append(root.Commands(), root) {
		c.Version = a.version // so that every verb knows --version
	}
	return root
}

// The original spelled its verbs Monitor and AddAlias; users need not remember where
// the capitals are.
func init() { cobra.EnableCaseInsensitive = true }

// verbs lists the verbs.
func verbs(root *cobra.Command) string {
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return strings.Join(names, ", ")
}

// noArgs refuses arguments, with a usage error.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments, but got %q; try '%s --help'", c.Name(), args[0], c.CommandPath())
	}
	return nil
}

// exit is an error with its exit code. If it wraps no error there is nothing to
// print.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &exit{exitUsage, fmt.Errorf(format, args...)}
}

// verdict returns the exit code for an error, and what to print about it.
func verdict(err error) (code int, text string) {
	if err == nil {
		return exitDone, ""
	}
	code = exitFailed
	var (
		e        *exit
		mistakes config.Mistakes
		refusal  *control.Refusal
	)
	switch {
	case errors.As(err, &e):
		code = e.code
	case errors.As(err, &mistakes):
		code = exitConfig
	case errors.Is(err, daemon.ErrActed):
		code = exitActed
	case errors.As(err, &refusal) && refusal.Kind == control.KindConfig:
		code = exitConfig
	}
	return code, err.Error()
}
