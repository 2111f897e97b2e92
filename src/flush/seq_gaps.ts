/**
 * Which numbers a sender left out, or were lost on the way.
 * @module
 */

/** A run of numbers that came, both ends included. */
interface Range {
  from: number;
  to: number;
}

/** What {@link SeqGaps.finish} tells. */
export interface FoundGaps {
  readonly missing: number;
  readonly gaps: { execution_id: string; from: number; to: number }[];
}

/** A sender whose numbers lie in more ranges than this is not looked at any closer. */
const maxRanges = 10_000;

/**
 * Collects the numbers of each sender as ranges: in order, whatever the number of events, there is one.
 * Numbers begin at 0 or 1.
 */
export class SeqGaps {
  readonly #maxShown: number;
  readonly #senders = new Map<string, Range[]>();

  /** @param maxShown Gaps that are named. */
  constructor(maxShown: number) {
    this.#maxShown = maxShown;
  }

  add(sender: string, seq: number): void {
    const ranges = this.#senders.get(sender);
    if (ranges === undefined) return void this.#senders.set(sender, [{ from: seq, to: seq }]);
    const i = lastAtOrBefore(ranges, seq);
    const before = ranges[i];
    const after = ranges[i + 1];
    if (before !== undefined && seq <= before.to) return;
    const joinsBefore = before !== undefined && before.to + 1 === seq;
    const joinsAfter = after !== undefined && after.from - 1 === seq;
    if (joinsBefore && joinsAfter) {
      before.to = after.to;
      ranges.splice(i + 1, 1);
    } else if (joinsBefore) before.to = seq;
    else if (joinsAfter) after.from = seq;
    else if (ranges.length < maxRanges) ranges.splice(i + 1, 0, { from: seq, to: seq });
  }

  finish(): FoundGaps {
    const gaps: FoundGaps["gaps"] = [];
    let missing = 0;
    for (const [sender, ranges] of this.#senders) {
      let next = ranges[0].from === 0 ? 0 : 1;
      for (const { from, to } of ranges) {
        if (from > next) {
          missing += from - next;
          if (gaps.length < this.#maxShown) gaps.push({ execution_id: sender, from: next, to: from - 1 });
        }
        next = to + 1;
      }
    }
    return { missing, gaps };
  }
}

/** Index of the last range that begins at `seq` or before; -1 where there is none. */
function lastAtOrBefore(ranges: readonly Range[], seq: number): number {
  let low = 0, high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle].from <= seq) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
