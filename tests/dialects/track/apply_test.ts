import { assert, assertEquals, assertRejects } from "@std/assert";
import { WeirError } from "../../../src/base/errors.ts";
import { tempDir } from "../../support/temp.ts";
import { arrivedAt, event, type PostOptions, type TrackRig, trackRig } from "./post_track.ts";

const id = "0a1b2c3d-0000-4000-8000-00000000000a";
const secret = "sec_0123456789abcdef0123";
const clients = [{ id, secret, project: "shop", cors_origins: ["https://shop.example"] }];
const withAuth = { auth: { enabled: true, clients } };
const dayMs = 86_400_000;

/** Code and message that a body is refused with as a whole. */
async function refusalOf(rig: TrackRig, body: unknown, options: PostOptions = {}): Promise<[string, string]> {
  const error = await assertRejects(() => rig.post(body, options), WeirError);
  return [error.code, error.message];
}

Deno.test("a single event is answered with its device and session", async () => {
  await using rig = await trackRig();
  for (const whole of [true, false]) {
    const posted = await rig.post(event({ __deviceId: "d" }), { path: "/track", whole });
    const [row] = posted.of("event");
    assertEquals([posted.status, posted.reply], [200, { deviceId: "d", sessionId: row.session_id }]);
  }
  const identify = await rig.post({ type: "identify", payload: { profileId: "u" } }, { path: "/track" });
  const [profile] = identify.of("operation");
  assertEquals(identify.reply, { deviceId: profile.device_id, sessionId: profile.session_id });
});

Deno.test("both forms of a batch are answered alike, with every refused row by name", async () => {
  await using rig = await trackRig();
  const rows = [event(), event({}, { name: "" }), event({ __timestamp: 0 }), { type: "alias" }, 7, event()];
  const replies = [
    await rig.post({ events: rows }),
    await rig.post({ type: "batch", payload: rows }, { path: "/track" }),
    await rig.post({ payload: rows, type: "batch" }, { path: "/track", chunkBytes: 5 }),
  ];
  for (const { status, reply, records } of replies) {
    assertEquals([status, reply.accepted, records.length, reply.duplicates], [202, 2, 2, undefined]);
    assertEquals(
      reply.rejected.map(({ index, reason }: { index: number; reason: string }) => [index, reason]),
      [[1, "validation"], [2, "validation"], [3, "validation"], [4, "validation"]],
    );
    assertEquals(
      reply.rejected[0].error,
      "body/payload/name Too small: expected string to have >=1 characters",
    );
    assertEquals(reply.rejected[1].error, "event timestamp older than 5 days");
  }
});

Deno.test("an event older than the limit is refused by itself, and as a whole where it is alone", async () => {
  await using rig = await trackRig();
  const old = event({ __timestamp: new Date(arrivedAt - 5 * dayMs - 1).toISOString() });
  const edge = event({ __timestamp: new Date(arrivedAt - 5 * dayMs).toISOString() });
  assertEquals((await rig.postRows([edge, old])).reply.accepted, 1);
  assertEquals(await refusalOf(rig, old, { path: "/track" }), [
    "validation",
    "event timestamp older than 5 days",
  ]);
  assertEquals((await rig.post(edge, { path: "/track" })).status, 200);
});

Deno.test("a revenue must be a whole number that is not negative", async () => {
  await using rig = await trackRig();
  const revenue = (value: unknown): unknown => event({ __revenue: value }, { name: "revenue" });
  const posted = await rig.postRows([
    revenue(1.5),
    revenue(-1),
    revenue("5"),
    revenue(null),
    revenue(0),
    revenue(7),
  ]);
  assertEquals(posted.rejected.map(({ index }) => index), [0, 1, 2, 3]);
  assertEquals(posted.of("event").map((row) => row.revenue), [0, 7]);
  const other = await rig.postRows([event({ __revenue: 1.5 })]);
  assertEquals([other.accepted, other.of("event")[0].revenue], [1, undefined]);
});

