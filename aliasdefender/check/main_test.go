package check

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

// The test binary is also the program that checks run: its first argument is "play", its
// second says what.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "play" {
		play(os.Args[2])
	}
	os.Exit(m.Run())
}

func play(what string) {
	switch what {
	case "good":
		fmt.Println("all is well")
	case "bad":
		fmt.Println("no answer from the \x1b[31mdatabase")
		os.Exit(3)
	case "dies":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "hangs":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("waiting")
		time.Sleep(time.Hour)
	case "floods":
		for {
			fmt.Println(strings.Repeat("x", 4000) + "end of a line")
		}
	case "forks", "leaves": // leaves a child behind that keeps the output open
		child := exec.Command(os.Args[0], "play", "hangs")
		child.Stdout = os.Stdout
		child.SysProcAttr = &syscall.SysProcAttr{Setpgid: what == "leaves"}
		if err := child.Start(); err != nil {
			os.Exit(9)
		}
		fmt.Println("child", child.Process.Pid)
	case "environment":
		fmt.Println(strings.Join(os.Environ(), " "))
		dir, _ := os.Getwd()
		fmt.Println(dir)
	case "pipe": // says how a program ends whose reader is gone
		r, w, _ := os.Pipe()
		r.Close()
		child := exec.Command(os.Args[0], "play", "good")
		child.Stdout = w
		fmt.Println(child.Run())
	}
	os.Exit(0)
}
