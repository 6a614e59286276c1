package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// TableAPI is the part of *dynamodb.Client that Create uses. The Lambda function calls none of it.
type TableAPI interface {
	CreateTable(context.Context, *dynamodb.CreateTableInput, ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput,
		error)
	DescribeTimeToLive(context.Context, *dynamodb.DescribeTimeToLiveInput,
		...func(*dynamodb.Options)) (*dynamodb.DescribeTimeToLiveOutput, error)
	UpdateTimeToLive(context.Context, *dynamodb.UpdateTimeToLiveInput,
		...func(*dynamodb.Options)) (*dynamodb.UpdateTimeToLiveOutput, error)
	DescribeTable(context.Context, *dynamodb.DescribeTableInput,
		...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
}

var _ TableAPI = (*dynamodb.Client)(nil)

// createTimeout is how long a new table may take to become active.
const createTimeout = time.Minute

// Create creates a table, unless one of that name is there, and waits until it can be used. It is for places that no
// CDK stack creates: this machine and tests.
func Create(ctx context.Context, api TableAPI, name string, t Table) error {
	in := &dynamodb.CreateTableInput{
		TableName:            &name,
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{t.PartitionKey.definition(), t.SortKey.definition()},
		KeySchema: []types.KeySchemaElement{t.PartitionKey.hash(),
			{AttributeName: &t.SortKey.Name, KeyType: types.KeyTypeRange}},
	}
	if t.IndexName != "" {
		if t.IndexPartitionKey != t.PartitionKey && t.IndexPartitionKey != t.SortKey {
			in.AttributeDefinitions = append(in.AttributeDefinitions, t.IndexPartitionKey.definition())
		}
		in.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{{
			IndexName:  &t.IndexName,
			KeySchema:  []types.KeySchemaElement{t.IndexPartitionKey.hash()},
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		}}
	}
	_, err := api.CreateTable(ctx, in)
	if _, exists := errors.AsType[*types.ResourceInUseException](err); err != nil && !exists {
		return fmt.Errorf("create table %s: %w", name, err)
	}
	if err := dynamodb.NewTableExistsWaiter(api, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay = 100 * time.Millisecond
	}).Wait(ctx, &dynamodb.DescribeTableInput{TableName: &name}, createTimeout); err != nil {
		return fmt.Errorf("wait for table %s: %w", name, err)
	}
	ttl, err := api.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &name})
	if err != nil {
		return fmt.Errorf("look at the time to live of table %s: %w", name, err)
	}
	if ttl.TimeToLiveDescription != nil && ttl.TimeToLiveDescription.AttributeName != nil {
		return nil // it has one already
	}
	_, err = api.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName:               &name,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &t.TTL, Enabled: aws.Bool(true)},
	})
	if err != nil {
		return fmt.Errorf("set the time to live of table %s: %w", name, err)
	}
	return nil
}

func (k Key) definition() types.AttributeDefinition {
	return types.AttributeDefinition{AttributeName: aws.String(k.Name), AttributeType: k.Type}
}

func (k Key) hash() types.KeySchemaElement {
	return types.KeySchemaElement{AttributeName: aws.String(k.Name), KeyType: types.KeyTypeHash}
}
