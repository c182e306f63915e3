// Command aliasdefender keeps an alias IP alive on one of two hosts.
//
// The package turns a command line into one call and one exit code; each verb
// has its file. It decides nothing about aliases.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
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
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program: it returns the exit code. When ctx ends, a Monitor ends
// as on TERM.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{version: programVersion(), stdin: stdin, stdout: stdout, stderr: stderr}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	code, text := verdict(err)
	if text != "" {
		// A line each, with the program's name: in a boot log it stands
		// among the lines of others.
		for line := range strings.Lines(text) {
			fmt.Fprintf(stderr, "aliasdefender: %s\n", strings.TrimRight(line, "\n"))
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

	aliases       string
	settings      string
	settingsNamed bool // on the command line: then the file must be there
}

// load reads both files. Its error has every mistake.
func (a *app) load() (*config.Config, error) {
	return config.Load(a.aliases, a.settings, a.settingsNamed)
}

// loadWithKeys is load for who needs the keys of the peer channel too.
func (a *app) loadWithKeys() (*config.Config, error) {
	return config.LoadWithKeys(a.aliases, a.settings, a.settingsNamed)
}

// root is the command line without a verb.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "aliasdefender VERB",
		Short: "Keep an alias IP alive on one of two hosts",
		Args:  cobra.ArbitraryArgs, // so that an unknown verb comes to us
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("a verb is missing: %s; try 'aliasdefender --help'", verbs(c))
			}
			if like := c.SuggestionsFor(args[0]); len(like) > 0 {
				return usagef("%q is no verb; did you mean %s?", args[0], strings.Join(like, " or "))
			}
			return usagef("%q is no verb: %s; try 'aliasdefender --help'", args[0], verbs(c))
		},
		SilenceErrors:     true, // run says them, once and as one line
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SuggestionsMinimumDistance = 2
	root.SetVersionTemplate("aliasdefender {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%v; try '%s --help'", err, c.CommandPath())
	})
	flags := root.PersistentFlags()
	flags.StringVar(&a.aliases, "aliases", defaultAliases, "the table of aliases")
	flags.StringVar(&a.settings, "settings", defaultSettings, "the settings; the default file may be absent")
	flags.Bool("version", false, "print the version")
	root.PersistentPreRun = func(c *cobra.Command, _ []string) {
		a.settingsNamed = c.Flags().Changed("settings")
	}
	root.AddCommand(a.monitorCmd(), a.addAliasCmd(), a.removeAliasCmd(), a.handoverCmd(), a.maintenanceCmd(), a.statusCmd(), a.whyCmd(),
		a.checkCmd(), a.reloadCmd(), a.rehearseCmd(), a.genKeyCmd(), a.completionCmd())
	for _, c := range append(root.Commands(), root) {
		c.Version = a.version // so that every verb knows --version
	}
	return root
}

// The original spelled its verbs Monitor and AddAlias; nobody has to remember
// where the capitals are.
func init() { cobra.EnableCaseInsensitive = true }

// verbs lists what can be asked for.
func verbs(root *cobra.Command) string {
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return strings.Join(names, ", ")
}

// noArgs refuses arguments, and says so as one that was mistyped.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no argument, and there is %q; try '%s --help'", c.Name(), args[0], c.CommandPath())
	}
	return nil
}

// exit is an error that knows its exit code. Without an error in it nothing is
// left to be said.
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

// verdict is the exit code of an error and what is to be said about it.
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
	case errors.As(err, &refusal) && refusal.Kind == control.KindConfig:
		code = exitConfig
	}
	return code, err.Error()
}
