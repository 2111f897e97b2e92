import { assert, assertEquals } from "@std/assert";
import { eventTime } from "../../../src/dialects/track/timestamp.ts";
import { tempDir } from "../../support/temp.ts";

const now = Date.UTC(2026, 5, 8, 12);
const limits = { max_event_age_ms: 5 * 86_400_000, max_future_ms: 60_000 };
const timestampModule = new URL("../../../src/dialects/track/timestamp.ts", import.meta.url).href;

const at = (sent: unknown): number | undefined => eventTime(sent, now, limits);
const iso = (time: number): string => new Date(time).toISOString();

Deno.test("eventTime() keeps a client's time within the limits, both of them included", () => {
  for (const form of [(time: number) => time, iso]) {
    const cases: [number, number | undefined][] = [
      [now, now],
      [now - 1, now - 1],
      [now - limits.max_event_age_ms, now - limits.max_event_age_ms],
      [now - limits.max_event_age_ms - 1, undefined],
      [now - (4 * 86_400 + 23 * 3_600 + 59 * 60) * 1_000, now - (4 * 86_400 + 23 * 3_600 + 59 * 60) * 1_000],
      [now - limits.max_event_age_ms - 60_000, undefined],
      [now + 30_000, now + 30_000],
      [now + 60_000, now + 60_000],
      [now + 60_001, now],
      [now + 300_000, now],
      [0, undefined],
    ];
    for (const [sent, time] of cases) assertEquals(at(form(sent)), time, iso(sent));
  }
});

Deno.test("eventTime() takes arrival where there is no time that can be read", () => {
  const unread = [
    undefined,
    null,
    "",
    "   ",
    "never",
    "2026-13-01T00:00:00Z",
    "2026-06-08T25:00:00Z",
    NaN,
    Infinity,
    -Infinity,
    8.64e15 + 1,
    -8.64e15 - 1,
    true,
    {},
    [],
    [now],
    "1e3 bananas",
    "x".repeat(1_000_000),
  ];
  for (const sent of unread) assertEquals(at(sent), now, String(sent).slice(0, 40));
});

Deno.test("eventTime() drops fractions of a millisecond", () => {
  assertEquals(at(now - 10.9), now - 11);
  assertEquals(at("2026-06-08T11:59:59.9999Z"), now - 1);
});

Deno.test("eventTime() does not mind blanks around a text", () => {
  assertEquals(at(" 2026-06-08T11:00:00 "), now - 3_600_000);
});

Deno.test("eventTime() follows its limits", () => {
  assertEquals(eventTime(now - 11, now, { max_event_age_ms: 10, max_future_ms: 0 }), undefined);
  assertEquals(eventTime(now + 1, now, { max_event_age_ms: 10, max_future_ms: 0 }), now);
  assertEquals(eventTime(now, now, { max_event_age_ms: 0, max_future_ms: 0 }), now);
});

/** Texts that clients send, in every form that `Date` reads. */
const texts = [
  "2026-06-08T10:00:00",
  "2026-06-08T10:00",
  "2026-06-08T10:00:00.5",
  "2026-06-08T10:00:00.123456",
  "2026-06-08 10:00:00",
  "2026-06-08 10:00:00.250",
  "2026-06-08T10:00:00Z",
  "2026-06-08T10:00:00z",
  "2026-06-08T10:00:00.000+02:00",
  "2026-06-08T10:00:00-0500",
  "2026-06-08 10:00:00 +0200",
  "2026-06-08T10:00:00+02",
  "2026-06-08",
  "2026-06",
  "2026",
  "2026-6-8",
  "2026/06/08 10:00:00",
  "2026/06/08",
  "06/08/2026 10:00:00",
  "06/08/2026, 10:00:00 AM",
  "6/8/2026, 10:00:00 pm",
  "Jun 8, 2026 10:00:00",
  "June 8, 2026",
  "8 Jun 2026 10:00:00",
  "Mon, 08 Jun 2026 10:00:00 GMT",
  "Mon, 08 Jun 2026 10:00:00 UTC",
  "Mon, 08 Jun 2026 10:00:00 EST",
  "Mon, 08 Jun 2026 10:00:00 PDT",
  "Mon, 08 Jun 2026 10:00:00 +0000",
  "Mon Jun 08 2026 10:00:00",
  "Mon Jun 08 2026 10:00:00 GMT+0200 (Central European Summer Time)",
  "Mon Jun 08 2026 10:00:00 GMT+0200 (CEST)",
  "2026-06-08T10:00:00 (a comment)",
  "10:00:00",
  "garbage 2026",
  "12345",
  "1780912800000",
  "-1",
];

Deno.test("eventTime() reads a text as Date does on a machine in UTC, wherever the machine is", async () => {
  await using dir = await tempDir();
  const script = `${dir.path}/zones.ts`;
  await Deno.writeTextFile(
    script,
    `import { eventTime } from ${JSON.stringify(timestampModule)};
    const wide = { max_event_age_ms: 8e15, max_future_ms: 8e15 };
    const texts = JSON.parse(Deno.args[0]);
    const arrival = 4242;
    console.log(JSON.stringify({
      offset: new Date(2026, 5, 8).getTimezoneOffset(),
      plain: texts.map((text) => Date.parse(text)),
      read: texts.map((text) => eventTime(text, arrival, wide)),
    }));`,
  );
  const run = async (zone: string): Promise<{ offset: number; plain: (number | null)[]; read: number[] }> => {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", script, JSON.stringify(texts)],
      env: { TZ: zone },
      stdin: "null",
    }).output();
    return JSON.parse(new TextDecoder().decode(stdout));
  };
  const utc = await run("UTC");
  assertEquals(utc.offset, 0);
  const wanted = texts.map((text, i) => [text, utc.plain[i] === null ? 4242 : iso(utc.plain[i])]);
  for (const zone of ["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"]) {
    const { offset, read } = await run(zone);
    assert(zone === "UTC" || offset !== 0, "the child is in another zone");
    assertEquals(texts.map((text, i) => [text, read[i] === 4242 ? 4242 : iso(read[i])]), wanted, zone);
  }
});

Deno.test("eventTime() is quick for a hostile text", () => {
  const start = performance.now();
  for (const piece of ["9", "(", "2026-06-08T", " ", "z", "+02:"]) at(piece.repeat(1_000_000));
  assert(performance.now() - start < 1_000, `${performance.now() - start} ms`);
});
