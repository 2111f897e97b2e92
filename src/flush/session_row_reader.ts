/**
 * The rows of a session, flushed or not: its changes, mails, actions and visits, by their time.
 * @module
 */

import { join } from "node:path";
import { encodeName } from "../base/record.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { type NewSessionRow, type SessionRow, sessionRowFolders } from "../catalog/session_rows.ts";
import { rowExtentStride } from "../index/plan.ts";
import type { RowIndex } from "../index/row_index.ts";
import { segmentPath } from "../journal/segment.ts";
import { JsonMembers } from "./json_members.ts";
import { journalDir, parsePartName } from "./layout.ts";
import { LineCutter } from "./lines.ts";
import { OpenSegments } from "./open_segments.ts";
import { sessionRowOf } from "./session_row.ts";
import { gather, type Stretch, StretchReader } from "./stored_bytes.ts";

const maxOpenParts = 8;
const idName = new TextEncoder().encode("id");

/** Where {@link SessionRowReader} looks. */
export interface SessionRowSources {
  readonly dataDir: string;
  readonly indexes: { readonly rows: Pick<RowIndex, "entries"> };
  readonly catalog: Pick<Catalog, "sessionRows">;
}

/** Whose rows. */
export interface RowOwner {
  readonly app: string;
  readonly sid: string;
  /** @default every row of the session */
  readonly rid?: string;
}

/** One row. */
export interface StoredRow {
  /** ms since the epoch. */
  readonly t: number;
  /** Its line: a JSON object, without a line break. */
  readonly line: Uint8Array;
}

/** A row whose line was not read yet, or was. */
type FoundRow = { readonly t: number } & ({ readonly listed: SessionRow } | { readonly line: Uint8Array });

/** Reads rows as of now: what was acknowledged can be read. */
export class SessionRowReader {
  readonly #sources: SessionRowSources;

  constructor(sources: SessionRowSources) {
    this.#sources = sources;
  }

  /** The rows, by their time; of rows with the same time, in the order in which they came. */
  async *rows(owner: RowOwner): AsyncGenerator<StoredRow, void, undefined> {
    const { dataDir } = this.#sources;
    await using parts = new OpenParts();
    const rows = await this.#find(owner);
    // Between the commit of a flush and the news of it, a row is listed and still in the index.
    const open = new Set(rows.flatMap((row) => "line" in row ? [idOf(row.line)] : []));
    for (const row of rows) {
      if ("line" in row) {
        yield row;
        continue;
      }
      const { path, offset, length } = row.listed;
      try {
        const reader = await parts.reader(join(dataDir, path));
        const line = await gather(reader.range(offset, length), length);
        if (!open.has(idOf(line))) yield { t: row.t, line };
      } catch (error) {
        // Retention has removed the part.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }

  async #find(owner: RowOwner): Promise<FoundRow[]> {
    const { indexes, catalog } = this.#sources;
    using segments = new OpenSegments();
    // All in one turn of the event loop: what leaves the index is in the catalog, and its segments are open by then.
    const found: FoundRow[] = catalog.sessionRows.of(owner).map((listed) => ({ t: listed.t, listed }));
    const stretches = sessionRowFolders.flatMap((folder) =>
      [...indexes.rows.entries(`${folder}/app=${encodeName(owner.app)}/`)]
        .flatMap(({ extents }) => this.#open(extents, segments))
    );
    const lines = new LineCutter((line) => {
      const row = sessionRowOf(line, 0);
      if (row !== undefined && belongs(row, owner)) found.push({ t: row.t, line: line.slice() });
    });
    for (const stretch of stretches) {
      for await (const { bytes } of segments.pieces(stretch)) lines.push(bytes);
    }
    return found.sort((a, b) => a.t - b.t);
  }

  #open(extents: Float64Array, segments: OpenSegments): Stretch[] {
    const stretches: Stretch[] = [];
    const dir = journalDir(this.#sources.dataDir);
    for (let i = 0; i < extents.length; i += rowExtentStride) {
      const [segment, offset, length] = extents.subarray(i, i + 3);
      const path = segmentPath(dir, segment);
      segments.open(path);
      stretches.push({ path, compression: "none", offset, length });
    }
    return stretches;
  }
}

function belongs(row: NewSessionRow, { app, sid, rid }: RowOwner): boolean {
  return row.app === app && row.sid === sid && (rid === undefined || row.rid === rid);
}

/** The id that the daemon gave the row. */
function idOf(line: Uint8Array): string {
  const members = new JsonMembers(line);
  while (members.next()) if (members.is(idName)) return members.string();
  return "";
}

/** Parts that stay open from row to row. */
class OpenParts implements AsyncDisposable {
  readonly #readers = new Map<string, StretchReader>();

  async reader(path: string): Promise<StretchReader> {
    const compression = parsePartName(path.slice(path.lastIndexOf("/") + 1))?.compression ?? "none";
    const reader = this.#readers.get(path) ??
      new StretchReader({ path, compression, offset: 0, length: Infinity });
    this.#readers.delete(path);
    this.#readers.set(path, reader);
    if (this.#readers.size > maxOpenParts) {
      const [[oldest, unused]] = this.#readers;
      this.#readers.delete(oldest);
      await unused[Symbol.asyncDispose]();
    }
    return reader;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const reader of this.#readers.values()) await reader[Symbol.asyncDispose]();
  }
}
