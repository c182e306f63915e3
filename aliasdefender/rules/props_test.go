package rules

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestPromisesHoldForAnyFacts(t *testing.T) {
	for _, p := range promises() {
		t.Run(p.name, rapid.MakeCheck(func(t *rapid.T) {
			c := instances().Draw(t, "instance")
			if err := p.holds(Rows(), c); err != nil {
				t.Fatal(err)
			}
		}))
	}
}

// samples are always the same, so what they prove is proved each time.
var samples = sync.OnceValue(func() []instance {
	g, all := instances(), make([]instance, 0, 20000)
	for seed := range cap(all) {
		all = append(all, g.Example(seed+1))
	}
	return all
})

// matching are the rows that match each sample, whatever their order.
var matching = sync.OnceValue(func() [][]bool {
	all := make([][]bool, len(samples()))
	for i, c := range samples() {
		all[i] = make([]bool, len(Rows()))
		for j, r := range Rows() {
			all[i][j] = r.Holding == c.s.Holding && r.when(&view{p: c.p, s: c.s, f: c.f})
		}
	}
	return all
})

// decider is the first row in that order that matches, -1 if none does.
func decider(match []bool, order []int) int {
	for _, i := range order {
		if match[i] {
			return i
		}
	}
	return -1
}

// inOrder are the rows in their own order.
func inOrder() []int {
	order := make([]int, len(Rows()))
	for i := range order {
		order[i] = i
	}
	return order
}

func TestSamplesReachEveryRow(t *testing.T) {
	reached := make([]int, len(Rows()))
	for _, match := range matching() {
		reached[decider(match, inOrder())]++
	}
	for i, r := range Rows() {
		if reached[i] < 3 {
			t.Errorf("%s %s: reached by %d samples, want 3", r.ID, r.When, reached[i])
		}
	}
}

func TestSamplesBreakNoPromise(t *testing.T) {
	for _, c := range samples() {
		if err := broken(Rows(), c); err != nil {
			t.Fatalf("%v\n%+v", err, c)
		}
	}
}

// broken is the first promise that these rows break.
func broken(rows []Row, c instance) error {
	for _, p := range promises() {
		if err := p.holds(rows, c); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

var promises = sync.OnceValue(allProperties)

func TestPromisesNoticeEveryMissingRow(t *testing.T) {
	for i, r := range Rows() {
		t.Run(r.ID+" "+r.When, func(t *testing.T) {
			differ, err := notice(slices.Delete(inOrder(), i, i+1))
			if differ == 0 || err == nil {
				t.Errorf("no promise is broken without this row; %d samples differ", differ)
			}
		})
	}
}

// TestPromisesNoticeEveryOrderThatMatters moves each row behind each later one of its
// half. If that changes what is done, a promise must break.
func TestPromisesNoticeEveryOrderThatMatters(t *testing.T) {
	matters := 0
	for i, r := range Rows() {
		for j := i + 1; j < len(Rows()) && Rows()[j].Holding == r.Holding; j++ {
			order := slices.Insert(slices.Delete(inOrder(), i, i+1), j, i)
			differ, err := notice(order)
			if differ > 0 {
				matters++
			}
			if differ > 0 && err == nil {
				t.Errorf("%s %s, behind %s %s: no promise is broken; %d samples differ",
					r.ID, r.When, Rows()[j].ID, Rows()[j].When, differ)
			}
		}
	}
	if matters < 100 {
		t.Errorf("%d orders matter; the samples are too tame", matters)
	}
}

// notice tries the promises on the samples for which the moved rows decide
// differently, until one is broken.
func notice(order []int) (differ int, err error) {
	rows := make([]Row, len(order))
	for i, j := range order {
		rows[i] = Rows()[j]
	}
	for i, match := range matching() {
		was, is := decider(match, inOrder()), decider(match, order)
		if is >= 0 && len(order) == len(Rows()) && Rows()[was].Action == Rows()[is].Action {
			continue
		}
		if was == is {
			continue
		}
		differ++
		if err := broken(rows, samples()[i]); err != nil {
			return differ, err
		}
	}
	return differ, nil
}
