package look

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/files"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/inspect"
)

// system reads what other programs do with this host's network. Whatever is not there says
// nothing.
type system struct {
	root string // "/", but in tests
}

const (
	mostFile = 1 << 20 // bytes of a file of another program
	mostPIDs = 1 << 16

	commandWithin = 2 * time.Second
)

func (y system) text(name string) string {
	text, err := files.Read(filepath.Join(y.root, name), files.Want{Most: mostFile})
	if err != nil {
		return ""
	}
	return string(text)
}

// proc is a file of /proc, which files.Read does not take for a regular one with a size.
func (y system) proc(name string) string {
	text, _ := os.ReadFile(filepath.Join(y.root, "proc", name))
	return string(text)
}

// programs are those that run here and may touch addresses.
func (y system) programs() (all []inspect.Program) {
	names := append([]string{inspect.MonitorName, inspect.Networkd, inspect.NetworkManager, inspect.Keepalived}, inspect.DHCPClients...)
	dir, err := os.Open(filepath.Join(y.root, "proc"))
	if err != nil {
		return nil
	}
	defer dir.Close()
	entries, _ := dir.Readdirnames(mostPIDs)
	ours, _ := os.Readlink(filepath.Join(y.root, "proc/self/ns/net"))
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry)
		name := ""
		if err == nil && pid != os.Getpid() {
			name = strings.TrimSuffix(y.proc(entry+"/comm"), "\n")
		}
		if !slices.Contains(names, name) {
			continue
		}
		p := inspect.Program{PID: pid, UID: startedBy(y.proc(entry + "/status")), Name: name, Args: strings.Split(strings.TrimSuffix(y.proc(entry+"/cmdline"), "\x00"), "\x00")}
		theirs, err := os.Readlink(filepath.Join(y.root, "proc", entry, "ns/net"))
		if p.Hidden = err != nil || ours == ""; !p.Hidden && theirs != ours {
			continue
		}
		if name == inspect.MonitorName && !slices.ContainsFunc(p.Args, func(w string) bool { return strings.EqualFold(w, "Monitor") }) {
			continue // another verb
		}
		y.readFile(&p)
		all = append(all, p)
	}
	return all
}

// startedBy is the real user of a process, by its /proc/PID/status; -1: that is not known.
// The owner of its files there is another: root has those of a process that may not be
// dumped.
func startedBy(status string) int {
	for line := range strings.Lines(status) {
		if all, is := strings.CutPrefix(line, "Uid:"); is {
			if ids := strings.Fields(all); len(ids) > 0 {
				if uid, err := strconv.Atoi(ids[0]); err == nil {
					return uid
				}
			}
		}
	}
	return -1
}

// users are those that a Monitor may run as here: ours, and that of its unit.
func users(u *inspect.Unit) []int {
	all := []int{os.Geteuid()}
	if u == nil {
		return all
	}
	name := u.Last("User")
	if uid, err := strconv.Atoi(name); err == nil {
		all = append(all, uid)
	} else if found, err := user.Lookup(name); err == nil {
		if uid, err := strconv.Atoi(found.Uid); err == nil {
			all = append(all, uid)
		}
	}
	return all
}

// readFile reads which addresses the program's file has.
func (y system) readFile(p *inspect.Program) {
	flags, byDefault := []string{"--aliases"}, inspect.DefaultAliases
	switch {
	case p.Hidden:
		return
	case p.Name == inspect.Keepalived:
		flags, byDefault = []string{"-f", "--use-file"}, "/etc/keepalived/keepalived.conf"
	case p.Name != inspect.MonitorName:
		return
	}
	p.File = inspect.Option(p.Args, byDefault, flags...)
	at := filepath.Join(y.root, "proc", strconv.Itoa(p.PID))
	if path.IsAbs(p.File) { // as that process sees it
		at = filepath.Join(at, "root", p.File)
	} else {
		at = filepath.Join(at, "cwd", p.File)
	}
	text, err := files.Read(at, files.Want{Most: mostFile})
	if err != nil {
		p.Unread = err.Error()
		return
	}
	if p.Name == inspect.Keepalived {
		if p.Addrs = addressesIn(string(text)); leadsOn(string(text)) {
			p.Unread = "it has include, @ or $, which Check does not follow"
		}
		return
	}
	rows, err := config.ParseAliases(bytes.NewReader(text), p.File)
	if err != nil {
		p.Unread = err.Error()
	}
	for _, a := range rows {
		p.Addrs = append(p.Addrs, a.Addr.WithZone(""))
	}
}

// leadsOn tells whether a keepalived.conf may have more addresses than stand in it.
func leadsOn(text string) bool {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "include") || strings.HasPrefix(line, "@") || strings.Contains(line, "$") {
			return true
		}
	}
	return false
}

