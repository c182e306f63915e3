package readme

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"alias-defender/aliasdefender/e2e/stage"
)

// TestTheEventLogIsReadAsItsPageSays carries out the page's commands in their order, with a log
// of the lines that the page shows, and one that a crash has cut short.
func TestTheEventLogIsReadAsItsPageSays(t *testing.T) {
	t.Parallel()
	stage.Wanted(t, "jq", "jq")
	dir := t.TempDir()
	page := stage.Read(t, "../../../docs/events.md")
	inside := func(language string) (all []string) {
		for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(page, -1) {
			all = append(all, m[1])
		}
		return all
	}
	write := func(name, text string) {
		stage.Place(t, filepath.Join(dir, name), text)
	}
	write("events.log", strings.Join(inside("json"), "")+`{"time":"2026-11-28T20:00:01Z","ev`+"\n")
	write("hostname.alias", readmeRow(t, "b")+"\n")
	write("aliasdefender.toml", fmt.Sprintf("[control]\nsocket = %q\n[state]\ndir = %q\n", dir+"/sock", dir))
	self, err := os.Executable()
	stage.Must(t, err)
	// The program as an administrator calls it, with the files of this test.
	aliasdefender := fmt.Sprintf("aliasdefender() { verb=$1; shift; env TZ=UTC %s=1 %s \"$verb\" --aliases %s/hostname.alias --settings %s/aliasdefender.toml \"$@\"; }\n",
		stage.RunMain, self, dir, dir)
	commands := strings.ReplaceAll(strings.Join(inside("sh"), ""), "/var/lib/aliasdefender", dir)
	out, err := exec.Command("sh", "-c", aliasdefender+commands).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	said := string(out)
	for what, want := range map[string]string{
		"Why --since --json": "\ntake: alias and partner are silent, and the router answers\n114 events were lost here: the disk did not take them in time\n",
		"each move":          "\n2026-11-28T20:00:00.123Z 172.16.1.2 take: alias and partner are silent, and the router answers\n",
		"one alias":          "\n  \"row\": \"W14\",\n",
	} {
		if !strings.Contains("\n"+said, want) {
			t.Errorf("%s: want %q in\n%s", what, want, said)
		}
	}
}
