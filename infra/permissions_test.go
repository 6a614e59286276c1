package main

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"wschat/pkg/dynamo"
	"wschat/pkg/management"
)

// allowed returns the actions that the function's role may call, by what they may be called on.
func allowed(t *testing.T, tmpl map[string]any) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, r := range resources(tmpl, "AWS::IAM::Policy") {
		for _, s := range r["Properties"].(map[string]any)["PolicyDocument"].(map[string]any)["Statement"].([]any) {
			statement := s.(map[string]any)
			if statement["Effect"] != "Allow" {
				t.Errorf("a statement that is no Allow: %v", statement)
			}
			actions, ok := statement["Action"].([]any)
			if !ok {
				actions = []any{statement["Action"]}
			}
			on := target(statement["Resource"])
			for _, action := range actions {
				found[on] = append(found[on], action.(string))
			}
			slices.Sort(found[on])
		}
	}
	return found
}

// target names what a statement is about.
func target(resource any) string {
	b, _ := json.Marshal(resource)
	for part, name := range map[string]string{
		"/index/": "the connections index", `"Connections`: "the connections table", `"Messages`: "the messages table",
		"@connections": "the connections of the stage", `"FunctionLogs`: "the function's log",
	} {
		if strings.Contains(string(b), part) && !(name == "the connections table" && strings.Contains(string(b),
			"/index/")) {
			return name
		}
	}
	return string(b)
}

// actionsOf translates the calls of an interface into what IAM calls them.
func actionsOf(api reflect.Type) (actions []string) {
	translate := map[string][]string{
		"GetItem": {"dynamodb:GetItem"}, "PutItem": {"dynamodb:PutItem"}, "DeleteItem": {"dynamodb:DeleteItem"},
		"Query": {"dynamodb:Query"}, "Scan": {"dynamodb:Scan"},
		// A transaction needs the permission of each write in it
		// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html).
		"TransactWriteItems": {"dynamodb:PutItem", "dynamodb:UpdateItem"},
		"UpdateItem":         {"dynamodb:UpdateItem"},
		"DeleteConnection":   {"execute-api:ManageConnections"},
	}
	for i := range api.NumMethod() {
		names, ok := translate[api.Method(i).Name]
		if !ok {
			names = []string{"no translation for " + api.Method(i).Name}
		}
		actions = append(actions, names...)
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}

// The function may do what its code calls, on the table that it calls it on, and nothing else.
func TestPermissionsAreWhatTheCodeCalls(t *testing.T) {
	want := map[string][]string{
		"the messages table": actionsOf(reflect.TypeFor[interface {
			dynamo.LogAPI
			dynamo.LeasesAPI
			dynamo.PersonalAPI
		}]()),
		"the connections table": actionsOf(reflect.TypeFor[interface {
			dynamo.RosterAPI
			dynamo.AnnouncementsAPI
			dynamo.ReadMarkersAPI
			dynamo.PersonalAPI
		}]()),
		"the connections index":        {"dynamodb:Query"},
		"the connections of the stage": actionsOf(reflect.TypeFor[management.API]()),
		"the function's log":           {"logs:CreateLogStream", "logs:PutLogEvents"},
	}
	got := allowed(t, template(t, nil))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the policy allows\n%v\nthe code calls\n%v", got, want)
	}
}

// With a permissions boundary in the context, every role has it. An account that demands one refuses other roles.
func TestEveryRoleHasThePermissionsBoundary(t *testing.T) {
	tmpl := template(t, map[string]any{"@aws-cdk/core:permissionsBoundary": map[string]any{"name": "of-the-team"}})
	roles := resources(tmpl, "AWS::IAM::Role")
	if len(roles) != 2 {
		t.Errorf("there are %d roles", len(roles))
	}
	for id, role := range roles {
		boundary, _ := json.Marshal(role["Properties"].(map[string]any)["PermissionsBoundary"])
		if !strings.Contains(string(boundary), ":policy/of-the-team") {
			t.Errorf("%s has the boundary %s", id, boundary)
		}
	}
}
