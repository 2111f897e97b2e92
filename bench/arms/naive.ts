/**
 * What a team writes in an afternoon: parse, check with zod, append as NDJSON, sync, reply. The syncs of
 * requests that run at the same time overlap, as they do in any asynchronous server.
 * @module
 */

import { z } from "zod";
import { announce } from "./announce.ts";

const event = z.object({
  type: z.literal("track"),
  payload: z.object({
    name: z.string().min(1),
    properties: z.record(z.string(), z.unknown()).optional(),
    profileId: z.union([z.string().min(1), z.number()]).optional(),
  }),
});
const body = z.union([z.object({ events: z.array(event).min(1).max(2000) }), event]);

/** First argument: the file that takes the events. */
const file = await Deno.open(Deno.args[0], { create: true, append: true });
const encoder = new TextEncoder();

Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: announce }, async (request) => {
  const checked = body.safeParse(await request.json());
  if (!checked.success) return Response.json({ error: checked.error.message }, { status: 400 });
  const events = "events" in checked.data ? checked.data.events : [checked.data];
  const bytes = encoder.encode(events.map((event) => JSON.stringify(event) + "\n").join(""));
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  await file.syncData();
  return Response.json({ accepted: events.length }, { status: 202 });
});
