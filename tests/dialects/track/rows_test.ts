import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { deviceId } from "../../../src/sessions/device_id.ts";
import { arrivedAt, chrome, event, trackRig } from "./post_track.ts";
import { assertSound, rawProperties } from "./sound_lines.ts";

const replay = {
  chunk_index: 3,
  events_count: 2,
  is_full_snapshot: false,
  started_at: "2026-06-08T12:00:00.000Z",
  ended_at: "2026-06-08T12:00:01.000Z",
  payload: '[{"type":2}]',
};

Deno.test("an event becomes a line with all columns that are known of it", async () => {
  await using rig = await trackRig();
  const posted = await rig.postRows([event({
    __timestamp: "2026-06-08T11:00:00.000Z",
    __deviceId: "device-1",
    __path: "https://shop.example/a?b=1#c",
    __referrer: "https://google.com/",
    __revenue: 5,
    plan: "pro",
  }, { name: "revenue", profileId: 7, groups: ["g1", "g2"] })], {
    headers: { "openpanel-sdk-name": "web", "openpanel-sdk-version": "1.4.1", "openpanel-client-id": "shop" },
  });
  assertSound(posted);
  const [{ json, place }] = posted.records;
  assertEquals(place, { family: "rows", partition: "events/project=shop/date=2026-06-08" });
  assertEquals({ ...json, id: "" }, {
    kind: "event",
    project_id: "shop",
    created_at: "2026-06-08T11:00:00.000Z",
    id: "",
    device_id: "device-1",
    session_id: json.session_id,
    name: "revenue",
    profile_id: "7",
    path: "/a",
    origin: "https://shop.example",
    query: "?b=1",
    hash: "#c",
    referrer: "https://google.com",
    referrer_name: "Google",
    referrer_type: "search",
    revenue: 5,
    sdk_name: "web",
    sdk_version: "1.4.1",
    os: "Windows",
    os_version: "10",
    browser: "Chrome",
    browser_version: "126.0.0.0",
    device: "desktop",
    bot_reasons: "header:missing_sec_ch_ua header:missing_sec_fetch header:missing_accept_language",
    groups: ["g1", "g2"],
    properties: {
      __timestamp: "2026-06-08T11:00:00.000Z",
      __deviceId: "device-1",
      __path: "https://shop.example/a?b=1#c",
      __referrer: "https://google.com/",
      __revenue: 5,
      plan: "pro",
    },
  });
});

Deno.test("rows of every other type become lines of their kind", async () => {
  await using rig = await trackRig();
  const posted = await rig.postRows([
    {
      type: "identify",
      payload: { profileId: "u", firstName: "A", email: "a@b.co", properties: { plan: { tier: 1 } } },
    },
    { type: "increment", payload: { profileId: "u", property: "a.b" } },
    { type: "decrement", payload: { profileId: "u", property: "a.b", value: 0.1 } },
    { type: "assign_group", payload: { groupIds: ["g"] } },
    { type: "group", payload: { id: "g", type: "company", name: "G" } },
    { type: "replay", payload: { ...replay, sessionId: "session-1" } },
  ]);
  assertEquals(posted.reply, { accepted: 6, rejected: [] });
  assertSound(posted);
  const common = ["kind", "project_id", "created_at", "id", "device_id", "session_id"];
  const own = posted.records.map(({ json }) =>
    Object.fromEntries(Object.entries(json).filter(([name]) => name === "kind" || !common.includes(name)))
  );
  const { device_id: device } = posted.records[3].json;
  assertEquals(own, [
    {
      kind: "operation",
      op: "identify",
      profile_id: "u",
      first_name: "A",
      email: "a@b.co",
      ...{
        os: "Windows",
        os_version: "10",
        browser: "Chrome",
        browser_version: "126.0.0.0",
        device: "desktop",
        bot_reasons: "header:missing_sec_ch_ua header:missing_sec_fetch header:missing_accept_language",
      },
      properties: { plan: { tier: 1 } },
    },
    { kind: "operation", op: "increment", profile_id: "u", property: "a.b", value: 1 },
    { kind: "operation", op: "decrement", profile_id: "u", property: "a.b", value: 0.1 },
    { kind: "operation", op: "assign_group", profile_id: device, group_ids: ["g"] },
    { kind: "operation", op: "group", group_id: "g", type: "company", name: "G", properties: {} },
    { kind: "replay", ...replay },
  ]);
  assertEquals(posted.records[5].json.session_id, "session-1");
  assertEquals(posted.records.map(({ place }) => place.family === "rows" && place.partition.split("/")[0]), [
    ...Array(5).fill("operations"),
    "replays",
  ]);
});

