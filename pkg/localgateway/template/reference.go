package template

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The types of the resources that this package reads.
const (
	typeAPI           = "AWS::ApiGatewayV2::Api"
	typeRoute         = "AWS::ApiGatewayV2::Route"
	typeIntegration   = "AWS::ApiGatewayV2::Integration"
	typeRouteResponse = "AWS::ApiGatewayV2::RouteResponse"
	typeAuthorizer    = "AWS::ApiGatewayV2::Authorizer"
	typeStage         = "AWS::ApiGatewayV2::Stage"
	typeFunction      = "AWS::Lambda::Function"
	typeAlias         = "AWS::Lambda::Alias"
	typeVersion       = "AWS::Lambda::Version"
	typeTable         = "AWS::DynamoDB::Table"
)

// pseudo returns the values of the pseudo parameters
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/pseudo-parameter-reference.html). The account
// and the Region are those of the local gateway's events.
func pseudo() map[string]string {
	return map[string]string{
		"AWS::AccountId": "000000000000",
		"AWS::Region":    "us-east-1",
		"AWS::Partition": "aws",
		"AWS::URLSuffix": "amazonaws.com",
		"AWS::StackName": "local",
		"AWS::StackId":   "arn:aws:cloudformation:us-east-1:000000000000:stack/local/local",
	}
}

// checkParameters refuses values of parameters that are not there.
func (r *resolver) checkParameters() error {
	for _, name := range slices.Sorted(maps.Keys(r.given)) {
		_, isPseudo := pseudo()[name]
		if _, ok := r.Parameters[name]; !ok && !isPseudo {
			return fmt.Errorf("the template has no parameter %q", name)
		}
	}
	return nil
}

// pseudoParameter returns the value of a pseudo parameter.
func (r *resolver) pseudoParameter(name string) string {
	if value, ok := r.given[name]; ok {
		return value
	}
	return pseudo()[name]
}

// parameter returns the value of a parameter or of a pseudo parameter. It returns false if there is none of the name.
func (r *resolver) parameter(name string) (value any, ok bool, err error) {
	if name == "AWS::NoValue" {
		return noValue{}, true, nil
	}
	if _, isPseudo := pseudo()[name]; isPseudo {
		return r.pseudoParameter(name), true, nil
	}
	declared, isDeclared := r.Parameters[name]
	if !isDeclared {
		return nil, false, nil
	}
	text, given := r.given[name]
	switch {
	case given:
	case declared.Default == nil:
		return nil, true, fmt.Errorf("the parameter %s has no default, so a value must be given", name)
	case strings.HasPrefix(declared.Type, "AWS::SSM::Parameter"):
		return nil, true, fmt.Errorf("the parameter %s is in an account's Parameter Store, so a value must be given",
			name)
	default:
		// A default has no intrinsic functions.
		if text, err = r.text(declared.Default, maxDepth-1); err != nil {
			return nil, true, fmt.Errorf("the default of the parameter %s: %w", name, err)
		}
	}
	if declared.Type != "CommaDelimitedList" && !strings.HasPrefix(declared.Type, "List<") {
		return text, true, nil
	}
	list := []any{}
	for element := range strings.SplitSeq(text, ",") {
		list = append(list, strings.TrimSpace(element))
	}
	return list, true, nil
}

// ref is Ref: the value of a parameter, or what identifies a resource.
func (r *resolver) ref(argument any, depth int) (any, error) {
	name, ok := argument.(string)
	if !ok {
		return nil, errors.New("it takes the name of a parameter or of a resource")
	}
	if value, ok, err := r.parameter(name); ok {
		return value, err
	}
	res, err := r.existing(name, depth)
	if err != nil {
		return nil, err
	}
	switch res.Type {
	case typeAPI:
		return r.apiID(name), nil
	case typeFunction:
		return r.name(name, "FunctionName", depth)
	case typeTable:
		return r.name(name, "TableName", depth)
	case typeStage:
		return r.name(name, "StageName", depth)
	case typeAlias, typeVersion:
		return r.qualifiedARN(name, depth)
	case typeRoute, typeIntegration, typeAuthorizer, typeRouteResponse:
		return name, nil
	}
	return nil, fmt.Errorf("%s is an %s, which does not exist here, so its id is not known", name, res.Type)
}

