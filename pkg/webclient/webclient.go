// Package webclient is the chat in a browser: a page, and client.js, a module that any other page can use. They are
// embedded as they are, with no build step, and ask nobody but the chat itself. A deployment minifies and compresses
// them.
package webclient

import (
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

//go:embed files
var files embed.FS

// What stands in the page for the WebSocket URL, for whether one must sign in, and for where.
const (
	urlPlaceholder      = "{{WEBSOCKET_URL}}"
	authPlaceholder     = "{{AUTH}}"
	providerPlaceholder = "{{PROVIDER}}"
)

// contentTypes are those of the embedded files, by extension.
func contentTypes() map[string]string {
	return map[string]string{
		".html": "text/html; charset=utf-8",
		".js":   "text/javascript; charset=utf-8",
		".css":  "text/css; charset=utf-8",
	}
}

// Site serves the page for one deployment.
type Site struct {
	webSocketURL string
	asks         string                 // on or off: whether one must sign in
	files        map[string]func() file // each is made once it is asked for
	latest       atomic.Pointer[providerPage]
}

type file struct {
	body    string
	headers map[string]string

	zipped        func() string // the body, compressed once it is asked for
	zippedHeaders map[string]string
}

// Request is what a request says of the file that it wants, with its headers of these names.
type Request struct {
	IfNoneMatch    string
	AcceptEncoding string

	// Provider is where the page signs people in; nil if it does not.
	Provider *Provider
}

// Response is an HTTP response. Compressed says that the body is not text.
type Response struct {
	Status     int
	Headers    map[string]string
	Body       string
	Compressed bool
}

// New returns the site whose page connects to a WebSocket URL, as wss://HOST/STAGE; or to a path on the page's own
// host. With auth, it asks for a token in place of a name.
func New(webSocketURL string, auth bool) *Site {
	asks := "off"
	if auth {
		asks = "on"
	}
	s := &Site{webSocketURL: webSocketURL, asks: asks, files: map[string]func() file{}}
	for _, p := range Paths() {
		s.files[p] = sync.OnceValue(func() file { return s.file(p, source(p), "", "") })
	}
	return s
}

// source returns what is served at a path: an embedded file, or the words of a language.
func source(p string) string {
	if language, ok := languageOf(p); ok {
		return texts(language)
	}
	return string(embedded(cmp.Or(strings.TrimPrefix(p, "/"), "index.html")))
}

// zipExtension follows the name of a file that a deployment has compressed.
const zipExtension = ".gz"

// embedded returns a file by its name. It is one that is there, as Paths says.
func embedded(name string) []byte {
	raw, err := files.ReadFile("files/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		raw, err = unzipped("files/" + name + zipExtension)
	}
	if err != nil {
		panic("webclient: " + err.Error())
	}
	return raw
}

func unzipped(name string) ([]byte, error) {
	zipped, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer zipped.Close()
	r, err := gzip.NewReader(zipped)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return io.ReadAll(r)
}

// file makes the answer to requests of a path, from what is served there. provider is what the page is told of it. The
// page may ask tokens of the origin tokens, unless that is "".
func (s *Site) file(p, source, provider, tokens string) file {
	body := strings.NewReplacer(urlPlaceholder, html.EscapeString(s.webSocketURL), authPlaceholder, s.asks,
		providerPlaceholder, html.EscapeString(provider)).Replace(source)
	sum := sha256.Sum256([]byte(body))
	headers := securityHeaders(s.webSocketURL, tokens)
	headers["Content-Type"] = contentTypes()[cmp.Or(path.Ext(p), ".html")]
	headers["ETag"] = `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	// A browser keeps it and asks each time whether it is still good: the parts of a page must fit together.
	headers["Cache-Control"] = "no-cache"
	headers["Vary"] = "Accept-Encoding"
	if path.Ext(p) == ".js" { // pages of other sites may import the modules
		headers["Access-Control-Allow-Origin"] = "*"
	}
	zippedHeaders := maps.Clone(headers)
	zippedHeaders["Content-Encoding"] = "gzip"
	zippedHeaders["ETag"] = `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `-gzip"`
	return file{body: body, headers: headers, zippedHeaders: zippedHeaders,
		zipped: sync.OnceValue(func() string {
			if raw, err := files.ReadFile("files" + p + zipExtension); err == nil && body == source {
				return string(raw) // a deployment has compressed it
			}
			return compressed(body)
		})}
}

// compressed compresses a file. API Gateway does not
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-vs-rest.html).
func compressed(body string) string {
	var b strings.Builder
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, body) // a Builder takes everything
	_ = w.Close()
	return b.String()
}

