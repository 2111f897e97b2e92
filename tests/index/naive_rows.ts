/**
 * What an index of rows, identities and replies must know, done the slow and plain way.
 * @module
 */

/** A row or a reply. */
export interface NaiveRow {
  /** The row's id, or the reply's key. */
  readonly id: string;
  readonly kind: "row" | "reply";
  /** Key of its identity. */
  readonly key: string | undefined;
  state: "pending" | "placed" | "inFlush" | "flushed";
  segment: number;
}

/** The model. */
export class NaiveRows {
  rows: NaiveRow[] = [];

  /** Is there a row with this identity, stored or on its way? */
  knows(key: string): boolean {
    return this.rows.some((row) => row.key === key);
  }

  reserve(id: string, kind: NaiveRow["kind"], key?: string): NaiveRow {
    const row: NaiveRow = { id, kind, key, state: "pending", segment: 0 };
    this.rows.push(row);
    return row;
  }

  place(row: NaiveRow, segment: number): void {
    row.state = "placed";
    row.segment = segment;
  }

  release(row: NaiveRow): void {
    this.rows.splice(this.rows.indexOf(row), 1);
  }

  /** Ids of what a flush must write. */
  take(checkpoint: number): NaiveRow[] {
    const taken = this.rows.filter((row) => row.state === "placed" && row.segment < checkpoint);
    for (const row of taken) row.state = "inFlush";
    return taken;
  }

  committed(): void {
    for (const row of this.rows) if (row.state === "inFlush") row.state = "flushed";
  }

  failed(): void {
    for (const row of this.rows) if (row.state === "inFlush") row.state = "placed";
  }

  crashed(): void {
    this.failed();
    this.rows = this.rows.filter((row) => row.state !== "pending");
  }

  /** Ids of the rows, or keys of the replies, that the journal holds and no committed part does. */
  here(kind: NaiveRow["kind"]): string[] {
    return this.rows.filter((row) => row.kind === kind && /placed|inFlush/.test(row.state)).map((row) =>
      row.id
    );
  }
}
