package localgateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Credentials are the keys that must sign calls of @connections, and with Config.IAM also handshakes: with Signature
// Version 4, in headers or in the query (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html). A
// signature for any Region is accepted.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string

	// SessionToken must then be in X-Amz-Security-Token. If it is empty, a token is not looked at. Optional.
	SessionToken string
}

func (c *Credentials) check() error {
	if c != nil && (c.AccessKeyID == "" || c.SecretAccessKey == "") {
		return errors.New("localgateway: Config.Credentials has no access key id or no secret access key")
	}
	return nil
}

const (
	// maxClockSkew is the largest accepted difference between the time of a signature and now. A signature in the query
	// may say in X-Amz-Expires that it is valid for longer.
	maxClockSkew = 5 * time.Minute

	// maxExpires is the largest X-Amz-Expires
	// (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html).
	maxExpires = 7 * 24 * time.Hour

	signingAlgorithm = "AWS4-HMAC-SHA256"
	signingService   = "execute-api"
	signingTime      = "20060102T150405Z"
)

// signatureProblem says why a call is refused with 403.
type signatureProblem struct {
	name    string // the error type
	message string
}

var (
	missingToken   = signatureProblem{"MissingAuthenticationTokenException", "Missing Authentication Token"}
	incompleteSign = signatureProblem{"IncompleteSignatureException",
		"The Authorization header or the query is not that of a signed request"}
	unknownKey = signatureProblem{"UnrecognizedClientException",
		"The security token included in the request is invalid."}
	expiredSign = signatureProblem{"InvalidSignatureException",
		"The signature's time is too far from the time of the call"}
	wrongSign = signatureProblem{"InvalidSignatureException",
		"The signature is not the one that the secret access key gives for this request"}
)

// checkSignature computes the signature of a request with the expected keys, and compares. It returns nil if they are
// equal.
//
// The body's hash is always that of the body, because API Gateway takes no UNSIGNED-PAYLOAD
// (https://github.com/aws/aws-sdk-java-v2/issues/5581). A session token in the query is part of what is signed, as
// signers do it for API Gateway (https://github.com/mhart/aws4/issues/99), and not added later as for AWS IoT. The host
// may be signed without its port: on AWS it has none, and a signer that is given the host name alone works there.
func (g *Gateway) checkSignature(r *http.Request, body []byte) *signatureProblem {
	want := g.config.Credentials
	if want == nil {
		return nil
	}
	s, problem := readSignature(r)
	if problem != nil {
		return problem
	}
	age := time.Since(s.at)
	switch {
	case s.accessKey != want.AccessKeyID, want.SessionToken != "" && s.token != want.SessionToken:
		return &unknownKey
	case age > s.validFor || age < -maxClockSkew || s.date != s.at.Format("20060102"):
		return &expiredSign
	}
	for _, host := range [...]string{r.Host, withoutPort(r.Host)} {
		if hmac.Equal([]byte(s.signature), []byte(s.compute(want.SecretAccessKey, s.canonicalRequest(r, host, body)))) {
			return nil
		}
	}
	return &wrongSign
}

// signature is what a request says of how it was signed.
type signature struct {
	accessKey     string
	date          string // of the scope, as in 20060102
	region        string
	signedHeaders []string
	signature     string // in hexadecimal digits
	inQuery       bool   // and not in the header Authorization
	token         string // of a session
	at            time.Time
	validFor      time.Duration // after at
}

var (
	// authorization matches the header of a signed request. Its groups are the credential, the signed headers and the
	// signature.
	authorization = regexp.MustCompile(`^` + signingAlgorithm +
		` Credential=([^,\s]+), ?SignedHeaders=([^,\s]+), ?Signature=([0-9a-f]{64})$`)

	// credential matches the access key and the scope of a signature. Its groups are the access key, date, Region and
	// service.
	credential = regexp.MustCompile(`^([^/\s]+)/(\d{8})/([^/\s]+)/([^/\s]+)/aws4_request$`)
)

