package main

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// pause is the least time between two looks at the files of a function.
const pause = 300 * time.Millisecond

// watch builds the function anew each time its files have changed and then stay as they are for a pause.
func (f *function) watch(ctx context.Context) {
	places := f.spec.target.places(ctx)
	built := look(places)
	for seen := built; ; {
		began := time.Now()
		now := look(places)
		if maps.Equal(now, seen) && !maps.Equal(now, built) {
			f.console.say("%s has changed", f.spec.name)
			if err := f.renew(ctx); err != nil && ctx.Err() == nil {
				f.console.say("%s stays as it was: %v", f.spec.name, err)
			} else if err == nil {
				f.console.say("%s runs as it is now", f.spec.name)
			}
			if all := f.spec.target.places(ctx); len(all) > 0 {
				places = all
			}
			built = look(places)
			for path := range built { // what has changed while it was built is built again
				if s, ok := now[path]; ok {
					built[path] = s
				}
			}
			now = built
		}
		seen = now
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(pause, 10*time.Since(began))): // a large folder does not keep a processor busy
		}
	}
}

// stamp tells a file from an earlier form of it.
type stamp struct {
	changed time.Time
	size    int64
}

// place is a file, or a folder with its files.
type place struct {
	path string
	deep bool // with the folders below it
}

// places returns where the code of a target is.
func (t target) places(ctx context.Context) []place {
	switch t.kind {
	case "":
		return []place{{path: t.path}}
	case "node", "python":
		return []place{{path: t.path, deep: true}}
	}
	// The folders of the packages of modules on this machine, with those of embedded files, and go.mod.
	const format = `{{with .Module}}{{if or .Main (and .Replace (not .Replace.Version))}}{{.GoMod}}
{{$.Dir}}
{{range $.EmbedFiles}}{{$.Dir}}/{{.}}
{{end}}{{end}}{{end}}`
	out, err := exec.CommandContext(ctx, "go", "list", "-deps", "-e", "-tags", buildTags, "-f", format, t.path).Output()
	if err != nil {
		return nil
	}
	found := map[place]bool{}
	for line := range strings.Lines(string(out)) {
		if path := strings.TrimSpace(line); path != "" {
			found[place{path: path}] = true
		}
	}
	var all []place
	for p := range found {
		all = append(all, p)
	}
	return all
}

// look returns the stamps of all files in these places.
func look(places []place) map[string]stamp {
	stamps := map[string]stamp{}
	for _, p := range places {
		_ = filepath.WalkDir(p.path, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return nil // it has just gone
			}
			name := entry.Name()
			if entry.IsDir() {
				if path != p.path && (!p.deep || strings.HasPrefix(name, ".") || name == "node_modules" ||
					name == "__pycache__") {
					return fs.SkipDir
				}
				return nil
			}
			if info, err := os.Stat(path); err == nil && (path == p.path || !strings.HasPrefix(name, ".") &&
				!strings.HasSuffix(name, "_test.go")) {
				stamps[path] = stamp{info.ModTime(), info.Size()}
			}
			return nil
		})
	}
	return stamps
}
