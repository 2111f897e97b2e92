/**
 * The cheapest server there is: what the load generator reaches against it is the generator's own limit. It
 * understands no HTTP: after every `requestBytes` bytes (first argument) it answers.
 * @module
 */

import { announce } from "./announce.ts";

const requestBytes = Number(Deno.args[0]);
const reply = new TextEncoder().encode('HTTP/1.1 202 Accepted\r\ncontent-length: 11\r\n\r\n{"ok":true}');

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
announce(listener.addr as Deno.NetAddr);
for await (const connection of listener) answer(connection);

async function answer(connection: Deno.TcpConn): Promise<void> {
  connection.setNoDelay(true);
  const buffer = new Uint8Array(256 * 1024);
  let open = 0;
  for (let size = await connection.read(buffer); size !== null; size = await connection.read(buffer)) {
    open += size;
    if (open < requestBytes) continue;
    open = 0;
    await connection.write(reply);
  }
  connection.close();
}
