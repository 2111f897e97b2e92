/**
 * What is asked and told of a session, as operations of the script in Redis.
 * @module
 */

import { doneOperation, markOperation, takeOperation } from "./redis_claims.ts";
import type { RedisLink } from "./redis_link.ts";
import type { RedisKey, RedisOperation } from "./redis_script.ts";
import type { Session } from "./session.ts";
import type { SessionBook } from "./session_book.ts";
import { foldToJson } from "./session_fold.ts";
import { type Joining, ownerOf } from "./window_questions.ts";

/** How long the claim of a start stays pending: longer than a unit takes from its window to the disk, mostly. */
export const startPendingMs = 10_000;
const closingMs = 30_000;

/** What {@link SessionOperations} are made with. */
export interface SessionOperationsOptions {
  readonly link: RedisLink;
  readonly book: SessionBook;
  /** Name of this daemon; the same after a restart over the same data. */
  readonly daemonId: string;
  /** Tells claims of this run from those of others. */
  readonly token: string;
  /** How long what is known of sessions is kept. */
  readonly keepMs: () => number;
}

/** Puts questions and news of sessions into the words of the script. */
export class SessionOperations {
  readonly #options: SessionOperationsOptions;

  constructor(options: SessionOperationsOptions) {
    this.#options = options;
  }

  /** Which session do live events of a device come to, and whose is it to start it? Its id, then as a claim answers. */
  join(owner: string, { candidate, earliest, latest }: Joining): RedisOperation {
    const { link, book, token } = this.#options;
    const startsOf = link.nameOf(link.key(owner, "start:"));
    return {
      key: link.key(owner, `live:${owner}`),
      words: [
        ...["join", earliest, latest, candidate.id, book.settings.timeoutMs],
        ...[startsOf, token, startPendingMs],
      ],
    };
  }

  /** Whose is it to start the session? */
  holdStart(session: Session): RedisOperation {
    return takeOperation(this.#startKey(session), { token: this.#options.token, pendingMs: startPendingMs });
  }

  /** Its session_start is stored: by a claim (`done`), or decided without one (`mark`). */
  started(session: Session, word: "done" | "mark", startT: number): RedisOperation {
    const { token, keepMs } = this.#options;
    const tell = word === "done" ? doneOperation : markOperation;
    return tell(this.#startKey(session), { token, keepMs: keepMs(), memo: String(startT) });
  }

  /** All that this daemon stored of it. */
  publish(session: Session): RedisOperation {
    const { book, daemonId, keepMs } = this.#options;
    const words = ["publish", daemonId, foldToJson(session.fold), book.dueAt(session), keepMs()];
    return { key: this.#sessionKey(session), words };
  }

  /** Its live events go on; nothing where it has none. */
  extend(session: Session): RedisOperation[] {
    const { liveT } = session.fold;
    if (!isFinite(liveT)) return [];
    const owner = ownerOf(session);
    return [{ key: this.#options.link.key(owner, `live:${owner}`), words: ["extend", session.id, liveT] }];
  }

  /** May it be ended here? @param isEarly Before its time, because there are too many. */
  close(session: Session, isEarly: boolean): RedisOperation {
    const { link, token } = this.#options;
    const words = ["close", token, session.version, closingMs];
    return {
      key: this.#sessionKey(session),
      words: [...words, link.nameOf(this.#startKey(session)), isEarly ? 1 : 0],
    };
  }

  /** Its end is stored. */
  closed(session: Session): RedisOperation {
    const { token, keepMs } = this.#options;
    return { key: this.#sessionKey(session), words: ["closed", token, session.version, keepMs()] };
  }

  /** It was not ended after all. */
  reopen(session: Session): RedisOperation {
    return { key: this.#sessionKey(session), words: ["reopen", this.#options.token] };
  }

  #sessionKey(session: Session): RedisKey {
    return this.#options.link.key(ownerOf(session), `session:${session.id}`);
  }

  #startKey(session: Session): RedisKey {
    return this.#options.link.key(ownerOf(session), `start:${session.id}`);
  }
}
