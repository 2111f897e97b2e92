/**
 * A server that only parses the JSON and throws it away.
 * @module
 */

import { announce } from "./announce.ts";

Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: announce }, async (request) => {
  await request.json();
  return Response.json({ ok: true }, { status: 202 });
});
