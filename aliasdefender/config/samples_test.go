package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const etc = "../../etc"

// uncomment takes the # away where a row or a setting follows at once: what
// the samples show as an example, in contrast to "# words".
func uncomment(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^#([^ \n])`).ReplaceAllString(string(text), "$1")
}

func TestTheShippedTableIsSafeUntilEdited(t *testing.T) {
	path := filepath.Join(etc, "hostname.alias")
	_, err := Load(path, filepath.Join(etc, "aliasdefender.toml"), true)
	if err == nil || !strings.HasPrefix(err.Error(), path+": no alias yet: ") || len(err.(Mistakes)) != 1 {
		t.Errorf("as shipped: %v", err)
	}
	got, err := ParseAliases(strings.NewReader(uncomment(t, path)), path)
	if err != nil {
		t.Fatal(err)
	}
	want := row(got[0].Line, "eth0:1", "172.16.1.2", 24, "172.16.1.5", true)
	if diff := cmp.Diff([]Alias{want}, got, compareNetip); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTheShippedSettingsShowEveryKeyWithItsDefault(t *testing.T) {
	path := filepath.Join(etc, "aliasdefender.toml")
	shown := uncomment(t, path)
	if diff := cmp.Diff(defaults(), joined(t, shown), compareNetip); diff != "" {
		t.Errorf("-default +shown:\n%s", diff)
	}

	values, mistakes := parseTOML(input{file: path, text: []byte(shown)})
	if mistakes != nil {
		t.Fatal(mistakes)
	}
	said := map[string]bool{}
	for _, v := range values {
		said[v.field()] = true
	}
	for table, keys := range tables {
		if table == "alias" || table == "check" || table == "group" || table == recoverTable {
			continue // the same keys as at the top; an example, see below
		}
		for name := range keys {
			if field := strings.TrimPrefix(table+"."+name, "."); !said[field] {
				t.Errorf("%s does not show %s", path, field)
			}
		}
	}
}

func TestTheExampleOfAnAliasTableIsGood(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(etc, "aliasdefender.toml"))
	if err != nil {
		t.Fatal(err)
	}
	_, example, found := strings.Cut(string(text), "# [alias.\"172.16.1.2\"]")
	if !found {
		t.Fatal("there is none")
	}
	cfg := joined(t, strings.ReplaceAll("# [alias.\"172.16.1.2\"]"+example, "# ", ""))
	if a := cfg.Aliases[0]; !a.Failback || a.Interval.String() != "1s" {
		t.Errorf("got %+v", a)
	}
}

func TestTheExampleOfARecoveryShowsEveryKeyOfIt(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(etc, "aliasdefender.toml"))
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "\n# [alias.\"172.16.1.2\".recover]")
	example, _, found := strings.Cut("# [alias.\"172.16.1.2\".recover]"+example, "\n\n")
	if !found {
		t.Fatal("there is none")
	}
	cfg := joined(t, regexp.MustCompile("(?m)^# ?").ReplaceAllString(example, ""))
	want := Recover{Check: "web-there", Restart: Program{"/usr/local/lib/aliasdefender/restart"}, Settle: DefaultRecoverSettle, Budget: DefaultRecoverBudget}
	got := cfg.Aliases[0].Recover
	if got.Process, got.Fence = nil, nil; cmp.Diff(want, got) != "" {
		t.Errorf("-want +got:\n%s", cmp.Diff(want, got))
	}
	for name := range tables[recoverTable] {
		if !strings.Contains(example, "# "+name+" = ") {
			t.Errorf("%s is not shown", name)
		}
	}
}

func TestTheExamplesOfChecksShowEveryKeyOfThem(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(etc, "aliasdefender.toml"))
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "\n# [check.web]")
	example, _, found := strings.Cut("# [check.web]"+example, "\n\n")
	if !found {
		t.Fatal("there is none")
	}
	cfg := joined(t, regexp.MustCompile("(?m)^# ?").ReplaceAllString(example, ""))
	kinds := map[CheckKind]bool{}
	for _, k := range cfg.Checks {
		kinds[k.Kind] = true
	}
	if len(kinds) != 5 {
		t.Errorf("shown: %v", kinds)
	}
	web := cfg.Checks[0]
	web.Line, web.HTTP.CAFile, web.HTTP.URL = 0, "", ""
	if diff := cmp.Diff(joined(t, "[check.web]\nhttp = \"http://127.0.0.1\"\n").Checks[0].HTTP.Status, web.HTTP.Status); diff != "" || web.Interval != DefaultCheckInterval || web.Fall != DefaultFall || web.Rise != DefaultRise || web.Timeout != DefaultCheckTimeout {
		t.Errorf("not the defaults: %+v\n%s", web, diff)
	}
	for name := range tables["check"] {
		if !strings.Contains(example, "# "+name+" = ") {
			t.Errorf("%s is not shown", name)
		}
	}
}

func TestTheExamplesOfRoutesShowEveryKeyWithItsDefault(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(etc, "aliasdefender.toml"))
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "\n# [[route]]")
	example, _, found := strings.Cut("# [[route]]"+example, "\n\n")
	if !found {
		t.Fatal("there is none")
	}
	cfg, err := readRoutes(regexp.MustCompile("(?m)^# ?").ReplaceAllString(example, ""))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := readRoutes("[[route]]\nprefix = \"192.0.2.32/27\"\nvia = [\"10.1.0.2\", \"10.1.0.3\"]\n")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plain.Routes[0], cfg.Routes[0], compareNetip); diff != "" {
		t.Errorf("-default +shown:\n%s", diff)
	}
	for name := range routeKeys {
		if !strings.Contains(example, "# "+name+" = ") {
			t.Errorf("%s is not shown", name)
		}
	}
}

func TestTheExampleOfAGroupShowsEveryKey(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(etc, "aliasdefender.toml"))
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "\n# [group.")
	example, _, found := strings.Cut("# [group."+example, "\n\n")
	if !found {
		t.Fatal("there is none")
	}
	f, err := ParseSettings(strings.NewReader(strings.ReplaceAll(example, "# ", "")), "aliasdefender.toml")
	if err != nil {
		t.Fatal(err)
	}
	if all := f.grouped(); len(all) != 1 || len(all[0].Aliases) != 2 || all[0].WhenSplit != SplitServe {
		t.Errorf("got %+v", all)
	}
	for name := range tables["group"] {
		if !strings.Contains(example, "# "+name+" = ") {
			t.Errorf("%s is not shown", name)
		}
	}
}
