/**
 * Where the rows of a session lie in parts: changes, mails, actions and visits, of which there are few enough to be
 * listed one by one.
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";

/** Folders of the rows that are listed. */
export const sessionRowFolders: readonly string[] = ["changes", "mails", "actions", "visits"];

/** One row in a part. */
export interface SessionRow {
  /** Grows in the order of arrival. */
  readonly id: number;
  /** The part, below data_dir. */
  readonly path: string;
  /** Time of the row, ms since the epoch. */
  readonly t: number;
  /** Bytes from the start of the part to its line, uncompressed. */
  readonly offset: number;
  /** Bytes of its line, without the line break. */
  readonly length: number;
}

/** A row to be listed. */
export interface NewSessionRow extends Omit<SessionRow, "id" | "path"> {
  readonly app: string;
  readonly sid: string;
  /** The request it belongs to; null where it names none. */
  readonly rid: string | null;
}

/** Lists rows; for the one writer. */
export function addSessionRow(database: DatabaseSync): (part: number, row: NewSessionRow) => void {
  const insert = database.prepare(
    "INSERT INTO session_rows (app, sid, rid, t, part, offset, length) VALUES (?, ?, ?, ?, ?, ?, ?)",
  );
  return (part, { app, sid, rid, t, offset, length }) => {
    insert.run(app, sid, rid, t, part, offset, length);
  };
}

/** Finds listed rows. */
export class SessionRowPages {
  readonly #bySession: StatementSync;
  readonly #byRequest: StatementSync;

  constructor(database: DatabaseSync) {
    const select =
      "SELECT r.id, p.path, r.t, r.offset, r.length FROM session_rows r JOIN parts p ON p.id = r.part";
    this.#bySession = database.prepare(`${select} WHERE r.app = ? AND r.sid = ? ORDER BY r.t, r.id`);
    this.#byRequest = database.prepare(
      `${select} WHERE r.app = ? AND r.sid = ? AND r.rid = ? ORDER BY r.t, r.id`,
    );
  }

  /** The rows of a session, or of one of its requests, by their time. */
  of({ app, sid, rid }: { app: string; sid: string; rid?: string }): SessionRow[] {
    const rows = rid === undefined ? this.#bySession.all(app, sid) : this.#byRequest.all(app, sid, rid);
    return rows as unknown as SessionRow[];
  }
}
