package examples

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// keeps is a sendmail that writes its arguments, and the mail, to where a test listens.
const keeps = "#!/bin/sh\n{ echo \"sendmail $*\"; cat; echo 'end of the mail'; } >>"

// mailed is the next mail, with the command line above it.
func mailed(t *testing.T, lines <-chan string) string {
	t.Helper()
	var b strings.Builder
	for {
		l := line(t, lines)
		if l == "end of the mail" {
			return b.String()
		}
		b.WriteString(l + "\n")
	}
}

// TestAMailIsSentAtAnAlarmAndWhenItIsOver: the service fails on both hosts, and then lives
// again.
func TestAMailIsSentAtAnAlarmAndWhenItIsOver(t *testing.T) {
	t.Parallel()
	mails := map[string]<-chan string{}
	x := play(t, "mail-on-alarm", coldStandbyAt, func(x *example, h *lab.Host, settings string) string {
		mails[h.Name] = listens(t, x.file(h, "mails"))
		bin := x.fake(h, "sendmail", keeps+x.file(h, "mails")+"\n")
		hook := x.program(h, "mail-on-alarm", func(text string) string {
			return replaced(t, text, "\nLC_ALL=C\n", "\nPATH="+bin+":$PATH\nLC_ALL=C\n")
		})
		settings = replacedAll(t, 2, settings, `"/usr/local/lib/aliasdefender/mail-on-alarm", "root"`, `"`+hook+`", "root", "admin@example.org"`)
		return "checks = [\"own\"]\n" + settings + "[check.own]\ncommand = [\"/usr/bin/test\", \"-e\", \"" + x.file(h, "well") + "\"]\ninterval = \"500ms\"\ntimeout = \"500ms\"\nfall = 5\n"
	})
	well := []string{x.file(x.a, "well"), x.file(x.b, "well")}
	for _, file := range well {
		stage.Place(t, file, "")
	}
	x.start(x.a)
	x.start(x.b)
	x.ready()
	stage.Must(t, os.Remove(well[1]))
	x.outOfTheQuestion()
	stage.Must(t, os.Remove(well[0]))
	mail := mailed(t, mails["a"])
	host := regexp.MustCompile(`(?m)^host     (.+)$`).FindStringSubmatch(mail)
	if host == nil {
		t.Fatal(mail)
	}
	// The reason is the check's: that of a command that does not get to run in time is another.
	said := regexp.MustCompile(`(our own service fails its check, and so does the partner's: the alias stays where it is: own: .+) event=decided`).FindStringSubmatch(x.monitors[x.a].Output())
	if said == nil {
		t.Fatal("a has mailed what it has not logged")
	}
	for _, want := range []string{
		"sendmail -oi -odi -- root admin@example.org\nTo: root, admin@example.org\nSubject: ALARM: 172.16.1.2 on " + host[1] + "\n",
		"\nAuto-Submitted: auto-generated\n",
		"\n\n" + said[1] + "\n\nalias    172.16.1.2 on eth0:1, primary; partner 172.16.1.5\n",
		"\nreason   both services failing (row H4)\n",
	} {
		if !strings.Contains(mail, want) {
			t.Errorf("the mail lacks %q:\n%s", want, mail)
		}
	}
	stage.Place(t, well[0], "")
	if mail := mailed(t, mails["a"]); !strings.Contains(mail, "\nSubject: recovered: 172.16.1.2 on "+host[1]+"\n") {
		t.Error(mail)
	}

	// A sendmail that fails is a hook that has failed; what is no event of it sends nothing.
	for _, tt := range []struct {
		env, want string
		code      int
		args      []string
	}{
		{"AD_EVENT=take", "nothing to mail", 2, []string{"root"}},
		{"AD_EVENT=alarm", "name an address", 2, nil},
		{"AD_EVENT=alarm", "does not begin with -", 2, []string{"root", "-oQ/tmp"}},
		{"AD_EVENT=alarm", "no room", 75, []string{"root"}},
	} {
		x.fake(x.a, "sendmail", "#!/bin/sh\necho no room >&2\nexit 75\n")
		_, errs, code := x.a.RunCommand(stage.Patiently(t), lab.Command{Argv: append([]string{x.file(x.a, "mail-on-alarm")}, tt.args...), Env: []string{tt.env}})
		if code != tt.code || !strings.Contains(errs, tt.want) {
			t.Errorf("%s %q: exit %d, %s", tt.env, tt.args, code, errs)
		}
	}
}
