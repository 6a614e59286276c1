// Parses an AsyncAPI document, and prints what is wrong with it, a line each: node asyncapi.mjs FILE
import { Parser, fromFile } from "@asyncapi/parser";

const { diagnostics } = await fromFile(new Parser(), process.argv[2]).parse();
const [error, warning] = [0, 1]; // what is less severe is advice
for (const { severity, path, message } of diagnostics) {
	if (severity === error || severity === warning) {
		console.log(`${path.join(".")}: ${message}`);
	}
}
