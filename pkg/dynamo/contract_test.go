package dynamo_test

import (
	"testing"
	"time"

	"wschat/pkg/dynamo"
	"wschat/test/contract"
	"wschat/test/dynamolocal"
)

func TestContract(t *testing.T) {
	client := dynamolocal.Client(dynamolocal.Start(t))
	connections, messages := dynamolocal.Tables(t, client)
	t.Run("Log", func(t *testing.T) { contract.Log(t, dynamo.NewLog(client, messages, 0)) })
	t.Run("LogWithRetention", func(t *testing.T) { contract.Log(t, dynamo.NewLog(client, messages, 24*time.Hour)) })
	t.Run("Roster", func(t *testing.T) { contract.Roster(t, dynamo.NewRoster(client, connections), nil) })
}

// Dynalite is another make of DynamoDB: what holds on both is no accident of one.
func TestContractOnDynalite(t *testing.T) {
	client := dynamolocal.Client(dynamolocal.StartDynalite(t))
	connections, messages := dynamolocal.TablesWithoutTTL(t, client)
	t.Run("Log", func(t *testing.T) { contract.LogWithoutIDs(t, dynamo.NewLog(client, messages, 0)) })
	t.Run("Roster", func(t *testing.T) { contract.Roster(t, dynamo.NewRoster(client, connections), nil) })
}
