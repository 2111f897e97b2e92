/**
 * Idempotency-Key: a repeated request gets the first one's reply, without being run again (contract `track`,
 * Decision 8). Two with the same key at once: the second waits for the first.
 * @module
 */

import { WeirError } from "../base/errors.ts";
import type { Inbound } from "../dialects/dialect.ts";
import type { KeptReply } from "../base/record.ts";
import type { MemoryClaims } from "../sessions/memory_claims.ts";

/** Where replies of the past are looked up. */
export interface ReplyMemory {
  reply(key: string): KeptReply | undefined;
}

/** The turn of one request: a reply to repeat, or the right to run, until it is disposed of. */
export interface Turn extends Disposable {
  /** The first one's reply; set when the request must not run. */
  readonly repeat?: KeptReply;
  /** Under which the reply is to be kept; undefined when no key was sent. */
  readonly key?: string;
}

/** The turn of a request without a key. */
const free: Turn = { [Symbol.dispose](): void {} };

/** Where daemons share replies. */
export interface SharedReplies {
  holdReply(key: string): Promise<KeptReply | undefined>;
  storedReply(key: string, reply: KeptReply): void;
  releaseReply(key: string): void;
}

/** What {@link Idempotency} works with. */
export interface IdempotencyOptions {
  readonly memory: ReplyMemory;
  /** Which of this daemon's requests runs. */
  readonly claims: MemoryClaims;
  /** Which daemon's does, where there are others. */
  readonly shared?: SharedReplies;
}

/**
 * Lets one request a key run at a time.
 *
 * - A request holds its claim for as long as it runs: its owner dies with the daemon alone, so no time ends it.
 * - A claim is always given back, never done: what is to be repeated is kept with what was stored.
 */
export class Idempotency {
  readonly #memory: ReplyMemory;
  readonly #claims: MemoryClaims;
  readonly #shared: SharedReplies | undefined;
  #turns = 0;

  constructor({ memory, claims, shared }: IdempotencyOptions) {
    this.#memory = memory;
    this.#claims = claims;
    this.#shared = shared;
  }

  /**
   * Waits until no request with the same key is running, then answers what to do.
   * @param owner Who was admitted; without one nobody can be given what another one was answered.
   * @throws WeirError `invalid_header` when the key is empty or longer than 256 characters
   */
  begin(inbound: Inbound, owner: string | undefined): Turn | Promise<Turn> {
    const sent = inbound.headers.get("idempotency-key");
    if (sent === null || owner === undefined) return free;
    if (sent === "" || sent.length > 256) {
      throw new WeirError("invalid_header", "Idempotency-Key must have 1 to 256 characters");
    }
    return this.#begin(`${inbound.url.pathname}\n${owner}\n${sent}`);
  }

  async #begin(key: string): Promise<Turn> {
    const held = { key, token: String(++this.#turns) };
    for (;;) {
      await this.#claims.ended(key);
      const repeat = this.#memory.reply(key);
      if (repeat !== undefined) return { ...free, repeat };
      const [{ state }] = await this.#claims.take([{ ...held, pendingMs: Infinity }]);
      if (state === "taken") break;
    }
    const end = (): void => void this.#claims.release([held]);
    if (this.#shared === undefined) return { key, [Symbol.dispose]: end };
    try {
      const given = await this.#shared.holdReply(key);
      if (given !== undefined) {
        end();
        return { ...free, repeat: given };
      }
    } catch (error) {
      end();
      throw error;
    }
    return { key, [Symbol.dispose]: () => this.#endShared(key, end) };
  }

  /** Tells the other daemons what was answered; where nothing was stored, that the key is free. */
  #endShared(key: string, end: () => void): void {
    try {
      const reply = this.#memory.reply(key);
      if (reply === undefined) this.#shared?.releaseReply(key);
      else this.#shared?.storedReply(key, reply);
    } finally {
      end();
    }
  }
}
