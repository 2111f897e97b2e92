/**
 * A made-up program whose calls nest, throw, wait and run in parallel, and the events that a client sends of it.
 * @module
 */

/** One call as it really was. */
export interface RealCall {
  readonly id: number;
  readonly fn: string;
  readonly depth: number;
  readonly threw: boolean;
  readonly children: RealCall[];
}

/** What a client writes into its events besides order. */
export type Numbering = "spans" | "depth" | "order";

/** A run of the program. */
export interface ProgramRun {
  readonly roots: RealCall[];
  readonly events: Record<string, unknown>[];
}

/** Numbers that look random and are the same for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/**
 * Runs a program of about `size` calls.
 * @param isParallel Calls of one caller may overlap, and may outlive it.
 */
export function runProgram(
  options: { size: number; seed: number; numbering: Numbering; isParallel: boolean },
): ProgramRun {
  const { size, numbering, isParallel } = options;
  const random = seededRandom(options.seed);
  const roots: RealCall[] = [];
  const events: Record<string, unknown>[] = [];
  const open: { call: RealCall; parent: RealCall | undefined }[] = [];
  let ids = 0;
  const emit = (type: string, call: RealCall, parent: RealCall | undefined): void => {
    // Thousands of events share a millisecond.
    const event: Record<string, unknown> = {
      t: 1_763_600_000_000 + Math.floor(events.length / 50),
      type,
      fn: call.fn,
    };
    if (numbering !== "order") event.depth = call.depth;
    if (numbering === "spans") Object.assign(event, { spanId: call.id, parentSpanId: parent?.id ?? null });
    if (type === "exit" && call.threw) {
      Object.assign(event, { threw: true, error: { name: "Error", message: "no" } });
    }
    events.push(event);
  };
  const close = (i: number): void => {
    const [{ call, parent }] = open.splice(i, 1);
    emit("exit", call, parent);
  };
  while (ids < size || open.length > 0) {
    const mayBegin = ids < size && open.length < 40;
    if (mayBegin && (open.length === 0 || random() < 0.55)) {
      const at = isParallel ? Math.floor(random() * open.length) : open.length - 1;
      const parent = open[at]?.call;
      const call: RealCall = {
        ...{ id: ++ids, fn: `f${Math.floor(random() * 7)}`, depth: (parent?.depth ?? 0) + 1 },
        ...{ threw: random() < 0.1, children: [] },
      };
      (parent?.children ?? roots).push(call);
      open.push({ call, parent });
      emit("enter", call, parent);
    } else close(isParallel ? Math.floor(random() * open.length) : open.length - 1);
  }
  return { roots, events };
}
