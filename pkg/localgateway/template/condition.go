package template

import (
	"errors"
	"fmt"
)

// branch is Fn::If.
func (r *resolver) branch(argument any, depth int) (any, error) {
	args, err := arguments(argument, 3)
	if err != nil {
		return nil, err
	}
	name, ok := args[0].(string)
	if !ok {
		return nil, errors.New("it takes the name of a condition")
	}
	holds, err := r.condition(name, depth)
	if err != nil {
		return nil, fmt.Errorf("condition %s: %w", name, err)
	}
	if holds {
		return r.resolve(args[1], depth)
	}
	return r.resolve(args[2], depth)
}

// condition reports whether a named condition holds.
func (r *resolver) condition(name string, depth int) (bool, error) {
	condition, ok := r.Conditions[name]
	if !ok {
		return false, fmt.Errorf("the template has no condition %.200q", name)
	}
	return r.holds(condition, depth+1)
}

// holds reports whether a condition holds
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-conditions.html).
func (r *resolver) holds(condition any, depth int) (bool, error) {
	if depth > maxDepth {
		return false, fmt.Errorf("conditions are nested more than %d deep: do they refer to each other?", maxDepth)
	}
	if err := r.spend(1); err != nil {
		return false, err
	}
	object, _ := condition.(map[string]any)
	if len(object) != 1 {
		return false, errors.New("a condition is an object with one function")
	}
	for name, argument := range object {
		switch name {
		case "Condition":
			if other, ok := argument.(string); ok {
				return r.condition(other, depth)
			}
			return false, errors.New("a Condition takes the name of a condition")
		case "Fn::Equals":
			return r.equals(argument, depth)
		case "Fn::Not":
			args, err := arguments(argument, 1)
			if err != nil {
				return false, fmt.Errorf("Fn::Not: %w", err)
			}
			holds, err := r.holds(args[0], depth+1)
			return !holds, err
		case "Fn::And", "Fn::Or":
			return r.all(argument, name == "Fn::And", depth)
		default:
			return false, fmt.Errorf("%s is not supported in a condition", name)
		}
	}
	panic("unreachable")
}

func (r *resolver) equals(argument any, depth int) (bool, error) {
	args, err := arguments(argument, 2)
	if err != nil {
		return false, fmt.Errorf("Fn::Equals: %w", err)
	}
	var texts [2]string
	for i := range texts {
		if texts[i], err = r.text(args[i], depth+1); err != nil {
			return false, fmt.Errorf("Fn::Equals: %w", err)
		}
	}
	return texts[0] == texts[1], nil
}

// all is Fn::And, which begins with true and ends with the first false, or Fn::Or, where it is the other way round.
func (r *resolver) all(argument any, and bool, depth int) (bool, error) {
	list, ok := argument.([]any)
	if !ok {
		return false, errors.New("Fn::And and Fn::Or take a list of conditions")
	}
	for _, condition := range list {
		holds, err := r.holds(condition, depth+1)
		if err != nil {
			return false, err
		}
		if holds != and {
			return holds, nil
		}
	}
	return and, nil
}
