package dynamo_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"wschat/pkg/dynamo"
	"wschat/test/contract"
	"wschat/test/dynamolocal"
)

func TestContract(t *testing.T) {
	t.Parallel() // others wait for deadlines meanwhile
	client := dynamolocal.Client(server.URL(t))
	connections, messages := dynamolocal.Tables(t, client)
	t.Run("Log", func(t *testing.T) { contract.Log(t, dynamo.NewLog(client, messages, 0)) })
	t.Run("LogWithRetention", func(t *testing.T) { contract.Log(t, dynamo.NewLog(client, messages, 24*time.Hour)) })
	t.Run("Changes", func(t *testing.T) { contract.Changes(t, dynamo.NewLog(client, messages, 0)) })
	t.Run("ChangesWithRetention", func(t *testing.T) {
		contract.Changes(t, dynamo.NewLog(client, messages, 24*time.Hour))
	})
	t.Run("Roster", func(t *testing.T) { contract.Roster(t, dynamo.NewRoster(client, connections), nil) })
	t.Run("Leases", func(t *testing.T) { contract.Leases(t, dynamo.NewLeases(client, messages, 0)) })
	t.Run("LeasesWithRetention", func(t *testing.T) {
		contract.Leases(t,
			dynamo.NewLeases(client, messages, 24*time.Hour))
	})
	t.Run("Announcements", func(t *testing.T) {
		contract.Announcements(t,
			dynamo.NewAnnouncements(client, connections))
	})
	t.Run("ReadMarkers", func(t *testing.T) { contract.ReadMarkers(t, dynamo.NewReadMarkers(client, connections)) })
	t.Run("Rules", func(t *testing.T) {
		log := dynamo.NewLog(client, messages, 0)
		contract.Rules(t, dynamo.NewRules(log, client, connections), log)
	})
	t.Run("Personal", func(t *testing.T) {
		log, finder := dynamo.NewLog(client, messages, 0), dynamo.FindInMessages(client, messages)
		contract.Personal(t, finder, finder, dynamo.NewRules(log, client, connections), log)
	})
	t.Run("RulesWithRetention", func(t *testing.T) {
		log := dynamo.NewLog(client, messages, 24*time.Hour)
		contract.Rules(t, dynamo.NewRules(log, client, connections), log)
	})
	t.Run("LeasesEnd", func(t *testing.T) {
		contract.LeasesEnd(t, dynamo.NewLeases(client, messages, 0), func() { endLeases(t, client, messages) })
	})
}

// endLeases makes the rows of all leases as old as if their time had passed.
func endLeases(t *testing.T, client *dynamodb.Client, table string) {
	t.Helper()
	out, err := client.Scan(t.Context(),
		&dynamodb.ScanInput{TableName: &table, FilterExpression: aws.String("attribute_exists(lease_until)")})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range out.Items {
		row["lease_until"] = &types.AttributeValueMemberN{Value: fmt.Sprint(time.Now().UnixMilli())}
		if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: row}); err != nil {
			t.Fatal(err)
		}
	}
}

// Dynalite is another make of DynamoDB: what holds on both is no accident of one.
func TestContractOnDynalite(t *testing.T) {
	t.Parallel()
	client := dynamolocal.Client(dynamolocal.StartDynalite(t))
	connections, messages := dynamolocal.TablesWithoutTTL(t, client)
	t.Run("Log", func(t *testing.T) { contract.LogWithoutIDs(t, dynamo.NewLog(client, messages, 0)) })
	t.Run("Roster", func(t *testing.T) { contract.Roster(t, dynamo.NewRoster(client, connections), nil) })
	t.Run("Leases", func(t *testing.T) { contract.Leases(t, dynamo.NewLeases(client, messages, 0)) })
	t.Run("Announcements", func(t *testing.T) {
		contract.Announcements(t,
			dynamo.NewAnnouncements(client, connections))
	})
	t.Run("ReadMarkers", func(t *testing.T) { contract.ReadMarkers(t, dynamo.NewReadMarkers(client, connections)) })
}
