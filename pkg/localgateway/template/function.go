package template

import (
	"encoding/json"
	"fmt"
	"time"
)

// readFunctions reads the functions that routes and the authorizer invoke.
func readFunctions(r *resolver, s *Stack, _ Options) error {
	var ids []string
	for _, route := range s.Routes {
		ids = append(ids, route.Function)
	}
	for _, route := range s.HTTPRoutes {
		ids = append(ids, route.Function)
	}
	if s.Authorizer != nil {
		ids = append(ids, s.Authorizer.Function)
	}
	for _, id := range ids {
		if _, known := s.Functions[id]; known || id == "" {
			continue
		}
		f, err := r.function(id)
		if err != nil {
			return err
		}
		s.Functions[id] = f
		if _, has := r.Resources[id].Properties["Layers"]; has {
			s.note("The layers of the function %s are left out.", id)
		}
	}
	return nil
}

func (r *resolver) function(id string) (f Function, err error) {
	f = Function{LogicalID: id, Architecture: "x86_64"}
	if f.Name, err = r.name(id, "FunctionName", 0); err != nil {
		return f, err
	}
	if f.Runtime, err = r.property(id, "Runtime", 0); err != nil {
		return f, err
	}
	if f.Handler, err = r.property(id, "Handler", 0); err != nil {
		return f, err
	}
	// The defaults are Lambda's (https://docs.aws.amazon.com/lambda/latest/dg/configuration-function-common.html).
	seconds, err := r.number(id, "Timeout", 3)
	if err != nil {
		return f, err
	}
	f.Timeout = time.Duration(seconds) * time.Second
	if f.MemoryMB, err = r.number(id, "MemorySize", 128); err != nil {
		return f, err
	}
	if v, ok := r.Resources[id].Properties["Architectures"]; ok {
		list, err := r.list(v, 0)
		if err != nil {
			return f, fmt.Errorf("%s: %w", place(id, "Architectures"), err)
		}
		if len(list) == 1 {
			f.Architecture, _ = list[0].(string)
		}
	}
	if err := r.environment(&f); err != nil {
		return f, err
	}
	f.Asset, _ = r.Resources[id].Metadata["aws:asset:path"].(string)
	if code, ok := r.Resources[id].Properties["Code"].(map[string]any); ok {
		if source, ok := code["ZipFile"]; ok {
			if f.Inline, err = r.text(source, 0); err != nil {
				return f, fmt.Errorf("%s: %w", place(id, "Code.ZipFile"), err)
			}
		}
	}
	return f, nil
}

// number resolves a property that is a whole number of at most 1,000,000.
func (r *resolver) number(id, property string, otherwise int) (int, error) {
	text, err := r.property(id, property, 0)
	if err != nil || text == "" {
		return otherwise, err
	}
	n, err := number(text)
	if err == nil && (n < 1 || n > 1_000_000 || n != float64(int(n))) {
		err = fmt.Errorf("%v is not possible", n)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", place(id, property), err)
	}
	return int(n), nil
}

// environment resolves each variable by itself: one without a value may be given by other means.
func (r *resolver) environment(f *Function) error {
	f.Environment, f.Unknown = map[string]string{}, map[string]error{}
	where := place(f.LogicalID, "Environment.Variables")
	environment, err := r.fields(r.Resources[f.LogicalID].Properties["Environment"])
	if err != nil {
		return fmt.Errorf("%s: %w", place(f.LogicalID, "Environment"), err)
	}
	variables, err := r.fields(environment["Variables"])
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	for name, v := range variables {
		value, err := r.resolve(v, 0)
		if err == nil && value == (noValue{}) {
			continue
		}
		text := ""
		if err == nil {
			text, err = r.text(value, 0)
		}
		if err != nil {
			f.Unknown[name] = fmt.Errorf("%s.%s: %w", where, name, err)
			continue
		}
		f.Environment[name] = text
	}
	return nil
}

// fields returns the fields of an object, which are not resolved unless the object is the value of a function.
func (r *resolver) fields(v any) (map[string]any, error) {
	object, ok := v.(map[string]any)
	if _, _, isCall := call(object); isCall {
		value, err := r.resolve(v, 0)
		if err != nil {
			return nil, err
		}
		v = value
		object, ok = v.(map[string]any)
	}
	if !ok && v != nil && v != (noValue{}) {
		return nil, fmt.Errorf("it is %s, not an object", kind(v))
	}
	return object, nil
}

// readTables reads the DynamoDB tables.
func readTables(r *resolver, s *Stack, _ Options) error {
	ids, err := r.ofType(typeTable)
	if err != nil {
		return err
	}
	for _, id := range ids {
		t := Table{LogicalID: id}
		if t.Name, err = r.name(id, "TableName", 0); err != nil {
			return err
		}
		definition := map[string]any{}
		for _, property := range []string{"AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes",
			"LocalSecondaryIndexes", "BillingMode", "ProvisionedThroughput", "TimeToLiveSpecification"} {
			v, ok := r.Resources[id].Properties[property]
			if !ok {
				continue
			}
			value, err := r.resolve(v, 0)
			if err != nil {
				return fmt.Errorf("%s: %w", place(id, property), err)
			}
			if value != (noValue{}) {
				definition[property] = value
			}
		}
		if t.Definition, err = json.Marshal(definition); err != nil {
			return fmt.Errorf("the table %s: %w", id, err)
		}
		s.Tables = append(s.Tables, t)
	}
	return nil
}
