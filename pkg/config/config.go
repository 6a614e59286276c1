// Package config names what the Lambda function is configured with, once, for the function that reads it and for the
// stack that sets it.
package config

import (
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"

	"wschat/pkg/chat"
)

// The function's own environment variables. Those of AWS (AWS_REGION, AWS_ENDPOINT_URL_DYNAMODB, …) are read by awsclient.
const (
	ConnectionsTable    = "CONNECTIONS_TABLE"    // required: the name of the connections table
	MessagesTable       = "MESSAGES_TABLE"       // required: the name of the messages table
	ConnectionsEndpoint = "CONNECTIONS_ENDPOINT" // the stage's callback URL; where unset, from each event

	WebSocketURL = "WEBSOCKET_URL" // where the browser client connects: a wss:// URL, or a path on its own host

	AllowedOrigins = "ALLOWED_ORIGINS" // of web pages that may connect, as ParseOrigins takes them; where unset, all

	AuthIssuer     = "AUTH_ISSUER"      // an OpenID Connect provider, as its tokens name it; where set, only who has a token is let in
	AuthAudience   = "AUTH_AUDIENCE"    // what tokens must be meant for; required with AUTH_ISSUER
	AuthJWKSURL    = "AUTH_JWKS_URL"    // of the provider's keys, where discovery does not serve
	AuthIDClaim    = "AUTH_ID_CLAIM"    // the claim that says who somebody is, which all see; where unset, auth.DefaultIDClaim
	AuthNameClaim  = "AUTH_NAME_CLAIM"  // the claim with the display name; where unset, auth.DefaultNameClaim
	AuthRoomsClaim = "AUTH_ROOMS_CLAIM" // the claim with the rooms that a token allows; where unset, every room

	MaxRooms         = "MAX_ROOMS"          // that one connection may be in; where unset, any number
	ActionsPerSecond = "ACTIONS_PER_SECOND" // that one connection may ask for; where unset, any number

	PresenceLimit = "PRESENCE_LIMIT" // of a room's connections, up to which comings and goings are announced; where unset, chat.DefaultPresenceLimit

	Metrics = "METRICS" // of which CloudWatch is told: free, for those that cost nothing, or all; where unset, free

	LogLevel = "LOG_LEVEL" // of the lines that are written: debug, info, warn or error; where unset, info

	MessageRetentionDays = "MESSAGE_RETENTION_DAYS" // after how many whole days messages expire; where unset, never
)

// The values of Metrics.
const (
	MetricsFree = "free"
	MetricsAll  = "all"
)

// Bounds that nobody needs to exceed.
const (
	MaxMaxRooms         = 10_000
	MaxActionsPerSecond = 10_000

	// MaxReservedConcurrency is of the function's invocations at once. An account has 1,000 by default, of which AWS keeps 100
	// unreserved, and can be given more
	// (https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html).
	MaxReservedConcurrency = 100_000

	// What the stack and the local chat set where nobody says otherwise.
	DefaultMaxRooms         = 100
	DefaultActionsPerSecond = 100
)

// MaxPresenceLimit is a bound on what a user's coming may cost: a post to so many.
const MaxPresenceLimit = 10_000

// MaxRetentionDays is a hundred years: more is a mistake.
const MaxRetentionDays = 36_500

// Config is the function's configuration.
type Config struct {
	ConnectionsTable    string
	MessagesTable       string
	ConnectionsEndpoint string        // "" for https://DOMAIN/STAGE of the event at hand
	WebSocketURL        string        // "" where nobody said
	MessageRetention    time.Duration // 0 for ever
	AllowedOrigins      []string      // as ParseOrigins returns them; none for all
	PresenceLimit       int           // connections of a room; 0 announces no coming and going
	MaxRooms            int           // of a connection; 0 for any number
	ActionsPerSecond    int           // of a connection; 0 for any number

	LogLevel   slog.Level
	AllMetrics bool // CloudWatch is told of all metrics, and not only of those in telemetry.Free

	AuthIssuer     string // "" lets everybody in
	AuthAudience   string
	AuthJWKSURL    string
	AuthIDClaim    string
	AuthNameClaim  string
	AuthRoomsClaim string
}

