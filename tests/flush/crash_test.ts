import { assert, assertEquals } from "@std/assert";
import { storedDigests, storedIdentity } from "../support/digests.ts";
import { Catalog } from "../../src/catalog/catalog.ts";
import { catalogPath } from "../../src/flush/layout.ts";
import { filesBelow, readRows } from "../support/parts.ts";
import { tempDir } from "../support/temp.ts";
import { type House, openHouse, textOf } from "./house.ts";

const partFolders = ["events", "traces"];

/** Runs the child until it stands still at the fault point, and kills it there. */
async function crashAt(place: string, dataDir: string, compression = "none"): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", new URL("crash_child.ts", import.meta.url).pathname, dataDir, compression],
    env: { WEIR_FAULTS: `${place}:pause:${place === "flush.part_written" ? 6 : 2}` },
    stderr: "piped",
  }).spawn();
  let said = "";
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
    said += text;
    if (said.includes(`fault point reached: ${place}`)) child.kill("SIGKILL");
  }
  const { signal } = await child.status;
  assertEquals(signal, "SIGKILL", said);
}

/** Everything that the child stored is in parts, once. */
async function assertExactlyOnce(dataDir: string, house: House): Promise<void> {
  await house.flusher.flush("all");
  const ids = (await readRows(dataDir, "events")).map(({ id }) => id as string).sort();
  const wanted = [1, 2].flatMap((round) =>
    Array.from({ length: 200 }, (_, i) => `${round}-${Math.floor(i / 5)}-${i % 5}`)
  );
  assertEquals(ids, wanted.sort());

  const lines = await readRows(dataDir, "traces");
  const batches = lines.flatMap(({ rid, batches }) =>
    (batches as { index: number }[]).map(({ index }) => `${rid}/${index}`)
  );
  assertEquals(batches.sort(), ["C1/0", "C2/0", "R/1", "R/2", "X/0"]);
  assertEquals(lines.filter(({ rid }) => rid === "R").map(({ round }) => round), [2]);
  const x = await house.traces.readRequest({ app: "a", sid: "S", rid: "X" });
  assertEquals(await textOf(x!.events()), '["X",2]');
  for (const file of await filesBelow(dataDir, "")) assert(!file.endsWith(".tmp"), file);

  const keys = storedDigests(house.prepared.catalog);
  assertEquals(new Set(keys).size, keys.length);
  assertEquals(keys.length, 320);
  assertEquals(storedIdentity(house.prepared.catalog, "p2:p1insert 1-7-1")?.deviceId, "device 1-7-1");
}

/** What every part and the catalog say, for a comparison. */
async function stateOf(dataDir: string): Promise<unknown> {
  const catalog = new Catalog(catalogPath(dataDir));
  try {
    return {
      rows: await Promise.all(partFolders.map((folder) => readRows(dataDir, folder))),
      keys: storedDigests(catalog).sort(),
      requests: ["R", "X", "C1", "C2"].map((rid) =>
        catalog.requestLines("a", "S", rid).map((line) => ({ ...line, id: 0 }))
      ),
      rids: catalog.requests.ofSession("a", "S"),
      listed: ["R", "X", "C1", "C2"].map((rid) => catalog.requests.find({ app: "a", sid: "S", rid })),
    };
  } finally {
    catalog.close();
  }
}

for (const place of ["flush.started", "flush.part_written", "flush.renamed", "flush.committed"]) {
  Deno.test(`a daemon killed at ${place} has everything once after the next start`, async () => {
    await using dir = await tempDir();
    await crashAt(place, dir.path);
    await using house = await openHouse(dir.path);
    assertEquals(house.prepared.catalog.reply("key 1")?.status, 202);
    assertEquals(house.indexes.reply("key 2")?.status, 202);
    await assertExactlyOnce(dir.path, house);
    await house.flusher.flush("all");
    assertEquals(house.journal.segments.length, 1);
  });

  Deno.test(`a daemon killed at ${place} has everything once though its catalog is lost`, async () => {
    await using dir = await tempDir();
    await crashAt(place, dir.path, "gzip");
    for (const ending of ["", "-wal", "-shm"]) {
      await Deno.remove(catalogPath(dir.path) + ending).catch(() => {});
    }
    {
      await using house = await openHouse(dir.path);
      assert(house.logged.some(({ message }) => String(message).startsWith("Catalog made anew")));
      await assertExactlyOnce(dir.path, house);
    }
    // What was rebuilt and flushed since stands a further start, and a further rebuild.
    const before = await stateOf(dir.path);
    await using house = await openHouse(dir.path);
    assertEquals(house.replayed, 0);
    await assertExactlyOnce(dir.path, house);
    assertEquals(await stateOf(dir.path), before);
  });
}

Deno.test("a daemon killed between two renames has everything once though its catalog is lost", async () => {
  await using dir = await tempDir();
  await crashAt("flush.renamed", dir.path);
  // One part of the second flush gets its temporary name back: the rename that had not happened yet.
  const [part] = (await filesBelow(dir.path, "events")).filter((path) => path.includes("project=p1")).slice(
    -1,
  );
  const name = part.slice(part.lastIndexOf("/") + 1);
  await Deno.rename(`${dir.path}/${part}`, `${dir.path}/${part.replace(name, `.${name}.tmp`)}`);
  await Deno.remove(catalogPath(dir.path));
  await using house = await openHouse(dir.path);
  await assertExactlyOnce(dir.path, house);
});
