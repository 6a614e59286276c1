package main

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"wschat/pkg/config"
)

// A name that is nearly a setting's is refused; one that other apps may have is warned of; the CDK's own are left
// alone.
func TestNamesInTheContext(t *testing.T) {
	for name, want := range map[string]string{
		"memorySize": "", "aws:cdk:enable-path-metadata": "", "@aws-cdk/core:stackRelativeExports": "",
		"acknowledged-issue-numbers": "", "cli-telemetry": "",
		"availability-zones:account=1:region=x": "",
		"memorysize":                            "memorySize", "authissuer": "authIssuer", "auth-issuer": "authIssuer",
		"auth_issuer": "authIssuer", "AUTH_ISSUER": "authIssuer",
		"authIsuer": "authIssuer", "authIssure": "authIssuer", "oauthIssuers": "authIssuer",
		"auth.issuer":   "authIssuer",
		"allowedOrigin": "allowedOrigins", "allowed-orgins": "allowedOrigins", "stages": "stage", "Stage": "stage",
		"tracin":               "tracing",
		"messagesRetentionDay": "messageRetentionDays", "authAudiance": "authAudience",
		"company-team": "warns", "team": "warns", "costCenter": "warns", "memory": "warns", "vpcId": "warns",
		"": "warns", "training": "warns", "a name": "warns",
	} {
		var warnings strings.Builder
		err := checkContext(map[string]any{name: "512"}, &warnings)
		said := warnings.String()
		switch want {
		case "":
			if err != nil || said != "" {
				t.Errorf("%q: %v, %q", name, err, said)
			}
		case "warns":
			if err != nil || strings.Count(said, "\n") != 1 ||
				!strings.Contains(said, fmt.Sprintf("context: %q is no setting of the chat and is ignored", name)) {
				t.Errorf("%q: %v, %q", name, err, said)
			}
		default:
			if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("context: there is no setting %q: write %s",
				name, want)) || said != "" {
				t.Errorf("%q: %v, %q", name, err, said)
			}
		}
	}
	var warnings strings.Builder
	err := checkContext(map[string]any{"team": 1.0, "maxrooms": 1.0, "cost": 1.0, "tracings": 1.0}, &warnings)
	if err == nil || !strings.Contains(err.Error(), "maxRooms") || !strings.Contains(err.Error(), "tracing") ||
		strings.Count(warnings.String(), "\n") != 2 {
		t.Errorf("%v, %q", err, warnings.String())
	}
}

// No two settings are so much alike that one could be taken for the other misspelt.
func TestSettingsAreNotAlike(t *testing.T) {
	var names []string
	_, _ = readSettings(func(name string) any {
		if !slices.Contains(names, name) {
			// Both of these exist, so neither is taken for the other.
			if other := nearly(name, names); other != "" && name+other != "authRolesClaimauthRoomsClaim" {
				t.Errorf("%s is nearly %s", name, other)
			}
			names = append(names, name)
		}
		return nil
	})
}

// What the stack gives to the function is what browsers send, and the function takes it as it is.
func TestOriginsAreConvertedAtSynthesis(t *testing.T) {
	for _, given := range []any{"https://Bücher.example:443/, capacitor://localhost",
		[]any{"https://Bücher.example:443/", "capacitor://localhost"}} {
		s, err := readSettings(func(name string) any { return map[string]any{"allowedOrigins": given}[name] })
		if want := []string{"https://xn--bcher-kva.example", "capacitor://localhost"}; err != nil ||
			!reflect.DeepEqual(s.allowedOrigins, want) {
			t.Errorf("%v: got %v, %v", given, s.allowedOrigins, err)
		}
	}
}

