/**
 * Places where a test makes the daemon stop or fail, so that crashes and broken disks can be rehearsed on a
 * real process. Off unless the environment variable `WEIR_FAULTS` is set; then each place costs one look-up.
 *
 * `WEIR_FAULTS=journal.fsync:error:3,flush.renamed:pause` means: the third time the journal syncs, fail; the
 * first time parts were renamed, say so on standard error and stand still until killed. `track.row:error:1-2` fails
 * the first two times, and never again. `journal.piece:slow` means: a disk that takes its time, see {@link faultDelay}.
 * @module
 */

/** Every place, with what has just happened there. */
export const faultPlaces = {
  "journal.write": "before frames are written to a segment",
  "journal.written": "frames are written, not yet synced",
  "journal.fsync": "before a segment is synced",
  "journal.piece": "before a piece of a large frame is written to its own segment",
  "journal.piece_written": "a piece of a large frame is written, not yet synced",
  "journal.piece_fsync": "before a large frame's segment is synced",
  "journal.piece_stored": "a large frame is on the disk, nobody is told yet",
  "journal.rotate": "before a new segment is made",
  "flush.started": "a flush has chosen what it will write",
  "flush.part_written": "a part is written under its temporary name",
  "flush.renamed": "all parts have their names, the catalog does not know them",
  "flush.committed": "the catalog lists the parts, old segments are still there",
  "files.made": "a trace file's temporary file is made, nothing is in it",
  "files.written": "a trace file is written under its temporary name, not yet synced",
  "files.synced": "a trace file is synced, and has no name of its own yet",
  "files.renamed": "a trace file has its name, its directory is not yet synced",
  "track.row": "a row of dialect track is about to be taken; then every row goes this way one by one",
  "recover.frame": "a frame was read back at start",
  "recover.done": "the journal was read back, nothing is served yet",
} as const;

/** One of {@link faultPlaces}. */
export type FaultPlace = keyof typeof faultPlaces;

const actions = ["error", "enospc", "pause", "slow"] as const;
/** Where {@link faultDelay} is asked. */
const slowPlaces: readonly string[] = ["journal.write", "journal.piece"] satisfies FaultPlace[];
const slowMs = 50;

interface Plan {
  action: (typeof actions)[number];
  /** Hits left before it acts; after that, errors repeat. */
  countdown: number;
  /** Hits left until it acts no more. */
  until: number;
}

const plans = readPlans();

/**
 * Does nothing, unless a test planned a fault here.
 * @throws Error with `code` EIO or ENOSPC, where such a fault is planned
 */
export function faultPoint(place: FaultPlace): void {
  if (plans === undefined) return;
  const plan = plans.get(place);
  if (plan === undefined || plan.action === "slow" || !isDue(plan)) return;
  if (plan.action === "pause") standStill(place);
  const code = plan.action === "enospc" ? "ENOSPC" : "EIO";
  throw Object.assign(new Error(`Planned fault at ${place}: ${code}`), { code });
}

/**
 * Undefined, unless a test planned a slow disk here: then it is to be waited for, and everything else goes on meanwhile.
 * To be asked before {@link faultPoint}.
 */
export function faultDelay(place: FaultPlace): Promise<void> | undefined {
  const plan = plans?.get(place);
  if (plan?.action !== "slow" || !isDue(plan)) return undefined;
  return new Promise((resolve) => setTimeout(resolve, slowMs));
}

/** Is any fault planned here? Then there is no way around the place. */
export function isFaultPlanned(place: FaultPlace): boolean {
  return plans?.has(place) ?? false;
}

/** Counts a hit. */
function isDue(plan: Plan): boolean {
  return --plan.until >= 0 && --plan.countdown <= 0;
}

function readPlans(): Map<string, Plan> | undefined {
  const text = Deno.permissions.querySync({ name: "env", variable: "WEIR_FAULTS" }).state === "granted"
    ? Deno.env.get("WEIR_FAULTS")
    : undefined;
  if (!text) return undefined;
  return new Map(text.split(",").map((item) => readPlan(item.trim())));
}

/** @throws Error for a place or an action that there is not: the test that planned it would prove nothing */
function readPlan(item: string): [string, Plan] {
  const [place, word = "error", count = "1", ...rest] = item.split(":");
  const action = actions.find((known) => known === word);
  const places = word === "slow" ? slowPlaces : Object.keys(faultPlaces);
  const isPlace = places.includes(place);
  const hits = /^([1-9]\d{0,8})(?:-([1-9]\d{0,8}))?$/.exec(count);
  if (!isPlace || action === undefined || rest.length > 0 || hits === null) {
    throw new Error(
      `Cannot plan a fault: WEIR_FAULTS must list place:action:count: current value is ${item}`,
    );
  }
  return [place, { action, countdown: Number(hits[1]), until: Number(hits[2] ?? Infinity) }];
}

/** Blocks the whole process: what it would have done next never happens. */
function standStill(place: FaultPlace): never {
  Deno.stderr.writeSync(new TextEncoder().encode(`fault point reached: ${place}\n`));
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (;;) Atomics.wait(cell, 0, 0);
}
