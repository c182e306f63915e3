package convert

import (
	"strings"
	"time"
)

// tracks takes in a block of what is tracked, if it is one.
func (in *interpreter) tracks(all *[]track, n *node) bool {
	kind, is := map[string]trackKind{"track_script": trackScript, "track_process": trackProcess, "track_interface": trackLink}[n.words[0]]
	if !is {
		return false
	}
	for _, s := range n.block {
		t := track{at: s.at, kind: kind, name: s.words[0]}
		for i, w := range s.words[1:] {
			switch {
			case w == "weight":
				t.weighed = true
				if t.weight, is = whole(s.word(i+1), -254, 254); !is {
					in.wrong(s.at, "weight %s: is no number from -254 to 254, and counts as 0", show(s.word(i+1)))
				}
			case w == "reverse":
				t.reverse = true
			case t.weighed && i > 0 && s.words[i] == "weight", w == "noreverse", w == "no_reverse":
			default:
				in.wrong(s.at, "%s %s: %s is no word that is known here", n.words[0], show(t.name), show(w))
			}
		}
		*all = append(*all, t)
	}
	return true
}

// take takes in a notify keyword, if it is one that a hook can call.
func (n *notifies) take(s *node) bool {
	state, is := map[string]string{"notify": "", "notify_master": "master", "notify_backup": "backup", "notify_fault": "fault"}[s.words[0]]
	if !is {
		return false
	}
	if n.command == nil {
		n.command, n.places, n.users, n.at = map[string]string{}, map[string]Place{}, map[string]string{}, s.at
	}
	n.command[state], n.users[state] = programOf(s.rest, false)
	n.places[state] = s.at
	return true
}

// script takes in a vrrp_script.
func (in *interpreter) script(n *node) *script {
	s := &script{at: n.at, name: n.word(0), interval: time.Second, rise: 1, fall: 1}
	for _, k := range n.block {
		switch k.words[0] {
		case "script":
			s.command, _ = programOf(k.rest, true)
		case "interval":
			s.interval = in.seconds(k, time.Second, 0, time.Hour)
		case "timeout":
			s.timeout = in.seconds(k, 0, 0, time.Hour)
		case "rise":
			s.rise = in.number(k, 1, 1, 1<<30)
		case "fall":
			s.fall = in.number(k, 1, 1, 1<<30)
		case "weight":
			s.weight, s.reverse = in.number(k, 0, -253, 253), k.word(1) == "reverse"
		case "user":
			s.user = strings.Join(k.words[1:], " ")
			in.toUser(k, s.user)
		case "init_fail":
			in.say(k.at, note("a check is unknown until it has been answered, and nothing follows from unknown"), "vrrp_script %s: init_fail", show(s.name))
		default:
			in.wrong(k.at, "vrrp_script %s: %s: is no keyword that is known here", show(s.name), show(k.words[0]))
		}
	}
	return s
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
	for _, k := range n.block {
		switch k.words[0] {
		case "process":
			p.process = k.word(0)
			if len(k.words) > 2 {
				in.wrong(k.at, "vrrp_track_process %s: the parameters of %s are not looked at", show(p.name), show(p.process))
			}
		case "weight":
			p.weight, p.reverse = in.number(k, 1, -254, 254), k.word(1) == "reverse"
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
