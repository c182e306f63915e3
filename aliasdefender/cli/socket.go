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

// socket is the control socket that the settings name.
func (a *app) socket() (string, error) {
	socket, _, err := a.paths()
	return socket, err
}

// paths are the control socket and the state directory that the settings name. Verbs that
// only ask read nothing else, and accept mistakes in the file. Otherwise a file that somebody
// is editing would hide the running Monitor: Status would raise an alarm about the wrong
// thing, and Reload could not report what the Monitor says about the file.
func (a *app) paths() (socket, stateDir string, err error) {
	text, err := files.Read(a.settings, files.Want{Most: config.MaxFile})
	if errors.Is(err, fs.ErrNotExist) && !a.settingsNamed {
		return config.DefaultSocket, config.DefaultStateDir, nil
	}
	if err != nil {
		return "", "", &exit{exitConfig, err}
	}
	f, err := config.ParseSettings(strings.NewReader(string(text)), a.settings)
	if err == nil {
		return f.Socket, f.StateDir, nil
	}
	var only struct {
		Control struct{ Socket string }
		State   struct{ Dir string }
	}
	if toml.Unmarshal(text, &only) != nil {
		return "", "", err
	}
	for _, path := range []struct {
		is        *string
		otherwise string
	}{{&only.Control.Socket, config.DefaultSocket}, {&only.State.Dir, config.DefaultStateDir}} {
		if *path.is == "" {
			*path.is = path.otherwise
		}
		if !filepath.IsAbs(*path.is) {
			return "", "", err
		}
	}
	return only.Control.Socket, only.State.Dir, nil
}
