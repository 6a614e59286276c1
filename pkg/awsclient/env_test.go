package awsclient_test

import (
	"strings"
	"testing"

	"wschat/pkg/awsclient"
)

func TestFromEnv(t *testing.T) {
	env := func(more ...string) func(string) string {
		all := map[string]string{"AWS_REGION": "eu-north-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key",
			"AWS_SESSION_TOKEN": "token"}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return func(name string) string { return all[name] }
	}
	for _, tc := range []struct {
		name             string
		getenv           func(string) string
		region, endpoint string
		missing          string
	}{
		{"what Lambda sets", env(), "eu-north-1", "", ""},
		{"the other name of the Region", env("AWS_REGION", "", "AWS_DEFAULT_REGION", "eu-west-1"), "eu-west-1", "", ""},
		{"an endpoint for all", env("AWS_ENDPOINT_URL", "http://all"), "eu-north-1", "http://all", ""},
		{"an endpoint for DynamoDB", env("AWS_ENDPOINT_URL", "http://all", "AWS_ENDPOINT_URL_DYNAMODB", "http://db"),
			"eu-north-1", "http://db", ""},
		{"no Region", env("AWS_REGION", ""), "", "", "AWS_REGION"},
		{"no key", env("AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", ""), "", "",
			"AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"},
	} {
		got, err := awsclient.FromEnv(tc.getenv)
		if tc.missing != "" {
			if err == nil || !strings.Contains(err.Error(), tc.missing) {
				t.Errorf("%s: got %v, want an error that names %s", tc.name, err, tc.missing)
			}
			continue
		}
		if err != nil || got.Region != tc.region || got.DynamoDBEndpoint != tc.endpoint {
			t.Errorf("%s: got %+v, %v", tc.name, got, err)
			continue
		}
		if c, err := got.Credentials.Retrieve(t.Context()); err != nil || c.AccessKeyID != "id" ||
			c.SecretAccessKey != "key" || c.SessionToken != "token" {
			t.Errorf("%s: got credentials %+v, %v", tc.name, c, err)
		}
	}
}
