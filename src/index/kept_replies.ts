/**
 * Replies for repeated requests, by their Idempotency-Key: in memory until a flush wrote them, then in the catalog.
 * @module
 */

import type { Clock } from "../base/clock.ts";
import type { KeptReply } from "../base/record.ts";
import type { CatalogReader } from "./catalog_reader.ts";
import type { IndexSize } from "./row_index.ts";
import { type LineRun, Runs } from "./runs.ts";

/** What a reply costs besides the characters of its key and body. */
const replyBytes = 250;

/** How {@link KeptReplies} works. */
export interface KeptRepliesOptions {
  readonly catalog: CatalogReader;
  readonly clock: Clock;
  /** How long a reply answers repeats. */
  keepMs: number;
}

/** Key to the first reply, for as long as it is kept. */
export class KeptReplies {
  readonly #options: KeptRepliesOptions;
  #current = new ReplyGeneration();
  #inFlush: ReplyGeneration | undefined;

  constructor(options: KeptRepliesOptions) {
    this.#options = { ...options };
  }

  /** Applies from the next look-up on. */
  set keepMs(keepMs: number) {
    this.#options.keepMs = keepMs;
  }

  /** The reply that a repeat gets; undefined when there is none or it expired. */
  find(key: string): KeptReply | undefined {
    const reply = this.#current.replies.get(key) ?? this.#inFlush?.replies.get(key) ??
      this.#options.catalog.reply(key);
    return reply && this.#isFresh(reply) ? reply : undefined;
  }

  /** Remembers a reply whose line is in the journal. The first one stays for as long as it is fresh. */
  add(key: string, reply: KeptReply, line: LineRun): void {
    this.#current.lines.add(line);
    this.#current.segments.add(line.segment);
    const inFlush = this.#inFlush?.replies.get(key);
    if (inFlush && this.#isFresh(inFlush)) return;
    this.#remember(this.#current, key, reply);
  }

  /** The runs of lines that a flush must write; later ones than segment `checkpoint` wait for the next. */
  plan(checkpoint: number): Float64Array {
    const planned = this.#current;
    this.#inFlush = planned;
    this.#current = new ReplyGeneration();
    const late = planned.lines.takeFrom(checkpoint);
    if (late.rows > 0) {
      // Which reply lies in which line is not known here: all of them stay for another flush.
      this.#current.replies = new Map(planned.replies);
      this.#current.bytes = planned.bytes;
      this.#current.lines.append(late);
      for (const segment of planned.segments) if (segment >= checkpoint) this.#current.segments.add(segment);
    }
    return planned.lines.toArray();
  }

  /** The catalog has the replies of the last plan. */
  committed(): void {
    this.#inFlush = undefined;
  }

  /** The replies of the last plan are due again. */
  failed(): void {
    const older = this.#inFlush;
    if (older === undefined) return;
    older.lines.append(this.#current.lines);
    for (const segment of this.#current.segments) older.segments.add(segment);
    for (const [key, reply] of this.#current.replies) this.#remember(older, key, reply);
    this.#current = older;
    this.#inFlush = undefined;
  }

  /** Adds the segments that replies lie in. */
  addSegments(segments: Set<number>): void {
    for (const segment of this.#inFlush?.segments ?? []) segments.add(segment);
    for (const segment of this.#current.segments) segments.add(segment);
  }

  size(): IndexSize {
    const older = this.#inFlush;
    return {
      entries: this.#current.replies.size + (older?.replies.size ?? 0),
      bytes: this.#current.bytes + this.#current.lines.bytes + (older ? older.bytes + older.lines.bytes : 0),
    };
  }

  #remember(generation: ReplyGeneration, key: string, reply: KeptReply): void {
    const known = generation.replies.get(key);
    if (known && this.#isFresh(known)) return;
    generation.replies.set(key, reply);
    generation.bytes += bytesOf(key, reply) - (known ? bytesOf(key, known) : 0);
  }

  #isFresh(reply: KeptReply): boolean {
    return this.#options.clock.now() - reply.at < this.#options.keepMs;
  }
}

/** The replies between two plans. */
class ReplyGeneration {
  replies = new Map<string, KeptReply>();
  readonly lines = new Runs();
  readonly segments = new Set<number>();
  bytes = 0;
}

function bytesOf(key: string, reply: KeptReply): number {
  return replyBytes + key.length + reply.body.length;
}
