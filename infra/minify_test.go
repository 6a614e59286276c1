package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A folder without the page's files is an error that says so.
func TestMinifyWithoutAPage(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, filepath.FromSlash(pageFiles)), 0o700); err != nil {
		t.Fatal(err)
	}
	description := filepath.Join(root, filepath.FromSlash(pageFiles), "..", "package.json")
	if err := os.WriteFile(description, []byte(`{"files": []}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := minify(root, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "there are no files in ") || strings.Contains(err.Error(), "%!") {
		t.Errorf("got %v", err)
	}
}
