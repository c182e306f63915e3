package convert

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"alias-defender/aliasdefender/config"
)

// The keys that may stand at the top, for all aliases, or in the table of one.
var shared = []string{"interval", "failback", "failback_after", "checks"}

// values are what an instance's aliases have for the shared keys; a key that is not in it
// has its default.
func (v *instance) values() map[string]string {
	out := map[string]string{"interval": toml(config.Tidy(v.advert))}
	if lead := v.lead(); !lead.nopreempt {
		out["failback"] = "true"
		out["failback_after"] = toml(config.Tidy(lead.delay + 3*lead.advert))
	}
	if len(v.checks) > 0 {
		out["checks"] = list(v.checks)
	}
	return out
}

// lead is the instance that says how a group goes back: it goes as a whole.
func (v *instance) lead() *instance {
	if v.group != nil {
		return v.group.members[0]
	}
	return v
}

// settings writes aliasdefender.toml.
func (c *converter) settings() []byte {
	var tables strings.Builder
	own := c.common(&tables)
	c.peer(&tables)
	for _, s := range c.sets {
		text := fmt.Sprintf("[group.%s]\naliases = %s\n", s.name, list(s.members))
		tables.WriteString("\n" + c.unless(c.key, text))
	}
	for _, k := range c.checks {
		tables.WriteString("\n# " + k.of + "\n")
		tables.WriteString(c.unless(!k.off, fmt.Sprintf("[check.%s]\n%s\n", k.name, strings.Join(k.text, "\n"))))
	}
	for _, v := range c.instances {
		c.tablesOf(&tables, v, own)
	}

	var b strings.Builder
	fmt.Fprintf(&b, "# aliasdefender.toml, made of %s by 'aliasdefender Convert'.\n", showPath(c.options.Path))
	b.WriteString("# A REMARK says what did not go over as it is, and what to do; more of them are in\n# hostname.alias. 'aliasdefender Check' says what these files mean, and what on this host is\n# in the way.\n")
	if len(c.said) > 0 {
		b.WriteString("\n")
		comments(&b, c.said)
	}
	b.WriteString("\n" + tables.String())
	return []byte(b.String())
}

// common writes what is the same for all aliases, and returns the keys that are not.
func (c *converter) common(b *strings.Builder) (own []string) {
	for _, key := range shared {
		var all []string
		for _, v := range c.instances {
			goesBack := strings.HasPrefix(key, "failback")
			if len(v.rows) == 0 || goesBack && !v.primary && !v.unsure && c.anyPrimary() {
				continue // it means nothing there, and will not
			}
			if value := v.values()[key]; !slices.Contains(all, value) {
				all = append(all, value)
			}
		}
		switch {
		case len(all) > 1:
			own = append(own, key)
		case len(all) == 1 && all[0] != "":
			fmt.Fprintf(b, "%s = %s\n", key, all[0])
		}
	}
	return own
}

// anyPrimary tells whether this host is primary of any alias.
func (c *converter) anyPrimary() bool {
	return slices.ContainsFunc(c.rows, func(r *row) bool { return r.of.primary })
}

// peer writes the settings of the channel.
func (c *converter) peer(b *strings.Builder) {
	if !c.key {
		b.WriteString("\n# Without a key the two Monitors do not talk: docs/channel.md.\n")
		fmt.Fprintf(b, "# %s, and take the # away.\n", c.makeKey())
	}
	text := "[peer]\nkey_file = " + toml(c.options.Key) + "\n"
	if c.key {
		b.WriteString("\n")
	}
	b.WriteString(c.unless(c.key, text))
}

// tablesOf writes the tables of an instance's aliases.
func (c *converter) tablesOf(b *strings.Builder, v *instance, own []string) {
	values := v.values()
	for i, r := range v.rows {
		var lines, later []string
		for _, key := range own {
			switch value := values[key]; {
			case value == "":
			case v.primary || !strings.HasPrefix(key, "failback"):
				lines = append(lines, key+" = "+value)
			case v.unsure:
				later = append(later, "#"+key+" = "+value)
			}
		}
		if len(later) > 0 {
			lines = append(append(lines, "# Where Primary becomes true:"), later...)
		}
		if len(lines) > 0 {
			fmt.Fprintf(b, "\n[alias.%s]\n%s\n", toml(r.name), strings.Join(lines, "\n"))
		}
		if i == 0 {
			c.hooks(b, v, r)
		}
	}
}

