package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/lab"
)

func main() {
	if err := lab.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options is the command line.
type options struct {
	only, rates         string
	runs                int
	seed                uint64
	program, keepalived string
	out, raw            string
	noise               time.Duration
}

func parseOptions(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.only, "only", "", "stories to play, by commas: crash, cable, cut, stop, partition, kill, loss, cpu, take (default all)")
	f.StringVar(&o.rates, "rates", "", "rhythms, by commas: 1s, 100ms, 10ms, and for cpu default, which is 20s of Alias Defender (default all)")
	f.IntVar(&o.runs, "runs", 5, "runs of each program at each rhythm; 0 measures nothing and writes the documents anew")
	f.Uint64Var(&o.seed, "seed", 1, "chooses the moments, within an interval, at which faults strike")
	f.StringVar(&o.program, "program", "", "the aliasdefender to measure (default: this tree's is built)")
	f.StringVar(&o.keepalived, "keepalived", findKeepalived(), "the keepalived to measure")
	f.StringVar(&o.out, "out", "docs", "directory for benchmarks.md and its drawings")
	f.StringVar(&o.raw, "raw", filepath.Join("build", "bench.json"), "file of all single runs; what is not measured now stays in it")
	f.DurationVar(&o.noise, "noise", 20*time.Millisecond, "a run in which the control client has no answer for so long is repeated")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		err = fmt.Errorf("%q is no flag: bench takes flags only, see bench -h", f.Arg(0))
	case o.runs < 0:
		err = fmt.Errorf("-runs %d: 0 or more are wanted", o.runs)
	case o.noise <= 0:
		err = fmt.Errorf("-noise %v: more than 0 is wanted", o.noise)
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
	}
	return o, err
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	if err := o.bench(ctx, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

// bench measures what the user asked for, and writes all that is known.
func (o options) bench(ctx context.Context, stdout, stderr io.Writer) error {
	parts, err := choose(o.only, o.rates)
	if err != nil {
		return err
	}
	raw, err := load(o.raw)
	if err != nil {
		return err
	}
	if o.runs > 0 {
		if err := o.measure(ctx, parts, raw, stderr); err != nil {
			return err
		}
	}
	files, err := documents(raw)
	if err != nil {
		return err
	}
	for _, f := range files {
		name := filepath.Join(o.out, f.name)
		if err := writeFile(name, f.content); err != nil {
			return err
		}
		fmt.Fprintln(stdout, "wrote", name)
	}
	return nil
}

// measure plays the parts, and files each when all its runs are done.
func (o options) measure(ctx context.Context, parts []part, raw *Raw, stderr io.Writer) error {
	dir, err := os.MkdirTemp("", "adbench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.program, err = program(ctx, o.program, dir); err != nil {
		return err
	}
	session, err := newSession(ctx, o)
	if err != nil {
		return err
	}
	m := &meter{
		options: o, session: session, stderr: stderr,
		programs: map[string]contender{keepalived: peer{o.keepalived}, ours: defender{o.program}},
	}
	left := estimate(parts, o.runs)
	fmt.Fprintf(stderr, "bench: about %s for %d comparisons of %d runs each, to be ready at %s\n",
		minutes(left), len(parts), o.runs, time.Now().Add(left).Format("15:04"))
	for i, p := range parts {
		g, err := m.group(ctx, p)
		if err != nil {
			return fmt.Errorf("%w (what was completed before is in %s)", err, o.raw)
		}
		raw.merge(session, g)
		if err := raw.save(o.raw); err != nil {
			return err
		}
		left -= p.takes() * time.Duration(o.runs)
		if i+1 < len(parts) {
			fmt.Fprintf(stderr, "bench: %d of %d comparisons done, about %s left\n", i+1, len(parts), minutes(left))
		}
	}
	return nil
}

// minutes is a duration as an estimate has it.
func minutes(d time.Duration) string {
	if d < time.Minute {
		return "a minute"
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

// meter plays the runs of a session.
type meter struct {
	options
	session  Session
	programs map[string]contender
	stderr   io.Writer
}

// group plays a part: K, A, K, A, ...
func (m *meter) group(ctx context.Context, p part) (Group, error) {
	g := Group{Story: p.story.Key, Rate: p.rate.Name, Aliases: p.aliases, Session: m.session.At}
	for n := 1; n <= m.runs; n++ {
		for _, e := range p.story.Entries {
			r, err := m.run(ctx, p, e, n)
			if err != nil {
				return g, err
			}
			g.Runs = append(g.Runs, r)
			fmt.Fprintln(m.stderr, line(g, r))
		}
	}
	return g, nil
}

// How often a run is tried before it is given up. What the machine does to a run
// passes, but what the program does will most likely happen again.
const (
	attempts = 6
	failures = 2
)

// run plays one run until it counts. The error is that of ctx.
func (m *meter) run(ctx context.Context, p part, e entry, number int) (Run, error) {
	r := Run{Program: e.Program, Variant: e.Variant, Number: number}
	for failed := 0; ; {
		r.At = time.Now().Round(time.Second)
		found, err := once(ctx, p, e, m.programs[e.Program], m.phase(p, number, len(r.Repeats)), m.noise)
		if ctx.Err() != nil {
			return r, fmt.Errorf("%s at %s: %w", p.story.Key, p.rate.Name, context.Cause(ctx))
		}
		r.Values, r.Open, r.Had = found.values, found.open, found.had // also of a run that is given up: its values count for nothing, but may tell why
		if err == nil {
			return r, nil
		}
		if !errors.Is(err, errDisturbed) {
			failed++
		}
		if failed == failures || len(r.Repeats) == attempts-1 {
			r.Failed = err.Error()
			return r, nil
		}
		r.Repeats = append(r.Repeats, err.Error())
		fmt.Fprintf(m.stderr, "%s: repeated: %v\n", title(p.story.Key, p.rate.Name, p.aliases, r), err)
	}
}

// phase is when within an interval the fault strikes: the same for both programs, and
// different for each run and attempt.
func (m *meter) phase(p part, number, attempt int) time.Duration {
	at := rand.New(rand.NewPCG(m.seed, uint64(number)<<32|uint64(attempt)))
	return time.Duration(at.Float64() * float64(p.rate.Interval))
}
