package packages

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/e2e/stage"
)

// fakeGo stands in for Go, nfpm and cyclonedx-gomod, which take minutes. A program that it
// builds has in it what would make another program of the same files; a package the modes and
// sums of what it would be made of.
const fakeGo = `#!/bin/sh
set -e
after() { while [ "$1" != "$opt" ]; do shift; done; echo "$2"; }
case "$1 $2" in
"env GOROOT") echo "$FAKE/goroot" ;;
env*) eval "echo \"\${$2-}\"" ;;
list*) [ -z "${FAKE_NO_LIST-}" ]; echo "example.org/module v1.0.0 $FAKE/goroot" ;;
build*)
	opt=-o
	file=$(after "$@")
	echo "#!/bin/sh" >"$file"
	for a; do [ "$a" = "$file" ] || echo "# $a" >>"$file"; done
	echo "# ${GOFLAGS-} ${GOAMD64-} ${GOARM64-} ${GOEXPERIMENT-} ${GOFIPS140-} ${GOWORK-} ${FAKE_PATH:+$(pwd)}" >>"$file"
	echo "echo completion" >>"$file"
	chmod 755 "$file"
	;;
"run -trimpath") opt=-output; echo modules >"$(after "$@")" ;;
run*)
	opt=--config; yaml=$(after "$@")
	opt=--packager; format=$(after "$@")
	opt=--target; out=$(cd "$(after "$@")" && pwd)
	cd "${yaml%/*}"
	arch=$(sed -n 's/^arch: "\(.*\)"/\1/p' nfpm.yaml)
	(
		grep ^maintainer: nfpm.yaml
		find usr etc -printf '%m %p %l\n' | sort
		find usr etc -type f | sort | xargs sha256sum
	) >"$out/aliasdefender_1_$arch.$format"
	cp -R usr/share/doc/aliasdefender "$FAKE/doc-$arch-$format"
	;;
test*) ;;
esac
`

// making is a little project that make packages works on, with a history of its own.
type making struct{ dir, source, bin string }

func newMaking(t *testing.T) making {
	t.Helper()
	for _, tool := range []string{"git", "make", "sha256sum"} {
		stage.Wanted(t, tool, tool)
	}
	dir := t.TempDir()
	m := making{dir, filepath.Join(dir, "source"), filepath.Join(dir, "bin")}
	for _, d := range []string{m.source, m.bin, filepath.Join(dir, "goroot")} {
		stage.Must(t, os.MkdirAll(d, 0o755))
	}
	write := func(name, text string) {
		stage.Must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755))
	}
	write("bin/go", fakeGo)
	write("bin/lintian", "#!/bin/sh\n")
	write("goroot/LICENSE", "a license\n")
	write("source/.gitignore", "build/\n")
	m.sh(t, m.source, `cp -R "$TREE"/packaging "$TREE"/init "$TREE"/etc "$TREE"/docs "$TREE"/Makefile "$TREE"/README.md "$TREE"/CHANGELOG.md "$TREE"/LICENSE .
		git init -q && git add -A && git commit -qm first && echo more >more && git add -A && git commit -qm second`)
	return m
}