// hooks writes the hooks of the first alias of an instance, which call its notify scripts
// and change its routes: they are called once, however many aliases it has.
func (c *converter) hooks(b *strings.Builder, v *instance, r *row) {
	words := c.told("INSTANCE", v.name, v.priority, v.notifies)
	if len(v.routes) > 0 {
		routes := []string{"INSTANCE", v.name, fmt.Sprint(v.priority)}
		for _, route := range v.routes {
			routes = append(routes, "route="+route.words)
		}
		words = append(routes, words[min(3, len(words)):]...)
	}
	if g := v.group; g != nil && c.leads(v) {
		words = append(words, c.told("GROUP", g.name, 0, g.notifies)...)
	}
	if len(words) == 0 {
		return
	}
	at := v.notifies.at
	if len(v.routes) > 0 {
		at = v.routes[0].at
	}
	problem := c.host.Program(c.options.Hook)
	switch {
	case len(words) >= mostWords:
		problem = fmt.Sprintf("would have %d arguments, more than the %d that a hook may have", len(words), mostWords)
	case problem != "":
		problem = strings.TrimSuffix(problem, "; name a program that does") + "; copy keepalived-notify of the example from-keepalived there, with mode 755"
	}
	argv := list(append([]string{c.options.Hook}, words...))
	// reasserted: keepalived that is stopped after the Monitor has begun takes its routes away
	// and tells its scripts STOP, and the Monitor puts the alias back.
	text := fmt.Sprintf("[alias.%s.hooks]\ntake = %s\nreasserted = %s\nrelease = %s\ntimeout = %s\n", toml(r.name), argv, argv, argv, toml(config.Tidy(hookTimeout)))
	if problem != "" {
		c.once(at, "vrrp_instance %s: its hooks stand there as a comment: %s %s; then take the # away", show(v.name), c.options.Hook, problem)
	}
	c.once(at, "vrrp_instance %s: its notify scripts are called, and its routes changed, by hooks, which run in the sandbox of the unit: put the drop-in hooks.conf beside the unit on both hosts if they need more than the network (docs/hooks.md); keepalived lets a script run for as long as it takes, and here it is ended after %s: timeout", show(v.name), config.Tidy(hookTimeout))
	fmt.Fprintf(b, "\n# What vrrp_instance %s calls, by its first alias.\n", show(v.name))
	b.WriteString(c.unless(problem == "", text))
}

// hookTimeout is how long notify scripts and routes of one event may take.
const hookTimeout = time.Minute

// mostWords is how many arguments a hook may have, its own name included.
const mostWords = 64

// leads tells whether an instance is the first of its group that has aliases.
func (c *converter) leads(v *instance) bool {
	for _, m := range v.group.members {
		if len(m.rows) > 0 {
			return m == v
		}
	}
	return false
}

// told are the arguments of the hook for one instance or group.
func (c *converter) told(kind, name string, priority int, n notifies) []string {
	if !n.any() {
		return nil
	}
	var words []string
	for _, state := range []string{"master", "backup", "fault", ""} {
		command, given := n.command[state]
		if !given {
			continue
		}
		switch user := n.users[state]; {
		case user == "":
			c.defaultUser(n.places[state])
		case user != "root":
			c.once(n.places[state], "%s: %s as user %s: hooks run as root; begin the command with /usr/sbin/runuser -u USER --", show(name), strings.TrimSuffix("notify_"+state, "_"), show(user))
		}
		argv, problem := c.resolve(command)
		switch {
		case command == "":
			c.once(n.places[state], "%s: a notify script without a program", show(name))
		case problem != "":
			c.once(n.places[state], "%s: %s, so it is not called; once that is fixed convert again, or add %q to the hooks", show(name), problem, cmpOr(state, "notify")+"="+quoted(argv))
		default:
			words = append(words, cmpOr(state, "notify")+"="+quoted(argv))
		}
	}
	if len(words) == 0 {
		return nil
	}
	return append([]string{kind, name, fmt.Sprint(priority)}, words...)
}

// defaultUser says, once, that a script without a user of its own runs as keepalived's.
func (c *converter) defaultUser(at Place) {
	if c.global.user == "" && !c.unprivileged && c.host.User(scriptUser) {
		c.unprivileged = true
		c.once(at, "scripts without a user of their own run as %s under keepalived, because there is such a user and no script_user; here they run as root: begin a command with /usr/sbin/runuser -u %[1]s --, if it should not", scriptUser)
	}
}

// scriptUser is who keepalived runs scripts as, if there is such a user.
const scriptUser = "keepalived_script"

// unless is a text as it is or, where it cannot be used, as comments from which somebody
// has only to take the # away.
func (c *converter) unless(good bool, text string) string {
	if good {
		return text
	}
	var b strings.Builder
	for l := range strings.Lines(text) {
		b.WriteString("#" + l)
	}
	return b.String()
}

// toml writes a text as TOML.
func toml(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// list writes texts as a list of TOML.
func list(all []string) string {
	words := make([]string, len(all))
	for i, s := range all {
		words[i] = toml(s)
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// makeKey says how there will be a key that can be used.
func (c *converter) makeKey() string {
	path := showPath(c.options.Key)
	if c.badKey != "" {
		return path + " " + c.badKey + ": fix that"
	}
	return "'aliasdefender GenKey " + path + "', copy it to the partner"
}

// channel says what lacks without a key, and of a password of VRRP that there is one.
func (c *converter) channel() {
	for _, v := range c.instances {
		for i, s := range v.said {
			switch {
			case s.text != authText:
			case c.key:
				v.said[i].text, v.said[i].todo = authText+" the key "+showPath(c.options.Key), false
			default:
				v.said[i].text = authText + " a key: " + c.makeKey() + " (docs/channel.md)"
			}
		}
	}
	if len(c.checks) > 0 && !c.key {
		c.once(c.instances[0].at, "without a key an alias stays with a holder whose checks fail; %s, and take the # away before [peer] in aliasdefender.toml (docs/checks.md)", c.makeKey())
	}
	for _, v := range c.instances {
		var kinds []netip.Addr // one of each
		for _, p := range v.peers {
			if slices.ContainsFunc(kinds, func(k netip.Addr) bool { return k.Is4() == p.Is4() && isLocal(k) == isLocal(p) }) {
				v.do(v.peersAt, "unicast_peer has %d hosts, and an alias has two hosts at most: the first counts, or the one in the alias's subnet; --partner names another", len(v.peers))
				break
			}
			kinds = append(kinds, p)
		}
	}
}
