package convert

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// tracks takes in a block of what is tracked, if it is one.
func (in *interpreter) tracks(all *[]track, n *node) bool {
	kind, is := map[string]trackKind{"track_script": trackScript, "track_process": trackProcess, "track_interface": trackLink}[n.words[0]]
	if !is {
		return false
	}
	in.unread(n, n.words[0], 0, true)
	for _, s := range n.block {
		in.unread(s, n.words[0]+" "+show(s.words[0]), len(s.words), false)
		t := track{at: s.at, kind: kind, name: s.words[0]}
		for i, w := range s.words[1:] {
			switch {
			case w == "weight":
				t.weighed = true
				if t.weight, is = whole(s.word(i+1), -254, 254); !is {
					in.wrong(s.at, "weight %s: is not a number from -254 to 254, and counts as 0", show(s.word(i+1)))
				}
			case w == "reverse":
				t.reverse = true
			case t.weighed && i > 0 && s.words[i] == "weight", w == "noreverse", w == "no_reverse":
			default:
				in.wrong(s.at, "%s %s: %s is not a word that Convert knows", n.words[0], show(t.name), show(w))
			}
		}
		*all = append(*all, t)
	}
	return true
}

// notify takes in a notify keyword, if it is one that a hook can call. of says whose it is.
func (in *interpreter) notify(n *notifies, s *node, of string) bool {
	state, is := map[string]string{"notify": "", "notify_master": "master", "notify_backup": "backup", "notify_fault": "fault"}[s.words[0]]
	if !is {
		return false
	}
	if n.command == nil {
		n.command, n.places, n.users, n.at = map[string]string{}, map[string]Place{}, map[string]string{}, s.at
	}
	what := of + s.words[0]
	in.unread(s, what, len(s.words), false)
	if before, twice := n.places[state]; twice {
		in.wrong(s.at, firstCounts, what, before)
		return true
	}
	command, user := programOf(s.rest)
	n.command[state], n.users[state], n.places[state] = command, strings.Join(user, " "), s.at
	return true
}

// script takes in a vrrp_script.
func (in *interpreter) script(n *node) *script {
	s := &script{at: n.at, name: n.word(0), interval: time.Second, rise: 1, fall: 1}
	in.unread(n, "vrrp_script", 1, true)
	stands := standing{}
	for _, k := range n.block {
		what := fmt.Sprintf("vrrp_script %s: %s", show(s.name), show(k.words[0]))
		if most, once := wordsOfScript[k.words[0]]; once {
			in.again(stands, k, what, false)
			in.unread(k, what, most, false)
		}
		switch k.words[0] {
		case "script":
			s.command = in.scriptOf(k, what)
		case "interval":
			s.interval = cmp.Or(in.seconds(k, time.Second, 0, time.Hour), time.Second)
		case "timeout":
			s.timeout = cmp.Or(in.seconds(k, time.Second, 0, time.Hour), time.Second)
		case "rise":
			s.rise = in.number(k, 1, 1, 1<<30)
		case "fall":
			s.fall = in.number(k, 1, 1, 1<<30)
		case "weight":
			s.weight, s.reverse = in.number(k, 0, -253, 253), in.reverse(k, what)
		case "user":
			s.user = strings.Join(k.words[1:], " ")
			in.toUser(k, s.user)
		case "init_fail":
			in.say(k.at, note("a check is unknown until it has been answered, and nothing follows from unknown"), "vrrp_script %s: init_fail", show(s.name))
		default:
			in.wrong(k.at, "vrrp_script %s: %s: is not a keyword that Convert knows", show(s.name), show(k.words[0]))
		}
	}
	return s
}

// The keywords of a vrrp_script and of a vrrp_track_process that stand once, and how many words
// behind them are read.
var (
	wordsOfScript  = map[string]int{"script": maxLine, "interval": 1, "timeout": 1, "rise": 1, "fall": 1, "weight": 2, "user": 2}
	wordsOfProcess = map[string]int{"process": maxLine, "weight": 2, "quorum": 1}
)

// reverse tells whether a weight counts the other way round.
func (in *interpreter) reverse(n *node, what string) bool {
	if w := n.word(1); w != "" && w != "reverse" {
		in.wrong(n.at, "%s: %s is not read, and keepalived does not know it either; remove it, or fix the line", what, show(w))
	}
	return n.word(1) == "reverse"
}

// scriptOf is the command of a script. keepalived runs one word, and somebody who has written
// more than that without quotes has meant all of it.
func (in *interpreter) scriptOf(n *node, what string) string {
	command, others := programOf(n.rest)
	if len(others) == 0 {
		return command
	}
	in.wrong(n.at, "%s: keepalived runs %s without the words after it, because the command as a whole is not in quotes; here all of it is run: remove what is not meant", what, show(command))
	for _, w := range others {
		if strings.ContainsAny(w, " \t\"'\\") {
			w = quoted([]string{w})
		}
		command += " " + w
	}
	return command
}

// toUser says that a program that had a user of its own runs as root.
func (in *interpreter) toUser(n *node, user string) {
	if user != "" && user != "root" {
		in.wrong(n.at, "%s as user %s: the Monitor runs programs as root; begin the command with /usr/sbin/runuser -u USER --, and open the unit with the drop-in hooks.conf (docs/hooks.md)", show(n.words[0]), show(user))
	}
}

// process takes in a vrrp_track_process.
func (in *interpreter) process(n *node) *process {
	p := &process{at: n.at, name: n.word(0), weight: 1}
	in.unread(n, "vrrp_track_process", 1, true)
	stands := standing{}
	for _, k := range n.block {
		what := fmt.Sprintf("vrrp_track_process %s: %s", show(p.name), show(k.words[0]))
		if most, once := wordsOfProcess[k.words[0]]; once {
			in.unread(k, what, most, false)
			if in.again(stands, k, what, k.words[0] != "quorum") {
				continue
			}
		}
		switch k.words[0] {
		case "process":
			p.process = k.word(0)
			if len(k.words) > 2 {
				in.wrong(k.at, "vrrp_track_process %s: the parameters of %s are not looked at", show(p.name), show(p.process))
			}
		case "weight":
			p.weight, p.reverse = in.number(k, 1, -254, 254), in.reverse(k, what)
		case "quorum":
			if k.word(0) != "1" {
				in.wrong(k.at, "vrrp_track_process %s: quorum %s: one process is enough for a check", show(p.name), show(k.word(0)))
			}
		case "delay", "fork_delay", "terminate_delay":
			in.say(k.at, note("fall = 2 passes over a process that is gone for a moment"), "vrrp_track_process %s: %s", show(p.name), k.words[0])
		case "full_command":
			in.say(k.at, note("a process is found by its name, or by the file that it was started from"), "vrrp_track_process %s: full_command", show(p.name))
		default:
			in.wrong(k.at, "vrrp_track_process %s: %s has no counterpart; write a check of kind command (docs/checks.md)", show(p.name), show(k.words[0]))
		}
	}
	return p
}
