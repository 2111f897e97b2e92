/**
 * Stands for a tRPC server: reads the body, answers a batch of one.
 * @module
 */

import { announce } from "./announce.ts";

const reply = JSON.stringify([{ result: { data: { username: "m", role: "manager" } } }]);

Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: announce }, async (request) => {
  await request.bytes();
  return new Response(reply, { headers: { "content-type": "application/json" } });
});
