import { assertEquals, assertThrows } from "@std/assert";
import {
  frameHeaderBytes,
  identityKey,
  rowPlace,
  type TracePlace,
  type Unit,
} from "../../src/base/record.ts";
import { readRecords } from "../../src/index/replay.ts";
import { addBatch, addMeta, addReply, addRow, day, identityOf, unitOf } from "./units.ts";

function payloadOf(unit: Unit): Uint8Array {
  return unit.writer.view().slice(frameHeaderBytes);
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

Deno.test("readRecords() finds again what the unit said of its records", () => {
  const unit = unitOf((unit) => {
    addRow(unit, { id: "1", identity: identityOf('i"\n é') });
    addRow(unit, { kind: "session", id: "2", project: "p é/..", at: day - 1 });
    addBatch(unit, {
      app: 'a",\n"events":[',
      sid: "S",
      rid: 'r",\\"events\\":[',
      index: 3,
      t: 5,
      total: 4,
      content: 1,
    });
    addMeta(unit, { rid: "r", t: 6, index: 2 });
    addReply(unit, "key", 7);
  });
  const found = readRecords(payloadOf(unit), "all");
  assertEquals(found.length, unit.count);
  found.forEach(({ place, offset, length, identity }, i) => {
    assertEquals(place, unit.places[i]);
    assertEquals([offset + frameHeaderBytes, offset + frameHeaderBytes + length], [
      unit.starts[i],
      unit.end(i),
    ]);
    const expected = unit.identities[i];
    assertEquals(identity, expected && { key: expected.key, memo: expected.memo });
  });
});

Deno.test("readRecords() reads rows of an app, and identities without a device", () => {
  const line =
    '{"kind":"mail","app":"shop","created_at":"2026-11-20T10:00:00.000Z","id":"m","insert_id":"x"}\n';
  const [{ place, identity }] = readRecords(bytesOf(line), "all");
  assertEquals(place, rowPlace("mail", "shop", "2026-11-20"));
  assertEquals(identity, { key: identityKey("app", "shop", "x"), memo: { deviceId: "", sessionId: "" } });
});

Deno.test("readRecords() of traces only does not look into other lines", () => {
  const batch = unitOf((unit) => addBatch(unit, { rid: "r", index: 0, t: 1, content: 1 }));
  const text = '{"kind":"event","broken"\n' + new TextDecoder().decode(payloadOf(batch));
  const found = readRecords(bytesOf(text), "traces");
  assertEquals(found.map(({ place }) => (place as TracePlace).rid), ["r"]);
  assertThrows(() => readRecords(bytesOf(text), "all"));
});

Deno.test("readRecords() names the line that is no record, and nothing of what it holds", () => {
  const good = '{"kind":"event","project_id":"p","created_at":"2026-11-20T10:00:00Z","id":"1"}\n';
  for (
    const bad of [
      "secret",
      '{"kind":"secret"}',
      '{"kind":"event","project_id":"secret"}',
      '{"kind":"event","project_id":"p","created_at":"secret","id":"1"}',
      '{"kind":"event","project_id":7,"created_at":"2026-11-20T10:00:00Z"}',
      '{"kind":"event","project_id":"secret',
      '{"kind":"batch","app":"secret","sid":"S","rid":"r","index":0,"t":1,"hash":1}',
      '{"kind":"batch","app":"a","sid":"S","rid":"r","index":"secret","t":1,"hash":1,"events":[]}',
      '{"kind":"reply","key":"secret"}',
      '{"kind":"toString","key":"secret"}',
    ]
  ) {
    const error = assertThrows(() => readRecords(bytesOf(good + bad + "\n"), "all"), Error);
    assertEquals(error.message, "Cannot read back a frame: line 1 is no record");
    assertEquals(error.cause, undefined);
  }
});
