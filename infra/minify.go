package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// pageFiles is where the files of the page are in the module. The function embeds them.
const pageFiles = "pkg/webclient/files"

// minify writes the page's files into a folder, compressed and with nothing but what a browser needs, and an overlay
// that has the compiler take them in place of the source
// (https://pkg.go.dev/cmd/go#hdr-Compile_packages_and_dependencies). It returns the overlay's path. Each file stays a
// file of its own, of the same name and .gz. The page's first module has the others in it, but for the client: a
// browser finds imports only by reading, and each step of that takes a round trip. So the others are empty, unless they
// are in the client's package, because other pages import those.
func minify(root, dir string) (overlay string, err error) {
	packaged, err := filesOfPackage(root)
	if err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(root, pageFiles, "*.*"))
	if err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", fmt.Errorf("minify the page: there are no files in %s", filepath.Join(root, pageFiles))
	}
	replace := map[string]string{}
	for _, file := range files {
		name := filepath.Base(file)
		small, err := smallest(file, name == "main.js", packaged[name])
		if err != nil {
			return "", fmt.Errorf("minify %s: %w", file, err)
		}
		replace[file] = "" // it is not there
		replace[file+".gz"] = filepath.Join(dir, name+".gz")
		if err := writeZipped(replace[file+".gz"], small); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}

// smallest returns what is left of a file of the page: it is the first module, is in the client's package, or neither.
func smallest(file string, isFirst, isPackaged bool) ([]byte, error) {
	switch {
	case filepath.Ext(file) == ".css":
		return minified(file, api.LoaderCSS, false)
	case filepath.Ext(file) != ".js":
		return os.ReadFile(file)
	case isFirst || isPackaged:
		return minified(file, api.LoaderJS, isFirst)
	}
	return nil, nil // the first module has it
}

func writeZipped(path string, content []byte) error {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o600)
}

// filesOfPackage returns the names of the modules in the client's package.
func filesOfPackage(root string) (map[string]bool, error) {
	path := filepath.Join(root, pageFiles, "..", "package.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var said struct{ Files []string }
	if err := json.Unmarshal(raw, &said); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	names := map[string]bool{}
	for _, file := range said.Files {
		names[filepath.Base(file)] = true
	}
	return names, nil
}

// minified returns a file, with all that it imports but the client if it is to be bundled.
func minified(file string, loader api.Loader, bundle bool) ([]byte, error) {
	source, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	options := api.BuildOptions{
		Stdin:  &api.StdinOptions{Contents: string(source), ResolveDir: filepath.Dir(file), Loader: loader},
		Bundle: bundle, Target: api.ES2022, Charset: api.CharsetUTF8, LegalComments: api.LegalCommentsNone,
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true, LogLevel: api.LogLevelSilent,
	}
	if bundle {
		options.Format, options.External = api.FormatESModule, []string{"./client.js"}
	}
	result := api.Build(options)
	if len(result.Errors) > 0 {
		return nil, errors.New(strings.Join(api.FormatMessages(result.Errors, api.FormatMessagesOptions{}), "\n"))
	}
	return result.OutputFiles[0].Contents, nil
}
