/**
 * Makes data_dir ready, whatever ended the last run: one daemon at a time, a catalog that can be read, and no file
 * that no flush committed.
 * @module
 */

import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { Catalog } from "../catalog/catalog.ts";
import { CheckpointWriter } from "../catalog/checkpoint.ts";
import { CatalogError, checkWhole } from "../catalog/schema.ts";
import { errorCode, makeDirectory } from "../journal/files.ts";
import { probeDisk } from "./disk_probe.ts";
import { catalogPath, journalDir, quarantineDir } from "./layout.ts";
import { DataDirError, DataLock } from "./lock.ts";
import { reindex, removeDraft } from "./reindex.ts";
import { partsOnDisk, sweep } from "./unlisted.ts";

const onlyOwner = 0o700;

/** How {@link prepareData} works. */
export interface PrepareOptions {
  /** How long the identity of a row is remembered. */
  readonly identityKeepMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** A data_dir that is ready. Disposing of it closes the catalog and lets others in. */
export class PreparedData implements Disposable {
  readonly catalog: Catalog;
  readonly #lock: DataLock;

  constructor(catalog: Catalog, lock: DataLock) {
    this.catalog = catalog;
    this.#lock = lock;
  }

  [Symbol.dispose](): void {
    this.catalog.close();
    this.#lock[Symbol.dispose]();
  }
}

/**
 * Makes the folders, takes the lock, makes or opens the catalog (made anew from the parts where it is missing or
 * damaged), and removes files that it does not list.
 *
 * @throws DataDirError when the folder cannot be used, or another process uses it
 * @throws CatalogError when the catalog was written by a later version of Weir
 */
export async function prepareData(dataDir: string, options: PrepareOptions): Promise<PreparedData> {
  await makeFolders(dataDir);
  const lock = await DataLock.take(dataDir);
  try {
    await removeDraft(dataDir);
    await ensureCatalog(dataDir, options);
    removeUnlisted(dataDir, options.log);
    return new PreparedData(new Catalog(catalogPath(dataDir)), lock);
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

async function makeFolders(dataDir: string): Promise<void> {
  try {
    const isThere = await Deno.stat(dataDir).then(() => true, () => false);
    for (const path of [dataDir, journalDir(dataDir), quarantineDir(dataDir)]) await makeDirectory(path);
    // The mode of a folder that is there already was chosen by somebody.
    if (!isThere) await Deno.chmod(dataDir, onlyOwner);
    // So that a full or read-only disk is not taken for a damaged catalog.
    probeDisk(dataDir);
  } catch (error) {
    throw new DataDirError(`Cannot use data_dir: it cannot be written to: ${errorCode(error)}`);
  }
}

async function ensureCatalog(dataDir: string, { identityKeepMs, clock, log }: PrepareOptions): Promise<void> {
  const problem = await catalogProblem(dataDir);
  if (problem === undefined) return;
  const report = await reindex(dataDir, { now: clock.now(), identityKeepMs });
  const { parts, rows, requests, damaged, checkpoint } = report;
  log.warn("Catalog made anew from the parts; kept replies may be lost", {
    ...{ reason: problem, count: parts, rows, checkpoint },
    error: `${requests} requests, ${damaged} damaged parts`,
  });
}

/** Why the catalog must be made anew; undefined when it need not. Makes it when there is nothing to put in it. */
async function catalogProblem(dataDir: string): Promise<string | undefined> {
  const path = catalogPath(dataDir);
  const isThere = await Deno.stat(path).then(({ size }) => size > 0, () => false);
  if (!isThere && !partsOnDisk(dataDir).next().done) return "it is missing";
  try {
    new CheckpointWriter(path).close();
    checkWhole(path);
    return undefined;
  } catch (error) {
    if (!(error instanceof CatalogError) || error.reason !== "unreadable") throw error;
    return error.message;
  }
}

function removeUnlisted(dataDir: string, log: Log): void {
  const writer = new CheckpointWriter(catalogPath(dataDir));
  try {
    const { removed, lost } = sweep(dataDir, writer);
    if (removed > 0) log.info("Parts of a flush that did not end were removed", { count: removed });
    if (lost > 0) log.warn("Parts that the catalog lists are not there", { count: lost });
  } finally {
    writer.close();
  }
}
