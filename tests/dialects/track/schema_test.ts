import { assert, assertEquals } from "@std/assert";
import { describeIssues, trackRow } from "../../../src/dialects/track/schema.ts";

/** What is wrong with a row; undefined when nothing is. */
function problemOf(row: unknown): string | undefined {
  const checked = trackRow.safeParse(row);
  return checked.success ? undefined : describeIssues(checked.error);
}

const replay = {
  chunk_index: 0,
  events_count: 1,
  is_full_snapshot: true,
  started_at: "2026-06-08T12:00:00.000Z",
  ended_at: "2026-06-08T12:00:01Z",
  payload: "",
};

Deno.test("trackRow takes a row of every type, whatever stands in it besides", () => {
  const good: unknown[] = [
    { type: "track", payload: { name: "a" } },
    {
      type: "track",
      payload: { name: "a", properties: { any: [1, { x: null }] }, profileId: "u", groups: ["g"] },
    },
    { type: "track", payload: { name: "a", profileId: 7, groups: null, extra: 1 }, clientId: "x" },
    { type: "track", payload: { name: "a", groups: [] } },
    { type: "identify", payload: { profileId: "u" } },
    {
      type: "identify",
      payload: { profileId: 7, firstName: "", lastName: "b", email: "a@b.co", avatar: "https://a.b/c.png" },
    },
    { type: "increment", payload: { profileId: "u", property: "a.b" } },
    { type: "decrement", payload: { profileId: "u", property: "a", value: 0.25 } },
    { type: "alias", payload: { profileId: "u", alias: "v" } },
    { type: "group", payload: { id: "g", type: "company", name: "G", properties: {} } },
    { type: "assign_group", payload: { groupIds: ["g", "h"] } },
    { type: "assign_group", payload: { groupIds: [], profileId: "u" } },
    { type: "replay", payload: replay },
    { type: "replay", payload: { ...replay, chunk_index: 65_535, sessionId: "s".repeat(64) } },
    { type: "replay", payload: { ...replay, payload: "x".repeat(2 * 1024 * 1024) } },
  ];
  for (const row of good) assertEquals(problemOf(row), undefined, JSON.stringify(row).slice(0, 200));
});

