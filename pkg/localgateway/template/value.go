package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

const (
	// maxDepth is how deep values may be nested, references included. Only a cycle is deeper.
	maxDepth = 100

	// maxWork bounds the values and bytes that are made of one template. A template has at most 1 MB
	// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html).
	maxWork = 8 << 20
)

// resolver finds the values of a template's intrinsic functions.
type resolver struct {
	document
	given map[string]string // parameters
	apis  map[string]string // the ids of APIs, by logical id
	left  int               // work that may still be done
}

// noValue is the value of AWS::NoValue: the property that has it is not there.
type noValue struct{}

func (r *resolver) spend(n int) error {
	if r.left -= n; r.left < 0 {
		return errors.New("the values of the template are too large")
	}
	return nil
}

// resolve returns a value without intrinsic functions. Numbers stay json.Numbers.
func (r *resolver) resolve(v any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("values are nested more than %d deep: do they refer to each other?", maxDepth)
	}
	if err := r.spend(1); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case string:
		if strings.Contains(v, "{{resolve:") {
			return nil, fmt.Errorf("%.200q is a dynamic reference, which only AWS can follow", v)
		}
		return v, r.spend(len(v))
	case []any:
		list := make([]any, 0, len(v))
		for _, element := range v {
			value, err := r.resolve(element, depth+1)
			if err != nil {
				return nil, err
			}
			if value != (noValue{}) {
				list = append(list, value)
			}
		}
		return list, nil
	case map[string]any:
		if name, argument, ok := call(v); ok {
			function := intrinsic(name)
			if function == nil {
				return nil, fmt.Errorf("%s is not supported", name)
			}
			value, err := function(r, argument, depth+1)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			return value, nil
		}
		object := map[string]any{}
		for name, element := range v {
			value, err := r.resolve(element, depth+1)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if value != (noValue{}) {
				object[name] = value
			}
		}
		return object, nil
	}
	return v, nil
}

// call reports whether an object is a call of an intrinsic function, and of which.
func call(object map[string]any) (name string, argument any, ok bool) {
	if len(object) != 1 {
		return "", nil, false
	}
	for name, argument = range object {
	}
	return name, argument, name == "Ref" || strings.HasPrefix(name, "Fn::")
}

// intrinsic returns the function of a name, or nil
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html).
func intrinsic(name string) func(r *resolver, argument any, depth int) (any, error) {
	switch name {
	case "Ref":
		return (*resolver).ref
	case "Fn::GetAtt":
		return (*resolver).getAtt
	case "Fn::Join":
		return (*resolver).join
	case "Fn::Sub":
		return (*resolver).sub
	case "Fn::Select":
		return (*resolver).choose
	case "Fn::Split":
		return (*resolver).split
	case "Fn::If":
		return (*resolver).branch
	case "Fn::FindInMap":
		return (*resolver).findInMap
	}
	return nil
}

// text resolves a value that must be a text. Numbers and booleans become one, as in CloudFormation.
func (r *resolver) text(v any, depth int) (string, error) {
	value, err := r.resolve(v, depth)
	if err != nil {
		return "", err
	}
	switch value := value.(type) {
	case string:
		return value, nil
	case json.Number:
		return value.String(), nil
	case bool:
		return strconv.FormatBool(value), nil
	}
	return "", fmt.Errorf("it is %s, not a text", kind(value))
}

// kind is how errors call what a value is.
func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	case noValue:
		return "nothing"
	}
	return "a single value"
}

// list resolves a value that must be a list.
func (r *resolver) list(v any, depth int) ([]any, error) {
	value, err := r.resolve(v, depth)
	if err != nil {
		return nil, err
	}
	list, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf("it is %s, not a list", kind(value))
	}
	return list, nil
}

// arguments returns the elements of a list that must have so many.
func arguments(argument any, n int) ([]any, error) {
	list, ok := argument.([]any)
	if !ok || len(list) != n {
		return nil, fmt.Errorf("it takes a list of %d", n)
	}
	return list, nil
}

