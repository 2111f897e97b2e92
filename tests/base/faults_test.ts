import { assert, assertEquals } from "@std/assert";
import { faultPlaces } from "../../src/base/faults.ts";
import { tempDir } from "../support/temp.ts";

const faultsModule = new URL("../../src/base/faults.ts", import.meta.url).href;

/** A process that reaches these places, one after the other, and prints what came of each. */
async function spawnReaching(places: string[], faults: string, script: string): Promise<Deno.ChildProcess> {
  await Deno.writeTextFile(
    script,
    `import { faultPoint } from ${JSON.stringify(faultsModule)};
    const results = [];
    for (const place of ${JSON.stringify(places)}) {
      try {
        faultPoint(place);
        results.push("passed");
      } catch (error) {
        results.push(error.code);
      }
    }
    await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(results)));`,
  );
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--allow-env=WEIR_FAULTS", script],
    env: { WEIR_FAULTS: faults },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function reach(places: string[], faults: string): Promise<{ results: unknown; stderr: string }> {
  await using dir = await tempDir();
  const child = await spawnReaching(places, faults, `${dir.path}/reach.ts`);
  const { stdout, stderr, success } = await child.output();
  const results = success ? JSON.parse(new TextDecoder().decode(stdout)) : undefined;
  return { results, stderr: new TextDecoder().decode(stderr) };
}

Deno.test("faultPoint() fails from the planned hit on, and only at the planned place", async () => {
  const places = ["journal.fsync", "journal.write", "journal.fsync", "journal.fsync", "journal.fsync"];
  assertEquals((await reach(places, "journal.fsync:error:3")).results, [
    "passed",
    "passed",
    "passed",
    "EIO",
    "EIO",
  ]);
  assertEquals((await reach(places, "journal.fsync, journal.write:enospc")).results, [
    "EIO",
    "ENOSPC",
    "EIO",
    "EIO",
    "EIO",
  ]);
  assertEquals((await reach(places, "")).results, places.map(() => "passed"));
});

Deno.test("faultPoint() stands still where a pause is planned, until the process is killed", async () => {
  await using dir = await tempDir();
  const child = await spawnReaching(
    ["flush.started", "flush.renamed", "flush.committed"],
    "flush.renamed:pause",
    `${dir.path}/pause.ts`,
  );
  const reader = child.stderr.getReader();
  const { value } = await reader.read();
  assertEquals(new TextDecoder().decode(value), "fault point reached: flush.renamed\n");
  child.kill("SIGKILL");
  await reader.cancel();
  assertEquals(await new Response(child.stdout).text(), "");
  assertEquals((await child.status).signal, "SIGKILL");
});

Deno.test("faultDelay() is there to be waited for where a slow disk is planned, and faultPoint() passes", async () => {
  await using dir = await tempDir();
  const script = `${dir.path}/delay.ts`;
  await Deno.writeTextFile(
    script,
    `import { faultDelay, faultPoint } from ${JSON.stringify(faultsModule)};
    const waits = [];
    for (const place of ["journal.piece", "journal.write", "journal.piece", "journal.piece"]) {
      const delay = faultDelay(place);
      waits.push(delay !== undefined);
      await delay;
      faultPoint(place);
    }
    console.log(JSON.stringify(waits));`,
  );
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--allow-env=WEIR_FAULTS", script],
    env: { WEIR_FAULTS: "journal.piece:slow:2" },
  }).output();
  assertEquals(JSON.parse(new TextDecoder().decode(stdout)), [false, false, true, true]);
});

Deno.test("WEIR_FAULTS with a place or an action that there is not ends the process", async () => {
  const wrong = [
    "journal.fsnyc",
    "journal.fsync:explode",
    "journal.fsync:slow",
    "journal.fsync:error:0",
    "journal.fsync:error:x",
    "journal.fsync:error:1:2",
    "toString",
    ",",
  ];
  for (const faults of wrong) {
    const { results, stderr } = await reach([], faults);
    assert(results === undefined && stderr.includes("Cannot plan a fault"), `${faults}: ${stderr}`);
  }
});

Deno.test("faultPlaces say what has happened there", () => {
  for (const [place, meaning] of Object.entries(faultPlaces)) {
    assert(/^[a-z]+\.[a-z_]+$/.test(place) && meaning.length > 10, place);
  }
});
