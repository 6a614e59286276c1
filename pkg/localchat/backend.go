package localchat

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"

	"wschat/pkg/app"
	"wschat/pkg/auth"
	"wschat/pkg/awsclient"
	"wschat/pkg/chat"
	"wschat/pkg/config"
	"wschat/pkg/dynamo"
	"wschat/pkg/localgateway"
	"wschat/pkg/localruntime"
	"wschat/pkg/localstore"
)

const (
	// workers is how many posts of one broadcast are in flight at a time.
	workers = 64

	// What AWS would check, and nothing on this machine does.
	region = "local"
	secret = "local"

	connectionsTable = "connections"
	messagesTable    = "messages"

	// tablesTimeout is how long a DynamoDB endpoint may take to have the tables ready.
	tablesTimeout = 30 * time.Second
)

// backend is what stands behind the gateway: the handler, with its stores.
type backend struct {
	handler    localgateway.Handler
	authorizer *localgateway.Authorizer // nil if everybody is let in
	log        chat.Log                 // nil for a built function
	roster     chat.Roster              // nil for a built function
	close      func() error
}

// newBackend opens what the configuration asks for. The handlers post to the endpoint's @connections. Handlers in this
// process and a built function are configured in one way: by the function's environment.
func newBackend(ctx context.Context, c Config, endpoint string) (*backend, error) {
	if c.Bootstrap != "" && c.DynamoDB == "" {
		return nil, errors.New("-bootstrap needs -dynamodb URL: the built function keeps its state in DynamoDB")
	}
	environment := environment(c, endpoint)
	var b *backend
	var err error
	if c.Bootstrap != "" {
		b, err = builtFunction(ctx, c, environment)
	} else {
		b, err = inProcess(ctx, c, environment)
	}
	if err != nil {
		return nil, err
	}
	if c.Settings[config.AuthIssuer] != "" { // as the stack configures it
		b.authorizer = &localgateway.Authorizer{Handler: b.handler, IdentitySources: []string{auth.IdentitySource}}
	}
	return b, nil
}

// environment is the function's environment on this machine.
func environment(c Config, endpoint string) map[string]string {
	environment := c.Settings.Environment()
	maps.Copy(environment, map[string]string{
		config.ConnectionsTable:     connectionsTable,
		config.MessagesTable:        messagesTable,
		config.ConnectionsEndpoint:  endpoint,
		config.WebSocketURL:         "/" + Stage,
		config.Metrics:              config.MetricsAll,
		"AWS_REGION":                region,
		"AWS_ACCESS_KEY_ID":         secret,
		"AWS_SECRET_ACCESS_KEY":     secret,
		"AWS_ENDPOINT_URL_DYNAMODB": c.DynamoDB,
	})
	return environment
}

// inProcess is the handler that Lambda would run, in this process.
func inProcess(ctx context.Context, c Config, environment map[string]string) (*backend, error) {
	settings, err := config.FromEnv(func(name string) string { return environment[name] })
	if err != nil {
		return nil, err
	}
	stores, closeStores, err := openStores(ctx, c, settings)
	if err != nil {
		return nil, err
	}
	handler, err := app.New(settings, stores, app.Process{
		AWS:          awsclient.Env{Region: region, Credentials: credentials()},
		Workers:      workers,
		Logger:       c.Logger,
		FunctionName: "local",
		Now:          c.Now,
	})
	if err != nil {
		return nil, errors.Join(err, closeStores())
	}
	return &backend{handler: lambda.NewHandler(handler), log: stores.Log, roster: stores.Roster, close: closeStores},
		nil
}

// openStores opens the stores of handlers in this process.
func openStores(ctx context.Context, c Config, settings config.Config) (app.Stores, func() error, error) {
	if c.DynamoDB != "" {
		env, err := tables(ctx, c.DynamoDB)
		if err != nil {
			return app.Stores{}, nil, err
		}
		return app.OnDynamoDB(dynamo.NewClient(env), settings), func() error { return nil }, nil
	}
	messages, err := localstore.OpenLog(c.Data, c.Logger)
	if err != nil {
		return app.Stores{}, nil, err
	}
	roster := &localstore.Roster{}
	return app.Stores{
		Log:           messages,
		Changes:       messages,
		ReadMarkers:   messages,
		Rules:         localstore.NewRules(messages),
		Roster:        roster,
		PersonalData:  chat.PersonalData{Log: messages, Roster: roster, Progress: messages},
		Announcements: &localstore.Announcements{},
		Leases:        &localstore.Leases{},
	}, messages.Close, nil
}

// credentials are for endpoints on this machine.
func credentials() aws.CredentialsProvider {
	return awsclient.Static(aws.Credentials{AccessKeyID: secret, SecretAccessKey: secret, Source: "local"})
}

// builtFunction is the built Lambda function, run as Lambda runs it.
func builtFunction(ctx context.Context, c Config, environment map[string]string) (*backend, error) {
	var env []string
	for name, value := range environment {
		env = append(env, name+"="+value)
	}
	pool, err := localruntime.New(localruntime.Config{Bootstrap: c.Bootstrap, Output: c.Output, Env: env})
	if err != nil {
		return nil, fmt.Errorf("-bootstrap: %w", err)
	}
	if _, err := tables(ctx, c.DynamoDB); err != nil {
		pool.Close()
		return nil, err
	}
	return &backend{handler: pool, close: func() error { pool.Close(); return nil }}, nil
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
