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
// file of its own, of the same name. The page's first module has the others in it, but for the client, which other
// pages import, too: a browser finds imports only by reading, and each step of that takes a round trip.
func minify(root, dir string) (overlay string, err error) {
	replace := map[string]string{}
	for pattern, loader := range map[string]api.Loader{"*.js": api.LoaderJS, "*.css": api.LoaderCSS} {
		files, err := filepath.Glob(filepath.Join(root, pageFiles, pattern))
		if err != nil {
			return "", err
		}
		for _, file := range files {
			small, err := minified(file, loader, filepath.Base(file) == "main.js")
			if err != nil {
				return "", fmt.Errorf("minify %s: %w", file, err)
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
