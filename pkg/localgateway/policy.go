package localgateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// invokeAction is the action that a policy must allow for a client of an API
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-control-access-using-iam-policies-to-invoke-api.html).
const invokeAction = "execute-api:Invoke"

// policy is the part of an IAM policy document that an authorizer needs.
type policy struct {
	Version   string
	Statement oneOrMore[statement]
}

// statement has either of Action and NotAction, and either of Resource and NotResource.
type statement struct {
	Effect      string
	Action      oneOrMore[string]
	NotAction   oneOrMore[string]
	Resource    oneOrMore[string]
	NotResource oneOrMore[string]
	Condition   condition
}

func (p *policy) UnmarshalJSON(b []byte) error {
	type plain policy
	return unmarshal(b, (*plain)(p))
}

func (s *statement) UnmarshalJSON(b []byte) error {
	type plain statement
	return unmarshal(b, (*plain)(s))
}

// oneOrMore is a JSON array or a single element. IAM accepts both.
type oneOrMore[T any] []T

func (o *oneOrMore[T]) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	if strings.HasPrefix(string(b), "[") {
		return json.Unmarshal(b, (*[]T)(o))
	}
	*o = make([]T, 1)
	return json.Unmarshal(b, &(*o)[0])
}

// call is what a policy decides about.
type call struct {
	methodARN string
	sourceIP  string
}

// allows reports whether the policy allows a call: a statement must allow it, and none may deny it. The error says why
// the policy is invalid or cannot be evaluated here.
func (p policy) allows(c call) (bool, error) {
	if len(p.Statement) == 0 {
		return false, fmt.Errorf("the policy has no statement")
	}
	allowed, denied := false, false
	for i, s := range p.Statement {
		matches, err := s.matches(c)
		if err != nil {
			return false, fmt.Errorf("statement %d %w", i, err)
		}
		allowed = allowed || matches && s.Effect == "Allow"
		denied = denied || matches && s.Effect == "Deny"
	}
	return allowed && !denied, nil
}

// matches reports whether a statement is about a call. NotAction and NotResource match what none of their elements
// matches (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notaction.html).
func (s statement) matches(c call) (bool, error) {
	switch {
	case s.Effect != "Allow" && s.Effect != "Deny":
		return false, fmt.Errorf("has the effect %q, which is neither Allow nor Deny", s.Effect)
	case (len(s.Action) == 0) == (len(s.NotAction) == 0):
		return false, errors.New("has no action, or both of Action and NotAction")
	case (len(s.Resource) == 0) == (len(s.NotResource) == 0):
		return false, errors.New("has no resource, or both of Resource and NotResource")
	}
	isAction := func(pattern string) bool { // IAM ignores the case of actions
		return wildcard(strings.ToLower(pattern), strings.ToLower(invokeAction))
	}
	isResource := func(pattern string) bool { return matchARN(pattern, c.methodARN) }
	action := slices.ContainsFunc(s.Action, isAction) ||
		len(s.NotAction) > 0 && !slices.ContainsFunc(s.NotAction, isAction)
	resource := slices.ContainsFunc(s.Resource, isResource) ||
		len(s.NotResource) > 0 && !slices.ContainsFunc(s.NotResource, isResource)
	condition, err := s.Condition.holds(c.sourceIP)
	return action && resource && condition, err
}

// matchARN reports whether a policy's resource covers an ARN. It compares the segments between the colons. A * at the
// end of a segment may also match the segments after it
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html). A * also matches
// slashes: API/STAGE/* covers API/STAGE/$connect, and API/STAGE/*/* does not.
func matchARN(pattern, arn string) bool {
	return matchSegments(strings.Split(pattern, ":"), strings.Split(arn, ":"))
}

func matchSegments(patterns, values []string) bool {
	if len(patterns) == 0 {
		return len(values) == 0
	}
	most := min(1, len(values))
	if strings.HasSuffix(patterns[0], "*") {
		most = len(values)
	}
	for n := 1; n <= most; n++ {
		if wildcard(patterns[0], strings.Join(values[:n], ":")) && matchSegments(patterns[1:], values[n:]) {
			return true
		}
	}
	return false
}

// wildcard reports whether a pattern matches a whole string. * matches any number of characters, and ? matches one.
func wildcard(pattern, s string) bool {
	star, resume := -1, 0 // the last * so far, and the place in s at which the rest of the pattern was tried
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p, i = p+1, i+1
		case star >= 0: // the last * matches one more character
			resume++
			p, i = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
