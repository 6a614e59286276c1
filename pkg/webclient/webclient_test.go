package webclient_test

import (
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"wschat/pkg/webclient"
	"wschat/test/installed"
)

func serve(t *testing.T, s *webclient.Site, path, etag string) webclient.Response {
	t.Helper()
	r, err := s.Serve(path, webclient.Request{IfNoneMatch: etag})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestThePageKnowsWhereToConnect(t *testing.T) {
	for url, want := range map[string][2]string{
		"wss://x.example.com/dev": {`content="wss://x.example.com/dev"`, "connect-src 'self' wss://x.example.com;"},
		"/dev":                    {`content="/dev"`, "connect-src 'self';"},
		`/"><script>`:             {`content="/&#34;&gt;&lt;script&gt;"`, "connect-src 'self';"},
	} {
		r := serve(t, webclient.New(url, false), "/", "")
		if r.Status != 200 || !strings.Contains(r.Body, want[0]) || strings.Contains(r.Body, "{{") {
			t.Errorf("%s: %d %s", url, r.Status, r.Body)
		}
		if policy := r.Headers["Content-Security-Policy"]; !strings.Contains(policy, want[1]) ||
			!strings.Contains(policy, "default-src 'none'") {
			t.Errorf("%s: %s", url, policy)
		}
	}
}

// What a browser is told of the page and of each of its files. Only a chat with TLS says that it always has it.
func TestThePageSaysWhatItNeeds(t *testing.T) {
	want := map[string]string{
		"X-Content-Type-Options":     "nosniff",
		"Referrer-Policy":            "no-referrer",
		"Cross-Origin-Opener-Policy": "same-origin",
	}
	for url, transport := range map[string]string{
		"wss://x.example.com/dev": "max-age=31536000", "ws://x.example.com/dev": "", "/dev": "", "": "",
	} {
		s := webclient.New(url, true)
		for _, path := range webclient.Paths() {
			for _, tag := range []string{"", "*"} {
				headers := serve(t, s, path, tag).Headers
				for name, value := range want {
					if headers[name] != value {
						t.Errorf("%s of %q: %s is %q, want %q", path, url, name, headers[name], value)
					}
				}
				if got, has := headers["Strict-Transport-Security"]; got != transport || has != (transport != "") {
					t.Errorf("%s of %q: Strict-Transport-Security is %q, want %q", path, url, got, transport)
				}
				for _, feature := range []string{"camera", "microphone", "geolocation", "payment", "usb"} {
					if got := headers["Permissions-Policy"]; !strings.Contains(", "+got+", ", ", "+feature+"=(), ") {
						t.Errorf("%s of %q: Permissions-Policy is %q, without %s", path, url, got, feature)
					}
				}
			}
		}
	}
}

func TestAFileIsSentOnce(t *testing.T) {
	s := webclient.New("/dev", false)
	for _, path := range webclient.Paths() {
		first := serve(t, s, path, "")
		if first.Status != 200 || first.Body == "" || first.Headers["Content-Type"] == "" {
			t.Errorf("%s: %d, %d bytes, %v", path, first.Status, len(first.Body), first.Headers)
		}
		etag := first.Headers["ETag"]
		for _, known := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
			if again := serve(t, s, path, known); again.Status != 304 || again.Body != "" ||
				again.Headers["ETag"] != etag {
				t.Errorf("%s with %s: %d", path, known, again.Status)
			}
		}
		if other := serve(t, s, path, `"other"`); other.Status != 200 {
			t.Errorf("%s with another tag: %d", path, other.Status)
		}
	}
	if a, b := serve(t, s, "/", ""), serve(t, webclient.New("/prod", false), "/",
		""); a.Headers["ETag"] == b.Headers["ETag"] {
		t.Error("two pages have one tag")
	}
	if _, err := s.Serve("/nothing", webclient.Request{}); err == nil {
		t.Error("there is a file /nothing")
	}
}

// A file is compressed for those that take that, under a tag of its own, and is the same. Other sites may import the
// modules, and nothing else.
func TestFilesAreCompressed(t *testing.T) {
	s := webclient.New("/dev", false)
	for _, path := range webclient.Paths() {
		plain := serve(t, s, path, "")
		for _, tc := range []struct {
			accept string
			zips   bool
		}{
			{"", false}, {"gzip", true}, {"br, gzip;q=0.8", true}, {"GZIP", true}, {"gzip;q=0", false},
			{"gzip; q=0.000", false}, {"deflate, br", false}, {"x-gzip2", false}, {"identity;q=1, gzip ; q=1.0", true},
		} {
			r, err := s.Serve(path, webclient.Request{AcceptEncoding: tc.accept})
			if err != nil {
				t.Fatal(err)
			}
			if encoded := r.Headers["Content-Encoding"] == "gzip"; r.Compressed != tc.zips || encoded != tc.zips ||
				r.Headers["Vary"] != "Accept-Encoding" || (r.Headers["ETag"] == plain.Headers["ETag"]) == tc.zips {
				t.Errorf("%s with %q: %v", path, tc.accept, r.Headers)
			}
			if !tc.zips {
				continue
			}
			unzipped, err := gzip.NewReader(strings.NewReader(r.Body))
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(unzipped); err != nil || string(body) != plain.Body {
				t.Errorf("%s is another file: %v", path, err)
			}
			again, err := s.Serve(path, webclient.Request{AcceptEncoding: tc.accept, IfNoneMatch: r.Headers["ETag"]})
			if err != nil || again.Status != 304 || again.Body != "" {
				t.Errorf("%s again: %d, %v", path, again.Status, err)
			}
		}
		isModule := strings.HasSuffix(path, ".js")
		if origin := plain.Headers["Access-Control-Allow-Origin"]; (origin == "*") != isModule ||
			origin != "" != isModule {
			t.Errorf("%s may be read by %q", path, origin)
		}
	}
}

// The files name no other host, and import nothing that is not served.
func TestNothingIsAskedOfAnybodyElse(t *testing.T) {
	s := webclient.New("/dev", false)
	imported := regexp.MustCompile(`(?m)^import .* from "\.(/[^"]+)";|(?:href|src)="([a-z.]+)"`)
	for _, path := range webclient.Paths() {
		body := serve(t, s, path, "").Body
		if i := strings.Index(strings.ReplaceAll(body, "http://www.w3.org/2000/svg", ""), "http"); i >= 0 &&
			strings.Contains(body[i:min(i+8, len(body))], "//") {
			t.Errorf("%s names a URL: %.60s", path, body[i:])
		}
		for _, m := range imported.FindAllStringSubmatch(body, -1) {
			want := m[1]
			if want == "" {
				want = "/" + m[2]
			}
			if !slices.Contains(webclient.Paths(), want) {
				t.Errorf("%s needs %s, which is not served", path, want)
			}
		}
	}
}

// client.js has tests in its own language, which Node.js runs.
func TestTheClientModule(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	files, err := filepath.Glob("*.mjs")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var tests []string
	for _, file := range files {
		if _, err := os.ReadFile(file); err != nil { // so that go test knows that it depends on it
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.mjs") {
			tests = append(tests, file)
		}
	}
	out, err := exec.Command(installed.Program(t, "node"), append([]string{"--test"}, tests...)...).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
