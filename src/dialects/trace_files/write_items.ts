/**
 * Writes the files of one request: each directory found once, each path written once, some files at a time, one
 * sync for each directory at the end.
 * @module
 */

import { WeirError } from "../../base/errors.ts";
import type { RealDirectory } from "./file_root.ts";
import { writeError } from "./file_writer.ts";
import type { Item } from "./item.ts";
import type { TraceFileStore } from "./store.ts";

/** Files of one request that are written at once. */
const maxAtOnce = 16;

/** What became of one file. */
export interface Written {
  readonly index: number;
  readonly fileName: string;
  /** Relative to the root; undefined when it is not written. */
  readonly path: string | undefined;
  readonly bytes: number;
  readonly problem: WeirError | undefined;
}

/** A file on its way. */
interface Placed {
  readonly item: Item;
  readonly directory: RealDirectory;
  readonly bytes: Uint8Array;
}

/** The part of the store that is needed here. */
type FilesAt = Pick<TraceFileStore, "writer" | "make">;

/** What {@link writeItems} writes into, and who wants to know. */
export interface WriteItemsOptions {
  readonly store: FilesAt;
  /** Directories that were found already, by what the client names them. @default none */
  readonly found?: Map<string, RealDirectory | WeirError>;
  /**
   * Is told what will be returned, if nothing goes wrong any more, while the disk is still at work. Where something
   * does go wrong, other files are returned.
   */
  readonly expect?: (files: readonly Written[]) => void;
}

/**
 * Writes what can be written; what cannot is told in its place, and costs no other file.
 * @param directoryOf Where an item belongs, as the client names it.
 * @returns one for each item, in their order; a file that is told to be written is safe
 */
export async function writeItems(
  items: readonly Item[],
  directoryOf: (item: Item) => string,
  { store, found = new Map(), expect }: WriteItemsOptions,
): Promise<readonly Written[]> {
  const placed = await place(items, directoryOf, { store, found });
  const waiting = placed.values();
  const work = async (): Promise<void> => {
    for (const file of waiting) await write(file, store);
  };
  await Promise.all(Array.from({ length: Math.min(maxAtOnce, placed.length) }, work));
  // One that is too large for the disk filled it while the others were written, and has given its room back.
  for (const file of placed) {
    if (file.item.problem?.code === "storage_full") await write(file, store);
  }
  const byItem = new Map(placed.map((file) => [file.item, file]));
  const tell = (): Written[] => items.map((item) => written(item, byItem.get(item)));
  let expected: Written[] | undefined;
  const isSynced = await syncDirectories(placed, store, () => {
    if (expect === undefined || expected !== undefined) return;
    expected = tell();
    expect(expected);
  });
  return isSynced && expected !== undefined ? expected : tell();
}

async function write({ item, directory, bytes }: Placed, store: FilesAt): Promise<void> {
  item.problem = undefined;
  try {
    await store.writer.write({ directory, name: item.fileName, bytes });
  } catch (error) {
    item.problem = writeError(error);
  }
}

function written({ index, fileName, problem }: Item, file: Placed | undefined): Written {
  if (file === undefined || problem !== undefined) {
    return { index, fileName, path: undefined, bytes: 0, problem };
  }
  const { relative } = file.directory;
  const path = relative === "" ? fileName : `${relative}/${fileName}`;
  return { index, fileName, path, bytes: file.bytes.length, problem };
}

/** Finds the directory of each item; of several with one target, the first one keeps it. */
async function place(
  items: readonly Item[],
  directoryOf: (item: Item) => string,
  { store, found }: { store: FilesAt; found: Map<string, RealDirectory | WeirError> },
): Promise<Placed[]> {
  const targets = new Set<string>();
  const placed: Placed[] = [];
  for (const item of items) {
    const { bytes } = item;
    if (bytes === undefined) continue;
    item.bytes = undefined;
    const named = directoryOf(item);
    const directory = found.get(named) ?? await store.make(named).catch(writeError);
    found.set(named, directory);
    if (directory instanceof WeirError) {
      item.problem = directory;
      continue;
    }
    const target = store.writer.keyOf({ directory, name: item.fileName });
    if (targets.has(target)) {
      item.problem = new WeirError("duplicate_path", "An earlier file of this batch goes to the same place");
      continue;
    }
    targets.add(target);
    placed.push({ item, directory, bytes });
  }
  return placed;
}

/**
 * A file whose directory could not be synced may be gone after a crash of the machine: it is not written.
 * @param atWork Called while the disk syncs one.
 * @returns whether all could be synced
 */
async function syncDirectories(
  placed: readonly Placed[],
  store: FilesAt,
  atWork: () => void,
): Promise<boolean> {
  const done = placed.filter(({ item }) => item.problem === undefined);
  const byPath = Map.groupBy(done, ({ directory }) => directory.path);
  const synced = await Promise.all([...byPath.values()].map(async (files) => {
    try {
      await store.writer.sync(files[0].directory, atWork);
      return true;
    } catch (error) {
      for (const { item } of files) item.problem = writeError(error);
      return false;
    }
  }));
  return !synced.includes(false);
}