// FromEnv reads the configuration through getenv, which is os.Getenv outside tests. The error names every variable that
// is missing or wrong.
func FromEnv(getenv func(string) string) (Config, error) {
	c := Config{
		ConnectionsTable:    getenv(ConnectionsTable),
		MessagesTable:       getenv(MessagesTable),
		ConnectionsEndpoint: getenv(ConnectionsEndpoint),
		WebSocketURL:        getenv(WebSocketURL),
		PresenceLimit:       chat.DefaultPresenceLimit,
		AuthIssuer:          getenv(AuthIssuer),
		AuthAudience:        getenv(AuthAudience),
		AuthJWKSURL:         getenv(AuthJWKSURL),
		AuthIDClaim:         getenv(AuthIDClaim),
		AuthNameClaim:       getenv(AuthNameClaim),
		AuthRoomsClaim:      getenv(AuthRoomsClaim),
	}
	var wrong []string
	if origins := getenv(AllowedOrigins); origins != "" {
		var err error
		if c.AllowedOrigins, err = ParseOrigins(origins); err != nil {
			wrong = append(wrong, AllowedOrigins+" is "+err.Error())
		}
	}
	if c.ConnectionsTable == "" {
		wrong = append(wrong, ConnectionsTable+" is not set: it must name the connections table")
	}
	if c.MessagesTable == "" {
		wrong = append(wrong, MessagesTable+" is not set: it must name the messages table")
	}
	if e := c.ConnectionsEndpoint; e != "" {
		if u, err := url.Parse(e); err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
			wrong = append(wrong, fmt.Sprintf("%s is %q: it must be a URL such as https://ID.execute-api.REGION.amazonaws.com/STAGE",
				ConnectionsEndpoint, e))
		}
	}
	if w := c.WebSocketURL; w != "" && !strings.HasPrefix(w, "/") {
		if u, err := url.Parse(w); err != nil || u.Host == "" || (u.Scheme != "wss" && u.Scheme != "ws") {
			wrong = append(wrong, fmt.Sprintf("%s is %q: it must be a URL such as wss://ID.execute-api.REGION.amazonaws.com/STAGE, or a path", WebSocketURL, w))
		}
	}
	switch metrics := getenv(Metrics); metrics {
	case "", MetricsFree:
	case MetricsAll:
		c.AllMetrics = true
	default:
		wrong = append(wrong, fmt.Sprintf("%s is %q: it must be %s or %s", Metrics, metrics, MetricsFree, MetricsAll))
	}
	if level := getenv(LogLevel); level != "" {
		if err := c.LogLevel.UnmarshalText([]byte(level)); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s is %q: it must be debug, info, warn or error", LogLevel, level))
		}
	}
	for _, number := range []struct {
		name        string
		least, most int
		into        *int
	}{
		{PresenceLimit, 0, MaxPresenceLimit, &c.PresenceLimit},
		{MaxRooms, 1, MaxMaxRooms, &c.MaxRooms},
		{ActionsPerSecond, 1, MaxActionsPerSecond, &c.ActionsPerSecond},
	} {
		if value := getenv(number.name); value != "" {
			n, err := strconv.Atoi(value)
			if err != nil || n < number.least || n > number.most {
				wrong = append(wrong, fmt.Sprintf("%s is %q: it must be a whole number from %d to %d", number.name, value, number.least, number.most))
			}
			*number.into = n
		}
	}
	if (c.AuthIssuer == "") != (c.AuthAudience == "") {
		wrong = append(wrong, AuthIssuer+" and "+AuthAudience+" need each other: set both, or neither")
	}
	if c.AuthIssuer == "" && c.AuthJWKSURL+c.AuthIDClaim+c.AuthNameClaim+c.AuthRoomsClaim != "" {
		wrong = append(wrong, AuthJWKSURL+", "+AuthIDClaim+", "+AuthNameClaim+" and "+AuthRoomsClaim+" say how tokens are read, and there are none without "+AuthIssuer)
	}
	wrong = append(wrong, wrongProvider(c.AuthIssuer, c.AuthJWKSURL, getenv(taskRoot) != "")...)
	if days := getenv(MessageRetentionDays); days != "" {
		n, err := strconv.Atoi(days)
		if err != nil || n < 1 || n > MaxRetentionDays {
			wrong = append(wrong, fmt.Sprintf("%s is %q: it must be a whole number of days, 1 to %d", MessageRetentionDays, days, MaxRetentionDays))
		}
		c.MessageRetention = time.Duration(n) * 24 * time.Hour
	}
	if len(wrong) > 0 {
		return Config{}, fmt.Errorf("configuration: %s", strings.Join(wrong, "; "))
	}
	return c, nil
}
