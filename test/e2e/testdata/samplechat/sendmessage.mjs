// sendmessage: posts what came to every connection, and forgets the ones that are gone. The callback URL is made from
// the event, as on AWS.
import {
  ApiGatewayManagementApiClient, GoneException, PostToConnectionCommand,
} from "@aws-sdk/client-apigatewaymanagementapi";
import { DeleteItemCommand, DynamoDBClient, paginateScan } from "@aws-sdk/client-dynamodb";

const dynamo = new DynamoDBClient();
const TableName = process.env.TABLE_NAME;

async function post(api, key, data) {
  try {
    await api.send(new PostToConnectionCommand({ ConnectionId: key.connectionId.S, Data: data }));
  } catch (error) {
    if (!(error instanceof GoneException)) throw error;
    await dynamo.send(new DeleteItemCommand({ TableName, Key: key }));
  }
}

export async function handler({ requestContext: { domainName, stage }, body }) {
  const api = new ApiGatewayManagementApiClient({ endpoint: `https://${domainName}/${stage}` });
  const { data } = JSON.parse(body);
  const pages = paginateScan({ client: dynamo, pageSize: 2 }, { TableName, ProjectionExpression: "connectionId" });
  for await (const { Items } of pages) {
    await Promise.all(Items.map((key) => post(api, key, data)));
  }
  return { statusCode: 200, body: "Data sent." };
}
