/**
 * A disk in memory that notes every step, so that a crash can be rehearsed after each of them.
 * @module
 */

import { basename } from "node:path";
import type { JournalFiles, SegmentFile } from "../../src/journal/files.ts";

/** What a journal did, and what it told. */
export type Note = DiskNote | { readonly step: "placed" | "released"; readonly n: number };

type DiskNote =
  | { readonly step: "create" | "sync" | "remove"; readonly name: string }
  | { readonly step: "write"; readonly name: string; readonly bytes: Uint8Array }
  | { readonly step: "truncate"; readonly name: string; readonly length: number };

/** What a crash leaves of a file. */
export interface FileState {
  bytes: Uint8Array;
  /** So many bytes of it are on the disk for sure. */
  synced: number;
}

/** Takes what the journal writes. Each step takes a turn of the event loop. */
export class NotedDisk implements JournalFiles {
  readonly notes: Note[] = [];
  /** Runs ahead of each step; may throw, and may say how many bytes of a write are taken. */
  before: (step: DiskNote["step"]) => number | void = () => {};

  async create(path: string): Promise<SegmentFile> {
    const name = basename(path);
    await this.#step({ step: "create", name });
    const sync = (): Promise<void> => this.#step({ step: "sync", name });
    return {
      write: async (bytes): Promise<number> => {
        const taken = Math.min(bytes.length, await this.#turn("write") ?? Infinity);
        this.notes.push({ step: "write", name, bytes: bytes.slice(0, taken) });
        return taken;
      },
      syncData: sync,
      sync,
      truncate: (length) => this.#step({ step: "truncate", name, length }),
      close: () => {},
    };
  }

  remove(path: string): Promise<void> {
    return this.#step({ step: "remove", name: basename(path) });
  }

  async syncDirectory(): Promise<void> {
    await this.#turn("sync");
  }

  async #step(note: DiskNote): Promise<void> {
    await this.#turn(note.step);
    this.notes.push(note);
  }

  async #turn(step: DiskNote["step"]): Promise<number | void> {
    await new Promise((resolve) => setTimeout(resolve, 0));
    return this.before(step);
  }
}

/** The files after these notes. */
export function filesAfter(notes: readonly Note[]): Map<string, FileState> {
  const files = new Map<string, FileState>();
  for (const note of notes) {
    if (!("name" in note)) continue;
    if (note.step === "create") files.set(note.name, { bytes: new Uint8Array(), synced: 0 });
    else if (note.step === "remove") files.delete(note.name);
    else change(files.get(note.name)!, note);
  }
  return files;
}

function change(file: FileState, note: DiskNote): void {
  if (note.step === "write") file.bytes = new Uint8Array([...file.bytes, ...note.bytes]);
  else if (note.step === "sync") file.synced = file.bytes.length;
  else if (note.step === "truncate") {
    file.bytes = file.bytes.slice(0, note.length);
    file.synced = Math.min(file.synced, note.length);
  }
}
