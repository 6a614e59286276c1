// $connect: remembers the connection.
import { DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";

const dynamo = new DynamoDBClient();

export async function handler({ requestContext: { connectionId } }) {
  await dynamo.send(new PutItemCommand({
    TableName: process.env.TABLE_NAME,
    Item: { connectionId: { S: connectionId } },
  }));
  return { statusCode: 200, body: "Connected." };
}
