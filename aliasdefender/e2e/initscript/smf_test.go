package initscript

import (
	"alias-defender/aliasdefender/e2e/stage"
	"encoding/xml"
	"io"
	"slices"
	"strings"
	"testing"
)

// inService is the order of a service's parts in service_bundle.dtd.1. We have no
// svccfg here; on Solaris "svccfg validate" checks this.
var inService = []string{
	"create_default_instance", "single_instance", "restarter", "dependency", "dependent", "method_context", "exec_method",
	"property_group", "instance", "stability", "template",
}

func TestManifestIsOneThatSMFUnderstands(t *testing.T) {
	text := stage.Read(t, "../../../init/aliasdefender.xml")
	if !strings.Contains(text, `<!DOCTYPE service_bundle SYSTEM "/usr/share/lib/xml/dtd/service_bundle.dtd.1">`) {
		t.Error("names no document type")
	}
	d := xml.NewDecoder(strings.NewReader(text))
	var path []string
	var methods, dependencies []string
	last := 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		stage.Must(t, err)
		switch e := token.(type) {
		case xml.StartElement:
			attr := map[string]string{}
			for _, a := range e.Attr {
				attr[a.Name.Local] = a.Value
			}
			if len(path) == 2 {
				i := slices.Index(inService, e.Name.Local)
				if i < last {
					t.Errorf("%s comes after %s, or is not known", e.Name.Local, inService[last])
				}
				last = max(i, 0)
			}
			switch e.Name.Local {
			case "exec_method":
				methods = append(methods, attr["name"])
				if attr["type"] != "method" || attr["exec"] == "" || attr["timeout_seconds"] == "" {
					t.Errorf("method %s: %v", attr["name"], attr)
				}
			case "dependency":
				dependencies = append(dependencies, attr["name"])
				if attr["grouping"] == "" || attr["restart_on"] == "" || attr["type"] == "" {
					t.Errorf("dependency %s: %v", attr["name"], attr)
				}
			case "create_default_instance":
				if attr["enabled"] != "false" {
					t.Error("enabled by being installed")
				}
			}
			path = append(path, e.Name.Local)
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			if len(path) > 0 && path[len(path)-1] == "loctext" && len(e) >= 60 {
				t.Errorf("%q is longer than a name should be", e)
			}
		}
	}
	if want := []string{"start", "stop", "refresh"}; !slices.Equal(methods, want) {
		t.Errorf("methods %v, want %v", methods, want)
	}
	slices.Sort(dependencies)
	if len(slices.Compact(dependencies)) != 5 {
		t.Errorf("dependencies, whose names must differ: %v", dependencies)
	}
}
