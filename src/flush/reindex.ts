/**
 * Makes the catalog anew from the parts, for when it is lost or damaged.
 *
 * What stands in no part cannot come back: kept replies, unless the old catalog can still be read.
 *
 * A crash between naming the parts of a flush and its commit leaves rows both in parts and in the journal. With the
 * catalog gone as well nobody knows which. So the checkpoint goes back to the oldest segment that is there, every row
 * of a part that may stem from such a segment is remembered by its digest, and reading the journal back passes those
 * over (`Catalog.isReplayed`). For requests their lines say up to where they go (`Catalog.flushedThrough`).
 * @module
 */

import { join } from "node:path";
import { digestWords, IdentityHash } from "../base/identity_hash.ts";
import { recordKinds } from "../base/record.ts";
import { runOwner, runSession } from "../base/test_runs.ts";
import { Catalog, rowDigest } from "../catalog/catalog.ts";
import { CheckpointWriter } from "../catalog/checkpoint.ts";
import { CatalogError } from "../catalog/schema.ts";
import { sessionRowFolders } from "../catalog/session_rows.ts";
import { makeDirectory, syncDirectory } from "../journal/files.ts";
import { listSegments } from "../journal/segment.ts";
import { catalogPath, folderOf, journalDir, parsePartName, partitionDay, quarantineDir } from "./layout.ts";
import type { PartName } from "./layout.ts";
import { LineCutter } from "./lines.ts";
import { type RowIdentity, rowIdentity } from "./row_identity.ts";
import { eventsBytes, frontBytes, headBytesOf, parseHead, RequestFields } from "./request_line.ts";
import { entityFolders, entityOf } from "./write_entities.ts";
import { readRunLines } from "./run_lines.ts";
import { sessionRowOf } from "./session_row.ts";
import { snapshotOf } from "./session_snapshot.ts";
import { gather, readStretch, type Stretch, StretchReader } from "./stored_bytes.ts";
import { partsOnDisk } from "./unlisted.ts";

const requestFolder = "traces";
const dayMs = 86_400_000;
/** What SQLite keeps beside the file while it is open. */
const companions = ["", "-wal", "-shm"];

/** How {@link reindex} works. */
export interface ReindexOptions {
  /** Wall clock, ms since the epoch. */
  readonly now: number;
  /** How long the identity of a row is remembered. */
  readonly identityKeepMs: number;
}

/** What a rebuild found. */
export interface ReindexReport {
  parts: number;
  rows: number;
  requests: number;
  identities: number;
  /** Replies taken over from the old catalog. */
  replies: number;
  /** Rows that reading the journal back will pass over. */
  replayedRows: number;
  /** Parts that could not be read: moved to quarantine/parts/. */
  damaged: number;
  /** Number of the first journal segment to be read back. */
  checkpoint: number;
}

/**
 * Rebuilds the catalog. Nobody else may be using data_dir. The old catalog is moved to quarantine/.
 * @throws what the disk says
 */
export async function reindex(dataDir: string, options: ReindexOptions): Promise<ReindexReport> {
  const draft = draftPath(dataDir);
  await removeDraft(dataDir);
  const parts = partsInOrder(dataDir);
  const { segments } = await listSegments(journalDir(dataDir));
  const checkpoint = segments[0] ?? parts.at(-1)?.name.checkpoint ?? 0;
  const report: ReindexReport = {
    ...{ parts: 0, rows: 0, requests: 0, identities: 0, replies: 0, replayedRows: 0, damaged: 0 },
    checkpoint,
  };
  const writer = new CheckpointWriter(draft, { isDraft: true });
  try {
    writer.begin(options.now);
    report.replies = copyReplies(catalogPath(dataDir), writer);
    copyEntities(catalogPath(dataDir), writer);
    copySessions(catalogPath(dataDir), writer);
    writer.setCheckpoint(checkpoint);
    writer.commitAsIs();
    const rebuild = new Rebuild(dataDir, { writer, report, options });
    for (const part of parts) await rebuild.add(part);
  } finally {
    writer.close();
  }
  await setAsideCatalog(dataDir, options.now);
  using file = await Deno.open(draft, { read: true, write: true });
  await file.sync();
  await Deno.rename(draft, catalogPath(dataDir));
  await syncDirectory(dataDir);
  return report;
}

/** Removes what a rebuild left that did not end. */
export async function removeDraft(dataDir: string): Promise<void> {
  for (const companion of companions) await Deno.remove(draftPath(dataDir) + companion).catch(ifThere);
}

