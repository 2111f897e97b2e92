import { assert, assertEquals, assertMatch, assertNotEquals, assertThrows } from "@std/assert";
import { SaltStore } from "../../src/sessions/salts.ts";
import { tempDir } from "../support/temp.ts";

const dayMs = 86_400_000;
const noon = Date.UTC(2026, 10, 20, 12);
const saltsModule = new URL("../../src/sessions/salts.ts", import.meta.url).href;

function open(path: string, now = noon, keepDays = 7): SaltStore {
  return SaltStore.open({ path, keepDays, now });
}

Deno.test("SaltStore gives a day one salt, other days others, also after a restart", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/salts.json`;
  const salts = open(path);
  const today = salts.of(noon, noon);
  assertMatch(today, /^[0-9a-f]{32}$/);
  assertEquals(salts.of(Date.UTC(2026, 10, 20), noon), today);
  assertEquals(salts.of(Date.UTC(2026, 10, 20, 23, 59, 59, 999), noon), today);
  const yesterday = salts.of(Date.UTC(2026, 10, 19, 23, 59, 59, 999), noon);
  assertNotEquals(yesterday, today);
  const again = open(path);
  assertEquals([again.of(noon, noon), again.of(noon - dayMs, noon)], [today, yesterday]);
});

Deno.test("SaltStore writes a salt to disk before it hands it out", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/salts.json`;
  const salts = open(path);
  for (let day = 0; day < 5; day++) {
    const salt = salts.of(noon - day * dayMs, noon);
    assert(Object.values(JSON.parse(Deno.readTextFileSync(path))).includes(salt));
  }
  await Deno.remove(dir.path, { recursive: true });
  assertThrows(() => salts.of(noon - 6 * dayMs, noon), Deno.errors.NotFound);
  await Deno.mkdir(dir.path);
  // The failed attempt left nothing behind that a restart would not know.
  const salt = salts.of(noon - 6 * dayMs, noon);
  assertEquals(open(path).of(noon - 6 * dayMs, noon), salt);
});

Deno.test("SaltStore forgets days older than those it keeps, when a new day begins", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/salts.json`;
  const salts = open(path);
  const first = salts.of(noon, noon);
  for (let day = 1; day <= 7; day++) salts.of(noon + day * dayMs, noon + day * dayMs);
  assertEquals(salts.of(noon, noon + 7 * dayMs), first, "seven days later it is still there");
  salts.of(noon + 8 * dayMs, noon + 8 * dayMs);
  assert(!Deno.readTextFileSync(path).includes(first), "eight days later it is gone");
  assertEquals(Object.keys(JSON.parse(Deno.readTextFileSync(path))).length, 8);
});

Deno.test("SaltStore holds no more days than it keeps, whatever times events claim", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/salts.json`;
  const salts = open(path, noon, 2);
  const seen = new Set<string>();
  for (const time of [-8.64e15, 0, noon - 365 * dayMs, noon - 2 * dayMs, noon + 365 * dayMs, 8.64e15]) {
    seen.add(salts.of(time, noon));
  }
  assertEquals(seen.size, 2, "the oldest day for all older ones, the next one for all later ones");
  assertEquals(Object.keys(JSON.parse(Deno.readTextFileSync(path))).sort(), [
    "2026-11-18",
    "2026-11-20",
    "2026-11-21",
  ]);
});

Deno.test("SaltStore keeps the salts of days when the clock goes backwards", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/salts.json`;
  const salts = open(path);
  const today = salts.of(noon, noon);
  const later = salts.of(noon + dayMs, noon + dayMs);
  assertEquals(salts.of(noon, noon - dayMs), today);
  salts.of(noon - dayMs, noon - dayMs);
  assertEquals(open(path).of(noon + dayMs, noon + dayMs), later);
});

Deno.test("SaltStore's file is for its owner only, also when it replaces another", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/salts.json`;
  await Deno.writeTextFile(path, "{}", { mode: 0o644 });
  open(path).of(noon - dayMs, noon);
  assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
  assertEquals([...Deno.readDirSync(dir.path)].map(({ name }) => name), ["salts.json"]);
});

