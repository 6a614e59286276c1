// Package idn reads settings whose host names are written in any script, for the CDK app and the local chat. They hand
// the function what browsers send. So the function, whose size counts, does without the tables for it.
package idn

import (
	"golang.org/x/net/idna"

	"wschat/pkg/config"
)

// Rule is the rule for a setting's value. That of the allowed origins also takes host names of other letters.
func Rule(s config.Setting) config.Rule {
	if s.Key() == config.AllowedOrigins {
		return config.Origins(ToASCII)
	}
	return s.Rule
}

// ToASCII is the URL standard's "domain to ASCII" (https://url.spec.whatwg.org/#concept-domain-to-ascii). The length is
// checked because a name that is too long is in no DNS.
func ToASCII(host string) (string, error) {
	return idna.New(idna.MapForLookup(), idna.StrictDomainName(false), idna.Transitional(false),
		idna.CheckHyphens(false), idna.CheckJoiners(true), idna.BidiRule(), idna.VerifyDNSLength(true)).ToASCII(host)
}
