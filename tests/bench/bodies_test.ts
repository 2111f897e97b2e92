import { assert, assertEquals } from "@std/assert";
import { type BodyPlan, makeRequests } from "../../bench/bodies.ts";

interface TrackBody {
  events: { payload: { properties: Record<string, unknown> } }[];
}
interface TraceBody {
  entries: { requestRid: string; traceBatchIndex: number }[];
}

const now = Date.UTC(2026, 10, 20, 12);

/** The body of a request whose Content-Length must be right. */
function bodyOf(request: Uint8Array): unknown {
  const [head, body] = new TextDecoder().decode(request).split("\r\n\r\n");
  assertEquals(Number(head.match(/content-length: (\d+)/)?.[1]), new TextEncoder().encode(body).length);
  return JSON.parse(body);
}

Deno.test("makeRequests() makes batches of the wanted number and age", () => {
  const [next] = makeRequests({ kind: "batch", events: 2000 }, 1, now);
  const { events } = bodyOf(next()) as TrackBody;
  assertEquals(events.length, 2000);
  for (const { payload: { properties } } of events) {
    assert(now - Date.parse(properties.__timestamp as string) <= 1000);
  }
  // The table of speeds speaks of bodies of 585 KB.
  assert(Math.abs(next().length - 585_000) < 5000);
});

Deno.test("makeRequests() never gives an insert id twice, whichever connection asks", () => {
  const connections = makeRequests({ kind: "batch", events: 40, insertIds: true }, 3, now);
  const ids = new Set<unknown>();
  for (let round = 0; round < 4; round++) {
    for (const next of connections) {
      const { events } = bodyOf(next()) as TrackBody;
      for (const { payload } of events) ids.add(payload.properties.__insertId);
    }
  }
  assertEquals(ids.size, 4 * 3 * 40);
});

Deno.test("makeRequests() deals trace batches out to all open requests in turn", () => {
  const plan: BodyPlan = { kind: "trace", openRequests: 5, firstIndex: 1, entries: 3 };
  const [first, second] = makeRequests(plan, 2, now);
  const dealt = [first, second, first, second].flatMap((next) => {
    const { entries } = bodyOf(next()) as TraceBody;
    return entries.map(({ requestRid, traceBatchIndex }) =>
      `${Number(requestRid.slice(2))}:${traceBatchIndex}`
    );
  });
  assertEquals(dealt, ["0:1", "1:1", "2:1", "3:1", "4:1", "0:2", "1:2", "2:2", "3:2", "4:2", "0:3", "1:3"]);
});
