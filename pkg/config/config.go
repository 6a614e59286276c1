// Package config names what the Lambda function is configured with, once, for the function that reads it and for the
// stack that sets it.
package config

import (
	"fmt"
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

	AllowedOrigins = "ALLOWED_ORIGINS" // of web pages that may connect, with commas between them; where unset, all

	PresenceLimit = "PRESENCE_LIMIT" // of a room's connections, up to which comings and goings are announced; where unset, chat.DefaultPresenceLimit

	MessageRetentionDays = "MESSAGE_RETENTION_DAYS" // after how many whole days messages expire; where unset, never
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
	AllowedOrigins      []string      // none for all
	PresenceLimit       int           // connections of a room; 0 announces no coming and going
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
	}
	if origins := getenv(AllowedOrigins); origins != "" {
		c.AllowedOrigins = strings.Split(origins, ",")
	}
	var wrong []string
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
	if limit := getenv(PresenceLimit); limit != "" {
		n, err := strconv.Atoi(limit)
		if err != nil || n < 0 || n > MaxPresenceLimit {
			wrong = append(wrong, fmt.Sprintf("%s is %q: it must be a whole number of connections, 0 to %d", PresenceLimit, limit, MaxPresenceLimit))
		}
		c.PresenceLimit = n
	}
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