Deno.test("an alias is refused, and a replay without a session", async () => {
  await using rig = await trackRig();
  const rows = [{ type: "alias", payload: { profileId: "u", alias: "v" } }, {
    type: "replay",
    payload: replay,
  }];
  const posted = await rig.postRows(rows, { headers: { "user-agent": "node" } });
  assertEquals(posted.rejected, [
    { index: 0, reason: "validation", error: "Alias is not supported" },
    { index: 1, reason: "validation", error: "Session id is required for replay" },
  ]);
  assertEquals(posted.records, []);
});

Deno.test("the session that a replay names cannot write into the line", async () => {
  await using rig = await trackRig();
  for (const sessionId of ['a"b', 'x","project_id":"other', "\\", "a\nb", "\u2028", "é"]) {
    const posted = await rig.postRows([{ type: "replay", payload: { ...replay, sessionId } }]);
    assertSound(posted);
    assertEquals([posted.records[0].json.session_id, posted.records[0].json.project_id], [
      sessionId,
      "default",
    ]);
  }
});

Deno.test("properties are kept byte for byte, on both ways of a row", async () => {
  await using rig = await trackRig();
  const kept = [
    "{}",
    "{ }",
    '{"big":12345678901234567890,"small":0.1000,"e":1E+2,"minus":-0}',
    '{"ü":"é😀","\\u00e9":"\\u00fc","esc":"\\n\\/\\"\\\\"}',
    '{ "spaced" : [ 1 , { "a" : null } ] }',
    '{"dup":1,"dup":2}',
    '{"__proto__":{"a":1},"constructor":1,"toString":2}',
    '{"html":"<b>&amp;</b>","null":null,"empty":""}',
    '{"__timestamp":"2026-06-08T11:00:00.000Z","__deviceId":"d","__path":"/a"}',
  ];
  for (const properties of kept) {
    for (const name of ['"signup"', '"sign\\u0075p"']) {
      const rowText = `{"type":"track","payload":{"name":${name},"properties":${properties}}}`;
      for (const whole of [true, false]) {
        const posted = await rig.post(`{"events":[${rowText}]}`, { whole });
        assertSound(posted);
        assertEquals(rawProperties(posted.records[0].line), properties);
        assertEquals(posted.records[0].json.name, "signup");
      }
      const single = await rig.post(rowText, { path: "/track", whole: false });
      assertEquals(rawProperties(single.records[0].line), properties);
    }
  }
});

Deno.test("properties of profiles and groups keep their digits, too", async () => {
  await using rig = await trackRig();
  const properties = '{"big":12345678901234567890, "é":[1.50]}';
  const posted = await rig.post(`{"events":[
    {"type":"identify","payload":{"profileId":"u","properties":${properties}}},
    {"payload":{"properties":${properties},"id":"g","type":"t","name":"n"},"type":"group"}]}`);
  assertSound(posted);
  assertEquals(posted.records.map(({ line }) => rawProperties(line)), [properties, properties]);
});

Deno.test("what must not be stored is cut out of the properties, and nothing else changes", async () => {
  await using rig = await trackRig();
  const cases: [string, string][] = [
    ['{"__ip":"198.51.100.1","big":12345678901234567890}', '{"big":12345678901234567890}'],
    ['{"a":1, "__bot":"1" ,"b":[1, 2]}', '{"a":1,"b":[1, 2]}'],
    ['{"a" : 1.0,"__bot_reasons":{"x":[1,{"y":"}"}]}}', '{"a" : 1.0}'],
    ['{"__identify":{"profileId":"u"}}', "{}"],
    ['{"\\u005f_ip":"198.51.100.1","a":"\\u00e9"}', '{"a":"\\u00e9"}'],
    ['{"__ip":1,"__ip":"198.51.100.1","a":1,"__ip":2}', '{"a":1}'],
    ['{"nested":{"__ip":"kept"},"__ip":"x","__ipx":1}', '{"nested":{"__ip":"kept"},"__ipx":1}'],
    ['{"a":"\\"__ip\\":1","__ip":"x"}', '{"a":"\\"__ip\\":1"}'],
    ['{"__bot":"1","__bot_reasons":"x","__ip":"y","__identify":7}', "{}"],
  ];
  for (const [sent, kept] of cases) {
    const posted = await rig.post(
      `{"events":[{"type":"track","payload":{"name":"a","properties":${sent}}}]}`,
    );
    assertSound(posted);
    assertEquals(rawProperties(posted.records[0].line), kept);
  }
});

