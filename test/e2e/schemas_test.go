package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"wschat/test/installed"
	"wschat/test/localchat"
)

// schemas are those of pkg/protocol/asyncapi.yaml, by the names of the messages. In the chat's own frames a field
// that they do not have is wrong here, unlike for a client, so that the document has all.
type schemas struct {
	client, chat map[string]*jsonschema.Schema
	examples     []example
}

type example struct {
	message string
	frame   string
}

// asyncAPI is what these tests read of the document.
type asyncAPI struct {
	Channels map[string]struct {
		Messages map[string]reference
	}
	Operations map[string]struct {
		Action   string
		Messages []reference
		Reply    struct {
			Messages []reference
		}
	}
	Components struct {
		Messages map[string]struct {
			Examples []struct {
				Payload any
			}
		}
	}
}

type reference struct {
	Ref string `yaml:"$ref"`
}

func (r reference) name() string { return r.Ref[strings.LastIndex(r.Ref, "/")+1:] }

func loadSchemas(t *testing.T) schemas {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(installed.Dir()), "pkg", "protocol", "asyncapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var doc asyncAPI
	var tree map[string]any
	if err := errors.Join(yaml.Unmarshal(text, &doc), yaml.Unmarshal(text, &tree)); err != nil {
		t.Fatal(err)
	}
	s := schemas{client: map[string]*jsonschema.Schema{}, chat: map[string]*jsonschema.Schema{}}
	add := func(to map[string]*jsonschema.Schema, messages []reference, compiler *jsonschema.Compiler) {
		for _, m := range messages {
			component := doc.Channels["connection"].Messages[m.name()].name()
			schema, err := compiler.Compile(resource + "#/components/messages/" + component + "/payload")
			if err != nil {
				t.Fatal(err)
			}
			to[component] = schema
		}
	}
	lax, strict := compiler(t, tree, false), compiler(t, tree, true)
	for name, o := range doc.Operations {
		switch o.Action {
		case "receive": // by the chat
			add(s.client, o.Messages, lax)
			add(s.chat, o.Reply.Messages, strict)
		case "send":
			add(s.chat, o.Messages, strict)
		default:
			t.Fatalf("operation %s: %s", name, o.Action)
		}
	}
	for name, m := range doc.Components.Messages {
		for _, e := range m.Examples {
			frame, err := json.Marshal(e.Payload)
			if err != nil {
				t.Fatal(err)
			}
			s.examples = append(s.examples, example{name, string(frame)})
		}
	}
	return s
}

// resource is what compilers call the document.
const resource = "asyncapi.json"

// compiler compiles the schemas in a document; where it is strict, objects have no fields but those that are named,
// unless the document says so.
func compiler(t *testing.T, tree map[string]any, strict bool) *jsonschema.Compiler {
	t.Helper()
	text, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if strict {
		closeObjects(doc)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7) // whose vocabulary AsyncAPI has
	if err := c.AddResource(resource, doc); err != nil {
		t.Fatal(err)
	}
	return c
}

func closeObjects(tree any) {
	switch node := tree.(type) {
	case map[string]any:
		for _, child := range node {
			closeObjects(child)
		}
		if _, says := node["additionalProperties"]; node["type"] == "object" && !says {
			node["additionalProperties"] = false
		}
	case []any:
		for _, child := range node {
			closeObjects(child)
		}
	}
}

// check says what is wrong with a frame of the chat's, or nil: it must be one of the messages, and not two.
func (s schemas) check(frame string) error { return one(s.chat, frame) }

// checkClient says what is wrong with a client's frame.
func (s schemas) checkClient(frame string) error {
	if strings.Contains(frame, `\ud800`) {
		return errors.New("half a surrogate pair, of which no schema speaks")
	}
	return one(s.client, frame)
}

func one(of map[string]*jsonschema.Schema, frame string) error {
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(frame))
	if err != nil {
		return fmt.Errorf("no JSON: %w", err)
	}
	var fits []string
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(of)) {
		if err := of[name].Validate(value); err != nil {
			problems = append(problems, fmt.Errorf("no %s: %w", name, err))
		} else {
			fits = append(fits, name)
		}
	}
	switch len(fits) {
	case 1:
		return nil
	case 0:
		return fmt.Errorf("%.500s is none of the messages in asyncapi.yaml:\n%w", frame, errors.Join(problems...))
	default:
		return fmt.Errorf("%.500s is more than one of the messages in asyncapi.yaml: %v", frame, fits)
	}
}

// The authors of clients begin with the examples: they are what they are said to be, and the chat takes them.
func TestExamplesOfTheProtocol(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the command")
	}
	s := loadSchemas(t)
	if len(s.client) < 5 || len(s.chat) < 5 {
		t.Fatalf("the document has only %v and %v", s.client, s.chat)
	}
	ann, err := dial(localchat.Start(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	defer ann.close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for range 2 { // what the examples change
		const frame = `{"action":"sendMessage","room_name":"lobby","user_name":"ann","content":"hi"}`
		if err := ann.send(frame); err != nil {
			t.Fatal(err)
		}
		if _, err := ann.next(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range s.examples {
		if s.chat[e.message] != nil {
			if err := s.check(e.frame); err != nil {
				t.Errorf("%s: %v", e.message, err)
			}
			continue
		}
		if err := s.checkClient(e.frame); err != nil {
			t.Errorf("%s: %v", e.message, err)
		}
		if err := ann.send(e.frame); err != nil {
			t.Fatal(err)
		}
		var request struct{ Ref string }
		_ = json.Unmarshal([]byte(e.frame), &request)
		answer, err := ann.next(ctx)
		for ref := fmt.Sprintf(`"ref":%q`, request.Ref); err == nil && request.Ref != "" &&
			(!strings.Contains(answer, ref) || strings.Contains(answer, `"part":true`)); {
			answer, err = ann.next(ctx) // the last frame of this answer
		}
		if strings.HasPrefix(answer, `{"error":{"code":"forbidden"`) &&
			strings.Contains(answer, "in which people sign in") { // this chat is open
			continue
		}
		if err != nil || strings.HasPrefix(answer, `{"error"`) {
			t.Errorf("%s is answered %s, %v", e.frame, answer, err)
		}
	}
}