// addressesIn are the addresses that stand in a keepalived.conf, its comments left out.
func addressesIn(text string) (all []netip.Addr) {
	for line := range strings.Lines(text) {
		if at := strings.IndexAny(line, "#!"); at >= 0 {
			line = line[:at]
		}
		for _, word := range strings.Fields(line) {
			addr, _, _ := strings.Cut(word, "/")
			if ip, err := netip.ParseAddr(addr); err == nil {
				all = append(all, ip.Unmap().WithZone(""))
			}
		}
	}
	return all
}

// links is what programs make of each NIC. VRFs are told by a command.
func (y system) links(nics []host.NIC) map[string]inspect.Link {
	all := map[string]inspect.Link{}
	for _, n := range nics {
		var l inspect.Link
		state := values(y.text("run/systemd/netif/links/" + strconv.Itoa(n.Index)))
		if file := state["NETWORK_FILE"]; file != "" && state["ADMIN_STATE"] != "unmanaged" {
			l.NetworkFile = file
			texts := []string{y.text(file)}
			for _, dir := range []string{"usr/lib", "lib", "usr/local/lib", "run", "etc"} {
				dropins, _ := filepath.Glob(filepath.Join(y.root, dir, "systemd/network", path.Base(file)+".d", "*.conf"))
				for _, name := range dropins {
					texts = append(texts, y.text(strings.TrimPrefix(name, filepath.Clean(y.root))))
				}
			}
			network := section(strings.Join(texts, "\n"), "[Network]")
			l.Keep, l.DHCP = strings.ToLower(network["KeepConfiguration"]), strings.ToLower(network["DHCP"])
		}
		managed := section(y.text("run/NetworkManager/devices/"+strconv.Itoa(n.Index)), "[device]")["managed"]
		l.NetworkManager = managed == "true" || managed == "1"
		all[n.Name] = l
	}
	return all
}

// section are the settings of one section of an ini file; the last of a name counts.
func section(text, name string) map[string]string {
	var lines []string
	in := false
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "[") {
			in = line == name
		} else if in {
			lines = append(lines, line)
		}
	}
	return values(strings.Join(lines, "\n"))
}

// values are lines of the form NAME=value.
func values(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, is := strings.Cut(strings.TrimSpace(line), "="); is && !strings.HasPrefix(name, "#") && !strings.HasPrefix(name, ";") {
			all[strings.TrimSpace(name)] = strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return all
}

// ip is what iproute2 says in JSON; nil: it is not there, or says nothing.
func ip(ctx context.Context, args ...string) []byte {
	ctx, cancel := context.WithTimeout(ctx, commandWithin)
	defer cancel()
	c := exec.CommandContext(ctx, "ip", append([]string{"-json"}, args...)...)
	c.WaitDelay = commandWithin / 2
	out, err := c.Output()
	if err != nil || len(out) > mostFile {
		return nil
	}
	return out
}

// vrfs are the NICs that are in a VRF, and which, as 'ip -details link' tells.
func vrfs(text []byte) map[string]string {
	var links []struct {
		Name   string `json:"ifname"`
		Master string `json:"master"`
		Info   struct {
			Slave string `json:"info_slave_kind"`
		} `json:"linkinfo"`
	}
	all := map[string]string{}
	if json.Unmarshal(text, &links) != nil {
		return all
	}
	for _, l := range links {
		if l.Info.Slave == "vrf" {
			all[l.Name] = l.Master
		}
	}
	return all
}

// sourceRules are the rules that choose a table by the source alone, as 'ip rule' tells, in
// their order.
func sourceRules(text []byte) (all []inspect.SourceRule) {
	var rules []struct {
		Source string `json:"src"`
		Bits   *int   `json:"srclen"`
		Table  string `json:"table"`
		NIC    string `json:"iif"`
		Mark   string `json:"fwmark"`
		To     string `json:"dst"`
	}
	if json.Unmarshal(text, &rules) != nil {
		return nil
	}
	for _, r := range rules {
		addr, err := netip.ParseAddr(r.Source)
		if err != nil || r.NIC != "" || r.Mark != "" || r.To != "" || slices.Contains([]string{"", "local", "main", "default"}, r.Table) {
			continue
		}
		bits := addr.BitLen()
		if r.Bits != nil {
			bits = *r.Bits
		}
		if p := netip.PrefixFrom(addr, bits); p.IsValid() {
			all = append(all, inspect.SourceRule{Source: p, Table: r.Table})
		}
	}
	return all
}

// read puts into the Subject what other programs do here.
func (y system) read(ctx context.Context, s *inspect.Subject) {
	s.Live.Programs, s.Live.Users = y.programs(), users(s.Unit)
	if s.Host == nil {
		return
	}
	s.Live.Links = y.links(s.Host.NICs)
	for nic, vrf := range vrfs(ip(ctx, "-details", "link", "show")) {
		l := s.Live.Links[nic]
		l.VRF = vrf
		s.Live.Links[nic] = l
	}
	s.Live.Sources = append(sourceRules(ip(ctx, "-4", "rule", "show")), sourceRules(ip(ctx, "-6", "rule", "show"))...)
}
