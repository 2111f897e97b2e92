/**
 * Daily salts of device ids: made when a day is first asked for, kept for some days, then forgotten, so that
 * old ids cannot be computed again (contract `track`, Decision 10).
 * @module
 */

import { randomBytes } from "node:crypto";
import { dirname } from "node:path";
import { dayOf } from "../base/record.ts";

const dayMs = 86_400_000;
const dayForm = /^\d{4}-\d{2}-\d{2}$/;
const saltForm = /^[0-9a-f]{32}$/;

/** Where {@link SaltStore} keeps its salts, and for how long. */
export interface SaltOptions {
  /** File that holds them, readable by its owner only. */
  readonly path: string;
  /** @default 7 */
  readonly keepDays: number;
  readonly now: number;
}

/**
 * Salts by day.
 *
 * - A salt is on disk before it is handed out: a restart must not give a device a second id for the same day.
 * - Days older than `keepDays` are dropped when a new day begins.
 */
export class SaltStore {
  readonly #path: string;
  readonly #keepDays: number;
  readonly #salts: Map<string, string>;

  /**
   * Reads the file, or begins a new one.
   * @throws SyntaxError when the file is not what was written: device ids would change silently
   */
  static open(options: SaltOptions): SaltStore {
    const salts = new Map<string, string>();
    for (const [day, salt] of Object.entries(readSalts(options.path))) salts.set(day, salt);
    return new SaltStore(options, salts);
  }

  private constructor(options: SaltOptions, salts: Map<string, string>) {
    this.#path = options.path;
    this.#keepDays = options.keepDays;
    this.#salts = salts;
    this.of(options.now, options.now);
  }

  /** The salts of the days that are kept and of tomorrow, which are made where they are not there. */
  days(now: number): { day: string; salt: string }[] {
    for (let i = -this.#keepDays; i <= 1; i++) this.of(now + i * dayMs, now);
    return [...this.#salts].map(([day, salt]) => ({ day, salt }));
  }

  /**
   * Takes over salts that other daemons use, where they differ.
   * @throws SyntaxError when one of them is no salt
   */
  adopt(salts: readonly { day: string; salt: string }[]): void {
    const different = salts.filter(({ day, salt }) => this.#salts.get(day) !== salt);
    if (different.length === 0) return;
    if (!different.every(({ day, salt }) => dayForm.test(day) && saltForm.test(salt))) {
      throw new SyntaxError("Cannot take over salts: each must be 32 hex digits for a day");
    }
    const next = new Map(this.#salts);
    for (const { day, salt } of different) next.set(day, salt);
    writeSalts(this.#path, next);
    for (const { day, salt } of different) this.#salts.set(day, salt);
  }

  /** The salt of the day that `time` falls on, if there is one. */
  kept(time: number): string | undefined {
    return this.#salts.get(dayOf(time));
  }

  /**
   * The salt of the day that `time` falls on. A day that is gone already, or still to come, gets the salt of
   * the nearest day that is kept.
   * @param time Of the event, ms since the epoch.
   * @param now Wall clock, ms since the epoch.
   */
  of(time: number, now: number): string {
    const oldest = now - this.#keepDays * dayMs;
    const day = dayOf(Math.min(Math.max(time, oldest), now + dayMs));
    const known = this.#salts.get(day);
    if (known !== undefined) return known;
    const salt = randomBytes(16).toString("hex");
    const next = new Map(this.#salts).set(day, salt);
    const oldestDay = dayOf(oldest);
    for (const kept of next.keys()) if (kept < oldestDay) next.delete(kept);
    writeSalts(this.#path, next);
    this.#salts.clear();
    for (const [kept, value] of next) this.#salts.set(kept, value);
    return salt;
  }
}

function readSalts(path: string): Record<string, string> {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
  const entries = entriesOf(text);
  if (!entries.every(([day, salt]) => dayForm.test(day) && typeof salt === "string" && saltForm.test(salt))) {
    throw new SyntaxError("Cannot read the salts: file must map days to salts of 32 hex digits: it does not");
  }
  return Object.fromEntries(entries) as Record<string, string>;
}

/** Says nothing of the text where it is no JSON: it may hold salts. */
function entriesOf(text: string): [string, unknown][] {
  try {
    const value: unknown = JSON.parse(text);
    const isMap = value !== null && typeof value === "object" && !Array.isArray(value);
    return isMap ? Object.entries(value) : [["", value]];
  } catch {
    return [["", text]];
  }
}

function writeSalts(path: string, salts: Map<string, string>): void {
  const temporary = `${path}.tmp`;
  using file = Deno.openSync(temporary, { write: true, create: true, truncate: true, mode: 0o600 });
  const bytes = new TextEncoder().encode(JSON.stringify(Object.fromEntries(salts), null, 2) + "\n");
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  file.syncSync();
  Deno.renameSync(temporary, path);
  using parent = Deno.openSync(dirname(path), { read: true });
  parent.syncSync();
}
