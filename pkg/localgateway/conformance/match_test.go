package conformance

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestMatchers(t *testing.T) {
	for _, tc := range []struct{ got, want, says string }{ // says is "" if they match
		{`{"a":1,"b":[true,null,"x"]}`, `{"a":1,"b":[true,null,"x"]}`, ""},
		{`{"a":1,"more":2}`, `{"a":1}`, ""},
		{`{"a":1}`, `{"a":1,"b":2}`, "b is absent, want 2"},
		{`{"a":null}`, `{"a":{"$absent":true}}`, "a is null"},
		{`{}`, `{"a":{"$absent":true}}`, ""},
		{`{}`, `{"a":null}`, "a is absent, want null"},
		{`{"a":{"b":1}}`, `{"a":{"b":2}}`, "a.b is 1, want 2"},
		{`[1,2]`, `[1]`, "it is [1,2], want [1]"},
		{`[1,2]`, `[1,3]`, "[1] is 2, want 3"},
		{`1`, `"1"`, `it is 1, want "1"`},
		{`1.0`, `1`, "it is 1.0, want 1"},
		{`"x"`, `{"a":1}`, `it is "x"`},
		{`{"a":1}`, `{"$only":{"a":1}}`, ""},
		{`{"a":1,"more":2}`, `{"$only":{"a":1}}`, "more is 2, want absent"},
		{`{}`, `{"$only":{"a":1}}`, "a is absent"},
		{`{}`, `{"$only":{"a":{"$absent":true}}}`, ""},
		{`[]`, `{"$only":{}}`, "it is []"},
		{`"abc"`, `{"$match":"^a.c$"}`, ""},
		{`"abd"`, `{"$match":"^a.c$"}`, `it is "abd"`},
		{`404`, `{"$match":"^4"}`, ""},
		{`["4"]`, `{"$match":"4"}`, "it is [\"4\"]"},
		{`true`, `{"$match":"t"}`, "it is true"},
		{`"x"`, `{"$any":"string"}`, ""},
		{`1`, `{"$any":"string"}`, "it is 1"},
		{`{}`, `{"$any":"object"}`, ""},
		{`[]`, `{"$any":"list"}`, ""},
		{`false`, `{"$any":"boolean"}`, ""},
		{`null`, `{"$any":"null"}`, ""},
		{`{}`, `{"a":{"$any":"string"}}`, "a is absent"},
		{`"é"`, `{"$length":2}`, ""},
		{`"é"`, `{"$length":1}`, `want {"$length":1}`},
		{`1`, `{"$not":2}`, ""},
		{`2`, `{"$not":2}`, `it is 2, want {"$not":2}`},
		{`[1,1]`, `[{"$same":"n"},{"$same":"n"}]`, ""},
		{`[1,2]`, `[{"$same":"n"},{"$same":"n"}]`, "[1] is 2, want 1"},
		{`[1,2]`, `[{"$same":"n"},{"$not":{"$same":"n"}}]`, ""},
		{`[1,1]`, `[{"$same":"n"},{"$not":{"$same":"n"}}]`, "[1] is 1"},
		{`1`, `{"$some":1}`, "no operator $some"},
		{`{}`, `{"$absent":false}`, "no operator $absent"},
		{`"x"`, `{"$match":"("}`, "error parsing regexp"},
		{`{`, `{}`, "it is not JSON"},
		{`{} {}`, `{}`, "it is not JSON"},
	} {
		err := comparison{map[string]any{}}.json([]byte(tc.got), json.RawMessage(tc.want))
		if tc.says == "" && err != nil || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
			t.Errorf("%s with %s: got %v, want %q", tc.got, tc.want, err, tc.says)
		}
	}
}
