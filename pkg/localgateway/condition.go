package localgateway

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// condition is the Condition of a statement: the values of each condition key, by key, by operator. Of the operators
// this package knows those on IP addresses, and of the keys aws:SourceIp
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html).
type condition map[string]map[string]oneOrMore[string]

// holds reports whether every operator holds for every one of its keys
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html).
// A policy with an operator or a key that is not known here is an error, because a guess could let a client in.
func (c condition) holds(sourceIP string) (bool, error) {
	all := true
	for operator, keys := range c {
		name := strings.TrimSuffix(operator, "IfExists") // the key is always there
		if name != "IpAddress" && name != "NotIpAddress" {
			return false, fmt.Errorf("has a Condition with the operator %q; the local gateway evaluates IpAddress and "+
				"NotIpAddress", operator)
		}
		for key, values := range keys {
			if !strings.EqualFold(key, "aws:SourceIp") { // IAM ignores the case of keys
				return false, fmt.Errorf("has a Condition with the key %q; the local gateway evaluates aws:SourceIp",
					key)
			}
			within, err := isWithin(sourceIP, values)
			if err != nil {
				return false, err
			}
			all = all && within == (name == "IpAddress")
		}
	}
	return all, nil
}

// isWithin reports whether an address is in any of the ranges. NotIpAddress is the opposite, so it holds if the address
// is in none of them.
func isWithin(sourceIP string, ranges []string) (bool, error) {
	if len(ranges) == 0 {
		return false, fmt.Errorf("has a Condition without an address")
	}
	prefixes := make([]netip.Prefix, len(ranges))
	for i, text := range ranges {
		prefix, err := parseRange(text)
		if err != nil {
			return false, fmt.Errorf("has a Condition with the address %q, which is neither an address nor a range in "+
				"CIDR notation such as 203.0.113.0/24: %w", text, err)
		}
		prefixes[i] = prefix
	}
	address, err := netip.ParseAddr(sourceIP)
	if err != nil {
		return false, fmt.Errorf("has a Condition on the source IP, and the client has none: %w", err)
	}
	address = address.Unmap().WithZone("")
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(address) }), nil
}

// parseRange reads a range in CIDR notation. An address alone is the range of this address: IAM's page on operators
// gives it the prefix /32. It does not say what an IPv6 address gets, and here it is /128, which is a choice.
func parseRange(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return address.Prefix(address.BitLen())
}
