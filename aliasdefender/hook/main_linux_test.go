package hook

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asHook makes the test binary a hook: its arguments say what it does.
const asHook = "as-a-hook"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == asHook {
		os.Exit(beHook(os.Args[2], os.Args[3:]))
	}
	os.Exit(m.Run())
}

// beHook is the program that the tests run as a hook.
func beHook(what string, args []string) int {
	switch what {
	case "say":
		fmt.Println("env", strings.Join(os.Environ(), " "))
		dir, _ := os.Getwd()
		fmt.Fprintln(os.Stderr, "dir", dir, "group", syscall.Getpgrp() == os.Getpid())
		n, err := os.Stdin.Read(make([]byte, 1))
		fmt.Println("stdin", n, err)
	case "exit":
		return 7
	case "die":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "flood":
		line := []byte(strings.Repeat("x", 10000) + "\n\nevent=moved action=take \x1b[2J\xff\n")
		for range 100 {
			os.Stdout.Write(line)
		}
	case "sleep", "deaf":
		if what == "deaf" {
			signal.Ignore(syscall.SIGTERM)
		}
		fmt.Println("here")
		time.Sleep(time.Hour)
	case "fork": // leaves a child that holds its output, and ends
		self, _ := os.Executable()
		child := exec.Command(self, asHook, "deaf")
		child.Stdout = os.Stdout
		if len(args) > 0 { // a session of its own
			child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		}
		if err := child.Start(); err != nil {
			return 1
		}
		fmt.Println("child", child.Process.Pid)
	}
	return 0
}
