/**
 * A catalog in memory that takes up plans as the flush does, and remembers everything that was ever written.
 * @module
 */

import { identityKey, type IdentityMemo, type KeptReply } from "../../src/base/record.ts";
import { digestOf, hexOf } from "../support/digests.ts";
import type { CatalogReader } from "../../src/index/catalog_reader.ts";
import { forEachPlaced } from "../../src/index/identity_page.ts";
import { unpackRequests } from "../../src/index/packed_requests.ts";
import type { FlushPlan, RequestPlan } from "../../src/index/plan.ts";
import type { JournalPosition } from "../../src/journal/segment.ts";
import type { MemoryJournal } from "./memory_journal.ts";

const secret = Uint8Array.from({ length: 16 }, (_, i) => i);

interface FlushedRequest {
  readonly batches: Map<number, number>;
  through: JournalPosition;
}

/** See the module. Counts the look-ups. */
export class MemoryCatalog implements CatalogReader {
  /** By their digests. */
  readonly identities = new Map<string, IdentityMemo>();
  readonly replies = new Map<string, KeptReply>();
  readonly requests = new Map<string, FlushedRequest>();
  /** Every row's id, and every trace record's time, in the order of writing. */
  readonly written: (string | number)[] = [];
  checkpoint = 0;
  identityLookups = 0;
  requestLookups = 0;

  identitySecret(): Uint8Array {
    return secret;
  }

  identity(digests: Int32Array, at: number): IdentityMemo | undefined {
    this.identityLookups++;
    return this.identities.get(hexOf(digests, at));
  }

  *identityDigests(): Generator<Int32Array> {
    for (const hex of this.identities.keys()) {
      yield Int32Array.from(hex.match(/.{8}/g)!, (word) => Number.parseInt(word, 16));
    }
  }

  /** Makes it know an identity. */
  remember(key: string, memo: IdentityMemo): void {
    this.identities.set(hexOf(digestOf(this, key)), memo);
  }

  reply(key: string): KeptReply | undefined {
    return this.replies.get(key);
  }

  flushedBatches(app: string, sid: string, rid: string): Map<number, number> | undefined {
    this.requestLookups++;
    return this.requests.get(JSON.stringify([app, sid, rid]))?.batches;
  }

  flushedThrough(app: string, sid: string, rid: string): JournalPosition | undefined {
    return this.requests.get(JSON.stringify([app, sid, rid]))?.through;
  }

  entity(): string | undefined {
    return undefined;
  }

  isReplayed(): boolean {
    return false;
  }

  commit(plan: FlushPlan, journal: MemoryJournal): void {
    for (const page of plan.identities) {
      forEachPlaced(page, (at, memo) => {
        const hex = hexOf(page.numbers, at);
        if (!this.identities.has(hex)) this.identities.set(hex, memo);
      });
    }
    for (const { extents } of plan.rows) {
      for (const line of journal.lines(extents)) this.#addRow(line);
    }
    for (const line of journal.lines(plan.replies)) {
      const { key, status, content_type: contentType, body, at } = line as Record<string, never>;
      if (!this.replies.has(key)) this.replies.set(key, { status, contentType, body, at });
    }
    for (const request of unpackRequests(plan.requests)) this.#addRequest(request, journal);
    this.checkpoint = plan.checkpoint;
  }

  #addRow(line: Record<string, unknown>): void {
    this.written.push(line.id as string);
    if (line.insert_id === undefined) return;
    const key = identityKey("project", line.project_id as string, line.insert_id as string);
    const memo = this.identities.get(hexOf(digestOf(this, key)));
    if (memo === undefined) throw new Error("A plan holds a row and not its identity");
    if (memo.deviceId !== line.device_id) throw new Error("An identity has the memo of another row");
  }

  #addRequest(request: RequestPlan, journal: MemoryJournal): void {
    const name = JSON.stringify([request.app, request.sid, request.rid]);
    const known = this.requests.get(name) ?? { batches: new Map(), through: { segment: 0, offset: 0 } };
    this.requests.set(name, known);
    const reach = (segment: number, offset: number): void => {
      const { through } = known;
      const isLater = segment > through.segment || segment === through.segment && offset > through.offset;
      if (isLater) known.through = { segment, offset };
    };
    for (let i = 0; i < request.batches.length; i += 6) {
      const [index, segment, offset, length, hash] = request.batches.subarray(i, i + 5);
      const events = JSON.parse(journal.read(segment, offset, length)) as { content: number }[];
      if (events[0].content * 7919 + 1 !== hash) throw new Error("A batch's bytes are not those of its hash");
      known.batches.set(index, hash);
      this.written.push(`${name}#${index}@${segment}:${offset}`);
      reach(segment, offset);
    }
    for (let i = 0; i < request.metas.length; i += 3) {
      const [segment, offset, length] = request.metas.subarray(i, i + 3);
      const line = JSON.parse(journal.read(segment, offset, length)) as { t: number; kind: string };
      if (line.kind !== "request") throw new Error("Metadata is no line of a request");
      this.written.push(line.t);
      reach(segment, offset);
    }
  }
}
