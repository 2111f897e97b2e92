/**
 * Rows of dialect `track`, made by fast-check.
 * @module
 */

import fc from "fast-check";
import { arrivedAt } from "./plain_senders.ts";

/** Rows that take the short way, each with something else about them. */
export const plainRow = fc.record({
  type: fc.constant("track"),
  payload: fc.record({
    name: fc.constantFrom("screen_view", "signup"),
    properties: fc.record({
      __deviceId: fc.constantFrom("device-1", "device-2"),
      __path: fc.constantFrom("/a", "https://example.com/x?y=1"),
      __insertId: fc.constantFrom("id-1", "id-2"),
      list: fc.constantFrom([], [1, [2, { a: "b" }]]),
    }, { requiredKeys: [] }),
    profileId: fc.constantFrom("user-1", "user-2"),
  }, { requiredKeys: ["name"] }),
});

const text = fc.oneof(
  fc.constantFrom(
    "",
    "a",
    "plan",
    "ü",
    "\u2028",
    'q"',
    "b\\s",
    "n\nl",
    "😀",
    "x".repeat(65),
    "null",
    "\u007f",
  ),
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "grapheme", maxLength: 6 }),
);
const scalar = fc.oneof(
  text,
  fc.integer(),
  fc.double({ noDefaultInfinity: true, noNaN: true }),
  fc.boolean(),
  fc.constant(null),
);
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: "small" },
    scalar,
    fc.array(tie("any"), { maxLength: 3 }),
    fc.dictionary(text, tie("any"), { maxKeys: 3 }),
  ),
})).any;
const isoTimestamp = fc.integer({ min: arrivedAt - 86_400_000, max: arrivedAt }).map((time) =>
  new Date(time).toISOString()
);
const timestamp = fc.oneof(
  fc.integer({ min: arrivedAt - 5 * 86_400_000 - 2_000, max: arrivedAt + 62_000 }).map((time) =>
    new Date(time).toISOString()
  ),
  fc.constantFrom(
    "2026-06-31T12:00:00.000Z",
    "2026-06-08T24:00:00.000Z",
    "2026-06-08T11:60:00.000Z",
    "2026-06-08T11:59:59.999Z",
    "2026-06-08 11:00:00",
    "2026-06-08",
    "never",
    "2026-13-01T00:00:00.000Z",
    "2026-06-08T11:59:60.000Z",
    "2026-06-08T1a:00:00.000Z",
  ),
  scalar,
);
const url = fc.oneof(
  fc.webUrl({ withQueryParameters: true, withFragments: true, withDomain: true } as never),
  fc.webPath(),
  fc.constantFrom(
    "https://example.com/a/b?x=1#y",
    "https://example.com/",
    "https://example.com",
    "https://example.com/a/../b",
    "https://example.com/.hidden",
    "https://example.com/a?",
    "https://example.com/a#",
    "https://example.com/a?#",
    "https://example.com/a??b#c#d",
    "http://127.0.0.1/x",
    "http://1.2/x",
    "http://0x7f.1/x",
    "https://EXAMPLE.com/x",
    "https://xn--nxasmq6b/x",
    "https://a--b.com/x",
    "https://a..b/x",
    "https://.a/x",
    "https://a./x",
    "https://a.b:443/x",
    "https://u@a.b/x",
    "https://a.b/%41%2e%2e/x",
    "https://a.b/x y",
    "https://a.b/x|y^z`{}",
    "https://a.b/x?q='\"<>",
    "https://a.b\\c",
    "https:/a.b/c",
    "HTTPS://a.b/c",
    "ftp://a.b/c",
    "/a",
    "//a.b/c",
    "/",
    "home",
    "/a?b#c",
  ),
  text,
);
/** Mostly the first record alone, now and then with members of the second. */
function mostly(
  common: fc.Arbitrary<Record<string, unknown>>,
  rare: fc.Arbitrary<Record<string, unknown>>,
): fc.Arbitrary<Record<string, unknown>> {
  return fc.tuple(common, rare, fc.nat(3)).map(([most, some, roll]) =>
    roll === 0 ? { ...most, ...some } : most
  );
}

const properties = mostly(
  fc.record({
    __timestamp: fc.oneof({ weight: 3, arbitrary: isoTimestamp }, { weight: 1, arbitrary: timestamp }),
    __deviceId: fc.oneof(
      fc.constantFrom("device-1", " padded ", "x".repeat(64), "x".repeat(65), "ü"),
      scalar,
    ),
    __path: url,
    __referrer: url,
    __insertId: fc.oneof(fc.constantFrom("id-1", "y".repeat(256), "y".repeat(257), "ü".repeat(256)), scalar),
    __title: text,
    plan: value,
    nested: value,
  }, { requiredKeys: [] }),
  fc.record({
    path: url,
    $insert_id: scalar,
    __ip: fc.constantFrom("198.51.100.1", 5),
    __identify: fc.constantFrom({ profileId: "u" }, { profileId: "u", email: "a@b.co" }, 1),
    __bot: fc.constant("1"),
    __revenue: fc.constantFrom(1, 1.5, -1, "1"),
    referrer: url,
  }, { requiredKeys: [] }),
);
const payload = mostly(
  fc.record({
    name: fc.oneof(
      fc.constantFrom(
        "screen_view",
        "a.b",
        "revenue",
        "session_start",
        "/wp-login.php",
        "n".repeat(80),
        "n".repeat(81),
        "",
      ),
      text,
    ),
    properties: fc.oneof({ weight: 20, arbitrary: properties }, { weight: 1, arbitrary: value }),
    profileId: fc.oneof(fc.constantFrom("user-1", "user-2", 5, ""), text),
    extra: value,
  }, { requiredKeys: ["name"] }),
  fc.record({
    groups: fc.constantFrom([], ["g"], null, [1]),
    insertId: scalar,
    messageId: scalar,
  }, { requiredKeys: [] }),
);
/** Rows of every kind: common, nearly so, and wrong. */
export const row = mostly(
  fc.record({
    type: fc.constant("track"),
    payload: fc.oneof({ weight: 20, arbitrary: payload }, { weight: 1, arbitrary: value }),
    more: value,
  }, { requiredKeys: ["type", "payload"] }),
  fc.record({
    type: fc.constantFrom("identify", "alias", 5),
    insertId: fc.oneof(fc.constantFrom("row-1", ""), scalar),
    messageId: scalar,
    clientId: text,
  }, { requiredKeys: [] }),
);
