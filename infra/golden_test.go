package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the golden templates anew")

// The golden templates show in review what a change does to a deployment.
func TestGoldenTemplates(t *testing.T) {
	for name, context := range configurations() {
		t.Run(name, func(t *testing.T) {
			tmpl := template(t, context)
			for _, fn := range resources(tmpl, "AWS::Lambda::Function") { // known by the program's bytes
				fn["Properties"].(map[string]any)["Code"].(map[string]any)["S3Key"] = "PROGRAM.zip"
			}
			got, err := json.MarshalIndent(tmpl, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(path)
			if err != nil || string(want) != string(got)+"\n" {
				t.Errorf("the template is not that of %s (%v); see what changed with: go test ./infra -update && "+
					"git diff infra/testdata", path, err)
			}
		})
	}
}
