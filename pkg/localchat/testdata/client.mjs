// Clients of the chat in Node, for tests: they print what they see as lines of JSON, and do what they are told by lines of
// JSON. The one argument is {module, url, user, token, tokens, ws, clients}: `tokens` is a URL where a token is fetched
// before each connection, `ws` the path of npm's ws, in place of Node's own WebSocket, and `clients` how many there are.

import { createInterface } from "node:readline";

const { module, url, user, token, tokens, ws, clients = 1 } = JSON.parse(process.argv[2]);
const { ChatClient } = await import(module);
const WebSocket = ws ? (await import(ws)).default : undefined;

function start(number) {
  const print = (event, more = {}) => console.log(JSON.stringify({ client: number, event, ...more }));
  const name = clients > 1 ? `${user}${number}` : user;
  const chat = new ChatClient(url, { user: name, WebSocket, token: tokens ? async () => (await fetch(tokens)).text() : token });
  for (const type of ["failed", "signedout"]) {
    chat.addEventListener(type, ({ detail: { code, message } }) => print(type, { code, message }));
  }
  chat.addEventListener("state", (e) => print("state", { state: e.detail }));
  return {
    join({ room: name }) {
      const room = chat.join(name);
      for (const type of ["message", "reset", "presence", "trouble", "refused", "ready"]) {
        room.addEventListener(type, ({ detail }) => {
          print(type, { room: name, index: detail?.index, content: detail?.content, code: detail?.code });
        });
      }
      room.addEventListener("members", () => print("members", { room: name, members: room.members.size }));
    },
    send({ room, content }) {
      chat.rooms.get(room).send(content).then(
        (index) => print("sent", { room, index }), (error) => print("unsent", { room, code: error.code }));
    },
    close() {
      chat.close();
      process.stdin.destroy(); // and now nothing keeps the process
    },
  };
}

const all = Array.from({ length: clients }, (_, number) => start(number));
createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line);
  for (const client of all) client[command.do](command);
});
