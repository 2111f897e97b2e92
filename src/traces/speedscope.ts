/**
 * A request in speedscope's own format: one evented profile for each lane of calls.
 *
 * Source: https://www.speedscope.app/file-format-schema.json, which npm's `speedscope` carries.
 * @module
 */

import { type TraceEvent, traceEventOf } from "./event.ts";
import { EventClock } from "./event_clock.ts";
import { readEvents } from "./event_pieces.ts";
import { Lanes, type LaneStep } from "./lanes.ts";
import { SpanTracker, type Step } from "./spans.ts";
import { TextPieces } from "./text_pieces.ts";
import { titleOf, type TracedRequest } from "./traced_request.ts";

/** Text of lanes that wait until the one at hand is written; lanes beyond are made in a further pass. */
const maxWaitingCharacters = 8 * 1024 * 1024;

/** The bytes of the file, as they are made. The events are read again for lanes that did not fit into memory. */
export async function* toSpeedscope(request: TracedRequest): AsyncGenerator<Uint8Array, void, undefined> {
  const out = new TextPieces();
  const frames = new Frames();
  const title = titleOf(request);
  out.add(`{"$schema":"https://www.speedscope.app/file-format-schema.json","exporter":"weir",`);
  out.add(`"name":${JSON.stringify(title)},"activeProfileIndex":0,"profiles":[\n`);
  for (let first = 0, lanes = 1; first < lanes;) {
    if (first > 0) out.add(",\n");
    const pass = new Pass(first, frames, out);
    out.add(profileStart(title, first));
    for await (const group of readEvents(request.events())) {
      for (const value of group) pass.push(traceEventOf(value));
      yield* out.ready();
    }
    pass.finish();
    out.add(pass.profileEnd);
    lanes = pass.lanes;
    for (first++; first < lanes; first++) {
      const text = pass.waiting(first);
      if (text === undefined) break;
      out.add(`,\n${profileStart(title, first)}${text}${pass.profileEnd}`);
      yield* out.ready();
    }
  }
  out.add(`\n],"shared":{"frames":${JSON.stringify(frames.list)}}}\n`);
  yield* out.rest();
}

/** Once through the events: the first lane goes out at once, others wait as text. */
class Pass {
  readonly #first: number;
  readonly #frames: Frames;
  readonly #out: TextPieces;
  readonly #tracker = new SpanTracker();
  readonly #lanes = new Lanes();
  readonly #clock = new EventClock();
  readonly #waiting = new Map<number, string[]>();
  /** The lowest lane that found no room. */
  #full = Infinity;
  #waitingCharacters = 0;
  #isFirstEmpty = true;

  constructor(first: number, frames: Frames, out: TextPieces) {
    this.#first = first;
    this.#frames = frames;
    this.#out = out;
  }

  get lanes(): number {
    return Math.max(this.#lanes.count, 1);
  }

  get profileEnd(): string {
    return `],"startValue":0,"endValue":${this.#clock.last}}`;
  }

  push(event: TraceEvent): void {
    const at = this.#clock.next(event.t);
    for (const step of this.#tracker.push(event)) this.#take(step, at);
  }

  finish(): void {
    for (const step of this.#tracker.finish()) this.#take(step, this.#clock.next(undefined));
  }

  /** The events of a lane behind the first, as text; undefined when they found no room. */
  waiting(lane: number): string | undefined {
    return lane < this.#full ? (this.#waiting.get(lane) ?? []).join(",") : undefined;
  }

  #take(step: Step, at: number): void {
    if (step.kind === "open") this.#write(this.#lanes.open(step.span), at);
    if (step.kind === "close") this.#write(this.#lanes.close(step.span), at);
  }

  #write(steps: readonly LaneStep[], at: number): void {
    for (const { lane, span, isBegin } of steps) {
      if (lane < this.#first || lane >= this.#full) continue;
      const frame = this.#frames.indexOf(span.enter);
      const text = `{"type":"${isBegin ? "O" : "C"}","frame":${frame},"at":${at}}`;
      if (lane === this.#first) {
        this.#out.add(this.#isFirstEmpty ? text : "," + text);
        this.#isFirstEmpty = false;
      } else this.#wait(lane, text);
    }
  }

  #wait(lane: number, text: string): void {
    const texts = this.#waiting.get(lane);
    if (texts) texts.push(text);
    else this.#waiting.set(lane, [text]);
    this.#waitingCharacters += text.length;
    while (this.#waitingCharacters > maxWaitingCharacters) this.#dropHighest();
  }

  /** Makes room: the highest lane waits for a further pass, and so do all above it. */
  #dropHighest(): void {
    const highest = Math.max(...this.#waiting.keys());
    for (const text of this.#waiting.get(highest)!) this.#waitingCharacters -= text.length;
    this.#waiting.delete(highest);
    this.#full = highest;
  }
}

/** Functions, each once. */
class Frames {
  readonly list: { name: string; file?: string; line?: number }[] = [];
  readonly #indexes = new Map<string, number>();

  indexOf({ fn, file, line }: TraceEvent): number {
    const name = fn ?? "(anonymous)";
    const key = `${line ?? ""}:${name}:${file ?? ""}`;
    let index = this.#indexes.get(key);
    if (index === undefined) {
      this.#indexes.set(key, index = this.list.length);
      this.list.push({ name, file, line });
    }
    return index;
  }
}

function profileStart(title: string, lane: number): string {
  const name = lane === 0 ? title : `${title}, beside (${lane})`;
  return `{"type":"evented","name":${JSON.stringify(name)},"unit":"nanoseconds","events":[`;
}
