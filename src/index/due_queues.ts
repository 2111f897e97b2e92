/**
 * In which order requests become due for a flush: those that are complete, the open ones by when they were last
 * active, and all of them by the oldest segment that they hold on to.
 * @module
 */

import { requestFlag, requestInt, requestNumber } from "./request_rows.ts";
import { none, Slab, SlabLists } from "./slab.ts";

const ends = { first: 0, last: 1 } as const;

/** What a request's place in the queues depends on. */
export interface QueuePlace {
  readonly isComplete: boolean;
  /** Segment of the record that was placed, or of the oldest one. */
  readonly segment: number;
}

/** The queues; each step costs the same however many requests wait. */
export class DueQueues {
  readonly #requests: Slab;
  readonly #owners = new Slab({ numbers: 0, ints: 2 });
  readonly #queues: SlabLists;
  readonly #bySegment: SlabLists;
  readonly #segments = new Map<number, number>();
  readonly #open: number;
  readonly #complete: number;

  constructor(requests: Slab) {
    this.#requests = requests;
    this.#queues = new SlabLists(requests, this.#owners, {
      next: requestInt.nextInQueue,
      previous: requestInt.previousInQueue,
      ...ends,
    });
    this.#bySegment = new SlabLists(requests, this.#owners, {
      next: requestInt.nextInSegment,
      previous: requestInt.previousInSegment,
      ...ends,
    });
    this.#open = this.#newOwner();
    this.#complete = this.#newOwner();
  }

  /** A record of the request was placed: it is the youngest of its queue. */
  touch(request: number, place: QueuePlace): void {
    if (this.#isQueued(request)) this.#leaveQueue(request);
    else this.#enterSegment(request, place.segment);
    this.#queues.append(this.#enterQueue(request, place.isComplete), request);
  }

  /** The request, which a flush had taken, waits again. */
  putBack(request: number, place: QueuePlace): void {
    if (this.#isQueued(request)) {
      this.#leaveSegment(request);
      this.#enterSegment(request, place.segment);
      return this.setComplete(request, place.isComplete);
    }
    this.#enterSegment(request, place.segment);
    this.#insert(request, place.isComplete);
  }

  /** Moves a waiting request to the other queue, if it belongs there. */
  setComplete(request: number, isComplete: boolean): void {
    if (!this.#isQueued(request) || this.#isIn(request, requestFlag.complete) === isComplete) return;
    this.#leaveQueue(request);
    this.#insert(request, isComplete);
  }

  /** Nothing of the request is due any more. */
  remove(request: number): void {
    this.#leaveQueue(request);
    this.#leaveSegment(request);
  }

  /** Complete requests; the one at hand may be removed meanwhile. */
  complete(): Generator<number, void, undefined> {
    return walk(this.#queues, this.#complete);
  }

  /** Open requests, those that were active last at the end; the one at hand may be removed meanwhile. */
  open(): Generator<number, void, undefined> {
    return walk(this.#queues, this.#open);
  }

  /** Requests that may hold on to a segment before this one; the one at hand may be removed meanwhile. */
  *holdingBefore(segment: number): Generator<number, void, undefined> {
    for (const [held, owner] of [...this.#segments].sort(([a], [b]) => a - b)) {
      if (held < segment) yield* walk(this.#bySegment, owner);
    }
  }

  /** Puts a request into a queue that may hold some that were active later. */
  #insert(request: number, isComplete: boolean): void {
    const queue = this.#enterQueue(request, isComplete);
    const oldest = this.#queues.first(queue);
    if (oldest === none || this.#activity(request) <= this.#activity(oldest)) {
      return this.#queues.prepend(queue, request);
    }
    // Out of turn. Rather than search for its place, it counts as active a little later than it was.
    const activity = Math.max(this.#activity(request), this.#activity(this.#queues.last(queue)));
    this.#requests.setNumber(request, requestNumber.activity, activity);
    this.#queues.append(queue, request);
  }

  #activity(request: number): number {
    return this.#requests.number(request, requestNumber.activity);
  }

  #isQueued(request: number): boolean {
    return this.#isIn(request, requestFlag.open | requestFlag.complete);
  }

  #isIn(request: number, flags: number): boolean {
    return (this.#requests.int(request, requestInt.flags) & flags) !== 0;
  }

  /** Marks the request; returns the queue that it must be linked into. */
  #enterQueue(request: number, isComplete: boolean): number {
    const flag = isComplete ? requestFlag.complete : requestFlag.open;
    this.#requests.setInt(request, requestInt.flags, this.#requests.int(request, requestInt.flags) | flag);
    return isComplete ? this.#complete : this.#open;
  }

  #leaveQueue(request: number): void {
    const flags = this.#requests.int(request, requestInt.flags);
    this.#queues.remove((flags & requestFlag.complete) !== 0 ? this.#complete : this.#open, request);
    this.#requests.setInt(request, requestInt.flags, flags & ~(requestFlag.open | requestFlag.complete));
  }

  #enterSegment(request: number, segment: number): void {
    this.#requests.setInt(request, requestInt.oldestSegment, segment);
    let owner = this.#segments.get(segment);
    if (owner === undefined) {
      owner = this.#newOwner();
      this.#segments.set(segment, owner);
    }
    this.#bySegment.append(owner, request);
  }

  #leaveSegment(request: number): void {
    const segment = this.#requests.int(request, requestInt.oldestSegment);
    const owner = this.#segments.get(segment);
    if (owner === undefined) return;
    this.#bySegment.remove(owner, request);
    if (this.#bySegment.first(owner) !== none) return;
    this.#segments.delete(segment);
    this.#owners.free(owner);
  }

  #newOwner(): number {
    const owner = this.#owners.allocate();
    this.#queues.clear(owner);
    return owner;
  }
}

function* walk(lists: SlabLists, owner: number): Generator<number, void, undefined> {
  for (let row = lists.first(owner); row !== none;) {
    const next = lists.after(row);
    yield row;
    row = next;
  }
}
