/**
 * Writes everything of one flush: parts, then the catalog. Runs in the flush worker, so it may block.
 *
 * What dies on any line of it leaves files that the catalog does not list, and those are removed at the next start.
 * @module
 */

import { join } from "node:path";
import { faultPoint } from "../base/faults.ts";
import { recordKinds } from "../base/record.ts";
import { isRunOwner } from "../base/test_runs.ts";
import type { CheckpointWriter } from "../catalog/checkpoint.ts";
import { sessionRowFolders } from "../catalog/session_rows.ts";
import type { OperationProblem } from "../index/entity_row.ts";
import { forEachPlaced } from "../index/identity_page.ts";
import { unpackRequests } from "../index/packed_requests.ts";
import {
  type FlushPlan,
  type RequestPlan,
  rowExtentStride,
  type RowsPlan,
  type SessionSnapshot,
} from "../index/plan.ts";
import { diskErrorOr } from "./disk_probe.ts";
import type { FlushTools } from "./flush_tools.ts";
import { folderOf, formatPartName, partitionDay, requestPartition, runPartition } from "./layout.ts";
import { LineCutter } from "./lines.ts";
import { EntityUpdate } from "./write_entities.ts";
import { sessionRowOf } from "./session_row.ts";
import { writeRequest } from "./write_request.ts";
import { writeRun } from "./write_run.ts";

const rowShape = { stride: rowExtentStride, first: 0 };
const runPrefix = `${recordKinds.test_event.directory}/`;

/** What a flush wrote. */
export interface FlushReport {
  readonly checkpoint: number;
  readonly parts: number;
  /** Lines in all parts. */
  readonly rows: number;
  /** Of them, lines of requests. */
  readonly requests: number;
  /** Size of all parts on disk. */
  readonly bytes: number;
  /** Parts and their bytes by folder, such as `events`. */
  readonly folders: Record<string, { parts: number; bytes: number }>;
  /** Operations on profiles and groups that made no difference, by the reason. */
  readonly ignored: Partial<Record<OperationProblem, number>>;
}

