package localgateway

import (
	"encoding/json"
	"fmt"
	"strings"
)

// invokeAction is what a client of an API needs to be allowed
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-control-access-using-iam-policies-to-invoke-api.html).
const invokeAction = "execute-api:Invoke"

// policy is an IAM policy document, as far as an authorizer needs it.
type policy struct {
	Version   string
	Statement oneOrMore[statement]
}

type statement struct {
	Effect   string
	Action   oneOrMore[string]
	Resource oneOrMore[string]

	// What a policy may have and this package does not evaluate.
	NotAction, NotResource, Condition json.RawMessage
}

func (p *policy) UnmarshalJSON(b []byte) error {
	type plain policy
	return unmarshal(b, (*plain)(p))
}

func (s *statement) UnmarshalJSON(b []byte) error {
	type plain statement
	return unmarshal(b, (*plain)(s))
}

// oneOrMore is a JSON array, or its only element alone, as IAM takes both.
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

// allows evaluates the policy for a method ARN: it is allowed where a statement allows it and none denies it. The
// error says what makes it no policy, or one that cannot be evaluated here.
func (p policy) allows(methodARN string) (bool, error) {
	if len(p.Statement) == 0 {
		return false, fmt.Errorf("the policy has no statement")
	}
	allowed, denied := false, false
	for i, s := range p.Statement {
		switch {
		case s.NotAction != nil || s.NotResource != nil || s.Condition != nil:
			return false, fmt.Errorf("statement %d has a NotAction, a NotResource or a Condition, which the local "+
				"gateway does not evaluate", i)
		case s.Effect != "Allow" && s.Effect != "Deny":
			return false, fmt.Errorf("statement %d has the effect %q, which is neither Allow nor Deny", i, s.Effect)
		case len(s.Action) == 0 || len(s.Resource) == 0:
			return false, fmt.Errorf("statement %d has no action or no resource", i)
		}
		matches := false
		for _, resource := range s.Resource {
			matches = matches || matchARN(resource, methodARN)
		}
		if !matches {
			continue
		}
		for _, action := range s.Action {
			if wildcard(strings.ToLower(action), strings.ToLower(invokeAction)) { // IAM's actions have no case
				allowed = allowed || s.Effect == "Allow"
				denied = denied || s.Effect == "Deny"
			}
		}
	}
	return allowed && !denied, nil
}

// matchARN reports whether a policy's resource covers an ARN: segment by segment between the colons, but a * that ends
// a segment may reach on into those that follow
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html). It does reach across
// slashes, so that API/STAGE/* covers API/STAGE/$connect, and API/STAGE/*/* does not.
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

// wildcard matches a whole string with a pattern in which * stands for any number of characters and ? for one.
func wildcard(pattern, s string) bool {
	star, resume := -1, 0 // the last * so far, and where in s what follows it was tried
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p, i = p+1, i+1
		case star >= 0: // the last * takes one character more
			resume++
			p, i = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
