/**
 * Keeps queued events where a restart finds them again, in chunks: one is written for the events of a moment, and
 * removed when all of them are delivered or given up.
 * @module
 */

import type { ClientClock } from "./client_clock.ts";

/** Where chunks are kept: a folder, a browser's storage, a device's flash. Keys sort in the order of writing. */
export interface SpoolStorage {
  keys(): Promise<string[]>;
  /** Undefined when there is none. */
  read(key: string): Promise<string | undefined>;
  /** All of it or nothing. */
  write(key: string, text: string): Promise<void>;
  remove(key: string): Promise<void>;
}

interface Chunk {
  readonly key: string;
  /** Its events that are not settled. */
  left: number;
  /** It could not be written. */
  isLost: boolean;
}

/** How {@link Spool} works. */
export interface SpoolOptions {
  readonly storage: SpoolStorage;
  readonly clock: ClientClock;
  /** Events of so many ms become one chunk. @default 100 */
  readonly writeIntervalMs?: number;
  readonly onError?: (error: unknown) => void;
}

/**
 * The spool of one queue.
 *
 * - An event is in `#waiting`, or in a chunk, or settled.
 * - Storage is asked for one thing at a time, in order.
 */
export class Spool<T extends object> {
  readonly #options: SpoolOptions;
  readonly #chunks = new Map<T, Chunk>();
  #waiting = new Set<T>();
  #cancelTimer: (() => void) | undefined;
  #last: Promise<void> = Promise.resolve();
  #number = 0;

  constructor(options: SpoolOptions) {
    this.#options = options;
  }

  /** The events that an earlier run left, in their order. Lines that are damaged are passed over. */
  async load(): Promise<T[]> {
    const { storage } = this.#options;
    const events: T[] = [];
    await this.#quietly(async () => {
      for (const key of (await storage.keys()).sort()) {
        const found = parseLines<T>(await storage.read(key) ?? "");
        const chunk = { key, left: found.length, isLost: false };
        for (const event of found) this.#chunks.set(event, chunk);
        events.push(...found);
        if (found.length === 0) await storage.remove(key);
      }
    });
    return events;
  }

  /** The event is queued: it will be written soon. */
  add(event: T): void {
    this.#waiting.add(event);
    const { clock, writeIntervalMs = 100 } = this.#options;
    this.#cancelTimer ??= clock.after(writeIntervalMs, () => void this.write(), { holdsProcess: false });
  }

  /** The event is delivered, or given up. */
  settle(event: T): void {
    if (this.#waiting.delete(event)) return;
    const chunk = this.#chunks.get(event);
    if (chunk === undefined) return;
    this.#chunks.delete(event);
    if (--chunk.left === 0) this.#inTurn(() => this.#options.storage.remove(chunk.key));
  }

  /**
   * The event is no longer queued, and stays where the next start finds it, together with its chunk.
   * @returns false where it could not be written, or was never added
   */
  keep(event: T): boolean {
    if (this.#waiting.has(event)) void this.write();
    const chunk = this.#chunks.get(event);
    if (chunk === undefined || chunk.isLost) return false;
    this.#chunks.delete(event);
    return true;
  }

  /** Writes what waits; resolves when everything asked for so far is done. It never rejects. */
  write(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const events = [...this.#waiting];
    this.#waiting = new Set();
    if (events.length > 0) {
      const chunk = { key: this.#nextKey(), left: events.length, isLost: false };
      for (const event of events) this.#chunks.set(event, chunk);
      const text = events.map((event) => JSON.stringify(event) + "\n").join("");
      this.#inTurn(async () => {
        // All may have been delivered while it waited for its turn.
        if (chunk.left === 0) return;
        try {
          await this.#options.storage.write(chunk.key, text);
        } catch (error) {
          chunk.isLost = true;
          throw error;
        }
      });
    }
    return this.#last;
  }

  #inTurn(act: () => Promise<void>): void {
    this.#last = this.#last.then(() => this.#quietly(act));
  }

  async #quietly(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      try {
        this.#options.onError?.(error);
      } catch {
        // A hook that fails is the host's affair.
        return;
      }
    }
  }

  /** Time first, so that the keys of a later run sort behind those of this one. */
  #nextKey(): string {
    const time = String(Math.max(0, Math.floor(this.#options.clock.now()))).padStart(15, "0");
    return `${time}-${String(this.#number++).padStart(8, "0")}`;
  }
}

function parseLines<T>(text: string): T[] {
  const events: T[] = [];
  for (const line of text.split("\n")) {
    try {
      const event: unknown = line === "" ? undefined : JSON.parse(line);
      if (typeof event === "object" && event !== null) events.push(event as T);
    } catch {
      // A power cut may have torn it.
      continue;
    }
  }
  return events;
}
