// Signing in on the pages of an OpenID Connect provider: the authorization code flow with PKCE (RFC 6749, RFC 7636,
// RFC 9700). There is no library in it, because a library needs a build step, and WebCrypto keeps this small.
//
// What the provider gives for a person is a grant: {token, refresh, until, life}. The token is the ID token, which the
// chat accepts; it ends at `until`, by this machine's clock, and was made for `life` milliseconds. All tabs use one
// grant, which browser.js keeps.

import { ChatError } from "./client.js";
import { claimsOf, subjectOf } from "./signin.js";
import { newID } from "./tabs.js";
import { say } from "./texts.js";

/** The provider, without endpoints while the server does not know them; null if people give tokens to the page. */
export const PROVIDER = JSON.parse(document.querySelector("meta[name=provider]").content || "null");

/** Whether this document can speak to the provider. Its policy was fixed when it was loaded. */
const IS_KNOWN = Boolean(PROVIDER?.token);

const LONGEST_SIGN_IN = 60 * 60_000; // milliseconds on the provider's pages
const PATIENCE = 10_000; // milliseconds for an answer of the provider
const TURN = 12_000; // milliseconds for a token, as tabs wait for one another. A ChatClient waits for 15 s
const MARGIN = 90_000; // milliseconds before a token's end, or half of a short token's life: then it is refreshed

const BROKEN = say("brokenAnswer");
const UNREACHABLE = say("noProvider");
const ERRORS = { // of its answers. The provider's own sentences are not shown: anybody can write them into a link
  access_denied: say("signInDenied"),
  temporarily_unavailable: UNREACHABLE,
  server_error: UNREACHABLE,
  invalid_grant: say("signInLate"),
};

/** Why nobody can sign in at the moment, in words; "" if somebody can. */
export function obstacle() {
  if (!IS_KNOWN) return say("nobodySignsIn");
  if (!crypto.subtle) return say("needsHttps");
  return "";
}

/** The page's address, exactly as the provider knows it. */
const ownAddress = () => location.origin + location.pathname;

/** Goes to the provider's pages. Only this tab can use the answer. It returns why it does not go. */
export async function goToProvider(browser, room) {
  const attempt = { state: newID(), nonce: newID(), verifier: newID() + newID(), room, at: Date.now() };
  if (!browser.keepAttempt(attempt)) return say("keepsNothing");
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(attempt.verifier));
  const challenge = btoa(String.fromCharCode(...new Uint8Array(hash)));
  location.assign(withParameters(PROVIDER.authorize, {
    response_type: "code", client_id: PROVIDER.client, redirect_uri: ownAddress(), state: attempt.state,
    nonce: attempt.nonce, scope: PROVIDER.offline ? "openid profile offline_access" : "openid profile",
    code_challenge: challenge.replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, ""), code_challenge_method: "S256",
  }));
  return "";
}

/** Takes the provider's answer out of the page's address and the history; null if the address has none. */
export function takeAnswer() {
  const answer = new URLSearchParams(location.search);
  if (!PROVIDER || !["code", "state", "error"].some((name) => answer.has(name))) return null;
  history.replaceState(null, "", location.pathname + location.hash);
  return answer;
}

/** This tab's attempt that an answer belongs to; null if there is none, as with somebody else's link. */
export function attemptOf(answer, browser) {
  const attempt = browser.attempt;
  if (!attempt || answer.get("state") !== attempt.state) return null;
  browser.endAttempt(); // an answer counts once
  return Date.now() - attempt.at < LONGEST_SIGN_IN ? attempt : null;
}

/** Exchanges an answer for a grant. The message of its error is for the person. */
export async function redeem(answer, attempt) {
  // Another provider's answer must not be taken for this one's (RFC 9207).
  if (answer.has("iss") ? answer.get("iss") !== PROVIDER.issuer : PROVIDER.iss) throw new Error(BROKEN);
  if (answer.has("error") || !answer.get("code")) throw new Error(ERRORS[answer.get("error")] ?? BROKEN);
  if (!IS_KNOWN) throw new Error(UNREACHABLE);
  const said = await ask({
    grant_type: "authorization_code", code: answer.get("code"), redirect_uri: ownAddress(),
    code_verifier: attempt.verifier,
  });
  if (said.error) throw new Error(ERRORS[said.error] ?? BROKEN);
  const grant = grantFrom(said);
  if (!grant || claimsOf(grant.token).nonce !== attempt.nonce) throw new Error(BROKEN);
  return grant;
}

