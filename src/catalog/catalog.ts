/**
 * The catalog as the main thread sees it: what was flushed, read-only. The flush worker alone writes it.
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { createHash } from "node:crypto";
import type { IdentityMemo } from "../base/identity.ts";
import type { KeptReply } from "../base/record.ts";
import type { CatalogReader } from "../index/catalog_reader.ts";
import type { SessionSnapshot } from "../index/plan.ts";
import type { SessionReader } from "../index/session_keeper.ts";
import type { JournalPosition } from "../journal/segment.ts";
import { IdentityReader } from "./identities.ts";
import { RequestPages } from "./listed_requests.ts";
import { SessionRowPages } from "./session_rows.ts";
import { openForReading, readIdentitySecret } from "./schema.ts";

/** One line of a request in a part. */
export interface RequestLine {
  /** Grows in the order of arrival. */
  readonly id: number;
  /** The part, below data_dir. */
  readonly path: string;
  /** Where the line, or the first compressed piece of it, begins in the part. */
  readonly offset: number;
  /** Bytes in the part, the line break included. */
  readonly length: number;
  /** Bytes of the line, uncompressed, up to and with the `[` of its events. */
  readonly headBytes: number;
  readonly firstT: number;
  readonly lastT: number;
  /** Declared number of batches, or -1. */
  readonly total: number;
  readonly replaced: number;
  /** The last place in the journal that is in this line. */
  readonly through: JournalPosition;
  /** Batch index and hash, in turn. */
  readonly batches: Float64Array;
}

/** Reads the catalog. Each call sees what the last commit left, and never waits for the writer. */
export class Catalog implements CatalogReader, SessionReader {
  /** Lists of requests. */
  readonly requests: RequestPages;
  /** Rows that belong to sessions. */
  readonly sessionRows: SessionRowPages;
  readonly #database: DatabaseSync;
  readonly #reply: StatementSync;
  readonly #checkpoint: StatementSync;
  readonly #lastFlush: StatementSync;
  readonly #lines: StatementSync;
  readonly #batches: StatementSync;
  readonly #through: StatementSync;
  readonly #isReplayed: StatementSync;
  readonly #entity: StatementSync;
  readonly #partsBelow: StatementSync;
  readonly #session: StatementSync;
  #identities: IdentityReader | undefined;
  #isStale = true;
  #hasReplayedRows = false;

