package main

import (
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

// minify writes the page's modules and its style into a folder, with nothing but what a browser needs, and an overlay
// that has the compiler take them in place of the source
// (https://pkg.go.dev/cmd/go#hdr-Compile_packages_and_dependencies). It returns the overlay's path. Each file stays a
// file of its own, of the same name. The page's first module has the others in it, but for the client: a browser finds
// imports only by reading, and each step of that takes a round trip. So the others are empty, unless they are in the
// client's package, because other pages import those.
func minify(root, dir string) (overlay string, err error) {
	packaged, err := filesOfPackage(root)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for pattern, loader := range map[string]api.Loader{"*.js": api.LoaderJS, "*.css": api.LoaderCSS} {
		files, err := filepath.Glob(filepath.Join(root, pageFiles, pattern))
		if err != nil {
			return "", err
		}
		for _, file := range files {
			isFirst := filepath.Base(file) == "main.js"
			var small []byte
			if isFirst || loader != api.LoaderJS || packaged[filepath.Base(file)] {
				if small, err = minified(file, loader, isFirst); err != nil {
					return "", fmt.Errorf("minify %s: %w", file, err)
				}
			}
			replace[file] = filepath.Join(dir, filepath.Base(file))
			if err := os.WriteFile(replace[file], small, 0o600); err != nil {
				return "", err
			}
		}
	}
	if len(replace) == 0 {
		return "", fmt.Errorf("there is no page in %s", filepath.Join(root, pageFiles))
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
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
