import { assert, assertEquals } from "@std/assert";
import { rowPlace, type Unit } from "../../src/base/record.ts";
import { tempDir } from "../support/temp.ts";
import { type House, openHouse } from "./house.ts";

const created_at = "2026-11-20T12:00:00.000Z";

function addIdentify(unit: Unit, profile_id: string, properties: Record<string, unknown>): void {
  unit.writer.text(JSON.stringify({
    ...{ kind: "operation", project_id: "p", created_at, id: "x", device_id: "d", session_id: "" },
    ...{ op: "identify", profile_id, properties },
  }));
  unit.close(rowPlace("operation", "p", created_at.slice(0, 10)));
}

const propertiesOf = (house: House, id: string): unknown =>
  house.indexes.entity("profile", "p", id)?.properties;
const held = (house: House): number => house.indexes.stats().entities.entries;

Deno.test("states that a flush wrote leave the memory, and are the same in the catalog", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  for (let i = 0; i < 50; i++) {
    await house.append((unit) => addIdentify(unit, `u${i % 10}`, { [`k${i}`]: i }));
  }
  assertEquals(held(house), 10);
  const before = propertiesOf(house, "u3");
  assertEquals(before, { k3: 3, k13: 13, k23: 23, k33: 33, k43: 43 });
  assert(house.indexes.stats().entities.bytes > 0);
  await house.flusher.flush("due");
  assertEquals(house.indexes.stats().entities, { entries: 0, bytes: 0 });
  assertEquals(propertiesOf(house, "u3"), before);
  assertEquals(propertiesOf(house, "nobody"), undefined);
});

Deno.test("states that change while a flush is under way stay, and go on from what it writes", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  await house.append((unit) => addIdentify(unit, "u", { a: 1, b: 1 }));
  const flushing = house.flusher.flush("due");
  for (let i = 2; i < 40; i++) {
    await house.append((unit) => addIdentify(unit, "u", { b: i }));
    assertEquals(propertiesOf(house, "u"), { a: 1, b: i });
  }
  await flushing;
  assertEquals(propertiesOf(house, "u"), { a: 1, b: 39 });
  await house.flusher.flush("due");
  assertEquals([held(house), propertiesOf(house, "u")], [0, { a: 1, b: 39 }]);
});

Deno.test("a house that is opened again knows what was flushed and what was not", async () => {
  await using dir = await tempDir();
  {
    await using house = await openHouse(dir.path);
    await house.append((unit) => addIdentify(unit, "u", { a: 1, list: [1, { deep: true }] }));
    await house.flusher.flush("due");
    await house.append((unit) => addIdentify(unit, "u", { b: 2 }));
    await house.append((unit) => addIdentify(unit, "new", { c: 3 }));
  }
  await using house = await openHouse(dir.path);
  assertEquals(propertiesOf(house, "u"), { a: 1, list: [1, { deep: true }], b: 2 });
  assertEquals([held(house), propertiesOf(house, "new")], [2, { c: 3 }]);
});
