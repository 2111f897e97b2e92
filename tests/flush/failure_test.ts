import { assert, assertEquals, assertRejects } from "@std/assert";
import { storedDigests } from "../support/digests.ts";
import { WeirError } from "../../src/base/errors.ts";
import { formatPartName } from "../../src/flush/layout.ts";
import { FlushError, WorkerLink } from "../../src/flush/worker_link.ts";
import type { FlushPlan } from "../../src/index/plan.ts";
import { filesBelow, readRows } from "../support/parts.ts";
import { smallDisk, tempDir } from "../support/temp.ts";
import { addBatch, addEvent, addMeta, addReply, type House, openHouse, start } from "./house.ts";

/** What a worker that is started meanwhile finds in the environment. */
async function withFaults<T>(faults: string, run: () => Promise<T>): Promise<T> {
  Deno.env.set("WEIR_FAULTS", faults);
  try {
    return await run();
  } finally {
    Deno.env.delete("WEIR_FAULTS");
  }
}

async function store(house: House): Promise<void> {
  await house.append((unit) => {
    addEvent(unit, { id: "1", insertId: "i" });
    addEvent(unit, { id: "2", project: "q" });
  });
  await house.append((unit) => addBatch(unit, "[1]", { rid: "R", total: 1 }));
  await house.append((unit) => addMeta(unit, "{}", { rid: "R" }));
}

async function assertAllThere(dataDir: string): Promise<void> {
  assertEquals((await readRows(dataDir, "events")).map(({ id }) => id).sort(), ["1", "2"]);
  assertEquals((await readRows(dataDir, "traces")).map(({ rid }) => rid), ["R"]);
}

for (const place of ["flush.started", "flush.part_written", "flush.renamed"]) {
  Deno.test(`a flush that fails at ${place} leaves nothing, loses nothing, and says so`, async () => {
    await using dir = await tempDir();
    {
      await using house = await openHouse(dir.path);
      await store(house);
      await withFaults(`${place}:error`, async () => {
        for (const failures of [1, 2]) {
          const error = await assertRejects(() => house.flusher.flush("due"), WeirError);
          assertEquals(error.code, "flush_failed");
          assertEquals(house.flusher.health, {
            state: "degraded",
            reason: "EIO",
            failures,
            lastSuccessAt: 0,
          });
          assertEquals(
            [...await filesBelow(dir.path, "events"), ...await filesBelow(dir.path, "traces")],
            [],
          );
          assertEquals(house.prepared.catalog.checkpoint(), 0);
        }
      });
      assertEquals((await house.traces.readRequest({ app: "a", sid: "S", rid: "R" }))?.complete, true);
      await house.append((unit) => addEvent(unit, { id: "again", insertId: "i" }));
      assert(!JSON.stringify(house.logged).includes(dir.path), "no absolute path in the log");
    }
    await using house = await openHouse(dir.path);
    await house.flusher.flush("due");
    await assertAllThere(dir.path);
    assertEquals(house.flusher.health.state, "ok");
  });
}

Deno.test("a flush that fails behind its commit is a flush that went well", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  await store(house);
  const report = await withFaults("flush.committed:error", () => house.flusher.flush("due"));
  assertEquals([report.rows, house.flusher.health.state], [3, "ok"]);
  await house.flusher.flush("due");
  await assertAllThere(dir.path);
});

Deno.test("a worker that dies is followed by another, which removes what it left", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  const link = new WorkerLink({ dataDir: dir.path, compression: "none" });
  const at = { now: start, flushId: "f" };
  const plan: FlushPlan = {
    identities: [],
    sessions: [],
    ...{ checkpoint: 2, rows: [], replies: new Float64Array(0), more: false },
    requests: { names: [], numbers: new Float64Array(0) },
  };
  try {
    assertEquals((await link.write(plan, at)).parts, 0);
    const left = `${dir.path}/events/project=p/date=2026-11-20/${
      formatPartName({ checkpoint: 2, n: 0, compression: "none" })
    }`;
    await Deno.mkdir(left.slice(0, left.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(left, "{}\n");
    // Rows that cannot be gone through end the worker outside of any question.
    const broken = { ...plan, rows: { length: 1, slice: () => 5 } as unknown as FlushPlan["rows"] };
    const error = await assertRejects(() => link.write(broken, at), FlushError);
    assertEquals([error.code, error.reason], ["flush_failed", "CRASH"]);
    assertEquals((await link.write({ ...plan, checkpoint: 3 }, at)).checkpoint, 3);
    assertEquals(await filesBelow(dir.path, "events"), []);
    assertEquals(house.prepared.catalog.checkpoint(), 3);
  } finally {
    await link.close();
  }
});

Deno.test("a flush that finds the disk full says so, and goes on when there is room", async () => {
  await using disk = await smallDisk(8 * 1024 * 1024);
  if (disk === undefined) return;
  await using house = await openHouse(disk.path);
  for (let i = 0; i < 20; i++) {
    await house.append((unit) => addEvent(unit, { id: `${i}`, insertId: `${i}`, padding: 100_000 }));
  }
  await Deno.writeFile(`${disk.path}/filler`, new Uint8Array(5 * 1024 * 1024));
  const error = await assertRejects(() => house.flusher.flush("due"), WeirError);
  assertEquals([error.code, house.flusher.health.state], ["storage_full", "storage_full"]);
  assertEquals(await filesBelow(disk.path, "events"), []);
  await Deno.remove(`${disk.path}/filler`);
  await house.flusher.flush("due");
  assertEquals([(await readRows(disk.path, "events")).length, house.flusher.health.state], [20, "ok"]);
  assertEquals(storedDigests(house.prepared.catalog).length, 20);
});

Deno.test("a catalog that finds the disk full says so as well", async () => {
  await using disk = await smallDisk(8 * 1024 * 1024);
  if (disk === undefined) return;
  await using house = await openHouse(disk.path);
  // Small rows with large replies: the parts fit, what the catalog needs does not.
  for (let i = 0; i < 10; i++) {
    await house.append((unit) => {
      for (let k = 0; k < 20; k++) addEvent(unit, { id: `${i}-${k}`, insertId: `${i}-${k}` }, k);
      for (let k = 0; k < 10; k++) addReply(unit, `${i}-${k}`.padEnd(9_000, "x"));
    });
  }
  await Deno.writeFile(`${disk.path}/filler`, new Uint8Array(4.5 * 1024 * 1024));
  const error = await assertRejects(() => house.flusher.flush("due"), WeirError);
  assertEquals(error.code, "storage_full");
  assertEquals(await filesBelow(disk.path, "events"), []);
  await Deno.remove(`${disk.path}/filler`);
  await house.flusher.flush("due");
  assertEquals((await readRows(disk.path, "events")).length, 200);
});
