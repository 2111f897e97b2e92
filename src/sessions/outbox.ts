/**
 * What waits to be told to the other daemons: it goes along with every question, and by itself where nobody asks.
 * @module
 */

import type { RedisAnswer, RedisLink } from "./redis_link.ts";
import type { RedisOperation } from "./redis_script.ts";
import type { Session } from "./session.ts";

/** Time in which what was stored is gathered before it is told. */
const tellMs = 100;
/** Operations sent at once. */
export const maxOperations = 5_000;
/** Operations kept for a Redis that is away; past it the oldest are forgotten. */
export const maxWaiting = 200_000;

/** Tells, and asks. */
export class Outbox {
  readonly #link: RedisLink;
  readonly #describe: (session: Session) => RedisOperation[];
  /** Sessions of which more was stored than was told. */
  readonly #sessions = new Set<Session>();
  #operations: RedisOperation[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #telling: Promise<void> | undefined;
  #closed = false;

  /** @param describe What is to be told of a session, as of now. */
  constructor(link: RedisLink, describe: (session: Session) => RedisOperation[]) {
    this.#link = link;
    this.#describe = describe;
  }

  /** How much waits. */
  get waiting(): number {
    return this.#operations.length + this.#sessions.size;
  }

  /** To be told soon. */
  add(operation: RedisOperation): void {
    this.#operations.push(operation);
    if (this.#operations.length > maxWaiting) this.#operations.splice(0, maxOperations);
    this.#tellSoon();
  }

  /** To be told soon, once, however often it is said until then. */
  addSession(session: Session): void {
    this.#sessions.add(session);
    this.#tellSoon();
  }

  /**
   * Asks, in one round trip, and tells along with it what waits.
   * @throws WeirError `claims_unavailable`; what waited waits on
   */
  async ask(operations: readonly RedisOperation[]): Promise<RedisAnswer[]> {
    const waiting = this.#takeSome();
    try {
      const answers = await this.#link.run([...waiting, ...operations]);
      return answers.slice(waiting.length);
    } catch (error) {
      this.#keep(waiting);
      throw error;
    }
  }

  /** Tells what waits. @throws WeirError `claims_unavailable`; what could not be told waits on */
  tell(): Promise<void> {
    this.#telling ??= this.#tell().finally(() => this.#telling = undefined);
    return this.#telling;
  }

  /** Tells what waits, if it can be told, and ends. */
  async stop(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.tell().catch(() => undefined);
  }

  async #tell(): Promise<void> {
    while (this.waiting > 0 && this.#link.isUp) {
      const operations = this.#takeSome();
      try {
        await this.#link.run(operations);
      } catch (error) {
        this.#keep(operations);
        throw error;
      }
    }
  }

  /** As much as may be sent at once. */
  #takeSome(): RedisOperation[] {
    const operations = this.#operations.splice(0, maxOperations);
    for (const session of this.#sessions) {
      if (operations.length >= maxOperations) break;
      this.#sessions.delete(session);
      operations.push(...this.#describe(session));
    }
    return operations;
  }

  #keep(operations: readonly RedisOperation[]): void {
    this.#operations = [...operations, ...this.#operations].slice(-maxWaiting);
  }

  #tellSoon(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      // Whoever wants to know how it went looks at the link.
      this.tell().catch(() => undefined);
    }, tellMs);
    Deno.unrefTimer(this.#timer);
  }
}
