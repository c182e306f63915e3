package rehearse

import (
	"errors"
	"strings"
	"testing"

	"alias-defender/aliasdefender/config"
)

func TestThatRoutesAreNotRehearsedIsSaid(t *testing.T) {
	if notes := strings.Join((daemons{}).notes(&config.Config{Routes: make([]config.Route, 1)}, true), "\n"); !strings.Contains(notes, "routes are not rehearsed") {
		t.Errorf("said: %s", notes)
	}
}

func TestAHostThatOnlyKeepsRoutesHasNothingToRehearse(t *testing.T) {
	q := Request{Load: func() (*config.Config, error) { return &config.Config{Routes: make([]config.Route, 1)}, nil }}
	if _, _, err := q.files(t.Context()); !errors.Is(err, errNoAliases) {
		t.Error(err)
	}
}
