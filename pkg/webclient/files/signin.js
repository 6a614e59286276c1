// Signing in with a token of an OpenID Connect provider, where the chat wants one.

/** Whether one must sign in to this chat. */
export const SIGN_IN = document.querySelector("meta[name=auth]").content === "on";

/**
 * Takes a token out of the page's address, …/#token=…, where those who sign people in may put it: no server is sent that
 * part.
 */
export function takeToken(browser) {
  const found = /^#token=(.*)$/.exec(location.hash);
  if (!found) return;
  browser.token = found[1];
  history.replaceState(null, "", location.pathname);
}

/** What stands for the name of the person who has a token, until the chat says it. No name has a control character. */
export function standInOf(token) {
  return `\0${subjectOf(token)}`;
}

/** The person of whom a token speaks, as a text for this browser alone; "" where that cannot be read. */
export function subjectOf(token) {
  try {
    const payload = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    const { iss, sub } = JSON.parse(atob(payload));
    return JSON.stringify([iss, sub]);
  } catch {
    return "";
  }
}

/** Whether the server that this page is from can be reached. */
export async function isReachable() {
  try {
    await fetch("./", { method: "HEAD", cache: "no-store" });
    return true;
  } catch {
    return false;
  }
}
