import { assert, assertEquals, assertRejects } from "@std/assert";
import { hexesOf, storedDigests, storedIdentity } from "../support/digests.ts";
import { DatabaseSync } from "node:sqlite";
import { reindexVerb } from "../../src/cli/reindex.ts";
import type { CliIo } from "../../src/cli/io.ts";
import { Catalog } from "../../src/catalog/catalog.ts";
import { CatalogError } from "../../src/catalog/schema.ts";
import { catalogPath } from "../../src/flush/layout.ts";
import { DataDirError } from "../../src/flush/lock.ts";
import { filesBelow, readRows } from "../support/parts.ts";
import { smallDisk, tempDir } from "../support/temp.ts";
import {
  addBatch,
  addEvent,
  addMeta,
  addReply,
  type HouseOptions,
  openHouse,
  start,
  textOf,
} from "./house.ts";

/** A data_dir with some of everything, closed in order. */
async function fill(dataDir: string, options: HouseOptions = {}): Promise<void> {
  await using house = await openHouse(dataDir, options);
  for (let i = 0; i < 3; i++) {
    await house.append((unit) => {
      for (let k = 0; k < 50; k++) {
        addEvent(unit, { id: `${i}-${k}`, insertId: `insert ${i}-${k}`, padding: 9000 }, k);
      }
      addReply(unit, `key ${i}`);
    });
    for (const rid of ["R", "Q"]) {
      await house.append((unit) =>
        addBatch(unit, `[${i},{"pad":"${"é".repeat(700_000)}"}]`, { rid, index: i * 2 })
      );
      await house.append((unit) => addMeta(unit, `{"n":${i},"only${i}":[${i}]}`, { rid, t: start + i }));
    }
    await house.flusher.flush("all");
  }
  await house.flusher.stop();
}

/** Everything that can be asked. */
async function answersOf(dataDir: string): Promise<unknown> {
  await using house = await openHouse(dataDir);
  const { catalog } = house.prepared;
  const requests = [];
  for await (const request of house.traces.readTraces("a", "S")) {
    const { rid, fields, total, missing, replaced } = request;
    const batches = request.batches.map(({ index, bytes, assumed }) => ({ index, bytes, assumed }));
    requests.push({ rid, fields, total, missing, replaced, batches, events: await textOf(request.events()) });
  }
  const lines = ["R", "Q"].map((rid) => catalog.requestLines("a", "S", rid));
  const keys = Array.from({ length: 150 }, (_, i) => `p1:pinsert ${Math.floor(i / 50)}-${i % 50}`);
  return {
    checkpoint: catalog.checkpoint(),
    requests,
    lines,
    identities: storedDigests(catalog).length,
    memos: keys.map((key) => storedIdentity(catalog, key)),
  };
}

function io(): CliIo & { out: string } {
  const io = {
    out: "",
    stdout: (text: string): void => void (io.out += text),
    stderr: (text: string): void => void (io.out += text),
    env: {},
    isTty: false,
  };
  return io;
}

for (const compression of ["none", "gzip", "zstd"] as const) {
  Deno.test(`weir reindex gives the same answers as the catalog it replaces, with ${compression} parts`, async () => {
    await using dir = await tempDir();
    await fill(dir.path, { compression });
    // Without a journal left the checkpoint is that of the last parts.
    const before = await answersOf(dir.path);
    for (const isLost of [false, true]) {
      if (isLost) await Deno.remove(catalogPath(dir.path));
      const told = io();
      assertEquals(await reindexVerb(["--data-dir", dir.path], told), 0);
      assert(told.out.includes("150 identities"), told.out);
      assertEquals(await answersOf(dir.path), before);
      const catalog = new Catalog(catalogPath(dir.path));
      assertEquals(catalog.reply("key 1") !== undefined, !isLost, "replies stand in the catalog alone");
      catalog.close();
    }
  });
}

Deno.test("weir reindex sets aside a part that cannot be read, and lists the others", async () => {
  await using dir = await tempDir();
  await fill(dir.path, { compression: "gzip" });
  const [damaged] = await filesBelow(dir.path, "traces");
  const bytes = await Deno.readFile(`${dir.path}/${damaged}`);
  bytes[bytes.length / 2 | 0] ^= 1;
  await Deno.writeFile(`${dir.path}/${damaged}`, bytes);
  const told = io();
  assertEquals(await reindexVerb(["--data-dir", dir.path], told), 1);
  assertEquals(await Deno.readFile(`${dir.path}/quarantine/parts/${damaged}`), bytes);
  await using house = await openHouse(dir.path);
  assertEquals((await readRows(dir.path, "traces")).length, 4);
  assertEquals(house.traces.rids("a", "S"), ["Q", "R"]);
});