Deno.test("of a key that stands twice the last one counts, for columns and bytes alike", async () => {
  await using rig = await trackRig();
  const posted = await rig.post(
    `{"events":[{"type":"identify","payload":{"name":"first","properties":{"n":1}},"type":"track",
      "payload":{"name":"second","properties":{"n":2},"properties":{"n":3}}}]}`,
  );
  assertSound(posted);
  const [{ json, line }] = posted.records;
  assertEquals([json.kind, json.name, rawProperties(line)], ["event", "second", '{"n":3}']);
});

Deno.test("__ip replaces the address that the device id is made from", async () => {
  await using rig = await trackRig();
  const salt =
    (JSON.parse(await Deno.readTextFile(`${rig.dir}/salts.json`)) as Record<string, string>)["2026-06-08"];
  const idFor = (ip: string): string => deviceId({ userAgent: chrome, ip, project: "default", salt });
  const posted = await rig.postRows([event(), event({ __ip: "198.51.100.1" }), event({ __ip: 7 })]);
  assertEquals(posted.of("event").map((row) => row.device_id), [
    idFor("203.0.113.9"),
    idFor("198.51.100.1"),
    idFor("203.0.113.9"),
  ]);
});

Deno.test("a device that is named is one of 1 to 64 characters, trimmed; every other name is ignored", async () => {
  await using rig = await trackRig();
  const [none, ...named] = (await rig.postRows([
    event(),
    event({ __deviceId: "  cookie-abc  " }),
    event({ __deviceId: "x".repeat(64) }),
    event({ __deviceId: "   " }),
    event({ __deviceId: "" }),
    event({ __deviceId: "x".repeat(65) }),
    event({ __deviceId: 123 }),
    event({ __deviceId: null }),
    event({ __deviceId: 'q"\\' }),
  ])).of("event").map((row) => row.device_id);
  assertEquals(named, ["cookie-abc", "x".repeat(64), none, none, none, none, none, 'q"\\']);
});

Deno.test("a server has no sessions, but for devices that it names", async () => {
  await using rig = await trackRig();
  const headers = { "user-agent": "node" };
  const rows = (await rig.postRows([event(), event({ __deviceId: "sensor-1" })], { headers })).of("event");
  assertEquals([rows[0].session_id, rows[0].device, rows[0].os], ["", "server", undefined]);
  assertEquals((rows[1].session_id as string).length, 22);
  const browser = (await rig.postRows([event()])).of("event");
  assertEquals((browser[0].session_id as string).length, 22);
});

Deno.test("an anonymous event is given the salt of the day on which it happened", async () => {
  await using rig = await trackRig();
  const dayMs = 86_400_000;
  const at = (ms: number): unknown => event({ __timestamp: new Date(arrivedAt - ms).toISOString() });
  const rows = (await rig.postRows([at(0), at(dayMs), at(dayMs + 1), at(0)])).of("event");
  assertEquals(rows[0].device_id, rows[3].device_id);
  assertEquals(rows[1].device_id, rows[2].device_id);
  assertNotEquals(rows[0].device_id, rows[1].device_id);
});

