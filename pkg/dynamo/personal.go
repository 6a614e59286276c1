package dynamo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"wschat/pkg/chat"
	"wschat/pkg/storedrules"
)

// PersonalAPI is the part of *dynamodb.Client that a PersonFinder uses, on its table. Nothing else scans a table.
type PersonalAPI interface {
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput,
		error)
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
}

var _ PersonalAPI = (*dynamodb.Client)(nil)

// progressLife is how long the progress of an erasure is kept.
const progressLife = 30 * 24 * time.Hour

// PersonFinder is a chat.PersonFinder on one of the tables. The one of the messages table is a chat.ErasureProgress,
// too. DynamoDB looks at each row, and sends those that may have to do with the person; sort then looks closely.
type PersonFinder struct {
	api     PersonalAPI
	table   string
	sortKey string
	filter  func(of chat.Person) (expression string, values item)
	// sort adds a row to what was found, or says that it is to be deleted.
	sort func(row item, of chat.Person, found *chat.Found) (isOwn bool)
}

var (
	_ chat.PersonFinder    = (*PersonFinder)(nil)
	_ chat.ErasureProgress = (*PersonFinder)(nil)
)

// FindInMessages returns the finder of the messages table.
func FindInMessages(api PersonalAPI, table string) *PersonFinder {
	return &PersonFinder{api: api, table: table, sortKey: attrIndex, filter: filterMessages, sort: sortMessages}
}

// FindInConnections returns the finder of the connections table.
func FindInConnections(api PersonalAPI, table string) *PersonFinder {
	return &PersonFinder{api: api, table: table, sortKey: attrConnectionID, filter: filterConnections,
		sort: sortConnections}
}

// Find finds what a part of the table holds of a person; see chat.PersonFinder. Rows that have expired are left to
// DynamoDB, which removes them within days: others may put rows in their places at any time.
func (f *PersonFinder) Find(ctx context.Context, of chat.Person, from string, most int) (found chat.Found, err error) {
	expression, values := f.filter(of)
	in := &dynamodb.ScanInput{
		TableName: &f.table, ConsistentRead: aws.Bool(true), Limit: aws.Int32(int32(most)),
		FilterExpression: &expression, ExpressionAttributeValues: values,
	}
	if from != "" {
		if in.ExclusiveStartKey, err = f.keyOf(from); err != nil {
			return found, chat.BadPosition()
		}
	}
	out, err := f.api.Scan(ctx, in)
	if err != nil {
		return found, fmt.Errorf("scan table %s: %w", f.table, err)
	}
	now := time.Now().Unix()
	for _, row := range out.Items {
		if !expired(row, now) && f.sort(row, of, &found) {
			found.Rows = append(found.Rows, f.nameOf(row))
		}
	}
	found.Looked = int(out.ScannedCount)
	if len(out.LastEvaluatedKey) > 0 {
		found.Next = f.nameOf(out.LastEvaluatedKey)
	}
	return found, nil
}

// Delete deletes a row; see chat.PersonFinder.
func (f *PersonFinder) Delete(ctx context.Context, row string) error {
	key, err := f.keyOf(row)
	if err == nil {
		_, err = f.api.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &f.table, Key: key})
	}
	if err != nil {
		return fmt.Errorf("delete a person's row: %w", err)
	}
	return nil
}

// nameOf is a row's key as a text.
func (f *PersonFinder) nameOf(row item) string {
	sortKey := textOf(row, f.sortKey)
	if f.sortKey == attrIndex {
		sortKey = strconv.FormatInt(numberOf(row, attrIndex), 10)
	}
	name, _ := json.Marshal([]string{textOf(row, attrRoom), sortKey}) // two texts
	return string(name)
}

// keyOf reads what nameOf has made.
func (f *PersonFinder) keyOf(name string) (item, error) {
	var parts []string
	if err := json.Unmarshal([]byte(name), &parts); err != nil {
		return nil, err
	}
	if len(parts) != 2 || parts[0] == "" || parts[1] == "" {
		return nil, errors.New("it has not two parts")
	}
	if f.sortKey != attrIndex {
		return memberKey(parts[0], parts[1]), nil
	}
	index, err := strconv.ParseInt(parts[1], 10, 64)
	return key(parts[0], index), err
}