/** One flush on its way. */
class Flush {
  readonly files: { temporary: string; final: string }[] = [];
  readonly #tools: FlushTools;
  readonly #plan: FlushPlan;
  readonly #now: number;
  readonly #dirty = new Set<string>();
  readonly #report = {
    ...{ parts: 0, rows: 0, requests: 0, bytes: 0, folders: {} as FlushReport["folders"] },
    ignored: {} as FlushReport["ignored"],
  };
  #n: number;

  constructor(tools: FlushTools, plan: FlushPlan, now: number) {
    this.#tools = tools;
    this.#plan = plan;
    this.#now = now;
    this.#n = tools.writer.nextPartNumber(plan.checkpoint);
  }

  get report(): FlushReport {
    return { checkpoint: this.#plan.checkpoint, ...this.#report };
  }

  /** Writes all parts under temporary names, and adds to the open transaction what the catalog must know. */
  writeParts(): void {
    for (const rows of this.#plan.rows) if (rows.extents.length > 0) this.#writeRows(rows);
    const partitions = new Map<string, RequestPlan[]>();
    for (const request of unpackRequests(this.#plan.requests)) {
      const partition = isRunOwner(request.app)
        ? runPartition(request.firstT)
        : requestPartition(request.app, request.firstT);
      const list = partitions.get(partition);
      if (list) list.push(request);
      else partitions.set(partition, [request]);
    }
    for (const [partition, requests] of partitions) this.#writeRequests(partition, requests);
    this.#writeEntities();
    this.#keepReplies();
    this.#keepIdentities();
  }

  /** Gives the parts their names, durably. */
  nameParts(): void {
    for (const { temporary, final } of this.files) Deno.renameSync(temporary, final);
    for (const directory of this.#dirty) syncDirectory(directory);
  }

  /** Removes what was written, whatever name it has. What cannot be removed stays until the next start. */
  removeParts(): void {
    this.#tools.parts.abandon();
    for (const { temporary, final } of this.files) for (const path of [temporary, final]) tryToRemove(path);
  }

  #writeRows({ partition, extents }: RowsPlan): void {
    const { parts, writer } = this.#tools;
    let rows = 0;
    for (let i = 3; i < extents.length; i += rowExtentStride) rows += extents[i];
    const ofSessions = sessionRowFolders.includes(folderOf(partition));
    this.#writePart(partition, (part) => {
      let offset = 0;
      const lines = new LineCutter((line) => {
        const row = sessionRowOf(line, offset);
        if (row) writer.addSessionRow(part, row);
        offset += line.length + 1;
      });
      this.#tools.extents.read(extents, rowShape, (bytes) => {
        parts.write(bytes);
        if (ofSessions) lines.push(bytes);
      });
      return rows;
    });
  }

  #writeRequests(partition: string, requests: readonly RequestPlan[]): void {
    this.#writePart(partition, (part) => {
      const write = partition.startsWith(runPrefix) ? writeRun : writeRequest;
      for (const request of requests) write(request, part, this.#tools);
      this.#report.requests += requests.length;
      return requests.length;
    });
  }

  #writeEntities(): void {
    const update = new EntityUpdate(this.#tools);
    update.fold(this.#plan.rows);
    Object.assign(this.#report.ignored, update.ignored);
    const encoder = new TextEncoder();
    for (const partition of update.partitions()) {
      this.#writePart(partition, () => {
        let rows = 0;
        for (const line of update.lines(partition)) {
          this.#tools.parts.write(encoder.encode(line));
          rows++;
        }
        return rows;
      });
    }
  }

  /** @param write Writes the lines of the part with this id, and answers how many. */
  #writePart(partition: string, write: (part: number) => number): void {
    const { compression, parts, writer } = this.#tools;
    const { checkpoint } = this.#plan;
    const n = this.#n++;
    const name = formatPartName({ checkpoint, n, compression });
    const directory = this.#makeDirectory(partition);
    const final = join(directory, name);
    this.files.push({ temporary: parts.begin(directory, name), final });
    const folder = folderOf(partition);
    const id = writer.addPart({
      path: `${partition}/${name}`,
      partition,
      directory: folder,
      day: partitionDay(partition),
      checkpoint,
      n,
      rows: 0,
      bytes: 0,
      writtenAt: this.#now,
    });
    const rows = write(id);
    const bytes = parts.finish();
    writer.finishPart(id, rows, bytes);
    this.#dirty.add(directory);
    this.#count(folder, rows, bytes);
    faultPoint("flush.part_written");
  }

  #count(folder: string, rows: number, bytes: number): void {
    this.#report.parts++;
    this.#report.rows += rows;
    this.#report.bytes += bytes;
    const sum = this.#report.folders[folder] ??= { parts: 0, bytes: 0 };
    sum.parts++;
    sum.bytes += bytes;
  }

  /** Makes the partition's folder; a folder that gets a new entry is synced too. */
  #makeDirectory(partition: string): string {
    const { dataDir } = this.#tools;
    let path = dataDir;
    for (const segment of partition.split("/")) {
      const parent = path;
      path = join(path, segment);
      try {
        Deno.mkdirSync(path);
        this.#dirty.add(parent);
      } catch (error) {
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      }
    }
    return path;
  }

  #keepIdentities(): void {
    for (const page of this.#plan.identities) {
      forEachPlaced(page, (at, memo) => this.#tools.writer.addIdentity(page.numbers, at, memo));
    }
  }

  #keepReplies(): void {
    const lines = new LineCutter((line) => keepReply(line, this.#tools.writer));
    this.#tools.extents.read(this.#plan.replies, rowShape, (bytes) => lines.push(bytes));
  }
}

/**
 * Writes a flush and commits it.
 *
 * @param at Wall clock, ms since the epoch, the name under which the commit can be recognised, and the sessions
 * that changed.
 * @throws what went wrong; nothing of the flush is left then, neither a file nor a row in the catalog
 */
export function writeFlush(
  plan: FlushPlan,
  at: { now: number; flushId: string; sessions: readonly SessionSnapshot[] },
  tools: FlushTools,
): FlushReport {
  const { writer } = tools;
  faultPoint("flush.started");
  writer.begin(at.now);
  const flush = new Flush(tools, plan, at.now);
  try {
    flush.writeParts();
    for (const session of at.sessions) writer.putSession(session);
    flush.nameParts();
    faultPoint("flush.renamed");
    writer.commit({ checkpoint: plan.checkpoint, flushId: at.flushId });
    faultPoint("flush.committed");
  } catch (error) {
    const cause = diskErrorOr(error, tools.dataDir);
    writer.rollback();
    // A commit that failed may still have happened, and then the parts are the only copy.
    if (writer.lastFlush() !== at.flushId) {
      flush.removeParts();
      throw cause;
    }
  }
  return flush.report;
}

function keepReply(line: Uint8Array, writer: CheckpointWriter): void {
  const { key, status, content_type: contentType, body, at } = JSON.parse(new TextDecoder().decode(line));
  writer.addReply(key, { status, contentType, body, at });
}

function syncDirectory(path: string): void {
  using directory = Deno.openSync(path);
  directory.syncSync();
}

/** Says whether the file was removed. The error that led here matters more than one of removing. */
function tryToRemove(path: string): boolean {
  try {
    Deno.removeSync(path);
    return true;
  } catch {
    return false;
  }
}
