package cli

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/files"
)

// socket is the control socket that the settings name. Verbs that only ask read
// nothing else, and accept mistakes in the file. Otherwise a file that somebody is
// editing would hide the running Monitor: Status would raise an alarm about the wrong
// thing, and Reload could not report what the Monitor says about the file.
func (a *app) socket() (string, error) {
	text, err := files.Read(a.settings, files.Want{Most: config.MaxFile})
	if errors.Is(err, fs.ErrNotExist) && !a.settingsNamed {
		return config.DefaultSocket, nil
	}
	if err != nil {
		return "", &exit{exitConfig, err}
	}
	f, err := config.ParseSettings(strings.NewReader(string(text)), a.settings)
	if err == nil {
		return f.Socket, nil
	}
	var only struct {
		Control struct{ Socket string }
	}
	if toml.Unmarshal(text, &only) != nil {
		return "", err
	}
	switch s := only.Control.Socket; {
	case s == "":
		return config.DefaultSocket, nil
	case filepath.IsAbs(s):
		return s, nil
	}
	return "", err
}
