/**
 * Events of a project, the newest first, flushed or not. What is held in memory is where they lie, never more of
 * their lines than one at a time.
 * @module
 */

import { Buffer } from "node:buffer";
import { join } from "node:path";
import { encodeName, recordKinds } from "../base/record.ts";
import { WeirError } from "../base/errors.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { rowExtentStride } from "../index/plan.ts";
import type { RowIndex } from "../index/row_index.ts";
import { segmentPath } from "../journal/segment.ts";
import { journalDir, parsePartName, partitionDay } from "./layout.ts";
import { LineCutter } from "./lines.ts";
import { Newest } from "./newest.ts";
import { rowFront } from "./row_front.ts";
import { type FoundLine, FoundLines } from "./found_lines.ts";
import type { Stretch } from "./stored_bytes.ts";

/** Each may read all that is stored, and holds some MiB until its reply is sent. */
const maxRunning = 16;

/** Where {@link EventReader} looks. */
export interface EventSources {
  readonly dataDir: string;
  readonly indexes: { readonly rows: Pick<RowIndex, "entries"> };
  readonly catalog: Pick<Catalog, "partsBelow">;
}

/** Which events are wanted. */
export interface EventQuery {
  readonly project: string;
  /** @default any */
  readonly session?: string;
  /** @default any */
  readonly device?: string;
  /** First and last time that is wanted, ms since the epoch. */
  readonly from: number;
  readonly to: number;
  readonly limit: number;
}

/** Everything of one day. */
interface Day {
  readonly day: string;
  readonly stretches: Stretch[];
}

/** Reads events as of now: what was acknowledged can be read. */
export class EventReader {
  readonly #sources: EventSources;
  #running = 0;

  constructor(sources: EventSources) {
    this.#sources = sources;
  }

  /**
   * The lines of the events, the newest first. They are found before this resolves, and read as they are asked for;
   * whoever asks must dispose of them.
   * @throws WeirError `overloaded` when too many are reading already
   */
  async newest(query: EventQuery): Promise<FoundLines> {
    if (this.#running >= maxRunning) {
      throw new WeirError("overloaded", "Too many requests for events are running", { retryAfterS: 2 });
    }
    this.#running++;
    const lines = new FoundLines(() => this.#running--);
    try {
      await this.#find(query, lines);
      return lines;
    } catch (error) {
      lines[Symbol.dispose]();
      throw error;
    }
  }

  async #find(query: EventQuery, lines: FoundLines): Promise<void> {
    const newest = new Newest<FoundLine>(query.limit);
    for (const { stretches } of this.#days(query, lines)) {
      for (const stretch of stretches) await collect(stretch, { query, newest, lines });
      // Every event of a day before is older.
      if (newest.isFull) break;
    }
    lines.hold(newest.rows());
  }

  /** What there is, by day, the last day first; parts before what the journal holds. */
  #days({ project, from, to }: EventQuery, lines: FoundLines): Day[] {
    const { indexes, catalog, dataDir } = this.#sources;
    const folder = `${recordKinds.event.directory}/project=${encodeName(project)}/`;
    const [first, last] = [dayText(from), dayText(to)];
    const isWanted = (partition: string): boolean => {
      const day = partitionDay(partition);
      return day >= first && day <= last;
    };
    const days = new Map<string, Stretch[]>();
    const stretchesOf = (partition: string): Stretch[] => {
      const day = partitionDay(partition);
      const known = days.get(day);
      if (known) return known;
      const stretches: Stretch[] = [];
      days.set(day, stretches);
      return stretches;
    };
    // All in one turn of the event loop: what leaves the index is in the catalog.
    for (const { path, partition } of catalog.partsBelow(folder)) {
      if (!isWanted(partition)) continue;
      const compression = parsePartName(path.slice(path.lastIndexOf("/") + 1))?.compression ?? "none";
      stretchesOf(partition).push({ path: join(dataDir, path), compression, offset: 0, length: Infinity });
    }
    for (const { partition, extents } of indexes.rows.entries(folder)) {
      if (!isWanted(partition)) continue;
      for (let i = 0; i < extents.length; i += rowExtentStride) {
        const [segment, offset, length] = extents.subarray(i, i + 3);
        const path = segmentPath(journalDir(dataDir), segment);
        lines.openSegment(path);
        stretchesOf(partition).push({ path, compression: "none", offset, length });
      }
    }
    return [...days].map(([day, stretches]) => ({ day, stretches })).sort((a, b) => a.day < b.day ? 1 : -1);
  }
}

/** Offers the events of a stretch that are wanted. A part that is gone was removed by retention. */
async function collect(
  stretch: Stretch,
  { query, newest, lines: found }: { query: EventQuery; newest: Newest<FoundLine>; lines: FoundLines },
): Promise<void> {
  const { path, compression } = stretch;
  const wanted = query.session;
  const places = new LinePlaces(stretch);
  const lines = new LineCutter((line) => {
    const at = places.next(line.length);
    if (wanted !== undefined && !includes(line, wanted)) return;
    const { createdAt, id, deviceId, sessionId } = rowFront(line);
    const time = Date.parse(createdAt);
    if (!newest.takes(time) || time < query.from || time > query.to) return;
    if (query.session !== undefined && sessionId !== query.session) return;
    if (query.device !== undefined && deviceId !== query.device) return;
    newest.add({ time, id, path, compression, ...at, length: line.length });
  });
  try {
    for await (const { bytes, offset } of found.pieces(stretch)) {
      places.begin(offset, bytes.length);
      lines.push(bytes);
      places.end();
    }
    lines.finish();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Tells where lines lie while a stretch is read piece by piece. */
class LinePlaces {
  readonly #stretch: Stretch;
  /** Bytes of all lines so far, and of all pieces before this one. */
  #at = 0;
  #pieceAt = 0;
  #piece = { offset: 0, bytes: 0 };
  /** Of a line that began in a piece before. */
  #begun = { offset: 0, start: 0 };

  constructor(stretch: Stretch) {
    this.#stretch = stretch;
  }

  begin(offset: number, bytes: number): void {
    this.#piece = { offset, bytes };
  }

  end(): void {
    const end = this.#pieceAt + this.#piece.bytes;
    if (this.#at >= this.#pieceAt) this.#begun = this.#inPiece();
    this.#pieceAt = end;
  }

  /** The place of the next line, which has so many bytes without its line break. */
  next(bytes: number): { offset: number; start: number } {
    const place = this.#at >= this.#pieceAt ? this.#inPiece() : this.#begun;
    this.#at += bytes + 1;
    return place;
  }

  #inPiece(): { offset: number; start: number } {
    const { compression, offset } = this.#stretch;
    if (compression === "none") return { offset: offset + this.#at, start: 0 };
    return { offset: this.#piece.offset, start: this.#at - this.#pieceAt };
  }
}

function includes({ buffer, byteOffset, length }: Uint8Array, text: string): boolean {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, length).includes(text);
}

function dayText(time: number): string {
  const clamped = Math.min(Math.max(time, -62135596800000), 253402300799999);
  return new Date(clamped).toISOString().slice(0, 10);
}
