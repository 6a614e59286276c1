// Package app composes the chat: a configuration and stores become the handler of every event, the same for Lambda
// and for the chat on this machine.
package app

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"wschat/pkg/auth"
	"wschat/pkg/awsclient"
	"wschat/pkg/broadcast"
	"wschat/pkg/chat"
	"wschat/pkg/config"
	"wschat/pkg/dynamo"
	"wschat/pkg/events"
	"wschat/pkg/management"
	"wschat/pkg/protocol"
	"wschat/pkg/review"
	"wschat/pkg/route"
	"wschat/pkg/telemetry"
	"wschat/pkg/webclient"
)

// Stores keep the chat's state. All are required.
type Stores struct {
	Log           chat.Log
	Changes       chat.ChangeLog
	Roster        chat.Roster
	Announcements chat.Announcements
	ReadMarkers   chat.ReadMarkers
	Rules         chat.RuleStore
	PersonalData  chat.PersonalData
	Leases        broadcast.Leases
}

// OnDynamoDB returns the stores on the two tables that the configuration names.
func OnDynamoDB(db *dynamodb.Client, c config.Config) Stores {
	log := dynamo.NewLog(db, c.MessagesTable, c.MessageRetention)
	inMessages := dynamo.FindInMessages(db, c.MessagesTable)
	return Stores{
		Log:           log,
		Changes:       log,
		Roster:        dynamo.NewRoster(db, c.ConnectionsTable),
		Announcements: dynamo.NewAnnouncements(db, c.ConnectionsTable),
		ReadMarkers:   dynamo.NewReadMarkers(db, c.ConnectionsTable),
		Rules:         dynamo.NewRules(log, db, c.ConnectionsTable),
		PersonalData: chat.PersonalData{Log: inMessages, Roster: dynamo.FindInConnections(db, c.ConnectionsTable),
			Progress: inMessages},
		Leases: dynamo.NewLeases(db, c.MessagesTable, c.MessageRetention),
	}
}

// Process is what the process gives that runs the handler.
type Process struct {
	AWS          awsclient.Env    // how the Management API is called; required
	Workers      int              // posts of one broadcast at a time; required
	Logger       *slog.Logger     // gets one line for each invocation; required
	FunctionName string           // of the metrics
	Now          func() time.Time // by which tokens are judged; nil for the machine's clock
}

// New composes the handler. If the configuration names an issuer, the handler answers the authorizer's events too.
func New(c config.Config, s Stores, p Process) (*route.Handler, error) {
	authorizer, err := newAuthorizer(c, p)
	if err != nil {
		return nil, err
	}
	reviewer, err := newReviewer(c, p)
	if err != nil {
		return nil, err
	}
	if c.EventsURL != "" {
		poster := events.NewPoster(c.EventsURL, p.Logger)
		s.Log, s.Changes = poster.Log(s.Log), poster.Changes(s.Changes)
	}
	var rules *chat.RuleBook
	if authorizer != nil { // in an open chat names prove nothing
		rules = chat.NewRuleBook(s.Rules, time.Now)
	}
	stages := &management.Stages{Options: management.Options{
		Endpoint:    c.ConnectionsEndpoint,
		Region:      p.AWS.Region,
		Credentials: p.AWS.Credentials,
		Workers:     p.Workers,
	}}
	return route.New(route.Config{
		Chat: chat.Service{
			Log:           chat.SharePings(s.Log, time.Now),
			Changes:       s.Changes,
			Roster:        s.Roster,
			Announcements: s.Announcements,
			ReadMarkers:   s.ReadMarkers,
			Rules:         rules,
			PersonalData:  s.PersonalData,
			Reviewer:      reviewer,
			Broadcaster:   broadcast.Broadcaster{Leases: s.Leases},
			Encoder:       protocol.Encoder{},
			Now:           time.Now,
			Workers:       p.Workers,
			PresenceLimit: c.PresenceLimit,
			MaxRooms:      c.MaxRooms,
		},
		Poster:           stages.Poster,
		AllowedOrigins:   c.AllowedOrigins,
		Auth:             authorizer != nil,
		IDClaim:          c.AuthIDClaim,
		Authorizer:       authorizer,
		Enrich:           events.Enrich,
		ActionsPerSecond: c.ActionsPerSecond,
		WebSocketURL:     c.WebSocketURL,
		Provider:         newProvider(c, p),
		Logger:           p.Logger,
		Meter:            newMeter(c, p.FunctionName),
	}), nil
}

