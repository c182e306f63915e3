package cli

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"alias-defender/aliasdefender/config"
)

// readFiles loads a table and settings as the program does, with a program wherever the settings
// name one of the administrator's.
func readFiles(t *testing.T, table, settings string) error {
	t.Helper()
	dir := t.TempDir()
	for _, m := range regexp.MustCompile(`/usr/local/lib/aliasdefender/([\w-]+)`).FindAllStringSubmatch(settings, -1) {
		if err := os.WriteFile(filepath.Join(dir, m[1]), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		settings = strings.ReplaceAll(settings, `"`+m[0]+`"`, `"`+filepath.Join(dir, m[1])+`"`)
	}
	aliases, toml := filepath.Join(dir, "hostname.alias"), filepath.Join(dir, "aliasdefender.toml")
	place(t, aliases, table)
	place(t, toml, settings)
	_, err := config.Load(aliases, toml, true)
	return err
}

// around adds to an excerpt of settings what it takes for granted: a row for each alias that
// it names, and a key where only hosts with a key have what it sets.
func around(settings string) (table, whole string) {
	whole = settings
	keyed := regexp.MustCompile(`(?m)^\[(group\.|peer\.paths\])`).MatchString(settings)
	if keyed && !regexp.MustCompile(`(?m)^key_file = "`).MatchString(settings) {
		if strings.Contains(settings, "\n[peer]\n") {
			whole = strings.Replace(whole, "key_file = []", `key_file = "/etc/aliasdefender.key"`, 1)
		} else {
			whole += "\n[peer]\nkey_file = \"/etc/aliasdefender.key\"\n"
		}
	}
	var aliases []netip.Addr
	name := func(text string) {
		for _, m := range regexp.MustCompile(`"([0-9a-f.:]+)"`).FindAllStringSubmatch(text, -1) {
			if a, err := netip.ParseAddr(m[1]); err == nil && !slices.Contains(aliases, a) {
				aliases = append(aliases, a)
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^(?:\[alias\.("[^"]+")|aliases = (\[[^\]]*\]))`).FindAllStringSubmatch(settings, -1) {
		name(m[1] + m[2])
	}
	if len(aliases) == 0 {
		aliases = []netip.Addr{netip.MustParseAddr("172.16.1.2")}
	}
	partner := regexp.MustCompile(`(?m)^"([0-9a-f.:]+)" = \[`).FindStringSubmatch(settings)
	for i, a := range aliases {
		other := a.AsSlice()
		other[len(other)-1] = 77
		p, _ := netip.AddrFromSlice(other)
		if partner != nil && i == 0 {
			p = netip.MustParseAddr(partner[1])
			a = p.Next()
		}
		table += fmt.Sprintf("eth%d:1 | %s | /24 | %s | true\n", i, a, p)
	}
	return table, whole
}

// TestEveryFileInTheBookIsRead: tables of aliases and settings, as the program reads them.
func TestEveryFileInTheBookIsRead(t *testing.T) {
	tables, settings := 0, 0
	for _, b := range blocks(t) {
		where := fmt.Sprintf("%s:%d", b.page, b.line)
		text := strings.Join(b.lines, "\n") + "\n"
		switch b.language {
		case "alias":
			tables++
			files := []string{text}
			if strings.Contains(text, "# on host") { // a row for each host: none has both
				files = b.lines
			}
			for _, f := range files {
				if strings.HasPrefix(f, "# Nic") && len(files) > 1 {
					continue
				}
				if err := readFiles(t, f+"\n", ""); err != nil {
					t.Errorf("%s: %v", where, err)
				}
			}
		case "toml":
			settings++
			table, whole := around(text)
			if err := readFiles(t, table, whole); err != nil {
				t.Errorf("%s: %v\nread as:\n%s%s", where, err, table, whole)
			}
		}
	}
	if tables < 4 || settings < 15 {
		t.Errorf("only %d tables and %d settings are found", tables, settings)
	}
}

// TestEverySettingInTheBookIsOne: text too writes settings as the file has them.
func TestEverySettingInTheBookIsOne(t *testing.T) {
	known := map[string]bool{}
	text := page(t, "docs/man/aliasdefender.toml.5") + page(t, "etc/aliasdefender.toml")
	for _, m := range regexp.MustCompile(`(?m)(?:^\.It Ic |\b)(\w+) = `).FindAllStringSubmatch(text, -1) {
		known[m[1]] = true
	}
	setting := regexp.MustCompile(`^(?:\[[^\]]+\] ([a-z_]+)(?: = .*)?|([a-z_]+) = .*)$`)
	looked := 0
	for _, name := range book(t) {
		_, prose := parts(name, page(t, name))
		for _, code := range spans(prose) {
			if m := setting.FindStringSubmatch(code); m != nil {
				looked++
				if !known[m[1]+m[2]] {
					t.Errorf("%s: `%s` is no setting", name, code)
				}
			}
		}
	}
	if looked < 80 {
		t.Errorf("only %d settings are found", looked)
	}
}

// TestEveryLineOfGoInTheBookIsTheRules: the design shows what a row and a fact cost.
func TestEveryLineOfGoInTheBookIsTheRules(t *testing.T) {
	squeezed := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	program := squeezed(sources(t, "aliasdefender/rules/*.go"))
	for _, b := range blocks(t) {
		if b.language != "go" {
			continue
		}
		for _, line := range b.lines {
			if !strings.Contains(program, squeezed(line)) {
				t.Errorf("%s:%d: rules has no such line: %s", b.page, b.line, line)
			}
		}
	}
}
