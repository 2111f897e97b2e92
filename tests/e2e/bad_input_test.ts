/**
 * Bodies that are wrong in themselves: each is refused with a reason, leaves nothing behind, and costs no other
 * request anything.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import type { Reply } from "../support/http.ts";
import { filesBelow } from "../support/parts.ts";
import { event, flush, postAlone, storedNames } from "./track_requests.ts";

/** Stands in every bad body; no reply and no log line may hold it. */
const secret = "hush";

/** A route with a body that it would take, were there not something else in place of the number. */
interface Route {
  readonly path: string;
  readonly body: (number: string) => string;
}

const properties = (number: string): string => `{"__deviceId":"${secret}","number":${number}}`;
const eventText = (number: string): string =>
  `{"type":"track","payload":{"name":"${secret}","properties":${properties(number)}}}`;

const batch: Route = { path: "/track/batch", body: (number) => `{"events":[${eventText(number)}]}` };
const single: Route = { path: "/track", body: eventText };
const backend: Route = {
  path: "/v1/sessions/S1/backend",
  body: (number) => `{"entries":[{"rid":"${secret}","trace":[{"number":${number}}]}]}`,
};
const routes = [batch, single, backend];

/** A daemon, and the events that it must hold in the end: those that prove that it goes on. */
class House {
  readonly #daemon: Daemon;
  readonly #served: string[] = [];

  constructor(daemon: Daemon) {
    this.#daemon = daemon;
  }

