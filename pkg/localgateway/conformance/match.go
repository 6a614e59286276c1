package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// absent is the value of a key that is not there. It is equal to no JSON value.
type absent struct{}

// comparison compares values with matchers. A matcher is a value that must be equal. But an object may have more keys
// than its matcher, and an object with one key that begins with $ is an operator.
type comparison struct {
	seen map[string]any // the values of $same so far, by their names
}

// json compares a JSON text with a matcher. The error says where they differ.
func (c comparison) json(got []byte, want json.RawMessage) error {
	value, err := decodeAny(got)
	if err != nil {
		return fmt.Errorf("it is not JSON: %.300q", got)
	}
	return c.value(value, want)
}

// value compares a value as decodeAny returns it.
func (c comparison) value(got any, want json.RawMessage) error {
	matcher, err := decodeAny(want)
	if err != nil {
		return fmt.Errorf("the matcher %s is not JSON: %w", want, err)
	}
	return c.compare("", got, matcher)
}

func (c comparison) compare(at string, got, want any) error {
	switch want := want.(type) {
	case map[string]any:
		for name, argument := range want {
			if strings.HasPrefix(name, "$") && len(want) == 1 {
				return c.operate(at, got, name, argument)
			}
		}
		return c.object(at, got, want)
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			return differ(at, got, want)
		}
		for i := range want {
			if err := c.compare(fmt.Sprintf("%s[%d]", at, i), list[i], want[i]); err != nil {
				return err
			}
		}
	default:
		if !reflect.DeepEqual(got, want) {
			return differ(at, got, want)
		}
	}
	return nil
}

func (c comparison) object(at string, got any, want map[string]any) error {
	object, ok := got.(map[string]any)
	if !ok {
		return differ(at, got, want)
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		value, ok := object[key]
		if !ok {
			value = absent{}
		}
		if err := c.compare(at+"."+key, value, want[key]); err != nil {
			return err
		}
	}
	return nil
}

// operate applies an operator. README.md lists them.
func (c comparison) operate(at string, got any, name string, argument any) error {
	text, isText := argument.(string)
	ok := false
	switch {
	case name == "$any" && isText:
		ok = kind(got) == text
	case name == "$absent" && argument == true:
		ok = kind(got) == "absent"
	case name == "$match" && isText:
		pattern, err := regexp.Compile(text)
		if err != nil {
			return fmt.Errorf("the matcher at %q: %w", at, err)
		}
		ok = (kind(got) == "string" || kind(got) == "number") && pattern.MatchString(fmt.Sprint(got))
	case name == "$length":
		s, isString := got.(string)
		ok = isString && fmt.Sprint(len(s)) == fmt.Sprint(argument)
	case name == "$only":
		return c.only(at, got, argument)
	case name == "$not":
		ok = c.compare(at, got, argument) != nil
	case name == "$same" && isText:
		first, known := c.seen[text]
		if !known {
			c.seen[text] = got
			return nil
		}
		return c.compare(at, got, first)
	default:
		return fmt.Errorf("the matcher at %q has no operator %s of %s", at, name, show(argument))
	}
	if !ok {
		return differ(at, got, map[string]any{name: argument})
	}
	return nil
}

// only compares an object that has no further keys.
func (c comparison) only(at string, got, want any) error {
	matcher, isMatcher := want.(map[string]any)
	object, isObject := got.(map[string]any)
	if !isMatcher || !isObject {
		return differ(at, got, want)
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if _, wanted := matcher[key]; !wanted {
			return differ(at+"."+key, object[key], absent{})
		}
	}
	return c.object(at, got, matcher)
}

func kind(v any) string {
	switch v.(type) {
	case absent:
		return "absent"
	case nil:
		return "null"
	case string:
		return "string"
	case json.Number:
		return "number"
	case bool:
		return "boolean"
	case []any:
		return "list"
	default:
		return "object"
	}
}

func differ(at string, got, want any) error {
	if at == "" {
		at = "it"
	}
	return fmt.Errorf("%s is %s, want %s", strings.TrimPrefix(at, "."), show(got), show(want))
}

// show writes a value as short JSON.
func show(v any) string {
	if kind(v) == "absent" {
		return "absent"
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	return fmt.Sprintf("%.400s", strings.TrimSpace(b.String()))
}

// decodeAny decodes one JSON value, and keeps numbers as they are written.
func decodeAny(raw []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("there is more after the JSON value")
	}
	return v, nil
}
