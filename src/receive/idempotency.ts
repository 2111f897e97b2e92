/**
 * Idempotency-Key: a repeated request gets the first one's reply, without being run again (contract `track`,
 * Decision 8). Two with the same key at once: the second waits for the first.
 * @module
 */

import { WeirError } from "../base/errors.ts";
import type { KeptReply } from "../base/record.ts";

/** Where replies of the past are looked up. */
export interface ReplyMemory {
  reply(key: string): KeptReply | undefined;
}

/** The turn of one request: a reply to repeat, or the right to run. */
export type Turn =
  | { readonly repeat: KeptReply }
  | { readonly key: string | undefined; [Symbol.dispose](): void };

/** Lets one request a key run at a time. */
export class Idempotency {
  readonly #memory: ReplyMemory;
  readonly #running = new Map<string, Promise<void>>();

  constructor(memory: ReplyMemory) {
    this.#memory = memory;
  }

  /**
   * Waits until no request with the same key is running, then answers what to do.
   * @param scope Route and tenant: the same key means nothing in another scope.
   * @throws WeirError `invalid_header` when the key is empty or longer than 256 characters
   */
  async begin(headers: Headers, scope: string): Promise<Turn> {
    const sent = headers.get("idempotency-key");
    if (sent === null) return { key: undefined, [Symbol.dispose]() {} };
    if (sent === "" || sent.length > 256) {
      throw new WeirError("invalid_header", "Idempotency-Key must have 1 to 256 characters");
    }
    const key = `${scope}\n${sent}`;
    for (;;) {
      const running = this.#running.get(key);
      if (running === undefined) break;
      await running;
    }
    const repeat = this.#memory.reply(key);
    if (repeat !== undefined) return { repeat };
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#running.set(key, promise);
    return {
      key,
      [Symbol.dispose]: () => {
        this.#running.delete(key);
        resolve();
      },
    };
  }
}
