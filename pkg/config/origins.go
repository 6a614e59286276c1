package config

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// originRule is what an element of a list must be.
const originRule = "must be an origin such as https://chat.example.com, with no path"

// ParseOrigins reads a list of origins with commas between them, and returns each once, as browsers send it in the
// header Origin (https://url.spec.whatwg.org/#origin): lower case, host names in punycode, no default port. "*" alone
// stands for every page, for which the list is empty. What no browser sends is refused, because it would never let a
// page in. The error begins with the element that is wrong, in quotes.
//
// An app's web view or a browser extension has a scheme of its own, as capacitor://localhost. The case of its letters
// differs between browsers: compare what is sent in lower case.
//
// toASCII gives a host name of any letters in ASCII, as the URL standard does; see HostInASCII for names that are.
func ParseOrigins(list string, toASCII func(host string) (string, error)) ([]string, error) {
	elements := strings.Split(list, ",")
	var origins, wrong []string
	for _, element := range elements {
		element = strings.TrimSpace(element)
		if element == "*" {
			if len(elements) == 1 {
				return nil, nil
			}
			wrong = append(wrong, `"*": it must stand alone, because it lets every page connect`)
			continue
		}
		origin, err := parseOrigin(element, toASCII)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%q: it %v", element, err))
		} else if !slices.Contains(origins, origin) {
			origins = append(origins, origin)
		}
	}
	if len(wrong) > 0 {
		return nil, errors.New(strings.Join(wrong, ", and "))
	}
	return origins, nil
}

// parseOrigin returns one origin as browsers send it. Its error begins with "must".
func parseOrigin(text string, toASCII func(string) (string, error)) (string, error) {
	if text == "null" {
		return "", errors.New("must name a host: a page of any site can send null, from a frame that is sandboxed")
	}
	scheme, rest, ok := strings.Cut(text, "://")
	scheme = strings.ToLower(scheme)
	if !ok || !utf8.ValidString(rest) || !regexp.MustCompile(`^[a-z][a-z0-9+.-]*$`).MatchString(scheme) {
		return "", errors.New(originRule)
	}
	rest = strings.TrimSuffix(rest, "/")
	switch {
	case strings.ContainsAny(rest, `/\?#`):
		return "", errors.New(originRule)
	case strings.Contains(rest, "@"):
		return "", errors.New("must have no user name: browsers do not send it")
	}
	host, port, err := splitPort(rest)
	if err != nil {
		return "", err
	}
	if port == map[string]string{"http": "80", "https": "443"}[scheme] {
		port = ""
	}
	if scheme == "http" || scheme == "https" {
		host, err = webHost(host, toASCII)
	} else {
		host, err = appHost(scheme, host)
	}
	if err != nil {
		return "", err
	}
	if port != "" {
		host += ":" + port
	}
	return scheme + "://" + host, nil
}

// splitPort takes HOST:PORT apart. The port is "" if there is none, and has no zeros before it.
func splitPort(text string) (host, port string, err error) {
	at := strings.LastIndex(text, ":")
	if at < 0 || strings.HasSuffix(text, "]") {
		return text, "", nil
	}
	host, port = text[:at], text[at+1:]
	if port == "" {
		return host, "", nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", "", errors.New("must have a port from 1 to 65535, or none")
	}
	return host, strconv.FormatUint(n, 10), nil
}

// webHost returns a host of http or https as the URL standard writes it
// (https://url.spec.whatwg.org/#host-serializing).
func webHost(host string, toASCII func(string) (string, error)) (string, error) {
	if strings.HasPrefix(host, "[") {
		return ipv6(host)
	}
	if strings.Contains(host, "*") {
		return "", errors.New("must name one host: give each subdomain as an origin of its own")
	}
	name, err := toASCII(host)
	if err != nil || !regexp.MustCompile(`^[a-z0-9_.-]+$`).MatchString(name) {
		return "", errors.New("must have the name of a host or its address, as in https://chat.example.com or " +
			"http://127.0.0.1:3000")
	}
	// Browsers take a name whose last label is a number for an IPv4 address, and write it in one way.
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	if regexp.MustCompile(`^([0-9]+|0x[0-9a-f]*)$`).MatchString(labels[len(labels)-1]) {
		if _, err := netip.ParseAddr(name); err != nil {
			return "", errors.New("must have an IPv4 address of four decimal numbers, as 127.0.0.1")
		}
	}
	return name, nil
}

// HostInASCII returns a host name of ASCII letters in lower case, and refuses others. The function knows no more: what
// reaches it was converted before.
func HostInASCII(host string) (string, error) {
	const mostOfName, mostOfLabel = 253, 63
	name := strings.TrimSuffix(host, ".")
	isRight := len(name) <= mostOfName
	for label := range strings.SplitSeq(name, ".") {
		isRight = isRight && label != "" && len(label) <= mostOfLabel
	}
	if !isRight || strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII }) {
		return "", errors.New("must be a host name of ASCII letters")
	}
	return strings.ToLower(host), nil
}

// ipv6 returns an IPv6 address, which stands in brackets, as browsers write it.
func ipv6(host string) (string, error) {
	text, closed := strings.CutSuffix(strings.TrimPrefix(host, "["), "]")
	address, err := netip.ParseAddr(text)
	if err != nil || !closed || !address.Is6() || address.Zone() != "" {
		return "", errors.New("must have an IPv6 address in brackets, with no zone, as http://[::1]:3000")
	}
	if b := address.As16(); address.Is4In6() { // which netip writes with dots
		return fmt.Sprintf("[::ffff:%x:%x]", uint(b[12])<<8|uint(b[13]), uint(b[14])<<8|uint(b[15])), nil
	}
	return "[" + address.String() + "]", nil
}

// appHost returns the host of an origin whose scheme is an app's or an extension's own.
func appHost(scheme, host string) (string, error) {
	switch scheme {
	case "ws", "wss":
		return "", errors.New("must be the origin of a page, which begins with https:// or http://")
	case "file", "data", "blob", "about", "javascript", "filesystem", "ftp", "view-source":
		return "", fmt.Errorf("must have another scheme: browsers send no host for a page of the scheme %s", scheme)
	}
	if Typos(scheme, "https") <= 2 || Typos(scheme, "http") <= 2 {
		return "", errors.New("must begin with https:// or http://, or with the scheme of an app")
	}
	host = strings.ToLower(host)
	if !regexp.MustCompile(`^[a-z0-9_.-]+$`).MatchString(host) {
		return "", fmt.Errorf("must have a host of ASCII letters, digits and -, as %s://localhost", scheme)
	}
	return host, nil
}
