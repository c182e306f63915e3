package daemon

import (
	"context"
	"sync"

	"github.com/sirupsen/logrus"
)

// Task is one of the things that a daemon runs.
type Task interface {
	// Run runs the task until ctx ends, or until the task cannot go on: then the error
	// says why.
	Run(ctx context.Context) error

	// Ready is closed once the task does its work.
	Ready() <-chan struct{}

	// String is the task's name, as the log has it.
	String() string
}

// task is a Task that is made of a function.
type task struct {
	name  string
	run   func(context.Context) error
	ready <-chan struct{}
}

func (t task) Run(ctx context.Context) error { return t.run(ctx) }
func (t task) Ready() <-chan struct{}        { return t.ready }
func (t task) String() string                { return t.name }

// atOnce is the Ready of a task that is ready before it runs.
func atOnce() <-chan struct{} {
	ready := make(chan struct{})
	close(ready)
	return ready
}

// runAll runs first, and the others for as long as first runs. All have ended when it
// returns; it returns first's error.
//
// The end of ctx ends none of them: first decides what a Monitor does at its end, and
// until that is done the others are needed. If a task ends by itself with an error, it is
// logged and the rest goes on, because what the daemon keeps alive matters more than who
// can look at it.
func runAll(ctx context.Context, log logrus.FieldLogger, first Task, others []Task) error {
	ctx = context.WithoutCancel(ctx)
	beside, end := context.WithCancel(ctx)
	defer end()
	run := func(ctx context.Context, t Task) error {
		err := t.Run(ctx)
		if err != nil {
			log.WithField("event", "task_ended").WithError(err).Error(t.String() + " ended")
		}
		return err
	}
	var all sync.WaitGroup
	for _, t := range others {
		all.Go(func() { _ = run(beside, t) }) // the log has the error
	}
	err := run(ctx, first)
	end()
	all.Wait()
	return err
}
