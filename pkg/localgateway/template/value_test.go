package template_test

import (
	"maps"
	"strings"
	"testing"

	"wschat/pkg/localgateway/template"
)

// Each value of a variable is what CloudFormation would make of it.
func TestValues(t *testing.T) {
	const sections = `,"Parameters":{"Colour":{"Type":"String","Default":"red"},"Size":{"Type":"Number","Default":7},
			"Names":{"Type":"CommaDelimitedList","Default":"ann, bob"},"Needed":{"Type":"String"},
			"Stored":{"Type":"AWS::SSM::Parameter::Value<String>","Default":"/path"}},
		"Mappings":{"Regions":{"us-east-1":{"Pool":"one","Zones":["a","b"]}}},
		"Conditions":{"Red":{"Fn::Equals":[{"Ref":"Colour"},"red"]},"Blue":{"Fn::Not":[{"Condition":"Red"}]},
			"Both":{"Fn::And":[{"Condition":"Red"},{"Condition":"Blue"}]},
			"Any":{"Fn::Or":[{"Condition":"Blue"},{"Condition":"Red"}]}}`
	const others = `,"Table":{"Type":"AWS::DynamoDB::Table","Properties":{}},
		"Named":{"Type":"AWS::DynamoDB::Table","Properties":{"TableName":{"Fn::Sub":"t-${Colour}"}}},
		"Queue":{"Type":"AWS::SQS::Queue"},
		"Absent":{"Type":"AWS::DynamoDB::Table","Condition":"Blue"},
		"Version":{"Type":"AWS::Lambda::Version","Properties":{"FunctionName":{"Ref":"Fn"}}},
		"Alias":{"Type":"AWS::Lambda::Alias","Properties":{"FunctionName":{"Fn::GetAtt":["Fn","Arn"]},"Name":"live"}}`
	const functionARN = "arn:aws:lambda:us-east-1:000000000000:function:Fn"
	for _, tc := range []struct{ value, want, problem string }{
		{`"plain"`, "plain", ""},
		{`12`, "12", ""},
		{`1.50`, "1.50", ""},
		{`true`, "true", ""},
		{`{"Ref":"Colour"}`, "red", ""},
		{`{"Ref":"Size"}`, "7", ""},
		{`{"Ref":"Needed"}`, "", "Ref: the parameter Needed has no default, so a value must be given"},
		{`{"Ref":"Stored"}`, "", "the parameter Stored is in an account's Parameter Store"},
		{`{"Ref":"AWS::Region"}`, "us-east-1", ""},
		{`{"Ref":"AWS::AccountId"}`, "000000000000", ""},
		{`{"Ref":"Table"}`, "Table", ""},
		{`{"Ref":"Named"}`, "t-red", ""},
		{`{"Ref":"Api"}`, "local", ""},
		{`{"Ref":"Stage"}`, "dev", ""},
		{`{"Ref":"Fn"}`, "Fn", ""},
		{`{"Ref":"Alias"}`, functionARN + ":live", ""},
		{`{"Ref":"Version"}`, functionARN + ":1", ""},
		{`{"Ref":"Queue"}`, "", "Ref: Queue is an AWS::SQS::Queue, which does not exist here"},
		{`{"Ref":"Absent"}`, "", "Ref: the stack has no Absent, because the condition Blue is false"},
		{`{"Ref":"Nothing"}`, "", `Ref: the template has no parameter and no resource "Nothing"`},
		{`{"Fn::GetAtt":["Table","Arn"]}`, "arn:aws:dynamodb:us-east-1:000000000000:table/Table", ""},
		{`{"Fn::GetAtt":"Fn.Arn"}`, functionARN, ""},
		{`{"Fn::GetAtt":["Version","Version"]}`, "1", ""},
		{`{"Fn::GetAtt":["Api","ApiEndpoint"]}`, "wss://local.execute-api.us-east-1.amazonaws.com", ""},
		{`{"Fn::GetAtt":["Queue","Arn"]}`, "", `Fn::GetAtt: Queue is an AWS::SQS::Queue, whose "Arn" is not known`},
		{`{"Fn::GetAtt":["Table","StreamArn"]}`, "", `whose "StreamArn" is not known`},
		{`{"Fn::Join":["-",["a",{"Ref":"Colour"},"b"]]}`, "a-red-b", ""},
		{`{"Fn::Join":[",",{"Ref":"Names"}]}`, "ann,bob", ""},
		{`{"Fn::Join":["-","a"]}`, "", "Fn::Join: it is a single value, not a list"},
		{`{"Fn::Join":["-",["a",{"Ref":"Queue"}]]}`, "", "Fn::Join: Ref: Queue is an AWS::SQS::Queue"},
		{`{"Fn::Sub":"${Colour} ${Table.Arn} ${!Literal}"}`,
			"red arn:aws:dynamodb:us-east-1:000000000000:table/Table ${Literal}", ""},
		{`{"Fn::Sub":["${x}${Colour}",{"x":{"Fn::Select":[1,{"Ref":"Names"}]}}]}`, "bobred", ""},
		{`{"Fn::Sub":"${Nothing}"}`, "", `Fn::Sub: Ref: the template has no parameter and no resource "Nothing"`},
		{`{"Fn::Select":["0",{"Fn::Split":["|","a|b"]}]}`, "a", ""},
		{`{"Fn::Select":[2,["a","b"]]}`, "", `Fn::Select: a list of 2 has no element "2"`},
		{`{"Fn::Split":["","a"]}`, "", "Fn::Split: the separator is empty"},
		{`{"Fn::FindInMap":["Regions",{"Ref":"AWS::Region"},"Pool"]}`, "one", ""},
		{`{"Fn::FindInMap":["Regions","us-east-1","Other"]}`, "", "has no Mappings.Regions.us-east-1.Other"},
		{`{"Fn::If":["Red","yes","no"]}`, "yes", ""},
		{`{"Fn::If":["Blue","yes","no"]}`, "no", ""},
		{`{"Fn::If":["Both","yes","no"]}`, "no", ""},
		{`{"Fn::If":["Any","yes","no"]}`, "yes", ""},
		{`{"Fn::If":["Green","yes","no"]}`, "", `Fn::If: condition Green: the template has no condition "Green"`},
		{`{"Fn::ImportValue":"x"}`, "", "Fn::ImportValue is not supported"},
		{`{"Fn::Sub":"{{resolve:ssm:x}}"}`, "", "a dynamic reference, which only AWS can follow"},
		{`"{{resolve:ssm:x}}"`, "", "a dynamic reference, which only AWS can follow"},
		{`["a"]`, "", "it is a list, not a text"},
	} {
		f := read(t, stack(function(`,"Environment":{"Variables":{"V":`+tc.value+`}}`)+others, sections),
			template.Options{}).Functions["Fn"]
		got, known := f.Environment["V"]
		if tc.problem == "" && (!known || got != tc.want || f.Unknown["V"] != nil) {
			t.Errorf("%s is %q, %v; want %q", tc.value, got, f.Unknown["V"], tc.want)
		}
		if tc.problem != "" && (known || f.Unknown["V"] == nil ||
			!strings.HasPrefix(f.Unknown["V"].Error(), "Resources.Fn.Properties.Environment.Variables.V: ") ||
			!strings.Contains(f.Unknown["V"].Error(), tc.problem)) {
			t.Errorf("%s is %q, %v; want %q", tc.value, got, f.Unknown["V"], tc.problem)
		}
	}
}

