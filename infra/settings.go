package main

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"wschat/pkg/config"
	"wschat/pkg/config/idn"
)

// settings are the values that the stack uses itself. pkg/config has their table, with what they mean.
type settings struct {
	values config.Values // all of them, as chosen: the function's environment is made of them

	stage               string
	lambdaRuntime       string
	architecture        string
	memorySize          int // megabytes
	reservedConcurrency int // 0 for as many invocations as the account has
	maxRooms            int
	actionsPerSecond    int
	authIssuer          string // "" lets everybody in
	reviewFunction      string // the ARN of the function that reviews messages; "" for none
	messagesTable       string // "" for the stack's own
	messagesStream      string // the ARN of the stream of messagesTable; "" for none
	events              bool
	eventBus            string // the ARN of the bus for events; "" for the stack's own
	removalPolicy       string
	throttleRate        int
	throttleBurst       int
	domainName          string
	certificateArn      string
	allowedOrigins      []string // none for all
	alarmEmail          string
	alarmTopic          string
	allMetrics          bool
	tracing             bool
}

// readSettings reads and checks every setting; context gives a value by name, nil if there is none. The error names all
// that is wrong.
func readSettings(context func(name string) any) (settings, error) {
	v, wrong := config.Read(config.Source{
		Name:     func(s config.Setting) string { return s.Context },
		Value:    func(s config.Setting) (string, bool, error) { return text(s, context(s.Context)) },
		Rule:     idn.Rule,
		Deployed: true,
	})
	if (v["domainName"] == "") != (v["certificateArn"] == "") && len(wrong) == 0 {
		wrong = append(wrong, "domainName and certificateArn need each other: give both, or neither")
	}
	if len(wrong) == 0 {
		wrong = checkEvents(v)
	}
	if len(wrong) > 0 {
		return settings{}, fmt.Errorf("context: %s", strings.Join(wrong, "; "))
	}
	return settings{
		values:              v,
		stage:               v.Get("stage"),
		lambdaRuntime:       v.Get("lambdaRuntime"),
		architecture:        v.Get("architecture"),
		memorySize:          v.Number("memorySize"),
		reservedConcurrency: v.Number("reservedConcurrency"),
		maxRooms:            v.Number(config.MaxRooms),
		actionsPerSecond:    v.Number(config.ActionsPerSecond),
		authIssuer:          v.Get(config.AuthIssuer),
		reviewFunction:      v.Get(config.ReviewFunction),
		messagesTable:       v.Get(config.MessagesTable),
		messagesStream:      v.Get("messagesStream"),
		events:              v.Get("events") == "on",
		eventBus:            v.Get("eventBus"),
		removalPolicy:       v.Get("removalPolicy"),
		throttleRate:        v.Number("throttleRate"),
		throttleBurst:       v.Number("throttleBurst"),
		domainName:          v.Get("domainName"),
		certificateArn:      v.Get("certificateArn"),
		allowedOrigins:      v.Origins(),
		alarmEmail:          v.Get("alarmEmail"),
		alarmTopic:          v.Get("alarmTopic"),
		allMetrics:          v.Get(config.Metrics) == config.MetricsAll,
		tracing:             v.Get("tracing") == "on",
	}, nil
}

// checkEvents says what is wrong with the settings of events beside each other.
func checkEvents(v config.Values) (wrong []string) {
	on, table, stream := v.Get("events") == "on", v.Get(config.MessagesTable), v.Get("messagesStream")
	if on && table != "" && stream == "" {
		wrong = append(wrong, "events with messagesTable needs messagesStream, the ARN of that table's stream with "+
			"new "+
			"images: switch the stream on, and give its ARN")
	}
	if stream != "" && (table == "" || !strings.Contains(stream, ":table/"+table+"/")) {
		wrong = append(wrong, "messagesStream must be of the table that messagesTable names")
	}
	if !on && (stream != "" || v.Get("eventBus") != "") {
		wrong = append(wrong, "messagesStream and eventBus are for events: give events=on too, or none of them")
	}
	return wrong
}

// text is a setting's value as text: -c gives text, and cdk.json may give a whole number, true, false or a list.
func text(s config.Setting, value any) (text string, ok bool, err error) {
	const exact = 1 << 53 // up to which a float has every whole number
	says := s.Rule.Says
	switch v := value.(type) {
	case nil:
		return "", false, nil
	case string:
		return strings.TrimSpace(v), true, nil
	case bool:
		if s.Rule.Switch {
			return strconv.FormatBool(v), true, nil
		}
	case []any:
		if s.Rule.List {
			elements := make([]string, len(v))
			for i, element := range v {
				elements[i] = fmt.Sprint(element)
			}
			return strings.Join(elements, ","), true, nil
		}
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < exact {
			return strconv.FormatFloat(v, 'f', 0, 64), true, nil
		}
		if v == math.Trunc(v) {
			says = "has too many digits to be read exactly: put it in quotes"
		}
	}
	shown, err := json.Marshal(value)
	if err != nil {
		shown = []byte(fmt.Sprint(value))
	}
	return "", false, fmt.Errorf("%s is %s: it %s", s.Context, shown, says)
}