interface Part {
  readonly path: string;
  readonly name: PartName;
}

class Rebuild {
  readonly #dataDir: string;
  readonly #writer: CheckpointWriter;
  readonly #report: ReindexReport;
  readonly #options: ReindexOptions;
  readonly #hash: IdentityHash;
  readonly #digest = new Int32Array(digestWords);

  constructor(
    dataDir: string,
    to: { writer: CheckpointWriter; report: ReindexReport; options: ReindexOptions },
  ) {
    this.#dataDir = dataDir;
    this.#writer = to.writer;
    this.#report = to.report;
    this.#options = to.options;
    this.#hash = new IdentityHash(to.writer.identitySecret());
  }

  /** Lists a part and what it holds; one that cannot be read is set aside. */
  async add(part: Part): Promise<void> {
    const full = join(this.#dataDir, part.path);
    const { size, mtime } = await Deno.stat(full);
    const writtenAt = mtime?.getTime() ?? this.#options.now;
    const before = { ...this.#report };
    this.#writer.begin(writtenAt);
    try {
      await this.#list(part, { size, writtenAt });
      this.#writer.commitAsIs();
    } catch (error) {
      this.#writer.rollback();
      if (error instanceof CatalogError || isDiskError(error)) throw error;
      Object.assign(this.#report, before, { damaged: before.damaged + 1 });
      const aside = join(quarantineDir(this.#dataDir), "parts", part.path);
      await Deno.mkdir(aside.slice(0, aside.lastIndexOf("/")), { recursive: true });
      await Deno.rename(full, aside);
    }
  }

  async #list({ path, name }: Part, { size, writtenAt }: { size: number; writtenAt: number }): Promise<void> {
    const partition = path.slice(0, path.lastIndexOf("/"));
    const { checkpoint, n, compression } = name;
    const id = this.#writer.addPart({
      ...{ path, partition, directory: folderOf(path), day: partitionDay(partition) },
      ...{ checkpoint, n, rows: 0, bytes: size, writtenAt },
    });
    const stretch: Stretch = { path: join(this.#dataDir, path), compression, offset: 0, length: size };
    const isRuns = folderOf(path) === recordKinds.test_event.directory;
    const isRequests = isRuns || folderOf(path) === requestFolder;
    const rows = isRuns
      ? await this.#addRuns(id, stretch)
      : isRequests
      ? await this.#addRequests(id, stretch)
      : entityFolders.includes(folderOf(path))
      ? await this.#addEntities(stretch)
      : await this.#addRows(stretch, {
        ...{ id, checkpoint, writtenAt, ofSessions: sessionRowFolders.includes(folderOf(path)) },
        folder: folderOf(path),
      });
    this.#writer.finishPart(id, rows, size);
    this.#report.parts++;
    this.#report.rows += rows;
    if (isRequests) this.#report.requests += rows;
  }

  async #addRows(
    stretch: Stretch,
    part: { id: number; checkpoint: number; writtenAt: number; ofSessions: boolean; folder: string },
  ): Promise<number> {
    const { now, identityKeepMs } = this.#options;
    const isRemembered = part.writtenAt + identityKeepMs + dayMs > now;
    const mayBeReplayed = part.checkpoint > this.#report.checkpoint;
    let rows = 0, offset = 0;
    const lines = new LineCutter((line) => {
      rows++;
      const row = part.ofSessions ? sessionRowOf(line, offset) : undefined;
      if (row) this.#writer.addSessionRow(part.id, row);
      offset += line.length + 1;
      const session = isRemembered ? snapshotOf(line, part.folder) : undefined;
      if (session) this.#writer.restoreSession(session);
      const identity = isRemembered ? rowIdentity(line) : undefined;
      if (identity) this.#addIdentity(identity);
      if (!mayBeReplayed) return;
      this.#writer.addReplayedRow(rowDigest(line));
      this.#report.replayedRows++;
    });
    for await (const { bytes } of readStretch(stretch)) lines.push(bytes);
    lines.finish();
    return rows;
  }

  #addIdentity({ key, memo }: RowIdentity): void {
    this.#hash.digestKey(key, this.#digest);
    this.#writer.addIdentity(this.#digest, 0, memo);
    this.#report.identities++;
  }