Deno.test("a body that is no batch is refused as a whole", async () => {
  await using rig = await trackRig();
  const empty = "A batch must hold at least one row";
  const cases: [unknown, PostOptions, [string, string]][] = [
    [{}, {}, ["invalid_body", "body/events Invalid input: expected array"]],
    [{ events: {} }, {}, ["invalid_body", "body/events Invalid input: expected array"]],
    [{ events: [] }, {}, ["invalid_body", empty]],
    [{ type: "batch", payload: [] }, { path: "/track" }, ["invalid_body", empty]],
    [
      { type: "track", payload: [event()] },
      { path: "/track" },
      ["validation", "body/payload Invalid input: expected object, received array"],
    ],
    [
      { payload: [event()] },
      { path: "/track" },
      ["validation", "body/payload Invalid input: expected object, received array"],
    ],
    [event({}, { name: "" }), { path: "/track" }, [
      "validation",
      "body/payload/name Too small: expected string to have >=1 characters",
    ]],
    [{ type: "alias", payload: { profileId: "u", alias: "v" } }, { path: "/track" }, [
      "validation",
      "Alias is not supported",
    ]],
  ];
  for (const [body, options, refusal] of cases) assertEquals(await refusalOf(rig, body, options), refusal);
  const many = { events: Array.from({ length: 2_001 }, () => event()) };
  for (const whole of [true, false]) {
    assertEquals((await refusalOf(rig, many, { whole }))[0], "too_many_rows");
  }
  assertEquals((await refusalOf(rig, '{"events":[{"type":"track"'))[0], "malformed_json");
});

Deno.test("whoever has no credentials is told so for a good body, and what is wrong of a bad one", async () => {
  await using rig = await trackRig(withAuth);
  const missing = ["unauthorized", "Ingestion: Missing client id"];
  const wrong = ["unauthorized", "Ingestion: Invalid cors or secret"];
  const bad = { "openpanel-client-id": id, "openpanel-client-secret": "wrong" };
  const ways: [PostOptions, string[]][] = [[{}, missing], [{ headers: bad }, wrong], [
    { headers: { "openpanel-client-id": id } },
    wrong,
  ]];
  for (const [options, refusal] of ways) {
    assertEquals(await refusalOf(rig, { events: [event()] }, options), refusal);
    assertEquals(await refusalOf(rig, { events: [7] }, options), refusal, "rows are nobody's business then");
    assertEquals((await refusalOf(rig, { events: [] }, options))[0], "invalid_body");
    assertEquals((await refusalOf(rig, {}, options))[0], "invalid_body");
    assertEquals((await refusalOf(rig, '{"events":[', options))[0], "malformed_json");
    const single: PostOptions = { ...options, path: "/track" };
    assertEquals(await refusalOf(rig, event(), single), refusal);
    assertEquals((await refusalOf(rig, event({}, { name: "" }), single))[0], "validation");
    assertEquals((await refusalOf(rig, "7", single))[0], "invalid_body");
    assertEquals(await refusalOf(rig, { type: "batch", payload: [event()] }, single), refusal);
    assertEquals(await refusalOf(rig, JSON.stringify(event()), { ...options, ndjson: true }), refusal);
  }
});

Deno.test("credentials may stand in headers of either name, in the body, or partly in each", async () => {
  await using rig = await trackRig(withAuth);
  const batch = { events: [event()] };
  const ways: [PostOptions["headers"], Record<string, unknown>][] = [
    [{ "openpanel-client-id": id, "openpanel-client-secret": secret }, {}],
    [{ "mixan-client-id": id, "mixan-client-secret": secret }, {}],
    [{ "openpanel-client-id": id, origin: "https://shop.example" }, {}],
    [{}, { clientId: id, clientSecret: secret }],
    [{ origin: "https://www.shop.example" }, { clientId: id }],
    [{ "openpanel-client-id": id }, { clientSecret: secret }],
    [{ "openpanel-client-secret": secret }, { clientId: id }],
    [{ "openpanel-client-id": id, "openpanel-client-secret": secret }, {
      clientId: "other",
      clientSecret: 7,
    }],
  ];
  for (const [headers, members] of ways) {
    for (const body of [{ ...members, ...batch }, { ...batch, ...members }]) {
      const posted = await rig.post(body, { headers });
      assertEquals(
        posted.of("event").map((row) => row.project_id),
        ["shop"],
        JSON.stringify([headers, members]),
      );
    }
    const single = await rig.post({ ...event() as object, ...members }, { headers, path: "/track" });
    assertEquals(single.of("event")[0].project_id, "shop");
  }
  const line = await rig.post(JSON.stringify(event()), {
    ndjson: true,
    headers: { "openpanel-client-id": id, "openpanel-client-secret": secret },
  });
  assertEquals(line.accepted, 1);
});

