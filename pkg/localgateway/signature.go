package localgateway

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Credentials are the keys that must sign calls of @connections
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html). A signature for any Region is accepted.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
}

func (c *Credentials) check() error {
	if c != nil && (c.AccessKeyID == "" || c.SecretAccessKey == "") {
		return errors.New("localgateway: Config.Credentials has no access key id or no secret access key")
	}
	return nil
}

// maxClockSkew is the largest accepted difference between the time of a signature and now.
const maxClockSkew = 5 * time.Minute

// authorization matches the header of a signed request. Its groups are the access key, date, Region, service and signed
// headers.
var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 ` +
	`Credential=([^/,\s]+)/(\d{8})/([^/,\s]+)/([^/,\s]+)/aws4_request, ?SignedHeaders=([^,\s]+), ` +
	`?Signature=[0-9a-f]{64}$`)

// signatureProblem says why a call is refused with 403.
type signatureProblem struct {
	name    string // the error type
	message string
}

var (
	missingToken   = signatureProblem{"MissingAuthenticationTokenException", "Missing Authentication Token"}
	incompleteSign = signatureProblem{"IncompleteSignatureException",
		"The Authorization header is not that of a signed request"}
	unknownKey = signatureProblem{"UnrecognizedClientException",
		"The security token included in the request is invalid."}
	expiredSign = signatureProblem{"InvalidSignatureException",
		"The signature's time is too far from the time of the call"}
	wrongSign = signatureProblem{"InvalidSignatureException",
		"The signature is not the one that the secret access key gives for this request"}
)

// checkSignature signs the request again with the expected keys, and compares. It returns nil if the signatures are
// equal.
func (g *Gateway) checkSignature(r *http.Request, body []byte) *signatureProblem {
	if g.config.Credentials == nil {
		return nil
	}
	got := r.Header.Get("Authorization")
	if got == "" {
		return &missingToken
	}
	m := authorization.FindStringSubmatch(got)
	signedAt, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if m == nil || err != nil {
		return &incompleteSign
	}
	accessKey, date, region, service, signedHeaders := m[1], m[2], m[3], m[4], m[5]
	if accessKey != g.config.Credentials.AccessKeyID {
		return &unknownKey
	}
	if skew := time.Since(signedAt).Abs(); skew > maxClockSkew || date != signedAt.Format("20060102") {
		return &expiredSign
	}
	if service != "execute-api" {
		return &wrongSign
	}
	again := &http.Request{Method: r.Method, URL: r.URL, Host: r.Host, Header: http.Header{}}
	for _, name := range strings.Split(signedHeaders, ";") {
		if name == "content-length" {
			again.ContentLength = r.ContentLength
			continue
		}
		if values := r.Header.Values(name); len(values) > 0 { // not Host, which is a field of its own
			again.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	hash := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: g.config.Credentials.SecretAccessKey}
	copied := *r.URL // signing sorts the query
	again.URL = &copied
	err = v4.NewSigner().SignHTTP(context.Background(), credentials, again, hex.EncodeToString(hash[:]), service,
		region, signedAt)
	if err != nil || subtle.ConstantTimeCompare(signatureOf(again.Header.Get("Authorization")), signatureOf(got)) != 1 {
		return &wrongSign
	}
	return nil
}

func signatureOf(authorization string) []byte {
	_, signature, _ := strings.Cut(authorization, "Signature=")
	return []byte(signature)
}
