package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/config"
)

func (a *app) genKeyCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "GenKey [path]",
		Short: "Make a new key for the channel between the partners",
		Long: `Make a new key for the channel between the partners, in a file of mode 0600 or,
without a path, on standard output. An existing file is never overwritten.

Both hosts need the same file; copy it over a secure connection. The key is used
once key_file under [peer] names it in the settings of both hosts.`,
		Example: `  aliasdefender GenKey /etc/aliasdefender.key
  scp -p /etc/aliasdefender.key partner:/etc/`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("GenKey takes one path, but got %d; try '%s --help'", len(args), c.CommandPath())
			}
			if len(args) == 1 && args[0] == "" {
				return usagef("the path is empty; leave it out for standard output, or try '%s --help'", c.CommandPath())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			key := config.NewKey().File()
			if len(args) == 0 {
				_, err := a.stdout.Write(key)
				return err
			}
			path, err := filepath.Abs(args[0]) // in the form that the settings want
			if err != nil {
				return err
			}
			if err := writeKey(path, key); err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "%s: new key written; copy it to the partner, and on both hosts set, under [peer]: key_file = %q\n", path, path)
			return nil
		},
	}
}

// writeKey makes a file that only its owner can read. After an error there is no
// file.
func writeKey(path string, key []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s already exists, and was not changed; move it away first, or name another path", path)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s cannot be created: its directory does not exist; create that first, or name another path", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s cannot be created: permission denied; run as root, or name another path", path)
	case err != nil:
		return err
	}
	_, err = f.Write(key)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
