import { assertEquals } from "@std/assert";
import { RequestList, type RequestOverview } from "../../src/flush/request_list.ts";
import type { StoredRequest } from "../../src/flush/trace_reader.ts";
import { tempDir } from "../support/temp.ts";
import { addBatch, addMeta, type House, openHouse, start } from "./house.ts";

const everything = { app: "a", order: "asc", from: 0, to: Infinity, limit: 100, fits: () => true } as const;

function statusesOf(items: readonly RequestOverview[]): unknown[] {
  return items.map(({ rid, fields }) => [rid, fields.status]);
}

async function fill(house: House, rids: readonly string[]): Promise<void> {
  for (const [i, rid] of rids.entries()) {
    await house.append((unit) => addBatch(unit, "[1]", { rid, t: start + i }));
  }
  await house.flusher.flush("all");
  for (const [i, rid] of rids.entries()) {
    await house.append((unit) => addMeta(unit, '{"status":200}', { rid, t: start + i }));
  }
}

Deno.test("RequestList.page() tells of no request what was so before a flush that came in between", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  const rids = ["r0", "r1", "r2"];
  await fill(house, rids);
  const list = new RequestList({
    ...{ indexes: house.indexes, catalog: house.prepared.catalog },
    traces: {
      async readRequest(name): Promise<StoredRequest | undefined> {
        await house.flusher.flush("all");
        return await house.traces.readRequest(name);
      },
    },
  });
  const { items, next } = await list.page(everything);
  assertEquals([statusesOf(items), next], [rids.map((rid) => [rid, 200]), undefined]);
});

Deno.test("RequestList.page() places a request by its earliest entry, in parts or not", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  await fill(house, ["r0", "r1", "r2"]);
  await house.append((unit) => addMeta(unit, '{"status":201}', { rid: "r2", t: start - 5 }));
  const list = new RequestList({
    indexes: house.indexes,
    catalog: house.prepared.catalog,
    traces: house.traces,
  });
  for (const isFlushed of [false, true]) {
    if (isFlushed) await house.flusher.flush("all");
    for (const order of ["asc", "desc"] as const) {
      const rids: string[] = [];
      let after;
      do {
        const page = await list.page({ ...everything, order, after, limit: 1 });
        rids.push(...page.items.map(({ rid }) => rid));
        after = page.next;
      } while (after !== undefined);
      const expected = ["r2", "r0", "r1"];
      assertEquals(rids, order === "asc" ? expected : expected.toReversed());
    }
  }
});
