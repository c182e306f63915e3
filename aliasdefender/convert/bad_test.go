package convert

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/config"
)

const instance1 = "vrrp_instance web {\n\tstate MASTER\n\tinterface eth0\n\tunicast_peer {\n\t\t172.16.1.5\n\t}\n\tvirtual_ipaddress {\n\t\t172.16.1.2/24\n\t}\n}\n"

// refusal converts a file that cannot be converted, and returns the error without the
// directory.
func refusal(t *testing.T, o Options) string {
	t.Helper()
	got, err := Convert(o)
	if err == nil || got != nil {
		t.Fatalf("it was converted: %v", got)
	}
	if !errors.As(err, new(config.Mistakes)) {
		t.Errorf("%T", err)
	}
	return strings.ReplaceAll(err.Error(), filepath.Dir(o.Path)+"/", "")
}

func TestWhatCannotBeReadIsRefusedWithItsPlace(t *testing.T) {
	many := strings.Repeat("x\n", maxLines)
	for _, c := range []struct{ name, conf, want string }{
		{"cut within a block", instance1[:40], "keepalived.conf:1: the block of vrrp_instance is not closed: a } is missing; is the file cut short?"},
		{"cut within an inner block", instance1[:70], "keepalived.conf:4: the block of unicast_peer is not closed: a } is missing; is the file cut short?"},
		{"a } too many", instance1 + "}\n", "keepalived.conf:11: this } closes no block: one } is too many, or a { is missing above"},
		{"a { for nothing", "{\n}\n", "keepalived.conf:1: this { follows no keyword"},
		{"a quote that is not closed", "vrrp_script x {\n\tscript \"a b\n}\n", `keepalived.conf:2: a " is not closed in this line`},
		{"binary", "\x7fELF\x02\x01\x01\x00\x00\n\x00", "keepalived.conf:1: has a NUL byte; is it the right file?"},
		{"NUL in a later line", "a\nb\n\x00", "keepalived.conf:3: has a NUL byte; is it the right file?"},
		{"a control character", "vrrp_instance \x01 {\n}\n", "keepalived.conf:1: has a control character; is it the right file?"},
		{"not UTF-8", "vrrp_instance \xff {\n}\n", "keepalived.conf:1: is not UTF-8; is it the right file?"},
		{"UTF-16", "\xff\xfev\x00", "keepalived.conf:1: is UTF-16; save it as UTF-8 or plain ASCII"},
		{"a long line", "\n" + strings.Repeat("a", 5000), "keepalived.conf:2: has 5000 bytes, more than 4096; is it the right file?"},
		{"includes itself", "\ninclude keepalived.conf\n", "keepalived.conf:2: keepalived.conf is being read already: it includes itself"},
		{"includes itself by a pattern", "include *.conf\n", "keepalived.conf:1: keepalived.conf is being read already: it includes itself"},
		{"an include that must be there", "includea missing*.conf\n", "keepalived.conf:1: no file is missing*.conf"},
		{"a bad pattern", "include [\n", "keepalived.conf:1: [ is not a pattern of file names"},
		{"a brace in an include", "include {a,b\n", "keepalived.conf:1: {a,b has a { that is not closed"},
		{"too many names in an include", "include " + strings.Repeat("{a,b}", 12) + "\n", "keepalived.conf:1: " + strings.Repeat("{a,b}", 12) + " stands for more than 256 names"},
		{"a definition of itself", "$A=x ${A}\n${A}\n", "keepalived.conf:2: definitions refer to each other more than 64 deep, or to themselves"},
		{"a definition that doubles", "$A=${A}${A}x\n${A}\n", "keepalived.conf:2: once $A is replaced the line has more than 4096 bytes"},
		{"two definitions of each other", "$A=${B}\n$B=${A}\n${A}\n", "keepalived.conf:3: definitions refer to each other more than 64 deep, or to themselves"},
		{"lines of itself", "$A=\\\n\tx \\\n\t$A\n$A\n", "keepalived.conf:4: definitions refer to each other more than 16 deep, or to themselves"},
		{"a sequence without end", "~SEQ(A, 1, -1, 5) x\n", "keepalived.conf:1: ~SEQ from 1 to 5 never ends with a step of -1"},
		{"a step of nothing", "~SEQ(A, 1, 0, 5) x\n", "keepalived.conf:1: ~SEQ from 1 to 5 never ends with a step of 0"},
		{"a sequence of everything", "~SEQ(A, 2000000000) x\n", "keepalived.conf:1: expanded, the configuration has more than 100000 lines here"},
		{"sequences of sequences", "~SEQ(A, 60000) ~SEQ(B, 60000) ~SEQ(C, 60000) x\n", "keepalived.conf:1: expanded, the configuration has more than 100000 lines here"},
		{"a sequence without numbers", "~SEQ(A, b) x\n", "keepalived.conf:1: b is not a number that ~SEQ can use"},
		{"a list", "~LST(A, 1, 2) x\n", "keepalived.conf:1: ~LST(A, 1, 2) x: only ~SEQ(NAME, FIRST, STEP, LAST) and ~SEQx are read here; write the lines that it stands for"},
		{"chance", "priority ${_RANDOM 1 100}\n", "keepalived.conf:1: ${_RANDOM} is another number each time; write the one that is meant"},
		{"the environment", "priority ${_ENV PRIORITY}\n", "keepalived.conf:1: ${_ENV} is of the environment that keepalived is started in; write the value that is meant"},
		{"too many lines", many + "x\n", fmt.Sprintf("keepalived.conf:%d: expanded, the configuration has more than 100000 lines here", maxLines+1)},
		{"deep blocks", strings.Repeat("a {\n", 20), "keepalived.conf:17: more than 16 blocks stand within each other"},
		{"nothing", "", "keepalived.conf: has no vrrp_instance, and so no address that moves: there is nothing to convert; Alias Defender does not do IPVS (virtual_server)"},
		{"no address", "vrrp_instance a {\ninterface eth0\n}\n", "keepalived.conf:1: no vrrp_instance has an address that could be an alias"},
		{"multicast", strings.ReplaceAll(instance1, "172.16.1.5", ""), "keepalived.conf:8: 172.16.1.2: the partner's address is not in the file, because the instance speaks VRRP by multicast; name the IPv4 address that the partner always has with --partner"},
		{"no interface", strings.ReplaceAll(instance1, "interface eth0", ""), "keepalived.conf:8: 172.16.1.2: the instance has no interface; write one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := refusal(t, options(t, c.conf)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestAFileThatIsNoneOfOursIsRefused(t *testing.T) {
	o := options(t, "")
	dir := filepath.Dir(o.Path)
	try := func(name, want string) {
		t.Helper()
		o.Path = filepath.Join(dir, name)
		if got := refusal(t, o); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	try("absent", "absent: does not exist; name the keepalived.conf to convert")
	if err := os.WriteFile(filepath.Join(dir, "large"), []byte(strings.Repeat(instance1, 10<<20/len(instance1))), 0o600); err != nil {
		t.Fatal(err)
	}
	try("large", "large: is larger than 1048576 bytes; is it the right file?")
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	try("folder", "folder: cannot be read: is a directory; name the file in it")
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	try("fifo", "fifo: is no regular file")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a", "include b\n")
	write("b", "\n\ninclude a\n")
	try("a", "b:3: a is being read already: it includes itself")
	write("of-fifo", "include fifo\n")
	try("of-fifo", "of-fifo:1: fifo is no regular file")
	for i := range 20 {
		write(fmt.Sprintf("chain%d", i), fmt.Sprintf("include chain%d\n", i+1))
	}
	write("chain20", "")
	try("chain0", "chain15:1: chain16: more than 16 files include each other")
	for i := range maxFiles {
		write(fmt.Sprintf("many.%d", i), "")
	}
	write("all", "include many.*\n")
	try("all", "all:1: more than 256 files are included")
	write("big.1", strings.Repeat("#\n", 500_000))
	for i := range 5 {
		write(fmt.Sprintf("big.%d", i), strings.Repeat("#\n", 500_000))
	}
	write("sum", "include big.*\n")
	try("sum", "sum:1: with big.4 the files have more than 4194304 bytes together")
}

// TestIncludesAreReadAsKeepalivedDoes: relative to the file that includes, by patterns and
// braces, in their order; one that may be missing is said.
func TestIncludesAreReadAsKeepalivedDoes(t *testing.T) {
	o := options(t, "include conf.d/{1,2}*.conf\ninclude none\n")
	dir := filepath.Join(filepath.Dir(o.Path), "conf.d")
	if err := os.MkdirAll(filepath.Join(dir, "peers"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"1-first.conf":   strings.ReplaceAll(instance1, "172.16.1.5", "include peers/p"),
		"2-second.conf":  strings.ReplaceAll(strings.ReplaceAll(instance1, "1.2/", "1.3/"), "web", "${_INSTANCE}"),
		"3-third.conf":   "nonsense",
		"peers/p":        "172.16.1.6 # here",
		"1-first.conf~":  "nonsense",
		"1-first.backup": "nonsense",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Convert(o)
	if err != nil {
		t.Fatal(err)
	}
	want := "eth0:1 | 172.16.1.2 | /24 | 172.16.1.6 | true\neth0:2 | 172.16.1.3 | /24 | 172.16.1.5 | true"
	if rows := strings.Join(bare(got.Aliases), "\n"); rows != want {
		t.Errorf("got\n%s\nwant\n%s", rows, want)
	}
	if !strings.Contains(string(got.Aliases), "conf.d/2-second.conf:1: vrrp_instance main\n") {
		t.Errorf("${_INSTANCE} is not the config-id:\n%s", got.Aliases)
	}
	if n := len(got.Remarks); n != 3 || !strings.HasSuffix(got.Remarks[n-1], "keepalived.conf:2: no file is none: nothing was included; if one is on the other host, convert it there") {
		t.Errorf("remarks: %q", got.Remarks)
	}
}

// TestAFileCutAnywhereIsConvertedToGoodFilesOrRefused: what comes out is always something
// that a Monitor takes; Convert itself reads it so.
func TestAFileCutAnywhereIsConvertedToGoodFilesOrRefused(t *testing.T) {
	for _, s := range shapes {
		o := options(t, "")
		random := rand.New(rand.NewPCG(1, uint64(len(s.conf))))
		for range 40 {
			if err := os.WriteFile(o.Path, []byte(s.conf[:random.IntN(len(s.conf))]), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Convert(o); err != nil && strings.Contains(err.Error(), "what comes of it has mistakes") {
				t.Errorf("%s: %v", s.name, err)
			}
		}
	}
}

// FuzzConvert: no text makes it hang, panic, or make files that a Monitor would not take.
func FuzzConvert(f *testing.F) {
	for _, s := range shapes {
		f.Add(s.conf)
	}
	f.Add("$A=\\\n~SEQ(B, 3) ${B}\n$A\n@main x\n@^main y {\n}\n")
	f.Add("vrrp_instance \"\" {\ninterface \"\"\nvirtual_ipaddress {\n::/0\n0.0.0.0\n}\nunicast_peer {\n::\n}\n}\n")
	f.Add("vrrp_script \"[x]\" {\nscript \"'\n\\\" {\n}\n")
	path := filepath.Join(f.TempDir(), "keepalived.conf")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "include") {
			return // it would read this machine's files
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"/key", "/no/key"} {
			got, err := Convert(Options{Path: path, ConfigID: "main", Key: key, Hook: "/hook", Host: testHost})
			if err != nil && strings.Contains(err.Error(), "what comes of it has mistakes") {
				t.Errorf("%v", err)
			}
			if (err == nil) == (got == nil) {
				t.Errorf("%v and %v", got, err)
			}
		}
	})
}