Deno.test("trackRow names the place of what it refuses, in the words of OpenPanel's server", () => {
  const track = (payload: unknown): unknown => ({ type: "track", payload });
  const bad: [unknown, string][] = [
    [track({ name: "" }), "body/payload/name Too small: expected string to have >=1 characters"],
    [track({}), "body/payload/name Invalid input: expected string, received undefined"],
    [track({ name: 7 }), "body/payload/name Invalid input: expected string, received number"],
    [track(null), "body/payload Invalid input: expected object, received null"],
    [track([]), "body/payload Invalid input: expected object, received array"],
    [{ type: "track" }, "body/payload Invalid input: expected object, received undefined"],
    [track({ name: "a", properties: [] }), "body/payload/properties Invalid input: expected record"],
    [track({ name: "a", properties: null }), "body/payload/properties Invalid input: expected record"],
    [track({ name: "a", properties: "x" }), "body/payload/properties Invalid input: expected record"],
    [track({ name: "a", profileId: "" }), "body/payload/profileId Too small"],
    [track({ name: "a", profileId: null }), "body/payload/profileId Invalid input"],
    [
      track({ name: "a", profileId: 2 ** 53 }),
      "body/payload/profileId Invalid input: expected a number with all its digits",
    ],
    [track({ name: "a", groups: "g" }), "body/payload/groups Invalid input: expected array"],
    [track({ name: "a", groups: ["g", ""] }), "body/payload/groups/1 Too small"],
    [track({ name: "a", groups: [7] }), "body/payload/groups/0 Invalid input: expected string"],
    [track({ name: "session_start" }), "body/payload/name Event name is reserved"],
    [track({ name: "a", insertId: "x".repeat(257) }), "body/payload/insertId Too big"],
    [{ type: "identify", payload: { email: "a@b.co" } }, "body/payload/profileId Invalid input"],
    [{ type: "identify", payload: { profileId: "u", email: "nobody" } }, "body/payload/email Invalid email"],
    [{ type: "identify", payload: { profileId: "u", avatar: "nowhere" } }, "body/payload/avatar Invalid URL"],
    [{ type: "increment", payload: { profileId: "u", property: "" } }, "body/payload/property Too small"],
    [
      { type: "increment", payload: { profileId: "u", property: "a", value: 0 } },
      "body/payload/value Too small",
    ],
    [
      { type: "decrement", payload: { profileId: "u", property: "a", value: -1 } },
      "body/payload/value Too small",
    ],
    [{ type: "group", payload: { id: "g", type: "t" } }, "body/payload/name Invalid input: expected string"],
    [{ type: "assign_group", payload: {} }, "body/payload/groupIds Invalid input: expected array"],
    [{ type: "assign_group", payload: { groupIds: [""] } }, "body/payload/groupIds/0 Too small"],
    [{ type: "replay", payload: { ...replay, chunk_index: 65_536 } }, "body/payload/chunk_index Too big"],
    [{ type: "replay", payload: { ...replay, chunk_index: 0.5 } }, "body/payload/chunk_index Invalid input"],
    [{ type: "replay", payload: { ...replay, events_count: 0 } }, "body/payload/events_count Too small"],
    [
      { type: "replay", payload: { ...replay, started_at: "today" } },
      "body/payload/started_at Invalid ISO datetime",
    ],
    [
      { type: "replay", payload: { ...replay, payload: "x".repeat(2 ** 21 + 1) } },
      "body/payload/payload Too big",
    ],
    [{ type: "replay", payload: { ...replay, sessionId: "s".repeat(65) } }, "body/payload/sessionId Too big"],
    [{ type: "unknown", payload: {} }, "body/type Invalid"],
    [{ payload: {} }, "body/type Invalid"],
    [7, "body Invalid input: expected object, received number"],
    [null, "body Invalid input: expected object, received null"],
    [[], "body Invalid input: expected object, received array"],
  ];
  for (const [row, text] of bad) {
    const problem = problemOf(row);
    assert(problem?.startsWith(text), `${JSON.stringify(row).slice(0, 200)}: ${problem}`);
  }
});

Deno.test("describeIssues() joins several issues, and quotes no value", () => {
  const row = { type: "identify", payload: { email: "secret", avatar: "secret", firstName: 7 } };
  const problem = problemOf(row)!;
  assertEquals(problem.split(", body/").length, 4);
  assert(!problem.includes("secret"));
});

Deno.test("trackRow makes few issues of a million wrong values", () => {
  const many = Array.from({ length: 1_000_000 }, () => 0);
  const before = Deno.memoryUsage().heapUsed;
  const start = performance.now();
  for (
    const row of [
      { type: "track", payload: { name: "a", groups: many } },
      { type: "assign_group", payload: { groupIds: many } },
      { type: "track", payload: { name: "a", properties: many } },
    ]
  ) {
    assert(problemOf(row)!.length < 200);
  }
  assert(performance.now() - start < 500, `${performance.now() - start} ms`);
  assert(Deno.memoryUsage().heapUsed - before < 50 * 1024 * 1024);
});

Deno.test("trackRow is quick for hostile texts", () => {
  const start = performance.now();
  for (const piece of ["a", "a.", "a@", ".", "-", "a@a."]) {
    const text = piece.repeat(500_000);
    problemOf({ type: "identify", payload: { profileId: text, email: text, avatar: text } });
    problemOf({ type: "replay", payload: { ...replay, started_at: text, ended_at: text } });
    problemOf({ type: "track", payload: { name: text, groups: [text] } });
  }
  assert(performance.now() - start < 3_000, `${performance.now() - start} ms`);
});
