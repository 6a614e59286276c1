// $disconnect: forgets the connection.
import { DeleteItemCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";

const dynamo = new DynamoDBClient();

export async function handler({ requestContext: { connectionId } }) {
  await dynamo.send(new DeleteItemCommand({
    TableName: process.env.TABLE_NAME,
    Key: { connectionId: { S: connectionId } },
  }));
  return { statusCode: 200, body: "Disconnected." };
}