  async #addEntities(stretch: Stretch): Promise<number> {
    let rows = 0;
    const lines = new LineCutter((line) => {
      rows++;
      const entity = entityOf(line);
      if (entity) this.#writer.putEntity(entity.key, entity.row.version, new TextDecoder().decode(line));
    });
    for await (const { bytes } of readStretch(stretch)) lines.push(bytes);
    lines.finish();
    return rows;
  }

  async #addRuns(part: number, stretch: Stretch): Promise<number> {
    let rows = 0;
    for await (const { head, ...line } of readRunLines(stretch)) {
      rows++;
      this.#writer.addRequestLine(part, { app: runOwner(head.project), sid: runSession, rid: head.run_id }, {
        ...line,
        ...{ firstT: head.first_t, lastT: head.last_t, total: -1, replaced: 0, values: {} },
        through: { segment: head.journal[0], offset: head.journal[1] },
      });
    }
    return rows;
  }

  async #addRequests(part: number, stretch: Stretch): Promise<number> {
    await using reader = new StretchReader(stretch);
    let rows = 0;
    for (let at = 0;; rows++) {
      const offset = await reader.offsetOf(at);
      if (offset === undefined) return rows;
      const front = await gather(reader.range(at, frontBytes), frontBytes);
      const headBytes = headBytesOf(front);
      const bytes = new Uint8Array(headBytes);
      bytes.set(front);
      const rest = headBytes - frontBytes;
      bytes.set(await gather(reader.range(at + frontBytes, rest), rest), frontBytes);
      const head = parseHead(bytes);
      at += headBytes + eventsBytes(head.batches) + "]}\n".length;
      const end = await reader.offsetOf(at) ?? stretch.length;
      const [segment, position] = head.journal;
      const fields = new RequestFields();
      fields.addHead(bytes, head);
      this.#writer.addRequestLine(part, head, {
        offset,
        length: end - offset,
        headBytes,
        firstT: head.first_t,
        lastT: head.last_t,
        total: head.total,
        replaced: head.replaced,
        through: { segment, offset: position },
        batches: Float64Array.from(head.batches.flatMap(({ index, hash }) => [index, hash])),
        values: fields.listed(),
      });
    }
  }
}

function partsInOrder(dataDir: string): Part[] {
  const parts = [...partsOnDisk(dataDir)].map(({ path, name }) => ({ path, name: parsePartName(name)! }));
  return parts.sort((a, b) => a.name.checkpoint - b.name.checkpoint || a.name.n - b.name.n);
}

/** Takes the replies over from the old catalog, as far as it can be read. */
function copyReplies(path: string, writer: CheckpointWriter): number {
  let replies = 0;
  let old: Catalog | undefined;
  try {
    old = new Catalog(path);
    for (const [key, reply] of old.replies()) {
      writer.addReply(key, reply);
      replies++;
    }
  } catch {
    // It is missing or damaged, which is why it is made anew.
    return replies;
  } finally {
    old?.close();
  }
  return replies;
}

/** Profiles and groups that retention has left no line of are in the old catalog alone. */
function copyEntities(path: string, writer: CheckpointWriter): void {
  let old: Catalog | undefined;
  try {
    old = new Catalog(path);
    for (const { key, version, row } of old.entities()) writer.putEntity(key, version, row);
  } catch {
    // As with the replies.
  } finally {
    old?.close();
  }
}

/** What the old catalog knows of sessions is more than their rows tell. */
function copySessions(path: string, writer: CheckpointWriter): void {
  let old: Catalog | undefined;
  try {
    old = new Catalog(path);
    for (const session of old.sessions()) writer.putSession(session);
  } catch {
    // As with the replies.
  } finally {
    old?.close();
  }
}

async function setAsideCatalog(dataDir: string, now: number): Promise<void> {
  await makeDirectory(quarantineDir(dataDir));
  const name = `catalog-${new Date(now).toISOString().replaceAll(":", "")}.sqlite`;
  for (const companion of companions) {
    const aside = join(quarantineDir(dataDir), name + companion);
    await Deno.rename(catalogPath(dataDir) + companion, aside).catch(ifThere);
  }
}

/** The leading dot and the odd ending keep it from being taken for the catalog. */
function draftPath(dataDir: string): string {
  return join(dataDir, ".catalog.draft");
}

function ifThere(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

/** Is it the disk, and not the part's bytes, that is at fault? */
function isDiskError(error: unknown): boolean {
  return error instanceof Deno.errors.PermissionDenied ||
    (error as { code?: string }).code === "ERR_SQLITE_ERROR";
}