Deno.test("with auth off the client id is the project, wherever it stands", async () => {
  await using rig = await trackRig();
  const projectOf = async (body: object, options: PostOptions = {}): Promise<unknown> =>
    (await rig.post(body, options)).of("event")[0].project_id;
  const batch = { events: [event()] };
  const single = event() as object;
  for (const whole of [true, false]) {
    assertEquals(await projectOf(batch, { whole }), "default");
    assertEquals(await projectOf(batch, { whole, headers: { "openpanel-client-id": "my shop" } }), "my shop");
    assertEquals(await projectOf({ clientId: "body", ...batch }, { whole }), "body");
    assertEquals(await projectOf({ ...batch, clientId: "body" }, { whole }), "body");
    assertEquals(await projectOf(single, { whole, path: "/track" }), "default");
    assertEquals(await projectOf({ ...single, clientId: "body" }, { whole, path: "/track" }), "body");
    assertEquals(await projectOf({ clientId: 7, ...single }, { whole, path: "/track" }), "default");
  }
  assertEquals((await refusalOf(rig, '{"clientId":"\\ud800","events":[{}]}'))[0], "unauthorized");
});

Deno.test("a row that fails for reasons of ours is told as internal, and costs no other row", async () => {
  await using rig = await trackRig();
  const at = (days: number): unknown =>
    event({ __timestamp: new Date(arrivedAt - days * dayMs).toISOString() });
  await rig.postRows([at(0), at(1)]);
  // A new salt can no longer be written: the anonymous events of another day fail, those of known days do not.
  await Deno.remove(rig.dir, { recursive: true });
  const rows = [at(0), at(2), at(1), at(3), event({ __deviceId: "d" })];
  for (const whole of [true, false]) {
    const posted = await rig.postRows(rows, { whole });
    assertEquals(posted.reply.accepted, 3);
    assertEquals(posted.rejected, [
      { index: 1, reason: "internal", error: "Internal server error" },
      { index: 3, reason: "internal", error: "Internal server error" },
    ]);
    assertEquals(posted.of("event").length, 3);
  }
  const [code, message] = await refusalOf(rig, at(2), { path: "/track" });
  assertEquals([code, message], ["internal", "Internal server error"]);
  assert(rig.logged.length >= 5);
  for (const { fields } of rig.logged) {
    assert(!JSON.stringify(fields).includes(rig.dir), "no absolute path in a log line");
    assertEquals(fields.request_id, "request-1");
  }
  await Deno.mkdir(rig.dir);
});

Deno.test("a row that fails half-way leaves nothing of it behind", async () => {
  await using rig = await trackRig();
  // Nobody has agreed on how to write the days after the year 9999.
  const options = { arrivedAt: Date.UTC(10_000, 0, 1) };
  const inTime = event({ __deviceId: "d", __timestamp: "9999-12-31T12:00:00.000Z" });
  const late = event({ __deviceId: "d" });
  const profile = { type: "identify", payload: { profileId: "u" } };
  for (const whole of [true, false]) {
    const posted = await rig.postRows([inTime, late, inTime, profile, inTime], { ...options, whole });
    assertEquals(posted.rejected.map(({ index, reason }) => [index, reason]), [[1, "internal"], [
      3,
      "internal",
    ]]);
    assertEquals(posted.records.map(({ line }) => line.indexOf("{", 1) > 0 && posted.accepted), [3, 3, 3]);
    assertEquals(
      new TextDecoder().decode(posted.frame),
      posted.records.map(({ line }) => line + "\n").join(""),
    );
  }
});

