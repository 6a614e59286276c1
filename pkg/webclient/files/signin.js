// Signing in with a token of an OpenID Connect provider, if the chat asks for one. provider.js gets one.

import { ChatClient } from "./client.js";

/** Whether people must sign in to this chat. */
export const SIGN_IN = document.querySelector("meta[name=auth]").content === "on";

/** The address of the chat's WebSocket API. */
export const SOCKETS = document.querySelector("meta[name=websocket-url]").content;

const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/; // a JWT (RFC 7515, section 7.1)

/** What looks like a token in an address. In the address of a room, an = of the name is encoded. */
const PARAMETER = /(?:^|[#?&;/!])[\w-]*token=/i;
const INSIDE = /[\w-]{16,}\.[\w-]{16,}\.[\w-]{16,}/;

/**
 * Takes a token out of the page's address, …/#token=…. An app that signs people in may put it there: browsers send that
 * part to no server. Everything that looks like a token leaves the address and the history, even if it is of no use.
 * @param {string} [room] the part of the address that stands for the room that is shown
 * @returns {string | null} the token; "" for one that cannot be read; null if the address has none
 */
export function takeToken(room = "") {
  const { hash, search, pathname } = location;
  if (![hash, search].some((part) => PARAMETER.test(part) || INSIDE.test(decoded(part)))) return null;
  history.replaceState(null, "", pathname + room);
  const token = /^#token=(.*)$/.exec(hash)?.[1] ?? "";
  return TOKEN.test(token) && subjectOf(token) !== "" ? token : "";
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The claims of a token, unchecked; {} if they cannot be read. */
export function claimsOf(token) {
  try {
    const payload = atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"));
    return Object(JSON.parse(new TextDecoder().decode(Uint8Array.from(payload, (c) => c.charCodeAt(0)))));
  } catch {
    return {};
  }
}

/** The person of a token, as a text for use in this browser only; "" if it cannot be read. */
export function subjectOf(token) {
  const { iss, sub } = claimsOf(token);
  return typeof sub === "string" && sub !== "" ? JSON.stringify([iss, sub]) : "";
}

/** The provider's identifier for the person of a subject. */
export const idIn = (subject) => clean(JSON.parse(subject)[1]);

const clean = (text) => text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "").slice(0, 128);

/** A name in a token, to be shown. The chat may take the name from another claim. */
export function nameIn(token) {
  const claims = claimsOf(token);
  const names = ["name", "preferred_username", "cognito:username", "email", "sub"].map((claim) => claims[claim]);
  return clean(names.find((text) => typeof text === "string" && text.trim() !== "") ?? "");
}

/** Whether a token differs from the one that a person has, and is not older. */
export function isLater(token, held) {
  const [a, b] = [claimsOf(token), claimsOf(held)];
  const issued = Number(a.iat) - Number(b.iat);
  return token !== held && (issued ? issued > 0 : !(Number(a.exp) < Number(b.exp)));
}

/** Whether the chat accepts a token. If the chat cannot be reached, the answer is false. */
export function isAccepted(token) {
  return new Promise((resolve) => {
    const client = new ChatClient(SOCKETS, { token });
    const end = (accepted) => {
      client.close();
      resolve(accepted);
    };
    client.addEventListener("state", (event) => event.detail === "online" && end(true));
    client.addEventListener("failed", () => end(false));
    client.addEventListener("signedout", () => end(false));
  });
}

/** Whether this page's server can be reached. */
export async function isReachable() {
  try {
    await fetch("./", { method: "HEAD", cache: "no-store" });
    return true;
  } catch {
    return false;
  }
}
