/**
 * The tables of the catalog, and how a file of an older version is brought up to date.
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { digestIdentities, sortPlaces } from "./identity_migration.ts";

/** Marks a SQLite file as a catalog of ours: "Weir" in ASCII. */
const applicationId = 0x57656972;

/**
 * What leads from version i to version i + 1: statements, or what runs them.
 *
 * - `parts.n` is unique within one checkpoint, so that a name is never given twice.
 * - `request_lines.id` grows in the order of arrival: of two lines with the same batch, the higher id wins.
 * - `request_lines.batches` holds pairs of float64, little endian: batch index, hash.
 * - `replayed_rows` is filled only by a rebuild, see `src/flush/reindex.ts`.
 * - `requests.columns` holds the columns that lists show, as JSON: name to [value, t, index].
 * - `session_rows.offset` counts uncompressed bytes from the start of the part.
 * - `entities` holds profiles and groups, each by the key that `src/index/entity_row.ts` gives it, as JSON.
 * - `sessions` holds the state of sessions, each with the last frame of the journal that is in it.
 * - `meta` holds the key of the identities' digests as `identity_secret`.
 * - Tables of identities come and go with the days, see `identities.ts`.
 */
const migrations: readonly (string | ((database: DatabaseSync) => void))[] = [
  `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
  CREATE TABLE parts (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    partition TEXT NOT NULL,
    directory TEXT NOT NULL,
    day TEXT NOT NULL,
    checkpoint INTEGER NOT NULL,
    n INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    written_at INTEGER NOT NULL
  );
  CREATE INDEX parts_by_checkpoint ON parts (checkpoint, n);
  CREATE INDEX parts_by_age ON parts (written_at, id);
  CREATE TABLE request_lines (
    id INTEGER PRIMARY KEY,
    app TEXT NOT NULL,
    sid TEXT NOT NULL,
    rid TEXT NOT NULL,
    part INTEGER NOT NULL REFERENCES parts (id),
    offset INTEGER NOT NULL,
    length INTEGER NOT NULL,
    head_bytes INTEGER NOT NULL,
    first_t REAL NOT NULL,
    last_t REAL NOT NULL,
    total REAL NOT NULL,
    replaced INTEGER NOT NULL,
    through_segment INTEGER NOT NULL,
    through_offset INTEGER NOT NULL,
    batches BLOB NOT NULL
  );
  CREATE INDEX request_lines_by_request ON request_lines (app, sid, rid, id);
  CREATE INDEX request_lines_by_part ON request_lines (part);
  CREATE TABLE replies (
    key TEXT PRIMARY KEY,
    status INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    body TEXT NOT NULL,
    at INTEGER NOT NULL
  );
  CREATE INDEX replies_by_age ON replies (at);
  CREATE TABLE replayed_rows (digest BLOB PRIMARY KEY) WITHOUT ROWID;
  `,
  // Lines of before are listed without their metadata; `weir reindex` reads it from the parts.
  `
  CREATE TABLE requests (
    id INTEGER PRIMARY KEY,
    app TEXT NOT NULL,
    sid TEXT NOT NULL,
    rid TEXT NOT NULL,
    first_t REAL NOT NULL,
    last_t REAL NOT NULL,
    total REAL NOT NULL,
    replaced INTEGER NOT NULL,
    batches INTEGER NOT NULL,
    missing REAL NOT NULL,
    complete INTEGER NOT NULL,
    columns TEXT NOT NULL
  );
  CREATE UNIQUE INDEX requests_by_name ON requests (app, rid, sid);
  CREATE INDEX requests_by_time ON requests (app, first_t, sid, rid);
  CREATE INDEX requests_by_session ON requests (app, sid, first_t, rid);
  INSERT INTO requests (app, sid, rid, first_t, last_t, total, replaced, batches, missing, complete, columns)
  SELECT app, sid, rid, min(first_t), max(last_t), max(total), sum(replaced), sum(length(batches) / 16), 0,
    max(total) >= 0 AND sum(length(batches) / 16) = max(total), '{}'
  FROM request_lines GROUP BY app, sid, rid;
  CREATE TABLE session_rows (
    id INTEGER PRIMARY KEY,
    app TEXT NOT NULL,
    sid TEXT NOT NULL,
    rid TEXT,
    t REAL NOT NULL,
    part INTEGER NOT NULL REFERENCES parts (id),
    offset INTEGER NOT NULL,
    length INTEGER NOT NULL
  );
  CREATE INDEX session_rows_by_session ON session_rows (app, sid, t, id);
  CREATE INDEX session_rows_by_part ON session_rows (part);
  `,
  `
  CREATE TABLE entities (key TEXT PRIMARY KEY, version INTEGER NOT NULL, row TEXT NOT NULL);
  `,
  `
  CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    is_open INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    through_segment INTEGER NOT NULL,
    through_offset INTEGER NOT NULL,
    state TEXT NOT NULL
  );
  CREATE INDEX sessions_open ON sessions (is_open) WHERE is_open = 1;
  CREATE INDEX sessions_by_age ON sessions (received_at);
  `,
  "CREATE INDEX parts_by_partition ON parts (partition);",
  digestIdentities,
  sortPlaces,
];