func TestSettings(t *testing.T) {
	defaults, err := readSettings(func(string) any { return nil })
	if err != nil {
		t.Fatal(err)
	}
	want := settings{
		values: config.Values{}, stage: "dev", lambdaRuntime: "provided.al2023", architecture: "arm64", memorySize: 512,
		maxRooms: 100, actionsPerSecond: 100, removalPolicy: "retain", throttleRate: 500, throttleBurst: 200,
	}
	if !reflect.DeepEqual(defaults, want) {
		t.Errorf("the defaults are %+v", defaults)
	}
	const certificate = "arn:aws:acm:eu-north-1:123456789012:certificate/0a1b"
	for _, tc := range []struct {
		context map[string]any
		says    string // "" where it is right
	}{
		{map[string]any{"memorySize": "1024"}, ""},
		{map[string]any{"memorySize": 1024.0}, ""},
		{map[string]any{"memorySize": "7"}, `memorySize is "7": it must be a whole number from 128 to 10240`},
		{map[string]any{"memorySize": "1e3"}, `memorySize is "1e3": it must be a whole number`},
		{map[string]any{"memorySize": 512.5}, `memorySize is 512.5: it must be a whole number`},
		{map[string]any{"memorySize": ""}, `memorySize is "": it must be a whole number`},
		{map[string]any{"stage": "a/b"}, `stage is "a/b": it must be 1 to 64 letters`},
		{map[string]any{"stage": ""}, `stage is ""`},
		// a stack may not be called so
		{map[string]any{"stage": "a_b"}, `stage is "a_b": it must be 1 to 64 letters, digits or -`},
		{map[string]any{"reservedConcurrency": "1"}, ""},
		{map[string]any{"reservedConcurrency": 900.0}, ""},
		{map[string]any{"reservedConcurrency": "0"},
			`reservedConcurrency is "0": it must be a whole number from 1 to 100000; leave it out to reserve ` +
				`nothing. Zero would stop the function, and AWS keeps 100 of the account's`},
		{map[string]any{"reservedConcurrency": 0.0}, `Zero would stop the function`},
		{map[string]any{"reservedConcurrency": "-1"}, `Zero would stop the function`},
		{map[string]any{"reservedConcurrency": "100001"}, `AWS keeps 100 of the account's concurrency`},
		{map[string]any{"reservedConcurrency": "none"},
			`reservedConcurrency is "none": it must be a whole number from 1`},
		{map[string]any{"reservedConcurrency": false},
			`reservedConcurrency is false: it must be a whole number from 1`},
		{map[string]any{"reservedConcurrency": ""}, `reservedConcurrency is "": it must be a whole number from 1`},
		{map[string]any{"lambdaRuntime": "go1.x"},
			`lambdaRuntime is "go1.x": it must be provided.al2023 or provided.al2`},
		{map[string]any{"architecture": "arm"}, `architecture is "arm": it must be arm64 or x86_64`},
		{map[string]any{"removalPolicy": "snapshot"}, `removalPolicy is "snapshot": it must be retain or destroy`},
		{map[string]any{"messageRetentionDays": "-1"}, `messageRetentionDays is "-1"`},
		{map[string]any{"throttleRate": "0"}, `throttleRate is "0"`},
		{map[string]any{"throttleBurst": "many"}, `throttleBurst is "many"`},
		{map[string]any{"domainName": "chat.example.com", "certificateArn": certificate}, ""},
		{map[string]any{"authIssuer": "https://example.auth0.com/", "authAudience": "chat"}, ""},
		{map[string]any{"authIssuer": "https://example.auth0.com/"}, "authIssuer and authAudience need each other"},
		{map[string]any{"authAudience": "chat"}, "authIssuer and authAudience need each other"},
		{map[string]any{"authIssuer": "https://example.com", "authClientId": "page"}, ""},
		{map[string]any{"authIssuer": "https://example.com", "authClientId": "page", "authAudience": "page"}, ""},
		{map[string]any{"authIssuer": "https://example.com", "authClientId": "page", "authAudience": "chat"},
			`authClientId is "page", and authAudience is "chat": leave authAudience out, or give both the same value`},
		{map[string]any{"authClientId": "page"}, "authClientId is of no use without a provider: give authIssuer too"},
		{map[string]any{"authIssuer": "https://example.com", "authClientId": "a page"},
			`authClientId is "a page": it must be 1 to 256 characters without blanks`},
		{map[string]any{"authRoomsClaim": "rooms"}, "give authIssuer too"},
		{map[string]any{"authIdClaim": "profile"}, "give authIssuer too"},
		{map[string]any{"authIssuer": "https://example.com", "authAudience": "a",
			"authIdClaim": "https://example.com/id"}, ""},
		{map[string]any{"authIssuer": "https://example.com", "authAudience": "a", "authIdClaim": "an id"},
			`authIdClaim is "an id": it must be the name of a claim`},
		{map[string]any{"authIssuer": "http://example.com", "authAudience": "chat"},
			`authIssuer is "http://example.com": it must begin with https://`},
		{map[string]any{"authIssuer": "example.com", "authAudience": "chat"},
			`authIssuer is "example.com": it must be a URL`},
		{map[string]any{"authIssuer": "https://example.com", "authAudience": "chat",
			"authJwksUrl": "ftp://example.com/keys"}, `authJwksUrl is`},
		{map[string]any{"authIssuer": "http://localhost:8080", "authAudience": "chat"},
			`authIssuer is "http://localhost:8080": it must not be on this machine: for the deployed function`},
		{map[string]any{"authIssuer": "https://[::ffff:127.0.0.1]/", "authAudience": "chat"},
			`it must not be on this machine`},
		{map[string]any{"authIssuer": "https://example.com", "authAudience": "chat",
			"authJwksUrl": "https://169.254.1.1/keys"},
			`authJwksUrl is "https://169.254.1.1/keys": it must not be on this machine`},
		{map[string]any{"authIssuer": "http://127.0.0.1", "authAudience": "chat",
			"authJwksUrl": "http://127.0.0.1/keys"},
			`authJwksUrl is "http://127.0.0.1/keys": it must not be on this machine`},
		{map[string]any{"alarmEmail": "ops@example.com", "logLevel": "debug", "tracing": "on"}, ""},
		{map[string]any{"messageRetentionDays": 30.0, "throttleRate": 10.0, "presenceLimit": 0.0, "stage": 7.0,
			"tracing": true}, ""},
		{map[string]any{"messageRetentionDays": 1e30}, `messageRetentionDays is 1e+30: it has too many digits`},
		{map[string]any{"authIssuer": "https://example.com", "authAudience": 123456789012.0}, ""},
		{map[string]any{"authIssuer": "https://example.com", "authAudience": 12345678901234567890.0},
			`authAudience is 12345678901234567000: it has too many digits to be read exactly: put it in quotes`},
		{map[string]any{"alarmEmail": true},
			`alarmEmail is true: it must be an e-mail address such as ops@example.com`},
		{map[string]any{"stage": true}, `stage is true: it must be 1 to 64 letters`},
		{map[string]any{"memorySize": false}, `memorySize is false: it must be a whole number`},
		{map[string]any{"memorySize": []any{512.0}}, `memorySize is [512]: it must be a whole number`},
		{map[string]any{"authIssuer": map[string]any{"url": "x"}, "authAudience": "a"},
			`authIssuer is {"url":"x"}: it must be a URL`},
		{map[string]any{"allowedOrigins": true}, `allowedOrigins is true: it must be a list of origins`},
		{map[string]any{"removalPolicy": true}, `removalPolicy is true: it must be retain or destroy`},
		{map[string]any{"tracing": 1.0}, `tracing is "1": it must be off or on`},
		{map[string]any{"alarmEmail": "ops"}, `alarmEmail is "ops": it must be an e-mail address`},
		{map[string]any{"logLevel": "loud"}, `logLevel is "loud": it must be`},
		{map[string]any{"tracing": "yes"}, `tracing is "yes": it must be off or on`},
		{map[string]any{"alarmTopic": "arn:aws-cn:sns:cn-north-1:123456789012:on_call-1", "metrics": "all"}, ""},
		{map[string]any{"metrics": "free"}, ""},
		{map[string]any{"metrics": "none"}, `metrics is "none": it must be free or all`},
		{map[string]any{"metrics": true}, `metrics is true: it must be free or all`},
		{map[string]any{"alarmTopic": "on-call"}, `alarmTopic is "on-call": it must be the ARN of a standard topic`},
		{map[string]any{"alarmTopic": "arn:aws:sns:eu-north-1:123456789012:on-call.fifo"},
			`it must be the ARN of a standard topic`},
		{map[string]any{"alarmTopic": "arn:aws:sns:eu-north-1:123456789012:on-call:0a1b"},
			`it must be the ARN of a standard topic`}, // of a subscription
		{map[string]any{"messagesTable": "Chat-dev-restored_1"}, ""},
		{map[string]any{"messagesTable": "arn:aws:dynamodb"},
			`messagesTable is "arn:aws:dynamodb": it must be the name of a table`},
		{map[string]any{"presenceLimit": "-1"}, `presenceLimit is "-1"`},
		{map[string]any{"maxRooms": "0"}, `maxRooms is "0"`},
		{map[string]any{"domainName": "chat.example.com"}, "domainName and certificateArn need each other"},
		{map[string]any{"certificateArn": certificate}, "domainName and certificateArn need each other"},
		{map[string]any{"domainName": "https://x", "certificateArn": certificate},
			`domainName is "https://x": it must be a domain name`},
		{map[string]any{"domainName": "chat.example.com", "certificateArn": "x"},
			`certificateArn is "x": it must be the ARN`},
		{map[string]any{"allowedOrigins": "https://a.example, http://localhost:3000"}, ""},
		{map[string]any{"allowedOrigins": []any{"https://a.example", "http://localhost:3000"}}, ""},
		{map[string]any{"allowedOrigins": "*"}, ""},
		{map[string]any{"allowedOrigins": "https://a.example/x"},
			`allowedOrigins is "https://a.example/x": it must be an origin such as https://chat.example.com, with ` +
				`no path`},
		{map[string]any{"allowedOrigins": "a.example"}, `allowedOrigins is "a.example": it must be an origin`},
		{map[string]any{"allowedOrigins": "https://a.example,"}, `allowedOrigins is "": it must be an origin`},
		{map[string]any{"allowedOrigins": ""}, `allowedOrigins is "": it must be an origin`},
		{map[string]any{"allowedOrigins": []any{}}, `allowedOrigins is "": it must be an origin`},
		{map[string]any{"allowedOrigins": []any{"https://a.example", 7.0}},
			`allowedOrigins is "7": it must be an origin`},
		{map[string]any{"allowedOrigins": []any{"*", "https://a.example"}},
			`allowedOrigins is "*": it must stand alone`},
		{map[string]any{"memorySize": "7", "stage": "/"},
			`stage is "/": it must be 1 to 64 letters, digits or -; memorySize is "7"`},
	} {
		_, err := readSettings(func(name string) any { return tc.context[name] })
		switch {
		case tc.says == "" && err != nil:
			t.Errorf("%v: %v", tc.context, err)
		case tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says) ||
			strings.Contains(err.Error(), "\n")):
			t.Errorf("%v: got %v, want %q", tc.context, err, tc.says)
		}
	}
}

// README.md has a row for each setting.
func TestEverySettingIsInTheReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range config.Settings() {
		byDefault := "none"
		if s.Default != "" {
			byDefault = "`" + s.Default + "`"
		}
		row := fmt.Sprintf("\n| `%s` | %s | %s |\n", s.Context, byDefault, strings.ReplaceAll(s.Meaning, "`", ""))
		if s.Context != "" && !strings.Contains(string(readme), row) {
			t.Errorf("README.md has no row%s", row)
		}
	}
}
