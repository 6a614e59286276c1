package localgateway

import (
	"strings"
	"testing"
)

func TestConditionsOnTheSourceIP(t *testing.T) {
	const v4, v6 = "203.0.113.7", "2001:db8::7"
	for _, tc := range []struct {
		name, sourceIP, condition string
		holds                     bool
	}{
		{"in a range", v4, `{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`, true},
		{"in a range with bits of a host", v4, `{"IpAddress":{"aws:SourceIp":"203.0.113.99/24"}}`, true},
		{"next to a range", v4, `{"IpAddress":{"aws:SourceIp":"203.0.112.0/24"}}`, false},
		{"any address", v4, `{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}`, true},
		{"the address alone", v4, `{"IpAddress":{"aws:SourceIp":"203.0.113.7"}}`, true},
		{"another address", v4, `{"IpAddress":{"aws:SourceIp":"203.0.113.8"}}`, false},
		{"in one of the ranges", v4, `{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","203.0.113.0/24"]}}`, true},
		{"in none of the ranges", v4, `{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","2001:db8::/32"]}}`, false},
		{"a list of one", v4, `{"IpAddress":{"aws:SourceIp":["203.0.113.0/24"]}}`, true},
		{"a key in other letters", v4, `{"IpAddress":{"AWS:sourceIP":"203.0.113.0/24"}}`, true},
		{"not in a range", v4, `{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`, true},
		{"in the range that is ruled out", v4, `{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`, false},
		{"in one of those that are ruled out", v4,
			`{"NotIpAddress":{"aws:SourceIp":["10.0.0.0/8","203.0.113.0/24"]}}`, false},
		{"in none of those that are ruled out", v4, `{"NotIpAddress":{"aws:SourceIp":["10.0.0.0/8","::/0"]}}`, true},
		{"both operators hold", v4, `{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"},` +
			`"NotIpAddress":{"aws:SourceIp":"203.0.113.8/32"}}`, true},
		{"one of two operators holds", v4, `{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"},` +
			`"NotIpAddress":{"aws:SourceIp":"203.0.113.7/32"}}`, false},
		{"one of two keys holds", v4, `{"IpAddress":{"aws:SourceIp":"203.0.113.0/24","aws:sourceip":"10.0.0.0/8"}}`,
			false},
		{"if the key exists", v4, `{"IpAddressIfExists":{"aws:SourceIp":"203.0.113.0/24"}}`, true},
		{"not, if the key exists", v4, `{"NotIpAddressIfExists":{"aws:SourceIp":"203.0.113.0/24"}}`, false},
		{"no condition", v4, `{}`, true},
		{"null", v4, `null`, true},
		{"IPv6 in a range", v6, `{"IpAddress":{"aws:SourceIp":"2001:db8::/32"}}`, true},
		{"IPv6 next to a range", v6, `{"IpAddress":{"aws:SourceIp":"2001:db9::/32"}}`, false},
		{"IPv6 alone", v6, `{"IpAddress":{"aws:SourceIp":"2001:DB8:0::7"}}`, true},
		{"its neighbour alone", v6, `{"IpAddress":{"aws:SourceIp":"2001:db8::8"}}`, false},
		{"IPv6 is not IPv4", v6, `{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}`, false},
		{"IPv4 is not IPv6", v4, `{"IpAddress":{"aws:SourceIp":"::/0"}}`, false},
		{"IPv4 in IPv6", "::ffff:203.0.113.7", `{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`, true},
		{"with a zone", "fe80::1%eth0", `{"IpAddress":{"aws:SourceIp":"fe80::/10"}}`, true},
	} {
		for effect, allowed := range map[string]bool{"Allow": tc.holds, "Deny": !tc.holds} {
			statements := `{"Effect":"` + effect + `","Action":"*","Resource":"*","Condition":` + tc.condition + `}`
			if effect == "Deny" {
				statements = `[{"Effect":"Allow","Action":"*","Resource":"*"},` + statements + `]`
			}
			if got, err := allowsConnect(statements, tc.sourceIP); err != nil || got != allowed {
				t.Errorf("%s, %s: %v, %v, want %v", effect, tc.name, got, err, allowed)
			}
		}
	}
	for condition, says := range map[string]string{
		`{"IpAddress":{"aws:SourceIp":"203.0.113.0/33"}}`:             "203.0.113.0/33",
		`{"IpAddress":{"aws:SourceIp":"203.0.113"}}`:                  "CIDR",
		`{"IpAddress":{"aws:SourceIp":"203.0.113.*"}}`:                "CIDR",
		`{"IpAddress":{"aws:SourceIp":"203.0.113.0 / 24"}}`:           "CIDR",
		`{"NotIpAddress":{"aws:SourceIp":["203.0.113.7","friends"]}}`: `"friends"`,
		`{"NotIpAddress":{"aws:SourceIp":[]}}`:                        "without an address",
		`{"NotIpAddress":{"aws:SourceIp":null}}`:                      "without an address",
		`{"NotIpAddress":{"aws:SourceIp":7}}`:                         "number",
		`{"IpAddress":{"aws:VpcSourceIp":"203.0.113.7"}}`:             `"aws:VpcSourceIp"`,
		`{"ipAddress":{"aws:SourceIp":"203.0.113.7"}}`:                `"ipAddress"`,
		`{"StringEquals":{"aws:SourceIp":"203.0.113.7"}}`:             `"StringEquals"`,
		`{"ForAnyValue:IpAddress":{"aws:SourceIp":"203.0.113.7"}}`:    `"ForAnyValue:IpAddress"`,
		`["203.0.113.7"]`: "array",
	} {
		// also where the statement is about another method
		for _, resource := range []string{"*", "other"} {
			statements := `{"Effect":"Allow","Action":"*","Resource":"` + resource + `","Condition":` + condition + `}`
			if got, err := allowsConnect(statements, v4); err == nil || got || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v, %v, want an error with %s", condition, got, err, says)
			}
		}
	}
	if _, err := allowsConnect(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":`+
		`{"NotIpAddress":{"aws:SourceIp":"203.0.113.7"}}}`, "@"); err == nil {
		t.Error("a client without an address was judged by it")
	}
}

