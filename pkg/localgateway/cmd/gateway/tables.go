package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"wschat/pkg/localgateway/template"
)

// createTables creates the tables that do not exist yet. DynamoDB Local has other tables for each access key and Region
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DynamoDBLocal.UsageNotes.html), so both are the
// functions' own.
func createTables(ctx context.Context, o options, p *plan) error {
	client := dynamodb.New(dynamodb.Options{Region: p.region, BaseEndpoint: &o.dynamodb,
		Credentials: credentials.NewStaticCredentialsProvider(o.keys())})
	for _, table := range p.tables {
		if err := createTable(ctx, client, table); err != nil {
			return fmt.Errorf("-dynamodb %s: create the table %s: %w", o.dynamodb, table.Name, err)
		}
	}
	return nil
}

func createTable(ctx context.Context, client *dynamodb.Client, table template.Table) error {
	// CloudFormation's properties have the names of the fields of CreateTable.
	var in dynamodb.CreateTableInput
	var more struct {
		TimeToLiveSpecification *types.TimeToLiveSpecification
	}
	if err := errors.Join(json.Unmarshal(table.Definition, &in), json.Unmarshal(table.Definition, &more)); err != nil {
		return err
	}
	in.TableName = &table.Name
	if in.BillingMode == "" && in.ProvisionedThroughput == nil {
		in.BillingMode = types.BillingModePayPerRequest
	}
	_, err := client.CreateTable(ctx, &in)
	if _, exists := errors.AsType[*types.ResourceInUseException](err); exists {
		return nil
	}
	if err != nil {
		return err
	}
	described := &dynamodb.DescribeTableInput{TableName: &table.Name}
	if err := dynamodb.NewTableExistsWaiter(client).Wait(ctx, described, time.Minute); err != nil {
		return err
	}
	if ttl := more.TimeToLiveSpecification; ttl != nil && aws.ToBool(ttl.Enabled) {
		_, err = client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{TableName: &table.Name,
			TimeToLiveSpecification: ttl})
	}
	return err
}
