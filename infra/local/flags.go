package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"wschat/pkg/config"
	"wschat/pkg/config/idn"
	"wschat/pkg/localchat"
)

// parse reads the command line. Its error is one line; only -h prints the flags.
func parse(args []string, stderr io.Writer) (c localchat.Config, err error) {
	flags := flag.NewFlagSet("local", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.Addr, "addr", "127.0.0.1:8080", "the `HOST:PORT` to serve on; without a host, "+
		"on every address of this machine; port 0 picks a free one")
	flags.StringVar(&c.Data, "data", ".local/chat.db", "the `FILE` that keeps the messages")
	flags.StringVar(&c.DynamoDB, "dynamodb", "",
		"the `URL` of a DynamoDB endpoint that keeps the state, in place of the file")
	flags.StringVar(&c.Bootstrap, "bootstrap", "",
		"a built Lambda function, the `FILE` to invoke in place of the handlers in this process")
	flags.IntVar(&c.RequestsPerSecond, "requests-per-second", 0,
		"an account's quota of `N` messages and posts a second, as API Gateway has one; none by default")
	flags.DurationVar(&c.PostDelay, "post-delay", 0,
		"the `TIME` that a post to a connection takes, as on AWS it takes some milliseconds")
	demo := flags.String("demo-users", "",
		"the `NAMES`, with commas between them, to whom a demonstration provider gives tokens, "+
			"which are printed; at the page, everybody can sign in there")
	chosen := settingFlags(flags)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(stderr, "Usage: go run ./infra/local [flags]")
		flags.SetOutput(stderr)
		flags.PrintDefaults()
		return c, err
	case err != nil:
		return c, fmt.Errorf("%w (-h lists the flags)", err)
	case flags.NArg() > 0:
		return c, fmt.Errorf("unexpected argument %q (-h lists the flags)", flags.Arg(0))
	}
	if c.PostDelay < 0 || c.RequestsPerSecond < 0 {
		return c, errors.New("-post-delay and -requests-per-second must not be negative")
	}
	c.DemoUsers = list(*demo)
	if *demo != "" && len(c.DemoUsers) == 0 {
		return c, fmt.Errorf("-demo-users %q names nobody", *demo)
	}
	c.Settings, err = readSettings(chosen, len(c.DemoUsers) > 0)
	return c, err
}

// settingFlags adds a flag for each setting that has one. After the flags are parsed, the map has the texts that were
// given, by the setting's key.
func settingFlags(flags *flag.FlagSet) map[string]string {
	chosen := map[string]string{}
	for _, s := range config.Settings() {
		if s.Flag == "" {
			continue
		}
		usage := s.Meaning
		if s.Default != "" {
			usage += fmt.Sprintf(" (default %s)", s.Default)
		}
		flags.Func(s.Flag, usage, func(text string) error {
			chosen[s.Key()] = text
			return nil
		})
	}
	return chosen
}

// readSettings reads the flags of the settings. Demonstration users bring their own provider.
func readSettings(chosen map[string]string, demo bool) (config.Values, error) {
	const issuer, keys = config.AuthIssuer, config.AuthJWKSURL
	if demo {
		if chosen[issuer]+chosen[config.AuthAudience]+chosen[config.AuthClientID]+chosen[keys] != "" {
			return nil, errors.New("-demo-users brings its own provider: leave -auth-issuer, -auth-audience, " +
				"-auth-client-id and -auth-jwks-url out")
		}
		chosen[issuer], chosen[config.AuthAudience] = "http://127.0.0.1", "chat" // in place of the one that is to come
	}
	v, wrong := config.Read(config.Source{
		Name: func(s config.Setting) string {
			if s.Flag == "" {
				return ""
			}
			return "-" + s.Flag
		},
		Value: func(s config.Setting) (string, bool, error) {
			text := chosen[s.Key()]
			return text, text != "", nil
		},
		Rule: idn.Rule,
	})
	if len(wrong) > 0 {
		return nil, errors.New(strings.Join(wrong, "; "))
	}
	if demo {
		delete(v, issuer)
		delete(v, config.AuthAudience)
	}
	return v, nil
}

// list takes a list apart at its commas, without blanks and empty elements.
func list(text string) (elements []string) {
	for element := range strings.SplitSeq(text, ",") {
		if element = strings.TrimSpace(element); element != "" {
			elements = append(elements, element)
		}
	}
	return elements
}
