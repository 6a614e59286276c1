// Package template reads what a local API Gateway needs out of a CloudFormation template: the routes of a WebSocket API
// and of an HTTP API, their functions with the environment, the authorizer, the stage and the tables.
//
// The template is JSON, as the CDK synthesises it. YAML is not read. Intrinsic functions get the values that they would
// have in a stack in which every resource has its logical id as its name. A value that cannot be known here, as the ARN
// of a resource of another kind, is an error that names its place.
//
// The properties are those of
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_ApiGatewayV2.html and
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Lambda.html.
package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// Options choose what is read. The zero value suits a template with one WebSocket API that has one stage.
type Options struct {
	// Parameters are values of the template's parameters, in place of their defaults. Pseudo parameters, as
	// AWS::Region, may be among them.
	Parameters map[string]string

	// APIs are logical ids of APIs. If a template has several WebSocket or HTTP APIs, the one is read that is named
	// here. The eight characters that the CDK adds to an id can be left out.
	APIs []string

	// Stage is the name of the WebSocket API's stage. It can be "" if the API has exactly one.
	Stage string
}

// Stack is what a template says.
type Stack struct {
	WebSocketAPI API
	HTTPAPI      API // without a LogicalID if the template has none

	RouteSelectionExpression string
	Routes                   []Route     // of the WebSocket API, by their keys
	HTTPRoutes               []Route     // by their keys
	Authorizer               *Authorizer // nil if a client may connect without one
	IAM                      bool        // clients sign their handshakes
	Stage                    Stage

	Functions map[string]Function // those of the routes and of the authorizer, by logical id
	Tables    []Table             // all DynamoDB tables, by logical id
	Region    string              // the value of AWS::Region

	Notes []string // a sentence each: what the template has and this package leaves out
}

// API is an API of a template.
type API struct {
	LogicalID string
	Host      string // as ID.execute-api.REGION.amazonaws.com: what the template's own values call it
}

// Route is a route with the function that serves it.
type Route struct {
	Key      string
	Function string // its logical id; "" with a Problem
	Response bool   // whether the client gets the function's answer
	Problem  error  // why no function of the template serves it
}

// Authorizer is a Lambda authorizer of $connect.
type Authorizer struct {
	Function        string // its logical id; "" with a Problem
	IdentitySources []string
	Problem         error
}

// Stage is a stage of the WebSocket API.
type Stage struct {
	Name           string
	Variables      map[string]string
	Throttle       *Throttle           // of each route without its own; nil for none
	RouteThrottles map[string]Throttle // by route key
}

// Throttle limits requests.
type Throttle struct {
	Rate  float64 // requests a second
	Burst int     // how many may come at once
}

// Function is a Lambda function.
type Function struct {
	LogicalID    string
	Name         string
	Runtime      string // as "nodejs22.x"; "" for a container image
	Handler      string
	Architecture string // "x86_64" or "arm64"
	Timeout      time.Duration
	MemoryMB     int
	Environment  map[string]string
	Unknown      map[string]error // variables of the environment without a value, and why

	// Asset is the path of its code, as the CDK notes it in the metadata: relative to the template's folder, or
	// absolute. It is "" if the template does not say where the code is.
	Asset string

	// Inline is the function's source, if it is in the template.
	Inline string
}

// Table is a DynamoDB table.
type Table struct {
	LogicalID string
	Name      string

	// Definition is the table's properties as JSON. They have the names of DynamoDB's own CreateTable.
	Definition json.RawMessage
}

// Read reads a template.
func Read(text []byte, o Options) (*Stack, error) {
	doc, err := parse(text)
	if err != nil {
		return nil, err
	}
	r := &resolver{document: doc, given: o.Parameters, apis: map[string]string{}, left: maxWork}
	if err := r.checkParameters(); err != nil {
		return nil, err
	}
	s := &Stack{Functions: map[string]Function{}, Region: r.pseudoParameter("AWS::Region")}
	for _, step := range []func(*resolver, *Stack, Options) error{
		readAPIs, readStage, readHTTPStages, readRoutes, readFunctions, readTables,
	} {
		if err := step(r, s, o); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// document is a template as it is written.
type document struct {
	Parameters map[string]struct {
		Type    string
		Default any
	}
	Mappings   map[string]map[string]map[string]any
	Conditions map[string]any
	Resources  map[string]resource
	Transform  any
}

type resource struct {
	Type       string
	Condition  string
	Properties map[string]any
	Metadata   map[string]any
}

func parse(text []byte) (doc document, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err = decoder.Decode(&doc); err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			err = nil
		} else {
			err = errors.New("something follows the template")
		}
	}
	if err != nil {
		return doc, fmt.Errorf("this is not a CloudFormation template in JSON: %w (cdk synth writes it to "+
			"cdk.out/STACK.template.json; YAML is not read)", err)
	}
	if len(doc.Resources) == 0 {
		return doc, errors.New("the template has no Resources")
	}
	return doc, nil
}

// ofType returns the logical ids of the resources of a type, in order, without those whose condition is false.
func (r *resolver) ofType(kind string) (ids []string, err error) {
	for _, id := range slices.Sorted(maps.Keys(r.Resources)) {
		if r.Resources[id].Type != kind {
			continue
		}
		exists, err := r.exists(id, 0)
		if err != nil {
			return nil, err
		}
		if exists {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// exists reports whether the stack has a resource of the template.
func (r *resolver) exists(id string, depth int) (bool, error) {
	condition := r.Resources[id].Condition
	if condition == "" {
		return true, nil
	}
	ok, err := r.condition(condition, depth+1)
	if err != nil {
		return false, fmt.Errorf("Resources.%s.Condition: %w", id, err)
	}
	return ok, nil
}