  /**
   * @param path Of the SQLite file; it must exist.
   * @throws CatalogError
   */
  constructor(path: string) {
    const database = openForReading(path);
    this.#database = database;
    this.requests = new RequestPages(database);
    this.sessionRows = new SessionRowPages(database);
    this.#reply = database.prepare("SELECT status, content_type, body, at FROM replies WHERE key = ?");
    this.#checkpoint = database.prepare("SELECT value FROM meta WHERE name = 'checkpoint'");
    this.#lastFlush = database.prepare("SELECT value FROM meta WHERE name = 'last_flush'");
    this.#lines = database.prepare(`
      SELECT l.*, p.path FROM request_lines l JOIN parts p ON p.id = l.part
      WHERE app = ? AND sid = ? AND rid = ? ORDER BY l.id`);
    this.#batches = database.prepare(
      "SELECT batches FROM request_lines WHERE app = ? AND sid = ? AND rid = ? ORDER BY id",
    );
    this.#through = database.prepare(`
      SELECT through_segment, through_offset FROM request_lines
      WHERE app = ? AND sid = ? AND rid = ? ORDER BY id DESC LIMIT 1`);
    this.#isReplayed = database.prepare("SELECT 1 FROM replayed_rows WHERE digest = ?");
    this.#session = database.prepare("SELECT * FROM sessions WHERE id = ?");
    this.#partsBelow = database.prepare(
      "SELECT path, partition FROM parts WHERE partition >= ? AND partition < ? ORDER BY checkpoint, n",
    );
    this.#entity = database.prepare("SELECT row FROM entities WHERE key = ?");
  }

  /** To be called after each flush: tables of identities come and go. Looked at with the next look-up. */
  refresh(): void {
    this.#isStale = true;
  }

  /** The key of the digests of identities. */
  identitySecret(): Uint8Array {
    return readIdentitySecret(this.#database);
  }

  /** What the first row with this identity was answered; undefined when none was flushed. */
  identity(digests: Int32Array, at: number): IdentityMemo | undefined {
    try {
      return this.#findIdentity(digests, at);
    } catch {
      // The worker dropped the oldest table since the last refresh. What else is wrong shows again.
      this.#isStale = true;
      return this.#findIdentity(digests, at);
    }
  }

  /** The digest of every identity that was flushed, youngest day first; read page by page. */
  identityDigests(): Generator<Int32Array, void, undefined> {
    return new IdentityReader(this.#database).digests();
  }

  /** The reply kept for an Idempotency-Key with its scope. */
  reply(key: string): KeptReply | undefined {
    const row = this.#reply.get(key) as unknown as ReplyRow | undefined;
    return row && replyOf(row);
  }

  /** The batches of a request that lie in parts, index to hash of the youngest; undefined when there are none. */
  flushedBatches(app: string, sid: string, rid: string): Map<number, number> | undefined {
    const rows = this.#batches.all(app, sid, rid) as unknown as Pick<LineRow, "batches">[];
    if (rows.length === 0) return undefined;
    const batches = new Map<number, number>();
    for (const row of rows) {
      const pairs = pairsOf(row.batches);
      for (let i = 0; i < pairs.length; i += 2) batches.set(pairs[i], pairs[i + 1]);
    }
    return batches;
  }

  /**
   * Up to where in the journal a request's records are in parts, that place included; undefined when none are.
   * Reading the journal back must pass these over: a hash alone cannot tell an older batch from its replacement.
   */
  flushedThrough(app: string, sid: string, rid: string): JournalPosition | undefined {
    const row = this.#through.get(app, sid, rid) as unknown as LineRow | undefined;
    return row && { segment: row.through_segment, offset: row.through_offset };
  }

  /** The lines of a request in parts, in the order of arrival. */
  requestLines(app: string, sid: string, rid: string): RequestLine[] {
    return (this.#lines.all(app, sid, rid) as unknown as LineRow[]).map(lineOf);
  }

  /** Number of the first journal segment whose rows are not in parts; 0 before the first flush. */
  checkpoint(): number {
    return (this.#checkpoint.get() as unknown as { value: number } | undefined)?.value ?? 0;
  }

  /** Name of the last flush that was committed; "" before the first. */
  lastFlush(): string {
    return (this.#lastFlush.get() as unknown as { value: string } | undefined)?.value ?? "";
  }

  /** Every kept reply with its key. */
  *replies(): Generator<[string, KeptReply], void, undefined> {
    const rows = this.#database.prepare("SELECT key, status, content_type, body, at FROM replies").iterate();
    for (const row of rows) {
      const { key, ...reply } = row as unknown as ReplyRow & { key: string };
      yield [key, replyOf(reply)];
    }
  }

  /** The state of a profile or group as JSON; undefined when it is not known. */
  entity(key: string): string | undefined {
    return (this.#entity.get(key) as unknown as { row: string } | undefined)?.row;
  }

  /** The parts whose partition begins with `folder`, in the order in which they were written. */
  partsBelow(folder: string): { readonly path: string; readonly partition: string }[] {
    return this.#partsBelow.all(folder, `${folder}\u{10ffff}`) as unknown as {
      path: string;
      partition: string;
    }[];
  }

  /** Every state of a profile or group, with its key and version. */
  *entities(): Generator<{ key: string; version: number; row: string }, void, undefined> {
    for (const row of this.#database.prepare("SELECT key, version, row FROM entities").iterate()) {
      yield row as unknown as { key: string; version: number; row: string };
    }
  }

  /** The state of a session as of the last flush; undefined when it is not known. */
  session(id: string): SessionSnapshot | undefined {
    const row = this.#session.get(id) as unknown as SessionRow | undefined;
    return row && snapshotOf(row);
  }

  /** Every session that is known. */
  *sessions(): Generator<SessionSnapshot, void, undefined> {
    for (const row of this.#database.prepare("SELECT * FROM sessions").iterate()) {
      yield snapshotOf(row as unknown as SessionRow);
    }
  }

  /** The sessions that were open at the last flush. */
  *openSessions(): Generator<SessionSnapshot, void, undefined> {
    const rows = this.#database.prepare("SELECT * FROM sessions WHERE is_open = 1").iterate();
    for (const row of rows) yield snapshotOf(row as unknown as SessionRow);
  }

  /**
   * Is this row in a part, though its segment is behind the checkpoint? Only after a rebuild can that be so.
   * @param line The row's bytes, with or without the line break.
   */
  isReplayed(line: Uint8Array): boolean {
    if (this.#isStale) this.#look();
    return this.#hasReplayedRows && this.#isReplayed.get(rowDigest(line)) !== undefined;
  }

  close(): void {
    this.#database.close();
  }

  /** Prepares what depends on which tables there are. Stays stale when that fails. */
  #look(): void {
    this.#identities = new IdentityReader(this.#database);
    this.#hasReplayedRows = this.#database.prepare("SELECT 1 FROM replayed_rows LIMIT 1").get() !== undefined;
    this.#isStale = false;
  }

  #findIdentity(digests: Int32Array, at: number): IdentityMemo | undefined {
    if (this.#isStale) this.#look();
    return this.#identities?.find(digests, at);
  }
}

/** What tells a row from every other: 16 bytes of SHA-256 over its line, without the line break. */
export function rowDigest(line: Uint8Array): Uint8Array {
  const end = line.at(-1) === 0x0a ? line.length - 1 : line.length;
  return createHash("sha256").update(line.subarray(0, end)).digest().subarray(0, 16);
}

interface SessionRow {
  id: string;
  is_open: number;
  received_at: number;
  through_segment: number;
  through_offset: number;
  state: string;
}

interface ReplyRow {
  status: number;
  content_type: string;
  body: string;
  at: number;
}

interface LineRow {
  id: number;
  path: string;
  offset: number;
  length: number;
  head_bytes: number;
  first_t: number;
  last_t: number;
  total: number;
  replaced: number;
  through_segment: number;
  through_offset: number;
  batches: Uint8Array;
}

function snapshotOf(row: SessionRow): SessionSnapshot {
  return {
    id: row.id,
    isOpen: row.is_open === 1,
    receivedAt: row.received_at,
    through: { segment: row.through_segment, offset: row.through_offset },
    state: row.state,
  };
}

function replyOf({ status, content_type, body, at }: ReplyRow): KeptReply {
  return { status, contentType: content_type, body, at };
}

function lineOf(row: LineRow): RequestLine {
  return {
    id: row.id,
    path: row.path,
    offset: row.offset,
    length: row.length,
    headBytes: row.head_bytes,
    firstT: row.first_t,
    lastT: row.last_t,
    total: row.total,
    replaced: row.replaced,
    through: { segment: row.through_segment, offset: row.through_offset },
    batches: pairsOf(row.batches),
  };
}

/** A copy, because float64 needs an aligned buffer. */
function pairsOf(blob: Uint8Array): Float64Array {
  return new Float64Array(blob.slice().buffer);
}