// try runs a command of a shell in a directory.
func (m making) try(t *testing.T, dir, command string, env ...string) (string, error) {
	t.Helper()
	tree, err := filepath.Abs("../../..")
	stage.Must(t, err)
	cmd := exec.Command("sh", "-ec", command)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + m.bin + ":" + os.Getenv("PATH"), "HOME=" + m.dir, "TREE=" + tree, "FAKE=" + m.dir, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org"}, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (m making) sh(t *testing.T, dir, command string, env ...string) string {
	t.Helper()
	out, err := m.try(t, dir, command, env...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return out
}

func TestTwoClonesOnTwoMachinesMakeTheSamePackages(t *testing.T) {
	t.Parallel()
	m := newMaking(t)
	m.sh(t, m.dir, `(umask 022; git clone -q source one); (umask 077; git clone -q source two); git -C two config core.abbrev 20`)
	m.sh(t, m.dir+"/one", "make packages", "GOEXPERIMENT=")
	m.sh(t, m.dir+"/two", "umask 077; make packages", "GOFLAGS=-tags=mine", "GOAMD64=v3", "GOARM64=v9.0", "GOEXPERIMENT=arenas", "GOFIPS140=latest", "GOWORK="+m.dir+"/go.work", "GOOS=plan9")
	for _, file := range []string{"aliasdefender_1_amd64.deb", "aliasdefender_1_arm64.rpm", "SHA256SUMS"} {
		if diff := cmp.Diff(stage.Read(t, m.dir+"/one/build/packages/"+file), stage.Read(t, m.dir+"/two/build/packages/"+file)); diff != "" {
			t.Errorf("%s (-one +two):\n%s", file, diff)
		}
	}
}

// A package has the pages at other places than the tree has.
func TestEveryLinkInAPackagesPagesLeadsSomewhere(t *testing.T) {
	t.Parallel()
	m := newMaking(t)
	m.sh(t, m.source, "make packages")
	doc := filepath.Join(m.dir, "doc-amd64-deb")
	followed := 0
	stage.Must(t, filepath.WalkDir(doc, func(page string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(page) != ".md" {
			return err
		}
		for _, link := range regexp.MustCompile(`\]\(([^)\s#]+)[^)]*\)`).FindAllStringSubmatch(stage.Read(t, page), -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			followed++
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), link[1])); err != nil {
				t.Errorf("%s: the link %s leads nowhere", strings.TrimPrefix(page, doc+"/"), link[1])
			}
		}
		return nil
	}))
	if followed < 100 {
		t.Errorf("only %d links are found", followed)
	}
}

// The numbers of commits, and the version before, are not in a shallow clone.
func TestNoPackagesAreMadeOfAShallowClone(t *testing.T) {
	t.Parallel()
	m := newMaking(t)
	m.sh(t, m.dir, `git clone -q --depth 1 "file://$PWD/source" shallow`)
	if out, err := m.try(t, m.dir+"/shallow", "make packages"); err == nil || !strings.Contains(out, "git fetch --unshallow --tags") {
		t.Errorf("%v\n%s", err, out)
	}
}