func TestElementsThatSayNot(t *testing.T) {
	for _, tc := range []struct {
		name, elements string
		allowed, valid bool
	}{
		{"another action", `"NotAction":"execute-api:ManageConnections","Resource":"*"`, true, true},
		{"this action", `"NotAction":"execute-api:invoke","Resource":"*"`, false, true},
		{"a list with this action", `"NotAction":["s3:*","execute-api:*"],"Resource":"*"`, false, true},
		{"another resource", `"Action":"*","NotResource":["x","arn:aws:execute-api:*:*:local/prod/*"]`, true, true},
		{"this resource", `"Action":"*","NotResource":["x","arn:aws:execute-api:*:*:local/dev/*"]`, false, true},
		{"both of them", `"NotAction":"s3:*","NotResource":"x"`, true, true},
		{"an action twice", `"Action":"*","NotAction":"s3:*","Resource":"*"`, false, false},
		{"a resource twice", `"Action":"*","Resource":"*","NotResource":"x"`, false, false},
		{"no action", `"NotAction":[],"Resource":"*"`, false, false},
		{"no resource", `"Action":"*","NotResource":null`, false, false},
	} {
		got, err := allowsConnect(`{"Effect":"Allow",`+tc.elements+`}`, "203.0.113.7")
		if got != tc.allowed || (err == nil) != tc.valid {
			t.Errorf("%s: %v, %v; want %v", tc.name, got, err, tc.allowed)
		}
	}
}

// allowsConnect reports whether a policy with these statements allows $connect for a client with this address.
func allowsConnect(statements, sourceIP string) (bool, error) {
	const arn = "arn:aws:execute-api:us-east-1:000000000000:local/dev/$connect"
	payload := `{"principalId":"ann","policyDocument":{"Version":"2012-10-17","Statement":` + statements + `}}`
	_, allowed, err := evaluate([]byte(payload), call{arn, sourceIP})
	return allowed, err
}
