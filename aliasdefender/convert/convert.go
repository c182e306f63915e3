package convert

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"alias-defender/aliasdefender/config"
)

// The places that the files name, unless Options says otherwise.
const (
	DefaultPath = "/etc/keepalived/keepalived.conf"
	DefaultKey  = "/etc/aliasdefender.key"
	DefaultHook = "/usr/local/lib/aliasdefender/keepalived-notify"
)

// maxAliases is how many rows are written: more do not fit into a file of ours.
const maxAliases = 5000

// Options say what is to be converted, and for whom.
type Options struct {
	Path     string       // of keepalived.conf
	ConfigID string       // what a line with @NAME asks for, as keepalived's --config-id
	Partners []netip.Addr // the partner's own addresses, where the file does not tell them
	Key      string       // the key of the channel
	Hook     string       // the program that calls notify scripts
	Host     Host
}

// Host is what has to be known of the host that the files are for.
type Host struct {
	Subnets func(nic string) []netip.Prefix               // of its own addresses there
	Find    func(program string) string                   // its absolute path; empty: there is none
	Program func(path string) string                      // why root could not safely run it; empty: it could
	Key     func(path string) (good bool, problem string) // of a key that is there, and not good, why
	User    func(name string) bool                        // there is such a user
}

// Files are both files, with remarks about them. The remarks stand in the files too,
// as comments.
type Files struct {
	Aliases  []byte // hostname.alias
	Settings []byte // aliasdefender.toml
	Rows     int
	Remarks  []string // "keepalived.conf:12: …": what somebody has to do, or to decide
}

// Convert reads a keepalived.conf and makes both files of it. The error is of type
// config.Mistakes: then nothing can be made of it.
func Convert(o Options) (*Files, error) {
	var said []comment
	tree, err := read(o.Path, o.ConfigID, func(at Place, text string, todo bool) {
		said = append(said, comment{at, text, todo})
	})
	if err != nil {
		return nil, err
	}
	c := &converter{interpreter: interpret(tree, said), options: o, host: o.Host}
	c.key, c.badKey = o.Host.Key(o.Key)
	if len(c.instances) == 0 {
		return nil, refuse(Place{File: o.Path}, "has no vrrp_instance, and so no address that moves: there is nothing to convert; Alias Defender does not do IPVS (virtual_server)")
	}
	if err := c.makeRows(); err != nil {
		return nil, err
	}
	c.makeChecks()
	c.makeGroups()
	c.channel()
	out := &Files{Rows: len(c.rows)}
	out.Settings = c.settings()
	out.Aliases = c.table()
	if err := c.verify(out); err != nil {
		return nil, err
	}
	out.Remarks = c.remarks()
	return out, nil
}

// converter is one conversion.
type converter struct {
	*interpreter
	options Options
	host    Host
	key     bool   // the channel can be used
	badKey  string // why not, if there is a key

	unprivileged bool // it is said that scripts had a user of their own

	rows   []*row
	checks []*check
	sets   []set
}

// remarks are all comments on which somebody has to act, by their places.
func (c *converter) remarks() (all []string) {
	var found []comment
	found = append(found, c.said...)
	for _, v := range c.instances {
		found = append(found, v.said...)
	}
	slices.SortStableFunc(found, byPlace)
	for _, f := range found {
		if f.todo {
			all = append(all, fmt.Sprintf("%s: %s", f.at, f.text))
		}
	}
	return all
}

// byPlace is the order of comments.
func byPlace(a, b comment) int {
	return cmp.Or(cmp.Compare(a.at.File, b.at.File), cmp.Compare(a.at.Line, b.at.Line))
}

// verify reads what was made as a Monitor would.
func (c *converter) verify(f *Files) error {
	for _, text := range [][]byte{f.Aliases, f.Settings} {
		if len(text) > config.MaxFile {
			return refuse(Place{File: c.options.Path}, "makes a file that is too large for Alias Defender, which reads %d bytes at most", config.MaxFile)
		}
	}
	aliases, err := config.ParseAliases(bytes.NewReader(f.Aliases), "hostname.alias")
	if err != nil {
		return unfit(c.options.Path, err)
	}
	settings, err := config.ParseSettings(bytes.NewReader(f.Settings), "aliasdefender.toml")
	if err != nil {
		return unfit(c.options.Path, err)
	}
	if _, err = config.Join(aliases, settings); err != nil {
		return unfit(c.options.Path, err)
	}
	return nil
}

// unfit is the error if what was made has mistakes.
func unfit(path string, err error) error {
	return refuse(Place{File: path}, "cannot be converted: the files made from it would have mistakes:\n%s", strings.TrimRight(err.Error(), "\n"))
}