// filterMessages selects the rows of the messages table in which a person may be.
func filterMessages(of chat.Person) (string, item) {
	const begins = "(begins_with(" + attrRoom + ", :rows) AND contains(" + attrRoom + ", :key))"
	if of.ID == "" {
		return "(" + attrUser + " = :name AND attribute_not_exists(" + attrUserID + ")) OR contains(" + attrReactions +
				", :quoted) OR " + begins,
			item{":name": text(of.Name), ":quoted": text(quoted(of.Name)), ":rows": text("#id\x00"),
				":key": text("\x00" + of.Name + "\x00")}
	}
	return attrUserID + " = :id OR contains(" + attrReactions + ", :quoted) OR contains(" + attrRules +
			", :quoted) OR " + begins,
		item{":id": text(of.ID), ":quoted": text(quoted(of.ID)), ":rows": text("#direct\x00"), ":key": text(of.ID)}
}

// quoted is a text as it is in stored JSON.
func quoted(s string) string {
	b, _ := json.Marshal(s) // a text
	return string(b)
}

// sortMessages sorts a row of the messages table.
func sortMessages(row item, of chat.Person, found *chat.Found) (isOwn bool) {
	room := textOf(row, attrRoom)
	if !strings.HasPrefix(room, "#") {
		if m := message(room, row); m.Index > 0 && m.Has(of) {
			found.Messages = append(found.Messages, m)
		}
		return false
	}
	if room, ok := strings.CutPrefix(room, rulesRoom("")); ok {
		switch rules, err := rulesOf(room, row); {
		case err != nil:
			found.Damaged++
		case rules.Names(of):
			found.Rules = append(found.Rules, room)
		}
		return false
	}
	if pair, ok := strings.CutPrefix(room, directRoom("")); ok {
		return storedrules.IsOfPair(pair, of.ID)
	}
	if of.ID == "" { // no room, name or message id has a 0 byte
		parts := strings.Split(room, "\x00")
		return textOf(row, attrUserID) == "" && len(parts) == 4 && parts[2] == of.Name
	}
	return true // the marker of a message id, which has the user's id
}

// filterConnections selects the rows of the connections table in which a person may be.
func filterConnections(of chat.Person) (string, item) {
	if of.ID == "" {
		return attrUser + " = :name AND attribute_not_exists(" + attrUserID + ")", item{":name": text(of.Name)}
	}
	return attrUserID + " = :id OR " + attrRoom + " = :markers OR (begins_with(" + attrRoom + ", :turns) AND " +
			attrConnectionID + " = :turn)",
		item{":id": text(of.ID), ":markers": text(markersOf(of.ID)), ":turns": text(turnsRoom("")),
			":turn": text("#" + of.ID)}
}

// sortConnections sorts a row of the connections table.
func sortConnections(row item, of chat.Person, found *chat.Found) (isOwn bool) {
	room := textOf(row, attrRoom)
	if of.ID != "" && (room == markersOf(of.ID) || strings.HasPrefix(room, turnsRoom(""))) {
		return true
	}
	found.Members = append(found.Members, memberOf(row))
	return false
}

// progressKeyOf is the key of a row of progress. No room's name begins as it does.
func progressKeyOf(name string) item { return key("#erasure\x00"+name, 0) }

// Erasure returns how far an erasure has come; see chat.ErasureProgress.
func (f *PersonFinder) Erasure(ctx context.Context, name string) (state chat.ErasureState, err error) {
	out, err := f.api.GetItem(ctx, &dynamodb.GetItemInput{TableName: &f.table, Key: progressKeyOf(name),
		ConsistentRead: aws.Bool(true)})
	if err != nil {
		return state, fmt.Errorf("get the progress of an erasure: %w", err)
	}
	if len(out.Item) > 0 {
		err = json.Unmarshal([]byte(textOf(out.Item, attrProgress)), &state)
	}
	return state, err
}

// KeepErasure keeps how far an erasure has come; see chat.ErasureProgress.
func (f *PersonFinder) KeepErasure(ctx context.Context, name string, state chat.ErasureState) error {
	row := progressKeyOf(name)
	progress, err := json.Marshal(state)
	if err != nil {
		return err
	}
	if state.Done {
		_, err = f.api.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &f.table, Key: row})
	} else {
		row[attrProgress], row[attrExpiresAt] = text(string(progress)), number(time.Now().Add(progressLife).Unix())
		_, err = f.api.PutItem(ctx, &dynamodb.PutItemInput{TableName: &f.table, Item: row})
	}
	if err != nil {
		return fmt.Errorf("keep the progress of an erasure: %w", err)
	}
	return nil
}
