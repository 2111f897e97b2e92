/**
 * Bodies whose outer object must be known before their first row: read twice, the first time for the object.
 * @module
 */

import type { BodyShape, Ingest } from "../dialects/dialect.ts";
import { JsonRows } from "../parse/json_rows.ts";
import type { RowLimits } from "../parse/window.ts";
import type { Lease } from "./admission.ts";

/**
 * Reads the whole body into memory, within its limits, and shows the session its outer object.
 * @returns the body's chunks, to be read again
 * @throws WeirError as reading and parsing does
 */
export async function envelopeFirst(
  passage: { body: AsyncIterable<Uint8Array>; shape: BodyShape; session: Ingest; lease: Lease },
  limits: RowLimits,
): Promise<AsyncIterable<Uint8Array>> {
  const { body, shape, session, lease } = passage;
  const rows = new JsonRows({ rowsKey: shape.rowsKey, limits });
  const chunks: Uint8Array[] = [];
  let held = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    held += chunk.length;
    lease.hold(held);
    for (const window of rows.push(chunk)) window.settle();
  }
  for (const window of rows.finish()) window.settle();
  await session.opened?.(rows.envelope);
  return replay(chunks);
}

// deno-lint-ignore require-await -- the pipeline reads chunks as they come, these are here already
async function* replay(chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}