// getAtt is Fn::GetAtt.
func (r *resolver) getAtt(argument any, depth int) (any, error) {
	text, ok := argument.(string)
	name, attribute, _ := strings.Cut(text, ".")
	if !ok {
		args, err := arguments(argument, 2)
		if err != nil {
			return nil, err
		}
		if name, ok = args[0].(string); !ok {
			return nil, errors.New("it takes the name of a resource and an attribute")
		}
		if attribute, err = r.text(args[1], depth); err != nil {
			return nil, err
		}
	}
	res, err := r.existing(name, depth)
	if err != nil {
		return nil, err
	}
	switch res.Type + " " + attribute {
	case typeFunction + " Arn":
		return r.functionARN(name, depth)
	case typeAlias + " AliasArn", typeVersion + " FunctionArn":
		return r.qualifiedARN(name, depth)
	case typeVersion + " Version":
		return firstVersion, nil
	case typeTable + " Arn":
		table, err := r.name(name, "TableName", depth)
		return r.arn("dynamodb", "table/"+table), err
	case typeAPI + " ApiId":
		return r.apiID(name), nil
	case typeAPI + " ApiEndpoint":
		protocol, err := r.property(name, "ProtocolType", depth)
		scheme := "https"
		if protocol == "WEBSOCKET" {
			scheme = "wss"
		}
		return scheme + "://" + r.host(name), err
	case typeIntegration + " IntegrationId", typeAuthorizer + " AuthorizerId", typeRoute + " RouteId":
		return name, nil
	}
	return nil, fmt.Errorf("%s is an %s, whose %.100q is not known here", name, res.Type, attribute)
}

// existing returns a resource that the stack has.
func (r *resolver) existing(id string, depth int) (resource, error) {
	res, ok := r.Resources[id]
	if !ok {
		return res, fmt.Errorf("the template has no parameter and no resource %.200q", id)
	}
	exists, err := r.exists(id, depth)
	if err == nil && !exists {
		err = fmt.Errorf("the stack has no %s, because the condition %s is false", id, res.Condition)
	}
	return res, err
}

// property resolves a property that must be a text. It is "" if the resource does not have it.
func (r *resolver) property(id, name string, depth int) (string, error) {
	v, ok := r.Resources[id].Properties[name]
	if !ok || v == nil {
		return "", nil
	}
	value, err := r.resolve(v, depth+1)
	if err == nil && value == (noValue{}) {
		return "", nil
	}
	text := ""
	if err == nil {
		text, err = r.text(value, depth+1)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", place(id, name), err)
	}
	return text, nil
}

// place is how errors call a property.
func place(id, property string) string { return "Resources." + id + ".Properties." + property }

// name returns a resource's name: the property if it has one, or else its logical id.
func (r *resolver) name(id, property string, depth int) (string, error) {
	name, err := r.property(id, property, depth)
	if name == "" {
		name = id
	}
	return name, err
}

// arn returns an ARN in the stack's account and Region.
func (r *resolver) arn(service, resource string) string {
	return strings.Join([]string{"arn", r.pseudoParameter("AWS::Partition"), service, r.pseudoParameter("AWS::Region"),
		r.pseudoParameter("AWS::AccountId"), resource}, ":")
}

const functionPart = "function:"

func (r *resolver) functionARN(id string, depth int) (string, error) {
	name, err := r.name(id, "FunctionName", depth)
	return r.arn("lambda", functionPart+name), err
}

// firstVersion is the number of each version. A template has no other.
const firstVersion = "1"

// qualifiedARN returns the ARN of an alias or of a version.
func (r *resolver) qualifiedARN(id string, depth int) (string, error) {
	function, err := r.property(id, "FunctionName", depth)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(function, "arn:") {
		function = r.arn("lambda", functionPart+function)
	}
	qualifier := firstVersion
	if r.Resources[id].Type == typeAlias {
		qualifier, err = r.name(id, "Name", depth)
	}
	return function + ":" + qualifier, err
}

// apiID returns the id of an API. Those that run have one in apis.
func (r *resolver) apiID(logicalID string) string {
	if id := r.apis[logicalID]; id != "" {
		return id
	}
	return strings.ToLower(logicalID)
}

func (r *resolver) host(logicalID string) string {
	return r.apiID(logicalID) + ".execute-api." + r.pseudoParameter("AWS::Region") + "." +
		r.pseudoParameter("AWS::URLSuffix")
}
