package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"alias-defender/aliasdefender/files"
)

// maxCA is more than all certificates that a system trusts need, in bytes.
const maxCA = 1 << 20

// lookAtChecks looks at the files that checks name: programs, which run as root, and
// certificates.
func (f *SettingsFile) lookAtChecks() {
	for _, c := range f.checks {
		if c.kind.value == CheckCommand && !c.command.bad && len(c.command.value) > 0 {
			if problem := LookAtCommand(c.command.value[0]); problem != "" {
				f.mistake(c.command.line, c.command.field, showPath(c.command.value[0])+" "+problem)
			}
		}
		if c.caFile.isSet() && !c.caFile.bad {
			ca, problem := readCA(c.caFile.value)
			if problem != "" {
				f.mistake(c.caFile.line, c.caFile.field, showPath(c.caFile.value)+" "+problem)
			}
			c.ca = ca
		}
	}
}

// LookAtCommand says why a program cannot be a check's command, and what to do; empty if it can.
func LookAtCommand(path string) string {
	problem := LookAtProgram(path)
	if info, err := os.Stat(path); problem == "" && err == nil && info.Mode().Perm()&0o111 == 0 {
		problem = fmt.Sprintf("is not executable; 'chmod 755 %s'", showPath(path))
	}
	return problem
}

// readCA reads a file of certificates. If it is not good, it says what to do.
func readCA(path string) (text []byte, problem string) {
	text, err := files.Read(path, files.Want{Most: maxCA})
	strange := (*files.Error)(nil)
	switch {
	case errors.As(err, &strange) && strange.Problem == files.TooLarge:
		return nil, fmt.Sprintf("is larger than %d bytes; is it the right file?", maxCA)
	case errors.As(err, &strange):
		return nil, "is no regular file; name a file of certificates"
	case errors.Is(err, fs.ErrNotExist):
		return nil, "does not exist; name a file of certificates in PEM"
	case errors.Is(err, fs.ErrPermission):
		return nil, "may not be read: permission denied; " + toRead(os.Geteuid(), path)
	case err != nil:
		return nil, "cannot be read: " + cause(err)
	case !x509.NewCertPool().AppendCertsFromPEM(text):
		return nil, "has no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----"
	}
	return text, ""
}
