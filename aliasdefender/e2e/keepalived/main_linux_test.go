package keepalived

import (
	"testing"

	"alias-defender/aliasdefender/e2e/stage"
)

func TestMain(m *testing.M) { stage.Main(m, nil) }
