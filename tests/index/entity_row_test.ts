import { assertEquals } from "@std/assert";
import {
  entityKey,
  EntityState,
  entityText,
  holdsOperation,
  maxEntityCharacters,
  type Operation,
} from "../../src/index/entity_row.ts";

/** An operation on the profile "u". */
function operation(op: Operation["op"], columns: Record<string, unknown> = {}): Operation {
  const id = op === "group" ? { group_id: "u" } : { profile_id: "u" };
  const created_at = "2026-11-20T12:00:00.000Z";
  return { op, project_id: "p", created_at, device_id: "d", ...id, ...columns };
}

/** Folds operations, one after the other, and answers the state. */
function folded(...operations: Operation[]): EntityState {
  const state = new EntityState(undefined);
  operations.forEach((each, i) => state.fold(each, { segment: 1, offset: i + 1, lineBytes: 200 }));
  return state;
}

Deno.test("EntityState merges what identifies say: deeply, and nothing takes the place of something", () => {
  const { row } = folded(
    operation("identify", {
      ...{ first_name: "Ada", email: "ada@example.com", os: "iOS", device: "mobile", country: "DE" },
      properties: { plan: { tier: 1, name: "basic" }, tags: [1, 2], empty: "" },
    }),
    operation("identify", {
      ...{ first_name: "", last_name: "L", os: "Windows", device: "desktop" },
      properties: { plan: { tier: 2, name: "", note: null }, tags: [3], empty: "full" },
    }),
    operation("identify", { os: "", device: "server", country: "US", properties: { plan: "flat" } }),
  );
  const { first_name, last_name, email, os, device, country, is_external, properties, version } = row!;
  assertEquals(
    { first_name, last_name, email, os, device, country, is_external, properties, version },
    {
      ...{ first_name: "Ada", last_name: "L", email: "ada@example.com" },
      ...{ os: "Windows", device: "desktop", country: "DE", is_external: true, version: 3 },
      properties: { plan: "flat", tags: [3], empty: "full" },
    },
  );
});

Deno.test("EntityState steps numbers at paths, keeps decimals, and creates what is not there (S13)", () => {
  const step = (op: "increment" | "decrement", property: string, value: number): Operation =>
    operation(op, { property, value });
  const { row } = folded(
    step("increment", "a.b", 1),
    step("increment", "a.b", 1),
    step("decrement", "a.b", 5),
    step("increment", "x", 0.1),
    step("increment", "x", 0.2),
    step("decrement", "y", 1.9),
    operation("identify", { properties: { text: "12", name: "Ada" } }),
    step("increment", "text", 1),
  );
  assertEquals(row?.properties, { a: { b: -3 }, x: 0.3, y: -1.9, text: 13, name: "Ada" });
  assertEquals([row?.created_at, row?.version], ["2026-11-20T12:00:00.000Z", 8]);
});

Deno.test("EntityState.fold() leaves a state alone where a step finds no number", () => {
  const state = folded(operation("identify", { properties: { a: { b: "pro" }, c: 1 } }));
  const before = entityText(state.row!);
  for (const property of ["a", "a.b", "a.b.c", "c.d"]) {
    const at = { segment: 1, offset: 9, lineBytes: 100 };
    assertEquals(state.fold(operation("increment", { property, value: 1 }), at), "not_a_number");
  }
  assertEquals(entityText(state.row!), before);
});

Deno.test("EntityState takes names that JavaScript has a use for as names like any other", () => {
  const { row } = folded(
    operation("increment", { property: "__proto__.polluted", value: 1 }),
    operation("increment", { property: "constructor.name", value: 2 }),
    operation("identify", { properties: JSON.parse('{"__proto__":{"deep":1},"toString":"x"}') }),
  );
  assertEquals(({} as Record<string, unknown>).polluted, undefined);
  assertEquals(
    JSON.stringify(row?.properties),
    '{"__proto__":{"polluted":1,"deep":1},"constructor":{"name":2},"toString":"x"}',
  );
});

Deno.test("EntityState keeps a group's creation, and is the same where nothing changed", () => {
  const group = (columns: Record<string, unknown>): Operation => operation("group", columns);
  const first = { type: "company", name: "Acme", properties: { size: 3, place: { city: "X" } } };
  const state = folded(group(first));
  const at = { segment: 1, offset: 5, lineBytes: 100 };
  assertEquals(state.fold(group({ ...first, created_at: "2027-01-01T00:00:00.000Z" }), at), "unchanged");
  assertEquals(state.row?.version, 1);
  state.fold(group({ ...first, properties: { place: { zip: 1 } } }), at);
  assertEquals(state.row?.properties, { size: 3, place: { zip: 1 } });
  assertEquals([state.row?.version, state.row?.created_at], [2, "2026-11-20T12:00:00.000Z"]);
});

Deno.test("EntityState unites groups of a profile, which may be a device", () => {
  const { row } = folded(
    operation("assign_group", { profile_id: "d", group_ids: ["a", "b"] }),
    operation("assign_group", { profile_id: "d", group_ids: ["b", "c"] }),
  );
  assertEquals([row?.groups, row?.is_external], [["a", "b", "c"], false]);
});

Deno.test("EntityState takes nothing more once it is as large as it may be, and is read back the same", () => {
  const state = new EntityState(undefined);
  const large = operation("identify", { properties: { a: "x".repeat(200_000) } });
  const lineBytes = JSON.stringify(large).length;
  assertEquals(state.fold(large, { segment: 1, offset: 1, lineBytes }), undefined);
  const more = operation("identify", { properties: { b: "y".repeat(100_000) } });
  const at = { segment: 1, offset: 2, lineBytes: JSON.stringify(more).length };
  assertEquals(state.fold(more, at), "too_large");
  // Measured or estimated, the decision is the same: what a restart reads back must agree.
  const again = new EntityState(entityText(state.row!));
  assertEquals(again.fold(more, at), "too_large");
  for (let i = 3; i < 3_000; i++) {
    const small = operation("identify", { properties: { a: "short", [`k${i}`]: "z".repeat(50) } });
    const here = { segment: 1, offset: i, lineBytes: JSON.stringify(small).length };
    assertEquals(state.fold(small, here), again.fold(small, here));
  }
  assertEquals(entityText(state.row!), entityText(again.row!));
  assertEquals(entityText(state.row!).length <= maxEntityCharacters, true);
});

Deno.test("holdsOperation() goes by where the last operation lies", () => {
  const { row } = folded(operation("increment", { property: "a", value: 1 }));
  const held = [[0, 9], [1, 1]].map(([segment, offset]) => holdsOperation(row!, { segment, offset }));
  const later = [[1, 2], [2, 0]].map(([segment, offset]) => holdsOperation(row!, { segment, offset }));
  assertEquals([...held, ...later], [true, true, false, false]);
});

Deno.test("entityKey() never gives two the same", () => {
  const keys = [["p", "x1"], ["px", "1"], ["p1", "x"], ["", "px1"]].map(([p, id]) =>
    entityKey("profile", p, id)
  );
  assertEquals(new Set([...keys, entityKey("group", "p", "x1")]).size, 5);
});
