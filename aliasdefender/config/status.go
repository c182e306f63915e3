package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"

	"alias-defender/aliasdefender/files"
)

// Status says where the page and the metrics can be read over TCP.
type Status struct {
	Listen    netip.AddrPort // the zero AddrPort: nowhere
	TokenFile string         // empty: nobody has to show a token
	Token     Token          // read from TokenFile; only LoadWithKeys does that
}

// Token is what a reader has to show. It never prints itself.
type Token string

// Format keeps the token out of logs, whatever the verb.
func (t Token) Format(s fmt.State, _ rune) { io.WriteString(s, "(a token)") }

// What a token may be: the form of RFC 6750, 2.1, and so long that nobody guesses it.
const (
	leastToken = 16
	mostToken  = 512
	tokenChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="
)

// The examples of the messages.
const (
	exampleListen = "127.0.0.1:9720"
	exampleToken  = "/etc/aliasdefender.token"
)

// listenAt reads an address of this host with a port; "" is none.
func listenAt(v value) (netip.AddrPort, Mistakes) {
	s, mistakes := text(v, exampleListen)
	if mistakes != nil || s == "" {
		return netip.AddrPort{}, mistakes
	}
	at, err := netip.ParseAddrPort(s)
	switch {
	case err != nil:
		return netip.AddrPort{}, wrong(v, "%s is not an address with a port, such as %q, \"[::1]:9720\", or \"0.0.0.0:9720\" for every address of IPv4", show(s), exampleListen)
	case at.Port() == 0:
		return netip.AddrPort{}, wrong(v, "%s has port 0, which is another one at each start; write one from 1 to 65535, such as 9720", show(s))
	}
	return at, nil
}

// orNoFile reads an absolute path; "" is none.
func orNoFile(example string) parser[string] {
	return func(v value) (string, Mistakes) {
		if s, mistakes := text(v, example); mistakes != nil || s == "" {
			return "", mistakes
		}
		return absolute(example, maxPath)(v)
	}
}

// finishStatus refuses an address that others reach, if anybody may read there.
func (f *SettingsFile) finishStatus() {
	f.Status.Listen, f.Status.TokenFile = f.statusListen.value, f.tokenFile.value
	at := f.Status.Listen
	if f.statusListen.bad || f.tokenFile.bad || !at.IsValid() || at.Addr().Unmap().IsLoopback() || f.Status.TokenFile != "" {
		return
	}
	f.mistake(f.statusListen.line, f.statusListen.field, fmt.Sprintf(
		"other hosts reach %s, so a reader has to show a token: make one with 'aliasdefender GenKey %s' and write token_file = %q; or listen on a loopback address, such as %q",
		at, exampleToken, exampleToken, exampleListen))
}

// readToken reads the token file. It is looked at even if nobody listens, as a key is.
func (f *SettingsFile) readToken() {
	if f.tokenFile.bad || f.Status.TokenFile == "" {
		return
	}
	t, problem := readToken(f.Status.TokenFile)
	if problem != "" {
		f.mistake(f.tokenFile.line, f.tokenFile.field, showPath(f.Status.TokenFile)+" "+problem)
	}
	f.Status.Token = t
}

// readToken reads one file. If it is not good, it says what to do.
func readToken(path string) (Token, string) {
	shown := showPath(path)
	anew := fmt.Sprintf("move it away and make a new one with 'aliasdefender GenKey %s'", shown)
	text, err := files.Read(path, files.Want{Most: maxKeyFile, Private: true})
	strange := (*files.Error)(nil)
	switch {
	case errors.As(err, &strange):
		return "", strangeSecret(strange, shown, "the token", anew)
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Sprintf("does not exist; make it with 'aliasdefender GenKey %s'", shown)
	case errors.Is(err, fs.ErrPermission):
		return "", "may not be read: permission denied; " + toRead(os.Geteuid(), path)
	case err != nil:
		return "", "cannot be opened: " + cause(err)
	}
	line, problem := onlyLine(text, "token")
	// The line is a secret: no message shows it.
	switch {
	case problem != "":
	case strings.Trim(line, tokenChars) != "":
		problem = "has a token with characters other than letters, digits and -._~+/="
	case len(line) < leastToken || len(line) > mostToken:
		problem = fmt.Sprintf("has a token of %d characters; it needs from %d to %d", len(line), leastToken, mostToken)
	default:
		return Token(line), ""
	}
	return "", problem + "; " + anew
}
