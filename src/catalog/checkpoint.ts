/**
 * The one writer of the catalog. A checkpoint is one transaction, and it is the only commit point of a flush:
 * a part that no committed transaction lists does not exist.
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { IdentityMemo } from "../base/identity.ts";
import { dayOf, type KeptReply } from "../base/record.ts";
import type { PartInfo, SessionSnapshot } from "../index/plan.ts";
import type { RequestLine } from "./catalog.ts";
import { type ListedValues, RequestLister } from "./listed_requests.ts";
import { dropIdentities, identityDays, IdentityWriter } from "./identities.ts";
import { addSessionRow, type NewSessionRow } from "./session_rows.ts";
import { openForWriting, readIdentitySecret } from "./schema.ts";

/** A part with what the catalog alone needs to know of it. */
export interface ListedPart extends PartInfo {
  /** Unique within a checkpoint. */
  readonly n: number;
  /** Folder of its kind, such as `events`. */
  readonly directory: string;
  /** Day of the partition, `YYYY-MM-DD`. */
  readonly day: string;
}

/** A request line to be listed. */
export interface NewRequestLine extends Omit<RequestLine, "id" | "path"> {
  /** What lists of requests show of the line's metadata. */
  readonly values: ListedValues;
}

/** What a commit moves. */
export interface CommitOptions {
  /** First journal segment whose rows are not in parts. */
  readonly checkpoint: number;
  /** Name of this flush, by which {@link CheckpointWriter.lastFlush} tells whether it was committed. */
  readonly flushId: string;
}

/** Writes the catalog; one transaction at a time. */
export class CheckpointWriter {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #requests: RequestLister;
  readonly #addSessionRow: (part: number, row: NewSessionRow) => void;
  readonly #identities: IdentityWriter;

  /**
   * @param path Of the SQLite file; made when there is none.
   * @param options `isDraft`: nothing is synced, because the file gets its name only when it is finished.
   * @throws CatalogError
   */
  constructor(path: string, { isDraft = false } = {}) {
    this.#database = openForWriting(path);
    if (isDraft) this.#database.exec("PRAGMA synchronous = OFF");
    this.#requests = new RequestLister(this.#database);
    this.#identities = new IdentityWriter(this.#database);
    this.#addSessionRow = addSessionRow(this.#database);
  }

  /** Begins a transaction. @param now Wall clock, ms since the epoch: names the table of its identities. */
  begin(now: number): void {
    this.#database.exec("BEGIN IMMEDIATE");
    this.#identities.begin(dayOf(now));
  }

  /** The first number of a part that this checkpoint has not given yet. */
  nextPartNumber(checkpoint: number): number {
    const row = this.#prepare("SELECT max(n) AS n FROM parts WHERE checkpoint = ?").get(checkpoint);
    const { n } = row as unknown as { n: number | null };
    return n === null ? 0 : n + 1;
  }

