// Demo shows Alias Defender at work: two real Monitors in network namespaces
// on this machine, one of them crashed before your eyes, and the gap that a
// client saw.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"aliasdefender/lab"
	"aliasdefender/lab/pair"
)

func main() {
	program := flag.String("program", "build/aliasdefender", "the aliasdefender to show")
	flag.Parse()
	if err := lab.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := show(ctx, *program); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// show builds the stage and plays.
func show(ctx context.Context, program string) (err error) {
	path, err := filepath.Abs(program)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l, err := lab.New()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	p, err := pair.New(l, pair.Spec{Program: []string{path}, Dir: dir, PrimaryA: true, Settings: `interval = "1s"`})
	if err != nil {
		return err
	}
	return play(ctx, p)
}

// play crashes the holder, boots it again, and says what the client saw.
func play(ctx context.Context, p *pair.Pair) error {
	fmt.Printf(`Two hosts, a router and a client on one switch, in namespaces of this machine.
The client asks the alias %s each millisecond; the rhythm is one second.

`, pair.Alias)
	if err := p.Begin(15 * time.Second); err != nil {
		return err
	}
	tell("host a, the primary, has the alias and answers the client")
	if err := status(ctx, p, "a"); err != nil {
		return err
	}
	if err := pause(ctx, 2*time.Second); err != nil {
		return err
	}
	tell("host a crashes: power cut, nothing said to anybody")
	crash := time.Now()
	if err := p.A.Crash(); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := p.Asker.WaitAnswer(wait, "b"); err != nil {
		return err
	}
	tell("host b has taken it over")
	gap := p.Asker.Gap(crash).Length().Round(time.Millisecond)
	if err := status(ctx, p, "b"); err != nil {
		return err
	}
	tell("host a comes back and leaves the alias where it is")
	back := time.Now()
	if err := p.Boot(p.A); err != nil {
		return err
	}
	if err := pause(ctx, 4*time.Second); err != nil {
		return err
	}
	holders, err := p.Lab.Holders(pair.Alias)
	if err != nil {
		return err
	}
	fmt.Printf(`
  the crash   %6v without an answer for the client
  the return  %6v without an answer; held by %v
`, gap, p.Asker.Gap(back).Length().Round(time.Millisecond), holders)
	return nil
}

var began = time.Now()

func tell(s string) { fmt.Printf("%6.2fs  %s\n", time.Since(began).Seconds(), s) }

// status shows what the Monitor of a host says.
func status(ctx context.Context, p *pair.Pair, name string) error {
	out, errs, code := p.Run(ctx, p.Lab.Lookup(name), "Status")
	if code != 0 && out == "" {
		return fmt.Errorf("no status of host %s: %s", name, errs)
	}
	fmt.Printf("\n%s\n", out)
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