/** A function for a ChatClient: the person's token, refreshed if it is about to end; null if the sign-in has ended. */
export function tokensOf(browser, subject) {
  return async () => {
    const grant = browser.grantOf(subject);
    if (!grant || isFresh(grant)) return grant?.token ?? null;
    const late = new Promise((_, reject) => setTimeout(reject, TURN, new ChatError("unavailable", UNREACHABLE)));
    return Promise.race([late, browser.tab.inTurn(() => refreshed(browser, subject), "chat refresh")]);
  };
}

async function refreshed(browser, subject) {
  const held = browser.grantOf(subject); // another tab may have refreshed it
  if (!held || isFresh(held)) return held?.token ?? null;
  let said;
  try {
    said = await (IS_KNOWN ? ask({ grant_type: "refresh_token", refresh_token: held.refresh }) : reloaded());
  } catch (error) {
    if (held.until > Date.now()) return held.token;
    throw error;
  }
  const grant = grantFrom(said, held.refresh);
  const now = browser.grantOf(subject);
  if (now?.refresh !== held.refresh) { // the person has signed out meanwhile, or has signed in again
    revoke(grant);
    return now?.token ?? null;
  }
  const isSame = grant && subjectOf(grant.token) === subject;
  browser.setGrant(subject, isSame ? grant : null);
  return isSame ? grant.token : null;
}

/** Whether a grant is good for a new connection, or can be made so. */
export const isUsable = (grant) => Boolean(grant && isOurs(grant.token) && (grant.refresh || grant.until > Date.now()));

/** Whether a token says that it is this provider's, and for this page. */
function isOurs(token) {
  const { iss, aud } = claimsOf(token);
  return iss === PROVIDER?.issuer && [aud].flat().includes(PROVIDER.client) && subjectOf(token) !== "";
}

const isFresh = ({ until, life }) => until - Date.now() > Math.min(MARGIN, life / 2);

/** The page was loaded while the provider's endpoints were not known. If they are now, it is loaded again. */
async function reloaded() {
  const page = await (await fetch("./", { cache: "no-store" })).text().catch(() => "");
  if (/name="provider" content="[^"]*authorize/.test(page)) location.reload();
  throw new ChatError("unavailable", UNREACHABLE);
}

/** Asks the token endpoint. A refusal is {error}. It throws if the provider does not answer. */
async function ask(parameters) {
  let status, said;
  try {
    const answer = await post(PROVIDER.token, parameters);
    status = answer.status;
    said = Object(await answer.json());
  } catch {
    throw new ChatError("unavailable", UNREACHABLE);
  }
  if (status === 200) return said;
  const passes = status === 429 || status >= 500 || typeof said.error !== "string";
  if (passes) throw new ChatError("unavailable", UNREACHABLE);
  return { error: said.error };
}

const post = (url, parameters, more) => fetch(url, {
  method: "POST", body: new URLSearchParams({ ...parameters, client_id: PROVIDER.client }),
  credentials: "omit", redirect: "error", cache: "no-store", signal: AbortSignal.timeout(PATIENCE), ...more,
});

/** The grant in an answer of the token endpoint; null if it has none for this page. The chat checks the signature. */
function grantFrom({ id_token: token, refresh_token: next }, refresh) {
  const { iat, exp } = claimsOf(token);
  const life = (exp - iat) * 1000;
  if (!isOurs(token) || !(life > 0)) return null;
  // This machine's clock may be slow. A token that was not made just now ends when it says.
  const until = Math.min(exp * 1000, Date.now() + life);
  return { token, refresh: typeof next === "string" ? next : refresh, until, life };
}

/** Makes a refresh token useless, if the provider can do that and may be asked. Nobody waits for it. */
export function revoke(grant) {
  if (!grant?.refresh || !PROVIDER?.revoke) return;
  const parameters = { token: grant.refresh, token_type_hint: "refresh_token" };
  post(PROVIDER.revoke, parameters, { keepalive: true }).catch(() => {}); // outlives the page
}

/** Goes to where the provider ends its own session of a person. Then the next sign-in asks for a name. */
export function leaveProvider(grant, browser) {
  if (!grant || !PROVIDER?.logout || !navigator.onLine) return; // without a network it would be an error page
  browser.keepLeft();
  location.replace(withParameters(PROVIDER.logout, {
    id_token_hint: grant.token, client_id: PROVIDER.client, post_logout_redirect_uri: ownAddress(),
    logout_uri: ownAddress(), // Cognito's name for it
  }));
}

function withParameters(address, parameters) {
  const url = new URL(address);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}
