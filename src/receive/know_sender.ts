/**
 * Bodies that name their sender inside: read twice, the first time for the outer object.
 * @module
 */

import type { BodyShape, Ingest } from "../dialects/dialect.ts";
import { inPieces } from "./body.ts";
import { JsonRows } from "../parse/json_rows.ts";
import type { RowLimits } from "../parse/window.ts";
import type { Lease } from "./admission.ts";

/** What {@link knowSender} must know of a request. */
export interface Unopened {
  readonly format: "json" | "ndjson";
  readonly shape: BodyShape;
  readonly session: Ingest;
  readonly lease: Lease;
  readonly limits: RowLimits;
}

/**
 * Makes sure that the session knows its sender before the first row. Where the headers say it, the body is not
 * touched; where only the body does, it is read into memory, within its limits, and given back for the rows.
 * @throws WeirError as reading and parsing does
 */
export async function knowSender(
  body: AsyncIterable<Uint8Array>,
  { format, shape, session, lease, limits }: Unopened,
): Promise<AsyncIterable<Uint8Array>> {
  if (!session.needsEnvelope) return body;
  if (format === "ndjson") {
    await session.opened?.({});
    return body;
  }
  const rows = new JsonRows({ rowsKey: shape.rowsKey, limits });
  const chunks: Uint8Array[] = [];
  let held = 0;
  for await (const chunk of body) {
    // A copy: parsing writes into a chunk, and reading on overwrites it.
    chunks.push(chunk.slice());
    held += chunk.length;
    lease.hold(held);
    for (const window of rows.push(chunk)) window.settle();
  }
  for (const window of rows.finish()) window.settle();
  await session.opened?.(rows.envelope);
  return inPieces(chunks);
}
