// A program that takes part in the chat with the AWS SDK: it invokes the function. Arguments: the endpoint.

import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";

const lambda = new LambdaClient({
  endpoint: process.argv[2], region: "eu-north-1", credentials: { accessKeyId: "local", secretAccessKey: "local" },
});

async function invoke(action, options = {}) {
  const Payload = JSON.stringify(action);
  const { StatusCode, FunctionError, Payload: answer } = await lambda.send(
    new InvokeCommand({ FunctionName: "chat", Payload, ...options }));
  console.log(StatusCode, FunctionError ?? "-", answer?.length ? new TextDecoder().decode(answer) : "-");
}

const message = { action: "sendMessage", room_name: "deploys", user_name: "CI", user_id: "ci" };
await invoke({ ...message, content: "v2 is out", message_id: "v2" });
await invoke({ ...message, content: "v3 is out", message_id: "v3" }, { InvocationType: "Event" });
await invoke({ action: "getRecentMessages", room_name: "deploys", ref: "h" });
await invoke({ hello: "nobody" });
await invoke({ action: "ping" }, { FunctionName: "arn:aws:lambda:eu-north-1:123456789012:function:chat:prod" });
try {
  await invoke({ action: "ping" }, { FunctionName: "another" });
} catch (error) {
  console.log(error.name);
}
