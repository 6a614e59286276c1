// Package management is the chat's Poster on the API Gateway Management API: the @connections of one stage.
package management

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi/types"

	"wschat/pkg/awsclient"
	"wschat/pkg/backoff"
	"wschat/pkg/chat"
)

const (
	// postTimeout is for one post. API Gateway answers in milliseconds, also for a client that does not read.
	postTimeout = 2 * time.Second

	// closeTimeout is for a close with all its attempts.
	closeTimeout = 5 * time.Second
)

// Options are for a Poster.
type Options struct {
	Endpoint    string // the stage's callback URL, https://ID.execute-api.REGION.amazonaws.com/STAGE
	Region      string
	Credentials aws.CredentialsProvider
	Workers     int // how many posts are usually under way at once: as many connections are kept open
}

// API is the part of *apigatewaymanagementapi.Client that this package uses.
type API interface {
	DeleteConnection(context.Context, *apigatewaymanagementapi.DeleteConnectionInput,
		...func(*apigatewaymanagementapi.Options)) (*apigatewaymanagementapi.DeleteConnectionOutput, error)
}

var _ API = (*apigatewaymanagementapi.Client)(nil)

// Poster is a chat.Poster on one stage. It posts with the SDK's signature and without the SDK's client, which costs
// several times as much as the request itself. Everything else goes through the SDK.
type Poster struct {
	options Options
	base    *url.URL // of the @connections
	baseErr error    // why there is none
	posts   http.RoundTripper
	signer  *v4.Signer
	api     API
}

var _ chat.Poster = (*Poster)(nil)

// NewPoster returns a Poster. If its endpoint is no URL with a host, every post says so.
func NewPoster(o Options) *Poster {
	budget := awsclient.Budget{
		AttemptTimeout: postTimeout,
		MaxAttempts:    5,
		Backoff:        backoff.Policy{First: 40 * time.Millisecond, Most: 640 * time.Millisecond},
		Connections:    o.Workers,
	}
	client := budget.HTTPClient()
	base, err := url.Parse(strings.TrimSuffix(o.Endpoint, "/") + "/@connections/")
	if err == nil && base.Host == "" {
		err = fmt.Errorf("the endpoint of @connections, %q, has no host", o.Endpoint)
	}
	return &Poster{
		options: o,
		base:    base,
		baseErr: err,
		posts:   client.GetTransport(),
		signer:  v4.NewSigner(),
		api: apigatewaymanagementapi.New(apigatewaymanagementapi.Options{
			BaseEndpoint: aws.String(o.Endpoint),
			Region:       o.Region,
			Credentials:  o.Credentials,
			HTTPClient:   client,
			Retryer:      budget.Retryer(),
		}),
	}
}

// Post sends one text frame in one attempt; see chat.Poster.
func (p *Poster) Post(ctx context.Context, connectionID string, frame []byte) error {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	answer, err := p.post(ctx, connectionID, frame)
	if err != nil {
		return fmt.Errorf("post %d bytes to connection %s: %w", len(frame), connectionID, err)
	}
	defer answer.Body.Close()
	// to the end, so that the connection is used again
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswerBytes))
	if err := meaning(answer); err != nil {
		return fmt.Errorf("post %d bytes to connection %s: %w", len(frame), connectionID, err)
	}
	return nil
}

// maxAnswerBytes is more than the Management API's longest answer.
const maxAnswerBytes = 64 << 10

func (p *Poster) post(ctx context.Context, connectionID string, frame []byte) (*http.Response, error) {
	if p.baseErr != nil {
		return nil, p.baseErr
	}
	to := *p.base
	to.Path += connectionID
	to.RawPath = p.base.EscapedPath() +
		url.QueryEscape(connectionID) // as the SDK does: the path that is signed has no "="
	r := (&http.Request{
		Method:        http.MethodPost,
		URL:           &to,
		Host:          to.Host,
		Header:        http.Header{"Content-Type": {"application/octet-stream"}},
		Body:          io.NopCloser(bytes.NewReader(frame)),
		ContentLength: int64(len(frame)),
		GetBody: func() (io.ReadCloser, error) { // lets a connection that was closed while idle be replaced
			return io.NopCloser(bytes.NewReader(frame)), nil
		},
	}).WithContext(ctx)
	credentials, err := p.options.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	hash := sha256.Sum256(frame)
	if err := p.signer.SignHTTP(ctx, credentials, r, hex.EncodeToString(hash[:]), "execute-api", p.options.Region,
		time.Now()); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	answer, err := p.posts.RoundTrip(r)
	if err != nil && !errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%w: %w", chat.ErrTryAgain, err)
	}
	return answer, err
}

// meaning is the error that an answer stands for, nil for a frame that was taken
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html).
// API Gateway answers with 429 both if the account makes too many calls and if the client's buffer is full.
func meaning(answer *http.Response) error {
	name, _, _ := strings.Cut(answer.Header.Get("x-amzn-ErrorType"), ":")
	switch status := answer.StatusCode; {
	case status >= 200 && status <= 299:
		return nil
	case status == http.StatusGone:
		return chat.ErrGone
	case status == http.StatusTooManyRequests || status >= 500:
		return fmt.Errorf("%w: status %d %s", chat.ErrTryAgain, status, name)
	default:
		return fmt.Errorf("status %d %s", status, name)
	}
}

// Close closes a connection; see chat.Poster.
func (p *Poster) Close(ctx context.Context, connectionID string) error {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	_, err := p.api.DeleteConnection(ctx, &apigatewaymanagementapi.DeleteConnectionInput{ConnectionId: &connectionID})
	if _, gone := errors.AsType[*types.GoneException](err); gone || err == nil {
		return nil
	}
	return fmt.Errorf("close connection %s: %w", connectionID, err)
}

// Stages hands out a Poster for each stage, so that one process keeps its connections from event to event.
type Stages struct {
	// Options for each stage's poster. If Endpoint is empty it is https://DOMAIN/STAGE of the event: right for an
	// API's own domain, wrong behind a custom domain, where @connections is not served.
	Options Options

	mu      sync.Mutex
	posters map[string]*Poster // by endpoint
}

// Poster returns the poster for the API and stage that an event came from.
func (s *Stages) Poster(domainName, stage string) chat.Poster {
	o := s.Options
	if o.Endpoint == "" {
		o.Endpoint = "https://" + domainName + "/" + stage
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.posters[o.Endpoint]
	if !ok {
		p = NewPoster(o)
		if s.posters == nil {
			s.posters = map[string]*Poster{}
		}
		s.posters[o.Endpoint] = p
	}
	return p
}