Deno.test("SaltStore refuses a file that is damaged, and tells nothing of it", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/salts.json`;
  const salt = "0123456789abcdef0123456789abcdef";
  const damaged = [
    "",
    "{",
    `{"2026-11-20": "${salt}`,
    `{"2026-11-20": ${salt}}`,
    "null",
    `["${salt}"]`,
    "[]",
    `"${salt}"`,
    "7",
    `{"2026-11-20": 7}`,
    `{"2026-11-20": ""}`,
    `{"2026-11-20": "${salt}0"}`,
    `{"today": "${salt}"}`,
    `{"2026-11-20": {"salt": "${salt}"}}`,
  ];
  for (const text of damaged) {
    await Deno.writeTextFile(path, text);
    const error = assertThrows(() => open(path), SyntaxError, "Cannot read the salts");
    assert(!String(error).includes("0123") && error.cause === undefined, text);
    assertEquals(await Deno.readTextFile(path), text, "it is left for a person to look at");
  }
});

Deno.test("SaltStore begins anew only where there is no file", async () => {
  await using dir = await tempDir();
  await Deno.mkdir(`${dir.path}/salts.json`);
  assertThrows(() => open(`${dir.path}/salts.json`));
  assertEquals(open(`${dir.path}/new.json`).of(noon, noon).length, 32);
});

Deno.test("SaltStore writes beside a path without a folder", async () => {
  await using dir = await tempDir();
  const script = `${dir.path}/bare.ts`;
  await Deno.writeTextFile(
    script,
    `import { SaltStore } from ${JSON.stringify(saltsModule)};
    SaltStore.open({ path: "salts.json", keepDays: 7, now: ${noon} });`,
  );
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--allow-read=.", "--allow-write=.", script],
    cwd: dir.path,
    stdin: "null",
  }).output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  assertEquals(Object.keys(JSON.parse(await Deno.readTextFile(`${dir.path}/salts.json`))), ["2026-11-20"]);
});

Deno.test("SaltStore lives through a crash before its rename: the file is the one before", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/salts.json`;
  const today = open(path).of(noon, noon);
  // What a process leaves that dies between write and rename: a cut temporary file beside the whole one.
  await Deno.writeTextFile(`${path}.tmp`, '{"2026-11-19": "0123');
  const salts = open(path);
  assertEquals(salts.of(noon, noon), today);
  const yesterday = salts.of(noon - dayMs, noon);
  assertEquals(open(path).of(noon - dayMs, noon), yesterday);
});

Deno.test("SaltStore never loses a salt that it handed out to a process that is killed", async () => {
  await using dir = await tempDir();
  const script = `${dir.path}/run.ts`;
  const path = `${dir.path}/salts.json`;
  await Deno.writeTextFile(
    script,
    `import { SaltStore } from ${JSON.stringify(saltsModule)};
    const [path, first] = Deno.args;
    const salts = SaltStore.open({ path, keepDays: 3650, now: Number(first) });
    for (let day = 0; ; day++) {
      const time = Number(first) + day * ${dayMs};
      console.log(time + " " + salts.of(time, time));
    }`,
  );
  let first = noon;
  const told = new Map<number, string>();
  for (let run = 0; run < 4; run++) {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "--allow-read", "--allow-write", script, path, String(first)],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    let text = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.length > 400 * (run + 1)) {
        child.kill("SIGKILL");
        break;
      }
    }
    await child.status;
    for (const line of text.split("\n").slice(0, -1)) {
      const [time, salt] = line.split(" ");
      told.set(Number(time), salt);
      first = Number(time) + dayMs;
    }
  }
  const salts = SaltStore.open({ path, keepDays: 3650, now: first });
  assert(told.size > 20);
  for (const [time, salt] of told) assertEquals(salts.of(time, first), salt);
});