// securityHeaders tell a browser what the page and its files need, so that it refuses everything else.
func securityHeaders(webSocketURL, tokens string) map[string]string {
	headers := map[string]string{
		"Content-Security-Policy": policy(webSocketURL, tokens),
		"X-Content-Type-Options":  "nosniff",
		"Referrer-Policy":         "no-referrer",
		"Permissions-Policy":      permissions(),
		// A page that opens the chat in a window gets no hold of that window, and cannot change its address later. The
		// chat can still be opened that way, and by a link or a redirect.
		"Cross-Origin-Opener-Policy": "same-origin",
	}
	// A chat whose sockets have TLS is served with TLS, too. A host must not send this header without it (RFC 6797,
	// section 7.2). The name of the host may have others below it that are not the chat's, so they are left out.
	if strings.HasPrefix(webSocketURL, "wss://") {
		headers["Strict-Transport-Security"] = "max-age=31536000" // seconds: a year
	}
	return headers
}

// permissions forbids the page what it does not use. It copies links to rooms, and reads nothing that others copied
// (https://github.com/w3c/webappsec-permissions-policy/blob/main/features.md).
func permissions() string {
	var none []string
	for _, feature := range []string{
		"accelerometer", "autoplay", "camera", "clipboard-read", "display-capture", "encrypted-media",
		"fullscreen", "gamepad", "geolocation", "gyroscope", "hid", "idle-detection", "local-fonts",
		"magnetometer", "microphone", "midi", "payment", "picture-in-picture", "publickey-credentials-create",
		"publickey-credentials-get", "screen-wake-lock", "serial", "storage-access", "usb", "window-management",
		"xr-spatial-tracking",
	} {
		none = append(none, feature+"=()")
	}
	return "clipboard-write=(self), " + strings.Join(none, ", ")
}

// policy lets the page load its own files, ask whether its server is there, connect to the chat, and ask the origin
// tokens for tokens, unless that is "". Nobody may put it into a frame.
func policy(webSocketURL, tokens string) string {
	connect := "'self'"
	if u, err := url.Parse(webSocketURL); err == nil && u.Host != "" {
		connect += " " + u.Scheme + "://" + u.Host
	}
	if tokens != "" {
		connect += " " + tokens
	}
	return strings.Join([]string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src data:", "connect-src " + connect,
		"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
		"trusted-types 'none'",
	}, "; ")
}

// Paths are what Serve knows, sorted: / is the page.
func Paths() []string {
	paths := []string{"/"}
	for _, language := range languages() {
		paths = append(paths, textsPath(language))
	}
	entries, err := fs.ReadDir(files, "files")
	if err != nil {
		panic("webclient: " + err.Error())
	}
	for _, e := range entries {
		if name := strings.TrimSuffix(e.Name(), zipExtension); name != "index.html" && name != textsFile {
			paths = append(paths, "/"+name)
		}
	}
	slices.Sort(paths)
	return paths
}

// Serve answers a GET of one of Paths.
func (s *Site) Serve(p string, r Request) (Response, error) {
	made, ok := s.files[p]
	if !ok {
		return Response{}, fmt.Errorf("there is no file %q", p)
	}
	f := made()
	if p == "/" && r.Provider != nil {
		f = s.pageWith(*r.Provider)
	}
	headers, zips := f.headers, takesGzip(r.AcceptEncoding)
	if zips {
		headers = f.zippedHeaders
	}
	for tag := range strings.SplitSeq(r.IfNoneMatch, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == "*" || tag == headers["ETag"] {
			return Response{Status: 304, Headers: headers}, nil
		}
	}
	if zips {
		return Response{Status: 200, Headers: headers, Body: f.zipped(), Compressed: true}, nil
	}
	return Response{Status: 200, Headers: headers, Body: f.body}, nil
}

// takesGzip reports whether an Accept-Encoding header names gzip, and not with the weight 0 (RFC 9110, section 12.5.3).
func takesGzip(acceptEncoding string) bool {
	for coding := range strings.SplitSeq(acceptEncoding, ",") {
		name, weight, _ := strings.Cut(coding, ";")
		weight = strings.TrimPrefix(strings.ReplaceAll(strings.ToLower(weight), " ", ""), "q=")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return strings.Trim(weight, "0.") != "" || weight == ""
		}
	}
	return false
}
