// Command bootstrap is the chat's Lambda function: every route of its WebSocket API and of its HTTP API.
//
//	go build -tags lambda.norpc -trimpath -ldflags "-s -w" -o bootstrap ./lambda
package main

import (
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"wschat/pkg/auth"
	"wschat/pkg/awsclient"
	"wschat/pkg/broadcast"
	"wschat/pkg/chat"
	"wschat/pkg/config"
	"wschat/pkg/dynamo"
	"wschat/pkg/management"
	"wschat/pkg/protocol"
	"wschat/pkg/route"
	"wschat/pkg/telemetry"
)

// workers is how many posts are under way at once. A post waits for API Gateway far longer than it computes, so there are
// many more of them than processors; but Lambda gives processor time by memory, and with little of it more posts at once only
// wait for each other. memory is the function's, in megabytes, as Lambda's environment has it
// (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html).
func workers(memory string) int {
	const least, usual, most = 16, 64, 128
	mb, err := strconv.Atoi(memory)
	if err != nil {
		return usual
	}
	return min(max(least, mb/8), most)
}

func main() {
	handler, err := newHandler(os.Getenv)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bootstrap:", err)
		os.Exit(1)
	}
	lambda.Start(handler)
}

// newHandler makes the clients and the handler that serve every invocation of this process.
func newHandler(getenv func(string) string) (*route.Handler, error) {
	c, err := config.FromEnv(getenv)
	if err != nil {
		return nil, err
	}
	env, err := awsclient.FromEnv(getenv)
	if err != nil {
		return nil, err
	}
	db := dynamo.NewClient(env)
	atOnce := workers(getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"))
	stages := &management.Stages{Options: management.Options{
		Endpoint:    c.ConnectionsEndpoint,
		Region:      env.Region,
		Credentials: env.Credentials,
		Workers:     atOnce,
	}}
	logger := slog.New(slog.NewJSONHandler(telemetry.Plain(os.Stderr), &slog.HandlerOptions{Level: c.LogLevel}))
	authorizer, err := newAuthorizer(c, logger)
	if err != nil {
		return nil, err
	}
	return route.New(route.Config{
		Chat: chat.Service{
			Log:         chat.SharePings(dynamo.NewLog(db, c.MessagesTable, c.MessageRetention), time.Now),
			Roster:      dynamo.NewRoster(db, c.ConnectionsTable),
			Broadcaster: broadcast.Broadcaster{Leases: dynamo.NewLeases(db, c.MessagesTable, c.MessageRetention)},

			Announcements: dynamo.NewAnnouncements(db, c.ConnectionsTable),

			Encoder: protocol.Encoder{},
			Now:     time.Now,
			Workers: atOnce,

			PresenceLimit: c.PresenceLimit,
			MaxRooms:      c.MaxRooms,
		},
		Poster:           stages.Poster,
		AllowedOrigins:   c.AllowedOrigins,
		Auth:             authorizer != nil,
		IDClaim:          c.AuthIDClaim,
		Authorizer:       authorizer,
		ActionsPerSecond: c.ActionsPerSecond,
		WebSocketURL:     c.WebSocketURL,
		Logger:           logger,
		Meter:            newMeter(c, getenv("AWS_LAMBDA_FUNCTION_NAME")),
	}), nil
}

func newMeter(c config.Config, functionName string) *telemetry.Meter {
	if c.AllMetrics {
		return telemetry.New(functionName)
	}
	return telemetry.NewFree(functionName)
}

// newAuthorizer returns the authorizer of $connect, nil where everybody is let in.
func newAuthorizer(c config.Config, logger *slog.Logger) (route.Authorizer, error) {
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
		Logger:     logger,
	})
}
