package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/logs"
)

// watchEvery is how often Status --watch asks the Monitor.
const watchEvery = time.Second

// watch is Status --watch: it shows the status again and again, until q, Ctrl-C or a signal.
// On a terminal it draws on a page of its own, which leaves what was there as it was.
func (a *app) watch(ctx context.Context, socket string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	show := a.plainly
	if out, is := logs.Raw(a.stdout).(*os.File); is && logs.IsTerminal(out) && drives(os.Getenv("TERM")) {
		p := &sheet{out: out, colour: os.Getenv("NO_COLOR") == ""}
		quit, close, err := p.open(a.stdin)
		if err != nil {
			return err
		}
		defer close()
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		go func() {
			select {
			case <-quit:
				cancel()
			case <-ctx.Done():
			}
		}()
		show = p.draw
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for first := true; ; first = false {
		text := a.look(ctx, socket)
		if ctx.Err() != nil {
			return nil
		}
		if err := show(text, first); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// drives tells whether a terminal of that kind knows the sequences that redraw it.
func drives(kind string) bool { return kind != "" && kind != "dumb" }

// look is the status as text, or why there is none: a Monitor that is restarted is seen again.
func (a *app) look(ctx context.Context, socket string) string {
	var text bytes.Buffer
	s, err := control.Dial(socket).Status(ctx, false)
	if err == nil {
		err = printStatus(logs.Escape(&text), s, a.version)
	}
	if err != nil {
		fmt.Fprintln(logs.Escape(&text), "problem:", err)
	}
	return text.String()
}

// plainly prints the status below the one before, for a file or a pipe.
func (a *app) plainly(text string, first bool) error {
	lead := "\n"
	if first {
		lead = ""
	}
	_, err := fmt.Fprintf(a.stdout, "%s--- %s\n%s", lead, time.Now().Format(time.DateTime), text)
	return err
}

// sheet is the page of a terminal on which the status is drawn.
type sheet struct {
	out    *os.File
	colour bool
}

// What drives a terminal.
const (
	otherPage = "\x1b[?1049h\x1b[?25l" // its other page, without a cursor
	firstPage = "\x1b[?25h\x1b[?1049l"
	home      = "\x1b[H"
	restLine  = "\x1b[K" // clears the rest of the line,
	restPage  = "\x1b[J" // and that of the page
	red       = "\x1b[31m"
	yellow    = "\x1b[33m"
	plain     = "\x1b[0m"
)

// keyHelp is the last line of the page.
const keyHelp = "q quits"

// open takes the terminal. quit is closed at q or Ctrl-C; close gives the terminal back as it
// was.
func (p *sheet) open(stdin io.Reader) (quit <-chan struct{}, close func(), err error) {
	restore := func() {}
	if in, is := stdin.(*os.File); is && term.IsTerminal(int(in.Fd())) {
		was, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return nil, nil, fmt.Errorf("the terminal cannot be driven: %w; try 'aliasdefender Status --watch | cat'", err)
		}
		restore = func() { _ = term.Restore(int(in.Fd()), was) }
		quit = quits(in)
	}
	if _, err := io.WriteString(p.out, otherPage); err != nil {
		restore()
		return nil, nil, err
	}
	return quit, func() {
		_, _ = io.WriteString(p.out, firstPage)
		restore()
	}, nil
}

// quits is closed once q or Ctrl-C was typed. What reads the keys is left waiting for one when
// the program ends for another reason.
func quits(in io.Reader) <-chan struct{} {
	quit := make(chan struct{})
	go func() {
		defer close(quit)
		for key := make([]byte, 64); ; {
			n, err := in.Read(key)
			if err != nil && !errors.Is(err, syscall.EINTR) || bytes.ContainsAny(key[:n], "qQ\x03") {
				return
			}
		}
	}()
	return quit
}

// draw puts a status over the one before, as much of it as there is room for.
func (p *sheet) draw(text string, _ bool) error {
	width, height, err := term.GetSize(int(p.out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		width, height = screen, 24
	}
	_, err = io.WriteString(p.out, p.drawn(text, width, height, time.Now()))
	return err
}

// drawn is what draws a status on a page of that size.
func (p *sheet) drawn(text string, width, height int, now time.Time) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if room := max(height-1, 1); len(lines) > room {
		more := len(lines) - room + 1
		lines = append(lines[:room-1], fmt.Sprintf("... and %d more lines", more))
	}
	var b strings.Builder
	b.WriteString(home)
	for _, line := range lines {
		b.WriteString(p.coloured(line, cut(line, width)) + restLine + "\r\n")
	}
	b.WriteString(cut(now.Format(time.TimeOnly)+"  "+keyHelp, width) + restLine + restPage)
	return b.String()
}

// cut is the part of a line for which there is room. A last line of full width would scroll
// some terminals.
func cut(line string, width int) string {
	if utf8.RuneCountInString(line) < width {
		return line
	}
	return string([]rune(line)[:max(width-1, 0)])
}

// coloured is a shown line in the colour of the word in it that says how bad it is: without
// the colour the word says the same.
func (p *sheet) coloured(line, shown string) string {
	if !p.colour {
		return shown
	}
	for _, c := range []struct{ word, colour string }{{"ALARM: ", red}, {"alarm: ", red}, {"error: ", red}, {"problem: ", red}, {"warning: ", yellow}} {
		if strings.Contains(line, c.word) {
			return c.colour + shown + plain
		}
	}
	return shown
}
