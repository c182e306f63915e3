package cli

import (
	"fmt"
	"io"
	"strings"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
)

// groupOf is the line of Status about an alias's group.
func groupOf(g *control.Group) string {
	line := fmt.Sprintf("group %s, led by %s: all of it could be here: %s", g.Name, g.Leads, g.Here)
	if g.Here == "no" && g.Missing != "" {
		line += ", because of " + g.Missing
	}
	line += "; at the partner: " + g.Partner
	if g.Partner == "no" && g.PartnerMissing != "" {
		line += ", because of " + g.PartnerMissing
	}
	return line
}

// printConfigGroups says what the settings of groups mean.
func printConfigGroups(w io.Writer, cfg *config.Config) {
	for _, g := range cfg.Groups {
		others := make([]string, 0, len(g.Aliases))
		for _, a := range g.Aliases[1:] {
			others = append(others, a.String())
		}
		split := "each is where it can be"
		if g.WhenSplit == config.SplitRelease {
			split = "nobody has any"
		}
		fmt.Fprintf(w, "group %s: %s leads, with %s; together wherever one host could have all; where neither could: %s\n",
			g.Name, g.Aliases[0], strings.Join(others, ", "), split)
	}
}
