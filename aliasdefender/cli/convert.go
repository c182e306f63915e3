package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/convert"
	"alias-defender/aliasdefender/files"
)

// conversion is what the options of Convert say.
type conversion struct {
	convert.Options
	partners []string
	to       string
	force    bool
}

func (a *app) convertCmd() *cobra.Command {
	var o conversion
	c := &cobra.Command{
		Use:   "Convert [keepalived.conf]",
		Short: "Make this host's two files from its keepalived.conf",
		Long: `Read the configuration of keepalived, and make hostname.alias and aliasdefender.toml for
this host from it. Convert reads includes, conditional lines (@NAME) and $DEFINITIONS as
keepalived does. It prints both files or, with --to, writes them into a directory. It
changes nothing else and sends nothing, and needs no privilege but to read the files.
docs/from-keepalived.md describes how to move a running pair.

What has no counterpart becomes a comment in the files: REMARK, with the place in
keepalived.conf and what to do. The exit code is 0 if all was converted, 1 if there are
remarks, and 3 if nothing could be converted; then no file was written.

Run it on each of the two hosts, with that host's keepalived.conf, because Convert looks
at the subnets of its NICs, its programs and its key. Make the key first: without one,
groups and [peer] are comments. VRRP by multicast does not say who the partner is: name
the address that the partner always has with --partner, once for each family. Convert
cannot see the other host's priority: when both hosts are converted, Check --partner-file
finds two primaries, or none.

IPVS (virtual_server) is not converted.`,
		Example: `  aliasdefender Convert
  aliasdefender Convert --partner 172.16.1.5 --to /etc/converted
  aliasdefender Check --files --aliases /etc/converted/hostname.alias --settings /etc/converted/aliasdefender.toml`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("Convert takes one keepalived.conf, but got %d; try '%s --help'", len(args), c.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return []string{"conf"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(c *cobra.Command, args []string) error {
			if problem := config.LookAtKey(o.Key); c.Flags().Changed("key") && filepath.IsAbs(o.Key) && problem != "" {
				return &exit{exitConfig, fmt.Errorf("%s: %s", o.Key, problem)}
			}
			o.Path = convert.DefaultPath
			if len(args) == 1 {
				o.Path = args[0]
			}
			return a.convert(o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.to, "to", "", "write both files into this directory, which must exist")
	f.BoolVar(&o.force, "force", false, "overwrite files that are there: both, or neither")
	f.StringArrayVar(&o.partners, "partner", nil, "an address that the partner always has; wins over an address of unicast_peer that fits as well; may be given for each family and subnet")
	f.StringVar(&o.ConfigID, "config-id", "", "the name that lines with @ ask for, as keepalived's -i; the default is this host's name, up to the first dot")
	f.StringVar(&o.Key, "key", convert.DefaultKey, "the key of the channel")
	return c
}

// convert carries out a conversion.
func (a *app) convert(o conversion) error {
	for _, p := range o.partners {
		addr, err := netip.ParseAddr(p)
		if err != nil || addr.Zone() != "" || addr.Is4In6() {
			return usagef("--partner %q: is no address, such as 172.16.1.5 or 2001:db8::5", p)
		}
		o.Partners = append(o.Partners, addr)
	}
	if o.ConfigID == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("the name of this host cannot be found out: %w; give --config-id", err)
		}
		o.ConfigID, _, _ = strings.Cut(name, ".")
	}
	if !filepath.IsAbs(o.Key) {
		return usagef("--key %q: is no absolute path, such as %s", o.Key, convert.DefaultKey)
	}
	o.Hook, o.Host = convert.DefaultHook, thisHost
	made, err := convert.Convert(o.Options)
	if err != nil {
		return err
	}
	if o.to == "" {
		fmt.Fprintf(a.stdout, "==> hostname.alias <==\n%s\n==> aliasdefender.toml <==\n%s", made.Aliases, made.Settings)
	} else if err := a.writeConverted(o, made); err != nil {
		return err
	}
	if n := len(made.Remarks); n > 0 {
		remarks := "1 remark"
		if n > 1 {
			remarks = fmt.Sprintf("%d remarks", n)
		}
		return &exit{exitFailed, fmt.Errorf("%s: %s: see the lines with REMARK in the files, and settle them before you use these", o.Path, remarks)}
	}
	return nil
}

// thisHost is what a conversion has to know of this host.
var thisHost = convert.Host{
	Subnets: func(nic string) (all []netip.Prefix) {
		i, err := net.InterfaceByName(nic)
		if err != nil {
			return nil
		}
		addrs, err := i.Addrs()
		if err != nil {
			return nil
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				all = append(all, p.Masked())
			}
		}
		return all
	},
	Find: func(program string) string {
		for _, dir := range []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"} {
			path := filepath.Join(dir, program)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
				return path
			}
		}
		return ""
	},
	Program: config.LookAtCommand,
	Key: func(path string) (good bool, problem string) {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return false, ""
		}
		problem = config.LookAtKey(path)
		return problem == "", problem
	},
	User: func(name string) bool {
		_, err := user.Lookup(name)
		return err == nil
	},
}

// writeConverted writes both files, or none of them.
func (a *app) writeConverted(o conversion, made *convert.Files) error {
	aliases, settings := filepath.Join(o.to, "hostname.alias"), filepath.Join(o.to, "aliasdefender.toml")
	for _, path := range []string{aliases, settings} {
		switch info, err := os.Lstat(path); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return unwritable(path, err)
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s is no regular file, and was not changed; move it away, or name another directory", path)
		case !o.force:
			return fmt.Errorf("%s already exists, and was not changed; name another directory, or overwrite it with --force", path)
		}
	}
	if err := files.ReplaceTogether([]files.New{{Path: aliases, Text: made.Aliases, Perm: 0o644}, {Path: settings, Text: made.Settings, Perm: 0o644}}); err != nil {
		return unwritable(aliases, err)
	}
	rows := "1 alias"
	if made.Rows > 1 {
		rows = fmt.Sprintf("%d aliases", made.Rows)
	}
	fmt.Fprintf(a.stdout, "%s: %s\n%s: written\n", aliases, rows, settings)
	for _, r := range made.Remarks {
		fmt.Fprintf(a.stdout, "  %s\n", r)
	}
	fmt.Fprintf(a.stdout, "  next: aliasdefender Check --aliases %s --settings %s\n", aliases, settings)
	fmt.Fprintf(a.stdout, "  then, with the table of the other host: aliasdefender Check --partner-file PATH --aliases %s --settings %s\n", aliases, settings)
	return nil
}

// unwritable says why a file cannot be written, and what to do.
func unwritable(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s cannot be written: there is no directory %s; create that first", path, filepath.Dir(path))
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%s cannot be written: %s is no directory; name one", path, filepath.Dir(path))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s cannot be written: permission denied; run as root, or name another directory", path)
	}
	return fmt.Errorf("%s cannot be written: %w", path, err)
}
