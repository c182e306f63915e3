package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"alias-defender/aliasdefender/control"
)

// needsShown is how many of the things that a row lacks are shown. JSON has all.
const needsShown = 3

// now is Why --now: it asks the running Monitor.
func (a *app) now(ctx context.Context, addr netip.Addr, asJSON bool) error {
	socket, err := a.socket()
	if err != nil {
		return err
	}
	alias := ""
	if addr.IsValid() {
		alias = addr.String()
	}
	all, err := control.Dial(socket).Now(ctx, alias)
	if err != nil {
		return err
	}
	if asJSON {
		out := json.NewEncoder(a.stdout)
		out.SetIndent("", "  ")
		return out.Encode(all)
	}
	printNow(a.stdout, all)
	return nil
}

// printNow prints by which row each alias is where it is, and one line for each row above it.
func printNow(w io.Writer, all []control.Now) {
	for i, n := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s on %s: row %s decides (%s: %s).\n", n.Alias, n.NIC, n.Row, n.Action, n.Why)
		fmt.Fprintf(w, "    %s\n", factLine(control.Entry{At: n.At, Facts: n.Facts}))
		if len(n.Above) > 0 {
			fmt.Fprintln(w, "Each row above it needs this; the first that had it would decide instead:")
		}
		for _, l := range n.Above {
			fold(w, fmt.Sprintf("%s (%s: %s) needs: %s", l.Row, l.Action, l.Reason, needsOf(l)))
		}
		var far []string
		for _, l := range n.Far {
			if !slices.Contains(far, l.Row) {
				far = append(far, l.Row)
			}
		}
		if len(far) > 0 {
			fold(w, "these above it need more than two things, or a key, a check or a group: "+strings.Join(far, ", "))
		}
	}
}

// needsOf is what a row lacks.
func needsOf(l control.Lack) string {
	if l.Together {
		return strings.Join(l.Needs, ", and ")
	}
	shown := l.Needs[:min(needsShown, len(l.Needs))]
	text := strings.Join(shown, ", or ")
	if more := len(l.Needs) - len(shown); more > 0 {
		text += fmt.Sprintf(", or %d more", more)
	}
	return text
}
