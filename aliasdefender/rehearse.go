package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/lab"
)

const rehearseVerb = "Rehearse"

func (a *app) rehearseCmd() *cobra.Command {
	var o rehearseOptions
	c := &cobra.Command{
		Use:   rehearseVerb,
		Short: "Replay your files in namespaces on this machine, with real faults",
		Long: `Replay your own files in network namespaces on this machine: the hosts, the
router and a client that asks each alias each millisecond, with real Monitors.
Then the holder crashes and returns, its cable is pulled, it is cut off silently,
stopped, the router is lost, the network is divided and healed. A table tells
how long the client waited, who served it before and after, for how long two
hosts had the alias, and whether that is what Alias Defender promises. The exit
code is 1 where a verdict is bad.

Where the settings have a key, the rehearsed daemons talk to each other with one
that is made for the rehearsal, never with yours; then the aliases are handed over
and back, a host goes into maintenance, and a daemon is killed and not restarted,
whose alias the partner takes when its lease ends: that takes as long as the
lease. Without a key these are not played: they need the channel.

No root is needed. Nothing of the real network is touched: names of partners are
looked up and this host's addresses are read, no more. Hooks and checks are not
run; socket, state and log are the rehearsal's own. Without files the sample
of the article is played at a rhythm of one second. It needs Linux.`,
		Example: `  aliasdefender Rehearse
  aliasdefender Rehearse --interval 1s --only crash,partition
  aliasdefender Rehearse --only handover,maintenance,kill
  aliasdefender Rehearse --aliases new.alias --settings new.toml --json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.named = c.Flags().Changed("aliases") || c.Flags().Changed("settings")
			return a.rehearse(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.json, "json", false, "print all that was measured, as JSON")
	c.Flags().StringSliceVar(&o.only, "only", nil, "scenarios: "+strings.Join(scenarioKeys(), ", "))
	c.Flags().DurationVar(&o.interval, "interval", 0, "another rhythm than that of the settings, from 10ms to 1h")
	return c
}

// rehearseOptions is the command line of Rehearse, and who plays.
type rehearseOptions struct {
	json     bool
	only     []string
	interval time.Duration
	named    bool // files are, on the command line

	program []string // what the hosts run, up to the verb; nil: this program
	env     []string
}

// rehearse is one run of Rehearse. Without root it runs twice: up to Enter on
// the real host, which is looked at, and then as another process inside a
// namespace of its own, which cannot see it any more.
func (a *app) rehearse(ctx context.Context, o rehearseOptions) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("%s needs Linux: it plays in network namespaces", rehearseVerb)
	}
	if os.Getenv(seenEnv) != "" {
		// Inside, or the lab's warden: the rest is not for it.
		if err := lab.Enter(); err != nil {
			return refusedLab(err)
		}
	}
	all, err := chosen(o.only)
	if err != nil {
		return err
	}
	if o.interval != 0 && (o.interval < minRehearsed || o.interval > maxRehearsed) {
		return usagef("--interval: %s is out of range: from %s to %s", o.interval, config.Tidy(minRehearsed), config.Tidy(maxRehearsed))
	}
	cfg, seen, files, err := a.toRehearse(ctx, o.named)
	if err != nil {
		return err
	}
	if err := lab.Enter(); err != nil {
		return refusedLab(err)
	}
	if o.interval != 0 {
		cfg = retime(cfg, o.interval)
	}
	p, err := makePlan(cfg, seen)
	if err != nil {
		return err
	}
	d := daemonsOf(cfg.Settings)
	if all, err = playable(all, d, len(o.only) > 0); err != nil {
		return err
	}
	p.Notes = append(p.Notes, d.notes(cfg.Settings, len(o.only) > 0)...)
	return a.rehearsePlan(ctx, o, p, d, all, files)
}

// rehearsePlan plays what is planned, between what it says before and after.
func (a *app) rehearsePlan(ctx context.Context, o rehearseOptions, p *plan, d daemons, all []scenario, files string) error {
	// A reader that goes away must not leave files behind, nor a Ctrl-C.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()

	words := a.stdout
	if o.json {
		words = a.stderr
	}
	printIntroduction(words, files, p, o.interval != 0, p.duration(all, d))
	progress := newProgress(a.stderr, p.duration(all, d))
	report, err := (&rehearsal{plan: p, daemons: d, scenarios: all, program: o.program, env: o.env, progress: progress}).run(ctx)
	progress.end()
	if ctx.Err() != nil {
		return errors.New("interrupted; nothing of the rehearsal is left")
	}
	if err != nil {
		return refusedLab(err)
	}
	if o.json {
		err = report.printJSON(a.stdout)
	} else {
		err = report.print(a.stdout)
	}
	if err == nil && !report.Good {
		return &exit{code: exitFailed}
	}
	return err
}

// toRehearse reads the files and what of this host goes with them, or takes
// the sample where there are none.
func (a *app) toRehearse(ctx context.Context, named bool) (cfg *config.Config, seen surroundings, files string, err error) {
	if _, err := os.Stat(a.aliases); !named && errors.Is(err, fs.ErrNotExist) {
		cfg, seen, err = sample()
		return cfg, seen, fmt.Sprintf("the sample of the article (there is no %s)", a.aliases), err
	}
	if cfg, err = a.load(); err != nil {
		return nil, seen, "", err
	}
	files = a.aliases
	if _, err := os.Stat(a.settings); err == nil {
		files += " and " + a.settings
	}
	seen, err = lookAround(ctx, cfg)
	return cfg, seen, files, err
}

// refusedLab adds to a refusal what else can be done.
func refusedLab(err error) error {
	if errors.Is(err, lab.ErrRefused) {
		return fmt.Errorf("%w; change that, or run it with sudo", err)
	}
	return err
}

// progress says where a rehearsal is: in one line that is written anew, on a
// terminal, or else in a line for each step.
type progress struct {
	w        io.Writer
	terminal bool
	began    time.Time
	expected time.Duration

	mu    sync.Mutex
	step  string
	ended chan struct{}
	done  sync.WaitGroup
}

func newProgress(w io.Writer, expected time.Duration) *progress {
	p := &progress{w: w, terminal: isTerminal(w), began: time.Now(), expected: expected, ended: make(chan struct{})}
	if p.terminal {
		p.done.Go(p.tick)
	}
	return p
}

// say begins a step.
func (p *progress) say(step string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.step = step
	p.write()
}

func (p *progress) write() {
	elapsed := time.Since(p.began).Round(time.Second)
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s of about %s: %s", elapsed, about(p.expected), p.step)
		return
	}
	fmt.Fprintf(p.w, "%s: %s\n", elapsed, p.step)
}

// tick keeps the seconds going.
func (p *progress) tick() {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			p.mu.Lock()
			p.write()
			p.mu.Unlock()
		case <-p.ended:
			fmt.Fprint(p.w, "\r\x1b[K")
			return
		}
	}
}

func (p *progress) end() {
	close(p.ended)
	p.done.Wait()
}
