package main

import (
	"os"
	"path/filepath"
	"testing"
)

// The function as it is deployed is small: Lambda loads it at each cold start.
func TestTheProgramIsSmall(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the function")
	}
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := compile(root, dir, "arm64"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "bootstrap"))
	if err != nil {
		t.Fatal(err)
	}
	const most = 9_500_000
	t.Logf("%d bytes", info.Size())
	if info.Size() > most {
		t.Errorf("the program has %d bytes, more than %d", info.Size(), most)
	}
}
