package main

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// pause is the least time between two looks at the files of a function.
const pause = 300 * time.Millisecond

// watcher knows what a function was built of.
type watcher struct {
	*function
	places []place
	built  map[string]stamp
}

// newWatcher looks at the files of a function before it is built, so that no change is missed.
func newWatcher(ctx context.Context, f *function) *watcher {
	places := f.spec.target.places(ctx)
	return &watcher{f, places, look(places, f.console.isOwn)}
}

// watch builds the function anew each time its files have changed and then stay as they are for a pause.
func (w *watcher) watch(ctx context.Context) {
	for seen := w.built; ; {
		began := time.Now()
		now := look(w.places, w.console.isOwn)
		took := time.Since(began)
		if maps.Equal(now, seen) && !maps.Equal(now, w.built) {
			w.console.say("%s has changed: %s", w.spec.name, changes(w.built, now))
			if err := w.renew(ctx); err != nil && ctx.Err() == nil {
				w.console.say("%s stays as it was: %v", w.spec.name, err)
			} else if err == nil {
				w.console.say("%s runs as it is now", w.spec.name)
			}
			w.moveOn(ctx, now)
			now = w.built
		}
		seen = now
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(pause, 10*took)): // a large folder does not keep a processor busy
		}
	}
}

// moveOn notes that the function was built of files with these stamps. If files have changed since, were added or were
// removed, it is built again. It may need files in other places now. Those count as they are.
func (w *watcher) moveOn(ctx context.Context, built map[string]stamp) {
	w.built = maps.Clone(built)
	places := w.spec.target.places(ctx)
	if len(places) == 0 {
		return // the places cannot be listed while the code is wrong
	}
	added := slices.DeleteFunc(slices.Clone(places), func(p place) bool { return slices.Contains(w.places, p) })
	for path, s := range look(added, w.console.isOwn) {
		if _, ok := w.built[path]; !ok {
			w.built[path] = s
		}
	}
	w.places = places
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
	switch {
	case t.inline != "":
		return nil
	case t.kind == "":
		return []place{{path: t.path}}
	case t.kind != "go":
		return []place{{path: t.path, deep: true}}
	}
	// The folders of the packages of modules on this machine, with those of embedded files, and go.mod.
	const format = `{{with .Module}}{{if or .Main (and .Replace (not .Replace.Version))}}{{.GoMod}}
{{$.Dir}}
{{range $.EmbedFiles}}{{$.Dir}}/{{.}}
{{end}}{{end}}{{end}}`
	out, err := t.goCommand(ctx, "list", "-deps", "-e", "-f", format).Output()
	if err != nil {
		return nil
	}
	found := map[place]bool{}
	for line := range strings.Lines(string(out)) {
		if path := strings.TrimSpace(line); path != "" {
			found[place{path: path}] = true
		}
	}
	return slices.Collect(maps.Keys(found))
}

// changes names a file that differs, and says how many others do. So it is seen if a function writes to its own folder.
func changes(before, after map[string]stamp) string {
	all := maps.Clone(before)
	maps.Copy(all, after)
	maps.DeleteFunc(all, func(path string, _ stamp) bool { return before[path] == after[path] })
	paths := slices.Sorted(maps.Keys(all))
	if len(paths) == 1 {
		return paths[0]
	}
	return fmt.Sprintf("%s and %d more", paths[0], len(paths)-1)
}

// look returns the stamps of all files in these places, without those that are to be ignored. The command's own log is
// ignored: its lines about a change would be the next change.
func look(places []place, ignored func(os.FileInfo) bool) map[string]stamp {
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
			if info, err := os.Stat(path); err == nil && !ignored(info) && (path == p.path ||
				!strings.HasPrefix(name, ".") && !strings.HasSuffix(name, "_test.go")) {
				stamps[path] = stamp{info.ModTime(), info.Size()}
			}
			return nil
		})
	}
	return stamps
}
