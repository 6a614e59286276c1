// A handler in an ECMAScript module.
import { greet } from "./greet.mjs";

const greeting = await Promise.resolve(greet("you"));

export const handler = async () => greeting;
export default { other: async () => "of the default export" };
