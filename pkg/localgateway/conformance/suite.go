package conformance

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

//go:embed testdata/behaviours/*.json testdata/deployments.json
var files embed.FS

// Suite is the behaviours, and the APIs that they need.
type Suite struct {
	Behaviours  []Behaviour           // in the order of their names
	Deployments map[string]Deployment // by name
}

// Behaviour is one file of the suite.
type Behaviour struct {
	Name string `json:"-"` // the file's name without .json

	Behaviour string            `json:"behaviour"` // a sentence
	Source    string            `json:"source"`    // a URL, "RFC …", or "choice: …" if no source was found
	Slow      string            `json:"slow"`      // how long it takes, if that is more than a few seconds
	Given     given             `json:"given"`
	When      []json.RawMessage `json:"when"`
	Then      []json.RawMessage `json:"then"`
}

// given is what exists before the first step.
type given struct {
	Deployment string   `json:"deployment"`
	Connected  []string `json:"connected"` // names of clients that are connected, in this order
}

// Deployment is an API that has the suite's function behind each route, and as its authorizer.
type Deployment struct {
	Is             string            `json:"is"`             // a sentence
	Routes         []string          `json:"routes"`         // of a WebSocket API
	RouteResponses []string          `json:"routeResponses"` // those of the routes with the route response $default
	Authorizer     *Authorizer       `json:"authorizer"`     // nil for none
	IAM            bool              `json:"iam"`            // handshakes are signed
	StageVariables map[string]string `json:"stageVariables"`
	HTTPRoutes     []string          `json:"httpRoutes"` // of an HTTP API, which has no other field
}

// Authorizer is a Lambda authorizer on $connect.
type Authorizer struct {
	IdentitySources []string `json:"identitySources"`
}

// Load reads the suite. The error names the file that is wrong.
func Load() (Suite, error) { return load(files) }

func load(from fs.FS) (Suite, error) {
	var s Suite
	raw, err := fs.ReadFile(from, "testdata/deployments.json")
	if err != nil {
		return s, fmt.Errorf("conformance: %w", err)
	}
	if err := decode(raw, &s.Deployments); err != nil {
		return s, fmt.Errorf("conformance: deployments.json: %w", err)
	}
	names, err := fs.Glob(from, "testdata/behaviours/*.json")
	if err != nil {
		return s, fmt.Errorf("conformance: %w", err)
	}
	for _, name := range names {
		raw, err := fs.ReadFile(from, name)
		if err != nil {
			return s, fmt.Errorf("conformance: %w", err)
		}
		b := Behaviour{Name: strings.TrimSuffix(path.Base(name), ".json")}
		if err := decode(raw, &b); err != nil {
			return s, fmt.Errorf("conformance: %s.json: %w", b.Name, err)
		}
		if err := b.check(s.Deployments); err != nil {
			return s, fmt.Errorf("conformance: %s.json: %w", b.Name, err)
		}
		s.Behaviours = append(s.Behaviours, b)
	}
	return s, nil
}

// sources matches the sources that a behaviour may have.
var sources = regexp.MustCompile(`^(https://\S+|RFC \d+, \d[\d.]*|choice: .+)$`)

func (b *Behaviour) check(deployments map[string]Deployment) error {
	switch _, known := deployments[b.Given.Deployment]; {
	case !strings.HasSuffix(b.Behaviour, "."):
		return errors.New("its behaviour is not a sentence with a full stop")
	case !sources.MatchString(b.Source):
		return fmt.Errorf("its source %q is neither a URL nor RFC NUMBER, SECTION nor choice: REASON", b.Source)
	case !known:
		return fmt.Errorf("its deployment %q is not in deployments.json", b.Given.Deployment)
	case len(b.Then) == 0:
		return errors.New("it has nothing under then")
	}
	for i, raw := range b.When {
		if _, err := parse(raw, steps); err != nil {
			return fmt.Errorf("when %d: %w", i+1, err)
		}
	}
	for i, raw := range b.Then {
		if _, err := parse(raw, expectations); err != nil {
			return fmt.Errorf("then %d: %w", i+1, err)
		}
	}
	return nil
}

// action is a step under when, or an expectation under then.
type action interface {
	do(r *run) error
}

// parse reads an action. One of its keys names its kind, and the kind says which other keys there may be.
func parse(raw []byte, kinds map[string]func() action) (action, error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); err != nil {
		return nil, err
	}
	var found []string
	for kind := range kinds {
		if keys[kind] != nil {
			found = append(found, kind)
		}
	}
	if len(found) != 1 {
		slices.Sort(found)
		return nil, fmt.Errorf("it has %d kinds %q, and must have one: %s", len(found), found, raw)
	}
	a := kinds[found[0]]()
	if err := decode(raw, a); err != nil {
		return nil, fmt.Errorf("%s: %w", found[0], err)
	}
	return a, nil
}

// decode reads one JSON value. A field that is not known is an error.
func decode(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return errors.New("there is more after the JSON value")
	}
	return nil
}
