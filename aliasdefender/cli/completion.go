package cli

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/files"
)

func (a *app) completionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print the completion script of this program for a shell",
		Long: `Print the completion script of this program for a shell. It completes verbs,
options, and the aliases and routes in the files.`,
		Example: `  aliasdefender completion bash > /etc/bash_completion.d/aliasdefender
  aliasdefender completion zsh > /usr/local/share/zsh/site-functions/_aliasdefender
  aliasdefender completion fish > /etc/fish/completions/aliasdefender.fish`,
		// Packages and people use it once; in the list of verbs it would be in the
		// way.
		Hidden:            true,
		ValidArgs:         []string{"bash", "zsh", "fish"},
		ValidArgsFunction: cobra.FixedCompletions([]string{"bash", "zsh", "fish"}, cobra.ShellCompDirectiveNoFileComp),
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("completion takes the name of a shell: bash, zsh or fish; try '%s bash'", c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			switch root := c.Root(); args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			}
			return usagef("%q is not a supported shell; use bash, zsh or fish; try '%s bash'", args[0], c.CommandPath())
		},
	}
}

// completeAlias offers the aliases of the file. If the file has mistakes it offers
// none; Check reports them.
func (a *app) completeAlias(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	f, err := files.Open(a.aliases, os.O_RDONLY, 0, files.Want{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer f.Close()
	aliases, _ := config.ParseAliases(f, a.aliases)
	var words []string
	for _, al := range aliases {
		words = append(words, fmt.Sprintf("%s\t%s, partner %s", al.Addr, al.Label, al.Partner.Name))
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// completeWhy offers the routes of the settings too, if the files have no mistakes. Those of
// one prefix are one word.
func (a *app) completeWhy(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	words, what := a.completeAlias(c, args, begun)
	if len(args) > 0 {
		return words, what
	}
	cfg, err := config.Load(a.aliases, a.settings, true)
	if err != nil {
		return words, what
	}
	offered := map[netip.Prefix]bool{}
	for _, r := range cfg.Routes {
		if !offered[r.Prefix] {
			offered[r.Prefix] = true
			words = append(words, fmt.Sprintf("%s\troute, %s of %s", r.Prefix, r.Mode, hopNames(r)))
		}
	}
	return words, what
}

// hopNames are the next hops of a route, in its order.
func hopNames(r config.Route) string {
	all := make([]string, len(r.Via))
	for i, hop := range r.Via {
		all[i] = hop.String()
	}
	return strings.Join(all, ", ")
}
