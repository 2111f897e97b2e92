/**
 * Dialect `track` from outside: the cases of its contract (section 6) about rows, read back from the files field by
 * field.
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { startDaemon } from "../support/daemon.ts";
import { readParts, readRows } from "../support/parts.ts";
import {
  chrome,
  event,
  flush,
  postBatch,
  postOne,
  quietTime,
  sessionOf,
  storedEvents,
} from "./track_requests.ts";

type Row = Record<string, unknown>;

const iso = (time: number): string => new Date(time).toISOString();

Deno.test("An event is stored with every column, on both ways to its record", async (t) => {
  await using daemon = await startDaemon();
  const time = quietTime(3);
  const headers = {
    "user-agent": chrome,
    "openpanel-client-id": "shop",
    "openpanel-sdk-name": "web",
    "openpanel-sdk-version": "1.4.1",
    "accept-language": "de",
  };
  const properties = {
    __deviceId: "device 1",
    __timestamp: iso(time),
    __path: "https://www.shop.example/cart?step=2#pay",
    __referrer: "https://search.example/?q=shoes/",
    plan: "pro",
    nested: { list: [1, 2.5, null, { deep: "é 😀" }], empty: "" },
    json: '{"a":[1]}',
    broken: "[a",
  };
  const columns = {
    kind: "event",
    project_id: "shop",
    created_at: iso(time),
    insert_id: "id 1",
    device_id: "device 1",
    session_id: sessionOf("device 1", time, "shop"),
    profile_id: "user 1",
    path: "/cart",
    origin: "https://www.shop.example",
    query: "?step=2",
    hash: "#pay",
    referrer: "https://search.example/?q=shoes",
    sdk_name: "web",
    sdk_version: "1.4.1",
    os: "Linux",
    browser: "Chrome",
    browser_version: "128.0.0.0",
    device: "desktop",
    bot_reasons: "header:missing_sec_ch_ua header:missing_sec_fetch",
  };
  const payload = { name: "checkout", profileId: "user 1", properties };
  const ways: [string, unknown, Row][] = [
    ["common", { type: "track", insertId: "id 1", payload }, {}],
    // Groups are left to the schema.
    ["with groups", { type: "track", insertId: "id 2", payload: { ...payload, groups: ["g1", "g2"] } }, {
      insert_id: "id 2",
      groups: ["g1", "g2"],
    }],
    // So is an escaped character.
    [
      "with an escape",
      JSON.stringify({ type: "track", insertId: "id 3", payload }).replace('"pro"', '"\\u0070ro"'),
      {
        insert_id: "id 3",
      },
    ],
  ];
  for (const [way, row, more] of ways) {
    await t.step(way, async () => {
      const before = (await storedEvents(daemon)).length;
      const reply = await postOne(daemon, row, headers);
      assertEquals(reply.json, { deviceId: "device 1", sessionId: columns.session_id });
      const stored = await storedEvents(daemon);
      assertEquals(stored.length, before + 1);
      const { id, ...rest } = stored.find((row) => row.insert_id === (more.insert_id ?? "id 1"))!;
      assertMatch(id as string, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      assertEquals(rest, { ...columns, ...more, name: "checkout", properties });
    });
  }
  await t.step(
    "S15: in the folder of its project and day, properties byte for byte as sent, whatever texts look like",
    async () => {
      const parts = await readParts(daemon.dataDir, "events");
      assertEquals([...new Set(parts.map(({ partition }) => partition))], [
        `events/project=shop/date=${iso(time).slice(0, 10)}`,
      ]);
      const lines = parts.flatMap(({ lines }) => lines).filter((line) =>
        !line.includes('"name":"session_start"')
      );
      const sent = JSON.stringify(properties);
      assertEquals(lines.filter((line) => line.endsWith(`"properties":${sent}}`)).length, 2);
      assertEquals(lines.filter((line) => line.includes('"plan":"\\u0070ro"')).length, 1);
    },
  );
});

Deno.test("Rows that do not fit are refused one by one", async (t) => {
  await using daemon = await startDaemon();

  await t.step("P17: an empty name between two good ones", async () => {
    const { accepted, rejected } = await postBatch(daemon, [event("good"), event(""), event("good")]);
    assertEquals([accepted, rejected.map(({ index, reason }) => [index, reason])], [2, [[1, "validation"]]]);
  });

  await t.step("P18: an alias", async () => {
    const alias = { type: "alias", payload: { profileId: "a", alias: "b" } };
    const { accepted, rejected } = await postBatch(daemon, [alias, event("good")]);
    assertEquals([accepted, rejected], [1, [{
      index: 0,
      reason: "validation",
      error: "Alias is not supported",
    }]]);
    const { status, json } = await postOne(daemon, alias);
    assertEquals([status, (json as { message: string }).message], [400, "Alias is not supported"]);
  });

  const names = [
    ...[
      "session_start",
      "session_end",
      "x".repeat(81),
      "a\nb",
      "a\r",
      "/wp-login.php",
      "/.env",
      "/x.php?y",
      "../../x",
    ],
    ...["1 UNION SELECT 2", "${jndi:x}", "/etc/passwd", "phpinfo.php", "bcc: x@example.com"],
  ];
  for (const name of names) {
    await t.step(`S16: the name ${JSON.stringify(name).slice(0, 40)}`, async () => {
      const { accepted, rejected } = await postBatch(daemon, [event(name)]);
      assertEquals([accepted, rejected[0].reason], [0, "validation"]);
      assertEquals((await postOne(daemon, event(name))).status, 400);
    });
  }

  const payloads: [string, unknown][] = [
    ["no payload", { type: "track" }],
    ["no type", { payload: { name: "x" } }],
    ["an unknown type", { type: "toString", payload: { name: "x" } }],
    ["properties that are a list", { type: "track", payload: { name: "x", properties: [] } }],
    ["a profile that is none", { type: "track", payload: { name: "x", profileId: "" } }],
    ["a group that is none", { type: "track", payload: { name: "x", groups: ["a", ""] } }],
    ["an e-mail that is none", { type: "identify", payload: { profileId: "p", email: "nobody" } }],
    ["a picture that is no URL", { type: "identify", payload: { profileId: "p", avatar: "no" } }],
    ["an increment by nothing", { type: "increment", payload: { profileId: "p", property: "a", value: 0 } }],
    ["a revenue that is no integer", event("revenue", { __revenue: 1.5 })],
    ["a revenue below 0", event("revenue", { __revenue: -1 })],
    ["a replay without its payload", { type: "replay", payload: { chunk_index: 0 } }],
  ];
  for (const [name, row] of payloads) {
    await t.step(name, async () => {
      const { accepted, rejected } = await postBatch(daemon, [row]);
      assertEquals([accepted, rejected[0]?.reason], [0, "validation"]);
      assertEquals((await postOne(daemon, row)).status, 400);
    });
  }

  const stored = (await storedEvents(daemon)).map(({ name }) => name);
  assertEquals(stored, ["good", "good", "good"]);
});

Deno.test("Rows that are no events lie in folders of their own", async () => {
  await using daemon = await startDaemon();
  const time = iso(quietTime(1));
  const { accepted, rejected } = await postBatch(daemon, [
    event("P16"),
    {
      type: "identify",
      payload: { profileId: "u1", firstName: "Ada", email: "ada@example.com", properties: { a: 1 } },
    },
    { type: "increment", payload: { profileId: "u1", property: "visits.count", value: 2.5 } },
    { type: "decrement", payload: { profileId: 17, property: "visits.count" } },
    { type: "group", payload: { id: "g1", type: "company", name: "Acme", properties: { size: 3 } } },
    { type: "assign_group", payload: { groupIds: ["g1"], profileId: "u1" } },
    {
      type: "replay",
      payload: {
        ...{ chunk_index: 0, events_count: 2, is_full_snapshot: true, started_at: time, ended_at: time },
        ...{ payload: "[{},{}]", sessionId: "session 1" },
      },
    },
    event("identified", {
      __identify: { profileId: "u2", firstName: "Grace" },
      __bot: "1",
      __bot_reasons: "none",
      kept: true,
    }),
    event("revenue", { __revenue: 1_250 }),
  ]);
  assertEquals([accepted, rejected], [9, []]);
  await flush(daemon);
  const rows = async (folder: string): Promise<Row[]> => await readRows(daemon.dataDir, folder);
  const only = (row: Row, ...names: string[]): Row =>
    Object.fromEntries(names.map((name) => [name, row[name]]));

  const events = await rows("events");
  assertEquals(events.map(({ name }) => name).sort(), ["P16", "identified", "revenue"]);
  const identified = events.find(({ name }) => name === "identified")!;
  assertEquals(only(identified, "profile_id", "properties"), {
    profile_id: "u2",
    properties: { __deviceId: "device", kept: true },
  });
  assertEquals(events.find(({ name }) => name === "revenue")!.revenue, 1_250);

  const operations = await rows("operations");
  const names = ["op", "profile_id", "first_name", "email", "property", "value", "group_ids"];
  // That they were seen is told of by track_seen_test.ts.
  const ofProfiles = operations.filter(({ op }) => op !== "group" && op !== "seen");
  assertEquals(ofProfiles.map((row) => JSON.parse(JSON.stringify(only(row, ...names)))), [
    { op: "identify", profile_id: "u1", first_name: "Ada", email: "ada@example.com" },
    { op: "increment", profile_id: "u1", property: "visits.count", value: 2.5 },
    { op: "decrement", profile_id: "17", property: "visits.count", value: 1 },
    { op: "assign_group", profile_id: "u1", group_ids: ["g1"] },
    { op: "identify", profile_id: "u2", first_name: "Grace" },
  ]);
  const [group] = await rows("groups");
  assertEquals(only(group, "kind", "id", "version", "type", "name", "properties"), {
    ...{ kind: "group", id: "g1", version: 1, type: "company", name: "Acme" },
    properties: { size: 3 },
  });
  const [replay] = await rows("replays");
  assertEquals(only(replay, "kind", "session_id", "chunk_index", "payload"), {
    ...{ kind: "replay", session_id: "session 1", chunk_index: 0, payload: "[{},{}]" },
  });
});
