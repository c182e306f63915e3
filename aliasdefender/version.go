package main

import "runtime/debug"

// version is set by the linker: -ldflags "-X main.version=1.0.0".
var version string

// programVersion is the version that was set, else the module's if it was
// installed by "go install", else the commit it was built from.
func programVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	revision, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = ", changed"
		}
	}
	if revision == "" {
		return "devel"
	}
	return "devel (" + revision + changed + ")"
}
