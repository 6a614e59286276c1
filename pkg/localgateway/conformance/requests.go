package conformance

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// call calls @connections. The answer is then under the name As.
type call struct {
	Call       string  `json:"call"` // the method
	Connection string  `json:"connection"`
	Path       string  `json:"path"` // relative to the stage, and escaped, instead of @connections/Connection
	Text       string  `json:"text"` // the body
	Hex        string  `json:"hex"`
	Unsigned   bool    `json:"unsigned"`   // without a signature, also with credentials
	SignedText *string `json:"signedText"` // the body that the signature is for, if it is another one
	As         string  `json:"as"`
}

func (s *call) do(r *run) error {
	u := *r.base
	u.Scheme = httpScheme(r.base)
	path := s.Path
	if path == "" {
		path = "@connections/" + url.QueryEscape(s.Connection)
	}
	target, err := url.Parse(path)
	if err != nil {
		return err
	}
	u.Path += "/"
	body, err := content(s.Text, s.Hex)
	if err != nil {
		return err
	}
	request, err := http.NewRequest(s.Call, u.ResolveReference(target).String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	if !s.Unsigned {
		if s.SignedText != nil {
			body = []byte(*s.SignedText)
		}
		if err := r.sign(request, body); err != nil {
			return err
		}
	}
	return r.ask(s.As, request)
}

// sign signs a request, if there are credentials.
func (r *run) sign(request *http.Request, body []byte) error {
	k := r.target.Credentials
	if k == nil {
		return nil
	}
	hash := sha256.Sum256(body)
	err := v4.NewSigner().SignHTTP(r.ctx, k.aws(), request, hex.EncodeToString(hash[:]), service, k.Region, time.Now())
	if err != nil {
		return fmt.Errorf("sign the request: %w", err)
	}
	return nil
}

// presign returns a URL with a signature in its query.
func (r *run) presign(u *url.URL) (*url.URL, error) {
	k := r.target.Credentials
	request, err := http.NewRequest(http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(nil)
	signed, _, err := v4.NewSigner().PresignHTTP(r.ctx, k.aws(), request, hex.EncodeToString(hash[:]), service,
		k.Region, time.Now())
	if err != nil {
		return nil, fmt.Errorf("sign the URL: %w", err)
	}
	return url.Parse(signed)
}

// service is API Gateway's name in a signature.
const service = "execute-api"

func (c *Credentials) aws() aws.Credentials {
	return aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}
}

// request sends an HTTP request to the deployment. The answer is then under the name As.
type request struct {
	Request string           `json:"request"` // the method
	Path    string           `json:"path"`    // relative to the URL
	Query   string           `json:"query"`
	Headers map[string]texts `json:"headers"`
	Script  json.RawMessage  `json:"script"`
	As      string           `json:"as"`
}

func (s *request) do(r *run) error {
	u := r.resolve(s.Path, s.Query)
	u.Scheme = httpScheme(u)
	request, err := http.NewRequest(s.Request, u.String(), nil)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", userAgent)
	if s.Script != nil {
		request.Header.Set(scriptHeader, compact(s.Script))
	}
	for name, values := range s.Headers {
		request.Header[http.CanonicalHeaderKey(name)] = values
	}
	return r.ask(s.As, request)
}

// ask sends a request and keeps its answer.
func (r *run) ask(name string, request *http.Request) error {
	ctx, cancel := r.patience()
	defer cancel()
	answer, err := r.http.Do(request.WithContext(ctx))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	r.answers[name] = reply{answer.StatusCode, answer.Header, body}
	return nil
}
