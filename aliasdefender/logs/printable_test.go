package logs

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"testing"
)

func TestWhatIsWrittenCannotDriveATerminal(t *testing.T) {
	for from, want := range map[string]string{
		"plain words, 日本語\n\tand é": "plain words, 日本語\n\tand é",
		"eth\x1b[31m":               `eth\u001b[31m`,
		"eth\u009b31m":              `eth\u009b31m`,
		"a\rb\x07\x7f":              `a\u000db\u0007\u007f`,
		"eth\x9b31m\xff":            `eth\x9b31m\xff`,
		"right\u202eleft":           `right\u202eleft`,
		"tag\U000e0001":             `tag\udb40\udc01`,
	} {
		var b bytes.Buffer
		if n, err := Escape(&b).Write([]byte(from)); err != nil || n != len(from) || b.String() != want {
			t.Errorf("%q is written as %q, %d, %v", from, b.String(), n, err)
		}
	}
}

func TestEscapedJSONIsTheSameJSON(t *testing.T) {
	was := "eth\x1b[31m\u009b\x7f\u202e\U000e0001é"
	var b bytes.Buffer
	if err := json.NewEncoder(Escape(&b)).Encode(was); err != nil {
		t.Fatal(err)
	}
	is := ""
	if err := json.Unmarshal(b.Bytes(), &is); err != nil || is != was {
		t.Errorf("%q: %q, %v", b.String(), is, err)
	}
}

func TestAWriterIsEscapedOnce(t *testing.T) {
	e := Escape(os.Stderr)
	if Escape(e) != e || Raw(e) != os.Stderr || Raw(os.Stderr) != os.Stderr {
		t.Error("escaped twice, or not found again")
	}
	if IsTerminal(e) != IsTerminal(os.Stderr) {
		t.Error("a terminal is none any more")
	}
	if _, err := Escape(failing{}).Write([]byte("x")); err == nil {
		t.Error("an error is lost")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("no") }