// textArguments returns the elements of a list of so many texts.
func (r *resolver) textArguments(argument any, n, depth int) ([]string, error) {
	args, err := arguments(argument, n)
	if err != nil {
		return nil, err
	}
	texts := make([]string, n)
	for i, arg := range args {
		if texts[i], err = r.text(arg, depth); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// textAndList returns the elements of a list of a text and a list.
func (r *resolver) textAndList(argument any, depth int) (text string, list []any, err error) {
	args, err := arguments(argument, 2)
	if err != nil {
		return "", nil, err
	}
	if text, err = r.text(args[0], depth); err != nil {
		return "", nil, err
	}
	list, err = r.list(args[1], depth)
	return text, list, err
}

func (r *resolver) join(argument any, depth int) (any, error) {
	separator, list, err := r.textAndList(argument, depth)
	if err != nil {
		return nil, err
	}
	parts := make([]string, len(list))
	for i, element := range list {
		if parts[i], err = r.text(element, depth); err != nil {
			return nil, err
		}
		if err := r.spend(len(parts[i]) + len(separator)); err != nil {
			return nil, err
		}
	}
	return strings.Join(parts, separator), nil
}

// placeholder is ${Name}, ${Resource.Attribute} or, which stays without its exclamation mark, ${!Literal}.
var placeholder = regexp.MustCompile(`\$\{[^{}]*\}`)

func (r *resolver) sub(argument any, depth int) (any, error) {
	text, isText := argument.(string)
	variables := map[string]any{}
	if !isText {
		args, err := arguments(argument, 2)
		if err != nil {
			return nil, err
		}
		var isVariables bool
		text, isText = args[0].(string)
		variables, isVariables = args[1].(map[string]any)
		if !isText || !isVariables {
			return nil, errors.New("it takes a text, and an object of variables")
		}
	}
	var failed error
	value := placeholder.ReplaceAllStringFunc(text, func(found string) string {
		name := strings.TrimSpace(found[2 : len(found)-1])
		if failed != nil {
			return ""
		}
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			return "${" + literal + "}"
		}
		var v any = map[string]any{"Ref": name}
		if variable, ok := variables[name]; ok {
			v = variable
		} else if strings.Contains(name, ".") {
			v = map[string]any{"Fn::GetAtt": name}
		}
		var value string
		if value, failed = r.text(v, depth); failed == nil {
			failed = r.spend(len(value))
		}
		return value
	})
	if failed != nil {
		return nil, failed
	}
	if strings.Contains(value, "{{resolve:") {
		return nil, fmt.Errorf("%.200q is a dynamic reference, which only AWS can follow", value)
	}
	return value, r.spend(len(value))
}

func (r *resolver) choose(argument any, depth int) (any, error) {
	text, list, err := r.textAndList(argument, depth)
	if err != nil {
		return nil, err
	}
	i, err := strconv.Atoi(text)
	if err != nil || i < 0 || i >= len(list) {
		return nil, fmt.Errorf("a list of %d has no element %.20q", len(list), text)
	}
	return list[i], nil
}

func (r *resolver) split(argument any, depth int) (any, error) {
	texts, err := r.textArguments(argument, 2, depth)
	if err != nil {
		return nil, err
	}
	separator, text := texts[0], texts[1]
	if separator == "" {
		return nil, errors.New("the separator is empty")
	}
	if err := r.spend(len(text)); err != nil {
		return nil, err
	}
	list := []any{}
	for part := range strings.SplitSeq(text, separator) {
		list = append(list, part)
	}
	return list, nil
}

func (r *resolver) findInMap(argument any, depth int) (any, error) {
	keys, err := r.textArguments(argument, 3, depth)
	if err != nil {
		return nil, err
	}
	value, ok := r.Mappings[keys[0]][keys[1]][keys[2]]
	if !ok {
		return nil, fmt.Errorf("the template has no Mappings.%s.%s.%s", keys[0], keys[1], keys[2])
	}
	return r.resolve(value, depth)
}
