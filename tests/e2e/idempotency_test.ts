/**
 * Nothing twice: requests with an Idempotency-Key and rows with an insert id, sent again in every way that clients do.
 * @module
 */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { type Reply, send } from "../support/http.ts";
import { readRows } from "../support/parts.ts";
import { event, flush, postAlone, storedEvents, storedNames } from "./track_requests.ts";

type Headers = Record<string, string>;

async function post(daemon: Daemon, path: string, body: unknown, headers: Headers = {}): Promise<Reply> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return (await postAlone(daemon.url + path, text, { headers }))!;
}

const keyed = (key: string, more: Headers = {}): Headers => ({ "idempotency-key": key, ...more });

async function countOf(daemon: Daemon, name: string): Promise<number> {
  return (await storedNames(daemon)).filter((stored) => stored === name).length;
}

/** Sends the same again before and after a flush, a crash and a stop: each time it must be a repeat of `first`. */
async function assertRepeats(daemon: Daemon, again: () => Promise<Reply>, first: Reply): Promise<void> {
  const disturbances = {
    nothing: () => Promise.resolve(),
    "a crash": () => daemon.restart(),
    "a flush": () => flush(daemon),
    "a crash after a flush": () => daemon.restart(),
    "a stop": async (): Promise<void> => {
      assertEquals(await daemon.stop(), 0);
      await daemon.restart();
    },
  };
  for (const [name, disturb] of Object.entries(disturbances)) {
    await disturb();
    const reply = await again();
    assertEquals([reply.status, reply.text], [first.status, first.text], `after ${name}`);
    assertEquals(reply.headers.get("idempotent-replayed"), "true", `after ${name}`);
    assertEquals(reply.headers.get("content-type"), first.headers.get("content-type"));
  }
}

Deno.test("A request with the Idempotency-Key of an earlier one gets its reply, and is not run", async (t) => {
  await using daemon = await startDaemon();

  await t.step("a batch, across flush, crash and stop", async () => {
    const body = { events: [event("batch"), event("")] };
    const again = (): Promise<Reply> => post(daemon, "/track/batch", body, keyed("batch"));
    const first = await again();
    assertEquals([first.status, first.headers.get("idempotent-replayed")], [202, null]);
    await assertRepeats(daemon, again, first);
    assertEquals(await countOf(daemon, "batch"), 1);
  });

  await t.step("a single event", async () => {
    const again = (): Promise<Reply> => post(daemon, "/track", event("single"), keyed("single"));
    const first = await again();
    assertEquals(first.status, 200);
    await assertRepeats(daemon, again, first);
    assertEquals(await countOf(daemon, "single"), 1);
  });

  await t.step("a stream: the last line is kept", async () => {
    const headers = keyed("stream", { "content-type": "application/x-ndjson" });
    const body = [event("stream"), event(""), event("stream")].map((row) => JSON.stringify(row)).join("\n");
    const first = await post(daemon, "/track/batch", body, headers);
    const done = first.text.trimEnd().split("\n").at(-1);
    assertEquals(JSON.parse(done!), { done: true, through: 2, accepted: 2, rejected: 1, duplicates: 0 });
    for (let i = 0; i < 2; i++) {
      const repeat = await post(daemon, "/track/batch", body, headers);
      assertEquals([repeat.status, repeat.text.trimEnd()], [202, done]);
      await flush(daemon);
    }
    assertEquals(await countOf(daemon, "stream"), 2);
  });

  await t.step("entries of a backend", async () => {
    const body = { entries: [{ rid: "R1", trace: [{ type: "enter" }], traceBatchIndex: 0 }, 17] };
    const again = (): Promise<Reply> => post(daemon, "/v1/sessions/S1/backend", body, keyed("entries"));
    const first = await again();
    assertEquals(first.status, 201);
    await assertRepeats(daemon, again, first);
  });

  await t.step("another body under the same key is not run either", async () => {
    const first = await post(daemon, "/track/batch", { events: [event("first")] }, keyed("same"));
    const other = await post(
      daemon,
      "/track/batch",
      { events: [event("other"), event("other")] },
      keyed("same"),
    );
    assertEquals(other.text, first.text);
    assertEquals(await countOf(daemon, "other"), 0);
  });

  await t.step("keys that differ, or no key, are other requests", async () => {
    for (const headers of [keyed("one"), keyed("two"), keyed("One"), {}]) {
      assertEquals((await post(daemon, "/track/batch", { events: [event("apart")] }, headers)).status, 202);
    }
    assertEquals(await countOf(daemon, "apart"), 4);
  });

  await t.step("another route does not know the key", async () => {
    await post(daemon, "/track/batch", { events: [event("routes")] }, keyed("routes"));
    const single = await post(daemon, "/track", event("routes"), keyed("routes"));
    assert((single.json as { deviceId?: string }).deviceId !== undefined, single.text);
    assertEquals(await countOf(daemon, "routes"), 2);
  });

  await t.step("ten at once run once", async () => {
    const body = { events: [event("at once")] };
    const replies = await Promise.all(
      Array.from({ length: 10 }, () => post(daemon, "/track/batch", body, keyed("at once"))),
    );
    assertEquals(new Set(replies.map(({ text }) => text)).size, 1);
    assertEquals(replies.filter(({ headers }) => headers.get("idempotent-replayed") === null).length, 1);
    assertEquals(await countOf(daemon, "at once"), 1);
  });

  await t.step("a request that was refused may be sent again, mended", async () => {
    const bad = await post(daemon, "/track/batch", '{"events":[', keyed("mended"));
    assertEquals(bad.status, 400);
    const good = await post(daemon, "/track/batch", { events: [event("mended")] }, keyed("mended"));
    assertEquals([good.status, good.headers.get("idempotent-replayed")], [202, null]);
    assertEquals(await countOf(daemon, "mended"), 1);
  });

  await t.step("a key is 1 to 256 characters", async () => {
    const longest = "k".repeat(256);
    assertEquals((await post(daemon, "/track", event("long"), keyed(longest))).status, 200);
    for (const key of [longest + "k", ""]) {
      const { status, json } = await post(daemon, "/track", event("long"), keyed(key));
      assertEquals([status, (json as { code: string }).code], [400, "invalid_header"]);
    }
    assertEquals(await countOf(daemon, "long"), 1);
  });

  await t.step("kept replies are in no part", async () => {
    const stored = JSON.stringify(await readRows(daemon.dataDir, "events"));
    assert(!stored.includes('"reply"') && !stored.includes("idempot"));
  });
});