  post(
    route: Route,
    body: string | Uint8Array,
    headers: Record<string, string> = {},
  ): Promise<Reply | undefined> {
    return postAlone(this.#daemon.url + route.path, body, { headers });
  }

  /** Posts a body that must be refused, then one that must be taken. */
  async assertRefused(
    route: Route,
    body: string | Uint8Array,
    expected: { status?: number; code: string | string[]; headers?: Record<string, string> },
  ): Promise<void> {
    const reply = await this.post(route, body, expected.headers);
    const { status = 400, code } = expected;
    assertEquals(reply?.status, status, reply?.text);
    const { message, code: told, retryable } = reply?.json as Record<string, unknown>;
    assert([code].flat().includes(told as string), `code is ${told}`);
    assert(typeof message === "string" && message.length > 5, `message is ${message}`);
    assertEquals(retryable, false);
    assert(!reply?.text.includes(secret), reply?.text);
    await this.assertServing();
  }

  async assertServing(): Promise<void> {
    const name = `served ${this.#served.length}`;
    assertEquals((await this.post(single, JSON.stringify(event(name))))?.status, 200);
    this.#served.push(name);
  }

  /** Nothing but what was sent by {@link assertServing} is stored, in any folder. */
  async assertNothingElseStored(): Promise<void> {
    assertEquals(await storedNames(this.#daemon), [...this.#served].sort());
    const folders = ["profiles", "groups", "replays", "bots", "sessions", "changes", "mails", "traces"];
    for (const folder of folders) assertEquals(await filesBelow(this.#daemon.dataDir, folder), []);
    const told = this.#daemon.logs().filter((line) => JSON.stringify(line).includes(secret));
    assertEquals(told, []);
    assertEquals(this.#daemon.logs().filter(({ level }) => level === "error" || level === undefined), []);
  }
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The body with these bytes within one of its texts. */
function withBytes(body: string, ...inserted: number[]): Uint8Array {
  const at = body.indexOf(secret) + 1;
  return Uint8Array.of(...bytes(body.slice(0, at)), ...inserted, ...bytes(body.slice(at)));
}

const notJson = ["malformed_json"];
/** What becomes of a good body, and the codes that may tell it. */
const damages: [string, (body: string, route: Route) => string | Uint8Array, string[]][] = [
  ["no byte", () => "", notJson],
  ["white space only", () => " \n\t ", notJson],
  ["half of it", (body) => body.slice(0, body.length / 2), notJson],
  ["all but the last byte", (body) => body.slice(0, -1), notJson],
  ["a byte too many", (body) => body + "x", notJson],
  ["a bracket too many", (body) => body + "}", notJson],
  ["two bodies", (body) => body + body, notJson],
  ["a byte order mark", (body) => "\ufeff" + body, notJson],
  ["UTF-16", (body) => Uint8Array.from([...body].flatMap((char) => [char.charCodeAt(0), 0])), notJson],
  ["a zero byte", (body) => withBytes(body, 0), notJson],
  ["a raw line break in a text", (body) => withBytes(body, 0x0a), notJson],
  ["a byte that is no UTF-8", (body) => withBytes(body, 0xff), ["invalid_utf8"]],
  ["an overlong form", (body) => withBytes(body, 0xc0, 0xaf), ["invalid_utf8"]],
  ["half a surrogate pair as bytes", (body) => withBytes(body, 0xed, 0xa0, 0x80), ["invalid_utf8"]],
  ["a character that is cut", (body) => withBytes(body, 0xf0, 0x9f, 0x98), ["invalid_utf8"]],
  ["a code point beyond Unicode", (body) => withBytes(body, 0xf4, 0x90, 0x80, 0x80), ["invalid_utf8"]],
  ["a comment", (body) => "/* */" + body, notJson],
  ["single quotes", (body) => body.replaceAll('"', "'"), notJson],
  ["null", () => "null", ["invalid_body"]],
  ["true", () => "true", ["invalid_body"]],
  ["a number", () => "17", ["invalid_body"]],
  ["a text", () => `"${secret}"`, ["invalid_body"]],
  ["an empty array", () => "[]", ["invalid_body"]],
  ["an array of rows", (_, { body }) => `[${body("1")}]`, ["invalid_body"]],
  ["an outer value nested a million levels deep", () => "[".repeat(1_000_000), ["too_deep"]],
];

/** What is no JSON value. */
const noValues = [
  ...[
    "NaN",
    "Infinity",
    "-Infinity",
    "undefined",
    "01",
    "+1",
    ".5",
    "1.",
    "1e",
    "-",
    "0x10",
    "1_000",
    "tru",
    "TRUE",
  ],
  ...[
    "",
    ",",
    "1,",
    '1,,"a":1',
    '"\\x41"',
    '"\\u12g4"',
    '"\\u12',
    "'a'",
    "{1:2}",
    "{a:1}",
    "[1,]",
    '{"a":1,}',
    "[1}",
    "}",
  ],
];

Deno.test("A body that is no JSON is refused on every route, and leaves nothing behind", async (t) => {
  await using daemon = await startDaemon();
  const house = new House(daemon);
  for (const route of routes) {
    for (const [name, damage, code] of damages) {
      await t.step(`${route.path}: ${name}`, async () => {
        await house.assertRefused(route, damage(route.body("1"), route), { code });
      });
    }
    for (const value of noValues) {
      await t.step(`${route.path}: ${value} as a value`, async () => {
        await house.assertRefused(route, route.body(value), { code: notJson });
      });
    }
    for (const [open, close] of [["[", "]"], ['{"a":', "}"]]) {
      await t.step(`${route.path}: a row of ${open} a million levels deep`, async () => {
        const deep = route.body(open.repeat(1_000_000) + "1" + close.repeat(1_000_000));
        await house.assertRefused(route, deep, { code: "too_deep" });
      });
    }
  }
  await house.assertNothingElseStored();
});

Deno.test("P14: a body whose outer object does not fit its route is refused as a whole", async (t) => {
  await using daemon = await startDaemon();
  const house = new House(daemon);
  const row = eventText("1");
  const cases: [Route, string, string][] = [
    [batch, "{}", "invalid_body"],
    [batch, '{"events":[]}', "invalid_body"],
    [batch, '{"events":{}}', "invalid_body"],
    [batch, '{"events":null}', "invalid_body"],
    [batch, `{"events":"${secret}"}`, "invalid_body"],
    [batch, `{"event":[${row}]}`, "invalid_body"],
    [batch, row, "invalid_body"],
    [batch, `{"events":[${row}],"events":[${row}]}`, "duplicate_rows_key"],
    [batch, `{"events":[${row}],"\\u0065vents":[]}`, "duplicate_rows_key"],
    [batch, `{"events":null,"events":[${row}]}`, "duplicate_rows_key"],
    [single, "{}", "validation"],
    [single, '{"type":"batch","payload":[]}', "invalid_body"],
    [single, `{"type":"batch","payload":{}}`, "validation"],
    [single, `{"type":"track","payload":[${row}]}`, "validation"],
    [single, `{"payload":[${row}]}`, "validation"],
    [single, `{"type":"batch","payload":[${row}],"payload":[${row}]}`, "duplicate_rows_key"],
    [single, `{"type":"hasOwnProperty","payload":{"name":"${secret}"}}`, "validation"],
    [single, `{"__proto__":{"type":"track"},"payload":{"name":"${secret}"}}`, "validation"],
    [backend, '{"entries":{}}', "invalid_body"],
    [backend, '{"entries":[],"entries":[]}', "duplicate_rows_key"],
  ];
  for (const [route, body, code] of cases) {
    await t.step(`${route.path}: ${body.slice(0, 60)}`, () => house.assertRefused(route, body, { code }));
  }
  await house.assertNothingElseStored();
});

Deno.test("A body of another type, charset or coding than the route takes is refused unread", async (t) => {
  await using daemon = await startDaemon();
  const house = new House(daemon);
  const types = [
    ...[
      "",
      "text/plain",
      "application/xml",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
    ],
    ...[
      "application/json; charset=iso-8859-1",
      'application/json; charset="utf-16"',
      "json",
      "application/jsonx",
    ],
  ];
  const codings = ["snappy", "compress", "gzip, br", "gzip,identity", "*", "constructor"];
  for (const route of routes) {
    for (const type of types) {
      await t.step(`${route.path}: type "${type}"`, async () => {
        const headers = { "content-type": type };
        await house.assertRefused(route, route.body("1"), {
          status: 415,
          code: "unsupported_media_type",
          headers,
        });
      });
    }
    for (const coding of codings) {
      await t.step(`${route.path}: coding "${coding}"`, async () => {
        const headers = { "content-encoding": coding };
        await house.assertRefused(route, route.body("1"), {
          status: 415,
          code: "unsupported_encoding",
          headers,
        });
      });
    }
  }
  await t.step("/track: NDJSON", async () => {
    const headers = { "content-type": "application/x-ndjson" };
    await house.assertRefused(single, single.body("1"), {
      status: 415,
      code: "unsupported_media_type",
      headers,
    });
  });
  await house.assertNothingElseStored();
});

Deno.test("Rows that fail in a good body fail alone, and hostile names are only names", async (t) => {
  await using daemon = await startDaemon();
  const house = new House(daemon);

  await t.step("half a surrogate pair, escaped, refuses the row, and a single row", async () => {
    const row = (name: string): string => eventText("1").replace(`"${secret}"`, `"${name}"`);
    const body = `{"events":[${row("half \\ud83d")},${row("\\ude00 half")},${row("whole \\ud83d\\ude00")}]}`;
    const reply = await house.post(batch, body);
    assertEquals(reply?.status, 202);
    const { accepted, rejected } = reply?.json as {
      accepted: number;
      rejected: { index: number; reason: string }[];
    };
    assertEquals([accepted, rejected.map(({ index, reason }) => [index, reason])], [
      1,
      [[0, "validation"], [1, "validation"]],
    ]);
    await house.assertRefused(single, row("half \\ud83d"), { code: "validation" });
    assert((await storedNames(daemon)).includes("whole 😀"));
  });

  await t.step("__proto__ and constructor are stored as they were sent, and change nothing", async () => {
    const sent = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"__deviceId":"d"}';
    const row = `{"__proto__":{"x":1},"type":"track","payload":{"name":"proto","properties":${sent}}}`;
    assertEquals(
      (await house.post(batch, `{"__proto__":[],"constructor":1,"events":[${row}]}`))?.status,
      202,
    );
    await flush(daemon);
    const lines = (await filesBelow(daemon.dataDir, "events")).map((path) =>
      Deno.readTextFileSync(`${daemon.dataDir}/${path}`)
    );
    assert(lines.join("").includes(`"properties":${sent}`), lines.join(""));
    await house.assertServing();
  });

  await t.step("values that are no rows are refused one by one", async () => {
    const reply = await house.post(batch, `{"events":[1,"a",null,[],{},${JSON.stringify(event("kept"))}]}`);
    const { accepted, rejected } = reply?.json as { accepted: number; rejected: { index: number }[] };
    assertEquals([accepted, rejected.map(({ index }) => index)], [1, [0, 1, 2, 3, 4]]);
  });

  await t.step("a number that no double holds is stored as it was sent", async () => {
    assertEquals((await house.post(single, eventText("1e999")))?.status, 200);
    const digits = "1".repeat(100_000);
    assertEquals((await house.post(single, eventText(digits)))?.status, 200);
    await flush(daemon);
    const texts = (await filesBelow(daemon.dataDir, "events")).map((path) =>
      Deno.readTextFileSync(`${daemon.dataDir}/${path}`)
    ).join("");
    assert(texts.includes('"number":1e999}'));
    assert(texts.includes(`"number":${digits}}`));
  });
});
