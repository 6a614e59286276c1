// Package config is the one table of settings, and the reading of it: from the CDK context, from the function's
// environment, and from the local chat's flags.
package config

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// Values are chosen values, in the form in which they are used, by Setting.Key. A setting that nobody chose is not
// there.
type Values map[string]string

// A Source is where settings are chosen: the CDK context, the function's environment or the local chat's flags.
type Source struct {
	// Name is the setting's name there; "" if it cannot be chosen there.
	Name func(Setting) string

	// Value is what was chosen for a setting, and whether anything was. Its error says what is wrong, with the name.
	Value func(Setting) (value string, ok bool, err error)

	// Rule is what a setting's value must be; nil for the setting's own rule.
	Rule func(Setting) Rule

	// Deployed says that the settings are for a function on Lambda, and not for one on this machine.
	Deployed bool
}

// Read reads the values of all settings. wrong says what is wrong with them, a sentence each.
func Read(from Source) (v Values, wrong []string) {
	v = Values{}
	for _, s := range Settings() {
		name := from.Name(s)
		if name == "" {
			continue
		}
		value, ok, err := from.Value(s)
		rule := s.Rule
		if from.Rule != nil {
			rule = from.Rule(s)
		}
		if err == nil && ok {
			value, err = rule.Read(name, value)
		}
		if err != nil {
			wrong = append(wrong, err.Error())
		} else if ok {
			v[s.Key()] = value
		}
	}
	if client, ok := v[AuthClientID]; ok && v[AuthAudience] == "" {
		v[AuthAudience] = client // an ID token is meant for the client
	}
	if len(wrong) == 0 {
		wrong = v.wrongSignIn(from)
	}
	return v, wrong
}

// Get returns a setting's value: the chosen one, or its default.
func (v Values) Get(key string) string {
	if value, ok := v[key]; ok {
		return value
	}
	for _, s := range Settings() {
		if s.Key() == key {
			return s.Default
		}
	}
	return ""
}

// Number returns the value of a setting whose rule is a number; 0 if it has none.
func (v Values) Number(key string) int {
	n, _ := strconv.Atoi(v.Get(key)) // the rule has checked it
	return n
}

// Origins returns the value of AllowedOrigins; none means all.
func (v Values) Origins() []string {
	origins, _ := ParseOrigins(v.Get(AllowedOrigins), HostInASCII) // the rule has checked it
	return origins
}

// Environment returns the variables that give the function the values. Defaults are left out.
func (v Values) Environment() map[string]string {
	environment := map[string]string{}
	for _, s := range Settings() {
		if value, ok := v[s.Key()]; ok && s.Variable != "" && value != s.Default && value != "" {
			environment[s.Variable] = value
		}
	}
	return environment
}

// Config is the function's configuration.
type Config struct {
	ConnectionsTable    string
	MessagesTable       string
	ConnectionsEndpoint string        // "" for https://DOMAIN/STAGE of each event
	WebSocketURL        string        // "" if nobody said
	MessageRetention    time.Duration // 0 for ever
	AllowedOrigins      []string      // as ParseOrigins returns them; none for all
	PresenceLimit       int           // connections of a room; 0 announces no coming and going
	MaxRooms            int           // of a connection
	ActionsPerSecond    int           // of a connection

	LogLevel   slog.Level
	AllMetrics bool // CloudWatch is told of all metrics, and not only of those in telemetry.Free

	AuthIssuer     string // "" lets everybody in
	AuthAudience   string
	AuthClientID   string // of the page at the issuer; "" if the page has no button to sign in
	AuthJWKSURL    string
	AuthIDClaim    string
	AuthNameClaim  string
	AuthRoomsClaim string
	AuthRolesClaim string

	ReviewFunction string // the ARN of the function that reviews messages; "" for none
	ReviewURL      string // the same as a URL
	AllowOtherwise bool   // what could not be reviewed is stored

	EventsURL string // where events are posted to; "" for nowhere
}

// taskRoot names the folder of the function's code. On Lambda it is codeOnLambda. A function that runs on a developer's
// machine as on Lambda has another one, and without Lambda's environment there is none
// (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime,
// https://github.com/aws/aws-lambda-base-images).
const (
	taskRoot     = "LAMBDA_TASK_ROOT"
	codeOnLambda = "/var/task"
)

// FromEnv reads the configuration through getenv, which is os.Getenv outside tests. An empty variable counts as not
// set. The error names every variable that is missing or wrong.
func FromEnv(getenv func(string) string) (Config, error) {
	v, wrong := Read(Source{
		Name: func(s Setting) string { return s.Variable },
		Value: func(s Setting) (string, bool, error) {
			value := getenv(s.Variable)
			return value, value != "", nil
		},
		Deployed: getenv(taskRoot) == codeOnLambda,
	})
	for key, what := range map[string]string{ConnectionsTable: "connections", MessagesTable: "messages"} {
		if getenv(key) == "" {
			wrong = append(wrong, fmt.Sprintf("%s is not set: it must name the %s table", key, what))
		}
	}
	if len(wrong) > 0 {
		return Config{}, fmt.Errorf("configuration: %s", strings.Join(wrong, "; "))
	}
	return v.config(), nil
}

func (v Values) config() Config {
	c := Config{
		ConnectionsTable:    v.Get(ConnectionsTable),
		MessagesTable:       v.Get(MessagesTable),
		ConnectionsEndpoint: v.Get(ConnectionsEndpoint),
		WebSocketURL:        v.Get(WebSocketURL),
		MessageRetention:    time.Duration(v.Number(MessageRetentionDays)) * 24 * time.Hour,
		AllowedOrigins:      v.Origins(),
		PresenceLimit:       v.Number(PresenceLimit),
		MaxRooms:            v.Number(MaxRooms),
		ActionsPerSecond:    v.Number(ActionsPerSecond),
		AllMetrics:          v.Get(Metrics) == MetricsAll,
		AuthIssuer:          v.Get(AuthIssuer),
		AuthAudience:        v.Get(AuthAudience),
		AuthClientID:        v.Get(AuthClientID),
		AuthJWKSURL:         v.Get(AuthJWKSURL),
		AuthIDClaim:         v.Get(AuthIDClaim),
		AuthNameClaim:       v.Get(AuthNameClaim),
		AuthRoomsClaim:      v.Get(AuthRoomsClaim),
		AuthRolesClaim:      v.Get(AuthRolesClaim),
		ReviewFunction:      v.Get(ReviewFunction),
		ReviewURL:           v.Get(ReviewURL),
		AllowOtherwise:      v.Get(ReviewOtherwise) == OtherwiseAllow,
		EventsURL:           v.Get(EventsURL),
	}
	_ = c.LogLevel.UnmarshalText([]byte(v.Get(LogLevel))) // the rule has checked it
	return c
}
