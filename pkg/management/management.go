// Package management is the chat's Poster on the API Gateway Management API: the @connections of one stage.
package management

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi/types"

	"wschat/pkg/awsclient"
	"wschat/pkg/chat"
)

// API is what this package calls of *apigatewaymanagementapi.Client.
type API interface {
	PostToConnection(context.Context, *apigatewaymanagementapi.PostToConnectionInput,
		...func(*apigatewaymanagementapi.Options)) (*apigatewaymanagementapi.PostToConnectionOutput, error)
	DeleteConnection(context.Context, *apigatewaymanagementapi.DeleteConnectionInput,
		...func(*apigatewaymanagementapi.Options)) (*apigatewaymanagementapi.DeleteConnectionOutput, error)
}

var _ API = (*apigatewaymanagementapi.Client)(nil)

// postTimeout is for one post, with all its attempts.
const postTimeout = 5 * time.Second

// Options are for NewClient.
type Options struct {
	Endpoint    string // the stage's callback URL, https://ID.execute-api.REGION.amazonaws.com/STAGE
	Region      string
	Credentials aws.CredentialsProvider
	Workers     int // how many posts may be under way at once; as many connections are kept open
}

// NewClient returns an SDK client made for fan-out.
//
// API Gateway answers 429 both for the account's rate and for a client whose buffer is full. Either may pass in a
// moment, so the pauses are short and the attempts few: a slow client must not hold a fan-out.
func NewClient(o Options) *apigatewaymanagementapi.Client {
	budget := awsclient.Budget{
		AttemptTimeout: 2 * time.Second,
		MaxAttempts:    5,
		FirstBackoff:   40 * time.Millisecond,
		MaxBackoff:     640 * time.Millisecond,
		Connections:    o.Workers,
	}
	return apigatewaymanagementapi.New(apigatewaymanagementapi.Options{
		BaseEndpoint: aws.String(o.Endpoint),
		Region:       o.Region,
		Credentials:  o.Credentials,
		HTTPClient:   budget.HTTPClient(),
		Retryer:      budget.Retryer(),
	})
}

// Poster is a chat.Poster on one stage.
type Poster struct{ api API }

var _ chat.Poster = Poster{}

// NewPoster returns a Poster that calls api, which retries by itself.
func NewPoster(api API) Poster { return Poster{api: api} }

// Post sends one text frame. A 410 becomes an error that wraps chat.ErrGone.
func (p Poster) Post(ctx context.Context, connectionID string, frame []byte) error {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	_, err := p.api.PostToConnection(ctx, &apigatewaymanagementapi.PostToConnectionInput{
		ConnectionId: &connectionID,
		Data:         frame,
	})
	if err == nil {
		return nil
	}
	if _, gone := errors.AsType[*types.GoneException](err); gone {
		return fmt.Errorf("post to connection %s: %w", connectionID, chat.ErrGone)
	}
	return fmt.Errorf("post %d bytes to connection %s: %w", len(frame), connectionID, err)
}

// Close closes a connection; see chat.Poster.
func (p Poster) Close(ctx context.Context, connectionID string) error {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	_, err := p.api.DeleteConnection(ctx, &apigatewaymanagementapi.DeleteConnectionInput{ConnectionId: &connectionID})
	if _, gone := errors.AsType[*types.GoneException](err); gone || err == nil {
		return nil
	}
	return fmt.Errorf("close connection %s: %w", connectionID, err)
}

// Stages hands out a Poster for each stage, so that one process keeps its connections from event to event.
type Stages struct {
	// Options for each stage's client. Where Endpoint is empty it is https://DOMAIN/STAGE of the event: right for an API's
	// own domain, wrong behind a custom domain, where @connections is not served.
	Options Options

	mu      sync.Mutex
	posters map[string]Poster // by endpoint
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
		p = NewPoster(NewClient(o))
		if s.posters == nil {
			s.posters = map[string]Poster{}
		}
		s.posters[o.Endpoint] = p
	}
	return p
}
