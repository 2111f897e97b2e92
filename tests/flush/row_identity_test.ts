import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { identityKey } from "../../src/base/record.ts";
import { rowIdentity } from "../../src/flush/row_identity.ts";

const encoder = new TextEncoder();

interface Row {
  kind: string;
  project_id?: string;
  app?: string;
  insert_id?: string;
  device_id?: string;
  session_id?: string;
}

/** What JSON.parse says of the line. */
function wanted(row: Row): unknown {
  if (!row.insert_id) return undefined;
  const key = row.app === undefined
    ? identityKey("project", row.project_id!, row.insert_id)
    : identityKey("app", row.app, row.insert_id);
  return { key, memo: { deviceId: row.device_id ?? "", sessionId: row.session_id ?? "" } };
}

Deno.test("rowIdentity() finds what JSON.parse finds, in the common form and in any other", () => {
  const text = fc.oneof(
    fc.uuid(),
    fc.string({ unit: "binary", maxLength: 20 }),
    fc.constantFrom("", '"', "\\", '","insert_id":"no","x":"', "é", "\uFEFF", "a".repeat(500)),
  );
  const property = fc.property(
    text,
    text,
    text,
    text,
    fc.nat(11),
    (owner, insertId, device, session, form) => {
      const isApp = form % 2 === 1;
      const front = isApp ? { kind: "mail", app: owner } : { kind: "event", project_id: owner };
      const row = {
        ...front,
        ...{ created_at: "2026-11-20T12:00:00.000Z", id: insertId },
        ...form < 10 && { insert_id: insertId },
        ...form < 8 && { device_id: device },
        ...form < 6 && { session_id: session },
        properties: { insert_id: "no", session_id: "no", [device]: session },
      };
      // The order of members is that of the dialects, or another one.
      const line = form < 4 ? row : Object.fromEntries(Object.entries(row).toReversed());
      const parsed = JSON.parse(JSON.stringify(line)) as Row;
      assertEquals(rowIdentity(encoder.encode(JSON.stringify(line))), wanted(parsed));
    },
  );
  fc.assert(property, { seed: 20261120, numRuns: 5000 });
});

Deno.test("rowIdentity() answers undefined for what is no row with an identity", () => {
  for (
    const line of [
      "",
      "{}",
      '{"kind":"reply","key":"k","insert_id":"i"}',
      '{"kind":"x","insert_id":"i"}',
      "no",
    ]
  ) {
    assertEquals(rowIdentity(encoder.encode(line)), undefined, line);
  }
});