// A variable is left out if it has no value, and the whole environment may be the value of a function.
func TestEnvironments(t *testing.T) {
	const sections = `,"Conditions":{"Yes":{"Fn::Equals":[1,1]}}`
	for environment, want := range map[string]map[string]string{
		`{"Variables":{"A":{"Ref":"AWS::NoValue"},"B":"b"}}`:                                  {"B": "b"},
		`{"Variables":{"A":{"Fn::If":["Yes",{"Ref":"AWS::NoValue"},"a"]}}}`:                   {},
		`{"Fn::If":["Yes",{"Variables":{"A":"a"}},{"Ref":"AWS::NoValue"}]}`:                   {"A": "a"},
		`{"Variables":{"Fn::If":["Yes",{"A":{"Ref":"AWS::Region"}},{"Ref":"AWS::NoValue"}]}}`: {"A": "us-east-1"},
		`{}`: {},
	} {
		f := read(t, stack(function(`,"Environment":`+environment), sections), template.Options{}).Functions["Fn"]
		if !maps.Equal(f.Environment, want) || len(f.Unknown) > 0 {
			t.Errorf("%s is %v, %v", environment, f.Environment, f.Unknown)
		}
	}
}

// A parameter's value can be given, also that of a pseudo parameter, but not one of a parameter that is not there.
func TestParameters(t *testing.T) {
	text := stack(function(`,"Environment":{"Variables":{"C":{"Ref":"Colour"},"H":{"Fn::Sub":`+
		`"https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}"}}}`),
		`,"Parameters":{"Colour":{"Type":"AWS::SSM::Parameter::Value<String>","Default":"/path"}}`)
	s := read(t, text, template.Options{Parameters: map[string]string{"Colour": "green", "AWS::Region": "eu-north-1"}})
	want := map[string]string{"C": "green", "H": "https://local.execute-api.eu-north-1.amazonaws.com"}
	if got := s.Functions["Fn"].Environment; !maps.Equal(got, want) || s.Region != "eu-north-1" ||
		s.WebSocketAPI.Host != "local.execute-api.eu-north-1.amazonaws.com" {
		t.Errorf("got %v, %s, %+v", got, s.Region, s.WebSocketAPI)
	}
	_, err := template.Read([]byte(text), template.Options{Parameters: map[string]string{"Color": "green"}})
	if err == nil || err.Error() != `the template has no parameter "Color"` {
		t.Error(err)
	}
}
