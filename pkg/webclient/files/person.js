// A dialog about one person: write to the person alone, and moderate the person in a room.

import { element, labelled, openDialog, select } from "./dom.js";
import { isModerator, isMuted, isOwner, mayActOn, standingInWords } from "./rules.js";
import { moderationRefusal, shownName } from "./words.js";

const ENDS = [["600", "10 minutes"], ["3600", "an hour"], ["86400", "a day"], ["604800", "a week"], ["", "for ever"]];
const ROLES = ["reader", "member", "moderator", "owner"].map((role) => [role, role]);

/**
 * Shows a person.
 * @param {{user_id: string, user_name: string}} person
 * @param {{room: Room, isMe: (user) => boolean, write: (person) => Promise<void>, say: (text: string) => void}} parts
 *   `write` opens the room of the two
 */
export function showPerson(person, { room, isMe, write, say }) {
  const name = shownName(person.user_name || person.user_id);
  const moderation = element("div", { className: "rows" });
  const dialog = openDialog(name,
    element("p", {}, element("small", {}, isMe(person) ? "Your id, by which others can add you: " : "Id: ",
      element("code", {}, person.user_id))),
    ...(isMe(person) ? [] : [element("button", { className: "primary", onclick: () => done(write(person)) },
      `Write to ${name} alone`)]),
    moderation);

  /** Does something, and closes the dialog if that was not refused. */
  async function done(request) {
    try {
      await request;
      dialog.close();
    } catch (error) {
      say(moderationRefusal(error));
      dialog.close();
    }
  }

  if (isModerator(room) && !isMe(person)) drawModeration().catch((error) => done(Promise.reject(error)));

  async function drawModeration() {
    const standing = (await room.people()).find((other) => other.user_id === person.user_id) ?? {};
    if (!dialog.isConnected) return;
    if (!mayActOn(room, standing.role)) {
      moderation.replaceChildren(element("p", {}, standingInWords(standing)));
      return;
    }
    const [end, reason] = [select("For how long", ENDS, "3600"), element("input", { maxLength: 256 })];
    const how = () => ({ seconds: Number(end.value) || undefined, reason: reason.value.trim() || undefined,
      name: person.user_name || undefined });
    const button = (says, f, className = "") => element("button", { className, onclick: () => done(f()) }, says);
    const id = person.user_id;
    const role = select("Role", standing.role ? ROLES : [["", "none"], ...ROLES], standing.role ?? "");
    role.onchange = () => role.value && done(room.setRole(id, role.value, { name: person.user_name || undefined }));
    const says = standingInWords(standing);
    moderation.replaceChildren(
      ...(says ? [element("p", {}, says)] : []),
      ...(isOwner(room) && !standing.banned ? [labelled("Role", role)] : []),
      labelled("For how long", end), labelled("Why (the person is told)", reason),
      isMuted(standing) ? button("End the mute", () => room.unmute(id)) : button("Mute", () => room.mute(id, how())),
      standing.banned ? button("End the ban", () => room.unban(id))
        : button("Ban from the room", () => room.ban(id, how()), "danger"),
      ...(standing.role && room.rules.private
        ? [button("Remove from the room", () => room.removeMember(id), "danger")] : []));
  }
}
