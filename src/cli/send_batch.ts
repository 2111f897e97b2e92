/**
 * Rows of a file, gathered into the bodies of requests.
 * @module
 */

/** Rows that go into one request. */
export interface RowBatch {
  /** Position of the first row in the file, from 0. */
  readonly firstRow: number;
  readonly rows: number;
  /** `{"events":[...]}`. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** Positions in the batch of rows that are no JSON; `null` stands in their place. */
  readonly malformed: ReadonlySet<number>;
  /** Bytes of the file read so far. */
  readonly readBytes: number;
}

const encoder = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const head = encoder.encode('{"events":[');
const tail = encoder.encode("]}");
const nothing = encoder.encode("null");
const comma = 0x2c;

/** Collects rows into one body. A row that is no JSON would spoil its whole batch, so `null` is sent instead. */
export class BatchBuilder {
  #rows: Uint8Array[] = [];
  #bytes = 0;
  #firstRow = 0;
  #malformed = new Set<number>();

  get rows(): number {
    return this.#rows.length;
  }

  /** Size of the rows with their commas. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds row number `position` of the file; its bytes are copied. */
  add(row: Uint8Array, position: number): void {
    if (this.#rows.length === 0) this.#firstRow = position;
    const isGood = isJson(row);
    if (!isGood) this.#malformed.add(this.#rows.length);
    const copy = isGood ? row.slice() : nothing;
    this.#rows.push(copy);
    this.#bytes += copy.length + 1;
  }

  /** Gives what was collected, and begins anew. */
  take(readBytes: number): RowBatch {
    const body = new Uint8Array(head.length + this.#bytes - 1 + tail.length);
    body.set(head);
    let at = head.length;
    for (const row of this.#rows) {
      if (at > head.length) body[at++] = comma;
      body.set(row, at);
      at += row.length;
    }
    body.set(tail, at);
    const { length: rows } = this.#rows;
    const batch = { firstRow: this.#firstRow, rows, body, malformed: this.#malformed, readBytes };
    this.#rows = [];
    this.#bytes = 0;
    this.#malformed = new Set();
    return batch;
  }
}

function isJson(row: Uint8Array): boolean {
  try {
    JSON.parse(strictUtf8.decode(row));
    return true;
  } catch {
    return false;
  }
}