// readSignature reads what a request says of its signature: in the header Authorization if it has one, else in the
// query.
func readSignature(r *http.Request) (signature, *signatureProblem) {
	header, query := r.Header.Get("Authorization"), r.URL.Query()
	s := signature{validFor: maxClockSkew}
	scope, signedHeaders, at := "", "", ""
	switch {
	case header != "":
		m := authorization.FindStringSubmatch(header)
		if m == nil {
			return s, &incompleteSign
		}
		scope, signedHeaders, s.signature = m[1], m[2], m[3]
		at, s.token = r.Header.Get("X-Amz-Date"), r.Header.Get("X-Amz-Security-Token")
	case query.Has("X-Amz-Algorithm"):
		if query.Get("X-Amz-Algorithm") != signingAlgorithm || len(query[signatureParameter]) != 1 {
			return s, &incompleteSign
		}
		scope, signedHeaders = query.Get("X-Amz-Credential"), query.Get("X-Amz-SignedHeaders")
		at, s.token = query.Get("X-Amz-Date"), query.Get("X-Amz-Security-Token")
		s.signature, s.inQuery = query.Get(signatureParameter), true
	default:
		return s, &missingToken
	}
	m := credential.FindStringSubmatch(scope)
	var err error
	if s.at, err = time.Parse(signingTime, at); m == nil || err != nil {
		return s, &incompleteSign
	}
	s.accessKey, s.date, s.region = m[1], m[2], m[3]
	if m[4] != signingService {
		return s, &wrongSign
	}
	s.signedHeaders = strings.Split(signedHeaders, ";")
	if !slices.Contains(s.signedHeaders, "host") {
		return s, &incompleteSign
	}
	if s.inQuery && query.Has("X-Amz-Expires") {
		seconds, err := strconv.Atoi(query.Get("X-Amz-Expires"))
		s.validFor = time.Duration(seconds) * time.Second
		if err != nil || seconds < 1 || seconds > int(maxExpires/time.Second) {
			return s, &incompleteSign
		}
	}
	return s, nil
}

var manySpaces = regexp.MustCompile(` +`)

// signatureParameter is the parameter of a query that its signature does not cover, because it is the signature.
const signatureParameter = "X-Amz-Signature"

// canonicalRequest is the text that a signature covers. The path is encoded once more than in the request, as for every
// service but S3 (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
func (s signature) canonicalRequest(r *http.Request, host string, body []byte) string {
	var headers strings.Builder
	slices.Sort(s.signedHeaders)
	for _, name := range s.signedHeaders {
		values := slices.Clone(r.Header.Values(name))
		if name == "host" { // net/http has this header and the next one in fields
			values = []string{host}
		} else if name == "content-length" {
			values = []string{strconv.FormatInt(r.ContentLength, 10)}
		}
		for i, value := range values {
			values[i] = manySpaces.ReplaceAllString(strings.TrimSpace(value), " ")
		}
		headers.WriteString(name + ":" + strings.Join(values, ",") + "\n")
	}
	query := r.URL.Query()
	if s.inQuery {
		query.Del(signatureParameter)
	}
	path := strings.ReplaceAll(percentEncode(r.URL.EscapedPath()), "%2F", "/")
	return strings.Join([]string{r.Method, path, canonicalQuery(query), headers.String(),
		strings.Join(s.signedHeaders, ";"), hash(body)}, "\n")
}

// canonicalQuery is a query in the order of its encoded names and values.
func canonicalQuery(query url.Values) string {
	var parameters [][]string
	for name, values := range query {
		for _, value := range values {
			parameters = append(parameters, []string{percentEncode(name), percentEncode(value)})
		}
	}
	slices.SortFunc(parameters, slices.Compare)
	joined := make([]string, len(parameters))
	for i, parameter := range parameters {
		joined[i] = strings.Join(parameter, "=")
	}
	return strings.Join(joined, "&")
}

// percentEncode encodes every byte but those that RFC 3986, section 2.3, calls unreserved.
func percentEncode(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// compute returns the signature of a canonical request.
func (s signature) compute(secretAccessKey, canonicalRequest string) string {
	scope := []string{s.date, s.region, signingService, "aws4_request"}
	key := []byte("AWS4" + secretAccessKey)
	for _, part := range scope {
		key = authenticate(key, part)
	}
	text := strings.Join([]string{signingAlgorithm, s.at.Format(signingTime), strings.Join(scope, "/"),
		hash([]byte(canonicalRequest))}, "\n")
	return hex.EncodeToString(authenticate(key, text))
}

func authenticate(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
