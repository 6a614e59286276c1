// A dialog about one person: write to the person alone, and moderate the person in a room.

import { openDialog } from "./dialog.js";
import { element, labelled, select } from "./dom.js";
import { duration, isModerator, isMuted, isOwner, mayActOn, standingInWords } from "./rules.js";
import { say } from "./texts.js";
import { moderationRefusal, shownName } from "./words.js";

const ENDS = [...[600, 3600, 86400, 604800].map((s) => [String(s), duration(s)]), ["", say("forEver")]];
const ROLES = ["reader", "member", "moderator", "owner"].map((role) => [role, say(role)]);

/**
 * Shows a person.
 * @param {{user_id: string, user_name: string}} person
 * @param {{room: Room, isMe: (user) => boolean, write: (person) => Promise<void>, warn: (text: string) => void}} parts
 *   `write` opens the room of the two
 */
export function showPerson(person, { room, isMe, write, warn }) {
  const name = shownName(person.user_name || person.user_id);
  const moderation = element("div", { className: "rows" });
  const dialog = openDialog(name,
    element("p", {}, element("small", {}, say(isMe(person) ? "yourId" : "theirId"), " ",
      element("code", {}, person.user_id))),
    ...(isMe(person) ? [] : [element("button", { className: "primary", onclick: () => done(write(person)) },
      say("writeTo", { name }))]),
    moderation);

  /** Does something, and closes the dialog if that was not refused. */
  async function done(request) {
    try {
      await request;
      dialog.close();
    } catch (error) {
      warn(moderationRefusal(error));
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
    const [end, reason] = [select(say("forHowLong"), ENDS, "3600"), element("input", { maxLength: 256 })];
    const how = () => ({ seconds: Number(end.value) || undefined, reason: reason.value.trim() || undefined,
      name: person.user_name || undefined });
    const button = (says, f, className = "") => element("button", { className, onclick: () => done(f()) }, says);
    const id = person.user_id;
    const role = select(say("role"), standing.role ? ROLES : [["", say("none")], ...ROLES], standing.role ?? "");
    role.onchange = () => role.value && done(room.setRole(id, role.value, { name: person.user_name || undefined }));
    const says = standingInWords(standing);
    moderation.replaceChildren(
      ...(says ? [element("p", {}, says)] : []),
      ...(isOwner(room) && !standing.banned ? [labelled(say("role"), role)] : []),
      labelled(say("forHowLong"), end), labelled(say("why"), reason),
      isMuted(standing) ? button(say("endMute"), () => room.unmute(id))
        : button(say("mutePerson"), () => room.mute(id, how())),
      standing.banned ? button(say("endBan"), () => room.unban(id))
        : button(say("ban"), () => room.ban(id, how()), "danger"),
      ...(standing.role && room.rules.private
        ? [button(say("removePerson"), () => room.removeMember(id), "danger")] : []));
  }
}