Deno.test("__identify names the profile, and is an identify of its own when it says more", async () => {
  await using rig = await trackRig();
  const posted = await rig.postRows([
    event({ __identify: { profileId: "u1" } }, { profileId: "other" }),
    event({ __identify: { profileId: 2, email: "a@b.co", properties: { plan: "x" } }, __insertId: "i" }),
    event({ __identify: { email: "nobody@b.co" } }, { profileId: "other" }),
    event({ __identify: "u" }),
  ]);
  assertSound(posted);
  assertEquals(posted.of("event").map((row) => row.profile_id).slice(0, 3), ["u1", "2", "other"]);
  const profiles = posted.of("operation");
  assertEquals(profiles.length, 1);
  assertEquals(
    [
      profiles[0].op,
      profiles[0].profile_id,
      profiles[0].email,
      profiles[0].properties,
      profiles[0].insert_id,
    ],
    ["identify", "2", "a@b.co", { plan: "x" }, "i"],
  );
  const [, second, third] = posted.records;
  assert(
    second.identity !== undefined && second.identity === third.identity,
    "both are stored once, together",
  );
});

Deno.test("insert ids are found at every place where clients put them, the nearest to the row first", async () => {
  await using rig = await trackRig();
  const withIds = (row: object, payload: object, properties?: object): unknown => ({
    type: "track",
    payload: { name: "a", properties, ...payload },
    ...row,
  });
  const cases: [unknown, string | undefined][] = [
    [withIds({ insertId: "row" }, {}), "row"],
    [withIds({ messageId: "row-message" }, {}), "row-message"],
    [withIds({}, { insertId: "payload" }), "payload"],
    [withIds({}, { messageId: "payload-message" }), "payload-message"],
    [withIds({}, {}, { __insertId: "property" }), "property"],
    [withIds({}, {}, { $insert_id: "dollar" }), "dollar"],
    [withIds({ insertId: 17 }, {}), "17"],
    [withIds({}, {}, { __insertId: 17 }), "17"],
    [withIds({ insertId: "row" }, { insertId: "payload" }, { __insertId: "property" }), "row"],
    [withIds({ messageId: "m" }, { messageId: "payload" }, { __insertId: "property" }), "payload"],
    [withIds({ messageId: "m" }, {}, { __insertId: "property", $insert_id: "dollar" }), "property"],
    [withIds({}, {}, { __insertId: {}, $insert_id: "dollar" }), "dollar"],
    [withIds({ messageId: "m" }, {}, { __insertId: "" }), "m"],
    [withIds({}, {}, { __insertId: "x".repeat(256) }), "x".repeat(256)],
    [withIds({}, {}, { __insertId: "x".repeat(257) }), undefined],
    [withIds({}, {}, { __insertId: 2 ** 60 }), undefined],
    [withIds({}, {}, { __insertId: null }), undefined],
    [withIds({}, {}), undefined],
  ];
  for (const whole of [true, false]) {
    const posted = await rig.postRows(cases.map(([row]) => row), { whole });
    assertSound(posted);
    assertEquals(posted.of("event").map((row) => row.insert_id), cases.map(([, id]) => id));
    for (const { identity, json } of posted.records) {
      if (identity === undefined) continue;
      assertEquals(identity.memo, { deviceId: json.device_id, sessionId: json.session_id });
      assertEquals(identity.key, `p7:default${json.insert_id}`);
    }
    assertEquals(posted.records.map(({ identity }, i) => identity?.row ?? i), cases.map((_, i) => i));
  }
});

Deno.test("numbers that have lost digits are no identity and no profile", async () => {
  await using rig = await trackRig();
  const posted = await rig.post(
    `{"events":[{"type":"track","insertId":12345678901234567890,"payload":{"name":"a"}},
      {"type":"track","payload":{"name":"a","profileId":12345678901234567891}}]}`,
  );
  assertEquals(posted.rejected.map(({ index, reason }) => [index, reason]), [[0, "validation"], [
    1,
    "validation",
  ]]);
});

Deno.test("a page whose URL grows when it is read fits into its line", async () => {
  await using rig = await trackRig();
  for (const size of [100, 1_000, 5_000]) {
    const path = "https://shop.example/" + "é".repeat(size) + "?" + "ü ".repeat(size);
    const posted = await rig.postRows([
      event({ __path: path }),
      event({ __path: path, __referrer: path + "x" }),
    ]);
    assertSound(posted);
    assertEquals(posted.accepted, 2);
    for (const row of posted.of("event")) {
      assertEquals(row.path, "/" + "%C3%A9".repeat(size));
      assertEquals((row.properties as Record<string, unknown>).__path, path);
    }
  }
});
