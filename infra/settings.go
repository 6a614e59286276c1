package main

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"wschat/pkg/chat"
	"wschat/pkg/config"
)

// settings are what a deployment can choose, by CDK context: -c NAME=VALUE, or "context" in cdk.json.
type settings struct {
	stage                string   // the name of the WebSocket API's stage; each has a stack of its own
	lambdaRuntime        string   // provided.al2023 or provided.al2
	architecture         string   // arm64 or x86_64
	memorySize           int      // megabytes
	reservedConcurrency  int      // invocations of the function at once; 0 for as many as the account has
	messageRetentionDays int      // after which messages expire; 0 for never
	presenceLimit        int      // connections of a room, up to which comings and goings are announced
	maxRooms             int      // that one connection may be in
	actionsPerSecond     int      // that one connection may ask one process for
	authIssuer           string   // an OpenID Connect provider; "" lets everybody in
	authAudience         string   // what its tokens must be meant for
	authJwksURL          string   // of its keys, where discovery does not serve
	authIDClaim          string   // the claim that says who somebody is
	authNameClaim        string   // the claim with the display name
	authRoomsClaim       string   // the claim with the rooms that a token allows; "" for every room
	messagesTable        string   // one that is there already, to be used in place of the stack's own; "" for that
	removalPolicy        string   // of the tables when the stack is deleted: retain or destroy
	throttleRate         int      // messages a second from all clients together
	throttleBurst        int      // messages at once
	domainName           string   // of the WebSocket API; "" for AWS's own
	certificateArn       string   // of the domain's certificate, in the stack's Region
	allowedOrigins       []string // of web pages that may connect, as config.ParseOrigins returns them; none for all
	alarmEmail           string   // an address that is told of alarms; "" for none
	alarmTopic           string   // the ARN of an SNS topic that is told of alarms; "" for none
	allMetrics           bool     // and all alarms, also those that AWS bills
	logLevel             string   // of the function's log: debug, info, warn or error
	tracing              bool     // with X-Ray
}

// readSettings reads and checks every setting; context gives a value by name, nil where there is none. The error names
// all that is wrong.
func readSettings(context func(name string) any) (settings, error) {
	r := reader{context: context}
	s := settings{
		stage:                r.text("stage", "dev", stagePattern, "must be 1 to 64 letters, digits or -"),
		lambdaRuntime:        r.oneOf("lambdaRuntime", "provided.al2023", "provided.al2"),
		architecture:         r.oneOf("architecture", "arm64", "x86_64"),
		memorySize:           r.number("memorySize", 512, 128, 10240),
		reservedConcurrency:  r.concurrency("reservedConcurrency"),
		messageRetentionDays: r.number("messageRetentionDays", 0, 0, config.MaxRetentionDays),
		presenceLimit:        r.number("presenceLimit", chat.DefaultPresenceLimit, 0, config.MaxPresenceLimit),
		maxRooms:             r.number("maxRooms", config.DefaultMaxRooms, 1, config.MaxMaxRooms),
		actionsPerSecond:     r.number("actionsPerSecond", config.DefaultActionsPerSecond, 1, config.MaxActionsPerSecond),
		authIssuer:           r.provider("authIssuer"),
		authAudience:         r.text("authAudience", "", `^[!-~]{1,256}$`, "must be 1 to 256 characters without blanks"),
		authJwksURL:          r.provider("authJwksUrl"),
		authIDClaim:          r.text("authIdClaim", "", claimPattern, claimRule),
		authNameClaim:        r.text("authNameClaim", "", claimPattern, claimRule),
		authRoomsClaim:       r.text("authRoomsClaim", "", claimPattern, claimRule),
		messagesTable:        r.text("messagesTable", "", tablePattern, "must be the name of a table"),
		removalPolicy:        r.oneOf("removalPolicy", "retain", "destroy"),
		throttleRate:         r.number("throttleRate", 500, 1, 100_000),
		throttleBurst:        r.number("throttleBurst", 200, 1, 100_000),
		domainName:           r.text("domainName", "", domainPattern, "must be a domain name such as chat.example.com"),
		certificateArn: r.text("certificateArn", "", certificatePattern,
			"must be the ARN of a certificate, arn:aws:acm:REGION:ACCOUNT:certificate/ID"),
		allowedOrigins: r.origins("allowedOrigins"),
		alarmEmail:     r.text("alarmEmail", "", `^[^@\s]+@[^@\s]+\.[^@\s]+$`, "must be an e-mail address such as ops@example.com"),
		alarmTopic: r.text("alarmTopic", "", topicPattern,
			"must be the ARN of a standard topic in the stack's Region, arn:aws:sns:REGION:ACCOUNT:NAME"),
		allMetrics: r.oneOf("metrics", config.MetricsFree, config.MetricsAll) == config.MetricsAll,
		logLevel:   r.oneOf("logLevel", "info", "debug", "warn", "error"),
		tracing:    r.onOff("tracing"),
	}
	if (s.domainName == "") != (s.certificateArn == "") {
		r.wrong = append(r.wrong, "domainName and certificateArn need each other: give both, or neither")
	}
	if (s.authIssuer == "") != (s.authAudience == "") {
		r.wrong = append(r.wrong, "authIssuer and authAudience need each other: give both, or neither")
	}
	if s.authIssuer == "" && s.authJwksURL+s.authIDClaim+s.authNameClaim+s.authRoomsClaim != "" {
		r.wrong = append(r.wrong, "authJwksUrl, authIdClaim, authNameClaim and authRoomsClaim say how tokens are read: give authIssuer too")
	}
	if len(r.wrong) > 0 {
		return settings{}, fmt.Errorf("context: %s", strings.Join(r.wrong, "; "))
	}
	return s, nil
}

