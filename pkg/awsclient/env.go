package awsclient

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Env is what Lambda's environment says about AWS
// (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html).
type Env struct {
	Region           string
	Credentials      aws.CredentialsProvider
	DynamoDBEndpoint string // "" for the Region's own
}

// FromEnv reads AWS_REGION (or AWS_DEFAULT_REGION), AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and
// AWS_ENDPOINT_URL_DYNAMODB (or AWS_ENDPOINT_URL) through getenv, which is os.Getenv outside tests. Lambda's
// credentials outlive the process. The error names what is missing.
func FromEnv(getenv func(string) string) (Env, error) {
	first := func(names ...string) (value string) {
		for _, name := range names {
			if value = getenv(name); value != "" {
				break
			}
		}
		return value
	}
	credentials := aws.Credentials{
		AccessKeyID:     getenv("AWS_ACCESS_KEY_ID"),
		SecretAccessKey: getenv("AWS_SECRET_ACCESS_KEY"),
		SessionToken:    getenv("AWS_SESSION_TOKEN"),
		Source:          "environment",
	}
	e := Env{
		Region:           first("AWS_REGION", "AWS_DEFAULT_REGION"),
		Credentials:      Static(credentials),
		DynamoDBEndpoint: first("AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"),
	}
	var missing []string
	if e.Region == "" {
		missing = append(missing, "AWS_REGION")
	}
	if credentials.AccessKeyID == "" {
		missing = append(missing, "AWS_ACCESS_KEY_ID")
	}
	if credentials.SecretAccessKey == "" {
		missing = append(missing, "AWS_SECRET_ACCESS_KEY")
	}
	if len(missing) > 0 {
		return Env{}, errors.New("environment: not set: " + strings.Join(missing, ", ") + " (Lambda sets them)")
	}
	return e, nil
}

// Static provides the same credentials for ever.
func Static(c aws.Credentials) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, nil })
}