// newAuthorizer returns the authorizer of $connect; nil if everybody is let in.
func newAuthorizer(c config.Config, p Process) (route.Authorizer, error) {
	if c.AuthIssuer == "" {
		return nil, nil
	}
	return auth.New(auth.Config{
		Issuer:     c.AuthIssuer,
		Audience:   c.AuthAudience,
		JWKSURL:    c.AuthJWKSURL,
		IDClaim:    c.AuthIDClaim,
		NameClaim:  c.AuthNameClaim,
		RoomsClaim: c.AuthRoomsClaim,
		RolesClaim: c.AuthRolesClaim,
		Now:        p.Now,
		Logger:     p.Logger,
	})
}

// newProvider returns what finds the provider at which the page signs people in; nil if it does not. The function asks
// the provider, and not the page: so the provider's discovery document needs no CORS, and the page's policy can name
// the one origin that the page asks for tokens. It asks when the first page is wanted: a start is no slower.
func newProvider(c config.Config, p Process) func(context.Context) webclient.Provider {
	if c.AuthClientID == "" {
		return nil
	}
	discovery := auth.NewDiscovery(auth.Config{Issuer: c.AuthIssuer, Now: p.Now, Logger: p.Logger})
	return func(ctx context.Context) webclient.Provider {
		m, err := discovery.Metadata(ctx)
		if err != nil {
			// The log has the reason, once for each attempt.
			return webclient.Provider{Issuer: c.AuthIssuer, ClientID: c.AuthClientID}
		}
		return webclient.Provider{
			Issuer:        m.Issuer,
			ClientID:      c.AuthClientID,
			Authorization: m.Authorization,
			Token:         m.Token,
			EndSession:    m.EndSession,
			Revocation:    m.Revocation,
			NamesItself:   m.NamesItself,
			Offline:       slices.Contains(m.Scopes, "offline_access"),
		}
	}
}

// newReviewer returns what reviews messages; nil if nothing does.
func newReviewer(c config.Config, p Process) (chat.Reviewer, error) {
	if c.ReviewFunction == "" && c.ReviewURL == "" {
		return nil, nil
	}
	return review.New(review.Config{
		URL:            c.ReviewURL,
		Function:       c.ReviewFunction,
		Credentials:    p.AWS.Credentials,
		AllowOtherwise: c.AllowOtherwise,
	})
}

func newMeter(c config.Config, functionName string) *telemetry.Meter {
	if c.AllMetrics {
		return telemetry.New(functionName)
	}
	return telemetry.NewFree(functionName)
}

// FromEnv composes the handler of the Lambda function: the state is on DynamoDB, the environment is Lambda's, which
// getenv reads, and the log goes to stderr as JSON.
func FromEnv(getenv func(string) string, stderr io.Writer) (*route.Handler, error) {
	c, err := config.FromEnv(getenv)
	if err != nil {
		return nil, err
	}
	env, err := awsclient.FromEnv(getenv)
	if err != nil {
		return nil, err
	}
	log := slog.NewJSONHandler(telemetry.Plain(stderr), &slog.HandlerOptions{Level: c.LogLevel})
	return New(c, OnDynamoDB(dynamo.NewClient(env), c), Process{
		AWS:          env,
		Workers:      workers(getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")),
		Logger:       slog.New(log),
		FunctionName: getenv("AWS_LAMBDA_FUNCTION_NAME"),
	})
}

// workers is how many posts are in flight at a time. A post waits for API Gateway far longer than it computes, so
// there are many more of them than processors. But Lambda gives processor time by memory, and with little of it more
// posts at a time only wait for each other. memory is the function's, in megabytes, as Lambda's environment has it
// (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html).
func workers(memory string) int {
	const least, usual, most = 16, 64, 128
	mb, err := strconv.Atoi(memory)
	if err != nil {
		return usual
	}
	return min(max(least, mb/8), most)
}