/** The catalog cannot be used. The message names no path and no content. */
export class CatalogError extends Error {
  override readonly name = "CatalogError";
  /** `unreadable`: no catalog of ours, or damaged; `newer`: written by a later version of Weir. */
  readonly reason: "unreadable" | "newer";

  constructor(reason: CatalogError["reason"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/**
 * Opens the file for writing; creates it or brings it up to date where needed.
 * @param path Of the SQLite file.
 * @throws CatalogError
 */
export function openForWriting(path: string): DatabaseSync {
  const database = open(path, false);
  try {
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA cache_size = -32768;
      PRAGMA wal_autocheckpoint = 8192;
      PRAGMA journal_size_limit = 67108864;
    `);
    migrate(database);
    return database;
  } catch (error) {
    database.close();
    throw asCatalogError(error);
  }
}

/**
 * Opens the file for reading only; it must exist and be up to date.
 * @param path Of the SQLite file.
 * @throws CatalogError
 */
export function openForReading(path: string): DatabaseSync {
  const database = open(path, true);
  try {
    const version = versionOf(database);
    if (version === migrations.length) return database;
    throw new CatalogError(
      version > migrations.length ? "newer" : "unreadable",
      `Cannot read the catalog: its version must be ${migrations.length}: current value is ${version}`,
    );
  } catch (error) {
    database.close();
    throw asCatalogError(error);
  }
}

/**
 * Reads all of the file to see whether it is whole: about 1.6 s a GB.
 * @param path Of the SQLite file; it must exist and be up to date.
 * @throws CatalogError when it is not
 */
export function checkWhole(path: string): void {
  const database = openForReading(path);
  try {
    const [{ quick_check: verdict }] = database.prepare("PRAGMA quick_check(1)").all();
    if (verdict === "ok") return void readIdentitySecret(database);
    throw new CatalogError("unreadable", "Cannot use the catalog: the file is damaged");
  } catch (error) {
    throw asCatalogError(error);
  } finally {
    database.close();
  }
}

/**
 * The key of the digests of identities, which every catalog has.
 * @throws CatalogError when it has none
 */
export function readIdentitySecret(database: DatabaseSync): Uint8Array {
  const row = database.prepare("SELECT value FROM meta WHERE name = 'identity_secret'").get();
  const secret = (row as unknown as { value: unknown } | undefined)?.value;
  if (secret instanceof Uint8Array) return secret;
  throw new CatalogError("unreadable", "Cannot use the catalog: the key of its identities is missing");
}

function open(path: string, readOnly: boolean): DatabaseSync {
  try {
    const database = new DatabaseSync(path, { readOnly });
    database.exec("PRAGMA busy_timeout = 10000");
    return database;
  } catch (error) {
    // The runtime's text names the path, and no path may reach a log line: so no `cause` here.
    const text = error instanceof Error ? error.message.replaceAll(path, "catalog.sqlite") : String(error);
    throw new CatalogError("unreadable", `Cannot open the catalog: ${text}`);
  }
}

function migrate(database: DatabaseSync): void {
  const version = versionOf(database);
  if (version > migrations.length) {
    throw new CatalogError(
      "newer",
      `Cannot open the catalog: its version must be at most ${migrations.length}: current value is ${version}`,
    );
  }
  if (version === migrations.length) return;
  database.exec("BEGIN IMMEDIATE");
  for (const step of migrations.slice(version)) {
    if (typeof step === "string") database.exec(step);
    else step(database);
  }
  database.exec(`PRAGMA application_id = ${applicationId}`);
  database.exec(`PRAGMA user_version = ${migrations.length}`);
  database.exec("COMMIT");
}

/** @throws CatalogError when the file holds something that is no catalog */
function versionOf(database: DatabaseSync): number {
  const { application_id } = database.prepare("PRAGMA application_id").get() as { application_id: number };
  const { user_version } = database.prepare("PRAGMA user_version").get() as { user_version: number };
  const { tables } = database.prepare("SELECT count(*) AS tables FROM sqlite_schema").get() as {
    tables: number;
  };
  if (application_id !== applicationId && (tables > 0 || user_version > 0)) {
    throw new CatalogError("unreadable", "Cannot open the catalog: the file is no catalog of Weir");
  }
  return user_version;
}

function asCatalogError(error: unknown): CatalogError {
  if (error instanceof CatalogError) return error;
  return new CatalogError("unreadable", "Cannot open the catalog: the file cannot be read as one", {
    cause: error,
  });
}