Deno.test("An Idempotency-Key belongs to who was admitted with it", async () => {
  const clients = [1, 2].map((n) => ({
    id: `00000000-0000-4000-8000-00000000000${n}`,
    secret: `secret ${n}`,
    project: `project ${n}`,
  }));
  await using daemon = await startDaemon({ config: { auth: { enabled: true, clients } } });
  const as = ({ id, secret }: { id: string; secret: string }): Headers =>
    keyed("shared", { "openpanel-client-id": id, "openpanel-client-secret": secret });
  for (const client of clients) {
    const reply = await post(daemon, "/track", event("owned"), as(client));
    assertEquals([reply.status, reply.headers.get("idempotent-replayed")], [200, null]);
  }
  const stranger = await post(daemon, "/track", event("owned"), as({ ...clients[0], secret: "guessed" }));
  assertEquals(stranger.status, 401);
  const repeat = await post(daemon, "/track", event("owned"), as(clients[0]));
  assertEquals(repeat.headers.get("idempotent-replayed"), "true");
  const projects = (await storedEvents(daemon)).map(({ project_id: project }) => project);
  assertEquals(projects.sort(), ["project 1", "project 2"]);
});

Deno.test("A reply is kept for as long as idempotency.keep_ms says, 0 for not at all", async () => {
  await using daemon = await startDaemon({ config: { idempotency: { keep_ms: 0 } } });
  for (let i = 0; i < 2; i++) {
    const reply = await post(daemon, "/track", event("not kept"), keyed("short"));
    assertEquals([reply.status, reply.headers.get("idempotent-replayed")], [200, null]);
  }
  assertEquals(await countOf(daemon, "not kept"), 2);
});

/** An event with an insert id. */
function identified(name: string, insertId: string | number): Record<string, unknown> {
  return event(name, { $insert_id: insertId });
}