const (
	claimPattern = `^[!-~]{1,256}$`
	claimRule    = "must be the name of a claim, 1 to 256 characters without blanks"

	stagePattern       = `^[A-Za-z0-9-]{1,64}$` // of a stage and of a stack, which has its name
	tablePattern       = `^[A-Za-z0-9_.-]{3,255}$`
	domainPattern      = `^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$`
	topicPattern       = `^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$` // alarms cannot tell a FIFO topic
	certificatePattern = `^arn:[a-z-]+:acm:[a-z0-9-]+:[0-9]{12}:certificate/[A-Za-z0-9-]+$`
)

// reader reads settings one by one and collects what is wrong with them.
type reader struct {
	context func(name string) any
	wrong   []string
}

// value is a setting as text: -c gives text, and cdk.json may give a whole number. What is neither is refused by the rule.
func (r *reader) value(name, rule string) (string, bool) {
	const exact = 1 << 53 // up to which a float has every whole number
	v := r.context(name)
	switch v := v.(type) {
	case nil:
		return "", false
	case string:
		return strings.TrimSpace(v), true
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < exact {
			return strconv.FormatFloat(v, 'f', 0, 64), true
		}
		if v == math.Trunc(v) {
			rule = "has too many digits to be read exactly: put it in quotes"
		}
	}
	shown, err := json.Marshal(v)
	if err != nil {
		shown = []byte(fmt.Sprint(v))
	}
	r.wrong = append(r.wrong, fmt.Sprintf("%s is %s: it %s", name, shown, rule))
	return "", false
}

func (r *reader) refuse(name, value, rule string) {
	r.wrong = append(r.wrong, fmt.Sprintf("%s is %q: it %s", name, value, rule))
}

func (r *reader) text(name, otherwise, pattern, rule string) string {
	value, ok := r.value(name, rule)
	if !ok {
		return otherwise
	}
	if !regexp.MustCompile(pattern).MatchString(value) {
		r.refuse(name, value, rule)
	}
	return value
}

// provider takes a URL of an OpenID Connect provider.
func (r *reader) provider(name string) string {
	value, ok := r.value(name, "must be a URL such as https://example.auth0.com/")
	if !ok {
		return ""
	}
	if err := config.CheckDeployedURL(value); err != nil {
		r.refuse(name, value, err.Error())
	}
	return value
}

// oneOf takes one of the choices, the first where none is given.
func (r *reader) oneOf(name string, choices ...string) string {
	rule := "must be " + strings.Join(choices, " or ")
	value, ok := r.value(name, rule)
	if !ok {
		return choices[0]
	}
	if !slices.Contains(choices, value) {
		r.refuse(name, value, rule)
	}
	return value
}

// onOff takes on or off, and true or false for them; off where none is given.
func (r *reader) onOff(name string) bool {
	switch v := r.context(name); v {
	case true, "true":
		return true
	case false, "false":
		return false
	default:
		return r.oneOf(name, "off", "on") == "on"
	}
}

// concurrency takes how many invocations of a function are reserved for it; 0 where none is given. The account's limit is not
// known here: a deploy that leaves the account less than 100 unreserved fails with AWS's own words.
func (r *reader) concurrency(name string) int {
	return r.bounded(name, 0, 1, config.MaxReservedConcurrency, "; leave it out to reserve nothing. "+
		"Zero would stop the function, and AWS keeps 100 of the account's concurrency for functions that reserve none")
}

func (r *reader) number(name string, otherwise, least, most int) int {
	return r.bounded(name, otherwise, least, most, "")
}

// bounded takes a whole number. The hint follows the rule where that is broken.
func (r *reader) bounded(name string, otherwise, least, most int, hint string) int {
	rule := fmt.Sprintf("must be a whole number from %d to %d%s", least, most, hint)
	value, ok := r.value(name, rule)
	if !ok {
		return otherwise
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		r.refuse(name, value, rule)
	}
	return n
}

// origins takes a list with commas between its elements, or a JSON list: https://chat.example.com,http://localhost:3000.
func (r *reader) origins(name string) []string {
	list, ok := "", true
	if elements, isList := r.context(name).([]any); isList {
		texts := make([]string, len(elements))
		for i, element := range elements {
			texts[i] = fmt.Sprint(element)
		}
		list = strings.Join(texts, ",")
	} else if list, ok = r.value(name, "must be a list of origins such as https://chat.example.com"); !ok {
		return nil
	}
	origins, err := config.ParseOrigins(list)
	if err != nil {
		r.wrong = append(r.wrong, name+" is "+err.Error())
	}
	return origins
}
