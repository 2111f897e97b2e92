import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { postBody, postEntries } from "./post_entries.ts";

const change = { collection: "orders", pk: { _id: "1" }, before: null, after: { s: 1 } };

Deno.test("A change becomes a row with the contract's defaults", () => {
  const posted = postEntries([{ actionId: "A1", rid: 17, db: [change, {}], t: 7 }]);
  const [full, empty] = posted.of("change");
  const { id, insert_id: insertId, ...json } = full.json;
  const shared = {
    kind: "change",
    app: "shop",
    created_at: "1970-01-01T00:00:00.007Z",
    sid: "S1",
    rid: "17",
  };
  assertEquals(json, {
    ...shared,
    action_id: "A1",
    t: 7,
    collection: "orders",
    op: "update",
    dur_ms: null,
    pk: { _id: "1" },
    before: null,
    after: { s: 1 },
  });
  assertMatch(String(id), /^[0-9a-f-]{36}$/);
  assertEquals(full.key, `a4:shop${insertId}`);
  assertEquals(full.place, { family: "rows", partition: "changes/app=shop/date=1970-01-01" });
  assertEquals(
    full.line.indexOf(`{"kind":"change","app":"shop","created_at":"1970-01-01T00:00:00.007Z","id":"`),
    0,
  );
  const { collection, op, before, after } = empty.json;
  assertEquals([collection, op, before, after], [null, "update", null, null]);
});

Deno.test("A change's values are copied byte for byte", () => {
  const posted = postBody(
    `{"entries":[{"t":1,"db":[{"op":"find","after":{"n":12345678901234567890},"durMs":"x",
    "query":{"filter":{"a":1.0}},"resultMeta":{"docsCount":2},"error":{"code":1},"spanContext":{"depth":1},
    "collection":"\\ud800"}]}]}`,
  );
  const [{ line, json }] = posted.of("change");
  assertEquals(json.dur_ms, null);
  assertEquals(json.collection, "\ufffd");
  for (
    const part of [
      `"after":{"n":12345678901234567890}`,
      `"query":{"filter":{"a":1.0}}`,
      `"result_meta":{"docsCount":2}`,
      `"error":{"code":1}`,
      `"span_context":{"depth":1}`,
    ]
  ) assertEquals(line.split(part).length, 2, part);
});

Deno.test("A mail becomes a row with the contract's defaults and coercions", () => {
  const bare = postEntries([{ actionId: "A1", email: { to: "a@x.io" }, t: 7 }]).of("mail")[0].json;
  assertEquals(bare, {
    ...bare,
    kind: "mail",
    action_id: "A1",
    provider: "sendgrid",
    mail_kind: "send",
    to: ["a@x.io"],
    cc: [],
    bcc: [],
    subject: "",
    text: null,
    html: null,
    template_id: null,
    custom_args: null,
    categories: [],
    attachments_meta: [],
    status_code: null,
    dur_ms: null,
    headers: {},
  });
  const email = {
    provider: "ses",
    kind: "sendMultiple",
    from: { email: "f@x.io" },
    to: ["a@x.io", { email: "b@x.io" }],
    cc: "",
    bcc: null,
    subject: "Hello",
    text: "t",
    html: "<p>",
    templateId: "d-1",
    dynamicTemplateData: { n: 1 },
    customArgs: { a: "b" },
    categories: "none",
    attachmentsMeta: [{ filename: "f", type: "t", size: 3 }],
    statusCode: 202,
    durMs: "5",
    headers: { h: "1" },
  };
  const full = postEntries([{ email, t: 7 }]).of("mail")[0].json;
  assertEquals(full, {
    ...full,
    provider: "ses",
    mail_kind: "sendMultiple",
    from: { email: "f@x.io" },
    to: ["a@x.io", { email: "b@x.io" }],
    cc: [],
    bcc: [],
    subject: "Hello",
    text: "t",
    html: "<p>",
    template_id: "d-1",
    dynamic_template_data: { n: 1 },
    custom_args: { a: "b" },
    categories: [],
    attachments_meta: [{ filename: "f", type: "t", size: 3 }],
    status_code: 202,
    dur_ms: null,
    headers: { h: "1" },
  });
  assertEquals("action_id" in full, false);
});

Deno.test("Side data is the same row for the same content, session, action and time", () => {
  const keysOf = (entry: Record<string, unknown>, sid = "S1"): (string | undefined)[] =>
    postEntries([{ actionId: "A", db: [change], email: { to: "a" }, t: 7, ...entry }], { sid }).records
      .map(({ key }) => key);
  const keys = keysOf({});
  assertEquals(new Set(keys).size, 2);
  assertEquals(keysOf({ rid: undefined, unknown: 1 }), keys);
  for (const other of [{ t: 8 }, { t: undefined }, { actionId: "B" }, { actionId: null }]) {
    assertEquals(keysOf(other).filter((key) => keys.includes(key)), [], JSON.stringify(other));
  }
  assertEquals(keysOf({}, "S2").filter((key) => keys.includes(key)), []);
  assertNotEquals(keysOf({ db: [{ ...change, op: "insert" }] })[0], keys[0]);
});

Deno.test("Side data that has not the types it must have refuses its entry and leaves nothing behind", () => {
  const bad = [
    { db: {} },
    { db: "x" },
    { db: 7 },
    { db: [null] },
    { db: [change, 7] },
    { db: [{ collection: 7 }] },
    { db: [change], email: [] },
    { db: [change], email: "x" },
    { db: [change], email: { subject: {} } },
    { db: Array(11).fill({}) },
  ];
  for (const entry of bad) {
    const posted = postEntries([{ rid: "R", actionId: "A", trace: "[1]", t: 7, ...entry }]);
    assertEquals(posted.reply.rejected[0]?.reason, "validation", JSON.stringify(entry));
    assertEquals([posted.status, posted.reply.ok, posted.records], [422, false, []]);
  }
});
