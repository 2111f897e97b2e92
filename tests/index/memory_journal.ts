/**
 * A journal in memory: segments of bytes with whole frames, as far as the index can see.
 * @module
 */

import { frameHeaderBytes, type Unit } from "../../src/base/record.ts";
import type { JournalPosition } from "../../src/journal/segment.ts";

const magicBytes = 16;

interface Frame {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Keeps frames by segment, and gives back any bytes of them by position. */
export class MemoryJournal {
  readonly #segments = new Map<number, Frame[]>([[1, []]]);
  #current = 1;
  #length = magicBytes;

  get segments(): number[] {
    return [...this.#segments.keys()];
  }

  /** Is there nothing in the segment that takes frames? */
  get isFresh(): boolean {
    return this.#segments.get(this.#current)!.length === 0;
  }

  get currentSegment(): number {
    return this.#current;
  }

  append(unit: Unit): JournalPosition {
    const bytes = unit.writer.view().slice(frameHeaderBytes);
    const offset = this.#length + frameHeaderBytes;
    this.#segments.get(this.#current)!.push({ offset, bytes });
    this.#length = offset + bytes.length;
    return { segment: this.#current, offset };
  }

  rotate(): number {
    this.#segments.set(++this.#current, []);
    this.#length = magicBytes;
    return this.#current;
  }

  drop(isDropped: (segment: number) => boolean): void {
    for (const segment of this.segments) if (isDropped(segment)) this.#segments.delete(segment);
  }

  *frames(): Generator<{ at: JournalPosition; payload: Uint8Array }> {
    for (const [segment, frames] of this.#segments) {
      for (const { offset, bytes } of frames) yield { at: { segment, offset }, payload: bytes };
    }
  }

  /** @throws Error when these bytes are not within one frame of a segment that is there */
  read(segment: number, offset: number, length: number): string {
    const frame = this.#segments.get(segment)?.find((each) =>
      each.offset <= offset && offset + length <= each.offset + each.bytes.length
    );
    if (!frame) throw new Error(`No frame holds ${length} bytes at ${segment}:${offset}`);
    const start = offset - frame.offset;
    return new TextDecoder().decode(frame.bytes.subarray(start, start + length));
  }

  /** The lines of runs, parsed. */
  lines(extents: Float64Array): Record<string, unknown>[] {
    const lines: Record<string, unknown>[] = [];
    for (let i = 0; i < extents.length; i += 4) {
      const [segment, offset, length, rows] = extents.subarray(i, i + 4);
      const texts = this.read(segment, offset, length).split("\n");
      if (texts.pop() !== "") throw new Error("A run does not end with a line break");
      const parsed = texts.map((text) => JSON.parse(text) as Record<string, unknown>);
      if (parsed.length !== rows) throw new Error("A run counts its rows wrong");
      lines.push(...parsed);
    }
    return lines;
  }
}