Deno.test("A row with the insert id of an earlier one is stored once", async (t) => {
  await using daemon = await startDaemon();
  const batch = (...events: unknown[]): Promise<Reply> => post(daemon, "/track/batch", { events });

  await t.step("within a batch", async () => {
    const { json } = await batch(identified("within", "w"), event("within apart"), identified("within", "w"));
    assertEquals(json, { accepted: 3, rejected: [], duplicates: 1 });
    assertEquals(await countOf(daemon, "within"), 1);
  });

  await t.step("across batches, a flush, a crash and a stop", async () => {
    const again = (): Promise<Reply> => batch(identified("across", "a1"), identified("across", "a2"));
    assertEquals((await again()).json, { accepted: 2, rejected: [] });
    const disturbances = [
      () => Promise.resolve(),
      () => daemon.restart(),
      () => flush(daemon),
      () => daemon.restart(),
      async (): Promise<void> => {
        await daemon.stop();
        await daemon.restart();
      },
    ];
    for (const disturb of disturbances) {
      await disturb();
      assertEquals((await again()).json, { accepted: 2, rejected: [], duplicates: 2 });
    }
    assertEquals(await countOf(daemon, "across"), 2);
  });

  await t.step("across requests at once", async () => {
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => batch(identified("at once", "o"), event("beside"))),
    );
    const duplicates = replies.map(({ json }) => (json as { duplicates?: number }).duplicates ?? 0);
    assertEquals(duplicates.filter((count) => count === 0).length, 1);
    assertEquals([await countOf(daemon, "at once"), await countOf(daemon, "beside")], [1, 20]);
  });

  await t.step("wherever the id stands", async () => {
    const row = (
      rest: Record<string, unknown>,
      properties: Record<string, unknown> = {},
      top = {},
    ): unknown => ({
      type: "track",
      ...top,
      payload: { name: "placed", properties: { __deviceId: "d", ...properties }, ...rest },
    });
    const { json } = await batch(
      row({}, {}, { insertId: "p" }),
      row({ insertId: "p" }),
      row({ messageId: "p" }),
      row({}, { __insertId: "p" }),
      row({}, { $insert_id: "p" }),
      row({}, {}, { messageId: "p" }),
      row({}, {}, { insertId: "p" }),
    );
    assertEquals(json, { accepted: 7, rejected: [], duplicates: 6 });
    assertEquals(await countOf(daemon, "placed"), 1);
  });

  await t.step("a number is an id as its text is", async () => {
    const { json } = await batch(
      identified("number", 17),
      identified("number", "17"),
      identified("number", 18),
    );
    assertEquals(json, { accepted: 3, rejected: [], duplicates: 1 });
  });

  await t.step("the single route answers with the first one's ids", async () => {
    const first = await post(
      daemon,
      "/track",
      event("first", { $insert_id: "s", __deviceId: "first device" }),
    );
    assertEquals((first.json as { duplicate?: boolean }).duplicate, undefined);
    for (const disturb of [() => Promise.resolve(), () => flush(daemon), () => daemon.restart()]) {
      await disturb();
      const again = await post(
        daemon,
        "/track",
        event("second", { $insert_id: "s", __deviceId: "other device" }),
      );
      assertEquals([again.status, again.json], [200, { ...first.json as object, duplicate: true }]);
    }
    assertEquals([await countOf(daemon, "first"), await countOf(daemon, "second")], [1, 0]);
  });

  await t.step("rows of other types have ids, too", async () => {
    const identify = { type: "identify", insertId: "i", payload: { profileId: "u1", firstName: "Ada" } };
    assertEquals((await batch(identify, identify)).json, { accepted: 2, rejected: [], duplicates: 1 });
    await flush(daemon);
    assertEquals((await readRows(daemon.dataDir, "operations")).length, 1);
  });

  await t.step("a row that was refused leaves its id to the next", async () => {
    const { json } = await batch(identified("", "mended"), identified("mended", "mended"));
    const { accepted, duplicates } = json as { accepted: number; duplicates?: number };
    assertEquals([accepted, duplicates], [1, undefined]);
    assertEquals(await countOf(daemon, "mended"), 1);
  });

  await t.step("a body that was refused leaves its ids to the next", async () => {
    const row = JSON.stringify(identified("whole", "whole"));
    assertEquals((await post(daemon, "/track/batch", `{"events":[${row}`)).status, 400);
    assertEquals((await batch(identified("whole", "whole"))).json, { accepted: 1, rejected: [] });
  });
});

Deno.test("An insert id belongs to its project", async () => {
  const clients = [1, 2].map((n) => ({
    id: `00000000-0000-4000-8000-00000000000${n}`,
    project: `project ${n}`,
    ignore_cors_and_secret: true,
  }));
  await using daemon = await startDaemon({ config: { auth: { enabled: true, clients } } });
  const replies: Reply[] = [];
  for (const { id } of [...clients, ...clients]) {
    replies.push(await post(daemon, "/track", identified("shared", "x"), { "openpanel-client-id": id }));
  }
  const duplicates = replies.map(({ json }) => (json as { duplicate?: true }).duplicate);
  assertEquals(duplicates, [undefined, undefined, true, true]);
  assertNotEquals(replies[0].text, replies[1].text);
  assertEquals((await storedEvents(daemon)).length, 2);
});

Deno.test("A row that is sent again and again under load is stored once", async () => {
  await using daemon = await startDaemon();
  const rows = Array.from({ length: 500 }, (_, i) => identified(`row ${i}`, `id ${i}`));
  const shuffled = (seed: number): unknown[] =>
    rows.map((row, i) => ({ row, key: Math.imul(i + 1, 0x9e3779b1 + 2 * seed) >>> 0 }))
      .sort((a, b) => a.key - b.key).map(({ row }) => row);
  let accepted = 0;
  let duplicates = 0;
  const sendAll = async (seed: number): Promise<void> => {
    for (let at = 0; at < rows.length; at += 50) {
      const { json } = await send(`${daemon.url}/track/batch`, { events: shuffled(seed).slice(at, at + 50) });
      const counts = json as { accepted: number; duplicates?: number };
      accepted += counts.accepted;
      duplicates += counts.duplicates ?? 0;
    }
  };
  const flushing = flush(daemon);
  await Promise.all([0, 1, 2, 3, 4, 5].map(sendAll));
  await flushing;
  assertEquals([accepted, duplicates], [3_000, 2_500]);
  assertEquals((await storedNames(daemon)).length, 500);
});
