//go:build !linux

// Demo shows Alias Defender at work in network namespaces.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "demo: it plays in network namespaces and needs Linux")
	os.Exit(1)
}
