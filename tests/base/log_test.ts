import { assert, assertEquals } from "@std/assert";
import { WeirError } from "../../src/base/errors.ts";
import { createLog, describeError, logFields, type LogLevel, logLevels } from "../../src/base/log.ts";
import { tempDir } from "../support/temp.ts";

const clock = { now: () => Date.UTC(2026, 10, 20, 18, 30, 1, 5), monotonic: () => 0 };
const logModule = new URL("../../src/base/log.ts", import.meta.url).href;

Deno.test("createLog() writes one JSON object a line, whatever the fields hold", () => {
  const lines: string[] = [];
  const log = createLog({ clock, write: (line) => lines.push(line) });
  log.info("Listening", { address: "127.0.0.1:7400", reason: 'a "quoted"\nline\u2028', count: undefined });
  assertEquals(lines.length, 1);
  assert(!lines[0].includes("\n"));
  assertEquals(JSON.parse(lines[0]), {
    time: "2026-11-20T18:30:01.005Z",
    level: "info",
    message: "Listening",
    address: "127.0.0.1:7400",
    reason: 'a "quoted"\nline\u2028',
  });
});

Deno.test("createLog() writes one readable line when asked to", () => {
  const lines: string[] = [];
  const log = createLog({ clock, format: "pretty", write: (line) => lines.push(line) });
  log.warn("Slow", { duration_ms: 12, reason: "a\nb" });
  assertEquals(lines, ['18:30:01.005 WARN  Slow duration_ms=12 reason="a\\nb"']);
});

Deno.test("Log drops lines quieter than its level, also after setLevel()", () => {
  const seen = (level: LogLevel): string[] => {
    const lines: string[] = [];
    const log = createLog({ clock, level: "error", write: (line) => lines.push(JSON.parse(line).level) });
    log.setLevel(level);
    for (const each of logLevels) log[each]("Text");
    return lines;
  };
  assertEquals(seen("error"), ["error"]);
  assertEquals(seen("warn"), ["error", "warn"]);
  assertEquals(seen("info"), ["error", "warn", "info"]);
  assertEquals(seen("debug"), ["error", "warn", "info", "debug"]);
});

Deno.test("logFields explain every field in a name of lower case", () => {
  for (const [name, meaning] of Object.entries(logFields)) {
    assert(/^[a-z_]+$/.test(name) && meaning.length > 2 && !meaning.endsWith("."), name);
  }
});

Deno.test("Log does not throw when standard error is closed", async () => {
  await using dir = await tempDir();
  const script = `${dir.path}/closed.ts`;
  await Deno.writeTextFile(
    script,
    `import { createLog } from ${JSON.stringify(logModule)};
    const log = createLog({ clock: { now: () => 0, monotonic: () => 0 } });
    log.info("before");
    Deno.stderr.close();
    log.error("after");
    await Deno.stdout.write(new TextEncoder().encode("went on"));`,
  );
  const { stdout, stderr, code } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", script],
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stderr);
  assertEquals([new TextDecoder().decode(stdout), code], ["went on", 0], text);
  assertEquals(JSON.parse(text).message, "before");
});

Deno.test("Log does not throw when nobody reads standard error any more", async () => {
  await using dir = await tempDir();
  const script = `${dir.path}/broken_pipe.ts`;
  await Deno.writeTextFile(
    script,
    `import { createLog } from ${JSON.stringify(logModule)};
    const log = createLog({ clock: { now: () => 0, monotonic: () => 0 } });
    await Deno.stdin.read(new Uint8Array(1));
    for (let i = 0; i < 1000; i++) log.error("x".repeat(1000));
    await Deno.stdout.write(new TextEncoder().encode("went on"));`,
  );
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", script],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  await child.stderr.cancel();
  const writer = child.stdin.getWriter();
  await writer.write(new Uint8Array(1));
  await writer.close();
  assertEquals(await new Response(child.stdout).text(), "went on");
  assertEquals((await child.status).code, 0);
});

Deno.test("describeError() tells an error and its causes in one line, and ends where they go in circles", () => {
  const cause = new Error("disk\n  gone", { cause: "unplugged" });
  const error = new WeirError("journal_failed", "Cannot write", { cause });
  assertEquals(
    describeError(error),
    "WeirError: Cannot write; because of Error: disk gone; because of unplugged",
  );
  cause.cause = error;
  assertEquals(describeError(error).split("because of").length, 5);
  assertEquals(describeError(undefined), "");
});

Deno.test("describeError() keeps the folders of absolute paths to itself", async () => {
  await using dir = await tempDir();
  const missing = `${dir.path}/my folder/000.wal`;
  const read = await Deno.readFile(missing).catch((error) => error);
  const texts = [
    read,
    new Error(`ENOENT: no such file or directory, open '${missing}'`),
    new Error(`Module not found "file://${dir.path}/src/worker.ts"`),
    new Error(`at file://${dir.path}/src/worker.ts:10:4`),
    new Error(`cannot open ${dir.path}/catalog.sqlite: locked`),
    new Error("open 'C:\\Users\\weir\\data\\catalog.sqlite'"),
  ].map(describeError);
  for (const text of texts) {
    assert(!text.includes(dir.path) && !text.includes("my folder") && !text.includes("Users"), text);
  }
  assert(texts[0].includes("'000.wal'") && texts[5].includes("'catalog.sqlite'"), texts.join("\n"));
  assert(texts[4].endsWith("cannot open catalog.sqlite: locked"), texts[4]);
});

Deno.test("describeError() leaves addresses, routes and relative paths as they are", () => {
  for (const text of ["see /healthz", "http://127.0.0.1:7400/track/batch", "data/journal/1.wal", "50 KB/s"]) {
    assertEquals(describeError(text), text);
  }
});

Deno.test("describeError() does not quote what was no JSON", () => {
  for (const payload of ["secret", '{"a":secret}', '"' + "secret ".repeat(50) + '" x', "[1,secret,3]"]) {
    let text = "";
    try {
      JSON.parse(payload);
    } catch (error) {
      text = describeError(error);
    }
    assert(text.includes("JSON") && !text.includes("secret"), text);
  }
});

Deno.test("describeError() stays short, and quick, for a hostile text", () => {
  const start = performance.now();
  for (const piece of ["'/", "/a", '"...', "a".repeat(50) + "/"]) {
    assert(describeError(new Error(piece.repeat(200_000))).length < 1_100);
  }
  assert(performance.now() - start < 1_000);
});
