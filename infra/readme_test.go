package main

import (
	"os"
	"strings"
	"testing"

	"wschat/pkg/config"
)

// README.md lists the values of each setting that has a few.
func TestTheChoicesAreInTheReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, s := range config.Settings() {
		choices := strings.Split(strings.TrimPrefix(s.Rule.Says, "must be "), " or ")
		if s.Context == "" || len(choices) < 2 || strings.ContainsAny(strings.Join(choices, ""), " ,") {
			continue
		}
		found++
		row := "\n| `" + s.Context + "` | `" + strings.Join(choices, "`, `") + "`"
		if !strings.Contains(string(readme), row) {
			t.Errorf("README.md has no row%s", row)
		}
	}
	if found < 6 {
		t.Errorf("%d settings have a few values", found)
	}
}
