//go:build !linux

package lab

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// Enter says that the lab needs Linux.
func Enter() error {
	return fmt.Errorf("the lab is made of Linux network namespaces and does not exist on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// Main runs run and exits with its code: there is nothing to enter here.
func Main(run func() int) { os.Exit(run()) }
