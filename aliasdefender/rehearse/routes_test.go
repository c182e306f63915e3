package rehearse

import (
	"errors"
	"testing"

	"alias-defender/aliasdefender/config"
)

func TestAHostThatOnlyKeepsRoutesHasNothingToRehearse(t *testing.T) {
	q := Request{Load: func() (*config.Config, error) { return &config.Config{Routes: make([]config.Route, 1)}, nil }}
	if _, _, err := q.files(t.Context()); !errors.Is(err, errNoAliases) {
		t.Error(err)
	}
}
