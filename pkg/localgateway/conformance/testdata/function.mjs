// The function that an API Gateway, or an emulator of one, runs under the conformance suite. It decides nothing: a
// client's script says what it does. It is one file and needs nothing but Node.js 20 or later, as Lambda has it. The
// README.md beside the suite has the script's fields.
//
// It does what any client says, so deploy it for the time of a run, with no rights but execute-api:ManageConnections.
import { createHash, createHmac } from "node:crypto";

export async function handler(event) {
	const script = scriptOf(event);
	if (script.wait) {
		await new Promise((resolve) => setTimeout(resolve, script.wait));
	}
	const answers = [];
	for (const { method, id, body } of script.calls ?? []) {
		answers.push(await call(event, method, id, body));
	}
	if (script.tell) {
		await call(event, "POST", script.tell, JSON.stringify({ event, answers }));
	}
	if (script.exit) {
		process.exit(1);
	}
	if (script.throw) {
		throw new Error(script.throw);
	}
	return fill(script.return ?? (event.type === "REQUEST" ? allow(event) : { statusCode: 200 }), event);
}

// What an authorizer returns that has no script. Its context carries the observer to the event of $disconnect.
function allow(event) {
	const observer = observerIn(header(event, "user-agent"));
	return {
		principalId: "conformance",
		...(observer && { context: { observer } }),
		policyDocument: {
			Version: "2012-10-17",
			Statement: [{ Action: "execute-api:Invoke", Effect: "Allow", Resource: "<methodArn>" }],
		},
	};
}

// The script of an event: of a handshake or an HTTP request in a header, of a message in its body. A message without
// one is told to its sender. A $disconnect is told to the connection that the client's user agent names, because the
// user agent is all in its event that a client has chosen. The authorizer's context has the name too, for an emulator
// that leaves out the user agent.
function scriptOf(event) {
	const { authorizer, eventType, identity } = event.requestContext;
	switch (event.type === "REQUEST" ? "AUTHORIZER" : eventType) {
		case "AUTHORIZER":
			return JSON.parse(header(event, "conformance-authorizer") ?? "{}");
		case "MESSAGE":
			return scriptIn(event.body) ?? { tell: "self" };
		case "DISCONNECT":
			return { tell: observerIn(identity?.userAgent) ?? authorizer?.observer };
		default:
			return JSON.parse(header(event, "conformance-script") ?? "{}");
	}
}

function scriptIn(body) {
	try {
		return JSON.parse(body).script;
	} catch {
		return undefined;
	}
}

const observerIn = (userAgent) => /observer=(\S+)/.exec(userAgent ?? "")?.[1];

function header(event, name) {
	const found = Object.entries(event.headers ?? {}).find(([key]) => key.toLowerCase() === name);
	return found?.[1];
}

// Puts the event, its methodArn, and a number of x where the script names them.
function fill(value, event) {
	if (typeof value === "string") {
		return value
			.replaceAll("<methodArn>", event.methodArn)
			.replaceAll("<event>", () => JSON.stringify(event))
			.replaceAll(/<(\d+) x>/g, (_, n) => "x".repeat(n));
	}
	if (Array.isArray(value)) {
		return value.map((element) => fill(element, event));
	}
	if (value && typeof value === "object") {
		return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, fill(field, event)]));
	}
	return value;
}

// Calls @connections and returns the answer's status and error type. CALLBACK_URL is where an emulator serves them; it may
// have <stage> in place of the stage.
async function call(event, method, id, body) {
	const { connectionId, domainName, stage } = event.requestContext;
	const base = process.env.CALLBACK_URL?.replace("<stage>", stage) ?? `https://${domainName}/${stage}`;
	const target = encodeURIComponent(id === "self" ? connectionId : id);
	const url = new URL(`${base}/@connections/${target}`);
	const answer = await fetch(url, { method, body, headers: sign(method, url, body ?? "") });
	await answer.arrayBuffer();
	return { status: answer.status, errorType: answer.headers.get("x-amzn-errortype") };
}

// The headers of Signature Version 4, or none without credentials in the environment
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
function sign(method, url, body) {
	const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION = "us-east-1" } = process.env;
	if (!AWS_ACCESS_KEY_ID) {
		return {};
	}
	const time = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
	const headers = { host: url.host, "x-amz-date": time };
	if (AWS_SESSION_TOKEN) {
		headers["x-amz-security-token"] = AWS_SESSION_TOKEN;
	}
	const names = Object.keys(headers).sort();
	const lines = names.map((name) => `${name}:${headers[name]}\n`).join("");
	const path = url.pathname.split("/").map(encodeURIComponent).join("/"); // what is encoded is encoded once more
	const request = [method, path, "", lines, names.join(";"), hash(body)].join("\n");
	const scope = [time.slice(0, 8), AWS_REGION, "execute-api", "aws4_request"];
	const key = scope.reduce((secret, part) => hmac(secret, part), `AWS4${AWS_SECRET_ACCESS_KEY}`);
	const signature = hmac(key, ["AWS4-HMAC-SHA256", time, scope.join("/"), hash(request)].join("\n"));
	headers.authorization = `AWS4-HMAC-SHA256 Credential=${AWS_ACCESS_KEY_ID}/${scope.join("/")}, ` +
		`SignedHeaders=${names.join(";")}, Signature=${signature.toString("hex")}`;
	delete headers.host; // fetch sends it
	return headers;
}

const hash = (text) => createHash("sha256").update(text).digest("hex");
const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