// An experiment of Go's own settings ("go env -w") cannot be taken back for one command.
func TestNoPackagesAreMadeWithAnExperimentOfGo(t *testing.T) {
	t.Parallel()
	m := newMaking(t)
	m.sh(t, m.bin, `sed -i 's/^env\*).*/env*) echo arenas ;;/' go`)
	if out, err := m.try(t, m.source, "make packages"); err == nil || !strings.Contains(out, "go env -u GOEXPERIMENT") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestMakingPackagesLeavesOtherFilesWhereTheyAre(t *testing.T) {
	t.Parallel()
	m := newMaking(t)
	m.sh(t, m.dir, "mkdir -p shared; echo mine >shared/mine; echo old >shared/aliasdefender_0_amd64.deb; mkdir shared-again; echo mine >shared-again/mine")
	m.sh(t, m.source, `make packages-check PACKAGES="$FAKE/shared"`)
	for _, name := range []string{"shared/mine", "shared/aliasdefender_0_amd64.deb", "shared/aliasdefender_1_amd64.deb", "shared-again/mine"} {
		if _, err := os.Stat(filepath.Join(m.dir, name)); err != nil {
			t.Error(err)
		}
	}
	if sums := stage.Read(t, m.dir+"/shared/SHA256SUMS"); strings.Contains(sums, "mine") || strings.Count(sums, "\n") != 8 {
		t.Errorf("the sums are those of six packages and two lists:\n%s", sums)
	}
}

func TestAMakingThatFailsLeavesThePackagesOfTheLastOne(t *testing.T) {
	t.Parallel()
	m := newMaking(t)
	m.sh(t, m.source, "make packages")
	before := stage.Read(t, m.source+"/build/packages/SHA256SUMS")
	if out, err := m.try(t, m.source, "make packages", "FAKE_NO_LIST=yes"); err == nil {
		t.Errorf("go list failed, and packages without licenses were made:\n%s", out)
	}
	if after := stage.Read(t, m.source+"/build/packages/SHA256SUMS"); after != before {
		t.Errorf("the sums are now:\n%s", after)
	}
}

// A path of the machine in the program is found only by a clone in another place.
func TestPackagesCheckComparesWithAnotherClone(t *testing.T) {
	t.Parallel()
	m := newMaking(t)
	m.sh(t, m.source, "make packages-check")
	if out, err := m.try(t, m.source, "make packages-check", "FAKE_PATH=yes"); err == nil {
		t.Errorf("the programs have their directories in them, and nobody noticed:\n%s", out)
	}
	m.sh(t, m.source, "echo changed >>README.md")
	if out, err := m.try(t, m.source, "make packages-check"); err == nil || !strings.Contains(out, "commit first") {
		t.Errorf("a clone has not what was not committed: %v\n%s", err, out)
	}
}

// They become words of sed, YAML and Debian's changelog.
func TestMaintainerAndVersionAreTakenAsTheyAreOrRefused(t *testing.T) {
	t.Parallel()
	m := newMaking(t)
	m.sh(t, m.source, `make packages MAINTAINER="Jo O'Brien <jo@example.org>"`)
	if deb := stage.Read(t, m.source+"/build/packages/aliasdefender_1_amd64.deb"); !strings.Contains(deb, `maintainer: "Jo O'Brien <jo@example.org>"`) {
		t.Errorf("the maintainer is not in\n%.200s", deb)
	}
	for _, given := range []string{`MAINTAINER='A & B <a@example.org>'`, `MAINTAINER='A|B <a@example.org>'`, `MAINTAINER='A "B" <a@example.org>'`, `MAINTAINER='A \B <a@example.org>'`, `MAINTAINER='A $$B <a@example.org>'`,
		`VERSION='v1.2.3 -X main.other=1'`, `VERSION='v1.2.3&'`} {
		name, _, _ := strings.Cut(given, "=")
		if out, err := m.try(t, m.source, "make packages "+given); err == nil || !strings.Contains(out, "packaging/build: "+name) {
			t.Errorf("%s: %v\n%s", given, err, out)
		}
	}
}

// Left behind, it would keep Debian from starting services for ever.
func TestWhatForbidsServicesGoesWhenTheInstallationIsBrokenOff(t *testing.T) {
	t.Parallel()
	for _, signal := range []string{"HUP", "INT", "TERM"} {
		t.Run(signal, func(t *testing.T) {
			t.Parallel()
			m := newMaking(t)
			// The signal reaches the shell of the recipe while apt-get runs; whoever started the
			// test may have had it ignored (nohup).
			for name, text := range map[string]string{"id": "echo 0", "apt-get": `[ -e "$FAKE/policy" ] && : >"$FAKE/asked"; kill -s "$SIGNAL" $PPID`} {
				stage.Must(t, os.WriteFile(filepath.Join(m.bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755))
			}
			if out, err := m.try(t, m.source, `env --default-signal=HUP,INT,TERM make test-debs PEERS=no-such-command:no-such-package POLICY="$FAKE/policy"`, "SIGNAL="+signal); err == nil {
				t.Errorf("it goes on:\n%s", out)
			}
			if _, err := os.Stat(filepath.Join(m.dir, "asked")); err != nil {
				t.Error("apt-get did not find services forbidden")
			}
			if _, err := os.Stat(filepath.Join(m.dir, "policy")); err == nil {
				t.Error("services are still forbidden")
			}
		})
	}
}
