/**
 * Dialect `backend` from outside: every row of its contract's tables, on one daemon. What is read back of a row must be
 * the same from the journal, after a crash, and from parts.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { type Members, type TableRow, tables } from "./backend_tables.ts";

/** So many rows are under way at once. */
const senders = 8;

// deno-lint-ignore no-explicit-any -- looked into as a client would
async function get(daemon: Daemon, path: string): Promise<any> {
  const { status, json, text } = await send(`${daemon.url}${path}`);
  assertEquals(status, 200, text);
  return json;
}

async function flush(daemon: Daemon): Promise<void> {
  assertEquals((await send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" })).status, 200);
}

async function forEachRow(
  rows: readonly [string, TableRow][],
  work: (sid: string, row: TableRow) => Promise<void>,
): Promise<void> {
  const rest = [...rows];
  const sender = async (): Promise<void> => {
    for (let next = rest.pop(); next; next = rest.pop()) await work(...next);
  };
  await Promise.all(Array.from({ length: senders }, sender));
}

/** Sends a row and looks at the verdict on each of its entries. */
async function sendRow(daemon: Daemon, sid: string, row: TableRow): Promise<void> {
  const { entries, refused = [], duplicates = 0, what } = row;
  const reply = await send(`${daemon.url}/v1/sessions/${sid}/backend`, { entries });
  const { ok, accepted, rejected, duplicates: found = 0 } = reply.json as Members & { rejected: Members[] };
  const taken = entries.length - refused.length;
  assertEquals(
    [reply.status, ok, accepted, rejected.map(({ index, reason }) => [index, reason]), found],
    [taken > 0 ? 201 : 422, taken > 0, taken, refused, duplicates],
    what,
  );
}

/** Reads a row's session back over every route that shows it. */
async function checkRow(daemon: Daemon, sid: string, row: TableRow): Promise<void> {
  const { what, batches, told, changes, mails } = row;
  const { items } = await get(daemon, `/v1/sessions/${sid}/traces`);
  const requests: Record<string, unknown> = {};
  for (const { key, traces } of items) {
    for (const trace of traces) {
      const rid = trace.requestRid;
      const one = await get(daemon, `/v1/sessions/${sid}/requests/${encodeURIComponent(rid)}`);
      // deno-lint-ignore no-explicit-any -- as above
      requests[rid] = trace.batches.map((batch: any) => [batch.batchIndex, batch.trace]);
      // deno-lint-ignore no-explicit-any -- as above
      assertEquals(one.events, trace.batches.flatMap((batch: any) => batch.trace), what);
      assertEquals([one.request.key ?? null, one.batches], [key, trace.batches.length], what);
      const expected = told?.[rid];
      if (expected) assertEquals(only(one, expected), expected, what);
    }
  }
  if (batches) assertEquals(requests, batches, what);
  for (const rid of Object.keys(told ?? {})) assert(rid in requests, `${what}: there is no ${rid}`);
  const list = await get(daemon, `/v1/sessions/${sid}/requests`);
  assertEquals(
    list.items.map(({ requestRid }: Members) => requestRid).toSorted(),
    Object.keys(requests).toSorted(),
    what,
  );
  if (!changes && !mails) return;
  const { ticks } = await get(daemon, `/v1/sessions/${sid}/timeline`);
  const rowsOf = (type: string): Members[] =>
    ticks.filter((tick: Members) => tick.type === type).map(({ data }: { data: Members }) => data);
  for (const [rows, expected] of [[rowsOf("change"), changes], [rowsOf("mail"), mails]] as const) {
    if (!expected) continue;
    assertEquals(rows.length, expected.length, what);
    const order = expected.map((columns, i) => only(rows[i], columns));
    assertEquals(sorted(order), sorted(expected), what);
  }
}

/** Rows of one time have an order of their own in parts. */
function sorted(rows: readonly Members[]): unknown[] {
  return rows.map((row) => JSON.stringify(row)).toSorted();
}

/** The members that are expected; those that are not there as undefined. */
function only(found: Members, expected: Members): Members {
  return Object.fromEntries(Object.keys(expected).map((name) => [name, found[name]]));
}

Deno.test("Contract sections 2 and 3: every row of the tables reads as it says, before a flush, after a crash, from parts", async (t) => {
  await using daemon = await startDaemon({ config: { flush: { interval_ms: 3_600_000 } } });
  const numbered = Object.entries(tables).map(([name, rows], table) =>
    [name, rows.map((row, i): [string, TableRow] => [`T${table}-${i}`, row])] as const
  );
  for (const [name, rows] of numbered) {
    await t.step(`${name}: ${rows.length} rows`, async () => {
      await forEachRow(rows, async (sid, row) => {
        await sendRow(daemon, sid, row);
        await checkRow(daemon, sid, row);
      });
    });
  }
  await t.step("all of it after a crash", async () => {
    await daemon.restart();
    await forEachRow(numbered.flatMap(([, rows]) => rows), (sid, row) => checkRow(daemon, sid, row));
  });
  await t.step("all of it from parts", async () => {
    await flush(daemon);
    await forEachRow(numbered.flatMap(([, rows]) => rows), (sid, row) => checkRow(daemon, sid, row));
  });
});
