package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Rule is what a value must be.
type Rule struct {
	Says   string                    // begins with "must"
	Check  func(value string) error  // why a value breaks the rule: an error that begins with "must"
	Form   func(value string) string // the form in which a right value is used; nil for the value itself
	List   bool                      // the value is a list with commas between its elements; Check's error quotes one
	Switch bool                      // true and false are values too
}

// Read returns a value in the form in which it is used. The error is a sentence about name, which has the value.
func (r Rule) Read(name, value string) (string, error) {
	switch err := r.Check(value); {
	case err != nil && r.List:
		return "", fmt.Errorf("%s is %w", name, err)
	case err != nil:
		return "", fmt.Errorf("%s is %q: it %w", name, value, err)
	case r.Form != nil:
		return r.Form(value), nil
	}
	return value, nil
}

// check is a rule that one sentence says.
func check(says string, holds func(value string) bool) Rule {
	return Rule{Says: says, Check: func(value string) error {
		if !holds(value) {
			return errors.New(says)
		}
		return nil
	}}
}

func anything() Rule { return check("must be a name", func(string) bool { return true }) }

func pattern(pattern, says string) Rule {
	return check(says, func(value string) bool { return regexp.MustCompile(pattern).MatchString(value) })
}

func number(least, most int) Rule { return numberWith(least, most, "") }

// numberWith is a whole number. The hint follows the sentence.
func numberWith(least, most int, hint string) Rule {
	return check(fmt.Sprintf("must be a whole number from %d to %d%s", least, most, hint), func(value string) bool {
		n, err := strconv.Atoi(value)
		return err == nil && n >= least && n <= most
	})
}

func oneOf(choices ...string) Rule {
	return check("must be "+strings.Join(choices, " or "), func(value string) bool {
		return slices.Contains(choices,
			value)
	})
}

// onOff takes on or off, and true or false for them.
func onOff() Rule {
	rule := check("must be off or on", func(value string) bool {
		return slices.Contains([]string{"on", "off", "true", "false"}, value)
	})
	rule.Switch = true
	rule.Form = func(value string) string { return strings.NewReplacer("true", "on", "false", "off").Replace(value) }
	return rule
}

func claim() Rule {
	return pattern(`^[!-~]{1,256}$`, "must be the name of a claim, 1 to 256 characters without blanks")
}

// provider is the URL of an OpenID Connect provider.
func provider() Rule {
	return Rule{Says: "must be a URL such as https://example.auth0.com/", Check: CheckProviderURL}
}

// Origins is a list of origins, in the form that browsers send. toASCII is as in ParseOrigins.
func Origins(toASCII func(host string) (string, error)) Rule {
	return Rule{
		Says: "must be a list of origins such as https://chat.example.com",
		List: true,
		Check: func(value string) error {
			_, err := ParseOrigins(value, toASCII)
			return err
		},
		Form: func(value string) string {
			origins, _ := ParseOrigins(value, toASCII)
			return strings.Join(origins, ",")
		},
	}
}

func urlOf(example string, schemes ...string) Rule {
	return check("must be a URL such as "+example, func(value string) bool { return isURL(value, schemes) })
}

func urlOrPath(example string, schemes ...string) Rule {
	return check("must be a URL such as "+example+", or a path", func(value string) bool {
		return strings.HasPrefix(value, "/") || isURL(value, schemes)
	})
}

func isURL(value string, schemes []string) bool {
	u, err := url.Parse(value)
	return err == nil && u.Host != "" && slices.Contains(schemes, u.Scheme)
}
