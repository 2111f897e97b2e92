/**
 * What is left of a durable server when nothing is looked at: the bytes of a body are written and synced together with
 * those of other requests, into a file that has its length before, and the reply is a constant. No server on this
 * runtime that syncs before it answers can be faster by much.
 * @module
 */

import { announce } from "./announce.ts";

/** First argument: the file that takes the bodies, over and over. */
const fileBytes = 64 * 1024 * 1024;
const file = await Deno.open(Deno.args[0], { createNew: true, write: true });
for (let at = 0; at < fileBytes;) at += await file.write(new Uint8Array(1024 * 1024));
await file.sync();

let waiting: { bytes: Uint8Array; stored: () => void }[] = [];
let end = fileBytes;
let isWriting = false;

Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: announce }, async (request) => {
  const bytes = await request.bytes();
  const { promise, resolve } = Promise.withResolvers<void>();
  waiting.push({ bytes, stored: resolve });
  if (!isWriting) void writeAll();
  await promise;
  return Response.json({ ok: true }, { status: 202 });
});

async function writeAll(): Promise<void> {
  isWriting = true;
  // Lets the bodies of the same turn of the event loop gather.
  await Promise.resolve();
  while (waiting.length > 0) {
    const group = waiting;
    waiting = [];
    const bytes = joined(group.map((each) => each.bytes));
    if (end + bytes.length > fileBytes) end = file.seekSync(0, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    end += bytes.length;
    await file.syncData();
    for (const { stored } of group) stored();
  }
  isWriting = false;
}

function joined(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