  /** Lists a part and returns its id. */
  addPart(part: ListedPart): number {
    const result = this.#prepare(`
      INSERT INTO parts (path, partition, directory, day, checkpoint, n, rows, bytes, written_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`).run(
      part.path,
      part.partition,
      part.directory,
      part.day,
      part.checkpoint,
      part.n,
      part.rows,
      part.bytes,
      part.writtenAt,
    );
    return Number(result.lastInsertRowid);
  }

  /** Sets what is known of a part once it is written. */
  finishPart(id: number, rows: number, bytes: number): void {
    this.#prepare("UPDATE parts SET rows = ?, bytes = ? WHERE id = ?").run(rows, bytes, id);
  }

  /** Lists a request's line in the part with this id. */
  addRequestLine(part: number, request: RequestName, line: NewRequestLine): void {
    const { buffer, byteOffset, byteLength } = line.batches;
    this.#prepare(`
      INSERT INTO request_lines (app, sid, rid, part, offset, length, head_bytes, first_t, last_t, total,
        replaced, through_segment, through_offset, batches)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`).run(
      request.app,
      request.sid,
      request.rid,
      part,
      line.offset,
      line.length,
      line.headBytes,
      line.firstT,
      line.lastT,
      line.total,
      line.replaced,
      line.through.segment,
      line.through.offset,
      new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength),
    );
    this.#requests.add(request, line);
  }

  /** Lists a row of a session in the part with this id. */
  addSessionRow(part: number, row: NewSessionRow): void {
    this.#addSessionRow(part, row);
  }

  /** What earlier lines of a request say, in the order of arrival. */
  earlierLines(request: RequestName): EarlierLine[] {
    const rows = this.#prepare(`
      SELECT total, batches FROM request_lines WHERE app = ? AND sid = ? AND rid = ? ORDER BY id`)
      .all(request.app, request.sid, request.rid) as unknown as { total: number; batches: Uint8Array }[];
    return rows.map(({ total, batches }) => ({ total, batches: new Float64Array(batches.slice().buffer) }));
  }

  /** Where earlier lines of a request lie, in the order of arrival. */
  earlierPlaces({ app, sid, rid }: RequestName): EarlierPlace[] {
    const rows = this.#prepare(`
      SELECT p.path, l.offset, l.length, l.head_bytes AS headBytes
      FROM request_lines l JOIN parts p ON p.id = l.part WHERE app = ? AND sid = ? AND rid = ? ORDER BY l.id`)
      .all(app, sid, rid);
    return rows as unknown as EarlierPlace[];
  }

  /** The key of the digests of identities. @throws CatalogError */
  identitySecret(): Uint8Array {
    return readIdentitySecret(this.#database);
  }

  /** Remembers an identity. @param digests Its digest are the words from number `at` on. */
  addIdentity(digests: Int32Array, at: number, memo: IdentityMemo): void {
    this.#identities.add(digests, at, memo);
  }

  /** Keeps a reply; of two with one key, the later. */
  addReply(key: string, reply: KeptReply): void {
    this.#prepare(
      "INSERT OR REPLACE INTO replies (key, status, content_type, body, at) VALUES (?, ?, ?, ?, ?)",
    )
      .run(key, reply.status, reply.contentType, reply.body, reply.at);
  }

  /** The state of a profile or group as JSON, as the open transaction has it. */
  entity(key: string): string | undefined {
    const found = this.#prepare("SELECT row FROM entities WHERE key = ?").get(key);
    return (found as unknown as { row: string } | undefined)?.row;
  }

  /** Keeps the state of a profile or group, unless a higher version is there. */
  putEntity(key: string, version: number, row: string): void {
    this.#prepare(`
      INSERT INTO entities (key, version, row) VALUES (?, ?, ?)
      ON CONFLICT (key) DO UPDATE SET version = excluded.version, row = excluded.row
      WHERE excluded.version > entities.version`).run(key, version, row);
  }

  /** Keeps the state of a session. */
  putSession({ id, isOpen, receivedAt, through, state }: SessionSnapshot): void {
    this.#prepare("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?)")
      .run(id, isOpen ? 1 : 0, receivedAt, through.segment, through.offset, state);
  }

  /** Keeps a state of a session that was made from its row, unless as much is known. Only a rebuild does this. */
  restoreSession({ id, isOpen, receivedAt, through, state }: SessionSnapshot): void {
    this.#prepare(`
      INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET received_at = excluded.received_at, state = excluded.state
      WHERE sessions.through_segment < 0
        AND json_extract(excluded.state, '$.version') >= json_extract(sessions.state, '$.version')`)
      .run(id, isOpen ? 1 : 0, receivedAt, through.segment, through.offset, state);
  }

  /** Forgets ended sessions for which nothing came since this time, ms since the epoch. Returns how many. */
  forgetSessions(before: number): number {
    const statement = this.#prepare("DELETE FROM sessions WHERE received_at < ? AND is_open = 0");
    return Number(statement.run(before).changes);
  }

  /** Remembers a row that is in a part, while its segment may be read back. Only a rebuild does this. */
  addReplayedRow(digest: Uint8Array): void {
    this.#prepare("INSERT OR IGNORE INTO replayed_rows VALUES (?)").run(digest);
  }

  /** Commits a checkpoint: from here on its parts exist. */
  commit({ checkpoint, flushId }: CommitOptions): void {
    this.#prepare("DELETE FROM replayed_rows").run();
    this.#setMeta("checkpoint", checkpoint);
    this.#setMeta("last_flush", flushId);
    this.commitAsIs();
  }

  /** Commits what was added, leaving the checkpoint where it is. */
  commitAsIs(): void {
    this.#identities.finish();
    this.#database.exec("COMMIT");
  }

  /** Sets where reading the journal back begins, without forgetting replayed rows. Only a rebuild does this. */
  setCheckpoint(checkpoint: number): void {
    this.#setMeta("checkpoint", checkpoint);
  }

  /** Forgets the open transaction, if there is one. */
  rollback(): void {
    this.#identities.forget();
    if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
  }

  /** Name of the last flush that was committed; "" before the first. */
  lastFlush(): string {
    const row = this.#prepare("SELECT value FROM meta WHERE name = 'last_flush'").get();
    return (row as unknown as { value: string } | undefined)?.value ?? "";
  }

  /** Where the listed parts lie, below data_dir. */
  *partPaths(): Generator<string, void, undefined> {
    for (const row of this.#prepare("SELECT path FROM parts").iterate()) {
      yield (row as unknown as { path: string }).path;
    }
  }

  /** Listed parts, oldest first, as retention looks at them. */
  *partsByAge(): Generator<AgedPart, void, undefined> {
    const rows = this.#prepare(
      "SELECT id, path, day, bytes, written_at AS writtenAt FROM parts ORDER BY written_at, id",
    );
    for (const row of rows.iterate()) yield row as unknown as AgedPart;
  }

  /** Bytes of all listed parts. */
  totalBytes(): number {
    const row = this.#prepare("SELECT coalesce(sum(bytes), 0) AS bytes FROM parts").get();
    return (row as unknown as { bytes: number }).bytes;
  }

  /** Takes a part, and what lies in it, off the list. */
  removePart(id: number): void {
    const names = this.#prepare("SELECT DISTINCT app, sid, rid FROM request_lines WHERE part = ?").all(id);
    this.#prepare("DELETE FROM request_lines WHERE part = ?").run(id);
    for (const name of names as unknown as RequestName[]) this.#requests.recount(name);
    this.#prepare("DELETE FROM session_rows WHERE part = ?").run(id);
    this.#prepare("DELETE FROM parts WHERE id = ?").run(id);
  }

  /** Forgets the identities first seen on days before this one. Returns how many days. */
  forgetIdentities(firstDayKept: string): number {
    const days = identityDays(this.#database).filter((day) => day < firstDayKept);
    for (const day of days) dropIdentities(this.#database, day);
    return days.length;
  }

  /** Forgets the replies given before this time, ms since the epoch. Returns how many. */
  forgetReplies(before: number): number {
    return Number(this.#prepare("DELETE FROM replies WHERE at < ?").run(before).changes);
  }

  close(): void {
    this.rollback();
    this.#database.close();
  }

  #setMeta(name: string, value: string | number): void {
    this.#prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)").run(name, value);
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, statement = this.#database.prepare(sql));
    return statement;
  }
}

/** Which request. */
export interface RequestName {
  readonly app: string;
  readonly sid: string;
  readonly rid: string;
}

/** What an earlier line of a request says. */
export interface EarlierLine {
  /** Declared number of batches, or -1. */
  readonly total: number;
  /** Batch index and hash, in turn. */
  readonly batches: Float64Array;
}

/** Where an earlier line of a request lies. */
export interface EarlierPlace {
  /** Of its part, below data_dir. */
  readonly path: string;
  readonly offset: number;
  readonly length: number;
  readonly headBytes: number;
}

/** A listed part, as retention looks at it. */
export interface AgedPart {
  readonly id: number;
  readonly path: string;
  readonly day: string;
  readonly bytes: number;
  /** Wall clock, ms since the epoch. */
  readonly writtenAt: number;
}
