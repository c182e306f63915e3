// Command aliasdefender keeps an alias IP alive on one of two hosts.
package main

import (
	"context"
	"os"

	"alias-defender/aliasdefender/cli"
)

// version is set by the linker: -ldflags "-X main.version=1.0.0".
var version string

func main() {
	os.Exit(cli.Run(context.Background(), os.Args[1:], cli.Options{
		Version: version, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}))
}