Deno.test("weir reindex refuses a folder that a daemon uses, and one that is not there", async () => {
  await using dir = await tempDir();
  await using _house = await openHouse(dir.path);
  const told = io();
  assertEquals(await reindexVerb(["--data-dir", dir.path], told), 75);
  assert(told.out.includes(String(Deno.pid)), told.out);
  assertEquals(await reindexVerb(["--data-dir", `${dir.path}/none`], told), 66);
  assertEquals(await reindexVerb(["--help"], told), 0);
  assertEquals(await reindexVerb(["--dat-dir"], told), 64);
});

Deno.test("prepareData() lets one daemon at a time into a folder", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/data`;
  {
    await using _first = await openHouse(path);
    const error = await assertRejects(() => openHouse(path), DataDirError);
    assert(!error.message.includes(dir.path));
    assert(error.message.includes(String(Deno.pid)));
  }
  await using _second = await openHouse(path);
  assertEquals((await Deno.stat(path)).mode! & 0o777, 0o700);
});

Deno.test("prepareData() sets a damaged catalog aside and makes it anew", async () => {
  await using dir = await tempDir();
  await fill(dir.path);
  const before = await answersOf(dir.path);
  await Deno.writeTextFile(catalogPath(dir.path), "garbage ".repeat(10_000));
  assertEquals(await answersOf(dir.path), before);
  const [aside] = await filesBelow(dir.path, "quarantine");
  assertEquals((await Deno.readTextFile(`${dir.path}/${aside}`)).slice(0, 8), "garbage ");
});

Deno.test("prepareData() does not touch the catalog of a later version", async () => {
  await using dir = await tempDir();
  await fill(dir.path);
  const database = new DatabaseSync(catalogPath(dir.path));
  database.exec("PRAGMA user_version = 99");
  database.close();
  const parts = await filesBelow(dir.path, "events");
  await assertRejects(() => openHouse(dir.path), CatalogError);
  assertEquals(await filesBelow(dir.path, "events"), parts);
});

Deno.test("prepareData() removes unlisted parts and unfinished ones, and nothing else", async () => {
  await using dir = await tempDir();
  await fill(dir.path);
  const partition = `${dir.path}/events/project=p/date=2026-11-20`;
  const listed = await filesBelow(dir.path, "events");
  const foreign = ["notes.txt", ".notes.tmp", "0000000000000009-1.ndjson.bak"];
  for (const name of [...foreign, "0000000000000009-1.ndjson", ".0000000000000009-2.ndjson.zst.tmp"]) {
    await Deno.writeTextFile(`${partition}/${name}`, "");
  }
  await Deno.mkdir(`${dir.path}/files/0000`, { recursive: true });
  await Deno.writeTextFile(`${dir.path}/files/0000/0000000000000009-1.ndjson`, "a user's file");
  await using _house = await openHouse(dir.path);
  const kept = foreign.map((name) => `events/project=p/date=2026-11-20/${name}`);
  assertEquals(await filesBelow(dir.path, "events"), [...listed, ...kept].sort());
  assertEquals((await filesBelow(dir.path, "files")).length, 1);
});

Deno.test("prepareData() refuses a full disk rather than take the catalog for damaged", async () => {
  await using disk = await smallDisk(2 * 1024 * 1024);
  if (disk === undefined) return;
  {
    await using house = await openHouse(disk.path);
    await house.append((unit) => addEvent(unit, { id: "1", insertId: "i" }));
    await house.flusher.stop();
  }
  const rest = await Deno.open(`${disk.path}/filler`, { create: true, write: true });
  const fillUp = async (): Promise<void> => {
    for (;;) await rest.write(new Uint8Array(4096));
  };
  await assertRejects(fillUp);
  rest.close();
  await assertRejects(() => openHouse(disk.path), DataDirError);
  await Deno.remove(`${disk.path}/filler`);
  await using house = await openHouse(disk.path);
  assertEquals(storedDigests(house.prepared.catalog), hexesOf(house.prepared.catalog, ["p1:pi"]));
});