Deno.test("a line of NDJSON fails alone, whatever is wrong with it", async () => {
  await using rig = await trackRig();
  const good = JSON.stringify(event());
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  const broken = bytes(JSON.stringify(event({ a: "?" })));
  broken[broken.indexOf(0x3f)] = 0xff;
  const lines = [
    bytes(good),
    bytes("{"),
    broken,
    bytes(good + good),
    bytes("7"),
    bytes('{"type":"track","payload":{"name":"a","properties":{"x":"\\ud800"}}}'),
    bytes('{"type":"track","payload":{"name":"a","properties":{"x":"\\ud83d\\ude00"}}}'),
    bytes(""),
    bytes(good.replace('"track"', '"tr\\u0061ck"')),
  ];
  const body = new Uint8Array(
    await new Blob(lines.flatMap((line) => [line as BlobPart, "\n"])).arrayBuffer(),
  );
  for (const chunkBytes of [1, 33, body.length]) {
    const posted = await rig.post(body, { ndjson: true, chunkBytes });
    assertEquals(posted.accepted, 3);
    assertEquals(posted.rejected.map(({ index, reason }) => [index, reason]), [
      [1, "malformed"],
      [2, "malformed"],
      [3, "malformed"],
      [4, "validation"],
      [5, "validation"],
    ]);
    assertEquals(posted.of("event").length, 3);
  }
});

Deno.test("half of a surrogate pair is refused in every text of a row, and a pair is not", async () => {
  await using rig = await trackRig();
  const halves = [
    '{"type":"track","payload":{"name":"a\\ud800"}}',
    '{"type":"track","payload":{"name":"a","properties":{"k\\udc00":1}}}',
    '{"type":"track","payload":{"name":"a","properties":{"k":[{"x":"\\ud83d \\ude00"}]}}}',
    '{"type":"track","payload":{"name":"a","profileId":"\\uDBFF"}}',
    '{"type":"track","payload":{"name":"a"},"insertId":"\\\\\\ud800"}',
  ];
  const whole = [
    '{"type":"track","payload":{"name":"a","properties":{"k":"\\ud83d\\ude00","l":"\\\\ud800","m":"\\\\\\\\ud800"}}}',
  ];
  const posted = await rig.post(`{"events":[${[...halves, ...whole].join(",")}]}`);
  assertEquals(posted.rejected.map(({ index }) => index), halves.map((_, i) => i));
  assertEquals(posted.accepted, 1);
  assertEquals((await refusalOf(rig, halves[0], { path: "/track" }))[0], "validation");
});

Deno.test("what senders are remembered by does not grow with what they send", async () => {
  await using dir = await tempDir();
  const script = `${dir.path}/remember.ts`;
  await Deno.writeTextFile(
    script,
    `import { event, trackRig } from ${JSON.stringify(new URL("./post_track.ts", import.meta.url).href)};
    await using rig = await trackRig();
    let serial = 0;
    const post = async (times) => {
      for (let i = 0; i < times; i++) {
        const rows = Array.from({ length: 200 }, () => JSON.stringify(event({ __deviceId: "device " + serial++ })));
        await rig.post(rows.join("\\n"), {
          ndjson: true,
          headers: { "user-agent": "MyApp/1.0 (Android 12; phone " + serial + ")" },
          clientIp: "203.0.113." + serial % 250,
        });
      }
      // Sessions are the reaper's to forget; nothing of these was stored.
      rig.forgetSessions();
      gc();
      return Deno.memoryUsage().heapUsed;
    };
    const before = await post(270);
    console.log(await post(270) - before);`,
  );
  const config = new URL("../../../deno.json", import.meta.url).pathname;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--allow-all",
      "--v8-flags=--expose-gc",
      "--config",
      config,
      script,
    ],
    stdin: "null",
  }).output();
  const grown = Number(new TextDecoder().decode(stdout));
  assert(
    stdout.length > 0 && grown < 12 * 1024 * 1024,
    `${grown} bytes for 270 senders with 200 devices each ${new TextDecoder().decode(stderr)}`,
  );
});

Deno.test("headers do not make every row longer than it was sent", async () => {
  await using rig = await trackRig();
  const headers = { "openpanel-sdk-name": "x".repeat(30_000), "user-agent": "Android " + "y".repeat(30_000) };
  const posted = await rig.postRows([event()], { headers });
  assert(posted.records[0].line.length < 2_500, `${posted.records[0].line.length} characters`);
});
