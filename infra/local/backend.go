package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"

	"wschat/pkg/auth"
	"wschat/pkg/awsclient"
	"wschat/pkg/broadcast"
	"wschat/pkg/chat"
	"wschat/pkg/config"
	"wschat/pkg/dynamo"
	"wschat/pkg/localgateway"
	"wschat/pkg/localruntime"
	"wschat/pkg/localstore"
	"wschat/pkg/management"
	"wschat/pkg/protocol"
	"wschat/pkg/route"
	"wschat/pkg/telemetry"
)

const (
	// workers is how many posts of one message are under way at once.
	workers = 64

	// What AWS would check, and nobody here does.
	region = "local"
	secret = "local"

	connectionsTable = "connections"
	messagesTable    = "messages"

	// tablesTimeout is how long a DynamoDB endpoint may take to have the tables ready.
	tablesTimeout = 30 * time.Second
)

// backend is what stands behind the gateway: the handler, with its stores.
type backend struct {
	handler localgateway.Handler

	authorizer *localgateway.Authorizer // nil where everybody is let in

	log    chat.Log    // nil where a built binary has its own
	roster chat.Roster // nil where a built binary has its own
	close  func() error
}

// newBackend opens what the options ask for. The handlers post to the endpoint's @connections.
func newBackend(ctx context.Context, o options, endpoint string) (*backend, error) {
	switch {
	case o.bootstrap != "" && o.dynamodb == "":
		return nil, errors.New("-bootstrap needs -dynamodb URL: the built binary keeps its state in DynamoDB")
	case o.bootstrap != "":
		return builtBinary(ctx, o, endpoint)
	case o.dynamodb != "":
		env, err := tables(ctx, o.dynamodb)
		if err != nil {
			return nil, err
		}
		db := dynamo.NewClient(env)
		return inProcess(o, endpoint, chat.Service{
			Log:           dynamo.NewLog(db, messagesTable, 0),
			Roster:        dynamo.NewRoster(db, connectionsTable),
			Broadcaster:   broadcast.Broadcaster{Leases: dynamo.NewLeases(db, messagesTable, 0)},
			Announcements: dynamo.NewAnnouncements(db, connectionsTable),
		}, nothing)
	default:
		messages, err := localstore.OpenLog(o.data, o.logger)
		if err != nil {
			return nil, err
		}
		return inProcess(o, endpoint, chat.Service{
			Log:           messages,
			Roster:        &localstore.Roster{},
			Broadcaster:   broadcast.Broadcaster{Leases: &localstore.Leases{}},
			Announcements: &localstore.Announcements{},
		}, messages.Close)
	}
}

func nothing() error { return nil }

// credentials are for endpoints on this machine.
func credentials() aws.CredentialsProvider {
	return awsclient.Static(aws.Credentials{AccessKeyID: secret, SecretAccessKey: secret, Source: "local"})
}

// inProcess is the handler that Lambda would run, in this process. The service has its stores and nothing else.
func inProcess(o options, endpoint string, service chat.Service, closeStore func() error) (*backend, error) {
	b := &backend{log: service.Log, roster: service.Roster, close: closeStore}
	if o.auth.on() {
		a, err := o.auth.authorizer(o.logger)
		if err != nil {
			return nil, errors.Join(err, closeStore())
		}
		b.authorizer = askedFirst(a)
	}
	stages := &management.Stages{Options: management.Options{
		Endpoint:    endpoint,
		Region:      region,
		Credentials: credentials(),
		Workers:     workers,
	}}
	service.Log = chat.SharePings(service.Log, time.Now)
	service.Encoder = protocol.Encoder{}
	service.Now = time.Now
	service.Workers = workers
	service.PresenceLimit = chat.DefaultPresenceLimit
	service.MaxRooms = config.DefaultMaxRooms
	handler := route.New(route.Config{
		Chat:           service,
		Poster:         stages.Poster,
		AllowedOrigins: o.allowedOrigins,
		Auth:           o.auth.on(),
		IDClaim:        o.auth.idClaim,
		WebSocketURL:   "/" + stage,
		Logger:         o.logger,
		Meter:          telemetry.New("local"),

		ActionsPerSecond: config.DefaultActionsPerSecond,
	})
	b.handler = lambda.NewHandler(handler)
	return b, nil
}

// askedFirst is the authorizer as the stack configures it.
func askedFirst(h localgateway.Handler) *localgateway.Authorizer {
	return &localgateway.Authorizer{Handler: h, IdentitySources: []string{auth.IdentitySource}}
}

// builtBinary is the built Lambda function, run as Lambda runs it.
func builtBinary(ctx context.Context, o options, endpoint string) (*backend, error) {
	pool, err := localruntime.New(localruntime.Config{
		Bootstrap: o.bootstrap,
		Output:    o.output,
		Env: append([]string{
			config.ConnectionsTable + "=" + connectionsTable,
			config.MessagesTable + "=" + messagesTable,
			config.ConnectionsEndpoint + "=" + endpoint,
			config.WebSocketURL + "=/" + stage,
			"AWS_REGION=" + region,
			"AWS_ACCESS_KEY_ID=" + secret,
			"AWS_SECRET_ACCESS_KEY=" + secret,
			"AWS_ENDPOINT_URL_DYNAMODB=" + o.dynamodb,
			config.AllowedOrigins + "=" + strings.Join(o.allowedOrigins, ","),
			config.MaxRooms + "=" + strconv.Itoa(config.DefaultMaxRooms),
			config.ActionsPerSecond + "=" + strconv.Itoa(config.DefaultActionsPerSecond),
		}, o.auth.environment()...),
	})
	if err != nil {
		return nil, fmt.Errorf("-bootstrap: %w", err)
	}
	if _, err := tables(ctx, o.dynamodb); err != nil {
		return nil, err
	}
	b := &backend{handler: pool, close: func() error { pool.Close(); return nil }}
	if o.auth.on() {
		b.authorizer = askedFirst(pool)
	}
	return b, nil
}

// tables creates the two tables where they are not there yet, and returns how to reach them.
func tables(ctx context.Context, endpoint string) (awsclient.Env, error) {
	if u, err := url.Parse(endpoint); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return awsclient.Env{}, fmt.Errorf("-dynamodb %q is no URL such as http://127.0.0.1:8000", endpoint)
	}
	env := awsclient.Env{Region: region, Credentials: credentials(), DynamoDBEndpoint: endpoint}
	ctx, cancel := context.WithTimeout(ctx, tablesTimeout)
	defer cancel()
	db := dynamo.NewClient(env)
	err := dynamo.Create(ctx, db, connectionsTable, dynamo.ConnectionsTable())
	if err == nil {
		err = dynamo.Create(ctx, db, messagesTable, dynamo.MessagesTable())
	}
	if err != nil {
		return env, fmt.Errorf("the tables at %s are not ready: is that a DynamoDB endpoint? %w", endpoint, err)
	}
	return env, nil
}
