import { assert, assertEquals } from "@std/assert";
import { maxMissingNamed, missingIndexes } from "../../src/base/missing_indexes.ts";
import {
  eventsBytes,
  formatHead,
  frontBytes,
  headBytesOf,
  parseHead,
  RequestFields,
  type RequestSummary,
} from "../../src/flush/request_line.ts";

const encoder = new TextEncoder();

function record(t: number, index: number, fields: string): Uint8Array {
  return encoder.encode(
    `{"kind":"request","app":"a","sid":"s","rid":"r","index":${index},"t":${t},"fields":${fields}}\n`,
  );
}

function valuesOf(fields: RequestFields): Record<string, unknown> {
  return Object.fromEntries([...fields.entries()].map(([name, { json }]) => [name, JSON.parse(json)]));
}

const summary: RequestSummary = {
  ...{ app: "a", sid: "s", rid: 'r"\u{1F600}', part: 1, total: 3, replaced: 2, firstT: 10, lastT: 20 },
  ...{ through: { segment: 4, offset: 99 }, indexes: Float64Array.of(0, 2) },
  batches: [{ index: 0, bytes: 0, hash: 5, assumed: false }, { index: 2, bytes: 8, hash: 6, assumed: true }],
};

Deno.test("RequestFields keeps the value with the greatest (t, index), of equal ones the later arrival", () => {
  const fields = new RequestFields();
  fields.addRecord(record(20, 1, '{"status":200,"key":"new","url":"/a","kept":1}'));
  fields.addRecord(record(10, 9, '{"status":100,"key":"old"}'));
  fields.addRecord(record(20, 0, '{"status":300}'));
  fields.addRecord(record(20, 1, '{"status":201,"url":null}'));
  assertEquals(valuesOf(fields), { status: 201, key: "new", url: null, kept: 1 });
});

Deno.test("RequestFields merges any order of arrival that has no equal (t, index) to the same", () => {
  const records = [record(1, 0, '{"a":1,"b":1}'), record(2, 5, '{"b":2}'), record(2, 7, '{"a":null,"c":3}')];
  const orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
  for (const order of orders) {
    const fields = new RequestFields();
    for (const i of order) fields.addRecord(records[i]);
    assertEquals(valuesOf(fields), { a: null, b: 2, c: 3 }, order.join());
  }
});

Deno.test("formatHead() makes a head that parseHead() and addHead() read back", () => {
  const fields = new RequestFields();
  fields.addRecord(record(20, 1, '{"status":200,"resp_body":{"events":[1],"big":12345678901234567890}}'));
  fields.addRecord(record(30, -1, '{"url":"/ä","kind":"of no use","batches":1}'));
  const head = formatHead(fields, summary);
  assertEquals(headBytesOf(head.subarray(0, frontBytes)), head.length);
  const line = JSON.parse(new TextDecoder().decode(head) + "1,2]}");
  assertEquals(line.kind, "request");
  assertEquals([line.missing, line.missing_count, line.complete], [[1], 1, false]);
  assertEquals([line.part, line.first_part, line.index_assumed], [1, false, [2]]);

  const parsed = parseHead(head);
  assertEquals([parsed.rid, parsed.journal, parsed.replaced], ['r"\u{1F600}', [4, 99], 2]);
  const again = new RequestFields();
  again.addHead(head, parsed);
  assertEquals(
    [...again.entries()],
    [...fields.entries()].filter(([name]) => name !== "kind" && name !== "batches"),
  );
  assertEquals(again.entries().next().value?.[1].json, "200");
  assert([...again.entries()].some(([, { json }]) => json.includes("12345678901234567890")));
});

Deno.test("headBytesOf() says NaN of what is no line of a request", () => {
  for (const text of ["", "{}", '{"kind":"event","project_id":"p"', "no JSON at all"]) {
    assertEquals(headBytesOf(encoder.encode(text)), NaN);
  }
});

Deno.test("eventsBytes() counts a comma between batches that have events", () => {
  const of = (...sizes: number[]): number => eventsBytes(sizes.map((bytes) => ({ bytes })));
  assertEquals([of(), of(0), of(5), of(5, 0, 7), of(0, 5, 7, 1)], [0, 0, 5, 13, 15]);
});

Deno.test("missingIndexes() names gaps below the highest index and up to the total", () => {
  const of = (indexes: number[], total: number): { missing: number[]; count: number } =>
    missingIndexes(Float64Array.from(indexes), total);
  assertEquals(of([], -1), { missing: [], count: 0 });
  assertEquals(of([0, 1, 2], 3), { missing: [], count: 0 });
  assertEquals(of([1, 4], -1), { missing: [0, 2, 3], count: 3 });
  assertEquals(of([1], 4), { missing: [0, 2, 3], count: 3 });
  assertEquals(of([0, 5], 2), { missing: [1, 2, 3, 4], count: 4 });
  const { missing, count } = of([0, Number.MAX_SAFE_INTEGER], -1);
  assertEquals([missing.length, missing[0], count], [maxMissingNamed, 1, Number.MAX_SAFE_INTEGER - 1]);
});
