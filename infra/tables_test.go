package main

import (
	"fmt"
	"strings"
	"testing"

	"wschat/pkg/config"
)

func TestDataIsKeptUnlessAsked(t *testing.T) {
	for want, context := range map[string]map[string]any{"Retain": nil, "Delete": {"removalPolicy": "destroy"}} {
		tables := resources(template(t, context), "AWS::DynamoDB::Table")
		if len(tables) != 2 {
			t.Fatalf("there are %d tables", len(tables))
		}
		for id, table := range tables {
			p := table["Properties"].(map[string]any)
			if table["DeletionPolicy"] != want || table["UpdateReplacePolicy"] != want {
				t.Errorf("%s: %v", id, table["DeletionPolicy"])
			}
			// It is said either way: a deploy with destroy has to switch it off.
			if protected := p["DeletionProtectionEnabled"]; protected != (want == "Retain") {
				t.Errorf("%s: with %s, the protection against deletion is %v", id, want, protected)
			}
			if p["BillingMode"] != "PAY_PER_REQUEST" || p["SSESpecification"].(map[string]any)["SSEEnabled"] != true ||
				p["PointInTimeRecoverySpecification"].(map[string]any)["PointInTimeRecoveryEnabled"] != true ||
				p["TimeToLiveSpecification"].(map[string]any)["AttributeName"] != "expires_at" {
				t.Errorf("%s: %v", id, p)
			}
		}
	}
}

// A restored table is used in place of the stack's own, which stays.
func TestAnotherMessagesTable(t *testing.T) {
	tmpl := template(t, map[string]any{"messagesTable": "restored-1", "removalPolicy": "destroy"})
	if n := len(resources(tmpl, "AWS::DynamoDB::Table")); n != 2 {
		t.Errorf("there are %d tables", n)
	}
	environment := only(t, tmpl, "AWS::Lambda::Function")["Environment"].(map[string]any)["Variables"].(map[string]any)
	if environment[config.MessagesTable] != "restored-1" {
		t.Errorf("the function's table is %v", environment[config.MessagesTable])
	}
	policies := fmt.Sprint(resources(tmpl, "AWS::IAM::Policy"))
	if !strings.Contains(policies, ":table/restored-1") {
		t.Errorf("the function may not use it: %s", policies)
	}
	for id := range resources(tmpl, "AWS::DynamoDB::Table") {
		if strings.HasPrefix(id, "Messages") && strings.Contains(policies, id) {
			t.Errorf("the function may use %s", id)
		}
	}
	if board := fmt.Sprint(only(t, tmpl, "AWS::CloudWatch::Dashboard")); !strings.Contains(board, "restored-1") {
		t.Error("the dashboard shows another table")
	}
}
